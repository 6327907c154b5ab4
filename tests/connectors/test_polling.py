from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Batch, Context, Cursor
from connectors.polling import PollConfig, poll_for_ever
from connectors.trouble import SourceError


async def take(batches: AsyncIterator[Batch], most: int) -> list[Cursor]:
    found: list[Cursor] = []
    async for batch in batches:
        found.append(batch.cursor)
        if len(found) == most:
            break
    return found


async def test_each_poll_goes_on_where_the_last_one_ended(context: Context, clock: Any) -> None:
    # Given polls of two batches
    asked: list[Cursor] = []

    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        asked.append(cursor)
        for step in (1, 2):
            yield Batch([], {"at": int(cursor["at"]) + step})

    # When five batches are taken
    cursors = await take(poll_for_ever(poll, {"at": 0}, context, 60), 5)

    # Then
    assert cursors == [{"at": 1}, {"at": 2}, {"at": 3}, {"at": 4}, {"at": 5}]
    assert asked == [{"at": 0}, {"at": 2}, {"at": 4}]
    assert len(clock.slept) == 2


async def test_the_pace_is_steady_with_jitter(context: Context, clock: Any) -> None:
    # Given polls that take 20 s each
    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        clock.at += timedelta(seconds=20)
        yield Batch([], {})

    await take(poll_for_ever(poll, {}, context, 100), 200)

    assert len(clock.slept) == 199
    assert all(70 <= slept <= 90 for slept in clock.slept)
    assert len(set(clock.slept)) > 100
    assert 78 < sum(clock.slept) / 199 < 82


@pytest.mark.parametrize("took", [300, 10**6, -(10**6)])
async def test_a_slow_poll_or_a_jump_of_the_clock_neither_hurries_nor_stops(
    context: Context, clock: Any, took: int
) -> None:
    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        clock.at += timedelta(seconds=took)
        yield Batch([], {})

    await take(poll_for_ever(poll, {}, context, 60), 3)

    assert all(1 <= slept <= 66 for slept in clock.slept)


async def test_a_failing_poll_is_told_at_once(context: Context, clock: Any) -> None:
    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        yield Batch([], {"at": 1})
        raise SourceError("server", "away")

    batches = poll_for_ever(poll, {}, context, 60)

    assert (await anext(batches)).cursor == {"at": 1}
    with pytest.raises(SourceError):
        await anext(batches)
    assert clock.slept == []


async def test_ending_early_ends_the_poll(context: Context) -> None:
    ended = False

    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        nonlocal ended
        try:
            yield Batch([], {})
        finally:
            ended = True

    batches = poll_for_ever(poll, {}, context, 60)
    await anext(batches)
    await batches.aclose()  # type: ignore[attr-defined]

    assert ended


@pytest.mark.parametrize(
    "options",
    [
        {"every_seconds": 1},
        {"every_seconds": float("nan")},
        {"contact": "a\r\nCookie: b"},
        {"contact": "mail@a.example\n"},
        {"contact": "云帆"},
        {"no_such": 1},
    ],
    ids=repr,
)
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PollConfig(**options)
