"""What went in: a seeded story, written to ``posts.raw`` slice by slice, and a note of it."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import orjson

from pipeline.kafka import Entry, LineWriter
from schemas.errors import FatalError, RetryableError
from schemas.signals import Tick
from schemas.topics import partition_of
from tests.pipeline.line_rig import Line, eventually
from tests.pipeline.line_story import BEGIN, post, told

__all__ = ["LINES_A_RECORD", "Feed", "story"]

LINES_A_RECORD = (1, 7, 100)
_TICK = timedelta(minutes=5)
#: Posts of the story that name a brand; the rest is chatter.
_TELLING = 420


def story(seed: int, posts: int) -> list[dict[str, Any]]:
    """So many posts in order of time: two brands, a crisis of each, and chatter."""
    choose = random.Random(seed)
    said = sorted(told(choose, max(0, posts - _TELLING)))[:posts]
    return [
        post(
            seed * 10_000_000 + place,
            text,
            at,
            observed_at=(at + timedelta(seconds=choose.randrange(1, 60))).isoformat(),
        )
        for place, (at, text) in enumerate(said)
    ]


@dataclass
class Feed:
    """A producer with a ledger: it knows the highest revision that it wrote of every id."""

    line: Line
    posts: Sequence[Mapping[str, Any]]
    revisions: dict[str, int] = field(default_factory=dict)
    """Id to revision (when the post was seen, in ms)."""
    lines: int = 0
    """Posts written, repeats included."""
    _at: int = 0
    _clock: datetime = BEGIN
    _records: int = 0

    @property
    def left(self) -> int:
        """Posts of the story that were not written yet."""
        return len(self.posts) - self._at

    def next(self, count: int) -> None:
        """Write the next posts of the story, and the time that passes meanwhile."""
        chosen = self.posts[self._at : self._at + count]
        self._at += len(chosen)
        self.write(chosen)

    def rest(self) -> None:
        """Write all that is left, and one hour of silence."""
        self.next(self.left)
        self._lanes_write(self._ticks(self._clock + timedelta(hours=1)))

    def write(self, posts: Sequence[Mapping[str, Any]]) -> None:
        """Write these posts; returns when the broker has them, however long that takes."""
        partitions = self.line.settings.kafka.partitions
        lanes: list[tuple[int, bytes]] = []
        for one in posts:
            seen = datetime.fromisoformat(one["observed_at"])
            if seen >= self._clock + _TICK:
                lanes += self._ticks(seen)
            self.revisions[one["id"]] = max(
                int(seen.timestamp() * 1000), self.revisions.get(one["id"], 0)
            )
            lanes.append((partition_of(one["id"], partitions), orjson.dumps(one)))
        self.lines += len(posts)
        self._lanes_write(lanes)

    def spoiled(self, count: int, bad: bytes, place: int) -> None:
        """Write the next posts as one record, with a line that is no post among them."""
        chosen = self.posts[self._at : self._at + count]
        self._at += len(chosen)
        lines = [orjson.dumps(one) for one in chosen]
        lines.insert(min(place, len(lines)), bad)
        for one in chosen:
            seen = datetime.fromisoformat(one["observed_at"])
            self.revisions[one["id"]] = int(seen.timestamp() * 1000)
        self.lines += len(chosen)
        self._send([Entry(0, b"\n".join(lines))])

    def _ticks(self, at: datetime) -> list[tuple[int, bytes]]:
        partitions = self.line.settings.kafka.partitions
        self._clock += (at - self._clock) // _TICK * _TICK
        return [
            (lane, Tick(at=self._clock, lane=lane, lanes=partitions).to_line())
            for lane in range(partitions)
        ]

    def _lanes_write(self, lanes: Sequence[tuple[int, bytes]]) -> None:
        by_lane: dict[int, list[bytes]] = {}
        for lane, raw in lanes:
            by_lane.setdefault(lane, []).append(raw)
        entries = []
        for lane, raws in by_lane.items():
            while raws:
                size = LINES_A_RECORD[self._records % len(LINES_A_RECORD)]
                self._records += 1
                entries.append(Entry(lane, b"\n".join(raws[:size])))
                raws = raws[size:]
        self._send(entries)

    def _send(self, entries: Sequence[Entry]) -> None:
        eventually(lambda: _written(self.line, entries), "the broker takes the posts")


def _written(line: Line, entries: Sequence[Entry]) -> bool:
    async def write() -> bool:
        writer = LineWriter(line.kafka)
        try:
            await writer.start()
            await writer.write({"posts.raw": entries})
        except (FatalError, RetryableError):
            return False  # the broker is being hurt: again
        finally:
            await writer.stop()
        return True

    return asyncio.run(write())
