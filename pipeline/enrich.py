"""Role ``enrich``: posts in, findings out.

Reads ``posts.raw``; writes ``posts.enriched`` (one post a record), ``signals`` (mentions by brand,
and the time that passed), ``posts.dropped``. Delivery: at least once; ids repeat, so readers absorb
repeats.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pipeline import metrics
from pipeline.kafka import Entry, LineWriter
from pipeline.record import RECEIVED_HEADER, Item, Record
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


class EnrichStage:
    """Runs the chain over the posts of a batch.

    ``chain`` is asked for before every batch, so a new rule set takes effect between two batches
    and never inside one.
    """

    name: StageName = "enrich"

    def __init__(self, writer: LineWriter, chain: Callable[[], Chain]) -> None:
        self._writer = writer
        self._chain = chain
        self._lanes = 1

    async def start(self) -> None:
        """Connect."""
        await self._writer.start()
        self._lanes = await self._writer.partitions("posts.raw")

    async def stop(self) -> None:
        """Disconnect."""
        await self._writer.stop()

    async def recover(self) -> None:
        """Nothing is kept between batches."""

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
        posts = [item for item in items if isinstance(item.value, Post)]
        results = self._chain().run([item.value for item in posts if isinstance(item.value, Post)])
        found = {id(item): result for item, result in zip(posts, results, strict=True)}
        writes = await self._entries(items, found)
        await self._writer.write(writes)
        now_ms = time.time() * 1000
        enriched = metrics.LATENCY.labels("enriched")
        for item in posts:
            enriched.observe((now_ms - item.record.timestamp_ms) / 1000)
        for topic, entries in writes.items():
            metrics.SENT.labels(self.name, topic).inc(len(entries))
        return [Done()] * len(items)

    async def _entries(
        self, items: Sequence[Item[RawLine]], found: dict[int, EnrichedPost | Drop]
    ) -> dict[str, list[Entry]]:
        enriched_partitions = await self._writer.partitions("posts.enriched")
        dropped_partitions = await self._writer.partitions("posts.dropped")
        signal_partitions = await self._writer.partitions("signals")
        enriched: list[Entry] = []
        dropped: list[Entry] = []
        # In the order of the lines: a tick must stand behind the mentions that came before it.
        signals: dict[int, list[bytes]] = defaultdict(list)
        for item in items:
            if not isinstance(item.value, Post):
                for partition in range(signal_partitions):
                    signals[partition].append(item.value.to_line())
                continue
            result = found[id(item)]
            if isinstance(result, Drop):
                key = result.post_id.encode()
                dropped.append(Entry(partition_of(key, dropped_partitions), result.to_line(), key))
                metrics.DISCARDED.labels(self.name, result.enricher, "true").inc()
                continue
            key = result.id.encode()
            received = ((RECEIVED_HEADER, str(item.record.timestamp_ms).encode()),)
            enriched.append(
                Entry(partition_of(key, enriched_partitions), result.to_line(), key, received)
            )
            for mention in mentions(result):
                signals[partition_of(mention.brand, signal_partitions)].append(mention.to_line())
        oldest = min((item.record.timestamp_ms for item in items), default=0)
        headers = ((RECEIVED_HEADER, str(oldest).encode()),)
        return {
            "posts.enriched": enriched,
            "posts.dropped": dropped,
            "signals": [
                Entry(partition, value, None, headers)
                for partition, lines in signals.items()
                for value in pack(lines)
            ],
        }
