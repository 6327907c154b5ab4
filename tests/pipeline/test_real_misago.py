"""``misago`` against a real Misago on a real PostgreSQL, through a real ingest and a real Kafka.

Both sides are killed at work; all and only what was written arrives.
"""

import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.connectors.misago_server import Misago as Server
from tests.connectors.misago_server import NotInstalledError, install, postgres_folder
from tests.pipeline.conftest import MakeLine
from tests.pipeline.loopback import Proxy
from tests.pipeline.told import told

ROOT = Path(__file__).resolve().parents[2]
POSTS = 200
THREADS = 10
ANSWERED = 8
"""Requests of a poll that are answered before ingest is killed: the list and some threads."""

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    try:
        programs = postgres_folder()
        commands = install(ROOT / ".tingchao" / "misago")
    except NotInstalledError as error:
        # Also in CI: a stranger's package that can't be had says nothing about ours.
        pytest.skip(f"Misago can't run here: {error}")
    server = Server(commands, programs, tmp_path)
    try:
        server.prepare()
        server.start()
        yield server
    finally:
        server.close()


@dataclass
class People:
    """They write on the real forum, and remember what stands there."""

    server: Server
    site: str
    titles: dict[int, str] = field(default_factory=dict)
    texts: dict[int, tuple[int, str]] = field(default_factory=dict)
    """Text and thread of each reply."""
    firsts: dict[int, str] = field(default_factory=dict)
    written: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def write(self, posts: int) -> None:
        for _ in range(posts):
            self.written += 1
            text = f"云帆 X1 的第 {self.written} 条，刹车有点异响"
            if len(self.titles) < THREADS and self.written % 9 == 1:
                title = f"云帆提车日记 {self.written}"
                thread = self.server.thread(title, text)
                self.titles[thread], self.firsts[thread] = title, text
            else:
                # Mostly the first thread, so that it has several pages.
                thread = min(self.titles) if self.chance.random() < 0.4 else self._any_thread()
                self.texts[self.server.reply(thread, text)] = (thread, text)

    def change(self, posts: int) -> None:
        """Edit, hide and delete so many replies each, old and new ones."""
        for place, number in enumerate(self.chance.sample(sorted(self.texts), 3 * posts)):
            thread, text = self.texts.pop(number)
            if place % 3 == 0:
                self.server.edit(thread, number, f"改过：{text}")
                self.texts[number] = (thread, f"改过：{text}")
            elif place % 3 == 1:
                self.server.hide(thread, number)
            else:
                self.server.delete(thread, number)

    def delete_thread(self) -> None:
        thread = max(self.titles)
        self.server.delete_thread(thread)
        del self.titles[thread], self.firsts[thread]
        self.texts = {n: said for n, said in self.texts.items() if said[0] != thread}

    def truth(self) -> dict[str, str]:
        site = f"misago:{self.site}"
        roots = {
            f"{site}/t/{thread}": f"{title}||{self.firsts[thread]}"
            for thread, title in self.titles.items()
        }
        replies = {
            f"{site}/p/{number}": f"|{self.titles[thread]}|{text}"
            for number, (thread, text) in self.texts.items()
        }
        return roots | replies

    def _any_thread(self) -> int:
        return self.chance.choice(sorted(self.titles))


def test_all_and_only_what_people_wrote_arrives(make_line: MakeLine, server: Server) -> None:
    with closing(Proxy(server.base)) as front:
        people = People(server, front.site)
        forum = {
            "use": "misago",
            "url": front.url,
            "operator_consents": True,
            "every_seconds": 5,
            "requests_per_minute": 600,
            "topics_per_poll": 50,
        }
        line = make_line(partitions=2, sources={"forum": forum})
        line.ok("topics", "create")

        def all_arrive(what: str) -> None:
            line.until(lambda: told(line).index() == people.truth(), what)

        # Given a forum that a real ingest listens to while people write, edit and delete
        ingest = line.start("ingest")
        people.write(60)
        all_arrive("the first posts arrived")
        people.change(4)
        all_arrive("what changed arrived")

        # When ingest is killed in the middle of a poll, with some of the news told
        front.hold()
        people.write(60)
        known, held = told(line).ids(), front.held
        front.hold(after=ANSWERED)
        line.until(lambda: front.held > held, "ingest waits for an answer")
        line.until(lambda: told(line).ids() > known, "some of the news were told")
        ingest.kill()
        assert not told(line).ids() >= people.truth().keys()
        people.change(4)
        front.release()

        # Then the next one tells the rest
        ingest = line.start("ingest")
        all_arrive("what was written meanwhile arrived")

        # And when the server is killed, and ingest again while it is away
        people.write(POSTS - people.written - 20)
        people.change(4)
        people.delete_thread()
        server.stop()
        line.until(lambda: front.away, "ingest asks in vain")
        ingest.kill()
        server.start()
        people.write(20)
        people.change(2)
        line.start("ingest")
        all_arrive("what was written at last arrived")
        assert front.errors == []

    # Then every post, edit and deletion was told, and nothing twice
    assert people.written == POSTS
    assert told(line).doubled() == []
    assert sum(post.deleted for post in told(line).posts) >= 10
