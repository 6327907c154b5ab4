"""Processes that we start, find again and end, also after a crash of whoever started them.

A process is known by its id *and* its start time: ids are given out again. Every service leads
its own session and group, so that a launcher and the server that it starts end together.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from schemas.language import say

from .config import ServiceError

__all__ = [
    "Account",
    "Launch",
    "ProcessRef",
    "end",
    "find",
    "members",
    "myself",
    "reference",
    "rss",
    "spawn",
]

_LINUX = sys.platform == "linux"
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessRef(BaseModel):
    """One process that cannot be mistaken for a later one with the same id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pid: int
    started: str


@dataclass(frozen=True)
class Account:
    """A user of this machine."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True)
class Launch:
    """All that it takes to start one service."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path
    output: Path
    """What the process itself prints; the log proper is written by the service."""
    account: Account | None = None


# ── looking ────────────────────────────────────────────────────────────────────────────────────


def _stat(pid: int) -> list[str] | None:
    """Fields of ``/proc/<pid>/stat`` from the state on; none if it is gone or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks and brackets
    return None if fields[0] in "ZX" else fields


def reference(pid: int) -> ProcessRef | None:
    """The living process of that id; none if there is none."""
    if _LINUX:
        fields = _stat(pid)
        if fields is None:
            return None
        # start times count from boot, so two boots may repeat one
        return ProcessRef(pid=pid, started=f"{_boot()}/{fields[19]}")
    shown = subprocess.run(
        ["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split(maxsplit=1)
    return None if len(shown) < 2 or "Z" in shown[0] else ProcessRef(pid=pid, started=shown[1])


def myself() -> ProcessRef:
    """This process."""
    return reference(os.getpid()) or ProcessRef(pid=os.getpid(), started="")


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]


def _every() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdigit()) if _LINUX else iter(())


def _carries(pid: int, mark: str) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    # a whole argument of a JVM: nobody's grep for the mark is taken for a service
    return command[0].endswith(b"java") and mark.encode() in command


def find(mark: str) -> list[ProcessRef]:
    """Leaders of living groups with this mark on a command line, recorded or not (Linux)."""
    groups = {int(s[2]) for pid in _every() if _carries(pid, mark) and (s := _stat(pid))}
    return [reference(group) or ProcessRef(pid=group, started="gone") for group in groups]


def members(ref: ProcessRef, mark: str) -> list[int]:
    """Living processes of the group that ``ref`` leads or led, itself first."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(ref.pid, os.WNOHANG)  # our own dead child would stay a zombie
    leader = reference(ref.pid)
    if leader is not None and leader != ref:
        return []  # the id was given out again
    group = [p for p in _every() if (s := _stat(p)) and int(s[2]) == ref.pid and p != ref.pid]
    if leader is not None:
        return [ref.pid, *group]
    return [p for p in group if _carries(p, mark)]


def rss(pids: Sequence[int]) -> int:
    """Resident memory of these processes in bytes."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    return total


# ── ending ─────────────────────────────────────────────────────────────────────────────────────


def end(ref: ProcessRef, mark: str, seconds: float) -> None:
    """End a group: ask its leader, then what the leader left, at last kill.

    Only the leader is asked at first: a launcher passes the request on and waits for its server.
    """
    deadline = time.monotonic() + seconds
    asked: set[int] = set()
    while (left := members(ref, mark)) and time.monotonic() < deadline:
        for pid in [ref.pid] if ref.pid in left else left:
            if pid not in asked:
                _signal(pid, signal.SIGTERM)
                _signal(pid, signal.SIGCONT)  # a frozen process would not hear it
                asked.add(pid)
        time.sleep(0.05)
    deadline = time.monotonic() + 10
    while (left := members(ref, mark)) and time.monotonic() < deadline:
        for pid in left:
            _signal(pid, signal.SIGKILL)
        time.sleep(0.05)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError as error:
        raise ServiceError(
            say(
                f"进程 {pid} 由另一个用户启动，请用该用户停止它。",
                f"Process {pid} was started by another user: stop it as that user.",
            )
        ) from error


# ── starting ───────────────────────────────────────────────────────────────────────────────────


def spawn(launch: Launch, *, attached: bool, started: Callable[[ProcessRef], None]) -> ProcessRef:
    """Start a service; it runs only after ``started`` has put its reference on disk.

    ``attached``: it is asked to end when this process dies, however that happens (Linux).
    """
    return _keeper.call(lambda: _spawn(launch, attached, started))


def _spawn(launch: Launch, attached: bool, started: Callable[[ProcessRef], None]) -> ProcessRef:
    order = {
        "command": list(launch.command),
        "folder": str(launch.folder),
        "output": str(launch.output),
        "uid": launch.account and launch.account.uid,
        "gid": launch.account and launch.account.gid,
        "parent": os.getpid() if attached else None,
    }
    hear, tell = os.pipe()
    try:
        # not Popen: its destructor complains about a child that is meant to outlive us
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-I", "-S", str(Path(__file__).with_name("child.py")), _text(order)],
            launch.environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, hear, 0)],
        )
        ref = reference(pid)
        if ref is None:
            raise ServiceError(say("无法启动子进程。", "A child process could not be started."))
        started(ref)
        with contextlib.suppress(BrokenPipeError):  # it ended already: its output says why
            os.write(tell, b"\n")
        return ref
    finally:
        os.close(hear)
        os.close(tell)


def _text(order: object) -> str:
    return json.dumps(order, ensure_ascii=True)


class _Keeper:
    """One thread that starts all services and lives as long as this process.

    Linux tells a child of its parent's death when the *thread* that started it ends, and ours may
    well be a short-lived worker thread.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._process = 0

    def call(self, function: Callable[[], ProcessRef]) -> ProcessRef:
        """Run ``function`` on that thread."""
        with self._lock:
            if self._process != os.getpid():  # first use, or a forked copy without the thread
                self._work = queue.SimpleQueue()
                threading.Thread(
                    target=self._run, args=(self._work,), name="services", daemon=True
                ).start()
                self._process = os.getpid()
        answer: Future[ProcessRef] = Future()

        def work() -> None:
            try:
                answer.set_result(function())
            except BaseException as error:  # noqa: BLE001  # handed to the caller below
                answer.set_exception(error)

        self._work.put(work)
        try:
            return answer.result()
        except BaseException:  # Ctrl-C: what is being started is started, and then known
            wait([answer])
            raise

    @staticmethod
    def _run(work: "queue.SimpleQueue[Callable[[], None]]") -> None:
        while True:
            work.get()()


_keeper = _Keeper()
