"""The memory of ``enrich``: threads of the partitions that it reads, kept in ``threads``.

A change is written after the posts that it led to and before their batch is acknowledged, so after
any crash the batch comes again and meets what was there before it. Delivery: at least once; a
thread's record holds all of it. Limit: a process that lost its partition between asking whether it
still owns it and writing takes back what its successor added to that one thread; a reply may then
lack a brand of its root, and no post is lost.
"""

import asyncio
from collections.abc import Callable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer

from pipeline import metrics
from pipeline.kafka import Entry, Kafka, TopicPartition, mapped_errors, rights_checked
from pipeline.vitals import Reader
from processors.threads import MAX_REMEMBERED, Threads
from schemas.envelope import split
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.language import say
from schemas.post import Post
from schemas.thread import Place, Thread
from schemas.topics import TOPICS

__all__ = ["ThreadLog"]

#: A broker that does not answer for so long is away.
READ_SECONDS = 30.0
#: A fetch brings at least one record, however large.
FETCH_BYTES = 256 * 1024

log = structlog.get_logger()


class ThreadLog:
    """Threads by partition of ``posts.raw``; read from Kafka when a partition is first asked of."""

    def __init__(
        self,
        kafka: Kafka,
        vitals: Reader | None = None,
        most: int = MAX_REMEMBERED,
        assigned: Callable[[int], bool] = lambda partition: True,
    ) -> None:
        self._kafka = kafka
        self._assigned = assigned
        self._most = most
        self._vitals = vitals or Reader("enrich")
        self._owned: dict[int, Threads] = {}
        self._started: AIOKafkaConsumer | None = None

    async def start(self) -> None:
        """Connect.

        Raises:
            FatalError: the cluster can't be reached, or the topic is missing or has another number
                of partitions than ``posts.raw``.
        """
        # Uncommitted, as Faust reads it: a reply that was heard can be read.
        consumer = self._kafka.consumer(
            max_partition_fetch_bytes=FETCH_BYTES, isolation_level="read_uncommitted"
        )
        try:
            with rights_checked(self._kafka.settings):
                await self._kafka.connect(consumer)
                raw = await self._kafka.partitions_of(consumer, "posts.raw")
                kept = await self._kafka.partitions_of(consumer, "threads")
            self._kafka.check_aligned(TOPICS["threads"], len(kept), len(raw))
        except BaseException:
            await consumer.stop()
            raise
        self._started = consumer

    async def stop(self) -> None:
        """Disconnect."""
        if self._started is not None:
            await self._started.stop()

    @property
    def _consumer(self) -> AIOKafkaConsumer:
        if self._started is None:
            raise RuntimeError("ThreadLog.start() was not awaited")
        return self._started

    def forget(self) -> None:
        """Read anew: something was not written, or another process may have gone on meanwhile."""
        self._owned = {}

    async def of(self, partition: int) -> Threads:
        """The threads of a partition.

        Raises:
            RetryableError: Kafka is away.
            FatalError: what is kept can't be read.
        """
        threads = self._owned.get(partition)
        if threads is None:
            threads = Threads(self._most)
            with self._vitals.step("taking over"), rights_checked(self._kafka.settings):
                async with mapped_errors("read threads"):
                    await self._restore(threads, partition)
            self._owned[partition] = threads
        return threads

    async def _restore(self, threads: Threads, partition: int) -> None:
        place = TopicPartition(self._kafka.topic("threads"), partition)
        async for record in self._kafka.read_to_end(self._consumer, [place]):
            root_id = (record.key or b"").decode(errors="replace")
            try:
                kept = Thread.from_line(record.value) if record.value is not None else None
            except RejectedError as error:
                raise FatalError(self._unreadable(partition, record.offset, error)) from error
            threads.restore(root_id, kept)
            self._vitals.alive()
        log.info("threads", partition=partition, known=len(threads))

    def _unreadable(self, partition: int, offset: int, error: RejectedError) -> str:
        topic = self._kafka.topic("threads")
        return say(
            f"读不懂 {topic} 分区 {partition} 偏移量 {offset} 处的记录（{error}）；"
            "请换回写它的版本，或删除这个 topic 后运行 tingchao topics create"
            "（之前的主帖会被忘记）。",
            f"The record in {topic}, partition {partition}, offset {offset} cannot be read "
            f"({error}): go back to the version that wrote it, or delete the topic and run "
            "`tingchao topics create` (earlier roots are forgotten).",
        )

    def entries(self) -> list[Entry]:
        """What changed since the last call, to be written to ``threads``.

        Without partitions that are another process's by now: it hears the same lines.
        """
        return [
            Entry(partition, thread.to_line() if thread is not None else None, root_id.encode())
            for partition, threads in self._owned.items()
            for root_id, thread in threads.changes()
            if self._assigned(partition)
        ]

    async def posts_at(self, partition: int, places: Sequence[Place]) -> list[Post]:
        """The posts that lie there, in the order of ``places``; without those that Kafka deleted.

        Raises:
            RetryableError: Kafka is away.
        """
        source = TopicPartition(self._kafka.topic("posts.raw"), partition)
        posts = []
        lines: dict[int, list[bytes]] = {}
        with rights_checked(self._kafka.settings):
            async with mapped_errors("read replies"):
                self._consumer.assign([source])
                (begin,) = (await self._consumer.beginning_offsets([source])).values()
                (end,) = (await self._consumer.end_offsets([source])).values()
                for offset, line in places:
                    if offset not in lines and begin <= offset < end:
                        lines = {offset: await self._lines(source, offset)}  # one at a time
                    if (post := _post(lines.get(offset, ()), line)) is not None:
                        posts.append(post)
        self._vitals.alive()
        metrics.REPLIES.labels("gone").inc(len(places) - len(posts))
        return posts

    async def _lines(self, source: TopicPartition, offset: int) -> list[bytes]:
        """The lines of one record; none when it is not there any more."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                self._consumer.seek(source, offset)
                message = await self._consumer.getone(source)
        except TimeoutError as error:
            raise RetryableError(f"read replies: no answer in {READ_SECONDS:.0f} s") from error
        return split(message.value) if message.offset == offset and message.value else []


def _post(lines: Sequence[bytes], line: int) -> Post | None:
    try:
        return Post.from_line(lines[line - 1]) if line <= len(lines) else None
    except RejectedError:
        return None  # the place is of an older topic of this name
