"""``feed`` against a real Isso, through a real ingest and a real Kafka, both sides killed at work.

A feed doesn't say what was deleted: a comment that was told stays told.
"""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.connectors.isso_server import Isso, NotInstalledError, install
from tests.pipeline.conftest import MakeLine
from tests.pipeline.loopback import Proxy
from tests.pipeline.told import told

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("/yunfan/", "/chixiao/")

pytestmark = pytest.mark.services


@pytest.fixture
def isso(tmp_path: Path) -> Iterator[Isso]:
    try:
        command = install(ROOT / ".tingchao" / "isso")
    except NotInstalledError as error:
        # Also in CI: a stranger's package that can't be had says nothing about ours.
        pytest.skip(f"Isso can't be installed here: {error}")
    server = Isso(command, tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.close()


class People:
    """They comment on both pages in turn, and remember what a reader of the feeds must know."""

    def __init__(self, isso: Isso) -> None:
        self._isso = isso
        self.written = 0
        self.seen: dict[int, str] = {}
        """The last text of each comment that stood there at some look."""

    def write(self, count: int) -> list[int]:
        numbers = []
        for place in range(count):
            self.written += 1
            text = f"第 {self.written} 条：云帆屏幕碎了"
            numbers.append(self._isso.write(PAGES[place % 2], text, f"用户{place % 7}"))
            self.seen[numbers[-1]] = text
        return numbers

    def edit(self, numbers: list[int]) -> None:
        for number in numbers:
            self.seen[number] = f"{self.seen[number]}，已经退货"
            self._isso.edit(number, self.seen[number], "用户")

    def delete(self, numbers: list[int], *, unseen: bool = False) -> None:
        for number in numbers:
            self._isso.delete(number)
            if unseen:
                del self.seen[number]


def test_all_and_only_what_people_wrote_arrives(make_line: MakeLine, isso: Isso) -> None:
    with closing(Proxy(isso.base)) as front:
        people = People(isso)
        comments = {
            "use": "feed",
            "urls": [f"{front.url}/feed?uri={page}" for page in PAGES],
            "platform": "isso",
            "kind": "comment",
            "every_seconds": 5,
            "recheck_seconds": 8,
        }
        line = make_line(partitions=2, sources={"comments": comments})
        line.ok("topics", "create")

        def arrived() -> dict[int, str]:
            index = told(line).index()
            return {
                int(one.rpartition("/")[2]): text.rpartition("|")[2] for one, text in index.items()
            }

        def all_arrive(what: str) -> None:
            line.until(lambda: arrived() == people.seen, what)

        # Given comments, some deleted or edited before any look, and a real ingest
        first = people.write(100)
        people.edit(first[10:15])
        people.delete(first[20:30], unseen=True)
        ingest = line.start("ingest")
        all_arrive("the first comments arrived")

        # When ingest is killed between both feeds, with one of them told
        front.hold()
        more = people.write(60)
        people.edit(first[:6])
        known, held = told(line).ids(), front.held
        front.hold(after=1)
        line.until(lambda: front.held > held, "ingest waits for an answer")
        line.until(lambda: told(line).ids() > known, "some of the news were told")
        ingest.kill()
        assert len(arrived()) < len(people.seen)
        front.release()

        # Then the next one tells the rest
        ingest = line.start("ingest")
        all_arrive("what was written meanwhile arrived")

        # And when told ones are deleted and the server is killed, and ingest while it is away
        people.delete(more[5:10])
        isso.stop()
        line.until(lambda: front.away, "ingest asks in vain")
        ingest.kill()
        isso.start()
        people.write(40)
        people.edit(more[:5])
        line.start("ingest")
        all_arrive("what was written at last arrived")
        assert front.errors == []

    # Then every comment and edit was told once, and no deletion
    assert people.written == 200
    assert told(line).doubled() == []
    assert not any(post.deleted for post in told(line).posts)
