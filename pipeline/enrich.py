"""Role ``enrich``: posts in, findings out.

Reads ``posts.raw``; writes ``posts.enriched`` (one post a record), ``signals`` (mentions by brand,
and the time that passed), ``posts.dropped``, and its own memory, ``threads``. Delivery: at least
once; ids repeat, so readers absorb repeats.

A reply inherits the brands of its root, also when the root comes later: then the replies that came
before are read and judged again, and written again under their revisions.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

from pipeline import metrics
from pipeline.judge import Judge
from pipeline.kafka import Entry, LineWriter
from pipeline.record import RECEIVED_HEADER, Item, Record
from pipeline.thread_log import ThreadLog
from processors.chain import Chain
from processors.mentions import mentions
from schemas.dead_letter import Drop
from schemas.dead_letter import Stage as StageName
from schemas.enriched import EnrichedPost
from schemas.envelope import pack
from schemas.errors import RejectedError
from schemas.outcome import Done, Outcome
from schemas.post import Post
from schemas.signals import SourceGap, Tick
from schemas.topics import partition_of

__all__ = ["EnrichStage", "RawLine"]

RawLine = Post | Tick | SourceGap

MAX_AHEAD_MS = 3_600_000

_WRITTEN = ("posts.enriched", "posts.dropped", "signals")


class EnrichStage:
    """Runs the chain over the posts of a batch.

    ``chain`` is asked for before every batch, so a new rule set takes effect between two batches
    and never inside one.
    """

    name: StageName = "enrich"

    def __init__(self, writer: LineWriter, chain: Callable[[], Chain], threads: ThreadLog) -> None:
        self._writer = writer
        self._threads = threads
        self._judge = Judge(chain, threads)
        self._lanes = 1
        self._stale = False

    async def start(self) -> None:
        """Connect."""
        await self._writer.start()
        await self._threads.start()
        self._lanes = await self._writer.partitions("posts.raw")

    async def stop(self) -> None:
        """Disconnect."""
        await self._writer.stop()
        await self._threads.stop()

    def let_go(self) -> None:
        """A rebalance came: another process may know more of the threads."""
        self._stale = True

    async def recover(self) -> None:
        """Forget what was learned of threads and perhaps not written."""
        self._stale = True

    def decode(self, raw: bytes, record: Record) -> RawLine:
        """A post, a tick or a gap; refuses what claims to come from the future."""
        # The producer writes `type` first and posts have no such field, so one look decides.
        if raw.startswith(b'{"type":"tick"'):
            tick = Tick.from_line(raw)
            self._refuse_future("at", int(tick.at.timestamp() * 1000), record)
            # The lane is a fact of where the tick was found, not of what it says.
            return Tick(at=tick.at, lane=record.partition, lanes=self._lanes)
        if raw.startswith(b'{"type":"gap"'):
            return SourceGap.from_line(raw)
        post = Post.from_line(raw)
        self._refuse_future("observed_at", post.revision, record)
        return post

    def _refuse_future(self, field: str, at_ms: int, record: Record) -> None:
        if at_ms > record.timestamp_ms + MAX_AHEAD_MS:
            at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()
            raise RejectedError(
                "future", f"field {field!r}: {at} is later than when it was written"
            )

    async def apply(self, items: Sequence[Item[RawLine]]) -> Sequence[Outcome]:
        """Enrich, then write everything and wait for the broker."""
        if self._stale:  # here and not at once: a batch writes down all that it learned
            self._threads.forget()
            self._stale = False
        posts = [item for item in items if _is_post(item)]
        try:
            judged = await self._judge.judge(posts)
            async for root, replies in self._judge.judge_again(judged.earlier):
                await self._write(await self._entries([(root, result) for result in replies]))
                metrics.REPLIES.labels("written").inc(len(replies))
            found = dict(zip(map(id, posts), judged.results, strict=True))
            writes = await self._entries([(item, found.get(id(item))) for item in items])
            await self._write(writes)
            # Behind the posts: a root that is known makes no reply be judged again.
            await self._write({"threads": self._threads.entries()})
        except BaseException:
            self._stale = True  # the threads hold what was perhaps not written
            raise
        for result in judged.results:
            if isinstance(result, Drop):
                metrics.DISCARDED.labels(self.name, result.enricher, "true").inc()
        now_ms = time.time() * 1000
        enriched = metrics.LATENCY.labels("enriched")
        for item in posts:
            enriched.observe((now_ms - item.record.timestamp_ms) / 1000)
        return [Done()] * len(items)

    async def _write(self, writes: Mapping[str, Sequence[Entry]]) -> None:
        if any(writes.values()):
            await self._writer.write(writes)
        for topic, entries in writes.items():
            metrics.SENT.labels(self.name, topic).inc(len(entries))

    async def _entries(
        self, results: Sequence[tuple[Item[Any], EnrichedPost | Drop | None]]
    ) -> dict[str, list[Entry]]:
        """What is written: of an item without a result, its own line to all of ``signals``."""
        partitions = {topic: await self._writer.partitions(topic) for topic in _WRITTEN}
        writes: dict[str, list[Entry]] = {topic: [] for topic in _WRITTEN}
        # In the order of the lines: a tick must stand behind the mentions that came before it.
        signals: dict[int, list[bytes]] = defaultdict(list)
        for item, result in results:
            if result is None:
                for partition in range(partitions["signals"]):
                    signals[partition].append(item.value.to_line())
                continue
            if isinstance(result, Drop):
                key = result.post_id.encode()
                partition = partition_of(key, partitions["posts.dropped"])
                writes["posts.dropped"].append(Entry(partition, result.to_line(), key))
                continue
            key = result.id.encode()
            partition = partition_of(key, partitions["posts.enriched"])
            received = ((RECEIVED_HEADER, str(item.record.timestamp_ms).encode()),)
            writes["posts.enriched"].append(Entry(partition, result.to_line(), key, received))
            for mention in mentions(result):
                lane = partition_of(mention.brand, partitions["signals"])
                signals[lane].append(mention.to_line())
        oldest = min((item.record.timestamp_ms for item, _ in results), default=0)
        headers = ((RECEIVED_HEADER, str(oldest).encode()),)
        writes["signals"] = [
            Entry(partition, value, None, headers)
            for partition, lines in signals.items()
            for value in pack(lines)
        ]
        return writes


def _is_post(item: Item[RawLine]) -> TypeGuard[Item[Post]]:
    return isinstance(item.value, Post)
