import json
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

verdict = run_path(str(Path(__file__).resolve().parents[2] / "deploy" / "audit_deps.py"))["verdict"]

GOOD: dict[str, Any] = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "X-1", "fix_versions": ["2.1"]}]}
UNKNOWN = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("packages", "code", "said"),
    [
        ([GOOD], 0, "1 packages, no known hole"),
        ([GOOD, BAD], 1, "b 2: X-1, fixed in 2.1"),
        ([GOOD, UNKNOWN], 2, "The database does not know: c"),
    ],
)
def test_the_verdict_is_what_the_database_says(
    packages: list[dict[str, Any]], code: int, said: str
) -> None:
    assert verdict(json.dumps({"dependencies": packages}), "") == (code, [said])


def test_a_database_that_is_away_is_one_sentence_and_no_clean_bill() -> None:
    code, lines = verdict("", "Traceback ...\nConnectionError: no such host\n")

    assert code == 2
    assert lines == [
        "The database of known holes could not be asked, nothing was checked: "
        "ConnectionError: no such host"
    ]
