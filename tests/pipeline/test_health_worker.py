"""Every role as a real process, asked over HTTP: health, and metrics that fit what was done."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.status import Sample, live_workers
from pipeline.worker import ROLES
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import ROOT, Line, ask
from tests.pipeline.line_story import Story, write_story
from tests.website import Website

pytestmark = pytest.mark.services


@dataclass(frozen=True)
class Asked:
    """A line that did some work, and what each role says of itself."""

    line: Line
    story: Story
    samples: dict[str, Sample]

    def sum(self, of: str, name: str, /, **labels: str) -> float:
        """All samples of a name whose labels hold these."""
        found = [
            value
            for (sample, have), value in self.samples[of].items()
            if sample == name and labels.items() <= dict(have).items()
        ]
        assert found, f"{of} has no {name} {labels}"
        return sum(found)


@pytest.fixture(scope="module")
def forum() -> Iterator[Website]:
    with Website() as website:
        yield website


@pytest.fixture(scope="module")
def asked(
    make_module_line: MakeLine, tmp_path_factory: pytest.TempPathFactory, forum: Website
) -> Iterator[Asked]:
    folder = tmp_path_factory.mktemp("story")
    story = write_story(folder)
    forum.pages["/posts.json"] = 200, b'{"latest_posts": []}'
    sources = {
        "late": {"use": "replay", "path": str(story.late), "speed": 0},
        "forum": {"use": "discourse", "url": forum.url},
    }
    line = make_module_line(partitions=2, health={"look_seconds": 0.3}, sources=sources)
    line.ok("topics", "create")
    line.ok("rules", "push", story.rules)
    for role in ROLES:
        if role != "ingest":
            line.start(role)
    line.ok("replay", story.early)  # a crisis in recorded time, so before ingest's clock begins
    line.until_drained("enrich", "watch", "index", "notify-terminal")
    line.start("ingest")
    for role in ROLES:
        line.until(lambda role=role: ask(line, role, "/ready")[1] == {"status": "ready"}, role)
    line.until(lambda: _sent(line) >= _count(story.late), "ingest wrote its recording")
    line.until(lambda: _knows(line, "tingchao_source_quota_left"), "ingest read the forum")
    line.until_drained("enrich", "watch", "index", "notify-terminal")
    line.until(lambda: _lag(line) == 0, "the monitors saw that")
    yield Asked(line, story, {role: _samples(line, role) for role in ROLES})


def _samples(line: Line, role: str) -> Sample:
    return {
        (one.name, tuple(sorted(one.labels.items()))): one.value
        for family in text_string_to_metric_families(ask(line, role, "/metrics")[1])
        for one in family.samples
    }


def _sent(line: Line) -> float:
    key = ("tingchao_lines_sent_total", (("stage", "ingest"), ("topic", "posts.raw")))
    return _samples(line, "ingest").get(key, 0.0)


def _knows(line: Line, name: str) -> bool:
    return any(sample == name for sample, _ in _samples(line, "ingest"))


def _lag(line: Line) -> float:
    key = ("tingchao_lag_records", (("group", "index"), ("topic", "posts.enriched")))
    return _samples(line, "index").get(key, -1.0)


def _count(recording: Path) -> int:
    return len(recording.read_bytes().splitlines())


@pytest.mark.parametrize("role", ROLES)
def test_a_role_at_work_is_live_and_ready(asked: Asked, role: str) -> None:
    assert ask(asked.line, role, "/live") == (200, {"status": "live"})
    assert ask(asked.line, role, "/ready") == (200, {"status": "ready"})
    assert asked.sum(role, "tingchao_worker_state", state="ready") == 1
    assert asked.sum(role, "tingchao_worker_state") == 1


def test_status_shows_the_state_of_each_role(asked: Asked) -> None:
    rows = asked.line.ok("status", "--json").data

    assert {row["role"]: (row["state"], row["reason"]) for row in rows} == dict.fromkeys(
        ROLES, ("ready", "")
    )


def test_every_role_listens_on_the_loopback_only(asked: Asked) -> None:
    tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    listening = re.findall(r"^\s*\d+: (\w+):(\w{4}) \w+:0000 0A", tables, re.MULTILINE)
    workers = live_workers(asked.line.settings.folder)

    assert {worker.role for worker in workers} == set(ROLES)
    for worker in workers:
        [address] = [address for address, port in listening if int(port, 16) == worker.metrics_port]
        assert address == "0100007F"  # 127.0.0.1 in /proc


def test_ingest_counts_what_it_took_in(asked: Asked) -> None:
    posts = _count(asked.story.late)

    assert asked.sum("ingest", "tingchao_lines_received_total", stage="ingest") == posts
    assert asked.sum("ingest", "tingchao_lines_sent_total", topic="posts.raw") == posts
    assert asked.sum("ingest", "tingchao_publish_delay_seconds_count", source="late") == posts


def test_the_line_counts_what_passes(asked: Asked) -> None:
    posts = _count(asked.story.early) + _count(asked.story.late)

    assert asked.sum("enrich", "tingchao_lines_received_total", stage="enrich") > posts  # and ticks
    assert asked.sum("enrich", "tingchao_lines_sent_total", topic="posts.enriched") == posts
    assert asked.sum("enrich", "tingchao_lines_sent_total", topic="signals") > 0
    assert asked.sum("index", "tingchao_lines_delivered_total", stage="index") > posts  # incidents
    assert asked.sum("watch", "tingchao_lines_sent_total", topic="incidents") > 1
    assert asked.sum("notify", "tingchao_notices_delivered_total", channel="terminal") > 0
    for role in ("enrich", "index", "watch", "notify"):
        assert asked.sum(role, "tingchao_batch_lines_count", stage=role) > 0
        assert asked.sum(role, "tingchao_batch_seconds_sum", stage=role) > 0
        assert asked.sum(role, "tingchao_lines_retried_total") == 0
        assert asked.sum(role, "tingchao_lines_dead_lettered_total") == 0
        assert asked.sum(role, "tingchao_errors_total", kind="bug") == 0


def test_latencies_are_those_of_posts_that_passed(asked: Asked) -> None:
    posts = _count(asked.story.early) + _count(asked.story.late)

    for role, step in (("enrich", "enriched"), ("index", "indexed"), ("index", "searchable")):
        assert asked.sum(role, "tingchao_latency_seconds_count", step=step) == posts
    assert asked.sum("watch", "tingchao_latency_seconds_count", step="alarm") > 0
    searchable = asked.sum("index", "tingchao_latency_seconds_sum", step="searchable")
    assert 0 < asked.sum("index", "tingchao_latency_seconds_sum", step="indexed") < searchable


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/tingchao.json"])
def test_what_rules_and_dashboard_ask_for_is_exported(asked: Asked, file: str) -> None:
    text = (ROOT / "deploy" / file).read_text(encoding="utf-8")
    wanted = set(re.findall(r"\b(?:tingchao|process)_[a-z_]+", text))

    assert len(wanted) > 10
    assert wanted <= {name for samples in asked.samples.values() for name, _ in samples}


@pytest.mark.parametrize("role", ["enrich", "index", "watch", "notify"])
def test_every_group_knows_how_far_it_is(asked: Asked, role: str) -> None:
    group = "notify-terminal" if role == "notify" else role

    assert asked.sum(role, "tingchao_group_member", group=group) == 1
    assert asked.sum(role, "tingchao_lag_records", group=group) >= 0
    assert asked.sum(role, "tingchao_oldest_uncommitted_seconds", group=group) >= 0
    assert asked.sum(role, "tingchao_records_lost_total", group=group) == 0
    assert asked.sum(role, "tingchao_lag_looked_timestamp_seconds") > 1.7e9
    assert asked.sum(role, "tingchao_watchdog_exits_total", role=role) == 0
