"""Whether two waves are about one thing: by the thread they grow in, else by their words.

A word counts by how much larger its share of the voices is than usual for the brand, so the brand's
own name, which stands in nearly all of them, joins nothing. The likeness is the cosine of the two
lists of shares; from ``SAME`` on they are one topic. Where one of them has no telling word at all
(no keyword rule fired), nothing speaks against one topic, and one crisis stays one incident.

Limits: what is usual is learned from buckets without an open incident, and fades by half at every
2,000 voices. Two topics that rise within one bucket are one incident.
"""

from collections.abc import Iterable, Mapping
from math import sqrt

from processors.brand_state import BrandState, Case
from processors.buckets import MAX_WORDS, Bucket, Tally
from schemas.incident import IncidentKind

__all__ = ["SAME", "about", "learn_words", "same_topic"]

SAME = 0.3
_TOP = 8
_REMEMBERED_VOICES = 2_000

Shares = dict[str, float]
"""Words to how much larger their share is than usual."""


def about(state: BrandState, kind: IncidentKind, tally: Tally) -> Shares:
    """What the counted voices are about; of a crisis, the negative ones."""
    if kind == "crisis":
        words, voices = tally.negative_words, tally.negative
    else:
        words, voices = tally.words, tally.voices
    return _shares(state, words.items(), voices)


def same_topic(state: BrandState, case: Case, bucket: Bucket, thread: str | None = None) -> bool:
    """Whether the bucket goes on with what the case is about."""
    if thread is not None and thread == case.thread:
        return True
    kind, incident = case.finding.kind, case.incident
    voices = incident.totals.negative if kind == "crisis" else incident.totals.voices
    known = _shares(state, ((one.word, one.voices) for one in incident.words), voices)
    heard = about(state, kind, bucket.tally)
    return not known or not heard or _likeness(known, heard) >= SAME


def learn_words(state: BrandState, tally: Tally) -> None:
    """A bucket without an incident: this is what is always said."""
    # Sorted: which words still find room must not depend on the order of a dict.
    for word, count in sorted(tally.words.items()):
        if word in state.usual_words or len(state.usual_words) < MAX_WORDS:
            state.usual_words[word] = state.usual_words.get(word, 0) + count
    state.usual_voices += tally.voices
    if state.usual_voices > _REMEMBERED_VOICES:
        state.usual_voices //= 2
        state.usual_words = {w: n // 2 for w, n in state.usual_words.items() if n > 1}


def _shares(state: BrandState, words: Iterable[tuple[str, int]], voices: int) -> Shares:
    usual, of = state.usual_words, state.usual_voices
    ranked = sorted(words, key=lambda item: (-item[1], item[0]))[:_TOP]
    shares = {
        # One voice more, so that a word heard once in a single calm post is not taken for usual.
        word: count / voices - usual.get(word, 0) / (of + 1)
        for word, count in ranked
        if voices
    }
    return {word: share for word, share in shares.items() if share > 0}


def _likeness(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    common = sum(share * other.get(word, 0.0) for word, share in sorted(one.items()))
    return common / (_length(one) * _length(other))


def _length(shares: Mapping[str, float]) -> float:
    return sqrt(sum(share * share for _, share in sorted(shares.items())))
