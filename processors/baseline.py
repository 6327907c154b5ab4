"""What is normal for a brand: a robust baseline from its own closed buckets.

Counts are compared as ``2 * sqrt(n + 3/8)`` (Anscombe), which gives Poisson counts a spread of
about 1 whatever their mean. The baseline of a bucket is the median of the same hour of day, one
hour more to either side, over the past days; with fewer than three such days, of all there is. The
spread is 1.4826 times the median absolute deviation, at least 1.

A count is learned only up to a few spreads above its own baseline. So a crisis does not become
normal in a night, and a level that lasts does after about half the history.

Reference: F. J. Anscombe, The transformation of Poisson, binomial and negative-binomial data,
Biometrika 35 (1948).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import floor, sqrt
from typing import Literal

from schemas.incident import Baseline

__all__ = ["History", "Measured", "Normal", "baseline_of", "count_at", "score"]

Measured = Literal["negative", "voices", "mentions", "topics"]
"""``topics`` are those of hot-search boards, which no bucket counts."""

MIN_DAYS = 3
"""Fewer days than this say nothing about an hour of day."""
MIN_SPREAD = 1.0
"""The spread under a Poisson law; also keeps a silent brand from dividing by zero."""
MIN_SHARE_VOICES = 50
"""The usual share of fewer voices than this is damped towards zero."""
_MAD_TO_SIGMA = 1.4826


def _transformed(count: float) -> float:
    return 2.0 * sqrt(count + 0.375)


def _median(ordered: Sequence[float]) -> float:
    middle = len(ordered) // 2
    if len(ordered) % 2:
        return float(ordered[middle])
    return (ordered[middle - 1] + ordered[middle]) / 2


def baseline_of(counts: Sequence[int], days: int) -> Baseline:
    """Median and robust spread of some past counts (at least one).

    >>> baseline_of([3, 4, 4, 5, 30], days=5).median
    4.0
    """
    median = _median(sorted(counts))
    centre = _transformed(median)
    deviation = _median(sorted(abs(_transformed(count) - centre) for count in counts))
    return Baseline(
        median=median,
        spread=max(MIN_SPREAD, _MAD_TO_SIGMA * deviation),
        buckets=len(counts),
        days=days,
    )


def score(count: float, baseline: Baseline) -> float:
    """How many spreads the count stands above (or below) the baseline.

    >>> quiet = baseline_of([0, 0, 0, 1], days=1)
    >>> round(score(10, quiet), 2)
    5.22
    """
    return (_transformed(count) - _transformed(baseline.median)) / baseline.spread


def count_at(spreads: float, baseline: Baseline) -> int:
    """The largest count that stands at most that many spreads above the baseline."""
    edge = _transformed(baseline.median) + spreads * baseline.spread
    return floor(edge * edge / 4 - 0.375)


@dataclass(slots=True)
class Normal:
    """What is usual in one bucket."""

    mentions: Baseline
    voices: Baseline
    negative: Baseline
    negative_share: float
    """Share of negative voices over the whole history, incidents left out."""

    def of(self, measured: Measured) -> Baseline:
        """The baseline of one of the counts."""
        if measured == "negative":
            return self.negative
        return self.voices if measured == "voices" else self.mentions


@dataclass(slots=True)
class History:
    """Counts of the closed buckets, oldest first, without gaps: silence is a count of zero."""

    mentions: list[int] = field(default_factory=list)
    voices: list[int] = field(default_factory=list)
    negative: list[int] = field(default_factory=list)
    shares: list[tuple[int, int, int]] = field(default_factory=list)
    """Day number, voices and negative voices of its buckets outside incidents; oldest first."""

    def __len__(self) -> int:
        return len(self.mentions)

    def learn(self, mentions: int, voices: int, negative: int, most: int) -> None:
        """Append one bucket; of more than ``most`` the oldest is forgotten."""
        for column, count in (
            (self.mentions, mentions),
            (self.voices, voices),
            (self.negative, negative),
        ):
            column.append(count)
            if len(column) > most:
                del column[0]

    def raise_to_usual(self, bucket: int, closed_before: int, buckets_an_hour: int) -> None:
        """A learned bucket was calm because a source was not heard: take what is usual instead."""
        place = bucket - (closed_before - len(self))
        if not 0 <= place < len(self):
            return
        usual = self.normal(bucket, closed_before, buckets_an_hour)
        for column, baseline in (
            (self.mentions, usual.mentions),
            (self.voices, usual.voices),
            (self.negative, usual.negative),
        ):
            column[place] = max(column[place], floor(baseline.median))

    def learn_share(self, day: int, voices: int, negative: int, days: int) -> None:
        """Count a bucket's moods into its day; days older than ``days`` are forgotten."""
        if self.shares and self.shares[-1][0] == day:
            _, heard, complained = self.shares.pop()
            voices, negative = voices + heard, negative + complained
        self.shares.append((day, voices, negative))
        self.shares = [entry for entry in self.shares if entry[0] > day - days]

    def normal(self, bucket: int, closed_before: int, buckets_an_hour: int) -> Normal:
        """What is usual in ``bucket``, when all before ``closed_before`` are learned."""
        first = closed_before - len(self)
        places = _same_hour(bucket, first, closed_before, buckets_an_hour)
        days = len(places)
        if days < MIN_DAYS:
            places = [slice(0, len(self))]
            days = -(-len(self) // (24 * buckets_an_hour))
        return Normal(
            mentions=baseline_of([n for place in places for n in self.mentions[place]], days),
            voices=baseline_of([n for place in places for n in self.voices[place]], days),
            negative=baseline_of([n for place in places for n in self.negative[place]], days),
            negative_share=self._usual_share(),
        )

    def _usual_share(self) -> float:
        voices = sum(entry[1] for entry in self.shares)
        return sum(entry[2] for entry in self.shares) / max(voices, MIN_SHARE_VOICES)


def _same_hour(bucket: int, first: int, end: int, buckets_an_hour: int) -> list[slice]:
    """Where the same hour ±1 of each past day stands in a list of the buckets [first, end)."""
    day = 24 * buckets_an_hour
    start = bucket - bucket % buckets_an_hour - buckets_an_hour - day
    places = []
    while start + 3 * buckets_an_hour > first:
        low, high = max(start, first), min(start + 3 * buckets_an_hour, end)
        if low < high:
            places.append(slice(low - first, high - first))
        start -= day
    return places
