"""A count against that of the period before: how it differs, and whether that says anything.

Two counts of equal stretches of time differ by chance: under a Poisson law ``2 * sqrt(n + 3/8)``
has a spread of 1 whatever the mean (Anscombe 1948), the difference of two such values one of
``sqrt(2)``. Posts come in bursts, so the test is too willing rather than too strict: what it calls
chance is chance, what it does not may still be.
"""

from dataclasses import dataclass
from math import sqrt

__all__ = ["FEW", "Change", "change", "is_chance"]

FEW = 10
"""Of fewer than so many before, a percentage misleads: from 1 to 3 is +200 %."""
_SURE = 1.96
"""Spreads that chance passes once in twenty."""


@dataclass(frozen=True, slots=True)
class Change:
    """A count, the one before, and what the difference is worth."""

    now: int
    before: int | None = None
    """None: nothing is known of that time."""
    percent: float | None = None
    """By how much it grew; None where ``before`` is too few, or not known."""
    by_chance: bool | None = None
    """The two may well differ by chance alone."""


def change(now: int, before: int | None) -> Change:
    """Compare two counts of equal stretches of time.

    >>> change(150, 100)
    Change(now=150, before=100, percent=50.0, by_chance=False)
    >>> change(3, 1)
    Change(now=3, before=1, percent=None, by_chance=True)
    """
    if before is None:
        return Change(now)
    percent = 100 * (now - before) / before if before >= FEW else None
    return Change(now, before, percent, is_chance(now, before))


def is_chance(one: int, other: int) -> bool:
    """Whether two counts may well differ by chance alone."""
    apart = 2 * abs(sqrt(one + 0.375) - sqrt(other + 0.375))
    return apart < _SURE * sqrt(2)
