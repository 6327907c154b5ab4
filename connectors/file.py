"""A file of posts: CSV, TSV, JSON Lines or XLSX, read once from the cursor to its end.

::

    [sources.old-posts]
    use = "file"
    path = "exports/posts.jsonl.gz"
    original_times = true       # history: each post counts at the time it was published

Delivery: at least once. The cursor stands behind the last acknowledged row; a restart goes on there
and goes to the beginning when the file or its mapping changed (ids absorb the repetition). A file
that grew is read from where it ended. A row that can't be read becomes a dead letter with its line
number; its neighbours pass.
Limits: a gzip is unpacked again up to the cursor; with ``[join]`` all rows before are read again.
A last line that is still being written is taken as it stands.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

from pydantic import Field

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.drafts import EARLIEST, MAX_BATCH_BYTES, DraftReader, identify, plausible
from connectors.mapping_file import read_mapping
from connectors.rows import START, Place
from schemas.component import ComponentConfig
from schemas.source_status import Backfill

__all__ = ["File"]

_SKIPPED_AT_ONCE = 2_000


class File:
    """Yields the posts of one file, in its order, and ends."""

    way: Way = "recorded"
    backfill: Backfill = "whole"
    every_seconds: float | None = None

    class Config(ComponentConfig):
        """Options of ``file``."""

        path: Path = Field(description="The file; gzip is noticed by its content.")
        mapping: Path | None = Field(
            None, description="TOML file that maps columns to posts; none for our own recordings."
        )
        batch_lines: int = Field(500, ge=1, le=500, description="Rows handed on at a time.")
        original_times: bool = Field(
            False,
            description="History import: each post counts as seen when it was published, not now.",
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self._context = context

    def total(self) -> int | None:
        """Unknown: counting the rows would mean reading the file twice."""
        return None

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Yield from the cursor to the end of the file.

        Raises:
            FatalError: the file or the mapping can't be used; the message says why.
        """
        config = self._config
        mapping = read_mapping(config.mapping) if config.mapping is not None else None
        identity, same = identify("file", config.path, mapping, cursor, may_grow=True)
        start = Place(int(cursor["line"]), int(cursor["byte"])) if same else START
        clock = datetime.fromisoformat(str(cursor["clock"])) if same else EARLIEST
        # Off the loop: going to a place in a large gzip takes seconds.
        reader = await asyncio.to_thread(DraftReader, config.path, mapping, self._name, start)
        try:
            seen: list[Seen] = []
            unreadable: list[Unreadable] = []
            place, size = start, 0
            for count, (row, draft) in enumerate(reader, 1):
                if draft is None:
                    if count % _SKIPPED_AT_ONCE == 0:
                        await asyncio.sleep(0)
                    continue
                place = row.behind
                size += len(row.raw)
                if isinstance(draft, Unreadable):
                    unreadable.append(draft)
                else:
                    at = self._seen_at(draft.published_at, clock)
                    clock = max(clock, at)
                    seen.append(Seen(draft, at))
                lines = len(seen) + len(unreadable)
                if lines == config.batch_lines or size >= MAX_BATCH_BYTES:
                    yield self._batch(seen, unreadable, identity, place, clock)
                    seen, unreadable, size = [], [], 0
            if seen or unreadable:
                yield self._batch(seen, unreadable, identity, place, clock)
        finally:
            reader.close()

    def _seen_at(self, published_at: datetime, clock: datetime) -> datetime:
        now = self._context.now()
        if not self._config.original_times:
            return now
        return published_at if plausible(published_at, now) else clock

    def _batch(
        self,
        seen: list[Seen],
        unreadable: list[Unreadable],
        identity: dict[str, str | int],
        place: Place,
        clock: datetime,
    ) -> Batch:
        cursor = identity | {"line": place.line, "byte": place.byte, "clock": clock.isoformat()}
        return Batch(seen, cursor, unreadable, clock if self._config.original_times else None)
