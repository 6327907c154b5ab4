"""``misago`` against a real Misago on a real PostgreSQL: all and only what was written arrives."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.base import Context
from connectors.misago import Misago
from connectors.trouble import SourceError
from tests.connectors.conftest import FakeClock
from tests.connectors.forum_listener import Listener
from tests.connectors.forum_server import PollOver
from tests.connectors.misago_server import Misago as Server
from tests.connectors.misago_server import NotInstalledError, install, postgres_folder
from tests.connectors.polls import parts

ROOT = Path(__file__).resolve().parents[2]
POSTS = 200
THREADS = 10

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
        site = f"misago:{self.server.base.removeprefix('http://')}"
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


def surroundings(client: httpx.AsyncClient) -> tuple[Context, FakeClock]:
    """The real network, and a clock that stands still but for pauses."""
    clock = FakeClock(datetime.now(UTC))

    async def sleep(seconds: float) -> None:
        if seconds > 100:
            raise PollOver
        await clock.sleep(seconds)

    return Context(client, clock.now, sleep), clock


async def test_all_and_only_what_people_wrote_arrives(server: Server) -> None:
    people = People(server)
    config = Misago.Config.model_validate(
        {
            "url": server.base,
            "operator_consents": True,
            "every_seconds": 3_600,
            "requests_per_minute": 600,
            "topics_per_poll": 50,
        }
    )
    async with httpx.AsyncClient() as client:
        context, clock = surroundings(client)

        def connect() -> Any:
            return Misago("论坛", config, context)

        listener = Listener(connect, clock)

        # Given a forum that is listened to while people write
        people.write(60)
        await listener.poll()
        assert listener.index() == people.truth()

        # When the connector is killed between batches, with its last one unwritten
        people.write(60)
        people.change(4)
        await listener.poll(kill_after=1)
        people.write(30)
        await listener.poll(kill_after=2, lose_last=True)
        await listener.poll()
        assert listener.index() == people.truth()

        # And the server is cut off in between, and comes back
        people.write(POSTS - people.written - 20)
        people.change(6)
        people.delete_thread()
        await listener.poll(kill_after=1)
        server.stop()
        with pytest.raises(SourceError) as caught:
            await anext(parts(connect().batches(listener.cursor)))
        assert caught.value.trouble == "unreachable"
        server.start()
        people.write(20)
        await listener.poll()
        await listener.poll()

    # Then every post, edit and deletion was told, and nothing twice
    assert people.written == POSTS
    assert listener.index() == people.truth()
    assert listener.doubled() == []
    assert listener.dead == []
    assert listener.troubles == []
    assert sum(deleted for _, _, deleted in listener.told) >= 10
