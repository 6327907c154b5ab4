from random import Random

import pytest

from processors.levels import WINDOWS, Levels, Terms, anscombe, count_for
from processors.rises import Rises
from processors.tails import level_of, return_days

DAY = 1440
TERMS = Terms(least=6)


def learned(days: int, an_hour: float, seed: int = 1) -> tuple[Levels, int]:
    """Levels after some days of noise, and the minute at which they end."""
    levels, rng = Levels(), Random(seed)
    for start in range(0, days * DAY, 15):
        for minute in range(start, start + 15):
            if rng.random() < an_hour / 60:
                levels.add(minute, TERMS)
        levels.close(start, start + 15, TERMS)
    return levels, days * DAY


def test_the_level_is_passed_once_in_so_many_days_and_back() -> None:
    past = [float(value) for value in range(1, 30)]

    for days in (2.0, 5.0, 7.5, 30.0, 90.0):
        assert return_days(past, level_of(past, days)) == pytest.approx(days)
    assert return_days(past, -1) == 1


@pytest.mark.parametrize("expected", [0.01, 3.0, 400.0])
def test_the_count_for_a_score_has_that_score(expected: float) -> None:
    assert anscombe(count_for(expected, 5)) - anscombe(expected) == pytest.approx(5)


@pytest.mark.parametrize("an_hour", [0.006, 4, 30])
def test_a_flood_in_a_minute_stands_out_and_noise_does_not(an_hour: float) -> None:
    levels, now = learned(20, an_hour)
    assert not any(levels.add(now + minute, TERMS) for minute in range(3))

    found = [levels.add(now + 4, TERMS) for _ in range(10_000)]

    reading = levels.reading(now + 4, TERMS)
    assert found.index(True) < 60
    assert found[-1]
    assert reading is not None
    assert reading.count >= 10_000
    assert reading.return_days > 1_000


def test_a_burst_is_a_volume_and_no_lasting_rise() -> None:
    levels, now = learned(20, 30)
    for _ in range(400):
        levels.add(now, TERMS)

    assert levels.reading(now, TERMS, "volume") is not None
    assert levels.reading(now, TERMS, "lasting") is None


def test_a_rise_that_lasts_is_found_though_no_minute_is_special() -> None:
    levels, now = learned(20, 30)
    found = []
    for minute in range(now, now + 90):
        for _ in range(2):
            found.append(levels.add(minute, TERMS))
        if minute % 15 == 14:
            levels.close(minute - 14, minute + 1, TERMS)

    assert any(found)


def test_the_same_counts_in_any_order_within_the_open_cells_give_the_same_state() -> None:
    levels, now = learned(9, 12)
    other = Levels(**{name: getattr(levels, name) for name in ("season", "maxima", "levels")})
    other.cells = {width: dict(counts) for width, counts in levels.cells.items()}
    minutes = [now + (7 * n) % 30 for n in range(40)]

    for one, another in zip(minutes, reversed(minutes), strict=True):
        levels.add(one, TERMS)
        other.add(another, Terms(least=10**9))

    assert levels.cells == other.cells


def test_a_band_holds_what_is_usual_and_the_next_hours() -> None:
    levels, now = learned(20, 30)

    for ahead in range(0, 360, 60):
        low, middle, high = levels.band(now + ahead, 60)
        assert low < middle < high
        assert 20 < middle < 40


def test_one_rise_is_one_alarm() -> None:
    levels, now = learned(20, 30)
    rises, told = Rises(), 0
    for minute in range(now, now + 60):
        for _ in range(20):
            if levels.add(minute, TERMS):
                reading = levels.reading(minute, TERMS, "lasting")
                told += reading is not None and rises.begins(minute, reading)

    assert told == 1


def test_windows_cover_a_minute_to_six_hours() -> None:
    assert sorted({window.minutes for window in WINDOWS}) == [1, 5, 15, 60, 360]
