"""The consumer of the sinks: everything decided is committed, nothing else is."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest

from pipeline import sink_consumer, supervisor
from pipeline.breaker import Breaker
from pipeline.crash_log import CrashLog
from pipeline.dead_letter_writer import DeadLetterWriter
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.loop import SafeLoop
from pipeline.record import Item, Record
from pipeline.settings import KafkaSettings
from pipeline.sink_consumer import SinkConsumer
from pipeline.vitals import Reader
from schemas.dead_letter import DeadLetter, dead_letter_id, parse_dead_letter_line
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.outcome import Done, Outcome
from tests.tripwires import groups

TOPIC = "posts.enriched"


class NoteStage:
    """Decodes JSON strings and remembers what it was given; may be told to stand still."""

    name: Any = "index"

    def __init__(self) -> None:
        self.got: list[str] = []
        self.away = False
        self.tries = 0
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._news = asyncio.Event()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def recover(self) -> None: ...

    def decode(self, raw: bytes, record: Record) -> str:
        try:
            return str(json.loads(raw))
        except ValueError as error:
            raise RejectedError("json", str(error)) from error

    async def apply(self, items: Sequence[Item[str]]) -> Sequence[Outcome]:
        self.tries += 1
        self._news.set()
        if self.away:
            raise RetryableError("the index is away")
        await self.may_go_on.wait()
        self.got += [item.value for item in items]
        return [Done()] * len(items)

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not holds():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
async def kafka(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=2)
    kafka = Kafka(settings, kafka_bootstrap)
    await kafka.create_topics()
    return kafka


@pytest.fixture
async def writer(kafka: Kafka) -> AsyncIterator[LineWriter]:
    writer = LineWriter(kafka)
    await writer.start()
    yield writer
    await writer.stop()


@pytest.fixture(autouse=True)
def nobody_ends_the_test_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink_consumer, "end_process", end)


def end(code: int, reason: str) -> NoReturn:
    raise AssertionError(f"the process would end with {code}: {reason}")


class Running:
    """A consumer of the group ``index`` with its own stage."""

    def __init__(self, kafka: Kafka, notes: Path, group: str = "index", most: int = 500) -> None:
        self.stage = NoteStage()
        self.stop = asyncio.Event()
        self.notes = notes
        loop: SafeLoop[Any] = SafeLoop(
            self.stage,
            DeadLetterWriter(kafka, "index"),
            CrashLog(notes),
            Breaker("index", notes.with_name("halt.json")),
            end=end,
        )
        self.vitals = Reader(group)
        topics = (TOPIC, "incidents")
        self.consumer = SinkConsumer(kafka, group, topics, loop, most, self.vitals)
        self.task: asyncio.Task[None] | None = None

    async def owns(self, partitions: int) -> None:
        """Wait until its client believes that it owns so many."""

        async def owned() -> bool:
            membership = self.vitals.membership
            return membership is not None and len(list(membership.assigned())) == partitions

        await groups.until(owned, f"{partitions} partitions are its own")

    async def __aenter__(self) -> "Running":
        self.task = asyncio.create_task(self.consumer.run(self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        assert self.task is not None
        async with asyncio.timeout(20):
            await self.task


async def committed(kafka: Kafka, group: str = "index") -> dict[tuple[str, int], int]:
    found = await groups.committed(kafka, kafka.group(group))
    return {(kafka.plain_topic(topic), number): offset for (topic, number), offset in found.items()}


async def letters(kafka: Kafka) -> list[DeadLetter]:
    found = [parse_dead_letter_line(r.value or b"") async for r in kafka.read_all("dead-letters")]
    return [line for line in found if isinstance(line, DeadLetter)]


def words(*names: str) -> bytes:
    return b"\n".join(json.dumps(name).encode() for name in names)


async def test_a_cluster_that_is_not_there_ends_it_with_a_sentence(tmp_path: Path) -> None:
    class NoLetters:
        async def start(self) -> None: ...

        async def stop(self) -> None: ...

    stage: Any = NoteStage()
    quiet: Any = NoLetters()
    loop: SafeLoop[Any] = SafeLoop(
        stage, quiet, CrashLog(tmp_path / "notes"), Breaker("index", tmp_path / "halt.json")
    )
    consumer = SinkConsumer(Kafka(KafkaSettings(), "127.0.0.1:1"), "index", (TOPIC,), loop, 10)

    with pytest.raises(FatalError, match=r"127\.0\.0\.1:1"):
        await consumer.run(asyncio.Event())


@pytest.mark.services
async def test_all_is_delivered_once_and_committed_and_a_restart_repeats_nothing(
    kafka: Kafka, writer: LineWriter, tmp_path: Path
) -> None:
    entries = [Entry(n % 2, words(f"{n}a", f"{n}b")) for n in range(40)]
    await writer.write({TOPIC: entries, "incidents": [Entry(0, words("i"), b"i")]})

    async with Running(kafka, tmp_path / "notes", most=7) as first:
        await first.stage.until(lambda: len(first.stage.got) == 81)

    assert sorted(first.stage.got) == sorted([f"{n}{x}" for n in range(40) for x in "ab"] + ["i"])
    for partition in (0, 1):  # order within a partition
        mine = [int(v[:-1]) for v in first.stage.got if v != "i" and int(v[:-1]) % 2 == partition]
        assert mine == sorted(mine)
    offsets = await committed(kafka)
    assert offsets[TOPIC, 0] == offsets[TOPIC, 1] == 20
    assert offsets["incidents", 0] == 1

    await writer.write({TOPIC: [Entry(0, words("new"))]})
    async with Running(kafka, tmp_path / "notes") as second:
        await second.stage.until(lambda: bool(second.stage.got))
    assert second.stage.got == ["new"]


@pytest.mark.services
async def test_bad_lines_become_dead_letters_and_a_second_reading_repeats_their_ids(
    kafka: Kafka, writer: LineWriter, tmp_path: Path
) -> None:
    bad = b'{"id":"weibo:4711","text":"\xff'
    headers = (("received-ms", b"123"), ("h", b"\x00\xff"))
    large = b"{" * (3 * 1024 * 1024)
    values = [
        Entry(1, words("one") + b"\n" + bad + b"\n" + words("two"), b"\xffkey", headers),
        Entry(1, None, b"k"),
        Entry(1, b""),
        Entry(1, words("three")),
        Entry(1, large + b"\n" + words("four")),
    ]
    await writer.write({TOPIC: values})

    async with Running(kafka, tmp_path / "a", group="index") as first:
        await first.stage.until(lambda: len(first.stage.got) == 4)
    async with Running(kafka, tmp_path / "b", group="again") as second:
        await second.stage.until(lambda: len(second.stage.got) == 4)

    assert first.stage.got == second.stage.got == ["one", "two", "three", "four"]
    found = await letters(kafka)
    assert len(found) == 8
    once = {letter.id: letter for letter in found}
    places = [(0, 2), (1, 0), (2, 0), (4, 1)]
    assert set(once) == {dead_letter_id("index", TOPIC, 1, *place) for place in places}
    line, null, empty, long = (once[dead_letter_id("index", TOPIC, 1, *place)] for place in places)
    assert line.raw == bad
    assert (line.source, line.partition, line.offset, line.line) == (TOPIC, 1, 0, 2)
    assert (line.stage, line.kind, line.size) == ("index", "json", len(bad))
    assert base64.b64decode(line.key or "") == b"\xffkey"
    assert [(name, base64.b64decode(value)) for name, value in line.headers] == list(headers)
    assert (null.value, null.kind, empty.value, empty.kind) == (None, "empty", "", "empty")
    assert long.raw == large
    assert (await committed(kafka))[TOPIC, 1] == 5


@pytest.mark.services
async def test_while_the_other_side_is_away_nothing_is_committed_and_stop_still_ends_it(
    kafka: Kafka, writer: LineWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sink_consumer.STOP_SECONDS < supervisor.STOP_SECONDS
    await writer.write({TOPIC: [Entry(0, words("a", "b"))]})
    notes = tmp_path / "notes"

    monkeypatch.setattr(sink_consumer, "STOP_SECONDS", 0.3)
    for _ in range(4):  # more often than a record may be in flight at a death
        async with Running(kafka, notes) as waiting:
            waiting.stage.away = True
            await waiting.stage.until(lambda: waiting.stage.tries >= 2)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 10
    assert (await committed(kafka)).get((TOPIC, 0), -1) <= 0

    async with Running(kafka, notes) as back:
        await back.stage.until(lambda: bool(back.stage.got))
    assert back.stage.got == ["a", "b"]
    assert back.stage.tries == 1, "handled as a whole: being asked to stop is no death"
    assert await letters(kafka) == []


@pytest.mark.services
async def test_what_was_not_committed_in_a_transaction_is_not_delivered(
    kafka: Kafka, writer: LineWriter, tmp_path: Path
) -> None:
    producer = kafka.producer(transactional_id=f"{kafka.settings.prefix}t")
    await producer.start()
    with pytest.raises(ZeroDivisionError):
        async with producer.transaction():
            await producer.send_and_wait(kafka.topic("incidents"), words("no"), b"k", partition=0)
            raise ZeroDivisionError
    async with producer.transaction():
        await producer.send_and_wait(kafka.topic("incidents"), words("yes"), b"k", partition=0)
    await producer.stop()

    async with Running(kafka, tmp_path / "notes") as reading:
        await reading.stage.until(lambda: bool(reading.stage.got))

    assert reading.stage.got == ["yes"]


async def either(one: Running, other: Running, lines: int) -> None:
    """Wait until the two together have so many lines."""
    async with asyncio.timeout(120):
        while len(one.stage.got) + len(other.stage.got) < lines:
            await asyncio.sleep(0.05)


@pytest.mark.services
async def test_two_share_the_work_and_one_that_leaves_loses_nothing(
    kafka: Kafka, writer: LineWriter, tmp_path: Path
) -> None:
    everything = {f"{n}" for n in range(300)}

    async def feed() -> None:
        for n in range(300):
            await writer.write({TOPIC: [Entry(n % 2, words(f"{n}"))]})

    async with Running(kafka, tmp_path / "a", most=5) as staying:
        async with Running(kafka, tmp_path / "b", most=5) as leaving:
            feeding = asyncio.create_task(feed())
            # Either may hold both partitions until the rebalance is over.
            await either(staying, leaving, 20)
        await feeding
        await staying.stage.until(
            lambda: set(staying.stage.got) | set(leaving.stage.got) == everything
        )

    offsets = await committed(kafka)
    assert offsets[TOPIC, 0] + offsets[TOPIC, 1] == 300


@pytest.mark.services
async def test_one_that_was_frozen_does_not_take_the_group_back(
    kafka: Kafka, writer: LineWriter, tmp_path: Path
) -> None:
    """Others read on while it had old records in its hands; then it owns the partition again."""

    async def feed(begin: int) -> None:
        entries = [Entry(n % 2, words(f"{n}")) for n in range(begin, begin + 20)]
        await writer.write({TOPIC: entries})

    await feed(0)
    async with Running(kafka, tmp_path / "a") as frozen:
        frozen.stage.may_go_on.clear()
        await frozen.stage.until(lambda: frozen.stage.tries == 1)
        await feed(20)
        async with Running(kafka, tmp_path / "b") as other:
            await frozen.owns(2)
            await other.stage.until(lambda: len(other.stage.got) == 20)  # one partition to its end
        await frozen.owns(4)
        overtaken = int(other.stage.got[0]) % 2

        frozen.stage.may_go_on.set()
        await writer.write({TOPIC: [Entry(1 - overtaken, words("new"))]})
        await frozen.stage.until(lambda: "new" in frozen.stage.got)

    offsets = await committed(kafka)
    assert (offsets[TOPIC, overtaken], offsets[TOPIC, 1 - overtaken]) == (20, 21)
