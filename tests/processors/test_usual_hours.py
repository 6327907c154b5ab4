"""What is usual in an hour, from the same hours of past weeks."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from processors.periods import HOUR, day_of, week_of
from processors.usual_hours import WEEKS, is_in_gap, usual_hours, usual_total

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = day_of(date(2026, 3, 4), SHANGHAI)
WEEK = timedelta(weeks=1)
DAYS = timedelta(days=1)
LONG_AGO = DAY.start - 100 * WEEK


def past(counts: list[int], step: timedelta = WEEK) -> dict[datetime, int]:
    """These counts in the day's first hour of the past weeks (or days), the last one first."""
    return {DAY.start - step * place: count for place, count in enumerate(counts, 1)}


def test_the_band_is_median_and_two_robust_spreads() -> None:
    first, *_ = usual_hours(DAY, past([10, 12, 9, 11, 10, 13, 10, 400]), LONG_AGO, [])

    assert first is not None
    # sqrt(10.5 + 3/8) = 3.298; the spread is 1, as of a Poisson law: (3.298 -+ 1)^2 - 3/8
    assert (first.median, first.low, first.high, first.compared) == (10.5, 5, 18, 8)


def test_hours_without_posts_count_as_zero() -> None:
    bands = usual_hours(DAY, past([8, 9]), LONG_AGO, [])

    assert bands[0] is not None and bands[0].median == 0
    assert bands[1] is not None and (bands[1].median, bands[1].low, bands[1].high) == (0, 0, 2)


def test_nothing_is_learned_from_the_period_itself_or_after_eight_weeks() -> None:
    counts = past([5] * WEEKS + [500] * 5) | dict.fromkeys(DAY.hours, 900)

    first, *_ = usual_hours(DAY, counts, LONG_AGO, [])

    assert first is not None and (first.median, first.compared) == (5, WEEKS)


def test_hours_in_which_a_source_was_silent_say_nothing() -> None:
    silent = [(DAY.start - WEEK * place, DAY.start - WEEK * place + HOUR) for place in (1, 2, 3)]
    counts = past([0, 0, 0, 20, 20, 20, 20, 20])

    first, *_ = usual_hours(DAY, counts, LONG_AGO, [*silent, (DAY.end, None)])

    assert first is not None and (first.median, first.compared) == (20, 5)


def test_a_young_brand_takes_all_days_and_a_new_one_has_no_band() -> None:
    counts = past([7, 8, 9], DAYS)

    young = usual_hours(DAY, counts, DAY.start - 3 * DAYS, [])[0]
    new = usual_hours(DAY, counts, DAY.start - 2 * DAYS, [])

    assert young is not None and (young.median, young.compared) == (8, 3)
    assert new == [None] * 24


def test_the_hour_is_that_of_the_wall_clock() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    after = day_of(date(2026, 3, 30), berlin)  # summer time began the day before
    nine = after.start + 9 * HOUR
    counts = {nine - WEEK * place + HOUR: 50 for place in range(1, 9)}  # 9:00 in winter time

    assert [band.median for band in usual_hours(after, counts, LONG_AGO, []) if band][9] == 50


def test_the_whole_day_is_compared_with_whole_days_of_the_same_weekday() -> None:
    counts = {
        hour: 2 if DAY.start - WEEK * place <= hour else 99
        for place in range(1, 9)
        for hour in DAY.earlier(7 * place).hours
    }

    total = usual_total(DAY, counts, LONG_AGO, [])

    assert total is not None and (total.median, total.compared) == (48, 8)
    assert usual_total(DAY, counts, DAY.start - 2 * WEEK, []) is None
    week = week_of(date(2026, 3, 4), SHANGHAI)
    found = usual_total(week, counts, LONG_AGO, [])
    assert found is not None and found.median == 48


def test_a_gap_reaches_as_far_as_it_lasts() -> None:
    gaps = [(DAY.start, DAY.start + HOUR), (DAY.end, None)]

    assert is_in_gap(DAY.start, DAY.start + HOUR, gaps)
    assert not is_in_gap(DAY.start + HOUR, DAY.end, gaps)
    assert is_in_gap(DAY.end + 9 * HOUR, DAY.end + 10 * HOUR, gaps)
