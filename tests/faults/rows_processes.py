"""Rows in which worker processes are killed, asked to end, multiplied, frozen."""

import asyncio
import random
import signal
import time

from pipeline.status import live_workers, sample
from tests.faults.bench import Bench
from tests.faults.crew import Crew
from tests.faults.matrix import row, slices

__all__: list[str] = []


@row("1", "kill -9 of a worker in mid-batch, five times")
def worker_killed(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew(enrich=2, index=1, watch=1, notify=1)
    victims = ["enrich", "index", "watch", "enrich-2", "notify"]
    random.Random(bench.seed).shuffle(victims)
    bench.joined(enrich=2)
    for victim in victims:
        with bench.moving():
            bench.feed.next(slices(bench, 5))
        crew.kill(victim)
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()
    assert crew.restarts >= len(victims)


@row("2", "kill -9 after the bulk request was answered, before anything is acknowledged")
def killed_before_ack(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew(failpoints="index.after_bulk", tokens=2)
    bench.feed.rest()
    bench.nothing_refused()
    assert crew.ends("index") == ["-9"] * 2
    assert bench.proxy.sent_documents > bench.feed.lines, "nothing was written twice: no fault"


@row("3a", "SIGTERM in mid-batch, Elasticsearch healthy")
def asked_to_end(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew()
    with bench.moving():
        bench.feed.next(slices(bench, 2))
    for role in ("enrich", "index", "watch", "notify"):
        _ends_within(bench, crew, role, 10)
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


@row("3b", "SIGTERM in mid-batch, Elasticsearch hangs")
def asked_to_end_while_hung(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew()
    bench.feed.next(slices(bench, 3))
    bench.until(lambda: bench.proxy.sent_documents, "index writes")
    with bench.proxy.hanging():
        bench.feed.next(slices(bench, 3))
        bench.drained("enrich")
        _ends_within(bench, crew, "index", 10)
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


def _ends_within(bench: Bench, crew: Crew, role: str, seconds: float) -> None:
    before = len(crew.ends(role))
    pid = crew.send(role, signal.SIGTERM)
    bench.until(lambda: len(crew.ends(role)) > before, f"{role} ({pid}) ends", seconds)
    assert crew.ends(role)[-1] == "0", crew.said()[-3_000:]


@row("4", "1, 3, 1 workers of each role under load")
def scaled(bench: Bench) -> None:
    bench.begin()
    bench.crew(enrich=1, index=1, watch=1, notify=1)
    bench.joined(enrich=1, index=1, watch=1)
    bench.feed.next(slices(bench, 3))
    more = bench.crew(enrich=2, index=2, watch=2, instance=2)
    bench.joined(enrich=3, index=3, watch=3)
    began = time.monotonic()
    with bench.moving():
        bench.feed.next(slices(bench, 3))
    assert time.monotonic() - began < 15, "the rebalance took too long"
    more.close()
    bench.joined(enrich=1, index=1, watch=1)
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


@row("5", "a worker of each role frozen for longer than its session, then awake again")
def frozen(bench: Bench) -> None:
    bench.begin()
    crew = bench.crew(enrich=1, index=1, watch=1, notify=1)
    bench.crew(enrich=1, index=1, watch=1, instance=2)
    bench.joined(enrich=2, index=2, watch=2)
    share = slices(bench, 3)
    with bench.moving():
        bench.feed.next(share)
    asleep = [crew.freeze(role) for role in ("enrich", "index", "watch")]
    with bench.moving("watch.checkpoints"):  # the others take over and move on
        bench.feed.next(share)
        bench.joined(enrich=1, index=1, watch=1)
    time.sleep(max(0.0, bench.scale.stall_seconds - bench.scale.session_seconds))
    for pid in asleep:
        crew.thaw(pid)
    bench.healed()
    bench.feed.rest()
    bench.joined(enrich=2, index=2, watch=2)
    bench.nothing_refused()


@row("22", "the only busy worker dies; a spare that was idle takes over")
def spare(bench: Bench) -> None:
    bench.begin(partitions=1)
    crew = bench.crew(enrich=2, index=2, watch=2, notify=1)
    bench.joined(enrich=2, index=2, watch=2)
    bench.feed.next(slices(bench, 2))
    bench.drained("enrich", "index")
    time.sleep(bench.scale.stall_seconds)  # the spares stay idle for longer than a session
    for role in ("enrich", "index", "watch"):
        crew.kill(_owner(crew, role))
    bench.healed()
    bench.feed.rest()
    bench.nothing_refused()


def _owner(crew: Crew, role: str) -> str:
    """Which of two processes of a role reads the only partition."""
    for name in (role, f"{role}-2"):
        pid = crew.pid(name)
        for worker in live_workers(crew.line.settings.folder):
            counted = asyncio.run(sample([worker])) if worker.pid == pid else {}
            values = counted.get(pid, {})
            if values.get(("tingchao_partitions_assigned", (("stage", role),))):
                return name
    raise AssertionError(f"no process of {role} reads anything")
