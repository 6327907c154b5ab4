"""The audit against a real topic and a real index."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline import audit as module
from pipeline.audit import Cell, audit
from pipeline.dead_letter_writer import DeadLetterWriter
from pipeline.endpoints import elasticsearch_client
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.lag import READS, group_lag, total_lag
from pipeline.record import Item
from pipeline.settings import Settings
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.envelope import split
from schemas.outcome import Done, Rejected
from schemas.signals import Tick
from sinks.elasticsearch import Elasticsearch

pytestmark = pytest.mark.services

NOON = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)


class Line:
    """A line of which every step is done by hand."""

    def __init__(self, kafka: Kafka, index: Elasticsearch, writer: LineWriter) -> None:
        self.kafka = kafka
        self.index = index
        self.writer = writer

    async def produce(self, *lines: bytes | None, topic: str = "posts.raw") -> None:
        await self.writer.write({topic: [Entry(0, line) for line in lines]})

    async def store(self, *lines: bytes) -> None:
        documents = [
            self.index.names.document_of(EnrichedPost.from_line(line).to_line()) for line in lines
        ]
        async with asyncio.timeout(30):  # a month's first document finds no index: again
            while await self.index.index(documents) != [Done()] * len(lines):
                pass

    async def delete(self, line: bytes) -> None:
        document = self.index.names.document_of(EnrichedPost.from_line(line).to_line())
        await self.index.client.delete(index=document.index, id=document.id)

    async def drop(self, *lines: bytes) -> None:
        drops = []
        for line in lines:
            post = EnrichedPost.from_line(line)
            drops.append(
                Drop(
                    post_id=post.id,
                    source=post.source,
                    event_at=post.event_at,
                    enricher="ads",
                    reason="广告",
                ).to_line()
            )
        await self.produce(*drops, topic="posts.dropped")

    async def reject(self, *places: tuple[int, int], topic: str = "posts.raw") -> None:
        """Dead letters of lines (offset, number) of a topic's partition 0."""
        letters = DeadLetterWriter(self.kafka, "enrich" if topic == "posts.raw" else "index")
        await letters.start()
        found = {r.offset: r async for r in self.kafka.read_all(topic, only=0)}
        rejected = []
        for offset, number in places:
            record = found[offset]
            raw = split(record.value or b"")[number - 1] if number else b""
            rejected.append((Item(record, number, raw, raw), Rejected("schema", "?")))
        await letters.write(rejected)
        await letters.stop()

    async def arrived(self) -> None:
        """Both groups have read all that there is."""
        for group in ("enrich", "index"):
            consumer = self.kafka.consumer(group=group)
            await consumer.start()
            try:
                for topic in READS[group]:
                    partitions = await self.kafka.partitions_of(consumer, topic)
                    consumer.assign(partitions)
                    offsets = await consumer.end_offsets(partitions)
                    await consumer.commit(offsets)
            finally:
                await consumer.stop()


@pytest.fixture
async def line(line_settings: Settings) -> AsyncIterator[Line]:
    settings = line_settings.kafka.model_copy(update={"partitions": 1})
    kafka = Kafka(settings, settings.bootstrap or "")
    await kafka.create_topics()
    index = elasticsearch_client(line_settings)
    await index.setup()
    writer = LineWriter(kafka)
    await writer.start()
    yield Line(kafka, index, writer)
    await writer.stop()
    await index.drop()
    await index.close()


def post(number: int, at: datetime = NOON, **changes: Any) -> bytes:
    fields = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": "刹车异响",
        "author": {"id": "u"},
        "published_at": at.isoformat(),
        "observed_at": at.isoformat(),
        "source": "weibo-main",
    }
    return json.dumps(fields | changes).encode()


async def test_an_empty_line_adds_up(line: Line) -> None:
    report = await audit(line.kafka, line.index)

    assert report.holds
    assert report.total == Cell()


async def test_every_post_has_its_end(line: Line) -> None:
    # Given a post of every fate, some seen twice, beside time and what is no post
    ok, dropped, refused, unknown = post(1), post(2), post(3, extra=1), b"{no post"
    late = post(4, NOON + timedelta(hours=1), source="rss")
    tick = Tick(at=NOON, lane=0, lanes=1).to_line()
    await line.produce(b"\n".join([ok, tick, dropped, refused, unknown]), ok, late, None)
    await line.store(ok, late)
    await line.drop(dropped)
    await line.reject((0, 4), (0, 5), (3, 0))
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert report.holds, report
    assert dict(report.cells) == {
        ("weibo-main", NOON): Cell(produced=3, indexed=1, dead_lettered=1, dropped=1),
        ("rss", NOON + timedelta(hours=1)): Cell(produced=1, indexed=1),
    }
    assert report.total == Cell(produced=4, indexed=2, dead_lettered=1, dropped=1)
    assert (report.lines, report.unreadable, report.foreign) == (5, 2, 0)


async def test_a_post_that_is_nowhere_is_named(line: Line) -> None:
    await line.produce(post(1), post(2))
    await line.store(post(1), post(2))
    await line.arrived()
    assert (await audit(line.kafka, line.index)).holds

    await line.delete(post(2))

    report = await audit(line.kafka, line.index)
    assert not report.holds
    assert report.missing == ["weibo:2"]
    assert report.total.missing == 1


async def test_a_post_that_was_left_out_and_then_kept_must_be_indexed(line: Line) -> None:
    await line.produce(post(1))
    await line.drop(post(1))
    assert (await audit(line.kafka, line.index)).total.dropped == 1

    await line.writer.write({"posts.enriched": [Entry(0, post(1), b"weibo:1")]})

    report = await audit(line.kafka, line.index)
    assert report.missing == ["weibo:1"]


async def test_a_bad_line_without_its_dead_letter_is_named_by_place(line: Line) -> None:
    await line.produce(post(1) + b"\n{bad", b"\n", None)
    await line.store(post(1))
    await line.reject((1, 0))
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert not report.holds
    assert report.unreadable_missing == ["posts.raw:0:0:2", "posts.raw:0:2:0"]
    assert report.unreadable == 3


async def test_a_bad_line_of_a_post_does_not_excuse_the_loss_of_a_good_one(line: Line) -> None:
    # Given the same post twice: once well and lost, once with a mistake and a dead letter
    await line.produce(post(1), post(1, extra=1))
    await line.reject((1, 1))
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert report.missing == ["weibo:1"]


async def test_a_dead_letter_of_the_index_is_an_end(line: Line) -> None:
    await line.produce(post(1))
    await line.produce(EnrichedPost.from_line(post(1)).to_line(), topic="posts.enriched")
    await line.reject((0, 1), topic="posts.enriched")
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert report.holds, report
    assert report.total == Cell(produced=1, dead_lettered=1)


async def test_times_at_the_ends_of_the_calendar_are_counted_like_others(line: Line) -> None:
    first, last = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"
    odd = (
        post(1, published_at=first, observed_at=first),
        post(2, published_at=last, observed_at=last),
    )
    await line.produce(*odd)
    await line.reject((0, 1), (1, 1))
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert report.holds
    assert report.total == Cell(produced=2, dead_lettered=2)


async def test_what_the_topic_does_not_hold_any_more_is_foreign_and_no_fault(line: Line) -> None:
    await line.store(post(7))
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert report.holds
    assert report.foreign == 1


async def test_a_post_in_two_indices_is_named(line: Line) -> None:
    # Given a source that changed its claim about the time, which it never should
    before = post(1, published_at="2026-02-27T04:00:00Z")
    await line.produce(before, post(1))
    await line.store(before, post(1))
    await line.arrived()

    report = await audit(line.kafka, line.index)

    assert report.twice == ["weibo:1"]
    assert not report.holds


async def test_what_is_still_on_its_way_is_said(line: Line) -> None:
    await line.produce(post(1))
    await line.arrived()
    await line.produce(post(2), post(3))
    await line.produce(EnrichedPost.from_line(post(1)).to_line(), topic="posts.enriched")

    report = await audit(line.kafka, line.index)

    assert report.on_their_way == 3
    assert not report.holds


async def test_posts_that_come_in_during_the_audit_are_not_missed(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a line that lives: a post arrives after the question whether all were read
    async def then_one_more(*arguments: Any) -> int:
        behind = await total_lag(*arguments)
        await line.produce(post(2))
        return behind

    await line.produce(post(1))
    await line.store(post(1))
    await line.arrived()
    monkeypatch.setattr(module, "total_lag", then_one_more)

    report = await audit(line.kafka, line.index)

    assert report.missing == []
    assert report.holds


@pytest.mark.parametrize("commits", [True, False])
async def test_the_end_of_a_transaction_is_nothing_that_is_still_to_be_read(
    line: Line, commits: bool
) -> None:
    # Given incidents that were read, and behind them a transaction that was taken back
    producer = line.kafka.producer(transactional_id=f"{line.kafka.settings.prefix}t")
    await producer.start()
    topic = line.kafka.topic("incidents")
    async with producer.transaction():
        await producer.send(topic, b"{}", b"k", partition=0)
    if not commits:
        with pytest.raises(ZeroDivisionError):
            async with producer.transaction():
                for _ in range(3):
                    await producer.send_and_wait(topic, b"{}", b"k", partition=0)
                raise ZeroDivisionError
    await producer.stop()
    consumer = line.kafka.consumer("incidents", group="index")
    await consumer.start()
    (message,) = [m for ms in (await consumer.getmany(timeout_ms=20_000)).values() for m in ms]
    await consumer.commit({tp: message.offset + 1 for tp in consumer.assignment()})
    await consumer.stop()

    lag = await group_lag(line.kafka, "index")

    assert (lag.records, lag.oldest) == (0, None)
