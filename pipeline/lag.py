"""How far each role is behind: end of the topic minus what its group committed."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from pipeline.kafka import Kafka, TopicPartition

__all__ = ["READS", "GroupLag", "group_lag", "total_lag"]

READS: dict[str, tuple[str, ...]] = {
    "enrich": ("posts.raw",),
    "watch": ("signals",),
    "index": ("posts.enriched", "incidents"),
}
"""Group to the topics it reads; ``notify-<channel>`` groups read ``incidents``."""

TRANSACTIONAL = ("incidents",)

#: Half seconds that a broker is given to find its group coordinator.
PATIENCE = 60


@dataclass(frozen=True)
class GroupLag:
    """One consumer group."""

    group: str
    records: int
    """Records not committed yet."""
    committed: int
    """Records committed so far, that are still in the topic or were."""
    oldest: datetime | None
    """When the oldest uncommitted record was written; None when there is none."""

    def age_seconds(self, now: datetime) -> float:
        """Age of the oldest uncommitted record."""
        return (now - self.oldest).total_seconds() if self.oldest else 0.0


async def group_lag(kafka: Kafka, group: str, *, age: bool = True) -> GroupLag:
    """Lag of one group.

    Raises:
        FatalError: Kafka can't be reached or has no such topic.
    """
    records = committed_total = 0
    oldest: datetime | None = None
    offsets = await _committed(kafka, group)
    for topic in READS.get(group, ("incidents",)):
        async with kafka.reader(topic) as (consumer, partitions):
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
            for tp in partitions:
                known = offsets.get(tp)
                committed = known.offset if known and known.offset >= 0 else begins[tp]
                committed_total += committed
                start, end = max(committed, begins[tp]), ends[tp]
                if start >= end:
                    continue
                written: datetime | None = None
                if age or topic in TRANSACTIONAL:
                    written = await _next_written_at(consumer, tp, start, end)
                if written is not None or topic not in TRANSACTIONAL:
                    records += end - start
                    oldest = min(filter(None, (oldest, written)), default=None)
    return GroupLag(group, records, committed_total, oldest)


async def _committed(kafka: Kafka, group: str) -> dict[TopicPartition, Any]:
    """The group's offsets; a broker that just started does not know its groups at once."""
    async with kafka.admin() as admin:
        for left in range(PATIENCE, -1, -1):
            try:
                found: dict[TopicPartition, Any] = await admin.list_consumer_group_offsets(
                    kafka.group(group)
                )
                return found
            except KafkaError as error:
                if not left or not getattr(error, "retriable", False):
                    raise await kafka.unreachable(error) from error
                await asyncio.sleep(0.5)
    raise AssertionError("unreachable")


async def total_lag(kafka: Kafka, groups: tuple[str, ...]) -> int:
    """Uncommitted records of several groups together."""
    return sum([(await group_lag(kafka, group, age=False)).records for group in groups])


async def _next_written_at(
    consumer: AIOKafkaConsumer, tp: TopicPartition, start: int, end: int
) -> datetime | None:
    """When the next record was written; None when nothing but marks of transactions is left.

    A transaction ends with a mark, and one that was taken back leaves its records too: they take
    offsets, but nobody reads them.
    """
    consumer.seek(tp, start)
    while await consumer.position(tp) < end:
        for messages in (await consumer.getmany(tp, timeout_ms=1_000, max_records=1)).values():
            return datetime.fromtimestamp(messages[0].timestamp / 1000, UTC)
    return None
