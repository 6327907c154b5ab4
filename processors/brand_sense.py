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
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from importlib.metadata import version
from typing import Any, NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind

from processors.brand_talk import (
    BETWEEN,
    NEAR_KINDS,
    Evidence,
    Talks,
    all_talk,
    beside,
    knowledge,
    model_code,
    near_words,
    talks_of,
    used,
)
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

#: Characters on either side that count as near; a headline is shorter.
NEAR = 40
#: Characters on either side that are segmented.
_CUT = 8

# Weights as in ``brand_talk.py``.
_USUAL = {"mostly": 2.0, "often": 0.6, "half": -0.3, "seldom": -1.2, "hardly": -2.2, "rarely": -4.0}
#: Of names without an entry there: declared in the rules, or just common words.
_DECLARED, _COMMON = "often", "mostly"
_LONGEST_COMMON = 3
#: Jieba's tags of words that are no names: nouns, verbs, adjectives, places, times, idioms ...
_WORD_KINDS = frozenset("n v a vn vd an ad d i l t s f z r m q ns b j".split())
_TOLD = 2.5
_INSIDE, _PERHAPS_INSIDE = -6.0, -2.5
_COMPANY, _FAMILY, _AUTHOR, _ROOT = 1.0, 3.0, 2.5, 2.5
_MOST_SCORE = 20.0

_SHARE_CODE = re.compile(r"[0-9]{6}")
_SHORT_NAME = re.compile(r"[\u4e00-\u9fff]{2,3}")


@dataclass(frozen=True)
class Sense:
    """What is known of one ambiguous name."""

    usual: float
    trades: tuple[str, ...]
    others: tuple[str, ...]
    inside: tuple[str, ...]
    """Longer words that hold it and are not the brand."""
    context: tuple[str, ...] = ()
    against: tuple[str, ...] = ()

    @cached_property
    def talks(self) -> Talks:
        """What is said of it, and of what else is called like it."""
        return all_talk(self.trades, self.others)


class Support(NamedTuple):
    """What the rest of the post says for a brand."""

    company: bool = False
    """Another brand is named beyond doubt."""
    family: bool = False
    """The brand, or one above or below it, is named beyond doubt."""
    author: bool = False
    """The author's name holds it in the brand's sense."""
    root: bool = False
    """The thread's root is about the brand."""


class Verdict(NamedTuple):
    """How strongly a place means the brand (above 0: it does), and why."""

    score: float
    reason: str
    hopeless: bool = False
    """It is part of another word, whatever the rest says."""

    @property
    def confidence(self) -> float:
        """The score as a share of 1."""
        return _confidence(self.score)


@lru_cache(4096)
def _confidence(score: float) -> float:
    return round(1 / (1 + math.exp(-max(-_MOST_SCORE, min(_MOST_SCORE, score)))), 2)


def sense_of(name: Alias) -> Sense | None:
    """What is to be weighed about a name; None where it can only be the brand."""
    if name.ambiguous is False:
        return None
    context, against = _folded(name.context), _folded(name.against)
    word = fold(name.word)
    inside = tuple(other for other in against if word in other and other != word)
    entry = knowledge()["word"].get(word)
    if entry is not None:
        usual, trades = entry["usual"], tuple(entry["trade"].split())
        others = tuple(entry.get("sense", "").split())
        inside += tuple(entry.get("inside", "").split())
    elif name.ambiguous or context or against or _is_common(word):
        # What kinds of sense it has is unknown: whatever speaks of any of them counts.
        usual = _DECLARED if name.ambiguous or context or against else _COMMON
        trades, others = _product_trades(), tuple(talks_of("sense"))
    elif _SHARE_CODE.fullmatch(word):
        usual, trades, others = "hardly", ("stock",), ("number",)
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
    return tuple(knowledge()["names"]["inside"].split())


def _product_trades() -> tuple[str, ...]:
    return tuple(trade for trade in talks_of("trade") if trade != "stock")


def _is_common(word: str) -> bool:
    """Whether jieba's dictionary holds a short Chinese word as something else than a name."""
    if not 1 < len(word) <= _LONGEST_COMMON or word in knowledge()["names"]["only"].split():
        return False
    tagged = _jieba().tag(word, False) if _jieba().has_word(word) else []
    return len(tagged) == 1 and tagged[0][1] in _WORD_KINDS


@cache
def _jieba() -> Any:
    import rjieba  # its dictionary takes 0.1 s, and rules without such names never need it

    return rjieba.Jieba()


def _folded(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(fold(word).replace(INVISIBLE, "") for word in words)


class BrandSense:
    """Weighs the places of ambiguous names; one automaton over all words that are evidence."""

    def __init__(self) -> None:
        self._finder = AhoCorasick(
            near_words(),
            matchkind=MatchKind.LeftmostLongest,
            # A few MiB, and a quarter faster.
            implementation=Implementation.DFA,
        )
        self._jieba = _jieba()

    def judge(self, folded: str, start: int, end: int, sense: Sense, support: Support) -> Verdict:
        """Weigh the name at ``[start, end)`` of a folded text."""
        talks = sense.talks
        left = folded[max(0, start - NEAR) : start].rstrip(BETWEEN)
        right = folded[end : end + NEAR]
        evidence = beside(left, right, talks)
        if end - start != 6 or not _SHARE_CODE.fullmatch(folded, start, end):
            # Behind a share's code another code says nothing.
            evidence += model_code(right)
        evidence += used(left, right)
        evidence += self._near(left, right, talks)
        if sense.context or sense.against:
            evidence += _told(left, right, sense)
        evidence += _of_the_post(support)
        inside = self._inside(folded, start, end, talks)
        strongest = max(evidence, default=(0.0, ""))
        score = sense.usual + inside + sum([weight for weight, _ in evidence])
        reason = strongest[1] if strongest[0] > 0 else "usual"
        return Verdict(score, reason, hopeless=inside <= _INSIDE)

    def cuts(self, folded: str, start: int, end: int) -> bool:
        """Whether segmentation cuts across ``[start, end)``: 东本 in 广东本地."""
        head, tail, whole, _ = self._overhang(folded, start, end)
        return bool(head or tail) and not whole

    def _overhang(self, folded: str, start: int, end: int, *, guess: bool = False) -> "_Overhang":
        begin = max(0, start - _CUT)
        words = self._jieba.cut(folded[begin : end + _CUT], guess)
        return _overhang(words, start - begin, end - begin)

    def _near(self, left: str, right: str, talks: Talks) -> list[Evidence]:
        """Words anywhere around, each once; more than a few of a kind add nothing."""
        found = self._finder.find_matches_as_indexes(f"{left}\0{right}")
        if not found:
            return []
        evidence: list[Evidence] = []
        left_over = [most for _, most in NEAR_KINDS]
        for number in dict.fromkeys([number for number, _, _ in found]):
            for kind, told in talks.near[number]:
                if left_over[kind]:
                    left_over[kind] -= 1
                    evidence.append(told)
        return evidence

    def _inside(self, folded: str, start: int, end: int, talks: Talks) -> float:
        """What it costs to be a part of other words; 大众汽车 is none."""
        head, tail, whole, loose = self._overhang(folded, start, end)
        if not head and not tail:
            # Only the hidden Markov model joins 李 and 小鹏; behind a name it often joins too much.
            joins = loose and "person" in talks.others
            joined = joins and self._overhang(folded, start, end, guess=True).head
            return _PERHAPS_INSIDE if joined else 0.0
        if whole and _is_phrase(head, tail, talks):
            return 0.0
        # 今日|产量 are two words over 日产; of 对华|为, only one is.
        return _INSIDE if whole or (head and tail) else _PERHAPS_INSIDE


def _is_phrase(head: str, tail: str, talks: Talks) -> bool:
    """Whether a longer word is the brand with what is said of it."""
    return any(
        (not head or head.endswith(talk.before)) and (not tail or tail.startswith(talk.after))
        for talk in (talks.firm, talks.trade)
    )


class _Overhang(NamedTuple):
    """What the words at a place have before and behind it."""

    head: str
    tail: str
    whole: bool
    """One word holds the place."""
    loose: bool
    """Single characters or ASCII where it begins: only those may the hidden Markov model join."""


def _overhang(words: list[str], start: int, end: int) -> _Overhang:
    """Of the words that a text was cut to, what hangs over ``[start, end)``."""
    after, before, last = 0, "", ""
    rest = iter(words)
    for last in rest:
        after += len(last)
        if after > start:
            break
        before = last
    head = last[: start - after]
    loose = last.isascii() or len(before) == 1 == len(last)
    whole = after >= end
    if not whole:
        for last in rest:
            after += len(last)
            if after >= end:
                break
    return _Overhang(head, last[len(last) - (after - end) :], whole, loose)


def _told(left: str, right: str, sense: Sense) -> Iterable[Evidence]:
    """The rule's own words for and against."""
    for words, weight in ((sense.context, _TOLD), (sense.against, -_TOLD)):
        for word in words:
            if word in left or word in right:
                yield weight, f"context: {word}"


@cache
def _of_the_post(support: Support) -> tuple[Evidence, ...]:
    told = (
        (support.family, (_FAMILY, "named")),
        (support.root, (_ROOT, "root")),
        (support.author, (_AUTHOR, "author")),
        (support.company, (_COMPANY, "other brands")),
    )
    return tuple(evidence for holds, evidence in told if holds)
