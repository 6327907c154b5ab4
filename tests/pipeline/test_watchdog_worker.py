"""Real workers that hang: each ends itself with 75 and shows where; one that only waits does not.

What makes them hang is patched in by a launcher of this file; the product has no hook for it.
"""

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

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
from tests.faults.proxy import FaultProxy
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line, Worker, ask, eventually
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
#: A broker that was frozen long has lost its own controller: clients come to rest only when their
#: last requests have timed out, after up to 40 s.
PATIENT = LIMITS | {"step_seconds": 50, "progress_seconds": 50, "member_seconds": 50}
FROZEN_SECONDS = 55
LOOK = {"look_seconds": 0.3}

BLOCKED = """
import time
from pipeline.{module} import {stage}
def hang(self, raw, record):
    {how}
{stage}.decode = hang
"""
DEAF_HEARTBEAT = """
import aiokafka.consumer.group_coordinator as coordinator
async def pretend(self): return True
coordinator.GroupCoordinator._do_heartbeat = pretend
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
START_PLAIN_FAUST = """
import sys
from faust.cli.faust import cli
sys.argv = ["faust", "-A", "pipeline.faust_apps:{role}", "worker", "--without-web"]
cli()
"""

RAW = orjson.dumps(post(1, "水壶漏电", BEGIN) | {"observed_at": BEGIN})
TICK = b'{"type":"tick","at":"2026-01-01T00:00:00Z","lane":0,"lanes":1}'


@dataclass(frozen=True)
class Hang:
    """One way to hang: the role, what is patched into it, and the record that brings it out."""

    role: str
    patch: str
    fed: tuple[str, bytes] | None = None
    start: str = START


def blocked(role: str, topic: str, how: str, line: bytes) -> Hang:
    patch = BLOCKED.format(module=role, stage=f"{role.title()}Stage", how=how)
    return Hang(role, patch, (topic, line))


def for_ever(role: str, owner: str, method: str, **more: Any) -> Hang:
    module, _, name = owner.partition(":")
    return Hang(role, FOR_EVER.format(module=module, owner=name, method=method), **more)


ENRICH_NEVER_DONE = ("enrich", "pipeline.enrich:EnrichStage", "apply")
HANGS = {
    "sleeping sink": blocked("index", "posts.enriched", "time.sleep(3600)", b"{}"),
    "spinning sink": blocked("index", "posts.enriched", "while True: pass", b"{}"),
    "sleeping Faust role": blocked("enrich", "posts.raw", "time.sleep(3600)", RAW),
    "silent sink": Hang("index", DEAF_HEARTBEAT),
    "silent Faust role": Hang("watch", DEAF_HEARTBEAT),
    "start of a Faust role": for_ever("enrich", "pipeline.enrich:EnrichStage", "start"),
    "start of a sink": for_ever("index", "pipeline.index:IndexStage", "start"),
    "take-over": for_ever(
        "watch", "pipeline.watch:WatchStage", "_read_state", fed=("signals", TICK)
    ),
    "recovery": for_ever("enrich", "faust.tables.recovery:Recovery", "_resume_streams"),
    "deaf producer": for_ever("ingest", "pipeline.kafka:LineWriter", "write"),
    "no commit": for_ever(*ENRICH_NEVER_DONE, fed=("posts.raw", RAW)),
    "no commit, plain Faust": for_ever(
        *ENRICH_NEVER_DONE, fed=("posts.raw", RAW), start=START_PLAIN_FAUST
    ),
}


@dataclass(frozen=True)
class Hung:
    """A process that was made to hang, and its line."""

    hang: Hang
    line: Line
    worker: Worker

    def said(self) -> str:
        """All that it said, the watchdog having ended it."""
        assert self.worker.process.poll() == EXIT_WATCHDOG, self.worker.said()
        said = self.worker.log.read_text(errors="replace")
        assert "exit_code=75" in said
        assert "Thread 0x" in said  # the stacks of all threads
        return said


@pytest.fixture(scope="module")
def hung(make_module_line: MakeLine) -> dict[str, Hung]:
    """Every way to hang, side by side: nearly all of it is waiting."""
    started = {}
    for name, hang in HANGS.items():
        line = make_module_line(partitions=2, watchdog=LIMITS, health=LOOK)
        line.ok("topics", "create")
        program = hang.patch + hang.start.format(role=hang.role)
        worker = line.start_command("hung", [sys.executable, "-c", program])
        worker.expected_to_run = False
        # One start after the other: a dozen at a time would be slow enough to look hung.
        line.until(lambda line=line: live_workers(line.settings.folder), f"{name} is watched")
        if hang.fed:
            line.produce(*hang.fed)
        started[name] = Hung(hang, line, worker)
    with suppress(AssertionError):  # the test of the one that lives on says so
        eventually(
            lambda: all(one.worker.process.poll() is not None for one in started.values()),
            "all have ended",
        )
    return started


@pytest.mark.parametrize("name", ["sleeping sink", "spinning sink", "sleeping Faust role"])
def test_a_blocked_loop_is_caught(hung: dict[str, Hung], name: str) -> None:
    said = hung[name].said()

    assert "the event loop has not answered" in said
    assert "in hang" in said  # the stack names the culprit


def test_a_sink_that_was_ended_has_committed_nothing(hung: dict[str, Hung]) -> None:
    assert hung["sleeping sink"].line.behind("index") == 1


@pytest.mark.parametrize("name", ["silent sink", "silent Faust role"])
def test_a_silent_non_member_is_caught(hung: dict[str, Hung], name: str) -> None:
    """Its heartbeats reach nobody and its client believes all is well; nothing is to be read."""
    said = hung[name].said()

    assert "among its group's members" in said
    assert "Heartbeat failed" not in said  # it did not know


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("start of a Faust role", "starting"),
        ("start of a sink", "starting"),
        ("take-over", "taking over"),
        ("recovery", "rebalancing"),
        ("deaf producer", "writing"),
    ],
)
def test_a_step_that_stalls_is_caught(hung: dict[str, Hung], name: str, step: str) -> None:
    said = hung[name].said()

    assert f"{hung[name].hang.role} has been {step}" in said
    assert "Task " in said  # the stacks of the tasks too
    assert ", in hang" in said


@pytest.mark.parametrize("name", ["no commit", "no commit, plain Faust"])
def test_work_that_never_comes_to_a_commit_is_caught(hung: dict[str, Hung], name: str) -> None:
    assert "enrich is 1 records behind but has committed nothing" in hung[name].said()


def test_the_next_process_counts_the_exits_of_its_place(hung: dict[str, Hung]) -> None:
    line = hung["start of a sink"].line
    worker = line.start("index")

    line.until(lambda: ask(line, "index", "/ready")[0] == 200, "index is ready")

    assert 'tingchao_watchdog_exits_total{role="index"} 1.0' in ask(line, "index", "/metrics")[1]
    worker.ask_to_end()
    assert worker.code() == 0


# --- and who must not be ended ----------------------------------------------------------------


READY = (200, {"status": "ready"})


@dataclass(frozen=True)
class Patient:
    """Lines that wait for good reasons, beyond all limits, side by side."""

    spare: Line
    """Two processes of one role share one partition."""
    frozen: Worker
    """An ``index`` that was stopped while it was ready."""
    frozen_line: Line
    proxy: FaultProxy
    """In front of the Elasticsearch of the next two."""
    away_at_start: Line
    away_later: Line


@pytest.fixture(scope="module")
def patient(make_module_line: MakeLine, elasticsearch_url: str) -> Iterator[Patient]:
    def ready(url: str | None = None) -> Line:
        line = make_module_line(partitions=1, elasticsearch_url=url, watchdog=LIMITS, health=LOOK)
        line.ok("topics", "create")
        return line

    with closing(FaultProxy.before(elasticsearch_url)) as proxy:
        spare, frozen_line = ready(), ready()
        away_at_start, away_later = ready(proxy.url), ready(proxy.url)
        for number in (1, 2):
            spare.start("enrich", number)
        frozen = frozen_line.start("index")
        away_later.start("index")
        spare.until(lambda: spare.members("enrich") == 2, "both are members")
        for line in (frozen_line, away_later):
            line.until(lambda line=line: ask(line, "index", "/ready") == READY, "ready")
        proxy.refuse()
        away_at_start.start("index")
        frozen.process.send_signal(signal.SIGSTOP)
        for line in (away_at_start, away_later):
            line.produce("posts.enriched", EnrichedPost.model_validate_json(RAW).to_line())
        since = time.monotonic()
        spare.until(lambda: time.monotonic() - since > BEYOND_SECONDS, "beyond all limits")
        for line in (away_at_start, away_later):
            line.until(lambda line=line: oldest_seconds(line) > BEYOND_SECONDS, "it waits")
        yield Patient(spare, frozen, frozen_line, proxy, away_at_start, away_later)
        for line in (away_at_start, away_later):
            line.close()  # before its Elasticsearch goes


def test_a_spare_process_without_partitions_is_left_alone(patient: Patient) -> None:
    found = [
        httpx.get(one.url("/ready"), trust_env=False)
        for one in live_workers(patient.spare.settings.folder)
    ]

    assert [answer.json() for answer in found] == [{"status": "ready"}] * 2


def test_a_process_that_was_frozen_gets_its_full_time_again(patient: Patient) -> None:
    line, worker = patient.frozen_line, patient.frozen

    worker.process.send_signal(signal.SIGCONT)

    line.until(
        lambda: "the process was asleep" in worker.log.read_text(errors="replace"),
        "the watchdog saw it",
    )
    line.until(lambda: ask(line, "index", "/ready") == READY, "ready again")
    worker.check()


def test_elasticsearch_away_beyond_all_limits_is_degraded_and_not_dead(patient: Patient) -> None:
    lines = (patient.away_at_start, patient.away_later)
    for line in lines:
        code, answer = ask(line, "index", "/ready")
        assert (code, answer["status"]) == (200, "degraded")
        assert "Elasticsearch" in answer["reason"]
        assert ask(line, "index", "/live") == (200, {"status": "live"})

    patient.proxy.listen()

    for line in lines:
        line.until_drained("index")
        line.until(lambda line=line: ask(line, "index", "/ready") == READY, "ready again")


def oldest_seconds(line: Line) -> float:
    """How old the oldest uncommitted record is, as the worker tells."""
    _, text = ask(line, "index", "/metrics")
    found = re.search(
        r'^tingchao_oldest_uncommitted_seconds\{group="index",topic="posts.enriched"\} (.+)$',
        text or "",
        re.MULTILINE,
    )
    return float(found[1]) if found else 0.0


def test_a_broker_that_is_frozen_beyond_all_limits_is_no_hang(
    make_line: MakeLine, local_services: RunningServices
) -> None:
    [kafka] = [one for one in services.status(local_services.config) if one.name == "kafka"]
    assert kafka.pid is not None
    line = make_line(partitions=2, watchdog=PATIENT, health=LOOK)
    line.ok("topics", "create")
    roles = ("index", "watch")
    workers = [line.start(role) for role in roles]

    def ready() -> bool:
        return all(ask(line, role, "/ready") == READY for role in roles)

    line.until(ready, "ready")
    os.killpg(kafka.pid, signal.SIGSTOP)
    try:
        frozen_at = time.monotonic()
        line.until(lambda: time.monotonic() - frozen_at > FROZEN_SECONDS, "beyond all limits")
    finally:
        os.killpg(kafka.pid, signal.SIGCONT)

    line.until(ready, "ready again")
    assert [worker.process.poll() for worker in workers] == [None, None]
    line.until(lambda: makes_topics(line), "the broker has its controller again, for other tests")


def makes_topics(line: Line) -> bool:
    settings = line.settings.kafka.model_copy(
        update={"prefix": f"thaw-{line.settings.kafka.prefix}"}
    )
    try:
        return bool(asyncio.run(Kafka(settings, line.kafka.address).create_topics()))
    except (KafkaError, FatalError):
        return False
