import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.crash_log import DEATHS_TO_SUSPECT, CrashLog, Place

BAD: Place = ("posts.raw", 1, 42, 0)
GOOD: Place = ("posts.raw", 1, 43, 0)


def die(path: Path, *places: Place) -> None:
    """A process that begins and never ends."""
    CrashLog(path).begin(places)


def test_three_deaths_make_a_suspect(tmp_path: Path) -> None:
    path = tmp_path / "notes" / "enrich-1.json"

    for _ in range(DEATHS_TO_SUSPECT):
        assert not CrashLog(path).suspicious(BAD)
        die(path, BAD)

    assert CrashLog(path).suspicious(BAD)
    assert not CrashLog(path).suspicious(GOOD)


def test_a_process_killed_hard_counts_as_a_death(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    code = (
        "import os, signal, sys; from pathlib import Path; from pipeline.crash_log import CrashLog;"
        "CrashLog(Path(sys.argv[1])).begin([('posts.raw', 1, 42, 0)]);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )

    for _ in range(DEATHS_TO_SUSPECT):
        done = subprocess.run(
            [sys.executable, "-c", code, str(path)],
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert done.returncode == -9

    assert CrashLog(path).suspicious(BAD)


def test_what_ended_well_is_no_death(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    for _ in range(DEATHS_TO_SUSPECT + 2):
        log = CrashLog(path)
        log.begin([BAD])
        log.done([BAD])

    assert not CrashLog(path).suspicious(BAD)


def test_being_asked_to_stop_is_no_death(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    for _ in range(DEATHS_TO_SUSPECT + 2):
        log = CrashLog(path)
        log.begin([BAD])
        log.release()

    assert not CrashLog(path).suspicious(BAD)


def test_reading_the_notes_twice_counts_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    die(path, BAD)

    for _ in range(5):
        CrashLog(path)

    die(path, BAD)
    assert not CrashLog(path).suspicious(BAD)
    die(path, BAD)
    assert CrashLog(path).suspicious(BAD)


def test_deaths_of_one_record_outlive_the_work_on_others(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    for _ in range(DEATHS_TO_SUSPECT):
        log = CrashLog(path)
        log.begin([GOOD])
        log.done([GOOD])
        log.begin([BAD])

    assert CrashLog(path).suspicious(BAD)


def test_a_suspect_that_passed_is_none_any_more(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    for _ in range(DEATHS_TO_SUSPECT):
        die(path, BAD)

    log = CrashLog(path)
    log.begin([BAD])
    log.done([BAD])

    assert not log.suspicious(BAD)
    assert not CrashLog(path).suspicious(BAD)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"x"',
        b"[1]",
        b"[[1,2]]",
        b'[["t",0,"x",0,1,1]]',
        b"\xff\xfe",
        b"[{}]",
    ],
)
def test_unreadable_notes_start_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.json"
    path.write_bytes(content)

    log = CrashLog(path)

    assert not log.suspicious(BAD)
    log.begin([BAD])
    log.done([BAD])


def test_the_old_notes_survive_a_death_while_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notes.json"
    for _ in range(DEATHS_TO_SUSPECT):
        die(path, BAD)
    log = CrashLog(path)

    def dies(self: Path, text: str, *_: object) -> int:
        with self.open("w") as half:
            half.write(text[: len(text) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_text", dies)
        with pytest.raises(KeyboardInterrupt):
            log.begin([BAD, GOOD])

    assert CrashLog(path).suspicious(BAD)
