"""Rules change while the line runs: at once, for everybody, and no post is lost or judged twice."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from pipeline.kafka import Entry, LineWriter
from pipeline.rule_retag import retag
from pipeline.rules import read_rule_file
from pipeline.status import live_workers
from processors.rule_trial import RuleJudge
from schemas.enriched import EnrichedPost
from schemas.topics import partition_of
from sinks.elasticsearch import Elasticsearch
from sinks.search import Search
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line, ask
from tests.pipeline.line_story import post

pytestmark = pytest.mark.services

PARTITIONS = 4
LIVE_WITHIN_SECONDS = 3.0


def rule_file(folder: Path, version: int, query: str = "刹车", set_id: str = "main") -> Path:
    path = folder / f"{set_id}-{version}.toml"
    path.write_text(
        f"""
id = "{set_id}"
version = {version}
author = "王"
reason = "第 {version} 版"
changed_at = 2026-03-05T12:00:00+08:00
[[rules]]
id = "brake"
name = "刹车"
query = "{query}"
""",
        encoding="utf-8",
    )
    return path


def raw(number: int, text: str = "刹车失灵", at: datetime | None = None) -> bytes:
    seen = at or datetime.now(UTC)
    tree = post(number, text, seen) | {"observed_at": seen.isoformat()}
    return json.dumps(tree, ensure_ascii=False).encode()


class Feeder:
    """Somebody who posts all the time; knows when each post was acknowledged at the latest."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._end = threading.Event()
        self.begun: dict[str, float] = {}
        """When each post was about to be written, in order."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._feed()))

    async def _feed(self) -> None:
        writer = LineWriter(self._line.kafka)
        await writer.start()
        number = 0
        while not self._end.is_set():
            number += 1
            self.begun[f"weibo:{number}"] = time.monotonic()
            await writer.write({"posts.raw": [Entry(number % PARTITIONS, raw(number))]})
            await asyncio.sleep(0.005)  # a rate, not a wait for something
        await writer.stop()

    @property
    def last(self) -> float:
        """When the last post began."""
        return next(reversed(self.begun.values()), 0.0)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._end.set()
            self._thread.join()


def enriched(line: Line) -> list[EnrichedPost]:
    return [EnrichedPost.from_line(one.value or b"") for one in line.records("posts.enriched")]


def ready_reasons(line: Line) -> list[str]:
    """What each enrich worker says besides that it is ready."""
    found = []
    for worker in live_workers(line.settings.folder):
        if worker.role == "enrich":
            answer = httpx.get(worker.url("/ready"), timeout=5.0, trust_env=False).json()
            found.append(answer.get("reason", "") if answer["status"] == "ready" else "?")
    return found


def test_a_change_is_live_within_seconds_and_every_post_is_judged_once(make_line: MakeLine) -> None:
    # Given two workers, and posts all the time
    line = make_line(partitions=PARTITIONS)
    line.ok("topics", "create")
    line.ok("rules", "push", rule_file(line.folder, 1))
    workers = [line.start("enrich", instance) for instance in (1, 2)]
    line.until(lambda: line.members("enrich") == 2, "both workers are members")
    feeder = Feeder(line)
    with feeder.running():
        line.until(lambda: line.count("posts.enriched") > 100, "posts are judged")

        # When a new version is published
        line.ok("rules", "push", rule_file(line.folder, 2))
        pushed = time.monotonic()
        enough = pushed + LIVE_WITHIN_SECONDS + 1.0
        line.until(lambda: feeder.last > enough, "posts go on for a while")
    line.until_drained("enrich")

    # Then each post was judged once, by one version or the other, and the later ones by the new one
    versions = {}
    for one in enriched(line):
        [match] = one.matches
        assert (match.rule_set, match.rule) == ("main", "brake")
        assert one.id not in versions, "judged twice"
        versions[one.id] = match.version
    assert set(versions) == set(feeder.begun), "none lost"
    assert set(versions.values()) == {1, 2}
    late = [id for id, began in feeder.begun.items() if began > pushed + LIVE_WITHIN_SECONDS]
    assert len(late) > 10
    assert {versions[id] for id in late} == {2}

    # And when a broken set comes past the check, the old one stays and everybody is told
    broken = rule_file(line.folder, 3, query="刹车 AND")
    content = read_rule_file(broken).to_line()
    line.produce("rules", content, key=b"main", partition=partition_of(b"main", PARTITIONS))
    line.until(
        lambda: len(found := ready_reasons(line)) == 2 and all("main@3" in one for one in found),
        "both say that they refuse it",
    )
    line.produce("posts.raw", raw(0))
    line.until_drained("enrich")
    assert [match.version for match in line_post(line, "weibo:0").matches] == [2]
    assert all("rule set refused" in worker.log.read_text() for worker in workers)
    assert "main@3" in line.ok("status").out

    # And a worker that starts now goes back to the good one
    workers[0].kill()
    line.workers.remove(workers[0])
    line.start("enrich", 3)
    line.until(
        lambda: len(found := ready_reasons(line)) == 2 and all("main@3" in one for one in found),
        "the new one refuses it too",
    )
    line.produce("posts.raw", *(raw(-number) for number in range(1, 9)))
    line.until_drained("enrich")
    assert Counter(
        match.version
        for one in enriched(line)
        if one.id.startswith("weibo:-")
        for match in one.matches
    ) == {2: 8}

    # Until a better one is there
    line.ok("rules", "push", rule_file(line.folder, 4))
    line.until(lambda: ready_reasons(line) == ["", ""], "nothing is refused any more")


def line_post(line: Line, post_id: str) -> EnrichedPost:
    [found] = [one for one in enriched(line) if one.id == post_id]
    return found


def test_every_team_has_its_own_rules(make_line: MakeLine) -> None:
    line = make_line(partitions=1, rules={"sets": ["main", "pr"]})
    line.ok("topics", "create")
    line.ok("rules", "push", rule_file(line.folder, 7))
    line.start("enrich")
    line.until(lambda: ask(line, "enrich", "/ready")[0] == 200, "enrich is ready")

    line.produce("posts.raw", raw(1))
    line.until_drained("enrich")
    pushed = line.ok("rules", "push", rule_file(line.folder, 3, "失灵", "pr"))
    numbers = iter(range(2, 10_000))

    def both() -> bool:
        line.produce("posts.raw", raw(next(numbers)))
        return any(len(one.matches) == 2 for one in enriched(line))

    line.until(both, "a post is judged by both sets")

    assert pushed.err == "", "a set that is followed"
    assert [(m.rule_set, m.version, m.rule) for m in line_post(line, "weibo:1").matches] == [
        ("main", 7, "brake")
    ]
    assert {
        tuple((m.rule_set, m.version, m.rule) for m in one.matches)
        for one in enriched(line)
        if len(one.matches) == 2
    } == {(("main", 7, "brake"), ("pr", 3, "brake"))}
    other = line.ok("rules", "push", rule_file(line.folder, 1, "失灵", "hr"))
    assert "hr" in other.err


def test_history_gets_todays_matches_without_duplicates(make_line: MakeLine) -> None:
    # Given posts in the index, judged by version 1
    line = make_line(partitions=2)
    line.ok("topics", "create")
    line.ok("rules", "push", rule_file(line.folder, 1))
    line.start("enrich")
    line.start("index")
    texts = ["刹车失灵", "漏水了", "刹车很灵", "很好"]
    line.produce("posts.raw", *(raw(number, text) for number, text in enumerate(texts)))
    ids = [f"weibo:{number}" for number in range(4)]
    line.until(lambda: line.indexed() == ids, "all are indexed")

    # When a version that asks for something else is tried, then published, then used for retagging
    new = rule_file(line.folder, 2, "失灵 OR 漏水")
    tried = line.ok("rules", "try", new, "--days", "2", "--json").data
    assert line.cli("rules", "try", new, "--days", "2", "--retag").code == 78
    line.ok("rules", "push", new)
    line.until(lambda: "main@2" in line.ok("rules", "show").out, "it is live")
    done = line.ok("rules", "try", new, "--days", "2", "--retag", "--json").data

    def matched() -> dict[str, list[int]]:
        return {
            one.id: [match.version for match in one.matches]
            for one in sorted(line.look(all_posts), key=lambda one: one.id)
        }

    # Then the index holds each post once, with the matches of version 2
    line.until(
        lambda: list(matched().values()) == [[2], [2], [], []], "the index has the new matches"
    )
    [rule] = tried["rules"]
    assert (rule["added"], rule["lost"], sum(rule["days"].values())) == (1, 1, 2)
    assert (tried["posts"], tried["retagged"]) == (4, None)
    assert done["retagged"] == {"looked_at": 4, "written": 3}
    assert line.indexed() == ids
    shown = line.ok("rules", "explain", "--post", "weibo:1", "--rule", "brake").out
    assert "matches" in shown and "[漏水]" in shown
    again = line.ok("rules", "try", new, "--days", "2", "--retag", "--json").data
    assert again["retagged"] == {"looked_at": 4, "written": 0}

    # And a post that was seen again meanwhile keeps its newer state
    stale = line.look(all_posts)
    newer = datetime.now(UTC)
    line.produce("posts.raw", raw(0, "刹车修好了", newer))
    line.until(lambda: line.post("weibo:0").text == "刹车修好了", "the newer state is indexed")
    judge = RuleJudge(read_rule_file(rule_file(line.folder, 3, "刹车")), {})
    report = asyncio.run(retag(line.kafka, judge, pages_of(stale)))
    line.until_drained("index")
    assert report.written == 3
    assert line.post("weibo:0").text == "刹车修好了"
    assert [match.version for match in line.post("weibo:2").matches] == [3]
    assert line.indexed() == ids


async def all_posts(index: Elasticsearch) -> list[EnrichedPost]:
    since = datetime(2020, 1, 1, tzinfo=UTC)
    return [one async for page in Search(index).every_post(since=since, page=3) for one in page]


async def pages_of(posts: Sequence[EnrichedPost]) -> AsyncIterator[Sequence[EnrichedPost]]:
    yield posts
