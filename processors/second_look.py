"""A second look at posts of which listed words say that they may hold an intent.

Scolding, small talk, titles and questions that the writer answers himself have question marks, too,
and who has bought talks of prices as much as who wants to buy. A look is a linear model on a few
cues with names: words (``asking.toml``, ``buying.toml``, which hold the weights) and the shape of
the text. ``intents.md`` tells how the weights were learnt.

Limits: irony; what only the context shows.
"""

import hashlib
import math
import re
import tomllib
from operator import mul
from pathlib import Path
from typing import Final, NamedTuple

from schemas.enriched import Sentiment

__all__ = ["SecondLook", "Seen", "plain"]

_MOST = 2
_SENTENCE = re.compile(r"[^?!。;\n]*[?!。;\n]?")
_BRACKETS = re.compile(r"\[[^\[\]\s]{1,8}\]")
_WANTED_ENDS = ("吗", "吗?", "么?", "没?", "不?", "嘛?", "不", "没", "么")
#: Of a post without a mood: what posts that may ask have on average.
_NO_MOOD: Final = (0.4, 0.45)
#: Beyond that, words say no more.
_SUREST = 5.0
#: Emoji that some platform could not store; a question mark hardly ever stands behind a space.
_LOST = " ??"


class Seen(NamedTuple):
    """What is known of a post before it is looked at again."""

    total: float
    """Natural logarithm of the odds that it holds the intent, by words and shape."""
    asks: bool
    """It wants an answer."""
    request: bool
    """It has a word with which one asks for something (请问, 求推荐)."""
    goods: bool
    """It is about goods or services."""
    headline: bool
    buys: float
    """Weight of the words of buyers; 1 for one, half more for each further."""
    maintains: float
    mood: Sentiment | None


class _Cue(NamedTuple):
    name: str
    pattern: re.Pattern[str]
    post: float
    """What each occurrence adds, up to two."""
    question: float
    """What the cue adds in a sentence that asks."""


class SecondLook:
    """One intent's cues and their weights, from a file ``NAME.toml``."""

    def __init__(self, name: str) -> None:
        content = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
        table = tomllib.loads(content)
        self.version = hashlib.sha256(content.encode()).hexdigest()[:8]
        self._bias: float = table["bias"]
        self._shape: dict[str, float] = table["shape"]
        self._weights = tuple(self._shape.get(name, 0.0) for name in _SHAPES)
        self._cues = tuple(
            _Cue(
                name,
                re.compile(
                    "|".join([*map(re.escape, cue.get("words", ())), *cue.get("patterns", ())])
                ),
                cue.get("post", 0.0),
                cue.get("question", 0.0),
            )
            for name, cue in table["cues"].items()
        )

    def odds(self, text: str, seen: Seen) -> float:
        """Natural logarithm of the odds that a post which may hold the intent holds it."""
        read = plain(text)
        asked = _asked(read)
        total: float = self._bias + sum(map(mul, self._weights, _shape(text, read, asked, seen)))
        for _, pattern, post, question in self._cues:
            if found := pattern.findall(read):
                total += post * min(_MOST, len(found))
                if question and pattern.search(asked):
                    total += question
        return total

    def cues(self, text: str, seen: Seen) -> dict[str, float]:
        """What the model sees, by name, to learn weights from."""
        read = plain(text)
        asked = _asked(read)
        cues = dict(zip(_SHAPES, _shape(text, read, asked, seen), strict=True))
        for cue in self._cues:
            cues[f"{cue.name}.post"] = min(_MOST, len(cue.pattern.findall(read)))
            cues[f"{cue.name}.question"] = bool(cue.pattern.search(asked))
        return cues


def plain(text: str) -> str:
    """The text without what some platform wrote for emoji that it could not store."""
    return text.replace("??", " ") if "??" in text and _LOST in text else text


def _asked(text: str) -> str:
    """The sentences that ask."""
    if "?" not in text and "吗" not in text:
        return ""
    return "".join([one for one in _SENTENCE.findall(text) if one[-1:] == "?" or "吗" in one])


_SHAPES: Final = (
    "total",
    "sure",
    "asks",
    "request",
    "goods",
    "headline",
    "buys",
    "maintains",
    "length",
    "asking_share",
    "before",
    "negative",
    "neutral",
    "negative_life",
    "negative_mark",
    "negative_you",
    "asking_end",
    "exclamations",
    "commas",
    "emoticons",
    "addressed",
)


def _shape(text: str, read: str, asked: str, seen: Seen) -> tuple[float, ...]:
    """What is seen besides words, in the order of ``_SHAPES``."""
    tail = read.rstrip(" !~。.\n")
    mark = read.find("?")
    mood = seen.mood
    negative, neutral = (mood.negative, mood.neutral) if mood else _NO_MOOD
    total = min(seen.total, _SUREST)
    return (
        total,
        max(0.0, total - 1),
        seen.asks,
        seen.request,
        seen.goods,
        seen.headline,
        seen.buys,
        seen.maintains,
        math.log(max(len(tail), 1) / 30),
        len(asked) / max(1, len(read)),
        math.log1p(max(0, mark)),
        negative,
        neutral,
        0.0 if seen.goods else negative,
        negative if mark >= 0 else 0.0,
        negative if "你" in asked else 0.0,
        tail.endswith(_WANTED_ENDS),
        math.log1p(min(text.count("!"), 6)),
        math.log1p(text.count(",")),
        min(_MOST, len(_BRACKETS.findall(text))) if "[" in text else 0,
        # Blanks stand for what others wrote: a repost's tail, an addressed friend.
        text.endswith(" "),
    )
