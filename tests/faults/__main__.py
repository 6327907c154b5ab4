"""The fault matrix at full size, and the long runs; results go into a file that README quotes.

::

    python -m tests.faults matrix [--seeds 1 2 3] [--posts 20000] [--rows 1 9b ...]
    python -m tests.faults soak [--minutes 30]
    python -m tests.faults outage [--minutes 20] [--rate 1000]
    python -m tests.faults table

Starts its own Kafka and Elasticsearch on loopback and hurts nothing else. A row that fails says why
and is written down as failed; the others still run. ``matrix`` keeps what earlier runs wrote about
other rows and seeds, so it can be run in parts.
"""

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import services
from pipeline.folders import locked
from pipeline.services import ServicesConfig
from tests.faults import rows_input, rows_processes, rows_servers, rows_state
from tests.faults.bench import Bench, Scale
from tests.faults.long import outage, soak
from tests.faults.matrix import ROWS, NotHere, Row
from tests.faults.servers import Server

assert rows_processes and rows_servers and rows_input and rows_state  # they fill the matrix

_A_FAULT = re.compile(r" *\d+ s  ")
ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "faults.json"
FULL = Scale(
    posts=20_000, session_seconds=10, stall_seconds=45, outage_seconds=60, wait_seconds=600
)


@dataclass
class Running:
    """The servers of this run."""

    config: ServicesConfig
    bootstrap: str
    url: str
    folder: Path

    def bench(self, seed: int, scale: Scale, name: str) -> Bench:
        services.start(self.config, attached=True)  # a row may have left one dead
        return Bench(
            kafka=Server(self.config, "kafka"),
            elasticsearch=Server(self.config, "elasticsearch"),
            bootstrap=self.bootstrap,
            url=self.url,
            folder=self.folder / name,
            scale=scale,
            seed=seed,
        )


@contextmanager
def running() -> Iterator[Running]:
    with tempfile.TemporaryDirectory(prefix="tingchao-faults-") as name:
        config = ServicesConfig(
            folder=Path(name) / "services", artefacts=ROOT / ".tingchao" / "artefacts"
        )
        config.folder.mkdir()
        found = services.start(config, attached=True)
        try:
            yield Running(
                config, str(found.kafka_bootstrap), str(found.elasticsearch_url), Path(name)
            )
        finally:
            services.erase(config)


def matrix(args: argparse.Namespace) -> int:
    """Run the rows; 1 when one failed."""
    chosen = [row for row in in_order() if not args.rows or row.number in args.rows]
    scale = Scale(**{**FULL.__dict__, "posts": args.posts})
    failed = 0
    with running() as servers:
        for seed in args.seeds:
            for row in chosen:
                result = one(row, servers.bench(seed, scale, f"{row.name}-{seed}"))
                failed += "failed" in result
                keep(f"{row.number}/{seed}", {"posts": args.posts, **result})
                print(
                    f"seed {seed}  {row.number:>4}  {row.title}\n            {result}", flush=True
                )
    return int(failed > 0)


def in_order() -> list[Row]:
    """The rows by number."""
    return sorted(ROWS, key=lambda row: (int(row.number.rstrip("abcd")), row.number))


def one(row: Row, bench: Bench) -> dict[str, Any]:
    """One row with one seed."""
    try:
        bench.folder.mkdir()
        row.run(bench)
        result = bench.result()
    except NotHere as reason:
        return {"skipped": str(reason)}
    except AssertionError as error:
        text = str(error)
        print(text[-6_000:], file=sys.stderr)
        return {"failed": text.partition("\n")[0][:300]}
    finally:
        bench.close()
    return {
        "lost": len(result.verdict.lost),
        "twice": len(result.verdict.twice),
        "redelivered": result.redelivered,
        "recovery_seconds": round(result.recovery_seconds, 1),
        "seconds": round(result.seconds),
    }


def keep(key: str, value: Any, file: Path = RESULTS) -> None:
    """Write one result beside the others; runs of several seeds may go on side by side."""
    with locked(file.with_suffix(".lock"), lambda _: None):
        known = json.loads(file.read_text()) if file.exists() else {}
        known[key] = value
        file.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def table(file: Path = RESULTS) -> str:
    """What the results hold, as README quotes it; several seeds stand side by side."""
    known = json.loads(file.read_text())
    seeds = sorted({key.partition("/")[2] for key in known if key[0].isdigit()})
    lines = [
        "| row | fault | lost | two documents | redelivered | recovered after (s) |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in in_order():
        found = [known.get(f"{row.number}/{seed}") for seed in seeds]
        if not any(found):
            continue

        def cells(key: str, found: list[Any] = found) -> str:
            return " / ".join("–" if one is None else _shown(one, key) for one in found)

        lines.append(
            f"| {row.number} | {row.title} | {cells('lost')} | {cells('twice')} "
            f"| {cells('redelivered')} | {cells('recovery_seconds')} |"
        )
    return "\n".join(lines)


def _shown(one: dict[str, Any], key: str) -> str:
    if "skipped" in one:
        return "not run"
    return "FAILED" if "failed" in one else f"{one[key]:,}"


def long_runs(file: Path = RESULTS) -> str:
    """What the long runs told, as README quotes it; not when which fault came."""
    known = json.loads(file.read_text())
    return "\n\n".join(
        f"{name}:\n" + "\n".join(line for line in known[name] if not _A_FAULT.match(line))
        for name in ("outage", "soak")
        if name in known
    )


def long_run(name: str, run: Callable[[Bench, Callable[[str], None]], None]) -> int:
    """One of the long runs; what it tells is kept."""
    said: list[str] = []

    def tell(text: str) -> None:
        said.append(text)
        print(text, flush=True)

    with running() as servers:
        bench = servers.bench(1, FULL, name)
        try:
            bench.folder.mkdir()
            run(bench, tell)
        finally:
            bench.close()
    keep(name, said)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    commands = parser.add_subparsers(dest="command", required=True)
    rows = commands.add_parser("matrix")
    rows.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    rows.add_argument("--posts", type=int, default=FULL.posts)
    rows.add_argument("--rows", nargs="+", default=[], metavar="ROW")
    long = commands.add_parser("soak")
    long.add_argument("--minutes", type=float, default=30)
    long.add_argument("--rate", type=int, default=200, help="posts a second")
    away = commands.add_parser("outage")
    away.add_argument("--minutes", type=float, default=20)
    away.add_argument("--rate", type=int, default=1_000, help="posts a second")
    commands.add_parser("table")
    args = parser.parse_args()
    if args.command == "matrix":
        return matrix(args)
    if args.command == "table":
        print(table())
        print(long_runs())
        return 0
    work = {"soak": soak, "outage": outage}[args.command]
    return long_run(
        args.command, lambda bench, tell: work(bench, args.minutes * 60, args.rate, tell)
    )


if __name__ == "__main__":
    began = time.monotonic()
    code = main()
    print(f"{(time.monotonic() - began) / 60:.1f} min")
    sys.exit(code)
