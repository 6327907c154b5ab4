"""Voices of a brand by quarter of an hour, counted as ``watch`` counts them.

A repeated post, a copied text and an author who spoke in the same quarter add no voice. Not
counted: sightings on boards, and posts whose time is out of reason.
"""

from datetime import datetime, timedelta
from math import floor

from processors.buckets import Bucket
from schemas.signals import Mention

__all__ = ["QUARTER", "Quarters"]

QUARTER = timedelta(minutes=15)
_SECONDS = 900


class Quarters:
    """The quarters of [since, until); mentions may come in any order of time."""

    def __init__(self, since: datetime, until: datetime, max_ids: int) -> None:
        self._first, self._end = _number(since), _number(until)
        self._max_ids = max_ids
        self._buckets: dict[int, Bucket] = {}

    def hear(self, mention: Mention) -> None:
        """Count a mention where it belongs, if anywhere."""
        number = _number(mention.event_at)
        if mention.kind == "hot" or mention.event_clamped or not self._first <= number < self._end:
            return
        bucket = self._buckets.get(number)
        if bucket is None:
            bucket = self._buckets[number] = Bucket(newest=mention.event_at)
        bucket.add(mention, self._max_ids)

    def counts(self, since: datetime, until: datetime) -> list[tuple[int, int]]:
        """Voices and negative voices of each quarter that lies wholly in [since, until)."""
        first = -(-int(since.timestamp()) // _SECONDS)
        tallies = [self._buckets.get(number) for number in range(first, _number(until))]
        return [(one.tally.voices, one.tally.negative) if one else (0, 0) for one in tallies]


def _number(at: datetime) -> int:
    return floor(at.timestamp() / _SECONDS)
