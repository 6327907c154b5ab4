"""Every row of the fault matrix, short; ``make faults`` runs the same rows at full size."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

import pytest

from pipeline.services import RunningServices
from tests.faults import rows_input, rows_processes, rows_servers, rows_state
from tests.faults.bench import Bench, Scale
from tests.faults.matrix import ROWS, NotHere, Row
from tests.faults.servers import Server

#: A test may have to wait for its row's turn; a row's own waits end much earlier.
pytestmark = [pytest.mark.services, pytest.mark.timeout(1_800)]

assert rows_processes and rows_servers and rows_input and rows_state  # they fill the matrix
SHORT = Scale(posts=1_200)
AT_A_TIME = 2


class SideBySide:
    """Runs rows two at a time, since half of a row is waiting; some need the servers alone."""

    def __init__(self, rows: Sequence[Row], run: Callable[[Row], None]) -> None:
        self._run = run
        self._pool = ThreadPoolExecutor(AT_A_TIME)
        self._results: dict[str, Future[None]] = {
            row.name: self._pool.submit(run, row) for row in rows if not row.alone
        }

    def result(self, row: Row) -> None:
        """Wait for a row; raises what it raised."""
        if row.alone:
            wait(self._results.values())
            self._run(row)
        else:
            self._results[row.name].result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def side_by_side(
    local_services: RunningServices,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Iterator[SideBySide]:
    def run(row: Row) -> None:
        assert local_services.kafka_bootstrap and local_services.elasticsearch_url
        bench = Bench(
            kafka=Server(local_services.config, "kafka"),
            elasticsearch=Server(local_services.config, "elasticsearch"),
            bootstrap=local_services.kafka_bootstrap,
            url=local_services.elasticsearch_url,
            folder=tmp_path_factory.mktemp(row.name),
            scale=SHORT,
            seed=1,
        )
        try:
            row.run(bench)
        finally:
            bench.close()

    tests = [one for one in request.session.items if isinstance(one, pytest.Function)]
    wanted = [one.callspec.params["row"] for one in tests if one.originalname == TEST]
    running = SideBySide(wanted, run)
    yield running
    running.close()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_nothing_is_lost(row: Row, side_by_side: SideBySide) -> None:
    try:
        side_by_side.result(row)
    except NotHere as reason:
        pytest.skip(str(reason))


TEST = test_nothing_is_lost.__name__
