"""Rows about what ``watch`` remembers: it must count as if nothing had happened.

They write ``signals`` directly, one fixed log a seed, so that a run can be compared byte for byte
with an undisturbed one.
"""

import shutil
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from itertools import cycle
from pathlib import Path

import orjson

from pipeline.rules import read_rule_file
from pipeline.supervisor import Child
from pipeline.watch import POSITION_KEY
from processors.chain import build_chain
from processors.mentions import mentions
from schemas.post import Post
from schemas.signals import Tick
from schemas.topics import partition_of
from tests.faults.bench import Bench
from tests.faults.crew import Crew
from tests.faults.ledger import LINES_A_RECORD, story
from tests.faults.matrix import row
from tests.pipeline.line_rig import Line, eventually

__all__: list[str] = []

PARTITIONS = 2
SLICES = 6
_TICK = timedelta(minutes=5)


@row("16a", "watch: kill -9 inside a transaction and right behind one")
def killed_in_transaction(bench: Bench) -> None:
    _begin(bench)
    crew = bench.crew(failpoints="watch.in_transaction", tokens=2, watch=1)
    for part in _parts(bench)[: SLICES // 2]:
        _write(bench, part)
    bench.drained("watch")
    assert crew.ends("watch") == ["-9"] * 2
    crew.close()
    crew = bench.crew(failpoints="watch.after_commit", tokens=2, watch=1)
    for part in _parts(bench)[SLICES // 2 :]:
        _write(bench, part)
    _as_undisturbed(bench)
    assert crew.ends("watch") == ["-9"] * 2


@row("16b", "watch: ten rebalances")
def rebalanced(bench: Bench) -> None:
    _begin(bench)
    bench.crew(watch=1)
    bench.joined(watch=1)
    parts = _parts(bench)
    for number in range(5):
        _write(bench, parts[number])
        more = bench.crew(watch=1, instance=2)
        bench.joined(watch=2)
        more.close()
        bench.joined(watch=1)
    bench.healed()
    _write(bench, parts[5])
    _as_undisturbed(bench)


@row("16c", "watch: a zombie wakes after another process took its partitions")
def zombie(bench: Bench) -> None:
    _begin(bench)
    crew = bench.crew(watch=1)
    bench.joined(watch=1)
    parts = _parts(bench)
    with bench.moving("watch.checkpoints"):
        for part in parts[:3]:
            _write(bench, part)
    pid = crew.freeze("watch")
    with bench.moving("watch.checkpoints"):
        _write(bench, parts[3])
        heir = bench.crew(watch=1, instance=2)
        bench.until(lambda: "took over" in heir.said(), "another process takes over")
    time.sleep(max(0.0, bench.scale.stall_seconds - bench.scale.session_seconds))
    crew.thaw(pid)
    bench.healed()
    for part in parts[4:]:
        _write(bench, part)
    _as_undisturbed(bench)


@row("16d", "watch: the checkpoints are compacted, and the work folder is lost")
def folder_lost(bench: Bench) -> None:
    _begin(bench)
    # A segment may be compacted as soon as it is closed; it is closed after a moment.
    often = {
        "cleanup.policy": "compact",
        "segment.ms": "100", "min.cleanable.dirty.ratio": "0.001", "max.compaction.lag.ms": "100",
    }  # fmt: skip
    bench.configure("watch.checkpoints", often)
    crew = bench.crew(watch=1)
    parts = _parts(bench)
    for part in parts[:4]:
        _write(bench, part)
        bench.drained("watch")
    crew.close()
    bench.until(lambda: _compacted(bench.line), "the broker compacts the checkpoints")
    shutil.rmtree(bench.line.settings.folder)
    bench.healed()
    bench.crew(watch=1)
    for part in parts[4:]:
        _write(bench, part)
    _as_undisturbed(bench)


def _compacted(line: Line) -> bool:
    """Whether superseded states are gone: more offsets than records and marks of transactions."""
    positions = [one for one in line.records("watch.checkpoints") if one.key == POSITION_KEY]
    return len(positions) < 3 * PARTITIONS


# --- one fixed log ------------------------------------------------------------------------------


@cache
def _log(rules: Path, seed: int, posts: int) -> tuple[tuple[int, bytes], ...]:
    """Lines of ``signals`` with their partitions, as one lane of posts would give them."""
    enrichers = ("keywords", "brands", "tokens", "sentiment", "signature")
    chain = build_chain(enrichers, {}, read_rule_file(rules))
    read = [Post.from_line(orjson.dumps(one)) for one in story(seed, posts)]
    lines: list[tuple[int, bytes]] = []
    clock: datetime | None = None
    for result in chain.run(read):
        if clock is None or result.observed_at >= clock + _TICK:
            clock = result.observed_at
            tick = Tick(at=clock, lane=0, lanes=1).to_line()
            lines += [(partition, tick) for partition in range(PARTITIONS)]
        lines += [(partition_of(one.brand, PARTITIONS), one.to_line()) for one in mentions(result)]
    return tuple(lines)


def _begin(bench: Bench) -> None:
    bench.begin(partitions=PARTITIONS)


def _parts(bench: Bench) -> list[list[tuple[int, bytes]]]:
    lines = _log(bench.line.folder / "rules.toml", bench.seed, bench.scale.posts)
    size = -(-len(lines) // SLICES)
    return [list(lines[start : start + size]) for start in range(0, len(lines), size)]


def _write(bench: Bench, part: list[tuple[int, bytes]], line: Line | None = None) -> None:
    """Records of 1, 7 and 100 lines, in the order of the log."""
    by_partition: dict[int, list[bytes]] = {}
    for partition, raw in part:
        by_partition.setdefault(partition, []).append(raw)
    for partition, raws in by_partition.items():
        values = list(_records(raws))
        (line or bench.line).produce("signals", *values, partition=partition)


def _records(raws: list[bytes]) -> Iterator[bytes]:
    for size in cycle(LINES_A_RECORD):
        if not raws:
            return
        yield b"\n".join(raws[:size])
        raws = raws[size:]


def _as_undisturbed(bench: Bench) -> None:
    """Incidents and states are those of a run that nobody disturbed, and of the offline recount."""
    bench.judge(groups=("watch",), posts=False)
    expected = _undisturbed(bench)
    assert expected, "the story holds no incident: nothing was shown"
    assert sorted(one.value or b"" for one in bench.line.records("incidents")) == expected


_UNDISTURBED: dict[tuple[int, int], list[bytes]] = {}


def _undisturbed(bench: Bench) -> list[bytes]:
    """Incident lines of a real run over the same log in which nothing happened."""
    key = (bench.seed, bench.scale.posts)
    if key not in _UNDISTURBED:
        line = bench.make_line(partitions=PARTITIONS)
        for part in _parts(bench):
            _write(bench, part, line)
        crew = Crew(line, [Child("watch")])
        bench.crews.append(crew)
        eventually(lambda: not line.behind("watch"), "the undisturbed watch has read everything")
        crew.close()
        _UNDISTURBED[key] = sorted(one.value or b"" for one in line.records("incidents"))
        line.close()
    return _UNDISTURBED[key]
