"""One real Kafka and one real Elasticsearch for the whole run, on free ports, in a folder of it.

Each test takes its own prefix, so tests share the servers and nothing else; the fault rows, which
kill and freeze servers, have a pair of their own when the run has several processes. Without Java
the tests that need them skip on a developer's machine and fail in CI.
"""

import logging
import os
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from xdist.scheduler import LoadScopeScheduling

from pipeline.logs import CLIENTS
from pipeline.services import RunningServices, ServicesConfig, erase, start
from pipeline.settings import ElasticsearchSettings, KafkaSettings, Settings
from schemas.errors import FatalError

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

#: On a machine that is busy with other things an example may take long; that is no fault.
hypothesis_settings.register_profile(
    "patient", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("patient")


class ByServers(LoadScopeScheduling):
    """Files that use the run's servers are one process's, those that hurt servers another's.

    All other files are anybody's, each a whole. The long ones begin first.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        if not _uses_servers(file):
            return file
        return "faults" if file.startswith("tests/faults/") else "servers"

    def _assign_work_unit(self, node: Any) -> None:
        for scope in ("servers", "faults"):
            if scope in self.workqueue:
                self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)


@cache
def _uses_servers(file: str) -> bool:
    return "mark.services" in (ROOT / file).read_text(encoding="utf-8")


@pytest.hookimpl
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByServers(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        used = "local_services" in getattr(item, "fixturenames", ())
        if used and item.get_closest_marker("services") is None:
            raise pytest.UsageError(f"{item.nodeid} uses servers: give it pytest.mark.services")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Put logging back after each test, so that no test hears another's settings."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
    for client in CLIENTS:
        logging.getLogger(client).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def local_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServices]:
    config = ServicesConfig(
        folder=tmp_path_factory.mktemp("services"),
        artefacts=ROOT / ".tingchao" / "artefacts",
        short_lived=True,
    )
    try:
        running = start(config, attached=True)
    except FatalError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"local services cannot run here: {error}")
    with running:
        yield running
    erase(config)


@pytest.fixture(scope="session")
def kafka_bootstrap(local_services: RunningServices) -> str:
    assert local_services.kafka_bootstrap
    return local_services.kafka_bootstrap


@pytest.fixture(scope="session")
def elasticsearch_url(local_services: RunningServices) -> str:
    assert local_services.elasticsearch_url
    return local_services.elasticsearch_url


@pytest.fixture
def unique_prefix() -> str:
    """A prefix for indices; topics take it with a dot instead of the dash."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def line_settings(local_services: RunningServices, unique_prefix: str, tmp_path: Path) -> Settings:
    """Settings of a line of its own on the shared servers."""
    return Settings(
        language="en",
        folder=tmp_path / "work",
        kafka=KafkaSettings(
            bootstrap=local_services.kafka_bootstrap, prefix=unique_prefix.replace("-", ".")
        ),
        elasticsearch=ElasticsearchSettings(
            url=local_services.elasticsearch_url, prefix=unique_prefix
        ),
    )


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the repository; the test skips where it is absent."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the real data set (../shared/data) is not on this machine")
    return folder
