"""Usual silences: nothing is said too early, a dead source is noticed, bursts raise no alarm."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from processors.habit import allowed_seconds, heard, usual_seconds
from schemas.source_status import Habit

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
LOOK = timedelta(minutes=5)


def posts(rng: random.Random, days: float, busy_a_day: float) -> Iterator[datetime]:
    """Bursts of one to nine posts; the day is ten times as busy as the night."""
    at, end = MONDAY, MONDAY + timedelta(days=days)
    while at < end:
        rate = busy_a_day * (1.0 if 1 <= at.hour < 15 else 0.1) / 86_400
        at += timedelta(seconds=rng.expovariate(rate))
        for _ in range(rng.choice((1, 1, 1, 2, 9))):
            yield at


def listen(times: Iterator[datetime], days: float, dead_after: float | None = None) -> list[float]:
    """Days at which a look found the silence unusual."""
    habit, found, last = Habit(), [], MONDAY
    dead = MONDAY + timedelta(days=dead_after if dead_after is not None else 1e4)
    arrivals, now = iter(sorted(one for one in times if one < dead)), MONDAY
    following = next(arrivals, None)
    while now < MONDAY + timedelta(days=days):
        now += LOOK
        while following is not None and following <= now:
            habit = heard(habit, last, following)
            last, following = following, next(arrivals, None)
        silence = (now - last).total_seconds()
        allowed = allowed_seconds(habit, now)
        if allowed is not None and silence > max(allowed, 300):
            found.append((now - MONDAY).total_seconds() / 86_400)
    return found


def test_nothing_is_judged_before_a_week_was_heard() -> None:
    habit, now = Habit(), MONDAY
    while now < MONDAY + timedelta(days=7):
        assert usual_seconds(habit, now) is None
        habit = heard(habit, now, now + timedelta(seconds=60))
        now += timedelta(hours=1)
    assert usual_seconds(habit, now) == 60


@pytest.mark.parametrize(("busy_a_day", "most"), [(30, 4), (300, 1), (3_000, 0)])
@pytest.mark.parametrize("seed", range(4))
def test_eight_weeks_of_bursts_raise_few_alarms(busy_a_day: float, most: int, seed: int) -> None:
    found = listen(posts(random.Random(seed), 56, busy_a_day), 56)

    assert len({int(day) for day in found}) <= most


@pytest.mark.parametrize(("busy_a_day", "hours"), [(30, 48), (300, 4), (3_000, 0.5)])
@pytest.mark.parametrize("seed", range(4))
def test_a_source_that_dies_at_noon_is_noticed(busy_a_day: float, hours: float, seed: int) -> None:
    died = 42 + 4 / 24  # noon in Shanghai

    found = listen(posts(random.Random(seed), 45, busy_a_day), 45, died)

    assert min(day for day in found if day > died) - died < hours / 24


def test_the_night_may_be_silent_for_longer_than_the_day() -> None:
    habit = Habit()
    for day in range(15):
        begun = MONDAY + timedelta(days=day)
        for minute in range(0, 18 * 60, 2):  # a post every other minute until 18 h, then none
            at = begun + timedelta(minutes=minute)
            habit = heard(habit, at, at + timedelta(minutes=2))
        habit = heard(habit, begun + timedelta(hours=18), begun + timedelta(hours=24))

    assert allowed_seconds(habit, MONDAY + timedelta(days=15, hours=12)) == 3 * 120
    assert allowed_seconds(habit, MONDAY + timedelta(days=15, hours=20)) == 3 * 5 * 3600


def test_an_unusual_silence_is_learned_only_up_to_its_limit() -> None:
    habit, now = Habit(), MONDAY
    while now < MONDAY + timedelta(days=15):
        habit = heard(habit, now, now + timedelta(seconds=100))
        now += timedelta(hours=1)

    habit = heard(habit, now, now + timedelta(days=300))

    later = now + timedelta(days=300)
    assert usual_seconds(habit, later) == 300
