import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import connectors.replay as replay_module
from connectors.base import Batch, Context, Cursor
from connectors.replay import Replay
from schemas.errors import FatalError

Write = Callable[[str, str | bytes], Path]


def line(number: int, published_at: str) -> str:
    draft = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": f"第{number}条：屏幕碎了",
        "author": {"id": "u"},
        "published_at": published_at,
        "source": "录制",
    }
    return json.dumps(draft, ensure_ascii=False)


def at(time: str) -> datetime:
    """An instant of the recordings below: a time of 1 March 2024."""
    return datetime.fromisoformat(f"2024-03-01T{time}+00:00")


def recording(*times: str) -> str:
    """A recording of posts numbered from 0, at times of 1 March 2024 (or whole instants)."""
    instants = (t if "T" in t else f"2024-03-01T{t}Z" for t in times)
    return "\n".join(line(number, instant) for number, instant in enumerate(instants))


async def collect(context: Context, cursor: Cursor | None = None, **options: Any) -> list[Batch]:
    replay = Replay("演示", Replay.Config(**options), context)
    return [batch async for batch in replay.batches(cursor or {})]


def numbers(batches: list[Batch]) -> list[int]:
    return [int(seen.draft.id.split(":")[1]) for batch in batches for seen in batch.seen]


async def test_posts_come_in_order_of_time_and_are_seen_then(
    context: Context, write: Write
) -> None:
    # Given a recording out of order, two posts of the same time
    path = write("a.jsonl", recording("09:00:00", "08:00:00", "08:30:00", "08:00:00"))

    # When it is replayed as fast as possible
    batches = await collect(context, path=path, speed=0, batch_lines=3)

    # Then they come by time, and those of one time as they stand in the file
    assert numbers(batches) == [1, 3, 2, 0]
    seen = [seen for batch in batches for seen in batch.seen]
    assert all(seen.at == seen.draft.published_at for seen in seen)
    assert [batch.clock for batch in batches] == [at("08:30:00"), at("09:00:00")]


@pytest.mark.parametrize("speed", [0, None])
async def test_as_fast_as_possible_never_sleeps(
    context: Context, clock: Any, write: Write, speed: float | None
) -> None:
    path = write("a.jsonl", recording("08:00:00", "23:00:00"))

    assert numbers(await collect(context, path=path, speed=speed)) == [0, 1]
    assert clock.slept == []


async def test_the_original_pace_with_ticks_through_the_quiet(
    context: Context, clock: Any, write: Write
) -> None:
    # Given posts at 0, 0.1, 1 and 1 s
    path = write("a.jsonl", recording("08:00:00", "08:00:00.1", "08:00:01", "08:00:01"))
    begun = clock.at

    # When they are replayed at the original pace
    replay = Replay("演示", Replay.Config(path=path, speed=1), context)
    seen = [
        ((clock.at - begun).total_seconds(), [int(s.draft.id[6:]) for s in batch.seen], batch.clock)
        async for batch in replay.batches({})
    ]

    # Then a batch comes every 0.2 s, empty in the quiet stretch, and the clock moves
    assert [(when, posts) for when, posts, _ in seen] == [
        (0.0, [0]),
        (0.2, [1]),
        (0.4, []),
        (0.6, []),
        (0.8, []),
        (1.0, [2, 3]),
    ]
    assert [reached for _, _, reached in seen] == [
        at("08:00:00") + timedelta(seconds=when) for when, _, _ in seen
    ]


async def test_sixty_times_the_pace(context: Context, clock: Any, write: Write) -> None:
    path = write("a.jsonl", recording("08:00:00", "08:10:00"))

    batches = await collect(context, path=path, speed=60)

    assert numbers(batches) == [0, 1]
    assert sum(clock.slept) == pytest.approx(10)


async def test_a_backlog_is_handed_on_without_pauses(
    context: Context, clock: Any, write: Write
) -> None:
    # Given six posts of one second, taken two at a time
    path = write("a.jsonl", recording("08:00:00", *["08:00:01"] * 6))

    batches = await collect(context, path=path, speed=1, batch_lines=2)

    # Then nothing but the first second is waited for
    assert numbers(batches) == list(range(7))
    assert sum(clock.slept) == pytest.approx(1)


async def test_a_wall_clock_that_is_set_back_does_not_stop_the_replay(
    context: Context, clock: Any, write: Write
) -> None:
    path = write("a.jsonl", recording("08:00:00", "08:00:02"))
    steps = 0

    async def sleep(seconds: float) -> None:
        nonlocal steps
        steps += 1
        clock.at += timedelta(hours=-1 if steps == 5 else 0, seconds=seconds)
        clock.at += timedelta(hours=1 if steps == 7 else 0)

    batches = await collect(replace(context, sleep=sleep), path=path, speed=1)

    clocks = [batch.clock for batch in batches if batch.clock is not None]
    assert clocks == sorted(clocks)
    assert numbers(batches) == [0, 1]


async def test_absurd_times_do_not_move_the_clock(context: Context, write: Write) -> None:
    # Given posts of 1970, 1999 and 2099 among others
    path = write(
        "a.jsonl",
        recording(
            "2099-01-01T00:00:00Z",
            "08:00:00",
            "1970-01-01T00:00:00Z",
            "1999-12-31T00:00:00Z",
            "09:00:00",
        ),
    )

    # When the recording is replayed, moved or not
    for shift in (False, True):
        batches = await collect(context, path=path, speed=0, batch_lines=1, shift_to_now=shift)
        moved = timedelta(days=91) if shift else timedelta()

        # Then they keep their times, and are seen by the clock of the others
        assert numbers(batches) == [2, 3, 1, 4, 0]
        seen = [batch.seen[0] for batch in batches]
        assert [s.draft.published_at.year for s in seen] == [1970, 1999, 2024, 2024, 2099]
        assert [s.at - moved for s in seen] == [
            *[at("08:00:00")] * 3,
            *[at("09:00:00")] * 2,
        ]
        assert [b.clock for b in batches] == [s.at for s in seen]


async def test_a_recording_of_nothing_but_absurd_times(context: Context, write: Write) -> None:
    path = write("a.jsonl", recording("1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z"))

    [batch] = await collect(context, path=path, speed=0, shift_to_now=True)

    assert [seen.at for seen in batch.seen] == [context.now()] * 2
    assert batch.clock == context.now()


@pytest.mark.parametrize(
    ("last", "moved"),
    [("03:59:00", 92), ("04:00:00", 92), ("04:00:00.000001", 91), ("23:00:00", 91)],
)
async def test_shift_to_now_keeps_the_hour_and_ends_before_now(
    context: Context, write: Write, last: str, moved: int
) -> None:
    # Given a recording of 1 March, and now 1 June, 4 o'clock UTC
    path = write("a.jsonl", recording("02:00:00", last))

    # When it is moved to now
    [batch] = await collect(context, path=path, speed=0, shift_to_now=True)

    # Then by whole days, the last post as late as possible but not after now
    days = timedelta(days=moved)
    assert [seen.draft.published_at for seen in batch.seen] == [
        at("02:00:00") + days,
        at(last) + days,
    ]
    assert context.now() - timedelta(days=1) < batch.seen[-1].at <= context.now()
    assert batch.clock == batch.seen[-1].at
    assert numbers([batch]) == [0, 1]


async def test_a_restart_after_any_batch_gives_exactly_the_rest(
    context: Context, clock: Any, write: Write
) -> None:
    # Given a shuffled recording with bad lines, moved to now
    times = [f"08:{minute:02}:00" for minute in (5, 3, 9, 3, 1, 7, 3)]
    text = "坏行\n" + recording(*times) + "\nnull\n"
    options: dict[str, Any] = {
        "path": write("a.jsonl", text),
        "speed": 0,
        "batch_lines": 2,
        "shift_to_now": True,
    }
    whole = await collect(context, **options)
    assert numbers(whole) == [4, 1, 3, 6, 0, 5, 2]
    assert [item.line for batch in whole for item in batch.unreadable] == [1, 9]

    # When it is restarted days later behind each batch
    clock.at += timedelta(days=3)

    # Then the rest comes, moved by as much as at first
    for place, batch in enumerate(whole):
        assert await collect(context, batch.cursor, **options) == whole[place + 1 :]


async def test_a_paced_replay_goes_on_where_its_clock_stood(
    context: Context, clock: Any, write: Write
) -> None:
    # Given a replay that was stopped in a quiet stretch
    path = write("a.jsonl", recording("08:00:00", "08:01:00"))
    replay = Replay("演示", Replay.Config(path=path, speed=1), context)
    async for batch in replay.batches({}):
        if batch.clock == at("08:00:45"):
            break
    clock.slept.clear()

    # When it goes on an hour later
    clock.at += timedelta(hours=1)
    batches = await collect(context, batch.cursor, path=path, speed=1)

    # Then only the rest of the stretch is waited for
    assert numbers(batches) == [1]
    assert sum(clock.slept) == pytest.approx(15)


async def test_the_same_file_gives_the_same_at_any_speed(context: Context, write: Write) -> None:
    path = write("a.jsonl", recording("08:00:03", "08:00:00", "1970-01-01T00:00:00Z", "08:00:01"))

    runs = [
        [seen for batch in await collect(context, path=path, speed=speed) for seen in batch.seen]
        for speed in (0, 1, 7.5)
    ]

    assert runs[0] == runs[1] == runs[2]
    assert len(runs[0]) == 4


async def test_a_changed_recording_starts_again(context: Context, write: Write) -> None:
    path = write("a.jsonl", recording("08:00:00"))
    [batch] = await collect(context, path=path, speed=0)
    assert await collect(context, batch.cursor, path=path, speed=0) == []

    write("a.jsonl", recording("08:00:00", "07:00:00"))

    assert numbers(await collect(context, batch.cursor, path=path, speed=0)) == [1, 0]


async def test_total_is_known_once_the_recording_was_read(context: Context, write: Write) -> None:
    path = write("a.jsonl", recording("08:00:00", "09:00:00") + "\n坏行")
    replay = Replay("演示", Replay.Config(path=path, speed=0), context)
    assert replay.total() is None

    async for _ in replay.batches({}):
        break

    assert replay.total() == 3


async def test_reading_a_large_recording_is_no_part_of_its_pace(
    context: Context, clock: Any, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a recording that takes a minute to read
    def slow(*arguments: Any) -> Any:
        clock.at += timedelta(minutes=1)
        return load(*arguments)

    load = replay_module._load
    monkeypatch.setattr(replay_module, "_load", slow)
    path = write("a.jsonl", recording("08:00:00", "08:00:30"))

    # When it is replayed at the original pace, then the pause between its posts is kept
    await collect(context, path=path, speed=1)
    assert sum(clock.slept) == pytest.approx(30)


async def test_an_empty_recording_ends(context: Context, write: Write) -> None:
    assert await collect(context, path=write("a.jsonl", ""), speed=1, shift_to_now=True) == []


async def test_a_missing_recording_is_one_sentence(context: Context, tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="没有文件"):
        await collect(context, path=tmp_path / "没有.jsonl")
