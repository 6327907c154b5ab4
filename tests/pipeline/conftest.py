import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.services import RunningServices
from tests.pipeline.line_rig import Line, Receiver

MakeLine = Callable[..., Line]


def _lines(services: RunningServices, folders: pytest.TempPathFactory) -> Iterator[MakeLine]:
    lines: list[Line] = []

    def make(partitions: int = 4, elasticsearch_url: str | None = None, **sections: Any) -> Line:
        name = f"e{uuid.uuid4().hex[:8]}"
        kafka = {
            "bootstrap": services.kafka_bootstrap,
            "prefix": f"{name}.",
            "partitions": partitions,
            "session_timeout_seconds": 6,  # the broker's least: tests wait for it to bury the dead
        }
        url = elasticsearch_url or services.elasticsearch_url
        line = Line(
            folders.mktemp("line"),
            {"kafka": kafka, "elasticsearch": {"url": url, "prefix": f"{name}-"}, **sections},
        )
        lines.append(line)
        return line

    try:
        yield make
    finally:
        for line in lines:
            line.close()


@pytest.fixture
def make_line(
    local_services: RunningServices, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeLine]:
    """Lines of their own on the run's servers; keyword arguments are sections of the settings."""
    yield from _lines(local_services, tmp_path_factory)


@pytest.fixture(scope="module")
def make_module_line(
    local_services: RunningServices, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakeLine]:
    """The same, for lines that the tests of a module share."""
    yield from _lines(local_services, tmp_path_factory)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook receiver for one test."""
    running = Receiver()
    yield running
    running.close()
