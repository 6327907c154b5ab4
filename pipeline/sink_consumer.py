"""Reads for the sinks: a plain aiokafka consumer group, committed by hand.

A sink has no reason to pay Faust's cost per message, and it needs ``read_committed``, which Faust
does not offer. Offsets are committed explicitly, up to the last decided record: the argument-less
``commit()`` would commit what was merely fetched.
"""

import asyncio
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

from pipeline import metrics
from pipeline.kafka import Kafka, TopicPartition, rights_checked, to_record
from pipeline.loop import EXIT_BUG, SafeLoop, end_process
from pipeline.vitals import Membership, Reader
from schemas.errors import FatalError

__all__ = ["SinkConsumer"]

#: How long the running batch may still take; the supervisor kills after 8 s.
STOP_SECONDS = 5.0

log = structlog.get_logger()


class SinkConsumer:
    """Feeds a safe loop from topics of a consumer group until asked to stop.

    Delivery: at least once. A commit that a rebalance overtook is no fault: the records come again
    to their new owner, and none is committed that was fetched before the rebalance. The client
    would: it sends the offsets with the membership of the moment, and a process that was frozen
    would take the group back behind what others have read meanwhile.
    """

    def __init__(
        self,
        kafka: Kafka,
        group: str,
        topics: tuple[str, ...],
        loop: SafeLoop[Any],
        max_records: int,
        vitals: Reader | None = None,
    ) -> None:
        self._kafka = kafka
        self._group = group
        self._topics = topics
        self._loop = loop
        self._max_records = max_records
        self._vitals = vitals or Reader(group)

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set; the running batch is finished first, if it can be soon.

        Raises:
            FatalError: the cluster can't be reached.
        """
        working = asyncio.create_task(self._work(stop))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
            # A batch that is tried again for ever has no end, nor has a start while the index is
            # away: it is given up, comes again after the start, and is no death
            # (pipeline/crash_log.py), as a kill would be.
            await asyncio.wait((working,), timeout=STOP_SECONDS)
            if working.done():
                working.result()
            else:
                log.info("batch given up, it comes again", group=self._group)
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.wait((working, stopping))

    async def _work(self, stop: asyncio.Event) -> None:
        try:
            await self._loop.start()
        except asyncio.CancelledError:
            await self._loop.stop()
            raise
        consumer = self._kafka.consumer(group=self._group)
        rebalances = _Rebalances()
        consumer.subscribe([self._kafka.topic(name) for name in self._topics], listener=rebalances)
        self._vitals.begin("joining")
        try:
            try:
                await consumer.start()
            except KafkaError as error:
                raise await self._kafka.unreachable(error) from error
            self._vitals.joined(_membership(consumer))
            log.info("reading", group=self._group, topics=self._topics)
            with rights_checked(self._kafka.settings):
                await self._read(stop, consumer, rebalances)
        except (asyncio.CancelledError, SystemExit, FatalError):
            raise
        except BaseException as error:  # noqa: BLE001 - a consumer in an unknown state
            end_process(EXIT_BUG, f"{type(error).__name__}: {error}")
        finally:
            await consumer.stop()
            await self._loop.stop()

    async def _read(
        self, stop: asyncio.Event, consumer: AIOKafkaConsumer, rebalances: "_Rebalances"
    ) -> None:
        while not stop.is_set():
            await self._once(consumer, rebalances)

    async def _once(self, consumer: AIOKafkaConsumer, rebalances: "_Rebalances") -> None:
        batches = await consumer.getmany(timeout_ms=500, max_records=self._max_records)
        fetched_in = rebalances.count
        metrics.ASSIGNED.labels(self._loop.stage.name).set(len(consumer.assignment()))
        if not batches:
            return
        records = [
            to_record(message, self._kafka.plain_topic(tp.topic))
            for tp, messages in batches.items()
            for message in messages
        ]
        await self._loop.handle(records)
        offsets: dict[TopicPartition, int] = {
            tp: messages[-1].offset + 1 for tp, messages in batches.items()
        }
        try:
            async with rebalances.held_off:
                if rebalances.count != fetched_in:
                    raise CommitFailedError("fetched before the rebalance")
                await consumer.commit(offsets)
        except (CommitFailedError, IllegalStateError) as error:
            metrics.ERRORS.labels(self._loop.stage.name, "commit").inc()
            log.warning("commit overtaken by a rebalance", error=str(error))
        except KafkaError as error:
            if not getattr(error, "retriable", False):
                raise
            metrics.ERRORS.labels(self._loop.stage.name, "commit").inc()
            # The next commit covers this one; until then a restart repeats some records.
            log.warning("commit failed, will be repeated", error=repr(error))


class _Rebalances(ConsumerRebalanceListener):  # type: ignore[misc]
    """Counts rebalances; while ``held_off`` is held, the next one waits."""

    def __init__(self) -> None:
        self.count = 0
        self.held_off = asyncio.Lock()

    async def on_partitions_revoked(self, revoked: object) -> None:
        async with self.held_off:
            self.count += 1

    async def on_partitions_assigned(self, assigned: object) -> None:
        """Nothing: what was revoked is what counts."""


def _membership(consumer: AIOKafkaConsumer) -> Membership:
    """What the client believes; there is no public way to its id and to whether it rejoins."""
    return Membership(
        member_id=lambda: consumer._coordinator.member_id,
        assigned=consumer.assignment,
        rebalancing=lambda: consumer._subscription.reassignment_in_progress,
    )
