"""The monitor against a real Kafka: lag, membership, lost records, a broker that is away."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.records_to_delete import RecordsToDelete
from prometheus_client import REGISTRY

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.lag import LagReader
from pipeline.monitor import Monitor
from pipeline.settings import KafkaSettings
from pipeline.vitals import Membership, Vitals
from schemas.errors import RetryableError

LOOK_SECONDS = 0.1


@pytest.fixture
def kafka(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=2)
    return Kafka(settings, kafka_bootstrap)


@pytest.fixture
async def writer(kafka: Kafka) -> AsyncIterator[LineWriter]:
    await kafka.create_topics()
    writer = LineWriter(kafka)
    await writer.start()
    yield writer
    await writer.stop()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.02)


def value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.mark.services
async def test_what_the_broker_says_comes_into_vitals_and_metrics(
    kafka: Kafka, writer: LineWriter
) -> None:
    group, topic = "index", "posts.enriched"
    vitals = Vitals("index", [group])
    reader = vitals.reader(group)
    consumer = kafka.consumer(topic, "incidents", group=group)
    await consumer.start()
    own = Membership(lambda: consumer._coordinator.member_id, consumer.assignment, lambda: False)
    monitor = Monitor(kafka, vitals, LOOK_SECONDS)
    monitor.start()
    try:
        reader.joined(own)
        await writer.write({topic: [Entry(0, b"{}"), Entry(0, b"{}"), Entry(1, b"{}")]})
        await until(lambda: reader.lag == 3)
        assert value("tingchao_group_member", group=group) == 1
        assert value("tingchao_lag_records", group=group, topic=topic) == 3
        assert value("tingchao_lag_records", group=group, topic="incidents") == 0
        await until(
            lambda: (
                (value("tingchao_oldest_uncommitted_seconds", group=group, topic=topic) or 0) > 0
            )
        )
        idle_since = reader.progress_at

        await consumer.commit({TopicPartition(kafka.topic(topic), 0): 1})
        await until(lambda: reader.lag == 2)
        assert reader.progress_at > idle_since

        await consumer.stop()
        await until(lambda: value("tingchao_group_member", group=group) == 0)
        member_at = reader.member_at
        await until(lambda: (vitals.looked_at or 0) > member_at + 3 * LOOK_SECONDS)
        assert reader.member_at == member_at
    finally:
        monitor.close()
        await consumer.stop()


@pytest.mark.services
async def test_records_that_retention_deleted_are_counted_once_and_said(
    kafka: Kafka,
    writer: LineWriter,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TINGCHAO_LANGUAGE", "en")
    group, topic = "enrich", "posts.raw"
    tp = TopicPartition(kafka.topic(topic), 1)
    await writer.write({topic: [Entry(1, b"{}")] * 10})
    consumer = kafka.consumer(group=group)
    consumer.assign([tp])
    await consumer.start()
    await consumer.commit({tp: 2})
    await consumer.stop()
    labels = {"group": group, "topic": topic, "partition": "1"}
    before = value("tingchao_records_lost_total", **labels) or 0
    monitor = Monitor(kafka, Vitals("enrich", [group]), LOOK_SECONDS)
    async with kafka.admin() as admin:
        await admin.delete_records({tp: RecordsToDelete(before_offset=6)})
        try:
            monitor.start()  # returns after its first look: before the role reads
            assert value("tingchao_records_lost_total", **labels) == before + 4

            await admin.delete_records({tp: RecordsToDelete(before_offset=9)})
            await until(lambda: value("tingchao_records_lost_total", **labels) == before + 7)
        finally:
            monitor.close()

    said = capsys.readouterr().out
    assert "Kafka deleted 4 records of posts.raw, partition 1 (offsets 2 to 5)" in said
    assert "Kafka deleted 3 records of posts.raw, partition 1 (offsets 6 to 8)" in said
    async with LagReader(kafka, [group]) as lag:
        assert (await lag.look(group)).partitions[tp].lost == 7


@pytest.mark.services
async def test_a_group_that_never_committed_has_lost_nothing(
    kafka: Kafka, writer: LineWriter
) -> None:
    tp = TopicPartition(kafka.topic("posts.raw"), 0)
    await writer.write({"posts.raw": [Entry(0, b"{}")] * 3})
    async with kafka.admin() as admin:
        await admin.delete_records({tp: RecordsToDelete(before_offset=2)})

    async with LagReader(kafka, ["enrich"]) as lag:
        found = (await lag.look("enrich")).partitions[tp]

    assert (found.begin, found.committed, found.lost, found.behind) == (2, None, 0, 1)


async def test_a_broker_that_is_away_is_known_and_does_not_hold_up_the_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    vitals = Vitals("enrich", ["enrich"])
    monitor = Monitor(Kafka(KafkaSettings(), f"127.0.0.1:{port}"), vitals, LOOK_SECONDS)

    await asyncio.to_thread(monitor.start)
    try:
        await until(lambda: vitals.kafka_away)
        assert str(port) in (vitals.kafka_away or "")
        assert vitals.status().state == "degraded"
    finally:
        await asyncio.to_thread(monitor.close)


@pytest.mark.services
async def test_elasticsearch_is_asked_even_when_there_is_nothing_to_index(
    kafka: Kafka, writer: LineWriter
) -> None:
    away = RetryableError("Elasticsearch is away")

    def connect(stack: AsyncExitStack) -> Callable[[], Awaitable[None]]:
        async def probe() -> None:
            if answers:
                raise answers.pop()

        return probe

    answers: list[Exception] = [away]
    vitals = Vitals("index", ["index"])
    vitals.reader("index").end("starting")
    monitor = Monitor(kafka, vitals, LOOK_SECONDS, connect)
    monitor.start()
    try:
        await until(lambda: not answers and vitals.status().state == "ready")
        answers.extend([ValueError("a bug of a client")] * 3)
        await until(lambda: vitals.index_away)
    finally:
        monitor.close()


def test_it_can_be_closed_before_it_was_started() -> None:
    Monitor(Kafka(KafkaSettings(), "127.0.0.1:1"), Vitals("ingest"), LOOK_SECONDS).close()
