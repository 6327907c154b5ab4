"""All that watches one worker process: vitals, watchdog, monitor, health server."""

import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import get_args

from pipeline import metrics
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.health import HealthServer
from pipeline.lag import READS
from pipeline.monitor import Monitor, Probe
from pipeline.settings import Settings
from pipeline.supervisor import INSTANCE_VARIABLE
from pipeline.vitals import State, Vitals
from pipeline.watchdog import Watchdog, past_exits

__all__ = ["Guard", "instance_number"]

NEEDS_INDEX = ("index", "notify")


def instance_number() -> int:
    """Which process of its role this is: 1, unless a supervisor said otherwise."""
    given = os.environ.get(INSTANCE_VARIABLE, "")
    return int(given) if given.isdigit() and int(given) else 1


class Guard:
    """Watches a process from ``start`` to ``close``; both may be called again."""

    def __init__(self, role: str, settings: Settings) -> None:
        self.vitals = Vitals(role, _groups(role, settings))
        self._settings = settings
        self._instance = instance_number()
        note = settings.folder / "crashes" / self._note_name(role)
        self._note: Path = note
        self._watchdog = Watchdog(self.vitals, settings.watchdog, note)
        self._health = HealthServer(self.vitals, self._watchdog)
        self._monitor: Monitor | None = None

    def start(self) -> None:
        """Watch, serve and look, in this order.

        Raises:
            FatalError: the port is taken, the work folder can't be written, or no address of a
                server is known.
        """
        if self._monitor is not None:
            return
        role, settings = self.vitals.role, self._settings
        connect = _index_probe(settings) if role in NEEDS_INDEX else None
        self._monitor = Monitor(
            kafka_of(settings), self.vitals, settings.health.look_seconds, connect
        )
        metrics.announce(role)
        metrics.WATCHDOG_EXITS.labels(role).inc(past_exits(self._note))
        for state in get_args(State):
            metrics.WORKER_STATE.labels(role, state).set_function(self._is(state))
        self._watchdog.start()
        self._health.start(settings.health, self._instance, settings.folder)
        self._monitor.start()

    def close(self) -> None:
        """The process ends in order."""
        self.vitals.stopping = True
        self._watchdog.close()
        if self._monitor is not None:
            self._monitor.close()
        self._health.close()

    def _is(self, state: State) -> Callable[[], float]:
        return lambda: float(self.vitals.status().state == state)

    def _note_name(self, role: str) -> str:
        return f"{self._settings.kafka.prefix}{role}-{self._instance}.watchdog"


def _groups(role: str, settings: Settings) -> list[str] | None:
    """The consumer groups of a role; None when it is in none."""
    if role == "notify":
        return [f"notify-{name}" for name in settings.telling_channels] or None
    return [role] if role in READS else None


def _index_probe(settings: Settings) -> Callable[[AsyncExitStack], Probe]:
    def connect(stack: AsyncExitStack) -> Probe:
        index = elasticsearch_client(settings)
        stack.push_async_callback(index.close)
        return lambda: index.ready(timeout_seconds=1)

    return connect
