"""Real workers that hang: each ends itself with 75 and shows where; one that only waits does not.

What makes them hang is patched in by a launcher of this file; the product has no hook for it.
"""

import asyncio
import os
import re
import signal
import sys
import time
from contextlib import closing

import httpx
import orjson
import pytest
from aiokafka.errors import KafkaError

from pipeline import services
from pipeline.kafka import Kafka
from pipeline.loop import EXIT_WATCHDOG
from pipeline.services import RunningServices
from pipeline.status import live_workers
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line, Proxy, Worker, ask
from tests.pipeline.line_story import BEGIN, post

pytestmark = pytest.mark.services

#: Short, but a cold start on a busy machine has to fit in.
LIMITS = {
    "loop_seconds": 12,
    "step_seconds": 15,
    "progress_seconds": 20,
    "member_seconds": 6,
    "look_seconds": 0.2,
}
BEYOND_SECONDS = 25
LOOK = {"look_seconds": 0.3}

BLOCKED = """
import time
from pipeline.{module} import {stage}
def hang(self, raw, record):
    {how}
{stage}.decode = hang
"""
DEAF_HEARTBEAT = """
import aiokafka.consumer.group_coordinator as coordinator, aiokafka
async def pretend(self): return True
coordinator.GroupCoordinator._do_heartbeat = pretend
init = aiokafka.AIOKafkaConsumer.__init__
def shorter(self, *topics, **more):
    if more.get("group_id"):
        more["session_timeout_ms"] = 6_000
    init(self, *topics, **more)
aiokafka.AIOKafkaConsumer.__init__ = shorter
"""
FOR_EVER = """
import asyncio
from {module} import {owner}
async def hang(self, *_, **__): await asyncio.Event().wait()
{owner}.{method} = hang
"""
START = """
import sys
from pipeline.__main__ import main
sys.argv = ["tingchao", "worker", {role!r}]
main()
"""


RAW = orjson.dumps(post(1, "水壶漏电", BEGIN) | {"observed_at": BEGIN})


@pytest.fixture
def line(make_line: MakeLine) -> Line:
    made = make_line(partitions=2, watchdog=LIMITS, health=LOOK)
    made.ok("topics", "create")
    return made


def start(line: Line, role: str, patch: str) -> Worker:
    command = [sys.executable, "-c", patch + START.format(role=role)]
    worker = line.start_command(f"{role}-1", command)
    worker.expected_to_run = False
    return worker


def until_ended(worker: Worker) -> str:
    """Waits for its end by the watchdog; returns all that it said."""
    assert worker.code(60.0) == EXIT_WATCHDOG, worker.said()
    said = worker.log.read_text(errors="replace")
    assert "exit_code=75" in said
    assert "Thread 0x" in said  # the stacks of all threads
    return said


@pytest.mark.parametrize("how", ["time.sleep(3600)", "while True: pass"])
def test_a_blocked_loop_of_a_sink_is_caught(line: Line, how: str) -> None:
    patch = BLOCKED.format(module="index", stage="IndexStage", how=how)
    worker = start(line, "index", patch)
    line.produce("posts.enriched", b"{}")

    said = until_ended(worker)

    assert "the event loop has not answered" in said
    assert "in hang" in said  # the stack names the culprit
    assert line.behind("index") == 1  # nothing was committed


def test_a_blocked_loop_of_a_faust_role_is_caught(line: Line) -> None:
    patch = BLOCKED.format(module="enrich", stage="EnrichStage", how="time.sleep(3600)")
    worker = start(line, "enrich", patch)
    line.produce("posts.raw", RAW)

    said = until_ended(worker)

    assert "the event loop has not answered" in said
    assert "in hang" in said


@pytest.mark.parametrize("role", ["index", "watch"])
def test_a_silent_non_member_is_caught(line: Line, role: str) -> None:
    """Its heartbeats reach nobody and its client believes all is well; nothing is to be read."""
    worker = start(line, role, DEAF_HEARTBEAT)

    said = until_ended(worker)

    assert "among its group's members" in said
    assert "Heartbeat failed" not in said  # it did not know


@pytest.mark.parametrize(
    ("role", "owner", "method", "step"),
    [
        ("enrich", "pipeline.enrich:EnrichStage", "start", "starting"),
        ("index", "pipeline.index:IndexStage", "start", "starting"),
        ("watch", "pipeline.watch:WatchStage", "_read_state", "taking over"),
        ("enrich", "faust.tables.recovery:Recovery", "_resume_streams", "rebalancing"),
        ("ingest", "pipeline.kafka:LineWriter", "write", "writing"),
    ],
    ids=["start of a Faust role", "start of a sink", "take-over", "recovery", "a deaf producer"],
)
def test_a_step_that_stalls_is_caught(
    line: Line, role: str, owner: str, method: str, step: str
) -> None:
    module, _, name = owner.partition(":")
    worker = start(line, role, FOR_EVER.format(module=module, owner=name, method=method))
    if role == "watch":
        line.produce("signals", b'{"type":"tick","at":"2026-01-01T00:00:00Z","lane":0,"lanes":1}')

    said = until_ended(worker)

    assert f"{role} has been {step}" in said
    assert "Task " in said  # the stacks of the tasks too
    assert ", in hang" in said


def test_work_that_never_comes_to_a_commit_is_caught(line: Line) -> None:
    patch = FOR_EVER.format(module="pipeline.enrich", owner="EnrichStage", method="apply")
    worker = start(line, "enrich", patch)
    line.produce("posts.raw", RAW)

    said = until_ended(worker)

    assert "enrich is 1 records behind but has committed nothing" in said


def test_the_plain_faust_command_is_watched_too(line: Line) -> None:
    patch = FOR_EVER.format(module="pipeline.enrich", owner="EnrichStage", method="apply")
    command = """
import sys
from faust.cli.faust import cli
sys.argv = ["faust", "-A", "pipeline.faust_apps:enrich", "worker", "--without-web"]
cli()
"""
    worker = line.start_command("faust-1", [sys.executable, "-c", patch + command])
    line.until(lambda: ask(line, "enrich", "/ready")[0] == 200, "the health server answers")
    worker.expected_to_run = False
    line.produce("posts.raw", RAW)

    assert "committed nothing" in until_ended(worker)


def test_the_next_process_counts_the_exits_of_its_place(line: Line) -> None:
    patch = FOR_EVER.format(module="pipeline.index", owner="IndexStage", method="start")
    until_ended(start(line, "index", patch))
    worker = line.start("index")

    line.until(lambda: ask(line, "index", "/ready")[0] == 200, "index is ready")

    assert 'tingchao_watchdog_exits_total{role="index"} 1.0' in ask(line, "index", "/metrics")[1]
    worker.ask_to_end()
    assert worker.code() == 0


# --- and who must not be ended ----------------------------------------------------------------


def test_a_spare_process_without_partitions_is_left_alone(make_line: MakeLine) -> None:
    line = make_line(partitions=1, watchdog=LIMITS, health=LOOK)
    line.ok("topics", "create")
    for number in (1, 2):
        line.start("enrich", number)
    line.until(lambda: line.members("enrich") == 2, "both are members")
    both_since = time.monotonic()

    line.until(lambda: time.monotonic() - both_since > BEYOND_SECONDS, "beyond all limits")

    found = [
        httpx.get(one.url("/ready"), trust_env=False) for one in live_workers(line.settings.folder)
    ]
    assert [answer.json() for answer in found] == [{"status": "ready"}] * 2


@pytest.mark.parametrize("role", ["index", "watch"])
def test_a_broker_that_is_frozen_beyond_all_limits_is_no_hang(
    line: Line, local_services: RunningServices, role: str
) -> None:
    [kafka] = [one for one in services.status(local_services.config) if one.name == "kafka"]
    assert kafka.pid is not None
    worker = line.start(role)
    line.until(lambda: ask(line, role, "/ready")[1] == {"status": "ready"}, "ready")
    os.killpg(kafka.pid, signal.SIGSTOP)
    try:
        frozen_at = time.monotonic()
        line.until(lambda: time.monotonic() - frozen_at > BEYOND_SECONDS, "beyond all limits")
    finally:
        os.killpg(kafka.pid, signal.SIGCONT)

    line.until(lambda: ask(line, role, "/ready")[1] == {"status": "ready"}, "ready again")
    assert worker.process.poll() is None
    line.until(lambda: makes_topics(line), "the broker has its controller again, for other tests")


def makes_topics(line: Line) -> bool:
    settings = line.settings.kafka.model_copy(
        update={"prefix": f"thaw-{line.settings.kafka.prefix}"}
    )
    try:
        return bool(asyncio.run(Kafka(settings, line.kafka.address).create_topics()))
    except (KafkaError, FatalError):
        return False


def test_a_process_that_was_frozen_gets_its_full_time_again(line: Line) -> None:
    worker = line.start("index")
    line.until(lambda: ask(line, "index", "/ready")[1] == {"status": "ready"}, "ready")
    worker.process.send_signal(signal.SIGSTOP)
    frozen_at = time.monotonic()
    line.until(lambda: time.monotonic() - frozen_at > BEYOND_SECONDS, "beyond all limits")

    worker.process.send_signal(signal.SIGCONT)

    line.until(
        lambda: "the process was asleep" in worker.log.read_text(errors="replace"),
        "the watchdog saw it",
    )
    line.until(lambda: ask(line, "index", "/ready")[1] == {"status": "ready"}, "ready again")
    worker.check()


def oldest_seconds(line: Line) -> float:
    """How old the oldest uncommitted record is, as the worker tells."""
    _, text = ask(line, "index", "/metrics")
    found = re.search(
        r'^tingchao_oldest_uncommitted_seconds\{group="index",topic="posts.enriched"\} (.+)$',
        text or "",
        re.MULTILINE,
    )
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("away_at_start", [True, False])
def test_elasticsearch_away_beyond_all_limits_is_degraded_and_not_dead(
    make_line: MakeLine, elasticsearch_url: str, away_at_start: bool
) -> None:
    host, _, port = elasticsearch_url.removeprefix("http://").partition(":")
    with closing(Proxy(host, int(port))) as proxy:
        line = make_line(partitions=1, elasticsearch_url=proxy.url, watchdog=LIMITS, health=LOOK)
        line.ok("topics", "create")
        if not away_at_start:
            proxy.open()
        worker = line.start("index")
        if not away_at_start:
            line.until(lambda: ask(line, "index", "/ready")[1] == {"status": "ready"}, "ready")
            proxy.shut()
        line.produce("posts.enriched", EnrichedPost.model_validate_json(RAW).to_line())

        line.until(lambda: oldest_seconds(line) > BEYOND_SECONDS, "it waits beyond all limits")

        code, answer = ask(line, "index", "/ready")
        assert (code, answer["status"]) == (200, "degraded")
        assert "Elasticsearch" in answer["reason"]
        assert ask(line, "index", "/live") == (200, {"status": "live"})
        assert worker.process.poll() is None
        proxy.open()
        line.until_drained("index")
        line.until(lambda: ask(line, "index", "/ready")[1] == {"status": "ready"}, "ready again")
