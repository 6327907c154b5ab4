"""Days and weeks by the calendar of the reader, whatever the clocks do."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.periods import HOUR, day_of, parse_day, parse_week, week_of

SHANGHAI = ZoneInfo("Asia/Shanghai")
BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["Asia/Shanghai", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Pacific/Apia"]


def test_a_day_is_the_readers_not_utcs() -> None:
    day = day_of(date(2026, 11, 23), SHANGHAI)

    assert (day.name, day.days) == ("2026-11-23", 1)
    assert day.start == datetime(2026, 11, 22, 16, tzinfo=UTC)
    assert day.end == datetime(2026, 11, 23, 16, tzinfo=UTC)
    assert len(day.hours) == 24
    assert day.earlier(1) == day_of(date(2026, 11, 22), SHANGHAI)


def test_a_week_begins_on_monday() -> None:
    weeks = {week_of(date(2026, 11, day), SHANGHAI) for day in range(16, 23)}

    (week,) = weeks
    assert (week.name, week.first_day, week.days) == ("2026-W47", date(2026, 11, 16), 7)
    assert len(week.hours) == 168
    assert week.earlier(47).name == "2025-W52"  # the last week of 2025 ends in 2026


def test_days_on_which_clocks_change_have_23_or_25_hours() -> None:
    spring, autumn = (day_of(date(2026, *day), BERLIN) for day in ((3, 29), (10, 25)))

    assert (len(spring.hours), len(autumn.hours)) == (23, 25)
    assert spring.earlier(1).end == spring.start


def test_a_period_that_runs_ends_with_its_last_full_hour() -> None:
    day = day_of(date(2026, 11, 23), SHANGHAI)

    part = day.until(day.start + 9 * HOUR + timedelta(minutes=59))

    assert not part.is_whole and len(part.hours) == 9
    assert part.earlier(1).end == day.start - 15 * HOUR  # as many hours of the day before
    assert day.until(day.end) is day
    assert day.until(day.start - HOUR).hours == []


@given(st.dates(date(1980, 1, 1), date(2100, 1, 1)), st.sampled_from(ZONES), st.booleans())
def test_periods_follow_each_other_without_a_gap(day: date, zone: str, weekly: bool) -> None:
    period = (week_of if weekly else day_of)(day, ZoneInfo(zone))

    assert period.earlier(1).end == period.start
    assert period.earlier(1).earlier(-1) == period
    hours = period.hours
    assert hours[0] == period.start and hours[-1] <= period.end - HOUR


@pytest.mark.parametrize("text", ["2026-13-01", "20261123", "2026-W47", "", "２０２６-11-23"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_day(text)


@pytest.mark.parametrize("text", ["2026-W54", "2026-W00", "2026-11-23", "W47", "2026-w47"])
def test_what_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_week(text)


def test_days_and_weeks_are_read() -> None:
    assert parse_day("2026-11-23") == date(2026, 11, 23)
    assert parse_week("2026-W47") == parse_week("2026W47") == date(2026, 11, 16)
