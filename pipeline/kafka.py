"""The one way to Kafka: clients built from settings, topics, and writing in batches."""

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    OutOfOrderSequenceNumber,
    TopicAlreadyExistsError,
    UnknownError,
    for_code,
)

from pipeline.kafka_access import forbidden, why_not
from pipeline.record import Record
from pipeline.settings import KafkaSettings
from schemas.errors import FatalError, RetryableError
from schemas.language import say
from schemas.topics import TOPICS, Topic

__all__ = [
    "Entry",
    "Kafka",
    "LineWriter",
    "TopicPartition",
    "mapped_errors",
    "rights_checked",
    "to_record",
]

#: A poll interval of a week: a stalled sink must not make the group leave (aiokafka then refuses
#: to rejoin while idle, and idle never ends). Watching for real hangs is not the group's job.
MAX_POLL_INTERVAL_MS = 7 * 24 * 3600 * 1000
MAX_REQUEST_BYTES = 8 * 1024 * 1024
BATCH_BYTES = 512 * 1024
CONNECT_SECONDS = 60.0
#: Errors that pass though aiokafka does not call them retriable: a broker that is stopping answers
#: some requests with "unknown error", and a gap in a producer's numbers ends with the producer.
PASSING = (KafkaConnectionError, KafkaTimeoutError, UnknownError, OutOfOrderSequenceNumber)


@dataclass(frozen=True, slots=True)
class Entry:
    """One Kafka record to write."""

    partition: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


@contextmanager
def rights_checked(settings: KafkaSettings) -> Iterator[None]:
    """Turn a missing right into a FatalError that names the user; all else stays what it is."""
    try:
        yield
    except KafkaError as error:
        if (refusal := forbidden(settings, error)) is not None:
            raise refusal from error
        raise


@asynccontextmanager
async def mapped_errors(doing: str) -> AsyncIterator[None]:
    """Turn Kafka's passing faults into RetryableError; all else stays what it is."""
    try:
        yield
    except KafkaError as error:
        if isinstance(error, PASSING) or getattr(error, "retriable", False):
            raise RetryableError(f"{doing}: {error!r}") from error
        raise


class Kafka:
    """Builds clients for one cluster and one prefix.

    ``address`` is ``host:port[,host:port]``; the settings' own ``bootstrap`` is not looked at, so
    that a local service's address can be given.
    """

    def __init__(self, settings: KafkaSettings, address: str) -> None:
        self.settings = settings
        self.address = address

    def connection(self) -> dict[str, Any]:
        """Keyword arguments of every aiokafka client."""
        settings = self.settings
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.address,
            "security_protocol": settings.security,
        }
        if settings.security.startswith("SASL"):
            password = settings.sasl_password
            arguments["sasl_mechanism"] = settings.sasl_mechanism
            arguments["sasl_plain_username"] = settings.sasl_username
            arguments["sasl_plain_password"] = password.get_secret_value() if password else None
        if settings.security.endswith("SSL"):
            arguments["ssl_context"] = self.ssl_context()
        return arguments

    def ssl_context(self) -> ssl.SSLContext:
        """Trust and identity from the settings' files.

        Raises:
            FatalError: a file is missing or no certificate.
        """
        settings = self.settings
        try:
            context = ssl.create_default_context(cafile=settings.ca_file)
            if settings.certificate_file:
                # Without a password OpenSSL would ask at the terminal for that of a locked key.
                context.load_cert_chain(settings.certificate_file, settings.key_file, password="")
        except OSError as error:  # ssl.SSLError too
            files = (settings.ca_file, settings.certificate_file, settings.key_file)
            named = ", ".join(str(file) for file in files if file)
            raise FatalError(
                say(
                    f"[kafka] 的证书文件用不了（{named}）：{error}；请检查 ca_file、"
                    "certificate_file 和 key_file（PEM 格式，私钥不加密）。",
                    f"The certificate files of [kafka] cannot be used ({named}): {error}; check "
                    "ca_file, certificate_file and key_file (PEM, the key without a password).",
                )
            ) from None
        return context

    @property
    def heartbeat_seconds(self) -> float:
        """How often a member of a group shows that it lives: three times a session at least."""
        return min(3.0, self.settings.session_timeout_seconds / 3)

    def topic(self, name: str) -> str:
        """The topic's real name on the cluster."""
        return self.settings.prefix + TOPICS[name].name

    def plain_topic(self, real: str) -> str:
        """The name without the prefix."""
        return real.removeprefix(self.settings.prefix)

    def group(self, role: str) -> str:
        """The consumer group of a role."""
        return f"{self.settings.prefix}tingchao-{role}"

    def producer(self, **more: Any) -> AIOKafkaProducer:
        """An idempotent producer: acks from all replicas, no duplicates by its own retries."""
        return AIOKafkaProducer(
            **self.connection(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=30_000,
            **more,
        )

    def consumer(self, *topics: str, group: str | None = None, **more: Any) -> AIOKafkaConsumer:
        """A consumer that sees committed data only and never commits by itself.

        With ``group`` it shares the topics with the group's other members.
        """
        arguments: dict[str, Any] = {
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "isolation_level": "read_committed",
            "max_poll_interval_ms": MAX_POLL_INTERVAL_MS,
            "session_timeout_ms": self.settings.session_timeout_seconds * 1000,
            "heartbeat_interval_ms": int(self.heartbeat_seconds * 1000),
            "max_partition_fetch_bytes": 4 * 1024 * 1024,
            "fetch_max_wait_ms": 200,
        }
        arguments |= more
        return AIOKafkaConsumer(
            *(self.topic(name) for name in topics),
            **self.connection(),
            group_id=self.group(group) if group else None,
            **arguments,
        )

    async def connect(
        self,
        client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient,
        seconds: float = CONNECT_SECONDS,
    ) -> None:
        """Start a client that belongs to no group.

        A broker that has only just come up may answer that it knows of no broker, itself included.
        aiokafka then has nobody left to ask and tries for ever: the start of a producer never ends.

        Raises:
            FatalError: the cluster can't be reached, or does not say within so many seconds where
                its brokers are.
        """
        try:
            async with asyncio.timeout(seconds):
                await client.start()
        except (KafkaError, TimeoutError) as error:
            raise await self.unreachable(error) from error

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        """An admin client for as long as the block runs.

        Raises:
            FatalError: the cluster can't be reached.
        """
        client = AIOKafkaAdminClient(**self.connection(), request_timeout_ms=30_000)
        try:
            await self.connect(client)
            yield client
        finally:
            await client.close()

    async def unreachable(self, error: Exception) -> FatalError:
        """The sentence for a cluster that does not answer, or does not let us in."""
        if (refusal := forbidden(self.settings, error)) is not None:
            return refusal
        why = await why_not(self.settings, self.address, self.connection())
        if why is not None:
            return FatalError(why)
        reason = type(error).__name__
        return FatalError(
            say(
                f"连不上 Kafka（{self.address}，{reason}）；请检查 kafka.bootstrap 和网络，"
                "或运行 tingchao services start 启动本地服务。",
                f"Kafka at {self.address} cannot be reached ({reason}); check kafka.bootstrap and "
                "the network, or run `tingchao services start` for a local one.",
            )
        )

    async def create_topics(self) -> list[str]:
        """Create the topics that are missing; returns their names when they can be used.

        Raises:
            FatalError: the cluster can't be reached, a topic can't be created, or exists with
                another number of partitions than the topic that it must fit.
        """
        try:
            missing, counts = await self._create_missing()
        except KafkaError as error:  # it answered and fell silent
            raise await self.unreachable(error) from error
        for spec in TOPICS.values():
            if spec.aligned_with:
                self.check_aligned(spec, counts[spec.name], counts[spec.aligned_with])
        return [self.topic(spec.name) for spec in missing]

    async def _create_missing(self) -> tuple[list[Topic], dict[str, int]]:
        """What was created, and the partitions of every topic."""
        async with self.admin() as admin:
            present = set(await admin.list_topics())
            missing = [spec for spec in TOPICS.values() if self.topic(spec.name) not in present]
            if missing:
                bases = {one.aligned_with for one in missing if one.aligned_with}
                there = {name for name in bases if self.topic(name) in present}
                counts = await self._partition_counts(admin, there) if there else {}
                new = [
                    # Aligned with what is there, whatever the settings say today.
                    self._new_topic(spec, counts.get(spec.aligned_with or spec.name))
                    for spec in missing
                ]
                answer = await admin.create_topics(new)
                for name, code, *rest in answer.topic_errors:
                    error = for_code(code)
                    if code and error is not TopicAlreadyExistsError:
                        raise FatalError(
                            say(
                                f"无法创建 topic {name}：{error.__name__} {rest}。",
                                f"Topic {name} cannot be created: {error.__name__} {rest}.",
                            )
                        )
            return missing, await self._partition_counts(admin, TOPICS)

    async def _partition_counts(
        self, admin: AIOKafkaAdminClient, topics: Iterable[str]
    ) -> dict[str, int]:
        """Partitions of each topic; a broker knows a new topic a moment after it was created."""
        names = {self.topic(name): name for name in topics}
        try:
            async with asyncio.timeout(30):
                while True:
                    found = await admin.describe_topics(list(names))
                    for topic in found:
                        error = for_code(topic["error_code"])()
                        if (refusal := forbidden(self.settings, error)) is not None:
                            raise refusal
                    if not any(topic["error_code"] for topic in found):
                        return {names[topic["topic"]]: len(topic["partitions"]) for topic in found}
                    await asyncio.sleep(0.05)
        except TimeoutError as error:
            raise await self.unreachable(error) from error

    def check_aligned(self, spec: Topic, partitions: int, wanted: int) -> None:
        """Whether a topic fits the one it is aligned with.

        Raises:
            FatalError: it has another number of partitions.
        """
        if partitions != wanted:
            name, other = self.topic(spec.name), self.topic(spec.aligned_with or "")
            raise FatalError(
                say(
                    f"topic {name} 有 {partitions} 个分区，必须和 {other} 一样有 {wanted} 个；"
                    f"请删除 {name} 后运行 tingchao topics create。",
                    f"Topic {name} has {partitions} partitions but must have {wanted}, as {other} "
                    f"has; delete {name} and run `tingchao topics create`.",
                )
            )

    def _new_topic(self, spec: Topic, partitions: int | None = None) -> NewTopic:
        config = {
            "cleanup.policy": spec.cleanup,
            "max.message.bytes": str(spec.max_message_bytes),
        }
        if spec.cleanup == "delete":
            config["retention.ms"] = str(spec.retention_seconds * 1000)
        if spec.segment_bytes is not None:
            config["segment.bytes"] = str(spec.segment_bytes)
            config["segment.ms"] = "3600000"
            config["min.cleanable.dirty.ratio"] = "0.1"
        return NewTopic(
            name=self.topic(spec.name),
            num_partitions=partitions or self.settings.partitions,
            replication_factor=self.settings.replication,
            topic_configs=config,
        )

    async def read_all(self, name: str, *, only: int | None = None) -> AsyncIterator[Record]:
        """Every record that a topic (or ``only`` one partition) holds now, without a group.

        Records of one partition come in order; partitions are mixed.
        """
        async with self.reader(name) as (consumer, partitions):
            if only is not None:
                partitions = [tp for tp in partitions if tp.partition == only]
            async for record in self.read_to_end(consumer, partitions):
                yield record

    async def read_to_end(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition]
    ) -> AsyncIterator[Record]:
        """Every record that these partitions hold now, by a group-less consumer."""
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        waiting = {tp for tp in partitions if ends[tp] > begins[tp]}
        for tp in partitions:
            consumer.seek(tp, begins[tp])  # seek_to_beginning waits for the fetch in flight
        while waiting:
            batches = await consumer.getmany(*waiting, timeout_ms=1_000)
            for tp, messages in batches.items():
                for message in messages:
                    if message.offset < ends[tp]:
                        yield to_record(message, self.plain_topic(message.topic))
            for tp in list(waiting):
                # The position passes transaction markers too, which are no records.
                if await consumer.position(tp) >= ends[tp]:
                    waiting.discard(tp)

    @asynccontextmanager
    async def reader(
        self, name: str
    ) -> AsyncIterator[tuple[AIOKafkaConsumer, list[TopicPartition]]]:
        """A group-less consumer assigned to every partition of a topic."""
        consumer = self.consumer()
        try:
            await self.connect(consumer)
            partitions = await self.partitions_of(consumer, name)
            consumer.assign(partitions)
            yield consumer, partitions
        finally:
            await consumer.stop()

    async def partitions_of(self, consumer: AIOKafkaConsumer, name: str) -> list[TopicPartition]:
        """All partitions of a topic.

        Raises:
            FatalError: there is no such topic.
        """
        real = self.topic(name)
        # The public partitions_for_topic only knows topics that the client already reads.
        cluster = await consumer._client.fetch_all_metadata()
        numbers = cluster.partitions_for_topic(real)
        if not numbers:
            raise FatalError(
                say(
                    f"Kafka 里没有 topic {real}；请先运行 tingchao topics create。",
                    f"Kafka has no topic {real}; run `tingchao topics create` first.",
                )
            )
        return [TopicPartition(real, number) for number in sorted(numbers)]


def to_record(message: Any, topic: str) -> Record:
    """An aiokafka message as our record."""
    return Record(
        topic=topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=message.timestamp,
        key=message.key,
        value=message.value,
        headers=tuple(message.headers or ()),
    )


class LineWriter:
    """Writes many records at once and returns when the broker acknowledged all of them.

    Delivery: at least once. Records of one partition keep their order. A caller that gets a
    RetryableError writes all of them again.
    """

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self._started: AIOKafkaProducer | None = None
        self._partitions: dict[str, int] = {}
        self._replacing = asyncio.Lock()
        self._replaced: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Connect.

        Raises:
            FatalError: the cluster can't be reached.
        """
        self._started = await self._connected()

    async def _connected(self) -> AIOKafkaProducer:
        producer = self.kafka.producer()  # here, since it binds itself to the running event loop
        try:
            await self.kafka.connect(producer)
        except BaseException:
            await producer.stop()
            raise
        return producer

    async def stop(self) -> None:
        """Flush and disconnect."""
        if self._started is not None:
            await self._started.stop()
        await asyncio.gather(*self._replaced)

    @property
    def _producer(self) -> AIOKafkaProducer:
        if self._started is None:
            raise RuntimeError("LineWriter.start() was not awaited")
        return self._started

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has; asked once.

        Raises:
            RetryableError: the cluster does not know the topic (yet).
        """
        if topic not in self._partitions:
            async with mapped_errors(f"metadata of {topic}"):
                found = await self._producer.partitions_for(self.kafka.topic(topic))
            if not found:
                raise RetryableError(f"topic {topic} does not exist")
            self._partitions[topic] = len(found)
        return self._partitions[topic]

    async def write(self, writes: Mapping[str, Sequence[Entry]]) -> None:
        """Write entries by topic; returns after every broker acknowledgement.

        Raises:
            RetryableError: not all were acknowledged; write all again.
            FatalError: we may not write there.
        """
        with rights_checked(self.kafka.settings):
            await self._write(writes)

    async def _write(self, writes: Mapping[str, Sequence[Entry]]) -> None:
        producer = self._producer
        async with mapped_errors("write"):
            try:
                futures = []
                for topic, entries in writes.items():
                    by_partition: dict[int, list[Entry]] = defaultdict(list)
                    for entry in entries:
                        by_partition[entry.partition].append(entry)
                    for partition, group in by_partition.items():
                        place = TopicPartition(self.kafka.topic(topic), partition)
                        futures += await _send(producer, place, group)
                if futures:
                    await asyncio.gather(*futures)
            except KafkaError as error:
                if not getattr(error, "retriable", False):
                    await self._replace(producer)
                raise

    async def _replace(self, failed: AIOKafkaProducer) -> None:
        """Go on with a new producer.

        A batch that was refused has used up its numbers: the broker sees a gap behind it and
        refuses whatever the same producer sends next, for good.
        """
        async with self._replacing:
            if failed is not self._producer:
                return  # a write beside this one was first
            try:
                self._started = await self._connected()
            except FatalError as error:  # the next write comes here again
                raise RetryableError(str(error)) from error
            # Other writes may still wait for theirs; it ends when they have heard.
            stopping = asyncio.create_task(failed.stop())
            self._replaced.add(stopping)
            stopping.add_done_callback(self._replaced.discard)


async def _send(
    producer: AIOKafkaProducer, place: TopicPartition, entries: Iterable[Entry]
) -> list[asyncio.Future[Any]]:
    futures = []
    batch = producer.create_batch()
    for entry in entries:
        arguments = {
            "key": entry.key,
            "value": entry.value,
            "timestamp": None,
            "headers": list(entry.headers),
        }
        if batch.append(**arguments) is None:  # full: send it, start the next one
            futures.append(await producer.send_batch(batch, place.topic, partition=place.partition))
            batch = producer.create_batch()
            batch.append(**arguments)
    if batch.record_count():
        futures.append(await producer.send_batch(batch, place.topic, partition=place.partition))
    return futures
