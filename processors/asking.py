"""How much the shape of a post's sentences looks like a question that wants an answer.

What may be one is looked at again, see ``second_look.py``.

Limits: irony; questions of which only the context says that nobody is to answer.
"""

import re

from processors.second_look import plain

__all__ = ["asking_of"]

_PARTICLES = ("么", "呢", "不", "没", "嘛", "啊", "呀")
_ENDS = ("吗?", "么?", "嘛?", "呢?", "没?", "不?")
_SHORT = 35
_LONG = 90
#: 不知道要不要升级: nobody is addressed, and yet an answer is wanted.
_WONDERING = ("不知", "不清楚", "不确定", "不了解", "不太懂", "不晓得", "想了解")
_WONDERED = re.compile(
    f"(?:{'|'.join(_WONDERING)})"
    r"[^,.!?;\n]{0,12}?(?:是不是|会不会|要不要|能不能|有没有|好不好|值不值|该不该|可不可以|行不行|算不算"
    r"|是否|能否|怎么样|咋样|如何|多少|哪个|哪款|哪家|还是|好用[么吗]|(\w)不\1|正常|吗|么\?)"
)


def asking_of(text: str, by_word: bool) -> int:
    """What the shape adds to an enquiry, in hundredths; ``by_word``: a word of questions is there.

    ``text`` is folded: its signs are those of ASCII.
    """
    text = plain(text)
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
    if ("不" in text or "想了解" in text) and _WONDERED.search(text):
        total += 300
    return total + 80 if by_word and short else total
