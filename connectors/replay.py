"""Replays a recording in order of time: at its own pace, a multiple of it, or as fast as possible.

The recording brings its own clock: each post is seen at the latest time published so far, so the
same file gives the same posts, seen at the same times, at any speed. A post whose own time is
absurd (before 2005, or after now) keeps that time but does not move the clock.

::

    [sources.rehearsal]
    use = "replay"
    path = "recordings/launch-day.jsonl"
    speed = 60                  # an hour a minute

Delivery: at least once, in order of ``published_at`` (rows of the same time in order of the file),
unreadable rows first. The cursor counts items in that order; a restart shifts by as much as the
first start and goes on where the clock stood. A changed file or mapping starts again.
Limits: the recording is read whole before the first post and held in memory, since files are rarely
in order of time: each post's JSON line and about 150 bytes, so 0.8 GB for a million Weibo reposts
with their roots' texts. Larger ones: ``file`` with ``original_times``, which holds none of them but
does not sort.
"""

import asyncio
from array import array
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import Field

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.drafts import MAX_BATCH_BYTES, DraftReader, identify, plausible
from connectors.mapping import RowMapping
from connectors.mapping_file import read_mapping
from schemas.component import ComponentConfig
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["Replay"]

MAX_RECORDING_BYTES = 4 * 2**30
"""Unpacked, of all posts and unreadable rows together."""

_PAUSE_SECONDS = 0.2  # between two batches of a paced replay, quiet stretches included
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = timedelta(days=1) // _MICROSECOND


class Replay:
    """Yields the posts of one recording, oldest first, and ends."""

    way: Way = "recorded"
    backfill: Backfill = "whole"
    every_seconds: float | None = None

    class Config(ComponentConfig):
        """Options of ``replay``."""

        path: Path = Field(description="The recording; gzip is noticed by its content.")
        mapping: Path | None = Field(
            None, description="TOML file that maps columns to posts; none for our own recordings."
        )
        speed: float | None = Field(
            1.0,
            ge=0,
            description="1 is the recording's own pace, 60 an hour a minute, 0 no pauses.",
        )
        shift_to_now: bool = Field(
            False,
            description="Move all times by whole days, so that the last post is of the last day.",
        )
        batch_lines: int = Field(500, ge=1, le=500, description="Rows handed on at a time.")

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self._context = context
        self._total: int | None = None

    def total(self) -> int | None:
        """Rows of the recording, readable or not, once it was read; for a progress bar."""
        return self._total

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Yield from the cursor to the end of the recording.

        In a paced replay quiet stretches yield empty batches whose clock moves.

        Raises:
            FatalError: the recording or the mapping can't be used; the message says why.
        """
        config, context = self._config, self._context
        mapping = read_mapping(config.mapping) if config.mapping is not None else None
        identity, same = identify("replay", config.path, mapping, cursor, may_grow=False)
        started = int(cursor["started"]) if same else _microseconds(context.now())
        # Off the loop: a large recording takes seconds to read.
        reel = await asyncio.to_thread(_load, config.path, mapping, self._name, started)
        shift = reel.shift(started) if config.shift_to_now else 0
        self._total = reel.total
        index = int(cursor["index"]) if same else 0
        origin = clock = max(int(cursor["clock"]), reel.first) if same else reel.first
        speed = config.speed or 0.0
        begun, elapsed = context.now(), 0.0
        while index < reel.total:
            # A wall clock that is set back must not stop the replay.
            elapsed = max(elapsed, (context.now() - begun).total_seconds())
            due = origin + int(elapsed * speed * 1e6) if speed else None
            end = reel.end_of_batch(index, config.batch_lines, due)
            waits = due is not None and end < reel.total and reel.at(end) > due
            # Behind a batch that was cut short, posts of the same instant may follow; behind the
            # last due post nothing does until ``due``.
            clock = max(clock, due if waits and due is not None else reel.at(end - 1))
            progress = {"index": end, "started": started, "clock": clock}
            seen, unreadable = reel.take(index, end, shift)
            yield Batch(seen, identity | progress, unreadable, _instant(clock + shift))
            index = end
            if waits:
                await context.sleep(_PAUSE_SECONDS)


@dataclass(slots=True)
class _Reel:
    """A recording in memory: unreadable rows, then posts in order of time; times in microseconds.

    Posts are kept as JSON lines: a fifth of the memory of the objects.
    """

    first: int
    unreadable: list[Unreadable] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    clocks: "array[int]" = field(default_factory=lambda: array("q"))
    """The replay's clock at each post."""
    believed: bytearray = field(default_factory=bytearray)
    """Whether the post's own time is plausible."""

    @property
    def total(self) -> int:
        return len(self.unreadable) + len(self.lines)

    def at(self, index: int) -> int:
        place = index - len(self.unreadable)
        return self.clocks[place] if place >= 0 else self.first

    def shift(self, started: int) -> int:
        """The most whole days by which the last plausible post can move and not be after now."""
        last = self.clocks[-1] if self.clocks else started
        return (started - last) // _DAY * _DAY

    def end_of_batch(self, index: int, most: int, due: int | None) -> int:
        end, size = index, 0
        while end < min(index + most, self.total) and size < MAX_BATCH_BYTES:
            if due is not None and self.at(end) > due:
                break
            size += len(self._bytes(end))
            end += 1
        return end

    def take(self, start: int, end: int, shift: int) -> tuple[list[Seen], list[Unreadable]]:
        bad = len(self.unreadable)
        places = range(max(start - bad, 0), max(end - bad, 0))
        return [self._seen(place, shift) for place in places], self.unreadable[start:end]

    def _bytes(self, index: int) -> bytes:
        bad = len(self.unreadable)
        return self.unreadable[index].raw if index < bad else self.lines[index - bad]

    def _seen(self, place: int, shift: int) -> Seen:
        draft = PostDraft.from_line(self.lines[place])
        at = _instant(self.clocks[place] + shift)
        if shift and self.believed[place]:  # an absurd time is no part of the recording's time
            draft = draft.model_copy(update={"published_at": at})
        return Seen(draft, at)


def _load(path: Path, mapping: RowMapping | None, source: str, started: int) -> _Reel:
    unreadable: list[Unreadable] = []
    lines: list[bytes] = []
    times = array("q")
    held = 0
    reader = DraftReader(path, mapping, source)
    try:
        for _row, draft in reader:
            if isinstance(draft, Unreadable):
                unreadable.append(draft)
            elif draft is not None:
                lines.append(draft.to_line())
                times.append(_microseconds(draft.published_at))
            held += len(lines[-1]) if isinstance(draft, PostDraft) else len(_row.raw)
            if held > MAX_RECORDING_BYTES:
                raise FatalError(
                    say(
                        f"录制文件 {path} 超过 {MAX_RECORDING_BYTES // 2**30} GiB，内存放不下；"
                        "请改用 file 并设置 original_times = true。",
                        f"the recording {path} has more than {MAX_RECORDING_BYTES // 2**30} GiB, "
                        "too much to hold; use `file` with original_times = true",
                    )
                )
    finally:
        reader.close()
    now = _instant(started)
    order = sorted(range(len(lines)), key=times.__getitem__)
    believed = bytearray(plausible(_instant(times[row]), now) for row in order)
    first = next((times[row] for row, fits in zip(order, believed, strict=True) if fits), started)
    clocks = array("q")
    clock = first
    for row, fits in zip(order, believed, strict=True):
        clock = times[row] if fits else clock
        clocks.append(clock)
    return _Reel(first, unreadable, [lines[row] for row in order], clocks, believed)


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
