"""``tingchao sources`` and ``tingchao connect``: what a person sees of the ears."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import weibo_push
from connectors.base import Batch, Context, Cursor, Seen, Way
from connectors.trouble import SourceError
from pipeline import clock, connect, metrics
from pipeline.backoff import Backoff
from pipeline.ingest import Ingest
from pipeline.kafka import Kafka
from pipeline.settings import KafkaSettings, Settings
from pipeline.source_progress import read_cursors
from pipeline.sources import STALE_SECONDS, source_rows
from schemas.post import Author, PostDraft
from schemas.source_status import Backfill, SourceStatus
from tests.connectors.weibo_server import PushServer
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Answer, cli
from tests.pipeline.line_story import BEGIN, post
from tests.pipeline.loopback import Loop
from tests.website import Website


def recording(folder: Path, *lines: bytes) -> Path:
    file = folder / "posts.jsonl"
    file.write_bytes(b"".join(line + b"\n" for line in lines))
    return file


def tingchao(folder: Path, settings: str, *arguments: str) -> Answer:
    file = folder / "tingchao.toml"
    file.write_text(f'language = "en"\nfolder = "work"\n{settings}', encoding="utf-8")
    return cli("--settings", file, *arguments)


def line(number: int, text: str = "水壶漏电") -> bytes:
    values = {k: v for k, v in post(number, text, BEGIN).items() if k != "observed_at"}
    return PostDraft.model_validate_json(_json(values)).to_line()


def _json(values: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(values)


# --- connect ----------------------------------------------------------------------------------


def test_a_trial_shows_the_first_five_posts_and_what_cannot_be_read(tmp_path: Path) -> None:
    file = recording(tmp_path, b"{broken", *(line(number) for number in range(1, 8)))

    said = tingchao(
        tmp_path, f'[sources.old]\nuse = "file"\npath = "{file}"', "connect", "old", "--check"
    )

    assert said.code == 0, said.err
    assert said.out.count("水壶漏电") == 5
    assert "can't be read" in said.out


def test_a_trial_of_what_cannot_be_read_says_one_sentence(tmp_path: Path) -> None:
    said = tingchao(
        tmp_path, '[sources.old]\nuse = "file"\npath = "nowhere.jsonl"', "connect", "old", "--check"
    )

    assert said.code == 78
    assert "nowhere.jsonl" in said.err
    assert "Traceback" not in said.err


FEED = """<?xml version="1.0" encoding="UTF-8"?><rss version="2.0"><channel><title>俱乐部</title>
<item><title>水壶漏电</title><guid>g1</guid><description>&lt;p&gt;刚买的&lt;/p&gt;</description>
<pubDate>Mon, 05 Jan 2026 08:00:00 +0800</pubDate></item></channel></rss>"""


@pytest.fixture
def website() -> Iterator[str]:
    """A server on this machine with one feed at /feed."""
    with Website() as website:
        website.pages["/feed"] = 200, FEED.encode()
        yield website.url


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("{site}/feed", 0, "水壶漏电"),
        ("{site}/nothing", 78, "there is nothing at"),
        ("http://127.0.0.1:1/feed", 78, "127.0.0.1 can't be reached"),
    ],
)
def test_a_trial_of_a_website_by_the_wall_clock(
    tmp_path: Path, website: str, address: str, code: int, says: str
) -> None:
    settings = f'[sources.club]\nuse = "feed"\nurls = ["{address.format(site=website)}"]'

    said = tingchao(tmp_path, settings, "connect", "club", "--check")

    assert (said.code, says in said.out + said.err) == (code, True), said


def test_a_stream_on_which_nothing_happens_can_be_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "TRIAL_SECONDS", 1.0)
    monkeypatch.setattr(weibo_push, "_LIFE_SIGN_SECONDS", 0.1)
    server = PushServer([])
    server.always = ["live"]
    with closing(Loop()) as loop:
        loop.run(server.__aenter__())
        stream = f'subscription_id = "1"\naddress = "{server.url}"'
        settings = f'[sources.push]\nuse = "weibo-push"\n{stream}'
        said = tingchao(tmp_path, settings, "connect", "push", "--check")
        loop.run(server.__aexit__())

    assert said.code == 0, said.err
    assert "push can be reached" in said.out


def test_an_unknown_source_names_those_that_there_are(tmp_path: Path) -> None:
    said = tingchao(
        tmp_path, '[sources.old]\nuse = "file"\npath = "x.jsonl"', "connect", "olt", "--check"
    )

    assert said.code == 78
    assert "no source olt (there is: old)" in " ".join(said.err.split())


def test_a_kind_shows_an_example_of_its_settings(tmp_path: Path) -> None:
    said = tingchao(tmp_path, "", "connect", "file")

    assert said.out.startswith("[sources.")
    assert 'use = "file"' in said.out


def test_without_check_nothing_is_read(tmp_path: Path) -> None:
    said = tingchao(tmp_path, '[sources.old]\nuse = "file"\npath = "nowhere"', "connect", "old")

    assert said.code == 0
    assert "tingchao connect old --check" in said.out


class Waiting:
    """Waits so often and so long in the middle of its only poll, then tells one post."""

    way: Way = "polled"
    every_seconds = 60.0

    def __init__(self, sleep: Any, *waits: float) -> None:
        self._sleep = sleep
        self._waits = waits

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        for wait in self._waits:
            await self._sleep(wait)
        yield Batch([seen(1)], {}, poll_ends=False)
        yield Batch([], {}, trouble=SourceError("gone", "the other feed is gone"))
        await self._sleep(54.0)
        raise AssertionError("a second poll")


@pytest.mark.parametrize(
    ("waits", "slept", "posts", "given_up"),
    [((10.0, 20.0), [10.0, 20.0], 1, None), ((29.0, 2.0), [29.0], 0, 2.0), ((90.0,), [], 0, 90.0)],
)
def test_a_trial_really_waits_for_half_a_minute(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    waits: tuple[float, ...],
    slept: list[float],
    posts: int,
    given_up: float | None,
) -> None:
    def build(name: str, section: Any, context: Context) -> Waiting:
        return Waiting(context.sleep, *waits)

    async def sleep(seconds: float) -> None:
        passed.append(seconds)

    passed: list[float] = []
    monkeypatch.setattr(connect, "build_connector", build)
    sources = {"club": {"use": "file", "path": "x.jsonl"}}
    settings = Settings.model_validate({"folder": tmp_path, "sources": sources})

    trial = asyncio.run(connect.try_source(settings, "club", sleep=sleep))

    assert (passed, len(trial.seen), trial.waits_seconds) == (slept, posts, given_up)
    assert trial.whole == (given_up is None)
    assert trial.trouble == ("the other feed is gone" if given_up is None else None)


def test_a_trial_that_is_cut_short_does_not_say_that_there_is_nothing(
    tmp_path: Path,
) -> None:
    # Given a site that wants two minutes between two requests, robots.txt being the first
    with Website() as site:
        site.pages["/robots.txt"] = 200, b"User-agent: *\nCrawl-delay: 120"
        site.pages["/feed"] = 200, FEED.replace("<item>", "<!--").replace("</item>", "-->").encode()
        site.pages["/b"] = 200, FEED.encode()
        urls = f'urls = ["{site.url}/feed", "{site.url}/b"]'

        said = tingchao(
            tmp_path, f'[sources.club]\nuse = "feed"\n{urls}', "connect", "club", "--check"
        )

    assert said.code == 0, said.err
    assert "was not read to the end" in said.out
    assert "2 min" in said.out or "120 s" in said.out
    assert "there are no posts" not in said.out


# --- sources ----------------------------------------------------------------------------------


class Script:
    """Yields what it is told, then raises what it is told."""

    way: Way = "polled"
    backfill: Backfill = "listed"
    every_seconds: float | None = 60.0

    def __init__(self, batches: list[Batch], error: Exception) -> None:
        self._batches = batches
        self._error = error

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        for batch in self._batches:
            yield batch
        raise self._error


def seen(number: int) -> Seen:
    draft = PostDraft(
        id=f"weibo:{number}",
        platform="weibo",
        kind="post",
        text="云帆水壶",
        author=Author(id="u"),
        published_at=BEGIN,
        source="own",
    )
    return Seen(draft, clock.now())


class GivenUpError(Exception):
    """Ends the endless retry of ingest."""


async def give_up(seconds: float) -> None:
    raise GivenUpError


@pytest.mark.services
async def test_trouble_is_noted_with_its_kind_and_the_last_success_is_kept(
    kafka_bootstrap: str, unique_prefix: str
) -> None:
    settings = KafkaSettings(prefix=unique_prefix.replace("-", "."), partitions=1)
    kafka = Kafka(settings, kafka_bootstrap)
    await kafka.create_topics()
    ingest = Ingest(kafka, backoff=lambda: Backoff(sleep=give_up))
    await ingest.start()
    connector: Any = Script(
        [
            Batch([seen(1)], {"page": 1}, quota_left=99),
            Batch([], {"page": 1}, quota_left=98, warning="soon"),
        ],
        SourceError("login", "log in again"),
    )
    with pytest.raises(GivenUpError):
        async for _ in ingest.run("own", "weibo", connector, {}):
            pass

    status = (await read_cursors(kafka))["own"]

    assert (status.state, status.trouble, status.error) == ("failing", "login", "log in again")
    assert (status.quota_left, status.warning) == (98, "soon")
    assert status.last_success_at is not None
    assert status.cursor_at is not None
    assert status.cursor_at < status.last_success_at  # the second batch brought nothing
    assert failing("own") == {"login"}

    # When it can be read again
    connector = Script([Batch([seen(2)], {"page": 2})], SourceError("quota", "wait"))
    async for _ in ingest.run("own", "weibo", connector, status.cursor):
        break
    await ingest.stop()

    assert (await read_cursors(kafka))["own"].trouble is None
    assert failing("own") == set()


def failing(source: str) -> set[str]:
    """The troubles that the metrics say a source has."""
    [family] = metrics.SOURCE_FAILING.collect()
    own = {
        one.labels["trouble"]: one.value for one in family.samples if one.labels["source"] == source
    }
    assert {"login", "captcha", "settings"} <= own.keys()  # at 0, before they ever come
    return {trouble for trouble, value in own.items() if value}


@pytest.mark.services
def test_the_table_tells_who_does_well(make_line: MakeLine) -> None:
    sources = {
        name: {"use": "file", "path": f"{name}.jsonl"}
        for name in ("healthy", "failing", "silent", "hanging", "unborn")
    }
    line = make_line(partitions=1, sources=sources)
    line.ok("topics", "create")
    now = clock.now()
    told = {"warning": "the token ends soon", "cursor_at": now - timedelta(days=3)}
    note(line, "healthy", "running", now, **told)
    note(line, "failing", "failing", now, trouble="captcha", error="solve [the] captcha")
    note(line, "silent", "running", now - timedelta(seconds=STALE_SECONDS + 60))
    note(line, "hanging", "running", now, trouble="stalled", error="no answer")
    note(line, "gone", "running", now)

    rows = asyncio.run(source_rows(line.settings, line.kafka, now))
    said = line.ok("sources").out

    assert {row.name: row.health for row in rows} == {
        "healthy": "ok",
        "failing": "failing",
        "silent": "stale",
        "hanging": "stale",
        "unborn": "new",
        "gone": "removed",
    }
    assert "failing [asks for a captcha] solve [the] captcha" in said
    assert "healthy the token ends soon" in said
    assert "never ran" in said
    assert "3 d ago" in said  # since when nothing was new
    assert {row["name"]: row["health"] for row in line.ok("sources", "--json").data}[
        "silent"
    ] == "stale"


def note(line: Any, name: str, state: Any, at: Any, **more: Any) -> None:
    status = SourceStatus(name=name, connector="file", state=state, at=at, **more)
    line.produce("sources", status.to_line(), key=name.encode())
