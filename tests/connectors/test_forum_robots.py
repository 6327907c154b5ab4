"""Forums whose operators nobody asked: their robots.txt counts."""

from itertools import pairwise
from typing import Any

import pytest

from connectors.discourse import Discourse
from connectors.discuz import Discuz
from connectors.nodebb import NodeBb
from connectors.phpbb import PhpBb
from tests.connectors.forum_listener import Listener
from tests.connectors.forum_server import (
    Board,
    DiscourseServer,
    DiscuzServer,
    ForumServer,
    NodeBbServer,
    PhpBbServer,
)

FORUMS: dict[str, tuple[Any, type[ForumServer], str]] = {
    "discourse": (Discourse, DiscourseServer, "/posts"),
    "discuz": (Discuz, DiscuzServer, "/forum.php?mod=rss&fid=2"),
    "nodebb": (NodeBb, NodeBbServer, "/api/"),
    "phpbb": (PhpBb, PhpBbServer, "/app.php/feed"),
}
KEYS = {
    "discourse": {"api_key": "k", "api_username": "system"},
    "nodebb": {"api_token": "t"},
}

every_forum = pytest.mark.parametrize("name", FORUMS)


class Forum:
    """A forum with one post, and what listens to it."""

    def __init__(self, name: str, clock: Any, forbids: str | None = None) -> None:
        self._connector, kind, path = FORUMS[name]
        board = Board(clock)
        board.write("<p>提车</p>")
        self.server: ForumServer = kind(board, clock)
        self.server.robots = f"User-agent: *\nDisallow: {path if forbids is None else forbids}"
        self._options: dict[str, Any] = {"url": "https://forum.example.com", "every_seconds": 3_600}
        if name == "discuz":
            self._options["fids"] = [2]

    def listen(self, **options: Any) -> Listener:
        config = self._connector.Config.model_validate(self._options | options)
        source = self._connector("论坛", config, self.server.context())
        return Listener(lambda: source, self.server.clock)


@every_forum
async def test_what_robots_txt_forbids_is_not_fetched(name: str, clock: Any) -> None:
    forum = Forum(name, clock)
    listener = forum.listen()

    with pytest.raises(AssertionError):
        await listener.poll(patience=3)

    assert {error.trouble for error in listener.troubles} == {"forbidden"}
    assert "ignore_robots" in str(listener.troubles[0])
    assert (forum.server.requests, forum.server.robots_asked) == ([], 1)


@every_forum
async def test_what_it_allows_is_fetched_and_it_is_asked_once_a_day(name: str, clock: Any) -> None:
    forum = Forum(name, clock, forbids="/admin/")
    listener = forum.listen()

    for _ in range(24):
        await listener.poll()
    assert (len(listener.told), forum.server.robots_asked) == (1, 1)

    for _ in range(4):
        await listener.poll()
    assert forum.server.robots_asked == 2


@every_forum
async def test_a_stated_reason_makes_it_not_count(name: str, clock: Any) -> None:
    forum = Forum(name, clock)
    listener = forum.listen(ignore_robots="站长 2024-05-01 邮件同意")

    await listener.poll()

    assert (len(listener.told), forum.server.robots_asked) == (1, 0)


@pytest.mark.parametrize("name", KEYS)
async def test_a_key_of_the_operators_is_consent(name: str, clock: Any) -> None:
    forum = Forum(name, clock)
    listener = forum.listen(**KEYS[name])

    await listener.poll()

    assert (len(listener.told), forum.server.robots_asked) == (1, 0)


async def test_the_crawl_delay_is_kept(clock: Any) -> None:
    # Given a forum of three topics that wants forty seconds between two requests
    forum = Forum("nodebb", clock)
    forum.server.robots = "User-agent: *\nCrawl-delay: 40"
    for number in range(2):
        forum.server.board.write(f"<p>{number}</p>")
    asked: list[Any] = []
    forum.server.meanwhile = lambda request: asked.append(clock.at)

    await forum.listen().poll()

    assert len(asked) == 4
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert all(pause.total_seconds() >= 40 for pause in pauses)


async def test_an_address_that_is_none_is_named(clock: Any) -> None:
    listener = Forum("discourse", clock).listen(url="https://forum.example.com:port")

    with pytest.raises(AssertionError):
        await listener.poll(patience=3)

    assert {error.trouble for error in listener.troubles} == {"format"}
