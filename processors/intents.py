"""What the writer of a post wants: complains, asks, wants to buy, praises, leaves, needs help.

Several may hold. Listed words (``cues_intents.toml``) in the writer's own words (``prepare.py``)
add to a sum per intent, beside what the sentence shows: question marks, negation, a car's part
with a fault (``defects.py``), the shares of ``sentiment``, the form of news or an advertisement.
The score is the logistic function of the sum; an intent holds from 0.5 on. ``intents.md`` tells
how well that works.

Nobody speaks as a customer on a hot-search board, and neither do the press and companies
themselves: of them only rumours are told.

Limits: irony; wishes that only the context shows; texts beyond their first 2,000 characters.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

from processors.cues import Cue, cues_version, find_cues, table_of
from processors.defects import DEFECTS, Defects, find_defects
from processors.prepare import PREPARE_VERSION, prepare
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Label
from schemas.rules import RuleSet

__all__ = ["INTENTS", "REASONS", "Intents", "deciding_words"]

INTENTS: Final = (
    "complaint",
    "enquiry",
    "purchase",
    "repurchase",
    "praise",
    "churn",
    "help",
    "maintenance",
    "rumour",
    "job",
)
"""In the order of records."""

REASONS: Final = ("promise", "quality", "practicality", "enjoyment", "respect")
"""Why one complains; in the order of records."""

_LIST = "intents"
_REVISION = 1  # of the weights in this file
_READ = 2_000
_COMPLAINT, _ENQUIRY, _PRAISE = map(INTENTS.index, ("complaint", "enquiry", "praise"))
_PURCHASE, _RUMOUR = map(INTENTS.index, ("purchase", "rumour"))
#: What a post must outweigh, in the order of ``INTENTS``.
_BIAS = (-1.7, -2.3, -1.9, -1.9, -1.7, -1.9, -2.0, -1.9, -1.8, -1.8)
#: Each further word of a group adds half of the first one's weight, up to so many words.
_MOST_WORDS = 3
#: What the form of news and the like takes from all intents but rumours; with 我 in it, half.
_FORMS = {"news": 2.4, "headline": 2.4, "advertisement": 2.6, "official": 3.2}
_NEGATIONS = frozenset("不没别未无")
_LONG_NEGATIONS = ("没有", "不太", "不是", "不够", "不会", "并不", "不怎", "算不上", "谈不上")
_PARTICLES = ("吗", "么", "呢", "不", "没", "嘛", "啊", "呀")
_SHORT = 40
#: Their posts are news or service, whatever the words.
_NOT_CUSTOMERS = frozenset({"media", "official"})
_ENJOYMENT = frozenset({"噪音", "异味"})
_PRACTICALITY = frozenset({"油耗高", "断连", "衰减"})


class _Group(NamedTuple):
    """One group of the word list; weights as (place in ``INTENTS``, weight)."""

    scores: tuple[tuple[int, float], ...]
    asked: tuple[tuple[int, float], ...]
    told: tuple[tuple[int, float], ...]
    reason: str | None
    form: float
    negatable: bool


class Intents:
    """Writes ``intents``, ``reasons`` and ``defects``; see the module for how and its limits."""

    behind = ("brands", "sentiment", "sentiment_snownlp", "author")

    class Config(ComponentConfig):
        """No options."""

    def __init__(self, config: Config, rules: RuleSet) -> None:
        parts = (str(_REVISION), str(PREPARE_VERSION), cues_version(_LIST), cues_version(DEFECTS))
        self.version = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:8]

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records; posts that show nothing stay as they are."""
        return [_judged(post) for post in posts]


def deciding_words(post: EnrichedPost) -> dict[str, tuple[str, ...]]:
    """For each intent that the post was given, the words that spoke for it, in order."""
    groups = _groups()
    own = _own_text(post)
    found = {label.label: label for label in post.intents}
    words: dict[str, dict[str, None]] = {name: {} for name in found}
    for cue in _counted(own, find_cues(_LIST, own)):
        group = groups[cue.group]
        for place, weight in (*group.scores, *group.asked, *group.told):
            if weight > 0 and INTENTS[place] in words:
                words[INTENTS[place]][cue.word] = None
    if "complaint" in words:
        words["complaint"] |= dict.fromkeys(post.defects)
    return {name: tuple(listed) for name, listed in words.items()}


def _own_text(post: EnrichedPost) -> str:
    text = f"{post.title}\n{post.text}" if post.title else post.text
    return prepare(text[:_READ] if len(text) > _READ else text).own


def _judged(post: EnrichedPost) -> EnrichedPost:
    own = _own_text(post)
    cues = find_cues(_LIST, own)
    defects = find_defects(own)
    marked = "?" in own
    if not cues and not marked and not defects.faults:
        return post
    groups, counts = _groups(), _word_counts(own, cues)
    sums = _sums(own, counts, defects, marked)
    if (mood := post.sentiment) is not None:
        sums[_COMPLAINT] += 1.5 * (mood.negative - 0.4)
        sums[_PRAISE] += 1.2 * (mood.positive - 0.4)
    if post.kind == "hot" or getattr(post, "author_kind", None) in _NOT_CUSTOMERS:
        sums = [total if place == _RUMOUR else -9.0 for place, total in enumerate(sums)]
    intents = tuple(
        Label.unchecked(label=INTENTS[place], score=round(1 / (1 + math.exp(-total)), 3))
        for place, total in enumerate(sums)
        if total >= 0
    )
    complains = sums[_COMPLAINT] >= 0
    if not intents and not defects.named:
        return post
    reasons = _reasons((groups[name].reason for name in counts), defects) if complains else ()
    return post.replaced(intents=intents, reasons=reasons, defects=defects.named)


def _counted(own: str, cues: Sequence[Cue]) -> list[Cue]:
    """The words that count: not inside a longer one, and not negated where that matters."""
    groups, kept, reach = _groups(), [], 0
    begin, end = -1, -1
    for cue in reversed(cues):  # by start, then by end, downwards: the longest of a place first
        if cue.start == begin and cue.end < end:
            continue
        begin, end = cue.start, cue.end
        kept.append(cue)
    kept.reverse()
    counted = []
    begin = -1
    for cue in kept:
        if cue.end <= reach and cue.start != begin:
            continue
        begin, reach = cue.start, max(reach, cue.end)
        if groups[cue.group].negatable and cue.start and _negated(own, cue.start):
            continue
        counted.append(cue)
    return counted


def _negated(own: str, start: int) -> bool:
    before = own[max(0, start - 3) : start]
    return before[-1] in _NEGATIONS or before.endswith(_LONG_NEGATIONS)


def _word_counts(own: str, cues: Sequence[Cue]) -> dict[str, int]:
    """How many different words of each group there are."""
    counts: dict[str, int] = {}
    seen = set()
    for cue in _counted(own, cues) if cues else ():
        if (key := (cue.group, cue.word)) not in seen:
            seen.add(key)
            counts[cue.group] = counts.get(cue.group, 0) + 1
    return counts


def _sums(own: str, counts: Mapping[str, int], defects: Defects, marked: bool) -> list[float]:
    """A sum per intent; it holds from 0 on."""
    groups, sums = _groups(), list(_BIAS)
    sums[_ENQUIRY] += _asking(own, counts, marked)
    form = 0.0
    later = []
    for name, count in counts.items():
        group = groups[name]
        factor = 1.0 if count == 1 else 0.5 + 0.5 * min(count, _MOST_WORDS)
        for place, weight in group.scores:
            sums[place] += weight * factor
        if group.asked or group.told:
            later.append((group, factor))
        if group.form:
            form = max(form, group.form * factor)
    asks = sums[_ENQUIRY] >= 0
    for group, factor in later:
        for place, weight in group.asked if asks else group.told:
            sums[place] += weight * factor
    sums[_COMPLAINT] += _faulty(defects)
    if asks and "ask_strong" in counts:
        sums[_COMPLAINT] -= 0.9
    if own.startswith("【"):
        form = max(form, _FORMS["news"])
    if form:
        form *= 0.5 if "我" in own else 1.0
        sums = [total if place == _RUMOUR else total - form for place, total in enumerate(sums)]
    return sums


def _asking(own: str, counts: Mapping[str, int], marked: bool) -> float:
    """What the shape of the sentences adds to an enquiry."""
    total = 0.0
    if marked:
        total += 1.4
    tail = own.rstrip(" !~。.\n")
    if tail.endswith("?"):
        total += 0.8
    elif tail.endswith(_PARTICLES):
        total += 1.0
    if "ask_word" in counts and len(tail) <= _SHORT:
        total += 0.8
    return total


def _faulty(defects: Defects) -> float:
    """What named defects add to a complaint."""
    if defects.named:
        return 2.4 + 0.4 * (min(defects.faults, 3) - 1)
    if defects.faults:
        return 1.4 + 0.5 * (min(defects.faults, 3) - 1)
    return 0.6 if defects.weak else 0.0


def _reasons(named: Iterable[str | None], defects: Defects) -> tuple[str, ...]:
    reasons = set(named)
    if defects.kinds & _ENJOYMENT:
        reasons.add("enjoyment")
    if defects.kinds & _PRACTICALITY:
        reasons.add("practicality")
    if defects.kinds - _ENJOYMENT - _PRACTICALITY:
        reasons.add("quality")
    return tuple(reason for reason in REASONS if reason in reasons)


@cache
def _groups() -> Mapping[str, _Group]:
    return {
        name: _Group(
            *(
                tuple((INTENTS.index(one), float(weight)) for one, weight in weights.items())
                for weights in (table.get(key, {}) for key in ("scores", "asked", "told"))
            ),
            reason=table.get("reason"),
            form=_FORMS.get(table.get("form", ""), 0.0),
            negatable=table.get("negatable", False),
        )
        for name, table in table_of(_LIST).items()
    }
