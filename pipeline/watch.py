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
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from pipeline import metrics
from pipeline.kafka import Kafka, TopicPartition, rights_checked
from pipeline.record import Item, Record
from pipeline.vitals import Reader
from processors.brand_state import BrandState
from processors.source_incidents import known_gap, source_incident
from processors.surge import Surge
from schemas.checkpoint import KnownGap, WatchPosition
from schemas.dead_letter import Stage as StageName
from schemas.errors import FatalError, RejectedError
from schemas.incidents import AnyIncident
from schemas.language import say
from schemas.outcome import Done, Outcome
from schemas.signals import Command, Mention, SourceGap, Tick, parse_signal
from schemas.topics import TOPICS, partition_of

__all__ = ["WatchStage"]

POSITION_KEY = b"@position"
GAP_KEPT = timedelta(days=2)
MAX_GAPS = 1_000
"""Of more, the oldest are forgotten: a state must not grow with what a producer claims."""

log = structlog.get_logger()

Signal = Mention | Command | Tick | SourceGap


@dataclass
class _Owned:
    """What this process knows about one partition of ``signals``."""

    number: int
    producer: AIOKafkaProducer
    position: WatchPosition
    brands: dict[str, BrandState]
    changed: set[str] = field(default_factory=set)
    incidents: list[AnyIncident] = field(default_factory=list)

    def watermark(self) -> datetime | None:
        """Up to where every lane has told all; None until each lane was heard."""
        lanes = self.position.lanes
        return min(lanes.values()) if lanes and len(lanes) >= self.position.lane_count else None


class WatchStage:
    """Applies signals to brand states and commits the result.

    ``assigned`` says whether a partition is still this process's own: events that were taken
    before a rebalance and handled after it belong to the new owner.
    """

    name: StageName = "watch"

    def __init__(
        self,
        kafka: Kafka,
        detector: Surge,
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

    def decode(self, raw: bytes, record: Record) -> Signal:
        """One signal."""
        return parse_signal(raw)

    async def apply(self, items: Sequence[Item[Signal]]) -> Sequence[Outcome]:
        """Apply in order and commit per partition; any fault ends the process (no Retry)."""
        if self._stale:
            await self.stop()
            self._stale = False
        by_partition: dict[int, list[Item[Signal]]] = defaultdict(list)
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
                for item in group:
                    self._apply_one(owned, item)
                if not _overtaken(owned.position, group):
                    await self._commit(owned, group)
        return [Done()] * len(items)

    def _apply_one(self, owned: _Owned, item: Item[Signal]) -> None:
        here = (item.record.offset, item.line)
        if here <= (owned.position.offset, owned.position.line):
            return  # applied before the last crash or rebalance
        signal = item.value
        if isinstance(signal, Tick):
            self._tick(owned, signal)
        elif isinstance(signal, Mention):
            self._mention(owned, signal)
        elif isinstance(signal, Command):
            self._command(owned, signal)
        else:
            self._gap(owned, signal)
        owned.position = owned.position.replaced(offset=here[0], line=here[1])

    def _tick(self, owned: _Owned, tick: Tick) -> None:
        before = owned.watermark()
        lanes = dict(owned.position.lanes)
        lane = str(tick.lane)
        # An older one is a repetition, or another source that lags behind.
        lanes[lane] = max(tick.at, lanes.get(lane, tick.at))
        owned.position = owned.position.model_copy(
            update={"lanes": lanes, "lane_count": tick.lanes}
        )
        after = owned.watermark()
        if after is not None and owned.position.gaps:
            owned.position = owned.position.replaced(gaps=still_known(owned.position.gaps, after))
        if after is not None and after != before:
            # Sorted: the order in which brands were first heard of does not survive a restart.
            for brand, state in sorted(owned.brands.items()):
                closed_before = state.closed_before
                self._emit(owned, self._detector.advance(state, after, owned.position.gaps))
                if state.closed_before != closed_before:
                    owned.changed.add(brand)

    def _mention(self, owned: _Owned, mention: Mention) -> None:
        state = owned.brands.get(mention.brand)
        if state is None:
            state = self._detector.new_state(mention.brand, mention.role)
            owned.brands[mention.brand] = state
            if (watermark := owned.watermark()) is not None:
                self._detector.advance(state, watermark)
        owned.changed.add(mention.brand)
        self._emit(owned, self._detector.mention(state, mention))

    def _command(self, owned: _Owned, command: Command) -> None:
        state = owned.brands.get(command.brand)
        if state is not None:
            owned.changed.add(command.brand)
            self._emit(owned, self._detector.command(state, command))

    def _gap(self, owned: _Owned, gap: SourceGap) -> None:
        known = {(one.source, one.started_at): one for one in owned.position.gaps}
        key = (gap.source, gap.started_at)
        before = known.get(key)
        known[key] = known_gap(gap, before)
        owned.position = owned.position.replaced(gaps=tuple(known.values())[-MAX_GAPS:])
        # Every partition hears of every gap; one of them tells it.
        told = source_incident(gap, before)
        if told is not None and partition_of(gap.source, self._partitions) == owned.number:
            self._emit(owned, [told])
        if before is None:
            for brand, state in sorted(owned.brands.items()):
                self._detector.gap(state, gap.started_at)
                owned.changed.add(brand)

    def _emit(self, owned: _Owned, incidents: Sequence[AnyIncident]) -> None:
        owned.incidents += incidents

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
        owned = _Owned(number, producer, position, brands)
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

    async def _commit(self, owned: _Owned, group: Sequence[Item[Signal]]) -> None:
        """One transaction: incidents, states, position, source offset."""
        source = TopicPartition(owned.position.topic, owned.number)
        checkpoints = self._kafka.topic("watch.checkpoints")
        incidents = self._kafka.topic("incidents")
        incident_partitions = len(await owned.producer.partitions_for(incidents))
        producer = owned.producer
        futures: list[Any] = []
        async with producer.transaction():
            for incident in owned.incidents:
                key = incident.id.encode()
                futures.append(
                    await producer.send(
                        incidents,
                        incident.to_line(),
                        key,
                        partition=partition_of(key, incident_partitions),
                    )
                )
            lines = {b: owned.brands[b].to_line() for b in sorted(owned.changed)}
            states = [(brand.encode(), line) for brand, line in lines.items()]
            for key, line in [*states, (POSITION_KEY, owned.position.to_line())]:
                futures.append(await producer.send(checkpoints, line, key, partition=owned.number))
            for future in futures:
                await future
            await producer.send_offsets_to_transaction(
                {source: _resume_offset(group)}, self._kafka.group("watch")
            )
        self._measure(owned.incidents, group)
        owned.changed.clear()
        owned.incidents.clear()

    def _measure(self, incidents: Sequence[AnyIncident], group: Sequence[Item[Signal]]) -> None:
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


def still_known(gaps: Sequence[KnownGap], watermark: datetime) -> tuple[KnownGap, ...]:
    """The gaps that a bucket may still lie in: it stays open for a day at most."""
    return tuple(gap for gap in gaps if gap.ended_at is None or gap.ended_at > watermark - GAP_KEPT)


def _overtaken(position: WatchPosition, group: Sequence[Item[Signal]]) -> bool:
    """Whether the state stands further on than this batch ends.

    So it is with a process that was frozen, wakes with old events in its hands and takes over once
    more. Its offset would take the group back, and Kafka lets a transaction do that: the owner
    after it would be behind for ever in a topic where nothing new comes.
    """
    last = group[-1]
    return (last.record.offset, last.line) < (position.offset, position.line)


def _resume_offset(group: Sequence[Item[Signal]]) -> int:
    """Where the next owner starts reading.

    A record whose last line was not applied (it is isolated line by line, or its last line was
    bad) comes again; the position skips what was applied of it.
    """
    last = group[-1]
    return last.record.offset + int(last.last)
