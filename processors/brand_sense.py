"""Whether a word that is also another word means the brand: 苹果 the firm or 苹果 the fruit.

A sum of evidence, by weights set by hand over kinds of evidence that all brands share:

- how often public text means the brand (``usual`` of ``brand_senses.toml``);
- the words beside and near it: firms' talk, its trade, the kinds of its other senses, and the
  rule's own ``context`` and ``against``; a part or a product of its trade (座椅, 方便面) decides;
- a model code behind it (小米11, 长安CS75);
- segmentation: a part of a longer word of jieba's dictionary is that word (现代化, 今日产量);
- what else the post tells: other brands by name, the author's name, the thread's root.

``brand_senses.toml`` is word knowledge written by hand, not learned from any data. A name without
an entry there is weighed against all kinds of sense if the rules declare it ambiguous or jieba's
dictionary holds it as a common word; any other always is the brand, but where segmentation cuts
across it (东本 in 广东本地). A number of six digits is a share's code, which needs talk of shares
nearby. Limits: irony and puns.
"""

import math
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ahocorasick_rs import AhoCorasick, MatchKind

from processors.fold import INVISIBLE, fold
from schemas.rules import Alias

__all__ = [
    "SENSE_VERSION",
    "BrandSense",
    "Sense",
    "Support",
    "Verdict",
    "cut_sense_of",
    "longer_words",
    "sense_of",
]

#: Raised when a weight or the word knowledge changes; part of the version of the brands step.
SENSE_VERSION = f"2-rjieba-{version('rjieba')}"

_Overhang = tuple[str, str, bool]

#: Characters on either side that count as near; a headline is shorter.
NEAR = 40
#: Characters on either side that are segmented.
_CUT = 8

# Weights, as log odds, set by hand: 2 is rather sure, and what stands beside a name outweighs what
# is only near it.
_USUAL = {"mostly": 2.0, "often": 0.6, "half": -0.3, "seldom": -1.2, "hardly": -2.2, "rarely": -4.0}
#: Of names without an entry there: declared in the rules, or just common words.
_DECLARED, _COMMON = "often", "mostly"
_LONGEST_COMMON = 3
#: Jieba's tags of words that are no names: nouns, verbs, adjectives, places, times, idioms ...
_WORD_KINDS = frozenset("n v a vn vd an ad d i l t s f z r m q ns b j".split())
_BESIDE = 2.6
_BEFORE = 1.4
_NEAR_TRADE, _NEAR_FIRM = 1.0, 0.7
_CLEAR, _OTHER_CLEAR, _OWNED = 2.6, -2.6, 1.0
_CODE = 1.8
_OTHER_BESIDE, _OTHER_SIGN, _OTHER_NEAR = -1.6, -1.0, -1.1
_TOLD = 2.5
_INSIDE, _PERHAPS_INSIDE = -6.0, -2.5
_COMPANY, _FAMILY, _AUTHOR, _ROOT = 1.0, 3.0, 2.5, 2.5
_MOST_NEAR, _MOST_OTHER = 2, 3
_MOST_SCORE = 20.0

_BETWEEN = " \u3000的“”\"'‘’《》【】#·"
_UNIT = "个名年岁月日号天万亿人次元块分秒点小时集部场第届只条头匹家套件种类%度米斤公里级强大位国"
_COUNT = re.compile(rf"[0-9.]+[{_UNIT}]")
_MODEL_CODE = re.compile(rf"[ -]?([a-z][a-z0-9]*|[0-9]+[a-z]*(?![0-9.{_UNIT}]))")
_MIXED_CODE = re.compile(r"[a-z][0-9]|[0-9][a-z]|^0[0-9]")
#: Whoever has driven or used it for some time speaks of a product.
_USED = re.compile(r"[开用骑戴穿]了.{1,3}[年月天][多半]?")
_SHARE_CODE = re.compile(r"[0-9]{6}")
_SHORT_NAME = re.compile(r"[\u4e00-\u9fff]{2,3}")


@dataclass(frozen=True, slots=True)
class Talk:
    """Words of one subject, by where they stand."""

    after: tuple[str, ...]
    before: tuple[str, ...]
    near: frozenset[str]
    clear: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Sense:
    """What is known of one ambiguous name."""

    usual: float
    trades: tuple[str, ...]
    others: tuple[str, ...]
    inside: tuple[str, ...]
    """Longer words that hold it and are not the brand."""
    context: tuple[str, ...] = ()
    against: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Support:
    """What the rest of the post says for a brand."""

    company: bool = False
    """Another brand is named beyond doubt."""
    family: bool = False
    """The brand, or one above or below it, is named beyond doubt."""
    author: bool = False
    """The author's name holds it in the brand's sense."""
    root: bool = False
    """The thread's root is about the brand."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How strongly a place means the brand (above 0: it does), and why."""

    score: float
    reason: str
    hopeless: bool = False
    """It is part of another word, whatever the rest says."""

    @property
    def confidence(self) -> float:
        """The score as a share of 1."""
        return round(1 / (1 + math.exp(-max(-_MOST_SCORE, min(_MOST_SCORE, self.score)))), 2)


def sense_of(name: Alias) -> Sense | None:
    """What is to be weighed about a name; None where it can only be the brand."""
    if name.ambiguous is False:
        return None
    context, against = _folded(name.context), _folded(name.against)
    word = fold(name.word)
    inside = tuple(other for other in against if word in other and other != word)
    entry = _knowledge()["word"].get(word)
    if entry is not None:
        usual, trades = entry["usual"], tuple(entry["trade"].split())
        others = tuple(entry.get("sense", "").split())
        inside += tuple(entry.get("inside", "").split())
    elif name.ambiguous or context or against or _is_common(word):
        # What kinds of sense it has is unknown: whatever speaks of any of them counts.
        usual = _DECLARED if name.ambiguous or context or against else _COMMON
        trades, others = _product_trades(), tuple(_talks("sense"))
    elif _SHARE_CODE.fullmatch(word):
        usual, trades, others = "seldom", ("stock",), ()
    else:
        return None
    return Sense(_USUAL[usual], trades, others, inside, context, against)


def cut_sense_of(name: Alias) -> Sense | None:
    """What is to be weighed about a short Chinese name where segmentation cuts across it."""
    if name.ambiguous is False or not _SHORT_NAME.fullmatch(fold(name.word)):
        return None
    return Sense(_USUAL[_COMMON], _product_trades(), (), ())


def longer_words() -> tuple[str, ...]:
    """Words that hold a name which is nothing else by itself: 稍微软."""
    return tuple(_knowledge()["names"]["inside"].split())


def _product_trades() -> tuple[str, ...]:
    return tuple(trade for trade in _talks("trade") if trade != "stock")


def _is_common(word: str) -> bool:
    """Whether jieba's dictionary holds a short Chinese word as something else than a name."""
    if not 1 < len(word) <= _LONGEST_COMMON or word in _knowledge()["names"]["only"].split():
        return False
    tagged = _jieba().tag(word, False) if _jieba().has_word(word) else []
    return len(tagged) == 1 and tagged[0][1] in _WORD_KINDS


@cache
def _jieba() -> Any:
    import rjieba  # its dictionary takes 0.1 s, and rules without such names never need it

    return rjieba.Jieba()


def _folded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(fold(word).replace(INVISIBLE, "") for word in words)


@dataclass(frozen=True, slots=True)
class _Talks:
    """All talk that counts for names of some trades and kinds of other sense."""

    firm: Talk
    trade: Talk
    other: Talk
    far_firm: frozenset[str]
    """What firms are near to, but not this trade."""


class BrandSense:
    """Weighs the places of ambiguous names; one automaton over all words that are evidence."""

    def __init__(self) -> None:
        self._firm = _talk(_knowledge()["firm"])
        talks = (self._firm, *_talks("trade").values(), *_talks("sense").values())
        self._words = sorted(set().union(*(talk.near.union(talk.clear) for talk in talks)))
        self._finder = AhoCorasick(self._words, matchkind=MatchKind.LeftmostLongest)
        self._jieba = _jieba()
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], _Talks] = {}

    def judge(self, folded: str, start: int, end: int, sense: Sense, support: Support) -> Verdict:
        """Weigh the name at ``[start, end)`` of a folded text."""
        talks = self._talks_of(sense)
        left = folded[max(0, start - NEAR) : start].rstrip(_BETWEEN)
        right = folded[end : end + NEAR]
        evidence = [
            *_beside(left, right, talks, counted="word" in sense.others),
            *_model_code(right, is_code=_SHARE_CODE.fullmatch(folded, start, end) is not None),
            *_used(left, right),
            *self._near(left, right, talks),
            *_told(left, right, sense),
            *_of_the_post(support),
        ]
        inside = self._inside(folded, start, end, sense, talks)
        strongest = max(evidence, default=(0.0, ""))
        score = sense.usual + inside + sum(weight for weight, _ in evidence)
        reason = strongest[1] if strongest[0] > 0 else "usual"
        return Verdict(score, reason, hopeless=inside <= _INSIDE)

    def cuts(self, folded: str, start: int, end: int) -> bool:
        """Whether segmentation cuts across ``[start, end)``: 东本 in 广东本地."""
        head, tail, whole = self._overhang(folded, start, end)
        return bool(head or tail) and not whole

    def _overhang(self, folded: str, start: int, end: int, *, guess: bool = False) -> _Overhang:
        begin = max(0, start - _CUT)
        words = self._jieba.cut(folded[begin : end + _CUT], guess)
        return _overhang(words, start - begin, end - begin)

    def _talks_of(self, sense: Sense) -> _Talks:
        key = sense.trades, sense.others
        talks = self._known.get(key)
        if talks is None:
            trade, other = (_joined(*pair) for pair in zip(("trade", "sense"), key, strict=True))
            talks = _Talks(self._firm, trade, other, self._firm.near - trade.near)
            self._known[key] = talks
        return talks

    def _near(self, left: str, right: str, talks: _Talks) -> Iterable[tuple[float, str]]:
        """Words anywhere around, each once; more than a few add nothing."""
        found = self._finder.find_matches_as_indexes(f"{left}\0{right}")
        words = list(dict.fromkeys(self._words[index] for index, _, _ in found))
        clear, other_clear = frozenset(talks.trade.clear), frozenset(talks.other.clear)
        for near, weight, most in (
            (clear, _CLEAR, _MOST_NEAR),
            (other_clear, _OTHER_CLEAR, _MOST_NEAR),
            (talks.trade.near - clear, _NEAR_TRADE, _MOST_NEAR),
            (talks.far_firm - clear, _NEAR_FIRM, _MOST_NEAR),
            (talks.other.near - other_clear, _OTHER_NEAR, _MOST_OTHER),
        ):
            for word in [word for word in words if word in near][:most]:
                yield weight, f"context: {word}"

    def _inside(self, folded: str, start: int, end: int, sense: Sense, talks: _Talks) -> float:
        """What it costs to be a part of other words; 大众汽车 is none."""
        head, tail, whole = self._overhang(folded, start, end)
        if not head and not tail:
            # Only the hidden Markov model joins 李 and 小鹏; behind a name it often joins too much.
            joins = "person" in sense.others
            joined = joins and self._overhang(folded, start, end, guess=True)[0]
            return _PERHAPS_INSIDE if joined else 0.0
        if whole and _is_phrase(head, tail, talks):
            return 0.0
        # 今日|产量 are two words over 日产; of 对华|为, only one is.
        return _INSIDE if whole or (head and tail) else _PERHAPS_INSIDE


def _is_phrase(head: str, tail: str, talks: _Talks) -> bool:
    """Whether a longer word is the brand with what is said of it."""
    return any(
        (not head or head.endswith(talk.before)) and (not tail or tail.startswith(talk.after))
        for talk in (talks.firm, talks.trade)
    )


def _beside(left: str, right: str, talks: _Talks, counted: bool) -> Iterable[tuple[float, str]]:
    """Words that touch the name, and a model code behind it."""
    closed = right.lstrip(_BETWEEN)
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


def _model_code(right: str, *, is_code: bool) -> Iterable[tuple[float, str]]:
    """A model's code behind a name, which behind another code says nothing."""
    if not is_code and (code := _MODEL_CODE.match(right)):
        yield _BESIDE if _MIXED_CODE.search(code[1]) else _CODE, f"context: {code[1]}"


def _used(left: str, right: str) -> Iterable[tuple[float, str]]:
    """That it was used for some time: 开了十年的 before it, or anywhere behind."""
    before = list(_USED.finditer(left))
    if before and before[-1].end() == len(left):
        yield _BESIDE, f"context: {before[-1][0]}"
    elif used := before or list(_USED.finditer(right)):
        yield _OWNED, f"context: {used[0][0]}"


def _overhang(words: list[str], start: int, end: int) -> _Overhang:
    """What the words at ``[start, end)`` have before and behind it; whether one word holds it."""
    head = tail = ""
    whole = False
    place = 0
    for word in words:
        after = place + len(word)
        if place < end and start < after:
            head = head or word[: max(0, start - place)]
            tail = word[len(word) - max(0, after - end) :]
            whole = place <= start and end <= after
        place = after
    return head, tail, whole


def _told(left: str, right: str, sense: Sense) -> Iterable[tuple[float, str]]:
    """The rule's own words for and against."""
    for words, weight in ((sense.context, _TOLD), (sense.against, -_TOLD)):
        for word in words:
            if word in left or word in right:
                yield weight, f"context: {word}"


def _of_the_post(support: Support) -> Iterable[tuple[float, str]]:
    if support.family:
        yield _FAMILY, "named"
    if support.root:
        yield _ROOT, "root"
    if support.author:
        yield _AUTHOR, "author"
    if support.company:
        yield _COMPANY, "other brands"


def _first(words: tuple[str, ...], test: Any) -> str | None:
    return next(filter(test, words), None) if test(words) else None


@cache
def _knowledge() -> dict[str, Any]:
    path = Path(__file__).with_name("brand_senses.toml")
    return tomllib.loads(fold(path.read_text(encoding="utf-8")))


@cache
def _talks(kind: str) -> dict[str, Talk]:
    return {name: _talk(tree) for name, tree in _knowledge()[kind].items()}


def _joined(kind: str, names: tuple[str, ...]) -> Talk:
    talks = [_talks(kind)[name] for name in names]
    after = tuple(dict.fromkeys(word for talk in talks for word in talk.after))
    before = tuple(dict.fromkeys(word for talk in talks for word in talk.before))
    clear = tuple(dict.fromkeys(word for talk in talks for word in talk.clear))
    return Talk(after, before, frozenset().union(*(talk.near for talk in talks)), clear)


def _talk(tree: dict[str, str]) -> Talk:
    after, before, near, clear = (
        tuple(tree.get(place, "").split()) for place in ("after", "before", "near", "clear")
    )
    return Talk(after, before, frozenset(near), clear)
