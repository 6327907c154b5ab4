"""The talk around a name: what firms, trades and namesakes are spoken of with, by weight."""

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from processors.fold import fold

__all__ = [
    "BETWEEN",
    "NEAR_KINDS",
    "Evidence",
    "Talk",
    "Talks",
    "all_talk",
    "beside",
    "firm_talk",
    "knowledge",
    "model_code",
    "talks_of",
    "used",
]

# Weights, as log odds, set by hand: 2 is rather sure, and what stands beside a name outweighs what
# is only near it.
_BESIDE = 2.6
_BEFORE = 1.4
_NEAR_TRADE, _NEAR_FIRM = 1.0, 0.7
_CLEAR, _OTHER_CLEAR, _OWNED = 2.6, -2.6, 1.0
_CODE = 1.8
_OTHER_BESIDE, _OTHER_SIGN, _OTHER_NEAR = -1.6, -1.0, -1.1
_MOST_NEAR, _MOST_OTHER = 2, 3

NEAR_KINDS = (
    (_CLEAR, _MOST_NEAR),
    (_OTHER_CLEAR, _MOST_NEAR),
    (_NEAR_TRADE, _MOST_NEAR),
    (_NEAR_FIRM, _MOST_NEAR),
    (_OTHER_NEAR, _MOST_OTHER),
)
"""Of words near a name: what each weighs, and how many of a kind count."""

#: What may stand between a name and the words beside it.
BETWEEN = " \u3000的“”\"'‘’《》【】#·"
_UNIT = "个名年岁月日号天万亿人次元块分秒点小时集部场第届只条头匹家套件种类%度米斤公里级强大位国"
_COUNT = re.compile(rf"[0-9.]+[{_UNIT}]")
_MODEL_CODE = re.compile(rf"[ -]?([a-z][a-z0-9]*|[0-9]+[a-z]*(?![0-9.{_UNIT}]))")
_MIXED_CODE = re.compile(r"[a-z][0-9]|[0-9][a-z]|^0[0-9]")
#: Whoever has driven or used it for some time speaks of a product.
_USED = re.compile(r"[开用骑戴穿]了.{1,3}[年月天][多半]?")


Evidence = tuple[float, str]
"""What speaks for a name (above 0) or against it, as log odds, and why."""


@dataclass(frozen=True, slots=True)
class Talk:
    """Words of one subject, by where they stand."""

    after: tuple[str, ...]
    before: tuple[str, ...]
    near: frozenset[str]
    clear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Talks:
    """All talk that counts for names of some trades and kinds of other sense."""

    firm: Talk
    trade: Talk
    other: Talk
    near: dict[str, tuple[int, ...]]
    """Words that stand anywhere close, and the kinds (``NEAR_KINDS``) that each belongs to."""


def beside(left: str, right: str, talks: Talks, counted: bool) -> list[Evidence]:
    """Words that touch the name."""
    found: list[Evidence] = []
    closed = right.lstrip(BETWEEN)
    firm, trade, other = talks.firm, talks.trade, talks.other
    for talk in (firm, trade):
        if closed.startswith(talk.after):
            found.append((_BESIDE, _context(_first(talk.after, closed.startswith))))
        if left.endswith(talk.before):
            word = _first(talk.before, left.endswith)
            # 上汽 is as telling as 汽车; 开 or 买 are less so.
            found.append((_BESIDE if len(word) > 1 else _BEFORE, _context(word)))
    if closed.startswith(trade.clear) and not closed.startswith(trade.after):
        found.append((_BESIDE, _context(_first(trade.clear, closed.startswith))))
    if counted and _COUNT.match(right):
        found.append((_OTHER_BESIDE, "count"))
    if right.startswith(other.after):
        word = _first(other.after, right.startswith)
        found.append((_OTHER_BESIDE if len(word) > 1 else _OTHER_SIGN, "other sense"))
    if left.endswith(other.before):
        word = _first(other.before, left.endswith)
        found.append((_OTHER_BESIDE if len(word) > 1 else _OTHER_SIGN, "other sense"))
    return found


def model_code(right: str, *, is_code: bool) -> list[Evidence]:
    """A model's code behind a name, which behind another code says nothing."""
    # Asked of nearly every place, so the usual one, a Chinese character, is told without a pattern.
    if is_code or not right[:2].lstrip(" -")[:1].isascii():
        return []
    code = _MODEL_CODE.match(right)
    if code is None:
        return []
    return [(_BESIDE if _MIXED_CODE.search(code[1]) else _CODE, _context(code[1]))]


def used(left: str, right: str) -> list[Evidence]:
    """That it was used for some time: 开了十年的 before it, or anywhere behind."""
    before = list(_USED.finditer(left)) if "了" in left else []
    if before and before[-1].end() == len(left):
        return [(_BESIDE, _context(before[-1][0]))]
    if not before and "了" not in right:
        return []
    place = before[0] if before else _USED.search(right)
    return [(_OWNED, _context(place[0]))] if place else []


def _context(word: str) -> str:
    return f"context: {word}"


@cache
def knowledge() -> dict[str, Any]:
    """``brand_senses.toml``, folded."""
    path = Path(__file__).with_name("brand_senses.toml")
    return tomllib.loads(fold(path.read_text(encoding="utf-8")))


@cache
def talks_of(kind: str) -> dict[str, Talk]:
    """Every ``trade``, or every other ``sense``."""
    return {name: _talk(tree) for name, tree in knowledge()[kind].items()}


def firm_talk() -> Talk:
    """What firms are and do."""
    return _talk(knowledge()["firm"])


def all_talk(trades: tuple[str, ...], others: tuple[str, ...]) -> Talks:
    """The talk for names of these trades and kinds of other sense."""
    firm = firm_talk()
    trade, other = _joined("trade", trades), _joined("sense", others)
    clear, other_clear = frozenset(trade.clear), frozenset(other.clear)
    kinds = (
        clear,
        other_clear,
        trade.near - clear,
        # What firms are near to, but not this trade.
        firm.near - trade.near - clear,
        other.near - other_clear,
    )
    near = {
        word: tuple(kind for kind, words in enumerate(kinds) if word in words)
        for word in frozenset().union(*kinds)
    }
    return Talks(firm, trade, other, near)


def _joined(kind: str, names: tuple[str, ...]) -> Talk:
    talks = [talks_of(kind)[name] for name in names]
    after = tuple(dict.fromkeys(word for talk in talks for word in talk.after))
    before = tuple(dict.fromkeys(word for talk in talks for word in talk.before))
    clear = tuple(dict.fromkeys(word for talk in talks for word in talk.clear))
    return Talk(after, before, frozenset().union(*(talk.near for talk in talks)), clear)


def _talk(tree: dict[str, str]) -> Talk:
    after, before, near, clear = (
        tuple(tree.get(place, "").split()) for place in ("after", "before", "near", "clear")
    )
    return Talk(after, before, frozenset(near), clear)


def _first(words: tuple[str, ...], test: Callable[[str], bool]) -> str:
    """The first of the words that passes; one does."""
    return next(filter(test, words))
