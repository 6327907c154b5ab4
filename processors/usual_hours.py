"""How many posts are usual in an hour: the same hour of the same weekday over the past weeks.

Median and robust spread as in ``baseline.py``; the band is two spreads to either side, which some
one hour in twenty leaves on an ordinary day. Hours in which a source was not heard say nothing and
are left out. Where fewer than three such weeks are known, the same hour of all days stands in;
where there are fewer than three of these, nothing is usual yet.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, sqrt

from processors.baseline import MIN_DAYS, baseline_of, count_at
from processors.periods import HOUR, Period
from schemas.incident import Baseline

__all__ = ["SPREADS", "WEEKS", "Band", "Gap", "is_in_gap", "usual_hours", "usual_total"]

WEEKS = 8
"""How far back it is looked."""
SPREADS = 2.0

Gap = tuple[datetime, datetime | None]
"""From when to when a source was not heard; open, if it still is not."""


@dataclass(frozen=True, slots=True)
class Band:
    """What is usual."""

    median: float
    low: int
    high: int
    """Counts from ``low`` to ``high`` are usual."""
    compared: int
    """How many past hours (or periods) it was made from."""


def usual_hours(
    period: Period, counts: Mapping[datetime, int], since: datetime, gaps: Sequence[Gap]
) -> list[Band | None]:
    """The band of each hour of the period, from the posts of the hours before it.

    ``counts``: by beginning of the hour in UTC, hours without posts may be left out; ``since``: of
    earlier hours nothing is known.
    """
    return [_usual_hour(period, hour, counts, since, gaps) for hour in period.hours]


def usual_total(
    period: Period, counts: Mapping[datetime, int], since: datetime, gaps: Sequence[Gap]
) -> Band | None:
    """The band of the whole period's count, from the same stretch of the past weeks."""
    step = 7 // period.days
    totals = []
    for week in range(1, WEEKS + 1):
        past = period.earlier(week * step)
        if past.start >= since and not is_in_gap(past.start, past.end, gaps):
            totals.append(sum(counts.get(hour, 0) for hour in past.hours))
    return _band(totals) if len(totals) >= MIN_DAYS else None


def is_in_gap(start: datetime, end: datetime, gaps: Sequence[Gap]) -> bool:
    """Whether a source was not heard at some time in [start, end)."""
    return any(begin < end and (until is None or until > start) for begin, until in gaps)


def _usual_hour(
    period: Period,
    hour: datetime,
    counts: Mapping[datetime, int],
    since: datetime,
    gaps: Sequence[Gap],
) -> Band | None:
    wall = hour.astimezone(period.zone).replace(tzinfo=None)
    for step in (7, 1):
        past = []
        for days in range(step, 7 * WEEKS + 1, step):
            same = (wall - timedelta(days=days)).replace(tzinfo=period.zone).astimezone(UTC)
            if since <= same < period.start and not is_in_gap(same, same + HOUR, gaps):
                past.append(counts.get(same, 0))
        if len(past) >= MIN_DAYS:
            return _band(past)
    return None


def _band(counts: Sequence[int]) -> Band:
    baseline = baseline_of(counts, len(counts))
    return Band(baseline.median, _low(baseline), count_at(SPREADS, baseline), len(counts))


def _low(baseline: Baseline) -> int:
    """The least count that stands at most ``SPREADS`` below the baseline."""
    edge = 2 * sqrt(baseline.median + 0.375) - SPREADS * baseline.spread
    return max(0, ceil(edge * edge / 4 - 0.375)) if edge > 0 else 0
