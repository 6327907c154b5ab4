"""The table of the full runs: what it shows, and that README quotes it as it is."""

import json
from pathlib import Path

import pytest

from tests.faults.__main__ import RESULTS, keep, long_runs, one, table
from tests.faults.bench import Bench
from tests.faults.matrix import ROWS, NotHere, Row

README = Path(__file__).resolve().parents[2] / "README.md"


def row_of(text: str, number: str) -> list[str]:
    [line] = [line for line in text.splitlines() if line.startswith(f"| {number} ")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_seeds_stand_side_by_side_and_a_failure_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    good = {"lost": 0, "twice": 0, "redelivered": 1_234, "recovery_seconds": 7.5, "seconds": 60}
    keep("1/1", good, file)
    keep("1/2", {"failed": "3 posts lost"}, file)
    keep("21/1", {"skipped": "no root"}, file)

    text = table(file)

    assert row_of(text, "1")[2:] == ["0 / FAILED", "0 / FAILED", "1,234 / FAILED", "7.5 / FAILED"]
    assert row_of(text, "21")[2] == "not run / –"
    assert "| 2 |" not in text, "a row that was not run has no line"


class NoBench:
    folder: Path

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (AssertionError("3 posts lost, e.g. x\nlogs"), {"failed": "3 posts lost, e.g. x"}),
        (NotHere("needs root"), {"skipped": "needs root"}),
    ],
)
def test_a_row_that_fails_is_written_down(
    tmp_path: Path, raised: Exception, expected: dict[str, str]
) -> None:
    def run(bench: Bench) -> None:
        raise raised

    bench = NoBench()
    bench.folder = tmp_path / "row"

    assert one(Row("0", "a row", run), bench) == expected  # type: ignore[arg-type]


def test_long_runs_are_told_without_the_times_of_their_faults(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    keep("soak", ["   26 s  frozen broker", "360,000 posts, 97 faults", "0 lost"], file)

    assert long_runs(file) == "soak:\n360,000 posts, 97 faults\n0 lost"


def test_readme_quotes_the_newest_results() -> None:
    readme = README.read_text(encoding="utf-8")

    assert table() in readme, "python -m tests.faults table"
    assert long_runs() in readme, "python -m tests.faults table"


def test_no_result_is_a_failure_and_every_row_was_run() -> None:
    known = json.loads(RESULTS.read_text())
    rows = {key.partition("/")[0] for key in known if "/" in key}

    assert {row.number for row in ROWS} == rows
    assert {"outage", "soak"} <= known.keys()
    for key, value in known.items():
        if "/" in key:
            assert value.get("lost", 0) == 0 and "failed" not in value, key
