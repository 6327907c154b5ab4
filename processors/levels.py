"""Is a count unusual for this brand? Several windows at once, judged while they fill.

A window is a number of cells that stand on the clock, of which the last is still filling: five
minutes, an hour of twelve five-minute cells. Two things are looked for:

* **volume**: the count of the window, ``2 * sqrt(n + 3/8) - 2 * sqrt(m + 3/8)`` above the expected
  ``m`` (Anscombe, Biometrika 35, 1948: near 1 for Poisson counts of any mean);
* **lasting**: the mean over the cells of ``min(log((n + 1) / (m + 1)), 1.5)``, the log-likelihood
  ratio of a rise, clipped (Huber, *A robust version of the probability ratio test*, 1965). No
  single cell can bring it about: a bot that posts two hundred times in five minutes scores less
  than people who come in numbers for an hour.

A window is unusual from three bounds on: the level that this brand itself passes once in
``volume_days`` or ``lasting_days`` (``processors/tails.py``, from the highest value of each of its
past days), at least ``threshold`` above chance, and a least count. Of a brand with less than one
mention an hour nothing is imagined: its own days count, and the exact tail of the negative
binomial, ``P(N >= n) = (m / (1 + m)) ** n <= 1e-9`` (shape 1: one post brings as many more as it
likes).

In the first ``CLIPPED_DAYS`` days the highest values are learned as they are, later up to the level
of the day: a crisis doesn't teach the detector to overlook the next one.

Measured by ``benchmarks/spikes.py``. ``watch`` does not judge with it yet, but by the buckets of
``processors/baseline.py``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil, exp, log, sqrt
from typing import Annotated, Literal

from pydantic import Field

from processors.canonical import by_key
from processors.seasons import LOCAL, Season
from processors.tails import imagined_days, level_of, return_days
from schemas.incident import Baseline

__all__ = ["WINDOWS", "Levels", "Pattern", "Reading", "Terms", "Window", "anscombe", "count_for"]

Pattern = Literal["volume", "lasting"]

HOUR = 60
DAY = 24 * HOUR
LASTING_CAP = 1.5
"""A cell counts as at most 4.5 times the expected."""
LEAST_RISE = 0.4
"""A lasting rise is at least half as much again."""
CLIPPED_DAYS = 7
CREEP = 0.05
"""A day above the level lifts what is learned by so much of the scale of an unknown brand."""
KEPT_DAYS = 60
UNKNOWN: dict[Pattern, tuple[float, float]] = {"volume": (3.0, 1.2), "lasting": (0.4, 0.25)}
"""Gumbel law of the daily maxima of a brand that nobody knows: location and scale."""
IMAGINED = 3
"""As many days as that law counts for."""
QUIET = 1.0
"""Expected an hour, below which the exact tail decides."""
QUIET_CHANCE = 1e-9
DISPERSION = 0.03
"""Variance beyond chance of a brand that nobody knows, as a part of the square of its mean."""
LEAST_EXPECTED = 0.01
MANY = 12
"""Cells from which on half of the least count must stand outside the largest cell: a long window
is there for what the short ones can't see, not to repeat for hours what they saw."""


@dataclass(frozen=True, slots=True)
class Window:
    """So many cells of so many minutes, the last one still filling."""

    name: str
    cells: int
    width: int
    pattern: Pattern = "volume"

    @property
    def minutes(self) -> int:
        """All in all."""
        return self.cells * self.width


WINDOWS = (
    Window("1m", 1, 1),
    Window("5m", 1, 5),
    Window("15m", 3, 5),
    Window("1h", 12, 5),
    Window("6h", 12, 30),
    Window("1h lasting", 12, 5, "lasting"),
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What counts as unusual."""

    windows: tuple[Window, ...] = WINDOWS
    volume_days: float = 30.0
    lasting_days: float = 5.0
    threshold: float = 5.0
    least: int = 1
    grace_hours: int = 24

    def days(self, window: Window) -> float:
        """How rarely the brand itself may pass the level."""
        return self.volume_days if window.pattern == "volume" else self.lasting_days


@dataclass(frozen=True, slots=True)
class Reading:
    """A window that stands out, as it was when its last mention came."""

    window: str
    pattern: Pattern
    start: int
    """Minutes since 1970; so the end, which is exclusive."""
    end: int
    count: int
    expected: float
    score: float
    level: float
    """The score from which on it counts as unusual."""
    return_days: float
    """Once in how many days this brand shows such a value."""

    @property
    def strength(self) -> float:
        """How far above the level; comparable between windows."""
        return self.score / self.level


def anscombe(count: float) -> float:
    """Counts with a spread of about 1."""
    return 2.0 * sqrt(count + 0.375)


def count_for(expected: float, score: float) -> float:
    """The count that stands so far above (or below) the expected one.

    >>> round(count_for(10, 5), 1)
    32.4
    """
    edge = max(anscombe(expected) + score, 0.0)
    return max(edge * edge / 4 - 0.375, 0.0)


@dataclass(frozen=True, slots=True)
class _Row:
    """What one window needs, as long as its earlier cells stay as they are."""

    place: int
    needed: int
    """Count of the last cell from which on it stands out."""
    before: int
    """Count of the earlier cells."""
    expected: float
    centre: float
    """Volume: of the expected count; lasting: sum of the earlier cells."""
    level: float
    single: float = 0.0
    """Lasting: expected in the last cell."""


@dataclass(frozen=True, slots=True)
class _Fill:
    """What the windows of one width need that end in one cell."""

    needed: int
    rows: tuple[_Row, ...]
    exact: bool


def _no_cells() -> dict[int, dict[int, int]]:
    return {}


@dataclass(slots=True)
class Levels:
    """What is remembered of one count of one brand. Times are minutes since 1970."""

    season: Season = field(default_factory=Season)
    cells: Annotated[dict[int, Annotated[dict[int, int], by_key]], by_key] = field(
        default_factory=_no_cells
    )
    """Width to number of the cell to count: what open windows need."""
    maxima: list[list[float]] = field(default_factory=list)
    """Of each window the highest score of each past day, newest last."""
    today: list[float] = field(default_factory=list)
    levels: list[float] = field(default_factory=list)
    """Of each window, for this day; none in the grace period."""
    quiet_levels: list[float] = field(default_factory=list)
    """The same without imagined days."""
    spread: float = 1.0
    """Robust spread of an hour's score, at least 1."""
    fills: Annotated[dict[int, dict[int, _Fill]], Field(exclude=True)] = field(
        default_factory=dict, compare=False, repr=False
    )
    """Cache: width to cell to what the windows ending in it need."""

    def add(self, minute: int, terms: Terms, count: int = 1) -> bool:
        """Count mentions in; whether a window that ends here stands out now."""
        if not self.cells:
            self.cells = {window.width: {} for window in terms.windows}
        found = False
        for width, counts in self.cells.items():
            cell = minute // width
            now = counts[cell] = counts.get(cell, 0) + count
            if not self.levels:
                continue
            fills = self.fills.get(width)
            if fills is None:
                fills = self.fills[width] = {}
            fill = fills.get(cell)
            if fill is None:
                fill = fills[cell] = self._reach(width, cell, terms)
            if now >= fill.needed and not fill.exact:
                fill = fills[cell] = self._fill(width, cell, terms)
            if len(fills) > 1:
                # Later windows hold this cell too.
                for later in [known for known in fills if known > cell]:
                    del fills[later]
            found = found or now >= fill.needed
        return found

    def reading(self, minute: int, terms: Terms, pattern: Pattern | None = None) -> Reading | None:
        """After ``add``: the window ending here (of one pattern) that stands out most, if any."""
        best: tuple[float, float, _Row, int] | None = None
        for width, fills in self.fills.items():
            fill = fills.get(minute // width)
            now = self.cells[width].get(minute // width, 0)
            for row in fill.rows if fill is not None and now >= fill.needed else ():
                if now < row.needed or pattern not in (None, terms.windows[row.place].pattern):
                    continue
                window = terms.windows[row.place]
                score = self._score_of(window, row, now)
                if best is None or score / row.level > best[0]:
                    best = score / row.level, score, row, now
        if best is None:
            return None
        _, score, row, now = best
        window = terms.windows[row.place]
        end = (minute // window.width + 1) * window.width
        return Reading(
            window=window.name,
            pattern=window.pattern,
            start=end - window.minutes,
            end=end,
            count=row.before + now,
            expected=row.expected,
            score=score,
            level=row.level,
            return_days=round(self._rarity(row.place, window, score), 1),
        )

    def close(self, start: int, end: int, terms: Terms, *, heard: bool = True) -> None:
        """The stretch is over: learn it. Both ends are multiples of five minutes, in one hour.

        With ``heard`` false a source was not heard: at least the usual is learned.
        """
        if not heard:
            self.season.deaf(start // HOUR)
        if self.season.known >= terms.grace_hours:
            self._top(start, end, terms)
        if end % HOUR == 0:
            hour = start // HOUR
            total = sum(self.cells.get(5, {}).get(c, 0) for c in range(hour * 12, hour * 12 + 12))
            self._spread_from(total, hour)
            self.season.over(hour, total)
            if not self.levels and self.season.known >= terms.grace_hours:
                self._set_levels(terms)
            if (end // HOUR + LOCAL) % 24 == 0 and self.today:
                self._end_day(terms)
        self._forget(end, terms)

    def band(self, minute: int, minutes: int, spreads: float = 2.0) -> tuple[float, float, float]:
        """The expected count of so many minutes, below and above what it usually stays."""
        middle = self.season.outlook(minute // HOUR) * minutes / HOUR
        width = spreads * self.spread
        return count_for(middle, -width), middle, count_for(middle, width)

    def baseline(self, minute: int, minutes: int) -> Baseline:
        """What is usual in so many minutes of this hour."""
        hours = self.season.learned
        return Baseline(
            median=round(self.season.rate(minute // HOUR) * minutes / HOUR, 4),
            spread=round(self.spread, 4),
            buckets=hours,
            days=-(-hours // 24),
        )

    def heard_between(self, start: int, end: int) -> int:
        """Count of a stretch that some window covers; ends at whole minutes of the cells' width."""
        for width in sorted(self.cells, reverse=True):
            if not start % width and not end % width and end - start > width:
                counts = self.cells[width]
                return sum(counts.get(c, 0) for c in range(start // width, end // width))
        counts = self.cells.get(end - start, {})
        return counts.get(start // (end - start), 0)

    # -- one window

    def _count(self, window: Window, cell: int) -> int:
        counts = self.cells.get(window.width, {})
        return sum(counts.get(c, 0) for c in range(cell - window.cells + 1, cell + 1))

    def _expected(self, window: Window, cell: int) -> float:
        """Hour by hour: a rate holds for one."""
        end = (cell + 1) * window.width
        at, total = end - window.minutes, 0.0
        while at < end:
            until = min(at - at % HOUR + HOUR, end)
            total += self.season.rate(at // HOUR) * (until - at)
            at = until
        return max(total / HOUR, LEAST_EXPECTED)

    def _score(self, window: Window, cell: int) -> float:
        if window.pattern == "volume":
            return anscombe(self._count(window, cell)) - anscombe(self._expected(window, cell))
        counts = self.cells.get(window.width, {})
        now = self._rise(counts.get(cell, 0), cell, window.width)
        return (self._rises_before(window, cell) + now) / window.cells

    def _rise(self, count: int, cell: int, width: int) -> float:
        expected = self.season.rate(cell * width // HOUR) * width / HOUR
        return min(log((count + 1) / (expected + 1)), LASTING_CAP)

    def _rises_before(self, window: Window, cell: int) -> float:
        counts = self.cells.get(window.width, {})
        return sum(
            self._rise(counts.get(c, 0), c, window.width)
            for c in range(cell - window.cells + 1, cell)
        )

    def _level(self, place: int, window: Window, cell: int, terms: Terms) -> float:
        """The score from which on the window is unusual."""
        if window.pattern == "lasting":
            return max(self.levels[place], LEAST_RISE)
        if self._is_quiet(window, cell):
            return max(self.quiet_levels[place], terms.threshold)
        return max(self.levels[place], terms.threshold)

    def _is_quiet(self, window: Window, cell: int) -> bool:
        return self.season.rate(cell * window.width // HOUR) < QUIET

    def _least(self, place: int, window: Window, cell: int, terms: Terms) -> float:
        """The count of the window from which on it may be unusual."""
        expected = self._expected(window, cell)
        if window.pattern == "lasting":
            return max(count_for(expected, terms.threshold), terms.least)
        needed = max(count_for(expected, self._level(place, window, cell, terms)), terms.least)
        if self._is_quiet(window, cell):
            needed = max(needed, log(QUIET_CHANCE) / log(expected / (1 + expected)))
        return needed

    def _reach(self, width: int, cell: int, terms: Terms) -> _Fill:
        """A count below which no window ending in the cell can stand out; cheap to tell."""
        counts = self.cells[width]
        cells = max(window.cells for window in terms.windows if window.width == width)
        before = sum(counts.get(c, 0) for c in range(cell - cells + 1, cell))
        return _Fill(max(terms.least - before, 1), (), exact=False)

    def _fill(self, width: int, cell: int, terms: Terms) -> _Fill:
        rows = tuple(
            self._row(place, window, cell, terms)
            for place, window in enumerate(terms.windows)
            if window.width == width
        )
        return _Fill(min(row.needed for row in rows), rows, exact=True)

    def _row(self, place: int, window: Window, cell: int, terms: Terms) -> _Row:
        counts = self.cells[window.width]
        earlier = [counts.get(c, 0) for c in range(cell - window.cells + 1, cell)]
        before, least = sum(earlier), self._least(place, window, cell, terms)
        expected, level = self._expected(window, cell), self._level(place, window, cell, terms)
        needed = max(_up(least - before), 1)
        if window.pattern == "volume":
            if window.cells >= MANY:
                beside = _up(least / 2 - before) + max(earlier)
                needed = _NEVER if beside > max(earlier) else max(needed, beside)
            return _Row(place, needed, before, expected, anscombe(expected), level)
        rises = self._rises_before(window, cell)
        missing = level * window.cells - rises
        single = self.season.rate(cell * window.width // HOUR) * window.width / HOUR
        if missing > LASTING_CAP:
            needed = _NEVER
        else:
            needed = max(needed, _up((single + 1) * exp(missing) - 1))
        return _Row(place, needed, before, expected, rises, level, single)

    def _score_of(self, window: Window, row: _Row, now: int) -> float:
        if window.pattern == "volume":
            return anscombe(row.before + now) - row.centre
        return (row.centre + min(log((now + 1) / (row.single + 1)), LASTING_CAP)) / window.cells

    def _rarity(self, place: int, window: Window, score: float) -> float:
        past = self.maxima[place] + self._imagined(window)
        return return_days(past, score)

    def _imagined(self, window: Window) -> list[float]:
        """Days of a brand that nobody knows; of a loud one, its profile is what is least known."""
        days = imagined_days(*UNKNOWN[window.pattern], IMAGINED)
        if window.pattern == "lasting" or not self.season.weight:
            return days
        expected = self.season.total / self.season.weight * window.minutes / HOUR
        return [day * sqrt(1 + DISPERSION * expected) for day in days]

    # -- what is learned

    def _top(self, start: int, end: int, terms: Terms) -> None:
        if not self.today:
            self.today = [0.0] * len(terms.windows)
        for place, window in enumerate(terms.windows):
            counts = self.cells.get(window.width)
            if not counts:
                continue
            cells: Sequence[int] = range(start // window.width, end // window.width)
            if window.cells == 1:
                # All in one hour, so the largest count has the highest score.
                cells = _largest(counts, cells)
            for cell in cells:
                score = round(self._score(window, cell), 3)
                if score > self.today[place]:
                    self.today[place] = score

    def _end_day(self, terms: Terms) -> None:
        if not self.maxima:
            self.maxima = [[] for _ in terms.windows]
        for place, window in enumerate(terms.windows):
            past, top = self.maxima[place], self.today[place]
            if len(past) >= CLIPPED_DAYS and self.levels:
                top = min(top, round(self.levels[place] + CREEP * UNKNOWN[window.pattern][1], 3))
            past.append(top)
            del past[:-KEPT_DAYS]
        self.today = []
        self._set_levels(terms)

    def _set_levels(self, terms: Terms) -> None:
        self.maxima = self.maxima or [[] for _ in terms.windows]
        self.levels, self.quiet_levels = [], []
        for place, window in enumerate(terms.windows):
            past = self.maxima[place]
            self.levels.append(level_of(past + self._imagined(window), terms.days(window)))
            known = len(past) >= 2
            self.quiet_levels.append(level_of(past, terms.days(window)) if known else 0.0)
        self.fills = {}

    def _spread_from(self, total: int, hour: int) -> None:
        if self.season.learned:
            off = abs(anscombe(total) - anscombe(self.season.rate(hour)))
            seen = min(_MEAN_TO_SPREAD * off, 3 * self.spread)
            self.spread = max(1.0, self.spread + (seen - self.spread) / _SPREAD_HOURS)

    def _forget(self, end: int, terms: Terms) -> None:
        for width, counts in self.cells.items():
            span = max(w.minutes for w in terms.windows if w.width == width)
            oldest = (end - max(span, HOUR)) // width
            for cell in [known for known in counts if known < oldest]:
                del counts[cell]
            fills = self.fills.get(width, {})
            for cell in [known for known in fills if (known + 1) * width <= end]:
                del fills[cell]


_NEVER = 1 << 62
_MEAN_TO_SPREAD = 1.2533  # of a normal law: sqrt(pi / 2)
_SPREAD_HOURS = 100


def _up(count: float) -> int:
    """The next whole count; what is whole but for rounding stays."""
    return ceil(count - 1e-9)


def _largest(counts: dict[int, int], cells: Sequence[int]) -> Sequence[int]:
    heard = [cell for cell in cells if cell in counts]
    return [max(heard, key=lambda cell: counts[cell])] if heard else []
