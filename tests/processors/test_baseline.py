import statistics
from math import sqrt
from random import Random

import pytest

from processors.baseline import History, baseline_of, count_at, score

DAY = 96


def learned(counts: list[int]) -> History:
    history = History()
    for count in counts:
        history.learn(count, count, count, most=14 * DAY)
    return history


def test_baseline_equals_a_naive_recount_of_the_same_hour_of_past_days() -> None:
    # Given ten days of counts, and a bucket at 10:15 of the eleventh
    rng = Random(3)
    start = 20_000 * DAY
    counts = [rng.randrange(12) for _ in range(10 * DAY)]
    bucket = start + 10 * DAY + 41

    # When its baseline is made
    found = learned(counts).normal(bucket, start + 10 * DAY, 4).voices

    # Then it is that of all buckets from 9:00 to 12:00 of the ten days
    same = [n for place, n in enumerate(counts) if 9 * 4 <= place % DAY < 12 * 4]
    centre = 2 * sqrt(statistics.median(same) + 0.375)
    mad = statistics.median(abs(2 * sqrt(n + 0.375) - centre) for n in same)
    assert found.median == statistics.median(same)
    assert found.spread == pytest.approx(max(1.0, 1.4826 * mad))
    assert (found.buckets, found.days) == (10 * 12, 10)


def test_hour_of_day_wraps_around_midnight() -> None:
    # Given counts that are 9 from 23:00 to 2:00 UTC and 0 otherwise
    counts = [9 if place % DAY in {*range(92, 96), *range(8)} else 0 for place in range(6 * DAY)]
    history = learned(counts)

    # When asked for 0:30 of the seventh day, then its baseline knows nothing of the zeros
    assert history.normal(6 * DAY + 2, 6 * DAY, 4).mentions.median == 9
    assert history.normal(6 * DAY + 2, 6 * DAY, 4).mentions.buckets == 5 * 12 + 8


def test_fewer_than_three_days_fall_back_to_the_whole_history() -> None:
    history = learned([1] * DAY + [3] * (DAY + 1))

    normal = history.normal(2 * DAY + 1, 2 * DAY + 1, 4)

    assert (normal.mentions.buckets, normal.mentions.days) == (2 * DAY + 1, 3)
    assert normal.mentions.median == 3


def test_baseline_does_not_depend_on_the_hour_just_before() -> None:
    # Given five even days, with or without a rise in the last hour
    calm, rising = [2] * (5 * DAY + 40), [2] * (5 * DAY + 36) + [30] * 4

    # Then the next bucket's baseline is the same
    bucket = 5 * DAY + 40
    assert learned(calm).normal(bucket, bucket, 4) == learned(rising).normal(bucket, bucket, 4)


def test_one_day_of_crisis_does_not_move_the_baseline() -> None:
    counts = [4] * (9 * DAY)
    counts[5 * DAY : 6 * DAY] = [400] * DAY

    assert learned(counts).normal(9 * DAY, 9 * DAY, 4).negative.median == 4


def test_spread_is_never_below_one() -> None:
    assert baseline_of([0] * 50, days=5).spread == 1.0
    assert score(10, baseline_of([0] * 50, days=5)) == pytest.approx(
        2 * sqrt(10.375) - 2 * sqrt(0.375)
    )


@pytest.mark.parametrize("counts", [[0, 0, 0, 1], [3, 4, 5, 6, 40], [80, 95, 100, 120]])
@pytest.mark.parametrize("spreads", [1.0, 3.0, 5.0])
def test_count_at_is_the_last_count_within_the_spreads(counts: list[int], spreads: float) -> None:
    baseline = baseline_of(counts, days=1)

    edge = count_at(spreads, baseline)

    assert score(edge, baseline) <= spreads < score(edge + 1, baseline)


def test_history_forgets_the_oldest() -> None:
    history = History()
    for count in range(10):
        history.learn(count, count, count, most=4)
    for day in range(10):
        history.learn_share(day, 60, 6 * day, days=2)
        history.learn_share(day, 40, 0, days=2)

    assert history.mentions == history.voices == history.negative == [6, 7, 8, 9]
    assert history.shares == [(8, 100, 48), (9, 100, 54)]
    assert history.normal(20, 20, 4).negative_share == pytest.approx(102 / 200)


def test_share_of_few_voices_is_damped() -> None:
    history = learned([1] * DAY)
    history.learn_share(0, 4, 4, days=14)

    assert history.normal(DAY, DAY, 4).negative_share == pytest.approx(4 / 50)
