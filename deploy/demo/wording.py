"""Phrases become sentences: the notation of the phrase files, and the habits of a writer.

Deterministic on every Python and every machine: all chance comes from ``Draws``, which uses
nothing of ``random`` but ``random()``, the one method whose sequence is promised for a seed.
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

__all__ = ["Draws", "Voice", "draw_voice", "expand", "lines"]

T = TypeVar("T")

_CHOICE = re.compile(r"\(([^()]*\|[^()]*)\)")
_SLOT = re.compile(r"\{([^{}]+)\}")
_RANGE = re.compile(r"(\d+)-(\d+)")
_DECIMALS = re.compile(r"(\d+\.\d)-(\d+\.\d)")

# QL6 and 24天 would run together.
_CODE_BEFORE_FIGURE = re.compile(r"([A-Za-z0-9]|\{(?:car|full|brand|rival)\})(?=\{\d)")
_QUESTIONS = ("吗", "多少", "怎么样", "怎么选", "怎么办", "哪里", "哪个大", "哪种尺寸", "怎么看")
_TYPOS = (
    ("没有", "木有"),
    ("已经", "以经"),
    ("一样", "一洋"),
    ("的时候", "滴时候"),
    ("真的", "真滴"),
)
_PARTICLES = {
    "positive": ("哈哈", "嘿嘿", "呀", "啦", "~~"),
    "neutral": ("哈", "呢", "哦", "...", "嗯"),
    "negative": ("唉", "！！", "。。。", "啊啊啊", "哎"),
}


class Draws:
    """A seeded source of choices."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed).random

    def unit(self) -> float:
        """A number in [0, 1)."""
        return self._random()

    def chance(self, share: float) -> bool:
        """True in this share of the calls."""
        return self._random() < share

    def whole(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._random() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of the items."""
        return items[int(self._random() * len(items))]

    def weighted(self, items: Mapping[T, float]) -> T:
        """One of the keys, by weight."""
        left = self._random() * sum(items.values())
        for item, weight in items.items():
            left -= weight
            if left < 0:
                return item
        return item

    def some(self, items: Sequence[T], count: int) -> list[T]:
        """Different items, in the order drawn; all of them when there are fewer."""
        rest = list(items)
        return [rest.pop(int(self._random() * len(rest))) for _ in range(min(count, len(rest)))]

    def heavy(self, scale: float, most: int, shape: float = 1.0) -> int:
        """A count with a heavy tail: mostly below ``scale``, now and then far above it."""
        return min(most, int(scale * ((1 - self._random()) ** -shape - 1)))


def lines(block: str) -> list[str]:
    """The phrases of a block, one a line; a blank line inside is an empty phrase."""
    return block.removesuffix("\n").split("\n")


def expand(phrase: str, facts: Mapping[str, Sequence[str]], draws: Draws) -> str:
    """Resolve every choice and slot of a phrase."""

    def choose(match: re.Match[str]) -> str:
        return draws.pick(str(match[1]).split("|"))

    def fill(match: re.Match[str]) -> str:
        if bounds := _RANGE.fullmatch(match[1]):
            return str(draws.whole(int(bounds[1]), int(bounds[2])))
        if bounds := _DECIMALS.fullmatch(match[1]):
            tenths = draws.whole(round(float(bounds[1]) * 10), round(float(bounds[2]) * 10))
            return f"{tenths // 10}.{tenths % 10}"
        return draws.pick(facts[match[1]])

    chosen = _CODE_BEFORE_FIGURE.sub(r"\1 ", _CHOICE.sub(choose, phrase))
    return _SLOT.sub(fill, chosen)


@dataclass(frozen=True, slots=True)
class Voice:
    """How one person writes: punctuation, emoji, small words, slips."""

    comma: str
    stop: str
    emoji: float
    particle: float
    slips: float

    def write(
        self, parts: Sequence[str], mood: str, emoji: Mapping[str, Sequence[str]], draws: Draws
    ) -> str:
        """Join phrases into a text of this person's."""
        text = "".join(self._phrase(part) for part in parts if part)
        text = text.removesuffix(self.stop)
        if draws.chance(self.slips):
            for right, wrong in _TYPOS:
                text = text.replace(right, wrong)
        if draws.chance(self.particle):
            particle = draws.pick(_PARTICLES[mood])
            front = particle in ("唉", "哎", "哈哈", "嘿嘿", "嗯")
            if front:
                text = f"{particle}{self.comma}{text}"
            elif not text.endswith(("？", *_QUESTIONS)):
                text += particle
        elif self.stop in "。！" and text[-1] not in "？#" and draws.chance(0.7):
            text += self.stop
        if draws.chance(self.emoji):
            text += draws.pick(emoji[mood]) * (2 if draws.chance(0.2) else 1)
        return text

    def _phrase(self, part: str) -> str:
        """One phrase with its punctuation; a question gets its mark, a tag none."""
        text = part.replace("，", self.comma)
        if part.endswith("#"):
            return text + " "
        return text + ("？" if part.endswith(_QUESTIONS) and self.stop in "。！" else self.stop)


def draw_voice(draws: Draws) -> Voice:
    """The habits of a new person."""
    return Voice(
        comma=draws.weighted({"，": 7, " ": 2, "…": 0.4, ",": 1}),
        stop=draws.weighted({"。": 5, "，": 3, "！": 2, " ": 2, "～": 0.4}),
        emoji=draws.pick((0.0, 0.0, 0.05, 0.2, 0.5, 0.8)),
        particle=draws.pick((0.0, 0.05, 0.1, 0.3)),
        slips=draws.pick((0.0, 0.0, 0.0, 0.02, 0.4)),
    )
