"""Clients, topics and writing, against a real broker."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from aiokafka.admin import NewTopic
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
    UnknownError,
)
from aiokafka.protocol.produce import ProduceRequest

from pipeline.kafka import Entry, Kafka, LineWriter, mapped_errors
from pipeline.settings import KafkaSettings
from schemas.errors import FatalError, RetryableError
from schemas.topics import TOPICS

MIB = 1024 * 1024


@pytest.fixture
def bare(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    """A prefix without any topic yet."""
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=2)
    return Kafka(settings, kafka_bootstrap)


@pytest.fixture
async def kafka(bare: Kafka) -> Kafka:
    await bare.create_topics()
    return bare


@pytest.fixture
async def writer(kafka: Kafka) -> AsyncIterator[LineWriter]:
    writer = LineWriter(kafka)
    await writer.start()
    yield writer
    await writer.stop()


async def read(kafka: Kafka, topic: str, only: int | None = None) -> list[Any]:
    async with asyncio.timeout(60):
        return [record async for record in kafka.read_all(topic, only=only)]


# --- errors -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        KafkaConnectionError("refused"),
        KafkaTimeoutError(),  # a broker that stands still for longer than the request timeout
        NotLeaderForPartitionError(),
        UnknownError(),  # a broker that is stopping
        OutOfOrderSequenceNumber(),
    ],
)
async def test_a_passing_fault_can_be_retried(error: Exception) -> None:
    with pytest.raises(RetryableError, match="write"):
        async with mapped_errors("write"):
            raise error


@pytest.mark.parametrize(
    "error",
    [
        ProducerFenced(),
        TopicAuthorizationFailedError("signals"),
        MessageSizeTooLargeError(),
        ZeroDivisionError(),
        asyncio.CancelledError(),
    ],
)
async def test_everything_else_stays_what_it_is(error: BaseException) -> None:
    with pytest.raises(type(error)):
        async with mapped_errors("write"):
            raise error


async def test_a_cluster_that_is_not_there_is_named() -> None:
    kafka = Kafka(KafkaSettings(), "127.0.0.1:1")

    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1"):
        await LineWriter(kafka).start()
    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1"):
        async with kafka.admin():
            pass
    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1"):
        async with kafka.reader("posts.raw"):
            pass


API_METADATA, API_VERSIONS, API_INIT_PRODUCER_ID = 3, 18, 22


async def lonely_broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A broker that has only just come up: it speaks, and knows of no broker."""
    nothing = struct.pack(">ii", 0, 0)  # metadata: no brokers, no topics
    versions = struct.pack(">hi", 0, 3) + b"".join(
        struct.pack(">hhh", key, 0, 0) for key in (API_METADATA, API_VERSIONS, API_INIT_PRODUCER_ID)
    )
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            key, _, correlation = struct.unpack(">hhi", (await reader.readexactly(size))[:8])
            body = struct.pack(">i", correlation) + (versions if key == API_VERSIONS else nothing)
            writer.write(struct.pack(">i", len(body)) + body)
            await writer.drain()
    writer.close()


async def test_a_cluster_that_knows_no_broker_is_not_asked_for_ever() -> None:
    server = await asyncio.start_server(lonely_broker, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    kafka = Kafka(KafkaSettings(), f"{host}:{port}")
    producer = kafka.producer()
    try:
        with pytest.raises(FatalError, match="Kafka"):
            await kafka.connect(producer, seconds=0.5)
    finally:
        await producer.stop()
        server.close()


async def test_a_writer_that_was_not_started_says_so() -> None:
    with pytest.raises(RuntimeError, match="start"):
        await LineWriter(Kafka(KafkaSettings(), "127.0.0.1:1")).partitions("posts.raw")


# --- topics -----------------------------------------------------------------------------------


@pytest.mark.services
async def test_topics_are_created_once_with_their_names_and_partitions(bare: Kafka) -> None:
    created = await bare.create_topics()

    assert sorted(created) == sorted(bare.topic(name) for name in TOPICS)
    assert await bare.create_topics() == []
    async with bare.reader("signals") as (_, partitions):
        assert [tp.partition for tp in partitions] == [0, 1]
        assert partitions[0].topic == bare.settings.prefix + "signals"
    assert bare.plain_topic(bare.topic("posts.raw")) == "posts.raw"


@pytest.mark.services
@pytest.mark.parametrize("partitions", [1, 3])
async def test_checkpoints_that_do_not_fit_the_signals_are_refused(
    bare: Kafka, partitions: int
) -> None:
    async with bare.admin() as admin:
        await admin.create_topics([NewTopic(bare.topic("watch.checkpoints"), partitions, 1)])

    with pytest.raises(FatalError, match=r"watch\.checkpoints"):
        await bare.create_topics()


@pytest.mark.services
async def test_a_topic_that_is_missing_is_named_with_the_remedy(bare: Kafka) -> None:
    with pytest.raises(FatalError, match="topics create"):
        await read(bare, "posts.raw")


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.services
async def test_large_null_and_empty_records_arrive_as_they_were_written(
    kafka: Kafka, writer: LineWriter
) -> None:
    large = bytes(range(256)) * (3 * MIB // 256)
    entries = [
        Entry(0, b"first", b"k"),
        Entry(0, large, "键".encode(), (("h", b"1"), ("h", b"2"))),
        Entry(0, None, b"tombstone"),
        Entry(0, None),
        Entry(0, b""),
        Entry(0, b"last"),
    ]

    await writer.write({"posts.raw": entries})

    found = await read(kafka, "posts.raw")
    assert [(r.value, r.key, r.headers) for r in found] == [
        (e.value, e.key, e.headers) for e in entries
    ]
    assert [r.offset for r in found] == list(range(6))
    assert found[1].header("h") == b"1"
    assert found[1].header("none") is None


@pytest.mark.services
async def test_many_entries_to_many_places_keep_their_order_in_each_partition(
    kafka: Kafka, writer: LineWriter
) -> None:
    # Given more than fills one batch (512 KiB), mixed over partitions and topics
    entries = [Entry(n % 2, b"%06d" % n + b"x" * 200) for n in range(6_000)]

    await writer.write({"posts.raw": entries, "signals": entries[:10]})

    for partition in (0, 1):
        found = await read(kafka, "posts.raw", only=partition)
        assert [r.value for r in found] == [e.value for e in entries if e.partition == partition]
    assert len(await read(kafka, "signals")) == 10


@pytest.mark.services
async def test_writing_nothing_is_fine(kafka: Kafka, writer: LineWriter) -> None:
    await writer.write({})
    await writer.write({"posts.raw": []})

    assert await read(kafka, "posts.raw") == []


@pytest.mark.services
async def test_writers_at_the_same_time_do_not_disturb_each_other(
    kafka: Kafka, writer: LineWriter
) -> None:
    await asyncio.gather(
        *(
            writer.write({"posts.raw": [Entry(0, b"%d-%03d" % (who, n)) for n in range(100)]})
            for who in range(5)
        )
    )

    values = [record.value for record in await read(kafka, "posts.raw")]
    assert len(values) == 500
    for who in range(5):
        mine = [value for value in values if value.startswith(b"%d-" % who)]
        assert mine == sorted(mine)


@pytest.mark.services
async def test_a_record_that_the_topic_refuses_is_no_passing_fault(
    kafka: Kafka, writer: LineWriter
) -> None:
    with pytest.raises(MessageSizeTooLargeError):
        await writer.write({"posts.raw": [Entry(0, b"x" * (5 * MIB))]})

    await writer.write({"posts.raw": [Entry(0, b"the writer goes on")]})
    assert [r.value for r in await read(kafka, "posts.raw")] == [b"the writer goes on"]


@pytest.mark.services
@pytest.mark.parametrize("refused", [UnknownError(), MessageSizeTooLargeError()])
async def test_a_writer_goes_on_after_a_refused_batch(
    kafka: Kafka, writer: LineWriter, refused: KafkaError
) -> None:
    """The refused batch has used up its numbers: the same producer would be refused for good."""
    await writer.write({"posts.raw": [Entry(0, b"before")]})
    refuse_once(writer, refused)
    with pytest.raises((RetryableError, type(refused))):
        await writer.write({"posts.raw": [Entry(0, b"refused")]})

    await asyncio.gather(
        *(writer.write({"posts.raw": [Entry(0, b"%d" % who)]}) for who in range(5))
    )

    found = [record.value for record in await read(kafka, "posts.raw")]
    assert found[0] == b"before"
    assert sorted(found[1:]) == [b"%d" % who for who in range(5)]


@pytest.mark.services
async def test_a_writer_whose_cluster_went_away_after_a_refusal_says_to_retry(
    kafka: Kafka, writer: LineWriter
) -> None:
    await writer.write({"posts.raw": [Entry(0, b"before")]})
    refuse_once(writer, UnknownError())
    there, kafka.address = kafka.address, "127.0.0.1:1"
    with pytest.raises(RetryableError, match=r"127\.0\.0\.1:1"):
        await writer.write({"posts.raw": [Entry(0, b"refused")]})
    kafka.address = there

    with pytest.raises(RetryableError, match="OutOfOrder"):
        await writer.write({"posts.raw": [Entry(0, b"refused for its number")]})
    await writer.write({"posts.raw": [Entry(0, b"after")]})

    found = [record.value for record in await read(kafka, "posts.raw")]
    assert found == [b"before", b"after"]


def refuse_once(writer: LineWriter, error: KafkaError) -> None:
    """The broker's next answer to a batch of this writer is an error."""
    client = writer._producer.client
    send = client.send
    waiting = [error]

    async def refusing(node: int, request: Any, **more: Any) -> Any:
        if isinstance(request, ProduceRequest) and waiting:
            raise waiting.pop()
        return await send(node, request, **more)

    client.send = refusing


@pytest.mark.services
async def test_a_topic_that_is_not_there_yet_can_be_retried(bare: Kafka) -> None:
    writer = LineWriter(bare)
    await writer.start()
    writer._producer.client._request_timeout_ms = 300  # else it looks for half a minute
    try:
        with pytest.raises(RetryableError):
            await writer.partitions("posts.raw")

        await bare.create_topics()
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await writer.partitions("posts.raw") == 2
                    break
                except RetryableError:
                    continue
    finally:
        await writer.stop()


# --- reading all ------------------------------------------------------------------------------


@pytest.mark.services
async def test_an_empty_topic_is_read_at_once(kafka: Kafka) -> None:
    assert await read(kafka, "incidents") == []


@pytest.mark.services
async def test_only_committed_records_are_read_and_markers_end_nothing(kafka: Kafka) -> None:
    producer = kafka.producer(transactional_id=f"{kafka.settings.prefix}t")
    await producer.start()
    topic = kafka.topic("incidents")
    try:
        async with producer.transaction():
            await producer.send(topic, b"yes", b"a", partition=0)
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction():
                await producer.send_and_wait(topic, b"no", b"b", partition=0)
                raise ZeroDivisionError
    finally:
        await producer.stop()

    assert [record.value for record in await read(kafka, "incidents")] == [b"yes"]


@pytest.mark.services
async def test_one_partition_is_read_alone(kafka: Kafka, writer: LineWriter) -> None:
    await writer.write({"watch.checkpoints": [Entry(0, b"0", b"k"), Entry(1, b"1", b"k")]})

    assert [r.value for r in await read(kafka, "watch.checkpoints", only=1)] == [b"1"]
    assert sorted(r.value for r in await read(kafka, "watch.checkpoints")) == [b"0", b"1"]
