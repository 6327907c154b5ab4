"""Which threshold gives a brand the wished rate of alarms, and what that costs.

The past is replayed once for every rung of a ladder: the present thresholds of all brands times a
factor. So every number is that of a real replay, not of a model of one. For each brand:

* *What has to be told* are its labelled incidents; without labels, the incidents that the present
  threshold finds and that grew to ``strong``.
* *False* is any other alarm that people are told of: of a kind and severity that notify passes on.
* A rung *fits* when it and every rung above it gives at most the wished number of false alarms a
  week. Demanding it of those above keeps a lucky rung out.
* Of the rungs that fit, the one is chosen that misses least, then the one that tells earliest (sum
  of minutes), then the one nearest to the present. Where none fits, the highest.

The price is set against the present threshold: how many minutes later (or earlier) what both find
is told, and what only the present one finds.

The rate comes with the interval in which four of five Poisson rates lie that could have given the
count (Garwood, Fiducial limits for the Poisson distribution, Biometrika 28, 1936): a few weeks say
little about rare alarms. Limits: the threshold is fitted to the weeks that it is measured on; try
it on others (``tingchao backtest --from``). Rungs are steps of a tenth and more, not the optimum.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, log
from statistics import median

from processors.alarms import Alarm, Judged, Labelled, judge, minutes_between
from processors.watch_settings import WatchSettings

__all__ = [
    "LADDER",
    "Choice",
    "Rung",
    "choose",
    "poisson_interval",
    "reference",
    "scaled",
    "threshold_of",
]

LADDER = (0.5, 0.65, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
_PRESENT = LADDER.index(1.0)
_TAIL = 0.1


def threshold_of(watch: WatchSettings, brand: str) -> float:
    """What counts as unusual for a brand."""
    return watch.of(brand).threshold


def scaled(watch: WatchSettings, factor: float) -> WatchSettings:
    """The settings with every threshold times a factor, to two decimals."""
    own = {
        brand: settings.model_copy(update={"threshold": _times(threshold_of(watch, brand), factor)})
        for brand, settings in watch.brands.items()
    }
    return watch.model_copy(update={"threshold": _times(watch.threshold, factor), "brands": own})


def _times(threshold: float, factor: float) -> float:
    return threshold if factor == 1.0 else max(0.01, round(threshold * factor, 2))


@dataclass(frozen=True, slots=True)
class Rung:
    """One threshold of one brand, and how it does."""

    threshold: float
    judged: Judged
    weeks: float

    @property
    def false(self) -> list[Alarm]:
        """What would have been told for nothing."""
        return [*self.judged.false, *self.judged.unjudged]

    @property
    def a_week(self) -> float:
        """False alarms a week."""
        return len(self.false) / self.weeks

    @property
    def interval(self) -> tuple[float, float]:
        """Between which rates a week the true one lies, four times of five."""
        low, high = poisson_interval(len(self.false))
        return low / self.weeks, high / self.weeks


@dataclass(frozen=True, slots=True)
class Choice:
    """What is proposed for a brand."""

    brand: str
    wanted: int
    """How many incidents have to be told."""
    present: Rung
    chosen: Rung
    fits: bool
    """False: even the highest rung gives more alarms than wished."""
    minutes_later: tuple[float, ...]
    """Of each incident that both tell; negative: earlier."""
    newly_missed: tuple[Labelled, ...]
    """What only the present threshold finds."""
    newly_caught: tuple[Labelled, ...]

    @property
    def usually_later(self) -> float | None:
        """The median of the minutes."""
        return median(self.minutes_later) if self.minutes_later else None

    @property
    def worst_later(self) -> float | None:
        """The longest of them."""
        return max(self.minutes_later, default=None)


def reference(present: Iterable[Alarm], strong: int) -> list[Labelled]:
    """What has to be told where nobody labelled anything: what grew strong."""
    return [
        Labelled(alarm.brand, alarm.opened_at, alarm.closed_at or alarm.opened_at)
        for alarm in present
        if alarm.severity >= strong
    ]


def choose(
    brand: str,
    present: float,
    ladder: Sequence[Sequence[Alarm]],
    wanted: Sequence[Labelled],
    weeks: float,
    wish: float,
) -> Choice:
    """Choose a rung. ``ladder``: the alarms of the brand that people are told of, by rung;
    ``present``: its threshold now; ``weeks``: so many were judged; ``wish``: false alarms a week.
    """
    rungs = [
        Rung(_times(present, factor), judge(alarms, wanted), weeks)
        for factor, alarms in zip(LADDER, ladder, strict=True)
    ]
    lowest = len(rungs)
    while lowest and rungs[lowest - 1].a_week <= wish:
        lowest -= 1
    fitting = rungs[lowest:]
    chosen = min(fitting, key=lambda rung: _badness(rung, present)) if fitting else rungs[-1]
    now = rungs[_PRESENT]
    before = {one.label: one.alarm for one in now.judged.caught}
    after = {one.label: one.alarm for one in chosen.judged.caught}
    return Choice(
        brand=brand,
        wanted=len(wanted),
        present=now,
        chosen=chosen,
        fits=bool(fitting),
        minutes_later=tuple(
            minutes_between(before[label].opened_at, after[label].opened_at)
            for label in wanted
            if label in before and label in after
        ),
        newly_missed=tuple(one for one in wanted if one in before and one not in after),
        newly_caught=tuple(one for one in wanted if one in after and one not in before),
    )


def _badness(rung: Rung, present: float) -> tuple[int, float, float]:
    late = sum(one.minutes_after for one in rung.judged.caught)
    return len(rung.judged.missed), late, abs(log(rung.threshold / present))


def poisson_interval(count: int) -> tuple[float, float]:
    """The rates for which so many, or fewer, and so many, or more, come one time of ten.

    >>> [round(edge, 2) for edge in poisson_interval(3)]
    [1.1, 6.68]
    """
    low = 0.0 if count == 0 else _rate_at(count - 1, 1 - _TAIL)
    return low, _rate_at(count, _TAIL)


def _rate_at(count: int, chance: float) -> float:
    """The rate at which at most ``count`` come with this chance."""
    low, high = 0.0, 10.0 + 3.0 * count
    for _ in range(60):
        middle = (low + high) / 2
        term = total = exp(-middle)
        for number in range(1, count + 1):
            term *= middle / number
            total += term
        low, high = (middle, high) if total > chance else (low, middle)
    return (low + high) / 2
