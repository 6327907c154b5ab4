"""The talk around a name: what firms, trades and namesakes are spoken of with, by weight."""

import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from processors.fold import fold

__all__ = [
    "BETWEEN",
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

#: What may stand between a name and the words beside it.
BETWEEN = " \u3000的“”\"'‘’《》【】#·"
_UNIT = "个名年岁月日号天万亿人次元块分秒点小时集部场第届只条头匹家套件种类%度米斤公里级强大位国"
_COUNT = re.compile(rf"[0-9.]+[{_UNIT}]")
_MODEL_CODE = re.compile(rf"[ -]?([a-z][a-z0-9]*|[0-9]+[a-z]*(?![0-9.{_UNIT}]))")
_MIXED_CODE = re.compile(r"[a-z][0-9]|[0-9][a-z]|^0[0-9]")
#: Whoever has driven or used it for some time speaks of a product.
_USED = re.compile(r"[开用骑戴穿]了.{1,3}[年月天][多半]?")


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
    near: tuple[tuple[frozenset[str], float, int], ...]
    """Words that stand anywhere close, what each weighs, and how many of them count."""


def beside(left: str, right: str, talks: Talks, counted: bool) -> Iterable[tuple[float, str]]:
    """Words that touch the name."""
    closed = right.lstrip(BETWEEN)
    for talk in (talks.firm, talks.trade):
        if word := _first(talk.after, closed.startswith):
            yield _BESIDE, f"context: {word}"
        if word := _first(talk.before, left.endswith):
            # 上汽 is as telling as 汽车; 开 or 买 are less so.
            yield _BESIDE if len(word) > 1 else _BEFORE, f"context: {word}"
    if not _first(talks.trade.after, closed.startswith) and (
        word := _first(talks.trade.clear, closed.startswith)
    ):
        yield _BESIDE, f"context: {word}"
    if counted and _COUNT.match(right):
        yield _OTHER_BESIDE, "count"
    for words, test in (
        (talks.other.after, right.startswith),
        (talks.other.before, left.endswith),
    ):
        if word := _first(words, test):
            yield _OTHER_BESIDE if len(word) > 1 else _OTHER_SIGN, "other sense"


def model_code(right: str, *, is_code: bool) -> Iterable[tuple[float, str]]:
    """A model's code behind a name, which behind another code says nothing."""
    if not is_code and (code := _MODEL_CODE.match(right)):
        yield _BESIDE if _MIXED_CODE.search(code[1]) else _CODE, f"context: {code[1]}"


def used(left: str, right: str) -> Iterable[tuple[float, str]]:
    """That it was used for some time: 开了十年的 before it, or anywhere behind."""
    before = list(_USED.finditer(left))
    if before and before[-1].end() == len(left):
        yield _BESIDE, f"context: {before[-1][0]}"
    elif places := before or list(_USED.finditer(right)):
        yield _OWNED, f"context: {places[0][0]}"


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
    near = (
        (clear, _CLEAR, _MOST_NEAR),
        (other_clear, _OTHER_CLEAR, _MOST_NEAR),
        (trade.near - clear, _NEAR_TRADE, _MOST_NEAR),
        # What firms are near to, but not this trade.
        (firm.near - trade.near - clear, _NEAR_FIRM, _MOST_NEAR),
        (other.near - other_clear, _OTHER_NEAR, _MOST_OTHER),
    )
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


def _first(words: tuple[str, ...], test: Any) -> str | None:
    return next(filter(test, words), None) if test(words) else None
