"""Dead letters: written once and for all, listed once, put back where they came from."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.dead_letter_writer import MAX_KEPT_BYTES, DeadLetterWriter, post_id_of
from pipeline.dead_letters import read_dead_letters, retry
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.record import Item, Record
from pipeline.settings import KafkaSettings
from schemas.dead_letter import DeadLetter, dead_letter_id
from schemas.errors import FatalError
from schemas.outcome import Rejected
from schemas.post import Post, PostDraft
from tests.pipeline.incidents import incident

AT = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)


DRAFT = (
    b'{"id":"weibo:1","platform":"weibo","kind":"post","text":"x","author":{"id":"u"},'
    b'"published_at":"2026-03-05T04:00:00Z","source":"weibo-main","deleted":false}'
)
POST = Post(**dict(PostDraft.from_line(DRAFT)), observed_at=AT).to_line()


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'{"id":"weibo:4711","text":7,"more":[]}', "weibo:4711"),
        ('{"id":"weibo:微博"}'.encode(), "weibo:微博"),
        (b'{"id":4711}', None),
        (b'{"id":"4711"}', None),
        (b'{"id":"weibo:4711","text":"\xff"}', None),
        (b"[1]", None),
        (b"[" * 10_000, None),
        (b"", None),
    ],
)
def test_the_post_is_named_where_the_line_is_readable_enough(raw: bytes, found: str | None) -> None:
    assert post_id_of(raw) == found


@pytest.fixture
def bare(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=2)
    return Kafka(settings, kafka_bootstrap)


@pytest.fixture
async def kafka(bare: Kafka) -> Kafka:
    await bare.create_topics()
    return bare


@pytest.fixture
async def letters(kafka: Kafka) -> AsyncIterator[DeadLetterWriter]:
    writer = DeadLetterWriter(kafka, "enrich")
    await writer.start()
    yield writer
    await writer.stop()


def item(raw: bytes, line: int = 1, **changes: Any) -> Item[bytes]:
    fields: dict[str, Any] = {
        "topic": "posts.raw",
        "partition": 1,
        "offset": 7,
        "timestamp_ms": 0,
        "key": None,
        "value": raw,
    }
    return Item(Record(**(fields | changes)), line, raw, raw)


WHY = Rejected("json", "not valid JSON")


# --- writing ----------------------------------------------------------------------------------


@pytest.mark.services
@pytest.mark.parametrize("raw", [b"\xff\x00\n", b'{"id":"weibo:1"', b" ", b"x" * MAX_KEPT_BYTES])
async def test_the_original_bytes_are_kept(
    kafka: Kafka, letters: DeadLetterWriter, raw: bytes
) -> None:
    await letters.write([(item(raw), WHY)])

    (listed,) = await read_dead_letters(kafka)
    assert listed.letter.raw == raw
    assert listed.letter.size == len(raw)


@pytest.mark.services
async def test_a_line_longer_than_any_topic_holds_is_cut_and_says_so(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    # Compressed by its producer, a record may unfold to far more than the broker's limit.
    raw = b"x" * (12 * 1024 * 1024)

    await letters.write([(item(raw), WHY)])

    (listed,) = await read_dead_letters(kafka)
    assert listed.letter.raw == raw[:MAX_KEPT_BYTES]
    assert listed.letter.size == len(raw)


@pytest.mark.services
async def test_key_and_headers_of_any_size_do_not_stop_the_line(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    raw = b"{" * MAX_KEPT_BYTES
    more = b"k" * (4 * 1024 * 1024)
    headers = tuple((f"h{n}", b"v" * 300_000) for n in range(10))

    async with asyncio.timeout(60):
        await letters.write([(item(raw, key=more, headers=headers), WHY)])

    (listed,) = await read_dead_letters(kafka)
    assert listed.letter.raw == raw


@pytest.mark.services
async def test_a_record_as_a_whole_keeps_what_it_held(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    blank, null = item(b"", 0, value=b" \n"), item(b"", 0, value=None, offset=8)

    await letters.write([(blank, WHY), (null, WHY)])

    found = {listed.letter.offset: listed.letter for listed in await read_dead_letters(kafka)}
    assert (found[7].raw, found[7].line) == (b" \n", 0)
    assert (found[8].value, found[8].size) == (None, 0)


@pytest.mark.services
async def test_it_waits_for_a_topic_that_is_not_there(bare: Kafka) -> None:
    writer = DeadLetterWriter(bare, "enrich")
    await writer.start()
    writing = asyncio.create_task(writer.write([(item(b"{"), WHY)]))
    await asyncio.sleep(0)
    assert not writing.done()

    await bare.create_topics()

    async with asyncio.timeout(60):
        await writing
    await writer.stop()
    assert len(await read_dead_letters(bare)) == 1


# --- listing ----------------------------------------------------------------------------------


def letter(number: int, **changes: Any) -> DeadLetter:
    fields: dict[str, Any] = {
        "id": dead_letter_id("enrich", "posts.raw", 1, number, 1),
        "stage": "enrich",
        "kind": "json",
        "message": "not valid JSON",
        "source": "posts.raw",
        "partition": 1,
        "offset": number,
        "line": 1,
        "value": base64.b64encode(b"line %d" % number).decode(),
        "size": len(b"line %d" % number),
        "schema_version": 1,
        "at": AT + timedelta(seconds=number),
    }
    return DeadLetter(**(fields | changes))


@pytest.mark.services
async def test_each_is_listed_once_and_the_oldest_first(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    again = letter(2, at=AT + timedelta(hours=1))
    await letters.write_letters([letter(3), letter(1), letter(2), again])
    writer = LineWriter(kafka)
    await writer.start()
    await writer.write({"dead-letters": [Entry(0, b"somebody else's"), Entry(0, None)]})
    await writer.stop()

    found = await read_dead_letters(kafka)

    assert [listed.letter.offset for listed in found] == [1, 2, 3]
    assert found[1].letter.at == letter(2).at, "when it was first seen"
    assert all(listed.retry is None for listed in found)


# --- putting back -----------------------------------------------------------------------------


async def records(kafka: Kafka, topic: str) -> list[Record]:
    return [record async for record in kafka.read_all(topic)]


@pytest.mark.services
async def test_a_line_goes_back_to_its_place_and_is_marked(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    await letters.write_letters([letter(1), letter(2)])
    first, second = await read_dead_letters(kafka)

    (note,) = await retry(kafka, [first])

    (back,) = await records(kafka, "posts.raw")
    assert (back.value, back.partition) == (b"line 1", 1)
    assert back.header("retry-of") == first.letter.id.encode()
    assert (note.topic, note.partition, note.corrected) == ("posts.raw", 1, False)
    listed = await read_dead_letters(kafka)
    assert [entry.retry for entry in listed] == [note, None]
    assert [entry.letter for entry in listed] == [first.letter, second.letter]


@pytest.mark.services
async def test_a_corrected_line_goes_back_instead(kafka: Kafka, letters: DeadLetterWriter) -> None:
    await letters.write_letters([letter(1)])

    (note,) = await retry(kafka, await read_dead_letters(kafka), "改好了".encode())

    (back,) = await records(kafka, "posts.raw")
    assert back.value == "改好了".encode()
    assert note.corrected
    (listed,) = await read_dead_letters(kafka)
    assert listed.letter.raw == b"line 1", "what was received stays as it was"


@pytest.mark.services
async def test_an_older_state_of_an_incident_does_not_go_behind_a_newer_one(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    old, new = incident("grown", revision=2), incident("grown", revision=3)
    of_incident = letter(1).replaced(
        source="incidents",
        key=base64.b64encode(old.id.encode()).decode(),
        value=base64.b64encode(old.to_line()).decode(),
        size=len(old.to_line()),
    )
    await letters.write_letters([of_incident])
    writer = LineWriter(kafka)
    await writer.start()
    await writer.write({"incidents": [Entry(0, new.to_line(), new.id.encode())]})
    await writer.stop()

    with pytest.raises(FatalError, match=r"第 3 版|revision 3 by now"):
        await retry(kafka, await read_dead_letters(kafka))

    assert len(await records(kafka, "incidents")) == 1
    assert [one.retry for one in await read_dead_letters(kafka)] == [None]


@pytest.mark.services
async def test_one_correction_is_for_one_letter(kafka: Kafka, letters: DeadLetterWriter) -> None:
    await letters.write_letters([letter(1), letter(2)])

    with pytest.raises(FatalError):
        await retry(kafka, await read_dead_letters(kafka), b"which?")

    assert await records(kafka, "posts.raw") == []


@pytest.mark.services
async def test_a_line_of_a_compacted_topic_keeps_its_key(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    key = base64.b64encode(b"incident-1").decode()
    place = {"source": "incidents", "stage": "index", "key": key, "partition": 0}
    await letters.write_letters([letter(1, **place)])

    await retry(kafka, await read_dead_letters(kafka))

    (back,) = await records(kafka, "incidents")
    assert (back.key, back.value, back.partition) == (b"incident-1", b"line 1", 0)


@pytest.mark.services
@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"source": "weibo-main", "stage": "ingest", "partition": -1, "offset": -1}, "weibo-main"),
        ({"size": 99_000_000}, "99000000"),
    ],
)
async def test_what_cannot_go_back_as_it_is_needs_a_correction_and_stops_the_others_too(
    kafka: Kafka, letters: DeadLetterWriter, changes: dict[str, Any], named: str
) -> None:
    await letters.write_letters([letter(1), letter(2, **changes)])
    both = await read_dead_letters(kafka)
    (hard,) = [entry for entry in both if entry.letter.line == 1 and named in str(entry.letter)]

    with pytest.raises(FatalError, match="--with") as caught:
        await retry(kafka, both)

    assert named in str(caught.value)
    assert await records(kafka, "posts.raw") == []

    await retry(kafka, [hard], POST)
    assert [record.value for record in await records(kafka, "posts.raw")] == [POST]


@pytest.mark.services
async def test_a_correction_of_a_sources_item_is_a_post_and_counts_as_seen_now(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    await letters.write_letters([letter(1, source="weibo-main", stage="ingest", partition=-1)])
    (item,) = await read_dead_letters(kafka)

    with pytest.raises(FatalError):
        await retry(kafka, [item], b"no post")
    assert await records(kafka, "posts.raw") == []

    began = datetime.now(UTC)
    await retry(kafka, [item], PostDraft.from_line(DRAFT).to_line())
    (back,) = await records(kafka, "posts.raw")
    post = Post.from_line(back.value or b"")
    assert post.id == "weibo:1"
    assert began <= post.observed_at <= datetime.now(UTC)


@pytest.mark.services
async def test_more_partitions_than_now_are_no_obstacle(
    kafka: Kafka, letters: DeadLetterWriter
) -> None:
    await letters.write_letters([letter(1, partition=7)])

    await retry(kafka, await read_dead_letters(kafka))

    assert len(await records(kafka, "posts.raw")) == 1
