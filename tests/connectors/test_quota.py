import asyncio
import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.quota import Limit, Quota
from tests.bounds import examples
from tests.connectors.conftest import FakeClock

BEGIN = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)


def quota(clock: FakeClock, *limits: tuple[int, float]) -> Quota:
    return Quota([Limit(*one) for one in limits], clock.now, clock.sleep)


async def test_without_limits_nothing_waits(clock: Any) -> None:
    free = quota(clock)

    for _ in range(1_000):
        await free.take()

    assert clock.slept == []
    assert free.left() is None


async def test_the_window_slides(clock: Any) -> None:
    # Given three calls in any ten seconds, taken at 0, 4 and 8
    limited = quota(clock, (3, 10))
    for _ in range(3):
        await limited.take()
        clock.at += timedelta(seconds=4)

    # When calls go on from 12
    begun = clock.at
    await limited.take()  # that of 0 is forgotten
    await limited.take()  # that of 4 has to be waited for

    # Then
    assert (clock.at - begun).total_seconds() == 2
    assert limited.left() == 0
    clock.at += timedelta(seconds=4)
    assert limited.left() == 1
    clock.at += timedelta(days=1)
    assert limited.left() == 3


@pytest.mark.parametrize(("wanted", "wait"), [(1, 2), (2, 6), (3, 10), (9, 10)])
async def test_several_calls_wait_until_all_of_them_are_allowed(
    clock: Any, wanted: int, wait: float
) -> None:
    limited = quota(clock, (3, 10))
    for pause in (4, 4, 0):  # taken at 0, 4 and 8
        await limited.take()
        clock.at += timedelta(seconds=pause)

    assert limited.wait_seconds(wanted) == wait


async def test_the_tightest_limit_counts(clock: Any) -> None:
    limited = quota(clock, (2, 1), (3, 60))

    assert limited.left() == 2
    for _ in range(4):
        await limited.take()

    assert sum(clock.slept) == 60
    assert limited.left() == 1  # of three a minute, those of 1 s and 60 s count


@pytest.mark.parametrize(
    ("told", "waited"), [(30, 30), (0, 0), (-5, 0), (10**12, 86_400), (math.inf, 86_400)]
)
async def test_what_the_platform_says_counts(clock: Any, told: float, waited: float) -> None:
    limited = quota(clock, (100, 60))

    limited.empty(told)

    assert limited.left() == (0 if waited else 100)
    await limited.take()
    assert sum(clock.slept) == waited
    assert limited.left() == 99


async def test_a_clock_that_is_set_back_does_not_stop_the_source(clock: Any) -> None:
    # Given a used quota and a platform that said: an hour
    limited = quota(clock, (1, 10))
    await limited.take()
    limited.empty(20)

    # When the clock is set back by a day
    clock.at -= timedelta(days=1)

    # Then it waits as long as it would have
    assert limited.wait_seconds() == 20
    await limited.take()
    assert sum(clock.slept) == 20


async def test_two_that_wait_do_not_go_at_once() -> None:
    clock = FakeClock(BEGIN)

    async def sleep(seconds: float) -> None:
        until = clock.at + timedelta(seconds=seconds)
        await asyncio.sleep(0)  # the others sleep too
        clock.at = max(clock.at, until)

    limited = Quota([Limit(1, 5)], clock.now, sleep)
    taken: list[datetime] = []

    async def call() -> None:
        await limited.take()
        taken.append(clock.at)

    await asyncio.gather(*(call() for _ in range(4)))

    assert [(at - BEGIN).total_seconds() for at in sorted(taken)] == [0, 5, 10, 15]


@examples(100)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.floats(1e-3, 5_000)), min_size=1, max_size=3),
    st.lists(st.floats(0, 100), max_size=30),
)
def test_no_stretch_ever_has_too_many(limits: list[tuple[int, float]], pauses: list[float]) -> None:
    async def run() -> list[datetime]:
        clock = FakeClock(BEGIN)
        limited = quota(clock, *limits)
        taken = []
        for pause in pauses:
            await limited.take()
            assert limited.left() is not None and limited.left() >= 0  # type: ignore[operator]
            taken.append(clock.at)
            clock.at += timedelta(seconds=pause)
        return taken

    taken = asyncio.run(run())
    assert all(one <= other for one, other in pairwise(taken))
    for calls, seconds in limits:
        for first, beyond in zip(taken, taken[calls:], strict=False):
            assert beyond - first >= timedelta(seconds=seconds)
