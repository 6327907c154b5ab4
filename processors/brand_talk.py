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
    "NEAR_KINDS",
    "Evidence",
    "Talk",
    "Talks",
    "all_talk",
    "beside",
    "firm_talk",
    "knowledge",
    "model_code",
    "near_words",
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
_COUNTED: Evidence = _OTHER_BESIDE, "count"


@dataclass(frozen=True, slots=True)
class Talk:
    """Words of one subject, by where they stand."""

    after: tuple[str, ...]
    before: tuple[str, ...]
    near: frozenset[str]
    clear: tuple[str, ...] = ()


class _Touching:
    """Words that touch a name, by the character that touches it, with what each says.

    Hundreds of words touch names of a trade, and few of them share that character.
    """

    def __init__(self, weighed: Iterable[tuple[str, Evidence]], *, last: bool) -> None:
        self._by_sign: dict[str, list[tuple[str, Evidence]]] = {}
        for word, evidence in weighed:
            self._by_sign.setdefault(word[-1 if last else 0], []).append((word, evidence))

    def begin(self, text: str) -> Evidence | None:
        """What the first of the words says that ``text`` begins with."""
        for word, evidence in self._by_sign.get(text[:1], ()):
            if text.startswith(word):
                return evidence
        return None

    def end(self, text: str) -> Evidence | None:
        """What the first of the words says that ``text`` ends with."""
        for word, evidence in self._by_sign.get(text[-1:], ()):
            if text.endswith(word):
                return evidence
        return None


class Talks:
    """All talk that counts for names of some trades and kinds of other sense."""

    def __init__(self, firm: Talk, trade: Talk, other: Talk, others: Iterable[str]) -> None:
        self.firm = firm
        self.trade = trade
        self.others = frozenset(others)
        """The kinds of other sense."""
        self.near = _near(firm, trade, other)
        """Of words that stand anywhere close, by number (``near_words``): what each says, and the
        place of its kind in ``NEAR_KINDS``."""
        self.after = tuple([_after(words) for words in (firm.after, trade.after)])
        # 上汽 is as telling as 汽车; 开 or 买 are less so.
        self.before = tuple(
            [
                _Touching(
                    [
                        (word, (_BESIDE if len(word) > 1 else _BEFORE, _context(word)))
                        for word in words
                    ],
                    last=True,
                )
                for words in (firm.before, trade.before)
            ]
        )
        self.clear = _after(trade.clear)
        self.other_after, self.other_before = (
            _Touching(
                [
                    (word, (_OTHER_BESIDE if len(word) > 1 else _OTHER_SIGN, "other sense"))
                    for word in words
                ],
                last=last,
            )
            for words, last in ((other.after, False), (other.before, True))
        )


def beside(left: str, right: str, talks: Talks) -> list[Evidence]:
    """Words that touch the name."""
    closed = right.lstrip(BETWEEN)
    (firm_after, trade_after), (firm_before, trade_before) = talks.after, talks.before
    of_trade = trade_after.begin(closed)
    found = [
        firm_after.begin(closed),
        firm_before.end(left),
        of_trade,
        trade_before.end(left),
        None if of_trade else talks.clear.begin(closed),
        _COUNTED
        if "word" in talks.others and right[:1].isascii() and _COUNT.match(right)
        else None,
        talks.other_after.begin(right),
        talks.other_before.end(left),
    ]
    return [evidence for evidence in found if evidence]


def model_code(right: str) -> list[Evidence]:
    """A model's code behind a name."""
    # Asked of nearly every place, so the usual one, a Chinese character, is told without a pattern.
    if not right[:2].lstrip(" -")[:1].isascii():
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


@cache
def near_words() -> tuple[str, ...]:
    """All words that may stand close to a name; their places are their numbers."""
    talks = (firm_talk(), *talks_of("trade").values(), *talks_of("sense").values())
    return tuple(sorted(set().union(*(talk.near.union(talk.clear) for talk in talks))))


@cache
def all_talk(trades: tuple[str, ...], others: tuple[str, ...]) -> Talks:
    """The talk for names of these trades and kinds of other sense."""
    return Talks(firm_talk(), _joined("trade", trades), _joined("sense", others), others)


def _near(firm: Talk, trade: Talk, other: Talk) -> dict[int, list[tuple[int, Evidence]]]:
    clear, other_clear = frozenset(trade.clear), frozenset(other.clear)
    kinds = (
        clear,
        other_clear,
        trade.near - clear,
        # What firms are near to, but not this trade.
        firm.near - trade.near - clear,
        other.near - other_clear,
    )
    return {
        number: [
            (kind, (NEAR_KINDS[kind][0], _context(word)))
            for kind, words in enumerate(kinds)
            if word in words
        ]
        for number, word in enumerate(near_words())
    }


def _after(words: Iterable[str]) -> _Touching:
    return _Touching([(word, (_BESIDE, _context(word))) for word in words], last=False)


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
