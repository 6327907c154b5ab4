"""What is usual in an hour, for a picture: the range of the same hours of the days before.

Of the counts of the same hour of day, one hour more to either side, on the ``DAYS`` days before:
the median and a robust spread (1.4826 times the median deviation, at least 1) of
``2 * sqrt(n + 3/8)`` (Anscombe, Biometrika 35, 1948), three spreads to either side. Hours of less
than ``LEAST_DAYS`` days say nothing. It is made from the hours alone and is no part of any
decision.
"""

from collections.abc import Mapping
from math import floor, sqrt
from statistics import median

__all__ = ["DAYS", "Band", "band_of"]

DAYS = 14
LEAST_DAYS = 3
SPREADS = 3.0

Band = tuple[int, int]


def band_of(hours: Mapping[int, int], hour: int, first: int) -> Band | None:
    """Lowest and highest usual count of an hour, by hours since 1970; ``first`` heard hour.

    >>> band_of({hour: 4 for hour in range(240)}, 240, 0)
    (0, 12)
    """
    values = [
        2 * sqrt(hours.get(before, 0) + 0.375)
        for day in range(1, DAYS + 1)
        for before in range(hour - 24 * day - 1, hour - 24 * day + 2)
        if before >= first
    ]
    if len(values) < 3 * LEAST_DAYS:
        return None
    middle = median(values)
    spread = max(1.0, 1.4826 * median(abs(value - middle) for value in values))
    return _count(middle - SPREADS * spread), _count(middle + SPREADS * spread)


def _count(value: float) -> int:
    """The largest count that is not above a value of the scale; at least 0."""
    return max(0, floor(max(0.0, value) ** 2 / 4 - 0.375))
