"""How much the shape of a post's sentences looks like a question that wants an answer.

Limits: irony; questions of which only the context says that nobody is to answer.
"""

__all__ = ["asking_of"]

_PARTICLES = ("么", "呢", "不", "没", "嘛", "啊", "呀")
_ENDS = ("吗?", "么?", "嘛?", "呢?", "没?", "不?")
_SHORT = 35
_LONG = 90
#: Emoji that some platform could not store; a question mark hardly ever stands behind a space.
_LOST = " ??"


def asking_of(text: str, by_word: bool) -> int:
    """What the shape adds to an enquiry, in hundredths; ``by_word``: a word of questions is there.

    ``text`` is folded: its signs are those of ASCII.
    """
    if _LOST in text:
        text = text.replace("??", " ")
    tail = text.rstrip(" !~。.\n")
    marks = text.count("?")
    short = len(tail) <= _SHORT
    total = 140 if marks or ("吗" in text and short) else 0
    if tail.endswith("?"):
        total += 80
        if short and tail.endswith(_ENDS):
            total += 40
    elif tail.endswith("吗") or (by_word and tail.endswith(_PARTICLES)):
        total += 100
    if not marks and len(tail) > _LONG:
        total -= 80  # words of questions stand in statements, too
    if text.count("!") > 1:
        total -= 60
    return total + 80 if by_word and short else total
