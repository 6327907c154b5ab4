"""Role ``watch``: mentions by brand in, incidents out; the only role that remembers.

State lives in memory, per partition of ``signals``. One Kafka transaction moves everything at once:
the incidents, the changed brand states, the position and the source offsets. So after any crash the
next owner stands exactly where the last committed transaction stood: nothing is applied twice,
nothing is left out, and readers of committed data see each incident revision once.

Taking over a partition starts its transactional producer first, which fences any older owner (also
one that was frozen and wakes), and only then reads the state. A fenced owner ends its process.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from pipeline import metrics
from pipeline.kafka import Kafka, TopicPartition, rights_checked
from pipeline.record import Item, Record
from pipeline.vitals import Reader
from processors.brand_state import BrandState
from processors.watching import Detector, SignalLine, Watching
from schemas.checkpoint import WatchPosition
from schemas.dead_letter import Stage as StageName
from schemas.errors import FatalError, RejectedError
from schemas.incidents import AnyIncident
from schemas.language import say
from schemas.outcome import Done, Outcome
from schemas.signals import parse_signal
from schemas.topics import TOPICS, partition_of

__all__ = ["WatchStage"]

POSITION_KEY = b"@position"

log = structlog.get_logger()


@dataclass(frozen=True)
class _Owned:
    """A partition of ``signals`` that this process reads, and who writes down what comes of it."""

    producer: AIOKafkaProducer
    watching: Watching


class WatchStage:
    """Applies signals to brand states and commits the result.

    ``assigned`` says whether a partition is still this process's own: events that were taken
    before a rebalance and handled after it belong to the new owner.
    """

    name: StageName = "watch"

    def __init__(
        self,
        kafka: Kafka,
        detector: Detector,
        assigned: Callable[[int], bool] = lambda partition: True,
        vitals: Reader | None = None,
    ) -> None:
        self._kafka = kafka
        self._detector = detector
        self._assigned = assigned
        self._vitals = vitals or Reader(self.name)
        self._owned: dict[int, _Owned] = {}
        self._partitions = 0
        self._stale = False

    async def start(self) -> None:
        """Learn how many partitions there are.

        Raises:
            FatalError: the checkpoints' topic has another number of partitions.
        """
        async with self._kafka.reader("signals") as (consumer, partitions):
            self._partitions = len(partitions)
            checkpoints = await self._kafka.partitions_of(consumer, "watch.checkpoints")
        self._kafka.check_aligned(TOPICS["watch.checkpoints"], len(checkpoints), self._partitions)

    async def stop(self) -> None:
        """Let go of every partition; whatever was not committed comes again."""
        for owned in self._owned.values():
            await owned.producer.stop()
        self._owned.clear()

    def let_go(self) -> None:
        """A rebalance came: another process may have moved the states on meanwhile."""
        self._stale = True

    async def recover(self) -> None:
        """Forget uncommitted changes: the next line reads the committed states again."""
        self._stale = True

    def decode(self, raw: bytes, record: Record) -> SignalLine:
        """One signal."""
        return parse_signal(raw)

    async def apply(self, items: Sequence[Item[SignalLine]]) -> Sequence[Outcome]:
        """Apply in order and commit per partition; any fault ends the process (no Retry)."""
        if self._stale:
            await self.stop()
            self._stale = False
        by_partition: dict[int, list[Item[SignalLine]]] = defaultdict(list)
        for item in items:
            by_partition[item.record.partition].append(item)
        for number, group in by_partition.items():
            if not self._assigned(number):
                continue  # its new owner gets them, since their offset is not committed
            with rights_checked(self._kafka.settings):
                owned = self._owned.get(number)
                if owned is None:
                    with self._vitals.step("taking over"):
                        owned = await self._take_over(number)
                watching = owned.watching
                for item in group:
                    watching.apply(item.value, item.record.offset, item.line)
                if not _overtaken(watching.place, group):
                    await self._commit(owned, group)
        return [Done()] * len(items)

    async def _take_over(self, number: int) -> _Owned:
        producer = self._kafka.producer(
            transactional_id=f"{self._kafka.group('watch')}-{number}", transaction_timeout_ms=60_000
        )
        try:
            await self._kafka.connect(producer)  # fences the owner before us
            position, brands = await self._read_state(number)
        except BaseException:
            await producer.stop()
            raise
        owned = _Owned(producer, Watching(self._detector, number, position, brands))
        self._owned[number] = owned
        log.info("took over", partition=number, brands=len(brands), offset=position.offset)
        return owned

    async def _read_state(self, number: int) -> tuple[WatchPosition, dict[str, BrandState]]:
        source = self._kafka.topic("signals")
        position = WatchPosition(topic=source, partitions=self._partitions)
        values: dict[bytes, bytes | None] = {}
        async for record in self._kafka.read_all("watch.checkpoints", only=number):
            values[record.key or b""] = record.value
        try:
            if (line := values.pop(POSITION_KEY, None)) is not None:
                position = WatchPosition.from_line(line)
            brands = {
                key.decode(): BrandState.from_line(line)
                for key, line in values.items()
                if line is not None
            }
        except RejectedError as error:
            raise FatalError(self._unreadable(number, error)) from error
        if (position.topic, position.partitions) != (source, self._partitions):
            raise FatalError(
                say(
                    f"watch 的存档属于 {position.topic}（{position.partitions} 个分区），"
                    f"而现在是 {source}（{self._partitions} 个分区）；偏移量对不上。"
                    "请恢复原来的分区数，或换一个 kafka.prefix 重新开始。",
                    f"The checkpoints of watch belong to {position.topic} with "
                    f"{position.partitions} partitions, but now there is {source} with "
                    f"{self._partitions}: offsets mean nothing. Restore the number of partitions, "
                    "or start anew with another kafka.prefix.",
                )
            )
        return position, brands

    def _unreadable(self, number: int, error: RejectedError) -> str:
        topic = self._kafka.topic("watch.checkpoints")
        return say(
            f"读不懂 {topic} 分区 {number} 里的存档（{error}）；请换回写它的版本，"
            "或换一个 kafka.prefix 重新开始。",
            f"A checkpoint in {topic}, partition {number}, cannot be read ({error}): go back to "
            "the version that wrote it, or start anew with another kafka.prefix.",
        )

    async def _commit(self, owned: _Owned, group: Sequence[Item[SignalLine]]) -> None:
        """One transaction: incidents, states, position, source offset."""
        producer, watching = owned.producer, owned.watching
        position, number = watching.position, watching.number
        source = TopicPartition(position.topic, number)
        checkpoints = self._kafka.topic("watch.checkpoints")
        incidents = self._kafka.topic("incidents")
        incident_partitions = len(await producer.partitions_for(incidents))
        futures: list[Any] = []
        async with producer.transaction():
            for incident in watching.incidents:
                key = incident.id.encode()
                futures.append(
                    await producer.send(
                        incidents,
                        incident.to_line(),
                        key,
                        partition=partition_of(key, incident_partitions),
                    )
                )
            lines = {b: watching.brands[b].to_line() for b in sorted(watching.changed)}
            states = [(brand.encode(), line) for brand, line in lines.items()]
            for key, line in [*states, (POSITION_KEY, position.to_line())]:
                futures.append(await producer.send(checkpoints, line, key, partition=number))
            for future in futures:
                await future
            await producer.send_offsets_to_transaction(
                {source: _resume_offset(group)}, self._kafka.group("watch")
            )
        self._measure(watching.incidents, group)
        watching.settled()

    def _measure(self, incidents: Sequence[AnyIncident], group: Sequence[Item[SignalLine]]) -> None:
        metrics.SENT.labels(self.name, "incidents").inc(len(incidents))
        for incident in incidents:
            log.info(
                "incident",
                id=incident.id,
                revision=incident.revision,
                about=incident.source if incident.kind == "source" else incident.brand,
                kind=incident.kind,
                state=incident.state,
                severity=incident.severity,
            )
            if incident.kind == "source":
                continue
            received = [ms for item in group if (ms := item.record.received_ms()) is not None]
            if received:
                metrics.LATENCY.labels("alarm").observe(time.time() - min(received) / 1000)


def _overtaken(place: tuple[int, int], group: Sequence[Item[SignalLine]]) -> bool:
    """Whether the state stands further on than this batch ends.

    So it is with a process that was frozen, wakes with old events in its hands and takes over once
    more. Its offset would take the group back, and Kafka lets a transaction do that: the owner
    after it would be behind for ever in a topic where nothing new comes.
    """
    last = group[-1]
    return (last.record.offset, last.line) < place


def _resume_offset(group: Sequence[Item[SignalLine]]) -> int:
    """Where the next owner starts reading.

    A record whose last line was not applied (it is isolated line by line, or its last line was
    bad) comes again; the position skips what was applied of it.
    """
    last = group[-1]
    return last.record.offset + int(last.last)
