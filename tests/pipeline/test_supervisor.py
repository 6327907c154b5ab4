"""The supervisor with small Python children; every wait is for a line or a state."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from rich.console import Console

from pipeline import supervisor as module
from pipeline.cli import line
from pipeline.services import ServicesConfig
from pipeline.supervisor import INSTANCE_VARIABLE, Child, Supervisor
from tests.pipeline.line_rig import alive, eventually

WELL_BEHAVED = "print('ready', flush=True); import time; time.sleep(600)"
DEAF = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('ready', flush=True); time.sleep(600)"
)
DEAF_WITH_CHILD = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "subprocess.Popen([sys.executable, '-c', 'import signal, time;"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)']);"
    "print('ready', flush=True); time.sleep(600)"
)


class Lines(list[tuple[str, str]]):
    """Every line that was said; ``until`` waits for a state of them."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def say(self, name: str, line: str) -> None:
        self.append((name, line))
        self._news.set()

    async def until(self, holds: Callable[["Lines"], bool], seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while not holds(self):
                self._news.clear()
                await self._news.wait()

    def of(self, name: str) -> list[str]:
        return [line for who, line in self if who == name]


def python(code: str) -> Callable[[Child], list[str]]:
    return lambda child: [sys.executable, "-c", code]


@asynccontextmanager
async def running(supervisor: Supervisor) -> AsyncIterator[asyncio.Event]:
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    try:
        yield stop
    finally:
        stop.set()
        async with asyncio.timeout(20):
            await task


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_every_line_arrives_once_behind_the_right_name() -> None:
    lines = Lines()
    code = (
        "import os, sys, time; n = os.environ['TINGCHAO_INSTANCE'];"
        "print(f'第 {n} 个'); print('err', n, file=sys.stderr); print('', flush=True);"
        "sys.stdout.buffer.write(b'\\xff no utf-8\\n'); sys.stdout.flush();"
        "print('last without a break', end='', flush=True); os.close(1); os.close(2);"
        "time.sleep(600)"
    )
    children = [Child("enrich"), Child("enrich", 2), Child("index")]
    supervisor = Supervisor(children, {"PYTHONIOENCODING": "utf-8"}, lines.say, python(code))

    async with running(supervisor):
        await lines.until(lambda said: sum(line == "last without a break" for _, line in said) == 3)

    for name, instance in (("enrich", 1), ("enrich-2", 2), ("index", 1)):
        said = [line for line in lines.of(name) if "starts again" not in line]
        assert sorted(said) == sorted(
            [f"第 {instance} 个", f"err {instance}", "", "\ufffd no utf-8", "last without a break"]
        )


async def test_children_get_the_environment_and_their_number() -> None:
    lines = Lines()
    code = (
        f"import os, time; print(os.environ['WANTED'], os.environ['{INSTANCE_VARIABLE}'],"
        "flush=True); time.sleep(600)"
    )

    async with running(
        Supervisor([Child("enrich", 3)], {"WANTED": "岚图"}, lines.say, python(code))
    ):
        await lines.until(lambda said: len(said) == 1)

    assert lines[0] == ("enrich-3", "岚图 3")


async def test_a_child_that_ends_is_started_again_after_longer_and_longer_waits() -> None:
    lines = Lines()
    supervisor = Supervisor([Child("enrich")], {}, lines.say, python("raise SystemExit(70)"))
    began = time.monotonic()

    async with running(supervisor):
        await lines.until(lambda said: len(said) == 3)

    assert lines.of("enrich") == [
        "ended with code 70; starts again in 1 s",
        "ended with code 70; starts again in 2 s",
        "ended with code 70; starts again in 4 s",
    ]
    assert time.monotonic() - began >= 3
    assert supervisor.restarts == {"enrich": 3}


async def test_one_that_ran_well_for_long_starts_over_at_one_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "HEALTHY_SECONDS", 0.0)
    lines = Lines()

    async with running(Supervisor([Child("enrich")], {}, lines.say, python("pass"))):
        await lines.until(lambda said: len(said) == 2)

    assert lines.of("enrich") == ["ended with code 0; starts again in 1 s"] * 2


async def test_a_child_killed_from_outside_comes_back() -> None:
    lines = Lines()
    supervisor = Supervisor([Child("watch")], {}, lines.say, python(WELL_BEHAVED))

    async with running(supervisor):
        await lines.until(lambda said: ("watch", "ready") in said)
        first = supervisor.processes["watch"].pid
        os.kill(first, signal.SIGKILL)
        await lines.until(lambda said: said.of("watch").count("ready") == 2)
        assert supervisor.processes["watch"].pid != first

    assert "ended with code -9; starts again in 1 s" in lines.of("watch")


async def test_a_command_that_cannot_be_started_is_tried_again(tmp_path: Path) -> None:
    lines = Lines()
    program = tmp_path / "later"
    supervisor = Supervisor([Child("index")], {}, lines.say, lambda child: [str(program)])

    async with running(supervisor):
        await lines.until(lambda said: len(said) == 1)
        assert "starts again in 1 s" in lines[0][1]
        program.write_text("#!/bin/sh\necho ready\nexec sleep 600\n")
        program.chmod(0o700)
        await lines.until(lambda said: ("index", "ready") in said)


async def test_a_line_without_end_does_not_cost_the_child_its_supervisor() -> None:
    lines = Lines()
    code = (
        "import sys, time; sys.stdout.write('x' * 20_000_000); print();"
        "print('ready', flush=True); time.sleep(600)"
    )

    async with running(Supervisor([Child("index")], {}, lines.say, python(code))):
        await lines.until(lambda said: ("index", "ready") in said)


@pytest.mark.parametrize(
    ("code", "patience"),
    [(WELL_BEHAVED, None), (DEAF, None), (DEAF_WITH_CHILD, 0.5)],
    ids=["well behaved", "deaf", "deaf with a child of its own"],
)
async def test_stop_ends_every_child_within_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, code: str, patience: float | None
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", patience or module.STOP_SECONDS)
    lines = Lines()
    children = [Child("enrich"), Child("index")]
    supervisor = Supervisor(children, {}, lines.say, python(code))

    async with running(supervisor) as stop:
        await lines.until(lambda said: len(said) == 2)
        pids = [process.pid for process in supervisor.processes.values()]
        began = time.monotonic()
        stop.set()

    assert time.monotonic() - began < 10
    assert all(gone(pid) for pid in pids)
    assert lines.of("enrich") == ["ready"], "an end that was asked for is no news"


@pytest.mark.parametrize("turns", range(8))
async def test_stop_at_the_very_start_leaves_nobody_behind(turns: int) -> None:
    # Whatever the supervisor is doing at that moment: the process may just be coming to life.
    lines = Lines()
    supervisor = Supervisor([Child("enrich")], {}, lines.say, python(WELL_BEHAVED))
    stop = asyncio.Event()
    task = asyncio.create_task(supervisor.run(stop))
    for _ in range(turns):
        await asyncio.sleep(0)

    stop.set()
    async with asyncio.timeout(15):
        await task

    assert all(gone(process.pid) for process in supervisor.processes.values())


async def test_stop_while_waiting_to_start_again_does_not_wait() -> None:
    lines = Lines()
    supervisor = Supervisor([Child("enrich")], {}, lines.say, python("raise SystemExit(1)"))

    async with running(supervisor) as stop:
        await lines.until(lambda said: len(said) == 3)  # the next start is 4 s away
        began = time.monotonic()
        stop.set()

    assert time.monotonic() - began < 3


ORPHAN = """
import signal, sys, time
from pipeline import supervisor
supervisor.STOP_SECONDS = 0.5
supervisor.end_with_supervisor()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True:
    time.sleep(1)
"""

PARENT = """
import os, subprocess, sys
environment = {**os.environ, "TINGCHAO_SUPERVISOR": str(os.getpid())}
command = [sys.executable, "-c", sys.argv[1]]
child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_a_worker_deaf_to_its_end_does_not_outlive_its_supervisor() -> None:
    command = [sys.executable, "-c", PARENT, ORPHAN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = int(parent.stdout.readline())
        assert alive(worker)
        parent.kill()

    eventually(lambda: not alive(worker), "the deaf worker ends", 30)


async def test_a_service_that_ended_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Running:
        config = ServicesConfig(folder=tmp_path)
        looks = 0

        def ended(self) -> list[str]:
            self.looks += 1
            return ["kafka"] if self.looks > 2 else []

    monkeypatch.setattr(line, "ENDED_LOOK_SECONDS", 0)
    out, running = io.StringIO(), Running()
    telling = asyncio.create_task(
        line.tell_of_the_ended(running, Console(file=out))  # type: ignore[arg-type]
    )
    while running.looks < 6:
        await asyncio.sleep(0)
    telling.cancel()

    assert out.getvalue().count("Kafka") == 1
    assert "tingchao up" in out.getvalue()
