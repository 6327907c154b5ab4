"""A group that has committed nothing yet, and a fetch that comes back in the wrong moment."""

import sys

import pytest

from tests.pipeline.conftest import MakeLine
from tests.pipeline.test_line import produce_posts

#: What a rebalance does when a fetch began before it: the flow stands still as records arrive.
LATE_FETCH = """
import asyncio, sys
from faust.transport.consumer import Consumer
wait_next_records = Consumer._wait_next_records
late = []
async def wait(self, timeout):
    records, active = await wait_next_records(self, timeout)
    if records and not late:
        late.append({tp: [one.offset for one in found] for tp, found in records.items()})
        print("LATE", late, flush=True)
        self.stop_flow()
        asyncio.get_running_loop().call_later(2.0, self.resume_flow)
    return records, active
Consumer._wait_next_records = wait
from pipeline.__main__ import main
sys.argv = ["tingchao", "worker", "enrich"]
main()
"""


@pytest.mark.services
def test_records_that_were_thrown_away_come_again(make_line: MakeLine) -> None:
    line = make_line(partitions=2)
    line.ok("topics", "create")
    ids = produce_posts(line, 1, 400)

    worker = line.start_command("enrich-1", [sys.executable, "-c", LATE_FETCH])
    index = line.start("index")

    line.until(lambda: "LATE" in worker.said(), "records came back late")
    line.until_drained("enrich", "index")
    assert set(line.indexed()) == ids
    worker.check()
    index.ask_to_end()
