"""Asks the surroundings how this process stands: lag, retention, membership, Elasticsearch.

A thread with an event loop of its own, so that a blocked main loop can't silence it, and with
clients of its own, so that it can tell a stuck process from a broker that is away. It only looks:
what it sees becomes metrics and goes into the vitals, where the watchdog finds it.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack

import structlog
from aiokafka.errors import KafkaError

from pipeline import metrics
from pipeline.clock import now
from pipeline.kafka import Kafka, TopicPartition
from pipeline.lag import GroupLag, LagReader, reads
from pipeline.vitals import Reader, Vitals
from schemas.errors import TingchaoError
from schemas.language import say

__all__ = ["Monitor"]

#: A look that takes longer has no answer; the broker or the index counts as away.
LOOK_TIMEOUT_SECONDS = 30.0

log = structlog.get_logger()

Probe = Callable[[], Awaitable[None]]
"""Asks Elasticsearch; raises a TingchaoError when it can't be used."""


class Monitor:
    """Looks every ``every_seconds``; ``connect_index`` gives a probe, where the role needs one."""

    def __init__(
        self,
        kafka: Kafka,
        vitals: Vitals,
        every_seconds: float,
        connect_index: Callable[[AsyncExitStack], Probe] | None = None,
    ) -> None:
        self._kafka = kafka
        self._vitals = vitals
        self._every_seconds = every_seconds
        self._connect_index = connect_index
        self._looked = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._lag: tuple[tuple[str, ...], LagReader] | None = None
        self._counted: dict[tuple[str, TopicPartition], int] = {}
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)

    def start(self, patience_seconds: float = 5.0) -> None:
        """Look from now on; returns after the first look, if that does not take too long.

        Before a role reads: with its first commit it passes over records that the broker deleted
        meanwhile, and nobody could count them any more.
        """
        self._thread.start()
        self._looked.wait(patience_seconds)

    def close(self) -> None:
        """Look no more; gives open connections a moment to be closed."""
        loop, main = self._loop, self._main
        if loop is not None and main is not None:
            with contextlib.suppress(RuntimeError):  # it ended by itself
                loop.call_soon_threadsafe(main.cancel)
        if self._thread.is_alive():
            self._thread.join(2.0)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._look_for_ever())

    async def _look_for_ever(self) -> None:
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            probe = self._connect_index(stack) if self._connect_index else None
            while True:
                await self._look(probe)
                self._looked.set()
                await asyncio.sleep(self._every_seconds)

    async def _look(self, probe: Probe | None) -> None:
        vitals = self._vitals
        began = vitals.clock()
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
                await self._look_at_kafka([one for one in vitals.readers if one.in_group])
        except (KafkaError, TingchaoError, OSError) as error:
            await self._close()
            vitals.kafka_answers(_sentence(error, say("Kafka 没有应答", "Kafka does not answer")))
        except Exception:  # a bug here must not stop the looking; LOOKED tells of it
            await self._close()
            log.error("a look at the lag failed", exc_info=True)
        else:
            vitals.kafka_answers(None)
            vitals.looked_at = began
            metrics.LOOKED.set(time.time())
        if probe is not None:
            vitals.index_away = await _away(probe)

    async def _look_at_kafka(self, readers: Iterable[Reader]) -> None:
        by_group = {reader.group: reader for reader in readers}
        lag = await self._lag_reader(tuple(by_group))
        if not by_group:
            await lag.ping()
        for group, reader in by_group.items():
            if reader.membership is not None:
                member_id = reader.membership.member_id()
                member = bool(member_id) and member_id in await lag.members(group)
                metrics.MEMBER.labels(group).set(member)
                if member:
                    reader.member_at = self._vitals.clock()
            self._note(reader, await lag.look(group))

    async def _lag_reader(self, groups: tuple[str, ...]) -> LagReader:
        if self._lag is not None and self._lag[0] != groups:
            await self._close()
        if self._lag is None:
            self._lag = groups, await LagReader(self._kafka, groups).__aenter__()
        return self._lag[1]

    async def _close(self) -> None:
        if self._lag is not None:
            (_, lag), self._lag = self._lag, None
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
                    await lag.__aexit__()

    def _note(self, reader: Reader, lag: GroupLag) -> None:
        at = now()
        for topic in reads(reader.group):
            real = self._kafka.topic(topic)
            mine = GroupLag(
                reader.group, {tp: one for tp, one in lag.partitions.items() if tp.topic == real}
            )
            metrics.LAG.labels(reader.group, topic).set(mine.records)
            metrics.OLDEST.labels(reader.group, topic).set(mine.age_seconds(at))
        self._count_lost(reader.group, lag)
        if reader.membership is None:
            reader.lag = None
            return
        assigned = set(reader.membership.assigned())
        own = {tp: one for tp, one in lag.partitions.items() if tp in assigned}
        reader.saw(
            sum(one.behind for one in own.values()),
            {tp: one.committed for tp, one in own.items()},
        )

    def _count_lost(self, group: str, lag: GroupLag) -> None:
        for tp, one in lag.partitions.items():
            topic = self._kafka.plain_topic(tp.topic)
            counter = metrics.LOST.labels(group, topic, str(tp.partition))
            if one.committed is None or not one.lost:
                continue
            # The same gap is seen again and again until the group commits behind it.
            known = max(one.committed, self._counted.get((group, tp), 0))
            fresh = max(0, one.begin - known)
            self._counted[group, tp] = one.begin
            if fresh:
                counter.inc(fresh)
                log.error(
                    say(
                        f"{group} 来不及读，Kafka 已按保留期删掉 {topic} 分区 {tp.partition} 的 "
                        f"{fresh} 条记录（偏移量 {known} 到 {one.begin - 1}）；"
                        "请按运维手册“保留期追上了消费者”一节处理。",
                        f"Kafka deleted {fresh} records of {topic}, partition {tp.partition} "
                        f"(offsets {known} to {one.begin - 1}) before {group} had read them; see "
                        '"Retention overtook a role" in the runbook.',
                    )
                )


async def _away(probe: Probe) -> str | None:
    nobody = say("Elasticsearch 没有应答", "Elasticsearch does not answer")
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_SECONDS):
            await probe()
    except (TingchaoError, OSError) as error:
        return _sentence(error, nobody)
    except Exception as error:  # noqa: BLE001 - whatever it is, the index can't be used
        return f"{nobody} ({type(error).__name__})"
    return None


def _sentence(error: Exception, otherwise: str) -> str:
    return str(error) if isinstance(error, TingchaoError) else f"{otherwise} ({error!r})"
