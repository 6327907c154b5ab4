"""Replies and roots through ``enrich`` on a real broker: the same end, whatever came first."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import RecordsToDelete

from pipeline.enrich import EnrichStage
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.record import RECEIVED_HEADER, Item
from pipeline.settings import KafkaSettings
from pipeline.thread_log import ThreadLog
from processors.chain import build_chain
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.envelope import split
from schemas.errors import FatalError, RetryableError
from schemas.signals import Mention, parse_signal
from schemas.topics import TOPICS
from sinks.documents import Names
from tests.two_brands import two_brands

pytestmark = pytest.mark.services

RULES = two_brands()
NAMES = Names("t-")
CHAIN = build_chain(("keywords", "brands"), {}, RULES)


def line(native: str, text: str, second: int = 0, root: str | None = None, **more: Any) -> bytes:
    fields: dict[str, Any] = {
        "id": f"weibo:{native}",
        "platform": "weibo",
        "kind": "comment" if root else "post",
        "text": text,
        "author": {"id": native},
        "published_at": "2026-03-05T04:00:00Z",
        "observed_at": f"2026-03-05T04:00:{second:02}Z",
        "source": "weibo-main",
        **({"root_id": f"weibo:{root}", "parent_id": f"weibo:{root}"} if root else {}),
    }
    return json.dumps(fields | more, ensure_ascii=False).encode()


class FailingWriter(LineWriter):
    """Fails once at a topic, before it writes."""

    fails_at: str | None = None

    async def write(self, writes: Mapping[str, Sequence[Entry]]) -> None:
        if self.fails_at in writes:
            self.fails_at = None
            raise RetryableError("away")
        await super().write(writes)


class Bench:
    """Raw lines in, and one ``enrich`` after another over them."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.writer = FailingWriter(kafka)
        self._stages: list[EnrichStage] = []
        self._read = 0

    async def start(self) -> None:
        await self.kafka.create_topics()
        await self.new_process()

    async def new_process(self, chain: Any = CHAIN, owns: bool = True) -> None:
        """A fresh one, which knows only what Kafka holds; the old one lives on, as a zombie."""
        self.writer = FailingWriter(self.kafka)
        threads = ThreadLog(self.kafka, assigned=lambda partition: owns)
        self.stage = EnrichStage(self.writer, lambda: chain, threads)
        await self.stage.start()
        self._stages.append(self.stage)

    async def close(self) -> None:
        for stage in self._stages:
            await stage.stop()

    async def put(self, *values: bytes) -> None:
        writer = LineWriter(self.kafka)
        await writer.start()
        await writer.write({"posts.raw": [Entry(0, value) for value in values]})
        await writer.stop()

    async def unread(self) -> list[Item[Any]]:
        """What was put and not yet applied, as the loop would hand it over."""
        records = [record async for record in self.kafka.read_all("posts.raw")]
        items = []
        for record in records:
            if record.offset < self._read:
                continue
            raws = split(record.value or b"")
            for number, raw in enumerate(raws, 1):
                value = self.stage.decode(raw, record)
                items.append(Item(record, number, raw, value, number == len(raws)))
        return items

    async def work(self, *batches: Sequence[bytes]) -> None:
        """Put each batch as one record and apply it."""
        for batch in batches:
            await self.put(b"\n".join(batch))
            await self.apply()

    async def apply(self) -> None:
        items = await self.unread()
        await self.stage.apply(items)
        self._read = items[-1].record.offset + 1

    async def enriched(self) -> dict[str, EnrichedPost]:
        """As the index holds it, whatever order they come in: the order of versions decides."""
        newest: dict[str, tuple[int, EnrichedPost]] = {}
        written = [record async for record in self.kafka.read_all("posts.enriched")]
        for record in reversed(written):
            post = EnrichedPost.from_line(record.value or b"")
            version = NAMES.document_of(record.value or b"").version
            if post.id not in newest or version > newest[post.id][0]:
                newest[post.id] = version, post
        return {post_id: post for post_id, (_, post) in newest.items()}

    async def mentions(self) -> set[tuple[str, str]]:
        found = set()
        async for record in self.kafka.read_all("signals"):
            for raw in split(record.value or b""):
                signal = parse_signal(raw)
                if isinstance(signal, Mention):
                    found.add((signal.post_id, signal.brand))
        return found

    async def brands(self, native: str) -> list[str]:
        return [tag.brand for tag in (await self.enriched())[f"weibo:{native}"].brands]

    async def written(self, topic: str, key: str) -> int:
        return len([r async for r in self.kafka.read_all(topic) if r.key == key.encode()])


@pytest.fixture
async def bench(kafka_bootstrap: str, unique_prefix: str) -> AsyncIterator[Bench]:
    bench = Bench(Kafka(KafkaSettings(prefix=f"{unique_prefix}.", partitions=2), kafka_bootstrap))
    await bench.start()
    yield bench
    await bench.close()


async def test_the_end_is_the_same_whatever_came_first_and_however_it_was_cut(
    bench: Bench,
) -> None:
    # Given a root, its edit, and two replies of which one was seen twice: in any order, in one
    # batch, in two, and each alone; every story is a thread of its own
    stories: dict[str, list[list[bytes]]] = {}
    for number, order in enumerate(permutations(range(5))):
        for cut in (0, 2, 5):
            root = f"{number}-{cut}"
            lines = (
                line(root, "岚图刹车异响", 1),
                line(root, "岚图刹车异响，极氪也是", 2),
                line(f"{root}-a", "我的也是", 1, root),
                line(f"{root}-a", "我的也是！", 3, root),
                line(f"{root}-b", "极氪不会", 1, root),
            )
            happened = [lines[place] for place in order]
            if cut == 5:
                batches = [[one] for one in happened]
            else:
                batches = [happened[:cut], happened[cut:]]
            stories[root] = [batch for batch in batches if batch]

    # When all stories go on side by side
    for step in range(5):
        now = [batch for story in stories.values() for batch in story[step : step + 1]]
        await bench.put(*(b"\n".join(batch) for batch in now))
        await bench.apply()

    # Then all end alike
    enriched, mentions = await bench.enriched(), await bench.mentions()
    for root in stories:
        ends = {one: enriched[f"weibo:{root}{one}"].brands for one in ("", "-a", "-b")}
        assert [(tag.brand, tag.reason) for tag in ends[""]] == [
            ("lantu", "name"),
            ("zeekr", "name"),
        ], root
        assert [(tag.brand, tag.reason) for tag in ends["-a"]] == [
            ("lantu", "root"),
            ("zeekr", "root"),
        ], root
        assert [(tag.brand, tag.reason) for tag in ends["-b"]] == [
            ("lantu", "root"),
            ("zeekr", "name"),
        ], root
        assert enriched[f"weibo:{root}-a"].text == "我的也是！"
        assert {(f"weibo:{root}{one}", "lantu") for one in ("", "-a", "-b")} <= mentions


async def test_a_reply_that_came_first_is_judged_again_once(bench: Bench) -> None:
    await bench.work([line("r", "我的也是", root="x")], [line("s", "无关")])
    assert await bench.brands("r") == []

    await bench.work([line("x", "岚图刹车异响")])

    assert await bench.brands("r") == ["lantu"]
    assert await bench.mentions() == {("weibo:r", "lantu"), ("weibo:x", "lantu")}

    # And the same root, seen again with nothing new, leaves it in peace
    await bench.work([line("x", "岚图刹车异响", 9)])
    assert await bench.written("posts.enriched", "weibo:r") == 2


async def test_the_alarm_waits_from_when_the_root_came(bench: Bench) -> None:
    await bench.work([line("r", "我的也是", root="x")], [line("x", "岚图刹车异响")])

    raw = [record async for record in bench.kafka.read_all("posts.raw")]
    again = [
        record
        async for record in bench.kafka.read_all("posts.enriched")
        if record.key == b"weibo:r"
    ][-1]
    assert again.header(RECEIVED_HEADER) == str(raw[-1].timestamp_ms).encode()


async def test_another_process_goes_on_where_the_first_died(bench: Bench) -> None:
    await bench.work([line("r", "我的也是", root="x"), line("y", "极氪")])
    await bench.new_process()

    await bench.work([line("x", "岚图刹车异响")], [line("s", "真的？", root="y")])

    assert await bench.brands("r") == ["lantu"]
    assert await bench.brands("s") == ["zeekr"]


@pytest.mark.parametrize("topic", ["posts.enriched", "threads"])
@pytest.mark.parametrize("dies", [False, True])
async def test_a_batch_that_was_not_written_whole_comes_again_and_misses_nothing(
    bench: Bench, topic: str, dies: bool
) -> None:
    await bench.work([line("r", "我的也是", root="x")])
    await bench.put(line("x", "岚图刹车异响"))
    bench.writer.fails_at = topic

    with pytest.raises(RetryableError):
        await bench.apply()
    if dies:
        await bench.new_process()
    await bench.apply()

    assert await bench.brands("r") == ["lantu"]
    await bench.work([line("s", "我的也是", root="x")])
    assert await bench.brands("s") == ["lantu"]


async def test_a_process_that_got_its_partition_back_knows_what_another_learned(
    bench: Bench,
) -> None:
    await bench.work([line("r", "我的也是", root="x")])
    first = bench.stage
    await bench.new_process()
    await bench.work([line("x", "岚图刹车异响")])

    first.let_go()
    bench.stage = first
    await bench.work([line("s", "我的也是", root="x")])

    assert await bench.brands("s") == ["lantu"]


async def test_a_reply_that_was_left_out_comes_in_when_its_root_names_a_brand(
    bench: Bench,
) -> None:
    options = {"relevance": {"keep": "matched"}}
    chain = build_chain(("keywords", "brands", "relevance"), options, RULES)
    await bench.new_process(chain)
    await bench.work([line("r", "我的也是", root="x")])
    [left_out] = [r async for r in bench.kafka.read_all("posts.dropped")]
    assert Drop.from_line(left_out.value or b"").post_id == "weibo:r"

    await bench.work([line("x", "岚图刹车异响")])

    assert await bench.brands("r") == ["lantu"]


async def test_a_root_that_is_left_out_since_its_edit_takes_its_brand_from_its_replies(
    bench: Bench,
) -> None:
    options = {"relevance": {"keep": "matched"}}
    chain = build_chain(("keywords", "brands", "relevance"), options, RULES)
    await bench.new_process(chain)
    await bench.work([line("x", "岚图刹车异响", 1)], [line("r", "极氪不会", root="x")])
    assert await bench.brands("r") == ["lantu", "zeekr"]

    await bench.work([line("x", "刹车异响", 2)])

    assert await bench.brands("r") == ["zeekr"]


async def test_hundreds_of_replies_are_read_and_written_some_at_a_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.judge.AGAIN_TOGETHER", 3)
    await bench.work(
        *([line(f"r{n}{m}", "我的也是", root="x") for m in range(4)] for n in range(5))
    )

    await bench.work([line("x", "岚图刹车异响")])

    posts = await bench.enriched()
    assert {post.id for post in posts.values() if post.brands} == {
        "weibo:x",
        *(f"weibo:r{n}{m}" for n in range(5) for m in range(4)),
    }


async def test_a_root_does_not_pay_for_a_reply_that_cannot_be_judged_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.work([line("r", "我的也是", root="x")])
    run = CHAIN.run

    def fail_at_replies(posts: Sequence[Any], roots: Any = {}) -> Any:  # noqa: B006
        if any(post.id == "weibo:r" for post in posts):
            raise ValueError("a bug")
        return run(posts, roots)

    monkeypatch.setattr(CHAIN, "run", fail_at_replies)

    await bench.work([line("x", "岚图刹车异响")])

    assert await bench.brands("x") == ["lantu"]
    assert await bench.brands("r") == []


async def test_who_lost_the_partition_leaves_its_threads_to_the_new_owner(bench: Bench) -> None:
    await bench.new_process(owns=False)

    await bench.work([line("x", "岚图刹车异响")])

    assert await bench.brands("x") == ["lantu"]
    assert [r async for r in bench.kafka.read_all("threads")] == []


async def test_a_reply_that_kafka_deleted_meanwhile_is_let_go(bench: Bench) -> None:
    await bench.work([line("r", "我的也是", root="x")], [line("s", "我也是", root="x")])
    async with bench.kafka.admin() as admin:
        place = TopicPartition(bench.kafka.topic("posts.raw"), 0)
        await admin.delete_records({place: RecordsToDelete(before_offset=1)})

    await bench.work([line("x", "岚图刹车异响")])

    assert await bench.brands("r") == []
    assert await bench.brands("s") == ["lantu"]


async def test_nothing_is_kept_where_no_brands_are_looked_for(bench: Bench) -> None:
    await bench.new_process(build_chain(("keywords",), {}, RULES))

    await bench.work([line("r", "我的也是", root="x"), line("x", "岚图")])

    assert [r async for r in bench.kafka.read_all("threads")] == []


async def test_a_memory_that_cannot_be_read_is_one_sentence(bench: Bench) -> None:
    await bench.writer.write({"threads": [Entry(0, b'{"format":7}', b"weibo:x")]})

    with pytest.raises(FatalError, match=r"threads 分区 0 偏移量 0 处的记录.*format"):
        await bench.work([line("r", "我的也是", root="x")])


async def test_a_topic_with_other_partitions_is_refused(bench: Bench) -> None:
    other = Kafka(
        bench.kafka.settings.model_copy(update={"prefix": bench.kafka.settings.prefix + "b."}),
        bench.kafka.address,
    )
    fewer = Kafka(other.settings.model_copy(update={"partitions": 1}), other.address)
    async with fewer.admin() as admin:
        await admin.create_topics([fewer._new_topic(TOPICS["threads"])])
    with pytest.raises(FatalError, match=r"threads 有 1 个分区，必须和 .*posts.raw 一样有 2 个"):
        await other.create_topics()

    with pytest.raises(FatalError, match=r"threads 有 1 个分区，必须和 .*posts.raw 一样有 2 个"):
        await ThreadLog(other).start()


async def test_the_topic_is_made_to_fit_what_is_there_whatever_the_settings_say(
    bench: Bench,
) -> None:
    prefix = bench.kafka.settings.prefix + "c."
    settings = bench.kafka.settings.model_copy(update={"prefix": prefix, "partitions": 1})
    today = Kafka(settings, bench.kafka.address)
    async with today.admin() as admin:
        await admin.create_topics([today._new_topic(TOPICS["posts.raw"], 3)])
        await today._partition_counts(admin, ["posts.raw"])  # it is there a moment later

    await today.create_topics()

    log = ThreadLog(today)
    await log.start()
    await log.stop()
    async with today.reader("threads") as (_, partitions):
        assert len(partitions) == 3
