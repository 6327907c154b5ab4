"""Ingest: the cursor never runs ahead of what the broker has, and time stands where it belongs."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.base import Batch, Cursor, Seen, Unreadable, Way
from connectors.trouble import SourceError
from pipeline.backoff import Backoff
from pipeline.dead_letters import read_dead_letters
from pipeline.ingest import Ingest
from pipeline.kafka import Entry, Kafka
from pipeline.settings import KafkaSettings
from pipeline.source_progress import read_cursors
from schemas.customer_event import CustomerEvent
from schemas.envelope import split
from schemas.errors import FatalError, RetryableError
from schemas.post import Author, Post, PostDraft
from schemas.signals import SourceGap, Tick
from schemas.source_status import Backfill
from schemas.topics import partition_of

pytestmark = pytest.mark.services

NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
LANES = 3


def draft(number: int, at: datetime = NOW, **changes: Any) -> PostDraft:
    fields: dict[str, Any] = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": f"第 {number} 条",
        "author": Author(id=f"u{number}"),
        "published_at": at,
        "source": "rec",
    }
    return PostDraft(**(fields | changes))


class Script:
    """A connector that yields what it is told, from where the cursor stands."""

    way: Way = "polled"
    backfill: Backfill = "whole"
    every_seconds: float | None = 60.0

    def __init__(self, *steps: Batch | Exception) -> None:
        self.steps = list(steps)
        self.cursors: list[dict[str, str | int]] = []

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        self.cursors.append(dict(cursor))
        place = int(cursor.get("place", 0))
        while place < len(self.steps):
            step = self.steps[place]
            place += 1
            if isinstance(step, Exception):
                self.steps.remove(step)
                raise step
            yield step


def batch(place: int, *numbers: int, **more: Any) -> Batch:
    return Batch([Seen(draft(number), NOW) for number in numbers], {"place": place}, **more)


def event(number: int, customer: str) -> CustomerEvent:
    return CustomerEvent(
        id=f"wechat:event-{number}",
        platform="wechat",
        source="rec",
        act="followed",
        native="subscribe",
        customer=customer,
        happened_at=NOW,
        observed_at=NOW,
    )


async def quick(seconds: float) -> None:
    await asyncio.sleep(0)


@pytest.fixture
async def kafka(kafka_bootstrap: str, unique_prefix: str) -> Kafka:
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=LANES)
    kafka = Kafka(settings, kafka_bootstrap)
    await kafka.create_topics()
    return kafka


NewIngest = Callable[[], Any]


@pytest.fixture
async def new_ingest(kafka: Kafka) -> AsyncIterator[NewIngest]:
    made: list[Ingest] = []

    async def new() -> Ingest:
        ingest = Ingest(kafka, now=lambda: NOW, backoff=lambda: Backoff(sleep=quick))
        made.append(ingest)
        await ingest.start()
        return ingest

    yield new
    for ingest in made:
        await ingest.stop()


async def run(ingest: Ingest, connector: Any, cursor: Cursor | None = None) -> None:
    async for _ in ingest.run("rec", "script", connector, cursor or {}):
        pass


async def lanes(kafka: Kafka) -> dict[int, list[Post | Tick]]:
    found: dict[int, list[Post | Tick]] = {lane: [] for lane in range(LANES)}
    async for record in kafka.read_all("posts.raw"):
        for raw in split(record.value or b""):
            if raw.startswith(b'{"type":"gap"'):
                continue
            kind = Tick if raw.startswith(b'{"type":"tick"') else Post
            found[record.partition].append(kind.from_line(raw))
    return found


async def posts(kafka: Kafka) -> list[str]:
    return sorted(
        line.id
        for group in (await lanes(kafka)).values()
        for line in group
        if isinstance(line, Post)
    )


# --- what is written --------------------------------------------------------------------------


async def test_posts_lie_in_their_threads_lane_in_order(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    drafts = [draft(n, root_id=f"weibo:{n % 4}" if n % 4 != n else None) for n in range(40)]
    connector = Script(Batch([Seen(d, NOW) for d in drafts], {"place": 1}))

    await run(await new_ingest(), connector)

    found = await lanes(kafka)
    for lane, group in found.items():
        assert [p.id for p in group if isinstance(p, Post)] == [
            d.id for d in drafts if partition_of(d.root_id or d.id, LANES) == lane
        ]
    assert not any(isinstance(line, Tick) for group in found.values() for line in group)


async def test_the_sighting_is_stamped_and_the_event_time_follows(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    old = draft(1, datetime(1970, 1, 1, tzinfo=UTC))

    await run(await new_ingest(), Script(Batch([Seen(old, NOW)], {})))

    (post,) = [line for group in (await lanes(kafka)).values() for line in group]
    assert isinstance(post, Post)
    assert (post.observed_at, post.event_clamped) == (NOW, True)
    assert post.event_at == NOW - timedelta(days=30)


async def test_what_is_unreadable_becomes_a_dead_letter_and_its_neighbours_pass(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    bad = [
        Unreadable(3, b'{"id":"weibo:9","x":"\xff', "json", "not valid JSON"),
        Unreadable(4, b'{"id":"weibo:8"}', "schema", "field 'text': Field required"),
    ]

    await run(await new_ingest(), Script(batch(1, 1, 2, unreadable=bad)))

    assert await posts(kafka) == ["weibo:1", "weibo:2"]
    found = [listed.letter for listed in await read_dead_letters(kafka)]
    assert sorted((x.line, x.kind, x.raw, x.post_id) for x in found) == [
        (3, "json", bad[0].raw, None),
        (4, "schema", bad[1].raw, "weibo:8"),
    ]
    assert {(x.source, x.stage, x.partition, x.offset) for x in found} == {
        ("rec", "ingest", -1, -1)
    }
    status = (await read_cursors(kafka))["rec"]
    assert (status.posts, status.rejected) == (2, 2)


async def test_the_same_item_again_is_the_same_letter_and_another_one_in_its_place_is_not(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    # Given a source that is asked again and again: every answer has a first item
    first = Unreadable(1, b"{first", "json", "?")
    second = Unreadable(1, b"{second", "json", "?")
    connector = Script(
        batch(1, unreadable=[first]), batch(2, unreadable=[second]), batch(3, unreadable=[first])
    )

    await run(await new_ingest(), connector)

    found = [listed.letter.raw for listed in await read_dead_letters(kafka)]
    assert sorted(found) == [b"{first", b"{second"]


async def test_an_item_longer_than_any_topic_holds_is_cut_and_says_so(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    raw = b"x" * (9 * 1024 * 1024)

    await run(await new_ingest(), Script(batch(1, 1, unreadable=[Unreadable(2, raw, "json", "?")])))

    (listed,) = await read_dead_letters(kafka)
    assert listed.letter.size == len(raw)
    assert len(base64.b64decode(listed.letter.value or "")) < len(raw)
    assert await posts(kafka) == ["weibo:1"]


async def test_what_customers_did_goes_to_its_own_topic_by_customer(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    acts = [event(1, "anna"), event(2, "bo"), event(3, "anna")]

    await run(await new_ingest(), Script(batch(1, 1, events=acts)))

    records = [record async for record in kafka.read_all("customer.events")]
    assert {CustomerEvent.from_line(record.value or b"").id for record in records} == {
        "wechat:event-1",
        "wechat:event-2",
        "wechat:event-3",
    }
    of_anna = [record for record in records if record.key == b"anna"]
    assert len({record.partition for record in of_anna}) == 1
    assert [CustomerEvent.from_line(record.value or b"").id for record in of_anna] == [
        "wechat:event-1",
        "wechat:event-3",
    ]
    assert await posts(kafka) == ["weibo:1"]
    assert (await read_cursors(kafka))["rec"].heard_at == NOW


# --- cursor -----------------------------------------------------------------------------------


class Fuse(BaseException):
    """The process is gone."""


def watch_writes(ingest: Ingest, hook: Callable[[str], None]) -> None:
    """Calls ``hook`` with each topic before it is written."""
    write = ingest._writer.write

    async def hooked(writes: Mapping[str, Sequence[Entry]]) -> None:
        for topic in writes:
            hook(topic)
        await write(writes)

    ingest._writer.write = hooked  # type: ignore[method-assign]


async def test_the_cursor_stands_behind_what_is_acknowledged(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    ingest = await new_ingest()

    await run(ingest, Script(batch(1, 1), batch(2, 2), batch(3)))

    status = (await read_cursors(kafka))["rec"]
    assert (status.state, status.cursor) == ("done", {"place": 3})
    assert (status.connector, status.error, status.last_post_at) == ("script", None, NOW)
    assert status.posts == 2


@pytest.mark.parametrize("dies_at", range(10))
async def test_wherever_it_dies_a_restart_from_the_cursor_loses_nothing_and_repeats_one_batch(
    kafka: Kafka, new_ingest: NewIngest, dies_at: int
) -> None:
    steps = tuple(batch(n, 2 * n - 1, 2 * n, events=[event(n, "anna")]) for n in (1, 2, 3))
    writes = 0

    def burn(topic: str) -> None:
        nonlocal writes
        if writes == dies_at:
            raise Fuse
        writes += 1

    ingest = await new_ingest()
    watch_writes(ingest, burn)
    with pytest.raises(Fuse):
        await run(ingest, Script(*steps))

    known = await read_cursors(kafka)
    cursor = known["rec"].cursor if "rec" in known else {}
    written = await posts(kafka)
    assert len(written) >= 2 * int(cursor.get("place", 0)), "the cursor ran ahead"
    await run(await new_ingest(), Script(*steps), cursor)

    again = await posts(kafka)
    assert set(again) == {f"weibo:{n}" for n in range(1, 7)}
    assert len(again) <= 6 + 2, "more than one batch came twice"
    acts = [record.value async for record in kafka.read_all("customer.events")]
    assert (len(set(acts)), len(acts) <= 4) == (3, True)


@pytest.mark.parametrize("topic", ["posts.raw", "customer.events", "sources"])
async def test_a_broker_that_is_away_is_waited_for_and_nothing_overtakes(
    kafka: Kafka, new_ingest: NewIngest, topic: str
) -> None:
    order: list[str] = []
    failures = 5

    def fail(written: str) -> None:
        nonlocal failures
        if written == topic and failures:
            failures -= 1
            raise RetryableError("away")
        order.append(written)

    ingest = await new_ingest()
    watch_writes(ingest, fail)
    await run(ingest, Script(batch(1, 1), batch(2, 2, events=[event(1, "anna")])))

    assert order == ["posts.raw", "sources", "posts.raw", "customer.events", "sources", "sources"]
    assert failures == 0
    assert await posts(kafka) == ["weibo:1", "weibo:2"]


async def test_a_restart_goes_on_counting(kafka: Kafka, new_ingest: NewIngest) -> None:
    await run(
        await new_ingest(), Script(batch(1, 1, 2, unreadable=[Unreadable(3, b"{", "json", "?")]))
    )

    ingest = await new_ingest()
    cursor = ingest.resume((await read_cursors(kafka))["rec"])
    await run(ingest, Script(batch(1), batch(2, 4)), cursor)

    status = (await read_cursors(kafka))["rec"]
    assert (status.posts, status.rejected, status.cursor) == (3, 1, {"place": 2})


async def test_a_topic_that_is_not_known_yet_is_waited_for(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    ingest = await new_ingest()
    partitions = ingest._writer.partitions
    failures = 3

    async def late(topic: str) -> int:
        nonlocal failures
        if topic == "sources" and failures:
            failures -= 1
            raise RetryableError("topic sources does not exist")
        return int(await partitions(topic))

    ingest._writer.partitions = late

    await run(ingest, Script(batch(1, 1)))

    assert await posts(kafka) == ["weibo:1"]
    assert (await read_cursors(kafka))["rec"].cursor == {"place": 1}


async def test_a_source_that_fails_is_asked_again_from_its_last_cursor(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    connector = Script(batch(1, 1), RetryableError("断网"), RetryableError("断网"), batch(2, 2))

    await run(await new_ingest(), connector)

    assert connector.cursors == [{}, {"place": 1}, {"place": 1}]
    assert await posts(kafka) == ["weibo:1", "weibo:2"]
    statuses = [record.value or b"" async for record in kafka.read_all("sources")]
    assert sum(b'"failing"' in line and "断网".encode() in line for line in statuses) == 2
    assert (await read_cursors(kafka))["rec"].state == "done"


async def test_a_source_that_needs_a_person_says_so_in_its_status(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    with pytest.raises(FatalError, match="密钥"):
        await run(await new_ingest(), Script(batch(1, 1), FatalError("密钥过期，请更换")))

    status = (await read_cursors(kafka))["rec"]
    assert (status.state, status.error, status.cursor) == (
        "failing",
        "密钥过期，请更换",
        {"place": 1},
    )
    assert (status.last_success_at, status.trouble) == (NOW, "settings")


# --- gaps -------------------------------------------------------------------------------------


async def gaps(kafka: Kafka) -> list[SourceGap]:
    return [
        SourceGap.from_line(raw)
        async for record in kafka.read_all("posts.raw")
        for raw in split(record.value or b"")
        if raw.startswith(b'{"type":"gap"')
    ]


class Watch:
    """A clock that moves while somebody waits."""

    def __init__(self) -> None:
        self.now = NOW
        self.waits: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=max(seconds, 20))

    def ingest(self, kafka: Kafka) -> Ingest:
        return Ingest(kafka, now=lambda: self.now, backoff=lambda: Backoff(sleep=self.sleep))


async def test_a_source_that_stumbles_is_no_gap(kafka: Kafka) -> None:
    ingest = Watch().ingest(kafka)
    await ingest.start()

    await run(ingest, Script(batch(1, 1), SourceError("server", "502"), batch(2, 2)))
    await ingest.stop()

    assert await gaps(kafka) == []


async def test_a_source_that_stays_away_is_a_gap_until_it_is_heard_again(kafka: Kafka) -> None:
    watch = Watch()
    ingest = watch.ingest(kafka)
    await ingest.start()
    away = [SourceError("unreachable", "no answer") for _ in range(6)]

    await run(ingest, Script(batch(1, 1), *away, batch(2, 2)))
    await ingest.stop()

    begun, ended = await gaps(kafka)
    assert (begun.source, begun.started_at, begun.ended_at) == ("rec", NOW, None)
    assert (begun.trouble, begun.reason, begun.backfill) == ("unreachable", "no answer", "whole")
    assert (ended.started_at, ended.ended_at) == (NOW, watch.now)
    assert (await read_cursors(kafka))["rec"].gap_since is None


@pytest.mark.parametrize("trouble", ["login", "forbidden", "captcha", "gone", "format"])
async def test_what_needs_a_person_is_a_gap_at_once_and_is_not_asked_again_at_once(
    kafka: Kafka, trouble: Any
) -> None:
    watch = Watch()
    ingest = watch.ingest(kafka)
    await ingest.start()

    await run(ingest, Script(batch(1, 1), SourceError(trouble, "?"), batch(2, 2)))
    await ingest.stop()

    assert len(await gaps(kafka)) == 2
    assert min(watch.waits) >= 60


async def test_a_part_that_stays_away_is_one_gap_however_much_the_rest_brings(
    kafka: Kafka,
) -> None:
    # Given two lists: one is read in every poll, one is refused in four of them
    watch = Watch()
    ingest = watch.ingest(kafka)
    await ingest.start()
    polls: list[Batch] = [batch(1, 1)]
    for number in range(2, 6):
        polls.append(batch(2 * number, number, poll_ends=False))
        refused = SourceError("login", f"list 2 wants a login ({number})")
        polls.append(batch(2 * number + 1, trouble=refused))
    polls += [batch(12, 6, poll_ends=False), batch(13)]

    states = []
    async for progress in ingest.run("rec", "script", Script(*polls), {}):
        states.append((progress.state, progress.last_success_at))
        watch.now += timedelta(minutes=5)
    await ingest.stop()

    # Then people are told once, when it began and when it was over, and nobody had to wait
    begun, ended = await gaps(kafka)
    assert (begun.trouble, begun.reason) == ("login", "list 2 wants a login (2)")
    assert (begun.started_at, begun.ended_at) == (NOW, None)
    assert (ended.started_at, ended.ended_at) == (NOW, NOW + timedelta(minutes=50))
    assert [state for state, _ in states] == ["running", "running", *["failing"] * 8, "running"]
    assert {heard for _, heard in states[:10]} == {NOW}
    assert watch.waits == []
    assert await posts(kafka) == [f"weibo:{number}" for number in range(1, 7)]


async def test_a_defect_in_a_connector_silences_that_source_and_is_told(
    kafka: Kafka, capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch()
    ingest = watch.ingest(kafka)
    await ingest.start()

    await run(ingest, Script(batch(1, 1), OverflowError("date value out of range"), batch(2, 2)))
    await ingest.stop()

    begun, ended = await gaps(kafka)
    assert begun.trouble == "format"
    assert "OverflowError: date value out of range" in begun.reason
    assert ended.ended_at is not None
    assert await posts(kafka) == ["weibo:1", "weibo:2"]
    assert min(watch.waits) >= 60


async def test_a_new_state_of_an_old_post_is_no_sign_of_life(kafka: Kafka) -> None:
    # Given a source that brings one post, and then only its likes
    watch = Watch()
    ingest = watch.ingest(kafka)
    await ingest.start()
    old = Script(*(batch(number, 1) for number in range(1, 9)))
    old.every_seconds = 1_800

    async for _ in ingest.run("rec", "script", old, {}, silent_after=timedelta(hours=2)):
        watch.now += timedelta(minutes=30)
        await ingest.look()
    await ingest.stop()

    # Then its silence is told
    [gap] = await gaps(kafka)
    assert (gap.trouble, gap.started_at) == ("silent", NOW)


async def test_a_wrong_clock_does_not_pass_for_the_newest_post(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    future = Seen(draft(1, NOW.replace(year=2099)), NOW)

    await run(await new_ingest(), Script(Batch([future], {"place": 1}), batch(2, 2)))

    newest = (await read_cursors(kafka))["rec"].last_post_at
    assert newest == NOW + timedelta(minutes=5)


async def test_a_source_has_the_rest_that_its_platform_asks_for_up_to_a_day(kafka: Kafka) -> None:
    watch = Watch()
    ingest = watch.ingest(kafka)
    await ingest.start()
    asked = [SourceError("quota", "?", retry_after_seconds=wait) for wait in (50_000.0, 1e9)]

    await run(ingest, Script(batch(1, 1), *asked, batch(2, 2)))
    await ingest.stop()

    assert watch.waits == [50_000.0, 86_400.0]


async def test_the_time_in_which_nobody_listened_is_a_gap(kafka: Kafka) -> None:
    # Given a source that was read until an hour ago, by a process that is gone
    watch = Watch()
    first = watch.ingest(kafka)
    await first.start()
    async for _ in first.run("rec", "script", Script(batch(1, 1), batch(2, 2)), {}):
        break
    await first.stop()
    watch.now += timedelta(hours=1)

    # When another process goes on
    again = watch.ingest(kafka)
    await again.start()
    cursor = again.resume((await read_cursors(kafka))["rec"])
    await run(again, Script(batch(1, 1), batch(2, 2)), cursor)
    await again.stop()

    # Then its first success says since when nobody listened
    [gap] = await gaps(kafka)
    assert (gap.started_at, gap.ended_at) == (NOW, watch.now)


async def test_a_quick_restart_between_two_polls_is_no_gap(kafka: Kafka) -> None:
    # Given a source that is asked every half hour, by a process that ran until just now
    watch = Watch()
    first = watch.ingest(kafka)
    await first.start()
    rarely = Script(batch(1, 1), batch(2, 2))
    rarely.every_seconds = 1_800
    running = first.run("rec", "script", rarely, {})
    await anext(running)
    for _ in range(20):
        watch.now += timedelta(seconds=60)
        await first.look()
    await running.aclose()  # type: ignore[attr-defined]
    await first.stop()
    noted = (await read_cursors(kafka))["rec"]
    assert (noted.last_success_at, noted.at) == (NOW, watch.now)

    # When the next process begins a little later
    watch.now += timedelta(seconds=20)
    again = watch.ingest(kafka)
    await again.start()
    cursor = again.resume(noted)
    await run(again, Script(batch(1, 1), batch(2, 2)), cursor)
    await again.stop()

    # Then nobody missed anything
    assert await gaps(kafka) == []


class Hanging(Script):
    """Fails as it is told, then neither yields nor fails."""

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        for step in self.steps:
            assert isinstance(step, Exception)
            self.steps.remove(step)
            raise step
        self.cursors.append(dict(cursor))
        await asyncio.Event().wait()
        yield batch(0)


@pytest.mark.parametrize("errors", [[], [SourceError("server", "502")]], ids=["hangs", "fails"])
async def test_a_process_that_has_read_nothing_yet_hides_no_gap(
    kafka: Kafka, errors: list[Exception]
) -> None:
    # Given a source that was read an hour ago, and a process that began since and got no answer
    watch = Watch()
    first = watch.ingest(kafka)
    await first.start()
    await anext(first.run("rec", "script", Script(batch(1, 1), batch(2, 2)), {}))
    await first.stop()
    watch.now += timedelta(hours=1)
    second = watch.ingest(kafka)
    await second.start()
    hanging = Hanging(*errors)
    cursor = second.resume((await read_cursors(kafka))["rec"])
    task = asyncio.create_task(run(second, hanging, cursor))
    async with asyncio.timeout(10):
        while not hanging.cursors:
            await asyncio.sleep(0)
    await second.look()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await second.stop()

    # When the next one reads
    again = watch.ingest(kafka)
    await again.start()
    cursor = again.resume((await read_cursors(kafka))["rec"])
    await run(again, Script(batch(1, 1), batch(2, 2)), cursor)
    await again.stop()

    # Then the whole hour is told
    [gap] = await gaps(kafka)
    assert (gap.trouble, gap.started_at, gap.ended_at) == ("unheard", NOW, watch.now)


async def test_a_recording_leaves_no_gap(kafka: Kafka, new_ingest: NewIngest) -> None:
    class Recording(Script):
        way: Way = "recorded"

    with pytest.raises(FatalError):
        await run(await new_ingest(), Recording(batch(1, 1), FatalError("no such file")))

    assert await gaps(kafka) == []


# --- time -------------------------------------------------------------------------------------


def recording(*minutes: float, clock: float | None = None, place: int = 1) -> Batch:
    seen = []
    for minute in minutes:
        at = NOW + timedelta(minutes=minute)
        seen.append(Seen(draft(int(minute * 10), at), at))
    last = clock if clock is not None else max(minutes)
    return Batch(seen, {"place": place}, clock=NOW + timedelta(minutes=last))


async def test_a_tick_stands_before_the_first_post_of_each_quarter_in_every_lane(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    minutes = [1, 2, 14.9, 15, 16, 31, 31.5, 75]
    steps = [recording(*minutes[:4]), recording(*minutes[4:], place=2)]

    await run(await new_ingest(), Script(*steps))

    for lane, group in (await lanes(kafka)).items():
        ticks = [line for line in group if isinstance(line, Tick)]
        assert {(t.lane, t.lanes) for t in ticks} == {(lane, LANES)}
        assert [t.at for t in ticks] == sorted({t.at for t in ticks}), "time never goes back"
        for quarter in (0, 15, 30, 75):
            assert NOW + timedelta(minutes=quarter) in [t.at for t in ticks]
        clock = None
        for line in group:
            if isinstance(line, Tick):
                clock = line.at
            else:
                assert clock is not None
                assert line.observed_at - QUARTER < clock <= line.observed_at
    assert (await lanes(kafka))[0][-1].at == NOW + timedelta(minutes=75)  # type: ignore[union-attr]


async def test_a_quiet_stretch_of_a_recording_moves_the_clock(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    quiet = Batch([], {"place": 2}, clock=NOW + timedelta(hours=2))

    await run(await new_ingest(), Script(recording(1), quiet))

    for group in (await lanes(kafka)).values():
        last = group[-1]
        assert isinstance(last, Tick)
        assert last.at == NOW + timedelta(hours=2)


async def test_a_live_source_has_no_clock_of_its_own_but_a_tick_comes_every_second(
    kafka: Kafka, new_ingest: NewIngest
) -> None:
    ingest = await new_ingest()

    ticking = asyncio.create_task(ingest.tick_for_ever())
    async with asyncio.timeout(20):
        while not all((await lanes(kafka)).values()):
            await asyncio.sleep(0)
    ticking.cancel()
    await asyncio.gather(ticking, return_exceptions=True)

    for lane, group in (await lanes(kafka)).items():
        assert group[0] == Tick(at=NOW, lane=lane, lanes=LANES)
