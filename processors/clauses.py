"""Where the clauses of a text end, and its words of praise and blame.

``judged(own)`` takes the writer's own words (``prepare.py``) and is remembered: aspects and brand
moods ask for the same texts. Words come from ``cues_polarity.toml`` and ``cues_negation.toml``, so
the pass over the text is the one that all enrichers share.

Each word judges with +1 or -1; a negation up to three characters before it turns it round, a
second one back (不是不好). A word inside a longer one counts with the longer one only.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from processors.cues import Place, cues_version, find_places

__all__ = ["CLAUSES_VERSION", "Judged", "Verdict", "judged"]

CLAUSES_VERSION = f"1.{cues_version('polarity')}.{cues_version('negation')}"
"""Changes whenever the same text may be judged otherwise."""

_REMEMBERED = 1024
_REMEMBERED_LENGTH = 2_000
_SIGN = {"good": 1, "good_phrase": 1, "bad": -1, "bad_phrase": -1}
#: How far a negation reaches, from its end to the word: 不太好, 没有那么好.
_REACH = 3
_BREAKS = ",。!?;…~#"

Verdict = tuple[int, int, int]
"""A word of praise or blame, with the negation that turns it: [start, end) and +1 or -1."""


class Judged(NamedTuple):
    """A text as its clauses; places are code points."""

    breaks: Sequence[int]
    """Where clauses end; the last one is the text's end."""
    verdicts: Sequence[Verdict]
    """By place; none overlap."""


def judged(own: str) -> Judged:
    """The clauses of a folded text and what judges in them."""
    return _remembered(own) if len(own) <= _REMEMBERED_LENGTH else _judged(own)


def _judged(own: str) -> Judged:
    lines = own
    for sign in _BREAKS:  # five times as fast as a regular expression
        if sign in lines:
            lines = lines.replace(sign, "\n")
    breaks, end = [], -1
    for clause in lines.split("\n"):
        end += len(clause) + 1
        breaks.append(end)
    return Judged(breaks, _verdicts(own))


_remembered = lru_cache(_REMEMBERED)(_judged)


def _verdicts(own: str) -> list[Verdict]:
    cues = find_places("polarity", own)
    if not cues:
        return []
    negations = _negations(own, cues)
    verdicts: list[Verdict] = []
    reached = 0
    for start, end, group, _ in _longest(cues):
        sign = _SIGN.get(group)
        if sign is None:
            continue
        began = start
        if negations and group in ("good", "bad"):
            for from_, to in negations:
                if to <= began and from_ >= reached and began - to <= _REACH:
                    sign, began = -sign, from_
        verdicts.append((began, end, sign))
        reached = end
    return verdicts


def _negations(own: str, cues: Sequence[Place]) -> list[tuple[int, int]]:
    """Places of what turns the sense, the last one first."""
    found = find_places("negation", own)
    turning = [cue[:2] for cue in reversed(found) if cue[2] == "negation"]
    if not turning:
        return turning
    harmless = [cue[:2] for cue in cues if cue[2] == "no_negation"]
    # a negation that overlaps a double one is part of it: 并不是不
    doubles = [cue[:2] for cue in found if cue[2] == "double_negation"]
    if not harmless and not doubles:
        return turning
    return [
        (start, end)
        for start, end in turning
        if not any(first <= start and end <= last for first, last in harmless)
        and not any(start < last and first < end for first, last in doubles)
    ]


def _longest(cues: Sequence[Place]) -> list[Place]:
    """Without those that lie inside a longer one, or overlap a longer one that begins before."""
    kept = [cues[0]]
    last_start, last_end, _, _ = cues[0]
    for cue in cues:  # by start, shorter first
        start, end, _, _ = cue
        if start < last_end:
            if end <= last_end or (start > last_start and end - start <= last_end - last_start):
                continue
            kept[-1] = cue
        else:
            kept.append(cue)
        last_start, last_end = start, end
    return kept
