"""Thresholds for a wished rate of alarms, and the price."""

from datetime import timedelta

import pytest

from processors.alarms import Alarm, Labelled
from processors.surge import Surge
from processors.tuning import LADDER, choose, poisson_interval, reference, scaled, threshold_of
from processors.watch_settings import WatchSettings
from tests.processors.test_alarms import HOUR, NOON, alarm, label

WEEKS = 4.0


def ladder(*alarms: tuple[float, Alarm]) -> list[list[Alarm]]:
    """Alarms, each with the factor up to which it is raised; ten minutes later at every rung."""
    rungs = []
    for place, factor in enumerate(LADDER):
        rungs.append(
            [
                alarm(
                    one.id,
                    (one.opened_at - NOON) / HOUR + place / 6,
                    severity=one.severity,
                )
                for most, one in alarms
                if factor <= most
            ]
        )
    return rungs


def test_the_lowest_fitting_threshold_that_loses_nothing_is_chosen() -> None:
    noise = [(1.1, alarm(f"noise {n}", 100 + 20 * n)) for n in range(10)]
    found = choose("qilan", 5.0, ladder((3.0, alarm("true", 0)), *noise), [label(0)], WEEKS, 1.0)

    assert (found.present.a_week, found.fits) == (2.5, True)
    assert (found.chosen.threshold, found.chosen.a_week) == (6.25, 0.0)
    assert found.minutes_later == pytest.approx((20.0,))
    assert (found.newly_missed, found.newly_caught) == ((), ())


def test_what_is_lost_is_said() -> None:
    noise = [(1.75, alarm(f"noise {n}", 100 + 20 * n)) for n in range(10)]
    rungs = ladder((1.5, alarm("weak", 0)), (3.0, alarm("strong", 30)), *noise)

    found = choose("qilan", 5.0, rungs, [label(0), label(30)], WEEKS, 1.0)

    assert found.chosen.threshold == 10.0
    assert found.newly_missed == (label(0),)
    assert found.wanted == 2 and len(found.minutes_later) == 1


def test_a_quiet_brand_keeps_its_threshold() -> None:
    found = choose("qilan", 5.0, ladder(), [], WEEKS, 1.0)

    assert found.chosen.threshold == found.present.threshold == 5.0


def test_a_lower_threshold_is_proposed_where_it_catches_more() -> None:
    found = choose("qilan", 5.0, ladder((0.8, alarm("late", 0))), [label(0)], WEEKS, 1.0)

    assert found.chosen.threshold == 2.5
    assert found.newly_caught == (label(0),) and not found.minutes_later


def test_a_lucky_rung_below_a_noisy_one_does_not_fit() -> None:
    noise = [alarm(f"noise {n}", 100 + 20 * n) for n in range(10)]
    rungs: list[list[Alarm]] = [[] for _ in LADDER]
    rungs[LADDER.index(1.5)] = noise

    assert choose("qilan", 5.0, rungs, [], WEEKS, 1.0).chosen.threshold == 8.75


def test_where_nothing_fits_the_highest_is_shown() -> None:
    noise = [(9.0, alarm(f"noise {n}", 100 + 20 * n)) for n in range(10)]

    found = choose("qilan", 5.0, ladder(*noise), [], WEEKS, 1.0)

    assert not found.fits and found.chosen.threshold == 15.0


def test_without_labels_what_grew_strong_is_true() -> None:
    strong = alarm("strong", 0, severity=3)

    assert reference([strong, alarm("weak", 9)], 3) == [
        Labelled("qilan", NOON, NOON + timedelta(hours=3))
    ]


def test_every_brand_keeps_its_own_on_the_ladder() -> None:
    watch = WatchSettings(threshold=4.0, brands={"qilan": {"threshold": 10.0}})  # type: ignore[dict-item]

    higher = scaled(watch, 1.5)

    assert (threshold_of(higher, "qilan"), threshold_of(higher, "lingyue")) == (15.0, 6.0)
    assert scaled(watch, 1.0) == watch
    Surge(higher.of("qilan"))


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, 0.0, 2.303), (1, 0.105, 3.890), (10, 6.221, 15.407)]
)
def test_the_interval_is_garwoods(count: int, low: float, high: float) -> None:
    assert poisson_interval(count) == pytest.approx((low, high), abs=0.001)
