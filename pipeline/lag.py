"""How far each role is behind: end of the topic minus what its group committed."""

from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer

from pipeline.kafka import Kafka, TopicPartition

__all__ = ["READS", "GroupLag", "group_lag", "total_lag"]

READS: dict[str, tuple[str, ...]] = {
    "enrich": ("posts.raw",),
    "watch": ("signals",),
    "index": ("posts.enriched", "incidents"),
}
"""Group to the topics it reads; ``notify-<channel>`` groups read ``incidents``."""


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
    async with kafka.admin() as admin:
        offsets = await admin.list_consumer_group_offsets(kafka.group(group))
    for topic in READS.get(group, ("incidents",)):
        async with kafka.reader(topic) as (consumer, partitions):
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
            for tp in partitions:
                known = offsets.get(tp)
                committed = known.offset if known and known.offset >= 0 else begins[tp]
                committed_total += committed
                behind = max(0, ends[tp] - max(committed, begins[tp]))
                if behind and (behind > 1 or not await _only_markers(consumer, tp, committed)):
                    records += behind
                    if age:
                        written = await _written_at(consumer, tp, max(committed, begins[tp]))
                        oldest = min(filter(None, (oldest, written)), default=None)
    return GroupLag(group, records, committed_total, oldest)


async def total_lag(kafka: Kafka, groups: tuple[str, ...]) -> int:
    """Uncommitted records of several groups together."""
    return sum([(await group_lag(kafka, group, age=False)).records for group in groups])


async def _written_at(
    consumer: AIOKafkaConsumer, tp: TopicPartition, offset: int
) -> datetime | None:
    consumer.seek(tp, offset)
    batches = await consumer.getmany(tp, timeout_ms=1_000, max_records=1)
    for messages in batches.values():
        return datetime.fromtimestamp(messages[0].timestamp / 1000, UTC)
    return None


async def _only_markers(consumer: AIOKafkaConsumer, tp: TopicPartition, committed: int) -> bool:
    """A transaction ends with a marker that takes an offset but is no record."""
    return tp.topic.endswith("incidents") and await _written_at(consumer, tp, committed) is None
