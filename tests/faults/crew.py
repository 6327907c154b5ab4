"""The roles of a line under the product's own supervisor, and ways to hurt each process."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence

from pipeline.supervisor import Child, Supervisor
from tests.pipeline.line_rig import Line, alive, clean_environment, eventually

__all__ = ["Crew"]


class Crew:
    """Child processes that are started again when they end, as ``tingchao up`` does.

    ``failpoints`` are understood by ``tests/faults/sabotage.py``, through which every process is
    started; the product itself knows none.
    """

    def __init__(
        self, line: Line, children: Sequence[Child], failpoints: Mapping[str, str] | None = None
    ) -> None:
        self.line = line
        self.log = line.folder / "logs" / f"crew-{id(self)}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self._out = self.log.open("a", encoding="utf-8")
        environment = clean_environment() | {"TINGCHAO_SETTINGS": str(line.file)}
        environment |= failpoints or {}
        self._supervisor = Supervisor(children, environment, self._said, _command)
        self._stop = asyncio.Event()
        self._loop = asyncio.new_event_loop()
        # Workers end with the thread that started them, so it lives as long as the crew.
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._supervisor.run(self._stop))
        self._loop.close()

    def _said(self, name: str, text: str) -> None:
        self._out.write(f"{name:>9} {text}\n")
        self._out.flush()

    def close(self) -> None:
        """End every process, within ten seconds."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
        self._out.close()

    def said(self) -> str:
        """Everything that the processes and their supervisor have written so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ends(self, name: str) -> list[str]:
        """How one child ended each time, in the supervisor's words."""
        mark = f"{name:>9} ended with code "
        return [
            row.removeprefix(mark).partition(";")[0]
            for row in self.said().splitlines()
            if row.startswith(mark)
        ]

    @property
    def restarts(self) -> int:
        """Of all children."""
        return sum(self._supervisor.restarts.values())

    def pid(self, name: str) -> int:
        """The process of one child; waits for it while it is being started again."""
        found: list[int] = []

        def runs() -> bool:
            process = self._supervisor.processes.get(name)
            if process is None or process.returncode is not None or not alive(process.pid):
                return False
            found[:] = [process.pid]
            return True

        eventually(runs, f"{name} runs\n{self.said()[-2_000:]}")
        return found[0]

    def kill(self, name: str) -> None:
        """``kill -9``; the supervisor starts it again."""
        self.send(name, signal.SIGKILL)

    def ask_to_end(self, name: str) -> None:
        """``SIGTERM``; the supervisor starts it again."""
        self.send(name, signal.SIGTERM)

    def freeze(self, name: str) -> int:
        """``SIGSTOP``; returns the pid, for ``thaw``."""
        return self.send(name, signal.SIGSTOP)

    def thaw(self, pid: int) -> None:
        """``SIGCONT``."""
        os.kill(pid, signal.SIGCONT)

    def send(self, name: str, number: signal.Signals) -> int:
        """Send a signal to a child; returns its pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid


def _command(child: Child) -> list[str]:
    return [sys.executable, "-m", "tests.faults.sabotage", "worker", child.role]
