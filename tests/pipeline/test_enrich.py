"""The stage between ``posts.raw`` and everything behind it, with a writer that takes notes."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.enrich import EnrichStage
from pipeline.kafka import Entry
from pipeline.record import RECEIVED_HEADER, Item, Record
from processors.chain import Chain, build_chain
from processors.threads import Threads
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.envelope import split
from schemas.errors import RejectedError, RetryableError
from schemas.outcome import Done
from schemas.post import Post
from schemas.signals import Mention, Tick, parse_signal
from schemas.topics import TOPICS, partition_of
from tests.pipeline.incidents import gap_of
from tests.two_brands import two_brands

WRITTEN = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
PARTITIONS = {"posts.raw": 3, "posts.enriched": 5, "posts.dropped": 2, "signals": 4}
RULES = two_brands(keywords=[{"id": "safety", "name": "安全", "words": ["刹车"]}])


class NoteWriter:
    def __init__(self) -> None:
        self.writes: list[Mapping[str, Sequence[Entry]]] = []
        self.fails: list[Exception] = []

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def partitions(self, topic: str) -> int:
        return PARTITIONS[topic]

    async def write(self, writes: Mapping[str, Sequence[Entry]]) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop(0)
        self.writes.append(writes)

    def of(self, topic: str) -> list[Entry]:
        return [entry for writes in self.writes for entry in writes.get(topic, ())]

    def signals(self, partition: int) -> list[Any]:
        return [
            parse_signal(line)
            for entry in self.of("signals")
            if entry.partition == partition
            for line in split(entry.value or b"")
        ]


class Dropping:
    """Drops what says 广告, as an enricher with a word list would."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self.models = chain.models

    def run(self, posts: Sequence[Post], roots: Any = ()) -> list[EnrichedPost | Drop]:
        return [
            Drop(
                post_id=found.id,
                source=found.source,
                event_at=found.event_at,
                enricher="ads",
                reason="广告",
            )
            if isinstance(found, EnrichedPost) and "广告" in found.text
            else found
            for found in self._chain.run(posts, dict(roots))
        ]


class NoteThreads:
    """Remembers in memory alone; threads have tests of their own, on a real broker."""

    def __init__(self) -> None:
        self._threads = Threads()

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def forget(self) -> None: ...

    async def of(self, partition: int) -> Threads:
        return self._threads

    def entries(self) -> list[Entry]:
        return []


class Rig:
    def __init__(self) -> None:
        self.writer = NoteWriter()
        writer: Any = self.writer
        threads: Any = NoteThreads()
        self.chain: Any = Dropping(build_chain(("keywords", "brands"), {}, RULES))
        self.stage = EnrichStage(writer, lambda: self.chain, threads)

    async def apply(self, *lines: bytes, lane: int = 0) -> list[Any]:
        there = record(b"\n".join(lines), lane)
        items = [
            Item(there, number, raw, self.stage.decode(raw, there), number == len(lines))
            for number, raw in enumerate(lines, 1)
        ]
        return list(await self.stage.apply(items))


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    await rig.stage.start()
    return rig


def record(value: bytes = b"", lane: int = 0, at: datetime = WRITTEN) -> Record:
    return Record("posts.raw", lane, 7, int(at.timestamp() * 1000), None, value)


def post(number: int, text: str, **changes: Any) -> bytes:
    fields = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": text,
        "author": {"id": f"u{number}"},
        "published_at": WRITTEN.isoformat(),
        "observed_at": WRITTEN.isoformat(),
        "source": "weibo-main",
    }
    return json.dumps(fields | changes, ensure_ascii=False).encode()


def tick(at: datetime = WRITTEN, lane: int = 0, lanes: int = 1) -> bytes:
    return Tick(at=at, lane=lane, lanes=lanes).to_line()


# --- reading ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"{", "json"),
        (b"\x00", "json"),
        (b"\xff\xfe", "json"),
        (post(1, "刹车").replace("刹".encode(), b"\xed\xa0\x80"), "json"),
        (post(1, "刹车").replace("刹".encode(), b"\\ud800"), "json"),
        (post(1, "a\u0000b"), "schema"),
        (post(1, "刹车", extra=1), "schema"),
        (post(1, "字" * 100_001), "schema"),
        (post(1, "刹车", published_at="2026-03-05T04:00:00"), "schema"),
        (b'{"type":"tick","at":"soon","lane":0,"lanes":1}', "schema"),
        (b'{"type":"gap"}', "schema"),
        (b'{"type":"mention"}', "schema"),
        (b"[]", "schema"),
        (post(1, "刹车", observed_at="9999-12-31T23:59:59.999999Z"), "future"),
        (
            post(1, "刹车", observed_at=(WRITTEN + timedelta(hours=1, seconds=1)).isoformat()),
            "future",
        ),
        (tick(WRITTEN + timedelta(days=1)), "future"),
    ],
)
async def test_a_line_that_cannot_pass_is_rejected(rig: Rig, raw: bytes, kind: str) -> None:
    with pytest.raises(RejectedError) as caught:
        rig.stage.decode(raw, record())

    assert caught.value.kind == kind


@pytest.mark.parametrize(
    "observed", ["0001-01-01T00:00:00Z", "1969-01-01T00:00:00Z", "2026-03-05T05:00:00Z"]
)
async def test_a_sighting_long_ago_or_by_a_clock_slightly_ahead_passes(
    rig: Rig, observed: str
) -> None:
    assert isinstance(rig.stage.decode(post(1, "刹车", observed_at=observed), record()), Post)


async def test_a_ticks_lane_is_where_it_was_found_not_what_it_says(rig: Rig) -> None:
    found = rig.stage.decode(tick(lane=99, lanes=100), record(lane=2))

    assert found == Tick(at=WRITTEN, lane=2, lanes=3)


# --- writing ----------------------------------------------------------------------------------


async def test_each_post_becomes_one_record_under_its_id(rig: Rig) -> None:
    outcomes = await rig.apply(post(1, "岚图的刹车异响"), post(2, "天气不错"))

    assert outcomes == [Done(), Done()]
    entries = rig.writer.of("posts.enriched")
    found = [EnrichedPost.from_line(entry.value or b"") for entry in entries]
    assert [p.id for p in found] == ["weibo:1", "weibo:2"]
    assert [tag.brand for tag in found[0].brands] == ["lantu"]
    assert [match.words for match in found[0].matches] == [("刹车",)]
    for entry, enriched in zip(entries, found, strict=True):
        assert entry.key == enriched.id.encode()
        assert entry.partition == partition_of(enriched.id, 5)
        assert entry.headers == ((RECEIVED_HEADER, b"%d" % (WRITTEN.timestamp() * 1000)),)


async def test_mentions_go_to_their_brands_partition(rig: Rig) -> None:
    await rig.apply(post(1, "岚图和极氪"), post(2, "极氪"), post(3, "无关"))

    for brand, ids in (("lantu", ["weibo:1"]), ("zeekr", ["weibo:1", "weibo:2"])):
        found = rig.writer.signals(partition_of(brand, 4))
        assert [m.post_id for m in found if isinstance(m, Mention) and m.brand == brand] == ids


async def test_time_stands_behind_what_was_said_before_in_every_partition(rig: Rig) -> None:
    # Given posts, a tick, a gap and more posts in one record of lane 1
    gap = gap_of("s", WRITTEN)

    await rig.apply(post(1, "岚图"), tick(), post(2, "极氪"), gap.to_line(), lane=1)

    here = partition_of("lantu", 4)
    there = partition_of("zeekr", 4)
    expected: dict[int, list[str]] = {partition: ["tick", "gap"] for partition in range(4)}
    expected[here].insert(0, "mention")
    expected[there].insert(expected[there].index("gap"), "mention")
    for partition, types in expected.items():
        found = rig.writer.signals(partition)
        assert [signal.type for signal in found] == types
        assert Tick(at=WRITTEN, lane=1, lanes=3) in found
        assert gap in found


async def test_what_is_dropped_is_named_and_goes_nowhere_else(rig: Rig) -> None:
    outcomes = await rig.apply(post(1, "岚图 广告"), post(2, "岚图"))

    assert outcomes == [Done(), Done()]
    (dropped,) = rig.writer.of("posts.dropped")
    assert Drop.from_line(dropped.value or b"").post_id == "weibo:1"
    assert (dropped.key, dropped.partition) == (b"weibo:1", partition_of("weibo:1", 2))
    assert [e.key for e in rig.writer.of("posts.enriched")] == [b"weibo:2"]
    mentions = rig.writer.signals(partition_of("lantu", 4))
    assert [m.post_id for m in mentions] == ["weibo:2"]


async def test_the_same_lines_give_the_same_bytes_again(rig: Rig) -> None:
    lines = (post(1, "岚图的刹车"), tick(), post(2, "极氪"))

    await rig.apply(*lines)
    await rig.apply(*lines)

    assert rig.writer.writes[0] == rig.writer.writes[1]


async def test_a_broker_that_is_away_is_a_passing_fault(rig: Rig) -> None:
    rig.writer.fails = [RetryableError("away")]

    with pytest.raises(RetryableError):
        await rig.apply(post(1, "岚图"))

    assert await rig.apply(post(1, "岚图")) == [Done()]
    assert len(rig.writer.of("posts.enriched")) == 1


async def test_a_new_rule_set_takes_effect_between_two_batches(rig: Rig) -> None:
    await rig.apply(post(1, "岚图"))
    rig.chain = build_chain(("keywords",), {}, RULES)
    await rig.apply(post(2, "岚图"))

    first, second = (
        EnrichedPost.from_line(e.value or b"") for e in rig.writer.of("posts.enriched")
    )
    assert first.brands
    assert not second.brands


async def test_a_text_of_nothing_but_brand_names_stays_within_what_a_topic_takes(rig: Rig) -> None:
    one_sign = RULES.model_copy(
        update={
            "brands": tuple(brand.model_copy(update={"aliases": ("车",)}) for brand in RULES.brands)
        }
    )
    rig.chain = build_chain(("brands", "tokens", "signature"), {}, one_sign)

    outcomes = await rig.apply(post(1, "小车"), post(2, "车" * 100_000), post(3, "大车"))

    assert outcomes == [Done()] * 3
    written = rig.writer.of("posts.enriched")
    assert [entry.key for entry in written] == [b"weibo:1", b"weibo:2", b"weibo:3"]
    limit = TOPICS["posts.enriched"].max_message_bytes
    assert all(len(entry.value or b"") < limit / 2 for entry in written)
