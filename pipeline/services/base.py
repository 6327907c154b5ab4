"""What one local service is: how it is started and how it answers."""

import os
from pathlib import Path
from typing import Protocol

from .config import ServiceName, ServicesConfig
from .java import Java
from .places import digest
from .process import Launch

__all__ = ["Service", "compiling", "environment", "mark"]


class Service(Protocol):
    """Kafka or Elasticsearch."""

    name: ServiceName
    title: str
    second_port: str
    """Name of its other, inner port."""

    def wanted(self, config: ServicesConfig) -> bool:
        """Whether the settings want it run here."""

    def configured_port(self, config: ServicesConfig) -> int | None:
        """The port that the settings name."""

    def settings(self, config: ServicesConfig) -> str:
        """All that it is started with besides ports; a change asks for a restart."""

    def prepare(
        self, config: ServicesConfig, port: int, second_port: int, home: Path, java: Java
    ) -> Launch:
        """Write its configuration and say how it is started."""

    def address(self, port: int) -> str:
        """What a client is told."""

    def answers(self, port: int, seconds: float) -> bool:
        """Whether it is ready to work; any failure to reach it is a no."""

    def data(self, config: ServicesConfig) -> Path:
        """Its data folder."""


def mark(service: str, folder: Path) -> str:
    """An argument on the command line of every process of this service and this work folder.

    By it a service is found even when the note about it was lost.
    """
    return f"-Dtingchao.{service}={digest(folder)}"


def compiling(config: ServicesConfig) -> list[str]:
    """JVM options for how eagerly it compiles."""
    return ["-XX:TieredStopAtLevel=1"] if config.short_lived else []


def environment() -> dict[str, str]:
    """What a service may know of our environment: secrets of the settings are none of its business.

    The fixed locale lets Java read file names in any language.
    """
    zone = {"TZ": os.environ["TZ"]} if "TZ" in os.environ else {}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8", **zone}
