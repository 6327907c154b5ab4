"""The real Kafka and Elasticsearch, with the handles that a fault needs: kill, freeze, restart."""

import os
import signal
from contextlib import suppress

from pipeline import services
from pipeline.services import ServicesConfig
from pipeline.services.config import ServiceName
from tests.pipeline.line_rig import alive, eventually

__all__ = ["Server"]


class Server:
    """One of the two; after a fault it is started again on the same data and port."""

    def __init__(self, config: ServicesConfig, name: ServiceName) -> None:
        self.name: ServiceName = name
        self.config = config

    @property
    def pid(self) -> int:
        """The process that leads its group."""
        [found] = [one for one in services.status(self.config) if one.name == self.name]
        assert found.pid is not None, f"{self.name} does not run"
        return found.pid

    def kill(self) -> None:
        """``kill -9`` of the whole group."""
        pid = self.pid
        os.killpg(pid, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)
        eventually(lambda: not alive(pid), f"{self.name} is dead")

    def stop(self) -> None:
        """As an operator stops it."""
        services.stop(self.config, only=[self.name])

    def start(self) -> None:
        """Start what does not run; returns when it answers."""
        services.start(self.config, attached=True)

    def freeze(self) -> None:
        """``SIGSTOP``: it neither answers nor closes a connection."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """``SIGCONT``."""
        os.killpg(self.pid, signal.SIGCONT)
