"""A line of real worker processes on the run's real servers, for the end-to-end tests.

Every line has its own prefix, work folder and settings file. ``until`` waits for a condition with
a generous deadline and fails at once, with the log, when a worker ends that nobody asked to.
"""

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock

import httpx
import structlog
import tomli_w
from aiokafka.errors import GroupCoordinatorNotAvailableError

from pipeline.cli.common import run
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.kafka import Entry, LineWriter
from pipeline.lag import total_lag
from pipeline.logs import CLIENTS
from pipeline.record import Record
from pipeline.settings import Settings, load_settings
from pipeline.status import live_workers
from pipeline.supervisor import INSTANCE_VARIABLE
from schemas.language import use_language
from sinks.elasticsearch import Elasticsearch
from sinks.search import Search

__all__ = [
    "ROOT",
    "STOP_SECONDS",
    "Answer",
    "Line",
    "Receiver",
    "Worker",
    "alive",
    "ask",
    "clean_environment",
    "cli",
    "eventually",
]

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 120.0
STOP_SECONDS = 10.0

#: The environment and the standard streams belong to the whole process.
_ONE_COMMAND = threading.Lock()

T = TypeVar("T")


# --- processes --------------------------------------------------------------------------------


def alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not collected yet does not."""
    try:
        os.kill(pid, 0)
        stat = Path(f"/proc/{pid}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def eventually(holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Wait until something holds; fail with its name."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def ask(line: "Line", role: str, path: str) -> tuple[int, Any]:
    """What a role's health server answers; code 0 while nobody does."""
    for worker in live_workers(line.settings.folder):
        if worker.role == role:
            with suppress(httpx.HTTPError):
                answer = httpx.get(worker.url(path), timeout=5.0, trust_env=False)
                is_json = answer.headers["content-type"].startswith("application/json")
                return answer.status_code, answer.json() if is_json else answer.text
    return 0, None


class Worker:
    """One process of a line; its output goes to a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = log.stem
        self.log = log
        self.expected_to_run = True
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**clean_environment(), **environment},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        """``kill -9``."""
        self.expected_to_run = False
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """Let it stand still: what is sent to it now is taken by the kernel and never read."""
        self.process.send_signal(signal.SIGSTOP)

    def ask_to_end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.expected_to_run = False
        self.process.send_signal(number)

    def code(self, seconds: float = STOP_SECONDS) -> int:
        """The exit code; fails when it is still running after that time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} still runs after {seconds} s\n{self.said()}"
            ) from None

    def check(self) -> None:
        """Fail when it ended by itself."""
        if self.expected_to_run and self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended ({self.process.returncode})\n{self.said()}")

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-4_000:]

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()


def clean_environment() -> dict[str, str]:
    """Ours, without the settings of whoever runs the tests."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TINGCHAO_")}


# --- the command line -------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """What a command line said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        assert self.code in (0, 1), self.err
        return json.loads(self.out)


def cli(*arguments: str | Path, **variables: str) -> Answer:
    """Run one command line in this process, as ``tingchao`` does; one at a time."""
    out, err = io.StringIO(), io.StringIO()
    with (
        _ONE_COMMAND,
        mock.patch.dict(os.environ, {**clean_environment(), **variables}, clear=True),
        _logs_put_back(),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code = run([str(argument) for argument in arguments])
    return Answer(code, out.getvalue(), err.getvalue())


@contextmanager
def _logs_put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        for client in CLIENTS:
            logging.getLogger(client).setLevel(logging.NOTSET)
        structlog.reset_defaults()
        use_language(None)


# --- a line -----------------------------------------------------------------------------------


class Line:
    """Settings of its own, the processes that a test starts for it, and looks into its servers."""

    def __init__(self, folder: Path, sections: Mapping[str, Any]) -> None:
        self.folder = folder
        self.file = folder / "tingchao.toml"
        folder.mkdir(parents=True, exist_ok=True)
        tree = {"language": "en", "folder": "work", **sections}
        self.file.write_text(tomli_w.dumps(tree), encoding="utf-8")
        with mock.patch.dict(os.environ, clean_environment(), clear=True):
            self.settings: Settings = load_settings(self.file)
        self.kafka = kafka_of(self.settings)
        self.workers: list[Worker] = []

    def close(self) -> None:
        for worker in self.workers:
            worker.close()

    # -- processes

    def start(self, role: str, instance: int = 1, **variables: str) -> Worker:
        """Start one role as a process of its own, as a supervisor would."""
        command = [sys.executable, "-m", "pipeline", "worker", role]
        return self.start_command(
            f"{role}-{instance}", command, **{INSTANCE_VARIABLE: str(instance)} | variables
        )

    def start_command(self, name: str, command: Sequence[str], **variables: str) -> Worker:
        environment = {"TINGCHAO_SETTINGS": str(self.file), **variables}
        worker = Worker(command, environment, self.folder / "logs" / f"{name}.log")
        self.workers.append(worker)
        return worker

    def until(self, holds: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> None:
        """Wait until something holds; fail with its name and the workers' logs."""
        end = time.monotonic() + seconds
        while not holds():
            for worker in self.workers:
                worker.check()
            if time.monotonic() > end:
                logs = "\n".join(f"--- {w.name}\n{w.said()}" for w in self.workers)
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{logs}")
            time.sleep(0.1)

    def until_drained(self, *groups: str) -> None:
        """Wait until these groups have read everything (one's last word is the next one's work)."""

        def drained() -> bool:
            return not self.behind(*groups) and not self.behind(*groups)

        self.until(drained, f"{', '.join(groups)} have read everything")

    # -- the command line

    def cli(self, *arguments: str | Path, **variables: str) -> Answer:
        return cli("--settings", self.file, *arguments, **variables)

    def ok(self, *arguments: str | Path) -> Answer:
        """A command that must succeed."""
        answer = self.cli(*arguments)
        assert answer.code == 0, answer.out + answer.err
        return answer

    # -- Kafka

    def produce(
        self,
        topic: str,
        *values: bytes | None,
        partition: int = 0,
        key: bytes | None = None,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> None:
        """Write raw records, as any producer could."""

        async def write() -> None:
            writer = LineWriter(self.kafka)
            await writer.start()
            try:
                entries = [Entry(partition, value, key, headers) for value in values]
                await writer.write({topic: entries})
            finally:
                await writer.stop()

        asyncio.run(write())

    def records(self, topic: str) -> list[Record]:
        """Everything that a topic holds and that is committed."""

        found: list[Record] = []
        self.each(topic, found.append)
        return found

    def each(self, topic: str, take: Callable[[Record], None]) -> None:
        """The same one by one, for a topic that is too large to be held."""

        async def read() -> None:
            async for record in self.kafka.read_all(topic):
                take(record)

        asyncio.run(read())

    def count(self, topic: str) -> int:
        """Records (and transaction markers) that a topic was given so far."""

        async def ends() -> int:
            async with self.kafka.reader(topic) as (consumer, partitions):
                return sum((await consumer.end_offsets(partitions)).values())

        return asyncio.run(ends())

    def behind(self, *groups: str) -> int:
        """Records that these groups have still to read."""
        return asyncio.run(total_lag(self.kafka, groups))

    def members(self, group: str) -> int:
        """Live members of a consumer group."""

        async def describe() -> int:
            async with self.kafka.admin() as admin:
                try:
                    answers = await admin.describe_consumer_groups([self.kafka.group(group)])
                except GroupCoordinatorNotAvailableError:
                    return 0  # nobody has ever asked this broker for a group
            [(_, _, state, _, _, members, *_)] = answers[0].groups
            return len(members) if state == "Stable" else 0

        return asyncio.run(describe())

    # -- Elasticsearch

    def look(self, work: Callable[[Elasticsearch], Coroutine[Any, Any, T]]) -> T:
        """Do something with an open, refreshed index."""

        async def opened() -> T:
            index = elasticsearch_client(self.settings)
            try:
                await index.refresh()
                return await work(index)
            finally:
                await index.close()

        return asyncio.run(opened())

    def indexed(self) -> list[str]:
        """Ids of all indexed posts, sorted; an id that stands twice comes twice."""

        async def ids(index: Elasticsearch) -> list[str]:
            return sorted([post_id async for post_id, _ in Search(index).ids()])

        return self.look(ids)

    def post(self, post_id: str) -> Any:
        """One indexed post, or None."""
        return self.look(lambda index: Search(index).post(post_id))


# --- the other side ---------------------------------------------------------------------------


@dataclass
class Receiver:
    """A webhook receiver on this machine that keeps what it was sent.

    While ``holding`` it takes requests and does not answer.
    """

    holding: threading.Event = field(default_factory=threading.Event)
    deliveries: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.deliveries.append((headers, body))
                while receiver.holding.is_set():
                    time.sleep(0.05)
                with suppress(OSError):  # the sender may be gone by now
                    self.send_response(204)
                    self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hooks/tingchao"

    def keys(self) -> list[str]:
        """The ``webhook-id`` of each delivery, in order of arrival."""
        return [headers["webhook-id"] for headers, _ in self.deliveries]

    def close(self) -> None:
        self.holding.clear()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
