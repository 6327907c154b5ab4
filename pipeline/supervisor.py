"""``tingchao up``: all roles as child processes under one roof.

Each child is a plain ``tingchao worker ROLE``. A child that ends is started again after 1 s, 2 s,
4 s ... up to 30 s; one that ran for a minute starts over at 1 s. Every line that a child prints
appears once, behind the child's name.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["INSTANCE_VARIABLE", "Child", "Supervisor", "end_with_supervisor"]

INSTANCE_VARIABLE = "TINGCHAO_INSTANCE"
_SUPERVISOR_VARIABLE = "TINGCHAO_SUPERVISOR"
_PR_SET_PDEATHSIG = 1
EXIT_ORPHAN = 70
LOOK_SECONDS = 0.5
STOP_SECONDS = 8.0
KILL_SECONDS = 1.0
HEALTHY_SECONDS = 60.0
MOST_WAIT_SECONDS = 30.0
MAX_LINE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Child:
    """One process to keep running."""

    role: str
    instance: int = 1

    @property
    def name(self) -> str:
        """``enrich``, or ``enrich-2`` for a second one."""
        return self.role if self.instance == 1 else f"{self.role}-{self.instance}"


class Supervisor:
    """Keeps children running until asked to stop.

    ``say_line(name, line)`` gets every printed line and the supervisor's own remarks.
    """

    def __init__(
        self,
        children: Sequence[Child],
        environment: Mapping[str, str],
        say_line: Callable[[str, str], None],
        command: Callable[[Child], list[str]] | None = None,
    ) -> None:
        self._children = children
        self._environment = dict(environment)
        self._say_line = say_line
        self._command = command or _worker_command
        self._stopping = asyncio.Event()
        self.processes: dict[str, asyncio.subprocess.Process] = {}
        self.restarts: dict[str, int] = {child.name: 0 for child in children}

    async def run(self, stop: asyncio.Event) -> None:
        """Run until ``stop`` is set, then end every child within 10 s."""
        keepers = [asyncio.create_task(self._keep(child)) for child in self._children]
        try:
            await stop.wait()
        finally:
            self._stopping.set()
            await self._end_all(keepers)

    async def _keep(self, child: Child) -> None:
        wait = 1.0
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began = loop.time()
            how = await self._once(child)
            if self._stopping.is_set():
                return
            if loop.time() - began > HEALTHY_SECONDS:
                wait = 1.0
            self.restarts[child.name] += 1
            self._say_line(child.name, f"{how}; starts again in {wait:.0f} s")
            try:
                await asyncio.wait_for(self._stopping.wait(), wait)
            except TimeoutError:
                wait = min(2 * wait, MOST_WAIT_SECONDS)

    async def _once(self, child: Child) -> str:
        """Run the child to its end; returns how it ended."""
        try:
            process = await self._start(child)
        except OSError as error:  # no memory, no processes left: that passes
            return f"could not be started ({error})"
        self.processes[child.name] = process
        if self._stopping.is_set():  # it came to life while the others were being ended
            process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        while True:
            try:
                line = await process.stdout.readline()
            except ValueError:
                line = b"(a line that is too long was left out)"
            if not line:
                return f"ended with code {await process.wait()}"
            self._say_line(child.name, line.decode(errors="replace").rstrip())

    async def _start(self, child: Child) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command(child),
            env={
                **os.environ,
                **self._environment,
                INSTANCE_VARIABLE: str(child.instance),
                _SUPERVISOR_VARIABLE: str(os.getpid()),
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches us alone; we stop the children in order
            limit=MAX_LINE_BYTES,
        )

    async def _end_all(self, keepers: Sequence["asyncio.Task[None]"]) -> None:
        for process in self.processes.values():
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        _, deaf = await asyncio.wait(keepers, timeout=STOP_SECONDS) if keepers else ((), set())
        if deaf:
            for process in self.processes.values():
                # The whole group: a child of a child that holds the output would keep us waiting.
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            await asyncio.wait(deaf, timeout=KILL_SECONDS)
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)


def end_with_supervisor() -> None:
    """Called by a worker: end when the supervisor dies, also when it is killed.

    Does nothing in a worker that was started by hand. Where the kernel has no such wish (not
    Linux), orphans go on working, which loses nothing.
    """
    supervisor = os.environ.get(_SUPERVISOR_VARIABLE)
    if supervisor is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(supervisor):
        sys.exit(0)  # it died before we could ask
    threading.Thread(target=_outlive_by_seconds, args=(int(supervisor),), daemon=True).start()


def _outlive_by_seconds(supervisor: int) -> None:
    """A worker that waits for a broker may be deaf to SIGTERM, and nobody is left to kill it."""
    while os.getppid() == supervisor:
        time.sleep(LOOK_SECONDS)
    time.sleep(STOP_SECONDS)
    os._exit(EXIT_ORPHAN)  # nothing more is acknowledged: what was in hand comes again


def _worker_command(child: Child) -> list[str]:
    return [sys.executable, "-m", "pipeline", "worker", child.role]
