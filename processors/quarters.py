"""Voices of a brand by quarter of an hour, counted as ``watch`` counts them.

A repeated post, a copied text and an author who spoke in the same quarter add no voice. Not
counted: sightings on boards, and posts whose time is out of reason.
"""

from datetime import datetime, timedelta
from math import floor
from zoneinfo import ZoneInfo

from processors.buckets import Bucket
from schemas.signals import Mention

__all__ = ["QUARTER", "DayHours", "Quarters"]

QUARTER = timedelta(minutes=15)
_SECONDS = 900
_SAID_ALREADY = 5
"""Mentions that every hour of day is thought to have had: few say nothing of an hour."""


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


class DayHours:
    """How much is said in each hour of the day, in a zone, against the mean of all 24."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._counts = [_SAID_ALREADY] * 24

    def hear(self, mention: Mention) -> None:
        """Count a mention of a time that is no part of what is to be judged."""
        if mention.kind != "hot" and not mention.event_clamped:
            self._counts[mention.event_at.astimezone(self._zone).hour] += 1

    def shares(self, since: datetime, quarters: int) -> list[float]:
        """Of so many quarters from then on, 1 for an hour like the mean."""
        mean = sum(self._counts) / 24
        times = ((since + place * QUARTER).astimezone(self._zone) for place in range(quarters))
        return [self._counts[time.hour] / mean for time in times]


def _number(at: datetime) -> int:
    return floor(at.timestamp() / _SECONDS)
