"""Every row of the fault matrix, short; ``make faults`` runs the same rows at full size."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.services import RunningServices
from tests.faults import rows_input, rows_processes, rows_servers, rows_state
from tests.faults.bench import Bench, Scale
from tests.faults.matrix import ROWS, NotHere, Row
from tests.faults.servers import Server

pytestmark = [pytest.mark.services, pytest.mark.timeout(600)]

assert rows_processes and rows_servers and rows_input and rows_state  # they fill the matrix
SHORT = Scale(posts=1_200)


@pytest.fixture
def bench(local_services: RunningServices, tmp_path: Path) -> Iterator[Bench]:
    assert local_services.kafka_bootstrap and local_services.elasticsearch_url
    running = Bench(
        kafka=Server(local_services.config, "kafka"),
        elasticsearch=Server(local_services.config, "elasticsearch"),
        bootstrap=local_services.kafka_bootstrap,
        url=local_services.elasticsearch_url,
        folder=tmp_path,
        scale=SHORT,
        seed=1,
    )
    try:
        yield running
    finally:
        running.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_is_lost(row: Row, bench: Bench) -> None:
    try:
        row.run(bench)
    except NotHere as reason:
        pytest.skip(str(reason))
