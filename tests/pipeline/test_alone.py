"""Two lines never share a work folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.alone import alone
from schemas.errors import FatalError

HOLDER = """
import sys, time
from pathlib import Path
from pipeline.alone import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_line_is_refused_and_told_who_runs(tmp_path: Path) -> None:
    with alone(tmp_path / "new"), pytest.raises(FatalError, match=r"\d+"), alone(tmp_path / "new"):
        pytest.fail("both have it")


def test_a_killed_line_leaves_the_folder_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(FatalError, match=str(holder.pid)), alone(tmp_path):
            pytest.fail("both have it")
        holder.kill()
    with alone(tmp_path):
        assert (tmp_path / "line.lock").is_file()


def test_a_folder_that_cannot_be_made_is_named() -> None:
    with pytest.raises(FatalError, match="/proc/none"), alone(Path("/proc/none")):
        pytest.fail("there is no such folder")
