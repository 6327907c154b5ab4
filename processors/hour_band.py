"""What is usual in an hour, for a picture: the range of the same hours of the days before.

Of the counts of the same hour of day, one hour more to either side, on the ``DAYS`` days before:
median and robust spread of ``2 * sqrt(n + 3/8)`` (``processors/baseline.py``), three spreads to
either side. Hours of less than ``LEAST_DAYS`` days say nothing. It is made from the hours alone and
is no part of any decision.
"""

from collections.abc import Mapping
from math import floor, sqrt

from processors.baseline import baseline_of, count_at

__all__ = ["DAYS", "Band", "band_of"]

DAYS = 14
LEAST_DAYS = 3
SPREADS = 3.0

Band = tuple[int, int]


def band_of(hours: Mapping[int, int], hour: int, first: int) -> Band | None:
    """Lowest and highest usual count of an hour, by hours since 1970; ``first`` heard hour.

    >>> band_of({hour: 4 for hour in range(240)}, 240, 0)
    (0, 11)
    """
    counts = [
        hours.get(before, 0)
        for day in range(1, DAYS + 1)
        for before in range(hour - 24 * day - 1, hour - 24 * day + 2)
        if before >= first
    ]
    if len(counts) < 3 * LEAST_DAYS:
        return None
    usual = baseline_of(counts, days=len(counts) // 3)
    edge = 2 * sqrt(usual.median + 0.375) - SPREADS * usual.spread
    return max(0, floor(edge * edge / 4) if edge > 0 else 0), count_at(SPREADS, usual)
