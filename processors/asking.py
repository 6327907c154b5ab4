"""How much a post is a question that wants an answer.

Two looks. ``asking_of`` sees the shape of the sentences; with the listed words of ``intents.toml``
it finds what may be a question. ``wants_answer`` looks at those again: scolding, small talk, titles
and questions that the writer answers himself have question marks, too. It is a linear model on a
few cues with names (``asking.toml``); ``intents.md`` tells how its weights were learnt.

Limits: irony; questions of which only the context says that nobody is to answer.
"""

import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from operator import mul
from pathlib import Path
from typing import Any, Final, NamedTuple

from schemas.enriched import Sentiment

__all__ = ["ASKING_VERSION", "Seen", "asking_of", "cues_of", "wants_answer"]

_PARTICLES = ("么", "呢", "不", "没", "嘛", "啊", "呀")
_ENDS = ("吗?", "么?", "嘛?", "呢?", "没?", "不?")
_SHORT = 35
_LONG = 90
#: Emoji that some platform could not store; a question mark hardly ever stands behind a space.
_LOST = " ??"
#: 不知道要不要升级: nobody is addressed, and yet an answer is wanted.
_WONDERING = ("不知", "不清楚", "不确定", "不了解", "不太懂", "不晓得", "想了解")
_WONDERED = re.compile(
    f"(?:{'|'.join(_WONDERING)})"
    r"[^,.!?;\n]{0,12}?(?:是不是|会不会|要不要|能不能|有没有|好不好|值不值|该不该|可不可以|行不行|算不算"
    r"|是否|能否|怎么样|咋样|如何|多少|哪个|哪款|哪家|还是|好用[么吗]|(\w)不\1|正常|吗|么\?)"
)

_FILE = Path(__file__).with_name("asking.toml")
_TABLE: Final[Mapping[str, Any]] = tomllib.loads(_FILE.read_text(encoding="utf-8"))
ASKING_VERSION: Final = hashlib.sha256(_FILE.read_bytes()).hexdigest()[:8]
"""Changes with the cues and their weights."""


class _Cue(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    post: float
    """What each occurrence adds, up to two."""
    question: float
    """What the cue adds in a sentence that asks."""


_CUES: Final = tuple(
    _Cue(
        name,
        re.compile("|".join([*map(re.escape, cue.get("words", ())), *cue.get("patterns", ())])),
        cue.get("post", 0.0),
        cue.get("question", 0.0),
    )
    for name, cue in _TABLE["cues"].items()
)
_BIAS: Final[float] = _TABLE["bias"]
_SHAPE: Final[tuple[float, ...]] = tuple(_TABLE["shape"].values())
_MOST = 2
_SENTENCE = re.compile(r"[^?!。;\n]*[?!。;\n]?")
_BRACKETS = re.compile(r"\[[^\[\]\s]{1,8}\]")
_WANTED_ENDS = ("吗", "吗?", "么?", "没?", "不?", "嘛?", "不", "没", "么")
#: Of a post without a mood: what posts that may ask have on average.
_NO_MOOD: Final = (0.4, 0.45)
#: Beyond that, words say no more.
_SUREST = 5.0


class Seen(NamedTuple):
    """What is known of a post before it is looked at again."""

    total: float
    """Natural logarithm of the odds that it asks, by words and shape."""
    request: bool
    """It has a word with which one asks for something (请问, 求推荐)."""
    goods: bool
    """It is about goods or services."""
    headline: bool
    buys: float
    """Weight of the words of buyers; 1 for one, half more for each further."""
    maintains: float
    mood: Sentiment | None


def asking_of(text: str, by_word: bool) -> int:
    """What the shape adds to an enquiry, in hundredths; ``by_word``: a word of questions is there.

    ``text`` is folded: its signs are those of ASCII.
    """
    text = _plain(text)
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


def wants_answer(text: str, seen: Seen) -> float:
    """Natural logarithm of the odds that an answer is wanted, of a post that may ask."""
    text_read = _plain(text)
    asked = _asked(text_read)
    total: float = _BIAS + sum(map(mul, _SHAPE, _shape(text, text_read, asked, seen).values()))
    for _, pattern, post, question in _CUES:
        if found := pattern.findall(text_read):
            total += post * min(_MOST, len(found))
            if question and pattern.search(asked):
                total += question
    return total


def cues_of(text: str, seen: Seen) -> dict[str, float]:
    """What the model sees, by name, to learn its weights from."""
    text_read = _plain(text)
    asked = _asked(text_read)
    cues = _shape(text, text_read, asked, seen)
    for cue in _CUES:
        cues[f"{cue.name}.post"] = min(_MOST, len(cue.pattern.findall(text_read)))
        cues[f"{cue.name}.question"] = bool(cue.pattern.search(asked))
    return cues


def _asked(text: str) -> str:
    """The sentences that ask."""
    if "?" not in text and "吗" not in text:
        return ""
    return "".join([one for one in _SENTENCE.findall(text) if one[-1:] == "?" or "吗" in one])


def _shape(text: str, text_read: str, asked: str, seen: Seen) -> dict[str, float]:
    """What is seen besides words, in the order of the table ``shape``."""
    tail = text_read.rstrip(" !~。.\n")
    mark = text_read.find("?")
    mood = seen.mood
    negative, neutral = (mood.negative, mood.neutral) if mood else _NO_MOOD
    total = min(seen.total, _SUREST)
    return {
        "total": total,
        "sure": max(0.0, total - 1),
        "request": seen.request,
        "goods": seen.goods,
        "headline": seen.headline,
        "buys": seen.buys,
        "maintains": seen.maintains,
        "length": math.log(max(len(tail), 1) / 30),
        "asking_share": len(asked) / max(1, len(text_read)),
        "before": math.log1p(max(0, mark)),
        "negative": negative,
        "neutral": neutral,
        "negative_mark": negative if mark >= 0 else 0.0,
        "negative_you": negative if "你" in asked else 0.0,
        "asking_end": tail.endswith(_WANTED_ENDS),
        "exclamations": math.log1p(min(text.count("!"), 6)),
        "commas": math.log1p(text.count(",")),
        "emoticons": min(_MOST, len(_BRACKETS.findall(text))) if "[" in text else 0,
        # Blanks stand for what others wrote: a repost's tail, an addressed friend.
        "addressed": text.endswith(" "),
    }


def _plain(text: str) -> str:
    return text.replace("??", " ") if _LOST in text else text
