"""Posts a second through the whole line, and what each process costs.

::

    python -m benchmarks.line [--posts 50000] [--keywords 50000] [--rounds 2]

Starts Kafka and Elasticsearch on this machine, then enrich, index, watch and notify as processes,
and replays the demo's talk, scaled up, as fast as it can be written. The clock runs from the first
post written until a role delivered its last line, by the roles' own counters, looked at every
0.2 s; the round ends when every role has committed all. CPU time and memory are the processes' own,
from /proc. It is a benchmark: nothing here decides whether a test passes.
"""

import argparse
import asyncio
import contextlib
import gzip
import http.client
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from prometheus_client import REGISTRY

from connectors.replay import Replay
from pipeline import services
from pipeline.bring_in import bring_in
from pipeline.endpoints import kafka_of, services_config
from pipeline.kafka import Kafka
from pipeline.lag import READS, group_lag
from pipeline.latency import latencies
from pipeline.line import child_environment, children_of, settings_with
from pipeline.rules import publish_rules, read_rule_file
from pipeline.settings import RulesSettings, ServicesSettings, Settings
from pipeline.status import Worker, live_workers, reading
from pipeline.supervisor import Supervisor
from schemas.post import PostDraft
from schemas.rules import KeywordRule, RuleSet

ROOT = Path(__file__).resolve().parents[1]
DEMO = ROOT / "deploy" / "demo"
ROLES = ("enrich", "watch", "index", "notify")
WORDS_A_RULE = 10
START_SECONDS = 120
LOOK_SECONDS = 0.2


@dataclass
class Usage:
    """CPU seconds and memory of one process."""

    cpu_seconds: float
    rss_bytes: int


def usage(pid: int) -> Usage:
    """What a process, with its children's exited ones left out, used so far."""
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks = int(stat[11]) + int(stat[12])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), int(stat[21]) * os.sysconf("SC_PAGE_SIZE"))


def more_keywords(rules: RuleSet, wanted: int) -> RuleSet:
    """The demo's rules with made-up words added, so that the automaton has its real size.

    Two or three common characters each: some of them occur in the posts, as real words would.
    """
    common = "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动"
    words = [f"{a}{b}{c}" for a in common for b in common for c in common if len({a, b, c}) == 3]
    known = sum(len(rule.words) for rule in rules.keywords)
    chosen = words[: max(0, wanted - known)]
    extra = tuple(
        KeywordRule(
            id=f"made-up-{start}", name="made up", words=tuple(chosen[start : start + WORDS_A_RULE])
        )
        for start in range(0, len(chosen), WORDS_A_RULE)
    )
    return rules.model_copy(update={"keywords": rules.keywords + extra})


def recordings(posts: int, rounds: int, folder: Path) -> list[Path]:
    """The demo's talk, scaled up; each round says it under ids of its own."""
    first = folder / "recording.jsonl.gz"
    command = [sys.executable, str(DEMO / "generate.py"), "--posts", str(posts)]
    subprocess.run([*command, "--out", str(first)], check=True, stdout=subprocess.DEVNULL)
    drafts = [PostDraft.from_line(line) for line in gzip.open(first)]
    paths = []
    for number in range(1, rounds + 1):
        paths.append(folder / f"round-{number}.jsonl")
        with paths[-1].open("wb") as out:
            for draft in drafts:
                ids = {
                    name: f"{value}-{number}"
                    for name in ("id", "root_id", "parent_id")
                    if (value := getattr(draft, name)) is not None
                }
                out.write(draft.replaced(**ids).to_line() + b"\n")
    return paths


async def run(settings: Settings, environment: dict[str, str], args: argparse.Namespace) -> None:
    """One run: workers up, replay, wait, report."""
    kafka = kafka_of(settings)
    await kafka.create_topics()
    rules = more_keywords(read_rule_file(DEMO / "rules.toml"), args.keywords)
    await publish_rules(kafka, rules)
    stop = asyncio.Event()
    log = (settings.folder / "line.log").open("w", encoding="utf-8")
    supervisor = Supervisor(
        children_of(settings, without=("ingest",)),
        environment,
        lambda name, line: print(name, line, file=log, flush=True),
    )
    line = asyncio.create_task(supervisor.run(stop))
    try:
        try:
            async with asyncio.timeout(START_SECONDS):
                while not all([(await reading(settings.folder))[role] for role in ROLES]):
                    await asyncio.sleep(0.5)
        except TimeoutError:
            print((settings.folder / "line.log").read_text(encoding="utf-8")[-4000:])
            sys.exit(f"The roles do not read after {START_SECONDS} s; their last words are above.")
        paths = recordings(args.posts, args.rounds, settings.folder)
        print(f"{machine()}\n{args.posts:,} posts a round, {args.keywords:,} keywords")
        for number, path in enumerate(paths, 1):
            await one_round(settings, kafka, path, number, args.posts)
    finally:
        stop.set()
        await line
        log.close()


class Stopwatch:
    """When the first post was written, and when each role delivered its last line so far."""

    def __init__(self, workers: list[Worker]) -> None:
        self._workers = workers
        self._counts: dict[str, float] = {}
        self._changed: dict[str, float] = {}
        self._began: float | None = None

    def seconds(self, role: str) -> float:
        """From the first post written to the role's last line."""
        if self._began is None or role not in self._changed:
            raise RuntimeError(f"{role} delivered nothing in this round")
        return self._changed[role] - self._began

    async def look(self) -> None:
        """Look again and again until cancelled."""
        self._note("ingest", self._written())
        self._note_all(await asyncio.to_thread(self._delivered))
        self._changed.clear()
        while "ingest" not in self._changed:
            await asyncio.sleep(0.01)
            self._note("ingest", self._written())
        self._began = self._changed["ingest"]
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self._note("ingest", self._written())
            self._note_all(await asyncio.to_thread(self._delivered))

    def _note_all(self, counts: dict[str, float]) -> None:
        for role, count in counts.items():
            self._note(role, count)

    def _note(self, role: str, count: float) -> None:
        if self._counts.get(role) != count:
            self._counts[role] = count
            self._changed[role] = time.perf_counter()

    def _written(self) -> float:
        """Lines that this process wrote: ingest runs in it."""
        labels = {"stage": "ingest", "topic": "posts.raw"}
        return REGISTRY.get_sample_value("tingchao_lines_sent_total", labels) or 0.0

    def _delivered(self) -> dict[str, float]:
        """By role; a search in the raw answer, because parsing all would cost the line CPU time."""
        counts = {}
        for worker in self._workers:
            connection = http.client.HTTPConnection(worker.host, worker.metrics_port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/metrics")
                answer = connection.getresponse().read().decode()
            found = re.findall(r"^tingchao_lines_delivered_total\S* (\S+)$", answer, re.MULTILINE)
            counts[worker.role] = sum(map(float, found))
        return counts


async def one_round(settings: Settings, kafka: Kafka, path: Path, number: int, posts: int) -> None:
    """Replay once and report; processes get warmer from round to round."""
    pids = {worker.role: worker.pid for worker in live_workers(settings.folder)}
    for status in services.status(services_config(settings)):
        if status.pid:
            pids[status.name] = server_pid(status.pid)
    before = {role: usage(pid) for role, pid in pids.items()} | {"ingest": own_usage()}
    config = Replay.Config(path=path, speed=0)
    watch = Stopwatch(live_workers(settings.folder))
    looking = asyncio.create_task(watch.look())
    await bring_in(
        settings, f"round-{number}", "replay", lambda ctx: Replay(f"round-{number}", config, ctx)
    )
    for group in READS:
        while (await group_lag(kafka, group, age=False)).records:
            await asyncio.sleep(LOOK_SECONDS)
    await asyncio.sleep(2 * LOOK_SECONDS)  # so that the last change is seen
    looking.cancel()
    seconds = max(watch.seconds(role) for role in READS)
    after = {role: usage(pid) for role, pid in pids.items()} | {"ingest": own_usage()}
    print(f"\nround {number}: {posts / seconds:,.0f} posts/s for the line ({seconds:.1f} s)")
    print(f"{'':14} {'posts/s':>9} {'us CPU/post':>12} {'memory':>9}")
    for role in ("ingest", "enrich", "index", "watch", "notify", "kafka", "elasticsearch"):
        counts = role == "ingest" or role in READS  # notify delivers incidents, not posts
        rate = f"{posts / watch.seconds(role):,.0f}" if counts else "–"
        cpu = (after[role].cpu_seconds - before[role].cpu_seconds) / posts * 1e6
        memory = after[role].rss_bytes / 2**20
        print(f"{role:14} {rate:>9} {cpu:>12.0f} {memory:>5.0f} MiB")
    for row in await latencies(live_workers(settings.folder)):
        print(
            f"{row.step:14} median {row.median_seconds:.2f} s, 99 % {row.p99_seconds:.2f} s "
            f"(all rounds so far, a backlog included)"
        )


def own_usage() -> Usage:
    """This process: the generator is done before, so it is ingest."""
    return usage(os.getpid())


def server_pid(launcher: int) -> int:
    """The JVM that works: Elasticsearch's launcher has the server as its child."""
    tasks = Path(f"/proc/{launcher}/task").glob("*/children")  # any of its threads may have made it
    children = [child for task in tasks for child in task.read_text().split()]
    return int(children[0]) if children else launcher


def machine() -> str:
    """Which machine this was."""
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} x {cpu}, Python {platform.python_version()}, load {load:.1f}"


def main() -> None:
    """Parse, start the services, run, stop."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--posts", type=int, default=50_000)
    parser.add_argument("--keywords", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=2, help="the first one is cold")
    parser.add_argument("--short-lived", action="store_true", help="compile with C1 only")
    parser.add_argument("--artefacts", type=Path, default=ROOT / ".tingchao" / "artefacts")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tingchao-benchmark-") as name:
        settings = Settings(
            folder=Path(name),
            services=ServicesSettings(artefacts=args.artefacts),
            rules=RulesSettings(id="demo"),
        )
        config = replace(services_config(settings), short_lived=args.short_lived)
        with services.start(config, attached=True) as running:
            environment = child_environment(settings, running, None)
            environment["TINGCHAO_RULES__ID"] = "demo"
            asyncio.run(run(settings_with(settings, environment), environment, args))
        services.erase(config)


if __name__ == "__main__":
    main()
