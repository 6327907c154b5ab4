"""The long runs: half an hour of random faults, and Elasticsearch away under load.

Both keep the oracle's ledger and the memory of every process; see ``python -m tests.faults``.
"""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np

from tests.faults.bench import GROUPS, Bench
from tests.faults.crew import Crew
from tests.faults.ledger import story

__all__ = ["Memory", "Pump", "outage", "soak"]

ROUND_POSTS = 20_000
ROUND_TIME = timedelta(hours=51)
WARM_SECONDS = 300.0
"""Left out of a slope: imports, models and caches fill."""


def endless(seed: int) -> Iterator[dict[str, Any]]:
    """The story again and again, under new ids and later each time."""
    base = story(seed, ROUND_POSTS)
    times = [
        {key: datetime.fromisoformat(one[key]) for key in ("published_at", "observed_at")}
        for one in base
    ]
    for number in count():
        for one, at in zip(base, times, strict=True):
            moved = {key: (value + number * ROUND_TIME).isoformat() for key, value in at.items()}
            yield one | {"id": f"{one['id']}-{number}"} | moved


@dataclass
class Pump:
    """Writes so many posts a second in a thread of its own until it is stopped."""

    bench: Bench
    posts_per_second: int
    written: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._posts = endless(self.bench.seed)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * self.posts_per_second) - self.written
            if due < self.posts_per_second // 2:
                self._stop.wait(0.1)
                continue
            chunk = list(islice(self._posts, min(due, 2 * self.posts_per_second)))
            self.bench.feed.write(chunk)
            self.written += len(chunk)

    def stop(self) -> None:
        """End the feed; everything written is in the ledger."""
        self._stop.set()
        self._thread.join()


@dataclass
class Memory:
    """Resident memory of processes over time, looked at every few seconds."""

    pids: Callable[[], dict[str, int]]
    every_seconds: float = 5.0
    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Name and pid to (seconds, MiB)."""
    _stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self.every_seconds):
            for name, pid in self.pids().items():
                if (size := _rss_mib(pid)) is not None:
                    at = time.monotonic() - self._began
                    self.samples.setdefault(f"{name} {pid}", []).append((at, size))

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def now(self) -> float:
        """Seconds since the first look."""
        return time.monotonic() - self._began

    def rows(self, since: float = WARM_SECONDS, until: float = float("inf")) -> list[str]:
        """Per process that lived long: first, last, highest MiB; slope by least squares."""
        rows = []
        for name, samples in sorted(self.samples.items()):
            kept = [(at, size) for at, size in samples if since <= at <= until]
            if len(kept) < 12 or kept[-1][0] - kept[0][0] < 120:
                continue
            at, size = np.array(kept).T
            slope = np.polyfit(at / 60, size, 1)[0]
            rows.append(
                f"{name.split()[0]:10} {kept[0][1]:7.0f} {kept[-1][1]:7.0f} {size.max():7.0f} MiB"
                f" {slope:+8.2f} MiB/min"
            )
        return rows


def _rss_mib(pid: int) -> float | None:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


# --- half an hour of random faults --------------------------------------------------------------


def soak(bench: Bench, seconds: float, posts_per_second: int, tell: Callable[[str], None]) -> None:
    """Random faults under load; one process of each role is left alone, to see its memory."""
    bench.begin()
    victims = bench.crew(enrich=1, index=1, watch=1, notify=1)
    steady = bench.crew(enrich=1, index=1, watch=1, instance=2)
    bench.joined(enrich=2, index=2, watch=2)
    names = ("enrich-2", "index-2", "watch-2")
    memory = Memory(lambda: {name: steady.pid(name) for name in names})
    pump = Pump(bench, posts_per_second)
    choose = random.Random(bench.seed)
    faults = _faults(bench, victims)
    done: dict[str, int] = {}
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        time.sleep(choose.uniform(5, 20))
        name = choose.choice(sorted(faults))
        tell(f"{time.monotonic() - began:5.0f} s  {name}")
        faults[name](choose)
        done[name] = done.get(name, 0) + 1
    pump.stop()
    bench.healed()
    bench.drained(*GROUPS)
    memory.stop()
    tell(f"{pump.written:,} posts, {sum(done.values())} faults: {done}")
    tell("\n".join(memory.rows()))
    bench.nothing_refused()
    tell(_held(bench))


def _held(bench: Bench) -> str:
    result = bench.result()
    return (
        f"{len(result.verdict.lost)} lost, {len(result.verdict.twice)} with two documents, "
        f"{result.redelivered:,} redelivered; {result.verdict.incidents:,} incident lines and "
        f"{result.verdict.notices:,} notices as recounted; "
        f"at rest {result.recovery_seconds:.1f} s after the last fault"
    )


def _faults(bench: Bench, crew: Crew) -> dict[str, Callable[[random.Random], None]]:
    roles = ("enrich", "index", "watch", "notify")

    def freeze_worker(choose: random.Random) -> None:
        pid = crew.freeze(choose.choice(roles))
        time.sleep(bench.scale.stall_seconds)
        crew.thaw(pid)

    def during(seconds: float, fault: Callable[[], Any]) -> Callable[[random.Random], None]:
        def run(choose: random.Random) -> None:
            with bench.proxy.doing(fault()):
                time.sleep(seconds)

        return run

    def away(choose: random.Random) -> None:
        bench.proxy.refuse()
        time.sleep(bench.scale.outage_seconds)
        bench.proxy.listen()

    def frozen_broker(choose: random.Random) -> None:
        bench.kafka.freeze()
        time.sleep(bench.scale.stall_seconds)
        bench.kafka.thaw()

    def broker(stop: Callable[[], None]) -> Callable[[random.Random], None]:
        def run(choose: random.Random) -> None:
            stop()
            bench.kafka.start()

        return run

    def index_killed(choose: random.Random) -> None:
        bench.elasticsearch.kill()
        bench.elasticsearch.start()

    refused = "es_rejected_execution_exception"
    return {
        "kill -9 of a worker": lambda choose: crew.kill(choose.choice(roles)),
        "SIGTERM to a worker": lambda choose: crew.ask_to_end(choose.choice(roles)),
        "frozen worker": freeze_worker,
        "broker restarted": broker(bench.kafka.stop),
        "kill -9 of the broker": broker(bench.kafka.kill),
        "frozen broker": frozen_broker,
        "Elasticsearch away": away,
        "kill -9 of Elasticsearch": index_killed,
        "429": during(10, lambda: bench.proxy.status(429)),
        "429 of 30 %": during(10, lambda: bench.proxy.items(429, refused, share=0.3)),
        "503": during(10, lambda: bench.proxy.status(503)),
        "answers lost": during(5, lambda: bench.proxy.written_but_unanswered),
    }


# --- Elasticsearch away under load --------------------------------------------------------------


def outage(
    bench: Bench, seconds: float, posts_per_second: int, tell: Callable[[str], None]
) -> None:
    """Elasticsearch refuses for so long while posts come; then the backlog drains."""
    bench.begin()
    roles = ("enrich", "index", "watch", "notify")
    crew = bench.crew()
    pump = Pump(bench, posts_per_second)
    memory = Memory(lambda: {role: crew.pid(role) for role in roles})
    bench.until(lambda: bench.proxy.sent_documents > 60 * posts_per_second, "warm", 300)
    bench.proxy.refuse()
    away = memory.now()
    tell(f"away after {pump.written:,} posts")
    while memory.now() - away < seconds:
        time.sleep(1)
    back, indexed = memory.now(), bench.proxy.sent_documents
    backlog = pump.written - indexed
    bench.proxy.listen()
    bench.healed()
    tell(f"back after {back - away:.0f} s with {backlog:,} posts to catch up on")
    bench.until(
        lambda: pump.written - bench.proxy.sent_documents < posts_per_second, "caught", 3600
    )
    drained = memory.now()
    rate = (bench.proxy.sent_documents - indexed) / (drained - back)
    pump.stop()
    memory.stop()
    tell(
        f"{pump.written:,} posts at {posts_per_second:,}/s; caught up in {drained - back:.0f} s at "
        f"{rate:,.0f} documents/s, {rate / posts_per_second:.1f} times the arrival, which went on"
    )
    tell("memory while it was away (after a minute):\n" + "\n".join(memory.rows(away + 60, back)))
    tell("memory from then on:\n" + "\n".join(memory.rows(back)))
    bench.nothing_refused()
    tell(_held(bench))
