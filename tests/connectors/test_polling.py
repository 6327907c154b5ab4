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

    # When seven batches are taken
    cursors = await take(poll_for_ever(poll, {"at": 0}, context, 60), 7)

    # Then each poll has an end of its own
    assert cursors == [{"at": at} for at in (1, 2, 2, 3, 4, 4, 5)]
    assert asked == [{"at": 0}, {"at": 2}, {"at": 4}]
    assert len(clock.slept) == 2


async def test_the_pace_is_steady_with_jitter(context: Context, clock: Any) -> None:
    # Given polls that take 20 s each
    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        clock.at += timedelta(seconds=20)
        yield Batch([], {})

    await take(poll_for_ever(poll, {}, context, 100), 400)

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

    await take(poll_for_ever(poll, {}, context, 60), 6)

    assert len(clock.slept) == 2
    assert all(1 <= slept <= 66 for slept in clock.slept)


async def test_a_poll_that_brings_nothing_fails(context: Context, clock: Any) -> None:
    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        raise SourceError("server", "away")
        yield

    with pytest.raises(SourceError, match="away"):
        await anext(poll_for_ever(poll, {}, context, 60))
    assert clock.slept == []


async def test_a_part_that_fails_is_told_once_the_rest_was_read(
    context: Context, clock: Any
) -> None:
    # Given two lists, of which one can't be read in the first two polls
    async def poll(cursor: Cursor) -> AsyncIterator[Batch]:
        at = int(cursor.get("at", 0)) + 1
        yield Batch([], {"at": at}, quota_left=7, warning="soon")
        if at < 3:
            raise SourceError("login", "list 2 wants a login", retry_after_seconds=500)

    batches = poll_for_ever(poll, {}, context, 60)
    found = [await anext(batches) for _ in range(6)]

    # Then no poll ends without that being told, polls go on at their pace, and then all is well
    assert [(one.cursor, one.poll_ends, one.trouble is None) for one in found] == [
        ({"at": 1}, False, True),
        ({"at": 1}, True, False),
        ({"at": 2}, False, True),
        ({"at": 2}, True, False),
        ({"at": 3}, False, True),
        ({"at": 3}, True, True),
    ]
    told = found[1].trouble
    assert told is not None and told.trouble == "login"
    assert "list 2 wants a login" in str(told)
    assert (found[5].quota_left, found[5].warning) == (7, "soon")
    assert clock.slept == [500, 500]


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
