"""How every role is doing, seen from outside: the broker's offsets, the workers' counters."""

import asyncio
import json
import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import httpx
from prometheus_client.parser import text_string_to_metric_families

from pipeline.clock import now
from pipeline.dead_letters import read_dead_letters
from pipeline.endpoints import kafka_of
from pipeline.lag import READS, group_lag
from pipeline.settings import Settings

__all__ = ["RoleStatus", "Sample", "Worker", "live_workers", "reading", "role_statuses", "sample"]

MAX_NOTE_BYTES = 4 * 1024

ROLES = ("ingest", "enrich", "index", "watch", "notify")


@dataclass(frozen=True)
class RoleStatus:
    """One role, all its processes together."""

    role: str
    processes: int
    state: str | None
    """Of the worst of its processes: ready, degraded, starting, stopping, halted or silent (no
    answer); None when no process runs."""
    reason: str
    """Why it is in that state, or ready with older rules than the newest; else empty."""
    lag: int | None
    """Records behind; None for ingest, which reads no topic."""
    oldest_seconds: float
    """Age of the oldest record that is not committed."""
    lines_per_second: float | None
    """Measured over one second; None when no process runs."""
    dead_letters: int
    rss_bytes: int


@dataclass(frozen=True)
class Worker:
    """A live worker process of this work folder."""

    role: str
    pid: int
    metrics_port: int
    host: str = "127.0.0.1"

    def url(self, path: str) -> str:
        """An address of its health server."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.metrics_port}{path}"


#: From the best to the worst.
STATES = ("ready", "degraded", "starting", "stopping", "halted", "silent")

Sample = dict[tuple[str, tuple[tuple[str, str], ...]], float]
"""(metric name, labels) to value."""


def live_workers(folder: Path) -> list[Worker]:
    """Workers whose note stands in the work folder and whose process still runs."""
    found = []
    for note in sorted((folder / "run").glob("*-*.json")):
        try:
            with note.open("rb") as file:
                worker = Worker(**json.loads(file.read(MAX_NOTE_BYTES)))
            if worker.pid <= 0:
                raise ValueError("that would be a group of processes")
            os.kill(worker.pid, 0)
        except (OSError, ValueError, TypeError, OverflowError, RecursionError):
            note.unlink(missing_ok=True)
            continue
        found.append(worker)
    return found


async def sample(workers: list[Worker]) -> dict[int, Sample]:
    """The counters of each worker, by pid; one that does not answer is left out."""
    samples: dict[int, Sample] = {}
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        for worker in workers:
            try:
                answer = await client.get(worker.url("/metrics"))
            except httpx.HTTPError:
                continue
            samples[worker.pid] = {
                (one.name, tuple(sorted(one.labels.items()))): one.value
                for family in text_string_to_metric_families(answer.text)
                for one in family.samples
            }
    return samples


async def answer_of(worker: Worker) -> tuple[str, str]:
    """State and reason, as the worker says at /ready."""
    async with httpx.AsyncClient(timeout=2.0, trust_env=False) as client:
        try:
            found = (await client.get(worker.url("/ready"))).json()
            return found["status"], found.get("reason", "")
        except (httpx.HTTPError, ValueError, KeyError):
            return "silent", ""


async def reading(folder: Path) -> Counter[str]:
    """How many partitions each role reads now: 0 until it joined its group."""
    workers = live_workers(folder)
    samples = await sample(workers)
    found: Counter[str] = Counter()
    for worker in workers:
        for (name, _), value in samples.get(worker.pid, {}).items():
            if name == "tingchao_partitions_assigned":
                found[worker.role] += int(value)
    return found


async def role_statuses(settings: Settings) -> list[RoleStatus]:
    """Every role.

    Raises:
        FatalError: Kafka can't be reached.
    """
    kafka = kafka_of(settings)
    letters: Counter[str] = Counter(
        one.letter.stage for one in await read_dead_letters(kafka) if not one.retry
    )
    workers = live_workers(settings.folder)
    before = await sample(workers)
    began = asyncio.get_running_loop().time()
    lags = {role: await _lag(settings, role) for role in ROLES}
    await asyncio.sleep(max(0.0, 1.0 - (asyncio.get_running_loop().time() - began)))
    after = await sample(workers)
    given = await asyncio.gather(*map(answer_of, workers))
    answers = {one.pid: answer for one, answer in zip(workers, given, strict=True)}
    seconds = asyncio.get_running_loop().time() - began
    by_role: dict[str, list[Worker]] = defaultdict(list)
    for worker in workers:
        by_role[worker.role].append(worker)
    worst = {
        role: max((answers[one.pid] for one in of), key=_badness) for role, of in by_role.items()
    }
    return [
        RoleStatus(
            role=role,
            processes=len(by_role[role]),
            state=worst[role][0] if role in worst else None,
            reason=worst[role][1] if role in worst else "",
            lag=lags[role][0],
            oldest_seconds=lags[role][1],
            lines_per_second=_rate(by_role[role], before, after, seconds),
            dead_letters=letters[role],
            rss_bytes=sum(_rss(worker.pid) for worker in by_role[role]),
        )
        for role in ROLES
    ]


def _badness(answer: tuple[str, str]) -> tuple[int, bool]:
    state, reason = answer
    return STATES.index(state), bool(reason)


async def _lag(settings: Settings, role: str) -> tuple[int | None, float]:
    if role == "ingest":
        return None, 0.0
    kafka = kafka_of(settings)
    groups = [role] if role in READS else [f"notify-{name}" for name in settings.telling_channels]
    lags = [await group_lag(kafka, group) for group in groups]
    return (
        sum(lag.records for lag in lags),
        max((lag.age_seconds(now()) for lag in lags), default=0.0),
    )


def _rate(
    workers: list[Worker], before: dict[int, Sample], after: dict[int, Sample], seconds: float
) -> float | None:
    both = [worker for worker in workers if worker.pid in before and worker.pid in after]
    if not both:
        return None
    return sum(_lines(after[w.pid]) - _lines(before[w.pid]) for w in both) / seconds


def _lines(counters: Sample) -> float:
    names = ("tingchao_lines_delivered_total",)
    sent = "tingchao_lines_sent_total"
    total = sum(value for (name, _), value in counters.items() if name in names)
    return total or sum(
        value
        for (name, labels), value in counters.items()
        if name == sent and ("stage", "ingest") in labels
    )


def _rss(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
