"""Measure how well unusual counts are found: injected spikes and NAB's Twitter volumes.

``python -m benchmarks.spikes ../shared`` runs the detector's levels (``processors/levels.py``)
once over each series of ``data/spike`` with the settings that are in use, writes what both scorers
read (``tools/score_spikes.py``, ``tools/score_nab.py``) and prints what they say. A row of a series
is a cell of five minutes, so the window of one minute stays out.

* Spikes: an alarm is the beginning of a rise, of whatever pattern.
* NAB: a score of 1 where a rise in volume begins, 0 elsewhere. Its labels are peaks of volume, and
  every alarmed row beside them costs; lasting rises, which alarm more often, stay out. Each rise
  counts, however soon after another.
"""

import csv
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from processors.levels import WINDOWS, Levels, Pattern, Terms
from processors.rises import Rises

ROW = 5
"""Minutes."""
TERMS = Terms(windows=tuple(window for window in WINDOWS if window.width >= ROW))
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - the series have no zone

Row = tuple[datetime, int]


def main() -> None:
    """Run the detector over all series and print the figures."""
    shared = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared")
    spike = shared / "data" / "spike"
    with tempfile.TemporaryDirectory(prefix="tingchao-spikes-") as folder:
        out = Path(folder)
        began, rows = time.process_time(), 0
        with (out / "alerts.jsonl").open("w", encoding="utf-8") as alerts:
            for path in sorted([*spike.glob("nab_dev/*.csv"), *spike.glob("inject_dev/*.csv")]):
                series = list(read(path))
                rows += len(series)
                told, peaks = rises(series)
                brand = path.stem.removeprefix("Twitter_volume_")
                for at in told:
                    alerts.write(json.dumps({"brand": brand, "at": at.isoformat()}) + "\n")
                if path.parent.name == "nab_dev":
                    write_scores(out / "nab" / path.name, series, peaks)
        spent = time.process_time() - began
        print(f"{rows} rows, {1e6 * spent / rows:.0f} us a row")
        for tool, made in (("score_spikes.py", "alerts.jsonl"), ("score_nab.py", "nab")):
            subprocess.run([sys.executable, shared / "tools" / tool, out / made], check=True)


def read(path: Path) -> Iterator[Row]:
    """When a count becomes known, and the count."""
    with path.open(newline="", encoding="utf-8") as file:
        for at, count in csv.reader(file):
            if at != "timestamp":
                yield datetime.fromisoformat(at), int(float(count))


def rises(series: list[Row], terms: Terms = TERMS) -> tuple[list[datetime], set[datetime]]:
    """When rises of any pattern begin, and when rises in volume do."""
    levels, begun, begun_in_volume = Levels(), Rises(), Rises(weary=0)
    told: list[datetime] = []
    peaks: set[datetime] = set()
    first = int((series[0][0] - _EPOCH).total_seconds() // 60) // ROW
    patterns: tuple[Pattern, ...] = ("volume", "lasting")
    for place, (at, count) in enumerate(series, start=first):
        minute = place * ROW
        if count and levels.add(minute, terms, count):
            for pattern in patterns:
                reading = levels.reading(minute, terms, pattern)
                if reading is None:
                    continue
                if begun.begins(minute, reading):
                    told.append(at)
                if pattern == "volume" and begun_in_volume.begins(minute, reading):
                    peaks.add(at)
        levels.close(minute, minute + ROW, terms)
    return told, peaks


def write_scores(path: Path, series: list[Row], peaks: set[datetime]) -> None:
    """One score a row, as NAB's scorer reads them."""
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("timestamp", "anomaly_score"))
        writer.writerows((at, int(at in peaks)) for at, _ in series)


if __name__ == "__main__":
    main()
