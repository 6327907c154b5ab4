"""The health server of a process whose vitals the test writes; no broker."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from pipeline.breaker import Breaker, resume
from pipeline.guard import instance_number
from pipeline.health import PORT_ORDER, HealthServer, port_of
from pipeline.settings import HealthSettings, WatchdogSettings
from pipeline.status import live_workers
from pipeline.supervisor import INSTANCE_VARIABLE
from pipeline.vitals import Membership, Vitals
from pipeline.watchdog import Watchdog
from pipeline.worker import ROLES
from schemas.errors import FatalError
from schemas.language import use_language
from schemas.outcome import Rejected


class Served:
    """A process that serves its health."""

    def __init__(self, folder: Path) -> None:
        self.now = 100.0
        self.vitals = Vitals("index", ["index"], clock=lambda: self.now)
        self.reader = self.vitals.reader("index")
        self.watchdog = Watchdog(self.vitals, WatchdogSettings(), folder / "note")
        self.server = HealthServer(self.vitals, self.watchdog)
        self.port = self.server.start(HealthSettings(), 1, folder)

    def ask(self, path: str) -> tuple[int, Any]:
        answer = httpx.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False)
        return answer.status_code, answer.json()

    def started(self) -> "Served":
        self.reader.end("starting")
        return self


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    use_language("en")
    made = Served(tmp_path)
    yield made
    made.server.close()
    use_language(None)


def test_a_process_that_starts_is_live_and_not_ready(served: Served) -> None:
    assert served.ask("/live") == (200, {"status": "live"})
    assert served.ask("/ready") == (503, {"status": "starting", "reason": "index: starting"})


def test_a_process_that_reads_is_ready(served: Served) -> None:
    assert served.started().ask("/ready") == (200, {"status": "ready"})


def test_a_rebalance_is_not_ready(served: Served) -> None:
    served.started().reader.joined(Membership(lambda: "me", list, lambda: True))
    served.watchdog.look()

    assert served.ask("/ready") == (503, {"status": "starting", "reason": "index: rebalancing"})


def test_what_has_to_be_tried_again_is_degraded_until_it_was_delivered(served: Served) -> None:
    with served.started().reader.retrying("Elasticsearch is away"):
        reason = "index: Elasticsearch is away"
        assert served.ask("/ready") == (200, {"status": "degraded", "reason": reason})
    assert served.ask("/ready")[1]["status"] == "degraded"

    served.reader.delivered()

    assert served.ask("/ready") == (200, {"status": "ready"})


@pytest.mark.parametrize("away", ["kafka_away", "index_away"])
def test_surroundings_that_are_away_are_degraded_even_when_nothing_is_to_do(
    served: Served, away: str
) -> None:
    setattr(served.started().vitals, away, "nobody answers")

    assert served.ask("/ready") == (200, {"status": "degraded", "reason": "nobody answers"})
    assert served.ask("/live")[0] == 200


def test_a_halted_process_is_not_ready_and_says_why(served: Served) -> None:
    served.started().reader.halt("most lines are refused")

    code, answer = served.ask("/ready")

    assert (code, answer["status"]) == (503, "halted")
    assert "most lines are refused" in answer["reason"]


async def test_the_circuit_breaker_halts_the_process_until_it_is_resumed(
    served: Served, tmp_path: Path
) -> None:
    seen: list[tuple[int, Any]] = []

    async def meanwhile(seconds: float) -> None:
        seen.append(await asyncio.to_thread(served.ask, "/ready"))
        resume(tmp_path, "index", 0)

    note = tmp_path / "halted" / "index-1.json"
    breaker = Breaker("index", note, meanwhile, served.started().reader)
    breaker.passed(1_000)
    await breaker.refuse([Rejected("schema", "no post")] * 300)

    [(code, answer)] = seen
    assert (code, answer["status"]) == (503, "halted")
    assert "tingchao resume index" in answer["reason"]
    assert served.ask("/ready") == (200, {"status": "ready"})


def test_a_process_that_stops_is_not_ready(served: Served) -> None:
    served.started().vitals.stopping = True

    assert served.ask("/ready") == (503, {"status": "stopping"})


def test_the_verdict_of_the_watchdog_is_not_live(served: Served) -> None:
    served.watchdog.verdict = "the event loop has not answered"

    assert served.ask("/live") == (
        503,
        {"status": "hanging", "reason": "the event loop has not answered"},
    )


def test_nobody_watching_is_not_live(served: Served) -> None:
    served.now += 31

    code, answer = served.ask("/live")

    assert (code, answer["status"]) == (503, "unwatched")


def test_other_paths_are_not_found(served: Served) -> None:
    assert served.ask("/")[0] == 404
    assert served.ask("/metrics/")[0] == 404


def test_it_listens_on_the_loopback_only(served: Served, tmp_path: Path) -> None:
    [worker] = live_workers(tmp_path)

    assert (worker.host, worker.metrics_port) == ("127.0.0.1", served.port)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((_own_address(), served.port), timeout=5).close()


def _own_address() -> str:
    """An address of this machine that is not 127.0.0.1; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return "127.0.0.2"
        address: str = probe.getsockname()[0]
        return address


def test_every_role_has_its_ports_and_none_meets_another() -> None:
    assert set(PORT_ORDER) == set(ROLES)
    settings = HealthSettings(port=9400)

    ports = {port_of(settings, role, number) for role in ROLES for number in range(1, 65)}

    assert len(ports) == 5 * 64
    assert port_of(settings, "enrich", 2) == 9501
    assert port_of(HealthSettings(), "enrich", 2) == 0


def test_everywhere_is_noted_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vitals = Vitals("watch", ["watch"])
    server = HealthServer(vitals, Watchdog(vitals, WatchdogSettings(), tmp_path / "note"))
    server.start(HealthSettings(host="0.0.0.0"), 1, tmp_path)
    try:
        [note] = (tmp_path / "run").iterdir()
        assert json.loads(note.read_text())["host"] == "127.0.0.1"
    finally:
        server.close()


def test_a_note_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks removes a note that can't be read; the process would be unseen from then on."""

    def slowly(path: Path, content: str) -> None:
        with path.open("w") as file:
            file.write(content[:9])
            file.flush()
            assert live_workers(tmp_path) == []
            file.write(content[9:])

    monkeypatch.setattr(Path, "write_text", slowly)
    vitals = Vitals("watch", ["watch"])
    server = HealthServer(vitals, Watchdog(vitals, WatchdogSettings(), tmp_path / "note"))
    server.start(HealthSettings(), 1, tmp_path)
    try:
        assert [worker.role for worker in live_workers(tmp_path)] == ["watch"]
    finally:
        server.close()


def test_a_port_that_is_taken_is_one_sentence(served: Served, tmp_path: Path) -> None:
    vitals = Vitals("ingest")
    server = HealthServer(vitals, Watchdog(vitals, WatchdogSettings(), tmp_path / "note"))

    with pytest.raises(FatalError, match=f"127.0.0.1:{served.port}.*change host or port"):
        server.start(HealthSettings(port=served.port), 1, tmp_path)


@pytest.mark.parametrize(("given", "number"), [("", 1), ("3", 3), ("0", 1), ("two", 1)])
def test_the_supervisor_says_which_process_of_its_role_this_is(
    given: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(INSTANCE_VARIABLE, given)

    assert instance_number() == number


def test_a_stopped_loop_is_not_asked(served: Served) -> None:
    """The process ends in order, and its loop is closed before the watchdog is."""

    def closed(_: object) -> None:
        raise RuntimeError("Event loop is closed")

    loop = SimpleNamespace(is_closed=lambda: False, call_soon_threadsafe=closed)
    served.vitals.runs_on(loop)  # type: ignore[arg-type]

    served.watchdog.look()

    assert served.watchdog.verdict is None
