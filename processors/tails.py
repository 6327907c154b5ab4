"""How rare a value is for one brand: the highest value of each of its past days.

The level that is passed once in ``R`` days is the ``k``-th highest of ``n`` daily maxima with
``k = (n + 1) / R``. If days are exchangeable, the next day passes it with probability ``1 / R``,
whatever the law of the maxima (Vovk, Gammerman and Shafer, *Algorithmic Learning in a Random
World*, 2005, ch. 2; the plotting position of Weibull, 1939). Beyond the record the tail is
continued as an exponential with the mean excess of the upper third (Pickands, *Statistical
inference using extreme order statistics*, 1975, shape 0), as Gumbel's law of maxima does. A few
imagined days, spread over a Gumbel law, stand in for the days that are missing at first.
"""

from collections.abc import Sequence
from math import ceil, exp, log

__all__ = ["imagined_days", "level_of", "return_days"]

_LEAST_EXCESS = 0.02


def imagined_days(location: float, scale: float, count: int) -> list[float]:
    """Daily maxima of a brand that nobody knows: quantiles of a Gumbel law.

    >>> [round(value, 1) for value in imagined_days(3.0, 0.8, 3)]
    [2.5, 3.3, 4.4]
    """
    return [location - scale * log(-log((place + 0.5) / count)) for place in range(count)]


def level_of(maxima: Sequence[float], days: float) -> float:
    """The level that is passed once in so many days (at least two maxima).

    >>> level_of([1, 2, 3, 4, 5, 6, 7, 8, 9], days=5)
    8.0
    """
    ranked = sorted(maxima, reverse=True)
    place = (len(ranked) + 1) / days
    if place < 1:
        return ranked[0] + _excess(ranked) * log(1 / place)
    above, part = int(place), place - int(place)
    if above >= len(ranked):
        return float(ranked[-1])
    return ranked[above - 1] * (1 - part) + ranked[above] * part


def return_days(maxima: Sequence[float], value: float) -> float:
    """Once in how many days such a value comes: the inverse of ``level_of``, 1 or more.

    >>> return_days([1, 2, 3, 4, 5, 6, 7, 8, 9], 8)
    5.0
    """
    ranked = sorted(maxima, reverse=True)
    if value >= ranked[0]:
        return (len(ranked) + 1) * exp(min((value - ranked[0]) / _excess(ranked), 20.0))
    below = next((place for place, one in enumerate(ranked) if one <= value), len(ranked))
    if below == len(ranked):
        return 1.0
    upper, lower = ranked[below - 1], ranked[below]
    place = below + (upper - value) / (upper - lower)
    return max(1.0, (len(ranked) + 1) / place)


def _excess(ranked: Sequence[float]) -> float:
    upper = ranked[: max(2, ceil(len(ranked) / 3))]
    return max(sum(upper) / len(upper) - upper[-1], _LEAST_EXCESS)
