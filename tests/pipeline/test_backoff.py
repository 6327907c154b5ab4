import random

import pytest

from pipeline.backoff import MOST_ASKED_OF_A_SOURCE_SECONDS, Backoff


class Sleeps(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)


async def test_each_wait_is_random_within_twice_the_span_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    slept = Sleeps()
    backoff = Backoff(sleep=slept)

    for _ in range(10):
        await backoff.wait()

    assert slept == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0]


async def test_waits_start_anywhere_from_zero() -> None:
    # Full jitter: processes that failed together do not come back together.
    firsts = Sleeps()
    for _ in range(300):
        await Backoff(sleep=firsts).wait()

    assert 0 <= min(firsts) < 0.05 < 0.15 < max(firsts) <= 0.2


async def test_no_shorter_than_the_other_side_asked_for() -> None:
    slept = Sleeps()
    backoff = Backoff(sleep=slept)

    await backoff.wait(45.0)
    await backoff.wait()

    assert slept[0] == 45.0
    assert slept[1] <= 0.4


async def test_a_source_is_believed_up_to_a_day() -> None:
    slept = Sleeps()
    backoff = Backoff(sleep=slept)

    for asked in (50_000.0, 1e9):
        await backoff.wait(asked, most_asked_seconds=MOST_ASKED_OF_A_SOURCE_SECONDS)

    assert slept == [50_000.0, 86_400.0]


async def test_years_of_tries_stay_at_the_most() -> None:
    slept = Sleeps()
    backoff = Backoff(sleep=slept)

    for _ in range(5_000):
        await backoff.wait()

    assert max(slept) <= 30.0
