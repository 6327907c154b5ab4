"""The day or week that a report is about, by the calendar of its readers.

Days begin at midnight of the zone, weeks on Monday (ISO 8601). An hour is an hour of time, so a day
on which clocks change has 23 or 25 of them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

__all__ = ["HOUR", "Period", "PeriodKind", "day_of", "parse_day", "parse_week", "week_of"]

PeriodKind = Literal["daily", "weekly"]

HOUR = timedelta(hours=1)
_WEEK = re.compile(r"(\d{4})-?W(\d{2})", re.ASCII)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """[start, end), in whole hours."""

    kind: PeriodKind
    first_day: date
    start: datetime
    end: datetime
    zone: ZoneInfo
    is_whole: bool = True
    """False: it still runs, and ``end`` is as far as it was looked at."""

    @property
    def days(self) -> int:
        """How many days it has when it is over."""
        return _DAYS[self.kind]

    @property
    def name(self) -> str:
        """``2026-11-23`` or ``2026-W47``."""
        if self.kind == "daily":
            return self.first_day.isoformat()
        year, week, _ = self.first_day.isocalendar()
        return f"{year:04}-W{week:02}"

    @property
    def hours(self) -> list[datetime]:
        """The beginning of each hour, in UTC."""
        count = (self.end - self.start) // HOUR
        return [self.start + place * HOUR for place in range(count)]

    def earlier(self, periods: int) -> "Period":
        """The same stretch so many periods before, by the clock on the wall."""
        back = timedelta(days=self.days * periods)
        return Period(
            self.kind,
            self.first_day - back,
            _moved(self.start, back, self.zone),
            _moved(self.end, back, self.zone),
            self.zone,
            self.is_whole,
        )

    def until(self, now: datetime) -> "Period":
        """What of it is over: up to the last full hour."""
        if now >= self.end:
            return self
        passed = max(timedelta(), now - self.start) // HOUR
        end = self.start + passed * HOUR
        return Period(self.kind, self.first_day, self.start, end, self.zone, is_whole=False)


_DAYS: dict[PeriodKind, int] = {"daily": 1, "weekly": 7}


def day_of(day: date, zone: ZoneInfo) -> Period:
    """A day.

    >>> shanghai = ZoneInfo("Asia/Shanghai")
    >>> day_of(date(2026, 11, 23), shanghai).start
    datetime.datetime(2026, 11, 22, 16, 0, tzinfo=datetime.timezone.utc)
    """
    return _period("daily", day, zone)


def week_of(day: date, zone: ZoneInfo) -> Period:
    """The week that a day lies in.

    >>> week_of(date(2026, 11, 22), ZoneInfo("Asia/Shanghai")).name
    '2026-W47'
    """
    return _period("weekly", day - timedelta(days=day.weekday()), zone)


def parse_day(text: str) -> date:
    """``2026-11-23``.

    Raises:
        ValueError: no such day.
    """
    if not _DAY.fullmatch(text):
        raise ValueError(text)
    return date.fromisoformat(text)


def parse_week(text: str) -> date:
    """The Monday of ``2026-W47``.

    Raises:
        ValueError: no such week.
    """
    found = _WEEK.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return date.fromisocalendar(int(found[1]), int(found[2]), 1)


def _period(kind: PeriodKind, first: date, zone: ZoneInfo) -> Period:
    last = first + timedelta(days=_DAYS[kind])
    return Period(kind, first, _midnight(first, zone), _midnight(last, zone), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _moved(at: datetime, back: timedelta, zone: ZoneInfo) -> datetime:
    wall = at.astimezone(zone).replace(tzinfo=None) - back
    return wall.replace(tzinfo=zone).astimezone(UTC)
