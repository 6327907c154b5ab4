"""How far each role is behind: end of the topic minus what its group committed."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from pipeline.kafka import Kafka, TopicPartition

__all__ = ["READS", "GroupLag", "LagReader", "PartitionLag", "group_lag", "reads", "total_lag"]

READS: dict[str, tuple[str, ...]] = {
    "enrich": ("posts.raw",),
    "watch": ("signals",),
    "index": ("posts.enriched", "incidents"),
}
"""Group to the topics it reads; ``notify-<channel>`` groups read ``incidents``."""

TRANSACTIONAL = ("incidents",)

#: Half seconds that a broker is given to find its group coordinator.
PATIENCE = 60
#: One record is enough to learn a time: a broker sends a whole batch even if it is larger.
PROBE_BYTES = 64 * 1024


def reads(group: str) -> tuple[str, ...]:
    """The topics that a group reads."""
    return READS.get(group, ("incidents",))


@dataclass(frozen=True)
class PartitionLag:
    """One partition, as one group stands in it."""

    begin: int
    """First offset that the broker still keeps."""
    end: int
    committed: int | None
    """Where the group reads next; None when it never committed."""
    behind: int
    """Records not committed yet."""
    oldest: datetime | None
    """When the oldest of them was written."""

    @property
    def lost(self) -> int:
        """Records that the broker deleted before the group had committed them."""
        return 0 if self.committed is None else max(0, self.begin - self.committed)


@dataclass(frozen=True)
class GroupLag:
    """One consumer group."""

    group: str
    partitions: Mapping[TopicPartition, PartitionLag]

    @property
    def records(self) -> int:
        """Records not committed yet."""
        return sum(one.behind for one in self.partitions.values())

    @property
    def committed(self) -> int:
        """Records committed so far, that are still in the topic or were."""
        return sum(
            one.begin if one.committed is None else one.committed
            for one in self.partitions.values()
        )

    @property
    def oldest(self) -> datetime | None:
        """When the oldest uncommitted record was written; None when there is none."""
        return min((one.oldest for one in self.partitions.values() if one.oldest), default=None)

    def age_seconds(self, now: datetime) -> float:
        """Age of the oldest uncommitted record."""
        return (now - self.oldest).total_seconds() if self.oldest else 0.0


class LagReader:
    """Looks at groups again and again through the same clients, which belong to no group.

    Use as ``async with``; an error leaves it unusable: close it and open another.
    """

    def __init__(self, kafka: Kafka, groups: Iterable[str]) -> None:
        self._kafka = kafka
        self._topics = dict.fromkeys(topic for group in groups for topic in reads(group))
        self._partitions: dict[str, list[TopicPartition]] = {}
        self._oldest: dict[TopicPartition, tuple[int, int, datetime | None]] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            FatalError: Kafka can't be reached or has no such topic.
        """
        kafka = self._kafka
        async with self._stack:
            self._admin: AIOKafkaAdminClient = await self._stack.enter_async_context(kafka.admin())
            consumer = self._consumer = kafka.consumer(max_partition_fetch_bytes=PROBE_BYTES)
            self._stack.push_async_callback(consumer.stop)
            await kafka.connect(consumer)
            for topic in self._topics:
                self._partitions[topic] = await kafka.partitions_of(consumer, topic)
            everything = [tp for partitions in self._partitions.values() for tp in partitions]
            consumer.assign(everything)
            consumer.pause(*everything)  # nothing is fetched but what is asked for
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def look(self, group: str, *, age: bool = True) -> GroupLag:
        """Lag of one of the groups; without ``age`` it is quicker and knows no times."""
        offsets = await self._committed(group)
        found: dict[TopicPartition, PartitionLag] = {}
        for topic in reads(group):
            partitions = self._partitions[topic]
            ends = await self._consumer.end_offsets(partitions)
            begins = await self._consumer.beginning_offsets(partitions)
            for tp in partitions:
                known = offsets.get(tp)
                committed = known.offset if known and known.offset >= 0 else None
                start = max(committed or 0, begins[tp])
                behind, oldest = max(0, ends[tp] - start), None
                if behind and (age or topic in TRANSACTIONAL):
                    oldest = await self._written_at(tp, start, ends[tp])
                    if oldest is None and topic in TRANSACTIONAL:
                        behind = 0  # only the marks of transactions are left
                found[tp] = PartitionLag(begins[tp], ends[tp], committed, behind, oldest)
        return GroupLag(group, found)

    async def ping(self) -> None:
        """Ask the broker anything, to see whether it answers."""
        await self._admin.list_topics()

    async def members(self, group: str) -> frozenset[str]:
        """The ids of the group's members, as the broker sees them."""
        answers = await self._admin.describe_consumer_groups([self._kafka.group(group)])
        return frozenset(
            member[0]
            for answer in answers
            for _, _, _state, _, _, members, *_ in answer.groups
            for member in members
        )

    async def _committed(self, group: str) -> dict[TopicPartition, Any]:
        """The group's offsets; a broker that just started does not know its groups at once."""
        for left in range(PATIENCE, -1, -1):
            try:
                found: dict[TopicPartition, Any] = await self._admin.list_consumer_group_offsets(
                    self._kafka.group(group)
                )
                return found
            except KafkaError as error:
                if not left or not getattr(error, "retriable", False):
                    raise await self._kafka.unreachable(error) from error
                await asyncio.sleep(0.5)
        raise AssertionError("unreachable")

    async def _written_at(self, tp: TopicPartition, start: int, end: int) -> datetime | None:
        """When the next record was written; asked once for each place where a group may stand."""
        seen_start, seen_end, written = self._oldest.get(tp, (-1, -1, None))
        if seen_start == start and (written is not None or seen_end == end):
            return written
        written = await self._next_written_at(tp, start, end)
        self._oldest[tp] = (start, end, written)
        return written

    async def _next_written_at(self, tp: TopicPartition, start: int, end: int) -> datetime | None:
        """When the next record was written; None when only marks of transactions are left.

        A transaction ends with a mark, and one that was taken back leaves its records too: they
        take offsets, but nobody reads them.
        """
        consumer = self._consumer
        consumer.seek(tp, start)
        consumer.resume(tp)
        try:
            while await consumer.position(tp) < end:
                batches = await consumer.getmany(tp, timeout_ms=1_000, max_records=1)
                for messages in batches.values():
                    return datetime.fromtimestamp(messages[0].timestamp / 1000, UTC)
            return None
        finally:
            consumer.pause(tp)


async def group_lag(kafka: Kafka, group: str, *, age: bool = True) -> GroupLag:
    """Lag of one group.

    Raises:
        FatalError: Kafka can't be reached or has no such topic.
    """
    async with LagReader(kafka, [group]) as reader:
        return await reader.look(group, age=age)


async def total_lag(kafka: Kafka, groups: tuple[str, ...]) -> int:
    """Uncommitted records of several groups together."""
    async with LagReader(kafka, groups) as reader:
        return sum([(await reader.look(group, age=False)).records for group in groups])
