"""Whether two waves are about one thing: by the thread they grow in, else by their words.

A word of the new bucket weighs as much as its share of the voices there exceeds what is usual for
the brand, so the brand's own name, which stands in nearly all of them, joins nothing. It is known
to an incident when it has at least a tenth of that share among the incident's own voices: within
one crisis people change their words, but not for words that hardly anybody used before. A bucket
is about another topic when less than ``SAME`` of the weight is known, and what is unknown weighs as
much as a word of every second voice (``NEW``). Where few keyword rules fire nothing speaks against
one topic, and one crisis stays one incident.

Limits: what is usual is learned from buckets without an open incident, and fades by half at every
2,000 voices. Two topics that rise within one bucket are one incident.
"""

from processors.brand_state import BrandState, Case
from processors.buckets import MAX_WORDS, Tally
from schemas.incident import BLAMING, IncidentKind

__all__ = ["SAME", "learn_words", "same_topic"]

SAME = 0.3
"""Share of the weight that must be known."""
KNOWN_PART = 0.1
NEW = 0.5
"""So much unknown weight, in voices a voice, tells of another topic; less is chance."""
_REMEMBERED_VOICES = 2_000


def same_topic(state: BrandState, case: Case, number: int, thread: str | None = None) -> bool:
    """Whether the bucket goes on with what the case is about; ``thread``: where it began."""
    if thread is not None and thread == case.thread:
        return True
    tally = Tally()
    tally.add(case.tally)
    for other, bucket in state.open_for(case):
        if other != number:
            tally.add(bucket.tally)
    kind = case.finding.kind
    own, voices = _words(kind, tally)
    words, new_voices = _words(kind, state.buckets[number].tally)
    if not own or not voices or not new_voices:
        return True
    known = total = 0.0
    for word, count in sorted(words.items()):
        share = count / new_voices
        # One voice more, so that a word of a single calm post is not taken for usual.
        weight = share - state.usual_words.get(word, 0) / (state.usual_voices + 1)
        if weight > 0:
            total += weight
            known += weight * (own.get(word, 0) / voices >= share * KNOWN_PART)
    return total - known < NEW or known >= SAME * total


def _words(kind: IncidentKind, tally: Tally) -> tuple[dict[str, int], int]:
    """What the voices that matter used, and how many these are."""
    if kind in BLAMING:
        return tally.negative_words, tally.negative
    return tally.words, tally.voices


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
