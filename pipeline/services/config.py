"""What the local services need to know, and the one error they raise."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from schemas.errors import FatalError

__all__ = ["Progress", "ServiceError", "ServiceName", "ServicesConfig", "silent"]

ServiceName = Literal["kafka", "elasticsearch"]


class ServiceError(FatalError):
    """A local service cannot run; the message is one sentence that says why and what to do."""


class Progress(Protocol):
    """Hears of every step that takes time; ``done`` marks the last step of that service."""

    def __call__(self, service: str, text: str, *, done: bool = False) -> None:
        """Take one step in: which service, and what it is doing now."""


def silent(service: str, text: str, *, done: bool = False) -> None:
    """A progress that nobody watches."""


@dataclass(frozen=True, kw_only=True)
class ServicesConfig:
    """Where the local Kafka and Elasticsearch live and how large they are."""

    folder: Path
    """Work folder: data, logs, ports and process ids of this installation."""
    artefacts: Path | None = None
    """Downloaded servers; by default ``artefacts`` in the work folder. May be shared."""
    kafka: bool = True
    """Run a local Kafka; false where the settings name an existing one."""
    elasticsearch: bool = True
    """Run a local Elasticsearch; false where the settings name an existing one."""
    kafka_port: int | None = None
    """Port on 127.0.0.1; none: a free one, kept for the next start."""
    elasticsearch_port: int | None = None
    """Port on 127.0.0.1; none: a free one, kept for the next start."""
    kafka_heap: str = "512m"
    """Java heap of Kafka."""
    elasticsearch_heap: str = "1g"
    """Java heap of Elasticsearch."""
    elasticsearch_user: str = "nobody"
    """Who runs Elasticsearch when we are root, which it refuses."""
    kafka_properties: Mapping[str, str] = field(default_factory=dict)
    """Further lines of ``server.properties``; they win, listener lists are extended."""
    elasticsearch_properties: Mapping[str, str] = field(default_factory=dict)
    """Further lines of ``elasticsearch.yml``; they win."""
    short_lived: bool = False
    """For tests and demos: the JVMs compile once, quickly.

    Measured: half the start, and less CPU up to about a million posts; some 20 % more after that.
    """
    start_seconds: float = 180.0
    """How long a service may take until it answers."""
    stop_seconds: float = 45.0
    """How long a service may take to end before it is killed."""

    @property
    def artefacts_folder(self) -> Path:
        """Where the downloaded servers are."""
        return self.artefacts if self.artefacts is not None else self.folder / "artefacts"

    @property
    def logs(self) -> Path:
        """Where both services log."""
        return self.folder / "logs"
