"""The usual range of an hour, as pictures show it."""

from processors.hour_band import band_of

DAY = 24


def test_the_range_is_that_of_the_same_hours_of_other_days() -> None:
    hours = {day * DAY + hour: (100 if hour in (9, 10, 11) else 0) for day in range(14)
             for hour in range(DAY)}  # fmt: skip

    low, high = band_of(hours, 14 * DAY + 10, 0) or (0, 0)
    night = band_of(hours, 14 * DAY + 3, 0)

    assert 60 < low < 100 < high < 140
    assert night == (0, 4)


def test_a_crisis_of_one_day_does_not_become_usual() -> None:
    calm = dict.fromkeys(range(14 * DAY), 5)
    loud = calm | dict.fromkeys(range(13 * DAY, 14 * DAY), 900)

    assert band_of(loud, 14 * DAY + 10, 0) == band_of(calm, 14 * DAY + 10, 0)


def test_too_few_days_say_nothing() -> None:
    assert band_of({hour: 5 for hour in range(100)}, 50, 0) is None
    assert band_of({}, 50, 0) is None
