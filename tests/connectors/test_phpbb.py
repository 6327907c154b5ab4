from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.phpbb import PhpBb
from tests.connectors.forum_listener import Listener, live_through
from tests.connectors.forum_server import Board, PhpBbServer

SITE = "phpbb:forum.example.com"


@pytest.fixture
def board(clock: Any) -> Board:
    return Board(clock)


@pytest.fixture
def server(board: Board, clock: Any) -> PhpBbServer:
    return PhpBbServer(board, clock)


def listen(server: PhpBbServer, **options: Any) -> Listener:
    given: dict[str, Any] = {
        "url": "https://forum.example.com",
        "every_seconds": 3_600,
        "requests_per_minute": 600,
    }
    config = PhpBb.Config.model_validate(given | options)
    context = server.context()
    return Listener(lambda: PhpBb("论坛", config, context), server.clock)


async def test_a_topic_and_its_replies(board: Board, server: PhpBbServer) -> None:
    root = board.write("刹车<strong>异响</strong>", title="云帆 & 刹车 • 求助")
    board.write(
        '<blockquote class="uncited"><div>异响</div></blockquote>我也是', root.topic, author=8
    )
    listener = listen(server)

    await listener.poll()

    first, reply = listener.drafts()
    assert (first.id, first.kind, first.title) == (f"{SITE}/p1", "post", "云帆 & 刹车 • 求助")
    assert first.text == "刹车异响"
    assert (reply.id, reply.kind, reply.text) == (f"{SITE}/p2", "reply", "我也是")
    assert first.root_id == reply.root_id == f"{SITE}/t1"
    assert reply.url == "https://forum.example.com/viewtopic.php?p=2#p2"
    assert (reply.author.id, reply.author.name) == ("forum.example.com/@user8", "user8")


async def test_edits_and_deletions_between_others_are_told_once(
    board: Board, server: PhpBbServer
) -> None:
    posts = [board.write(f"{number}") for number in range(5)]
    listener = listen(server)
    await listener.poll()

    board.edit(posts[1], "改了")
    board.purge(posts[2])
    board.purge(posts[4])
    await listener.poll()
    await listener.poll()

    title = "云帆 X1 提车"
    assert listener.told[5:] == [
        (f"{SITE}/p2", f"{title}||改了", False),
        (f"{SITE}/p3", "||", True),
        (f"{SITE}/p5", "||", True),
    ]


async def test_one_look_that_misses_a_post_deletes_nothing(
    board: Board, server: PhpBbServer
) -> None:
    # Given a post that is out of sight for one request
    posts = [board.write(f"{number}") for number in range(3)]
    server.honours_conditions = False
    listener = listen(server)
    await listener.poll()

    def hide(request: int) -> None:
        posts[1].deleted = request == 2

    # When it is looked for
    server.meanwhile = hide
    await listener.poll()

    # Then it is looked for again, and nothing is told
    assert len(server.requests) == 3
    assert len(listener.told) == 3


async def test_a_post_that_falls_out_of_the_feed_is_not_deleted(
    board: Board, server: PhpBbServer
) -> None:
    listener = listen(server)
    for round_ in range(6):
        for number in range(10):
            board.write(f"{round_}-{number}")
        await listener.poll()

    assert len(listener.told) == 60
    assert not any(deleted for _, _, deleted in listener.told)


async def test_the_conditional_request_saves_work_and_hides_no_deletion(
    board: Board, server: PhpBbServer
) -> None:
    # Given a board that answers 304, and a deletion that changes no Last-Modified
    posts = [board.write(f"{number}") for number in range(5)]
    listener = listen(server)
    await listener.poll()
    board.purge(posts[2])

    # When it is polled on
    sent = []
    for _ in range(6):
        before = len(server.requests)
        await listener.poll()
        sent.append("if-modified-since" in server.requests[before].headers)

    # Then all but one poll are conditional, and that one finds it
    assert sent == [True] * 5 + [False]
    assert listener.told[5:] == [(f"{SITE}/p3", "||", True)]


@pytest.mark.parametrize(
    ("status", "trouble", "words"),
    [(404, "gone", "feed"), (403, "forbidden", "403"), (503, "server", "503")],
)
async def test_a_feed_that_is_off_or_closed_is_named(
    board: Board, server: PhpBbServer, status: int, trouble: str, words: str
) -> None:
    board.write("云帆")
    server.status = status
    listener = listen(server, feed="forum/7")

    with pytest.raises(AssertionError):
        await listener.poll()

    assert {error.trouble for error in listener.troubles} == {trouble}
    assert words in str(listener.troubles[0])
    assert server.requests[0].url.path == "/app.php/feed/forum/7"


async def test_a_feed_of_topics_names_topics(board: Board, server: PhpBbServer) -> None:
    board.write("首帖")
    entry = server.entry
    server.entry = lambda post: entry(post).replace("&amp;p=1#p1", "&amp;sid=abc")  # type: ignore[method-assign]
    listener = listen(server, feed="topics")

    await listener.poll()

    [draft] = listener.drafts()
    assert (draft.id, draft.root_id) == (f"{SITE}/t1", None)
    assert draft.url == "https://forum.example.com/viewtopic.php?t=1"


@pytest.mark.parametrize(
    "entry",
    [
        "<entry/>",
        "<entry><id>x</id><title>y</title></entry>",
        '<entry><link href="viewtopic.php?p=x"/></entry>',
        '<entry><link href="viewtopic.php?p=9"/><published>gestern</published></entry>',
    ],
)
async def test_a_bad_entry_is_a_dead_letter_once_and_its_neighbours_pass(
    board: Board, server: PhpBbServer, entry: str
) -> None:
    board.write("一")
    board.write("坏")
    board.write("三")
    near = server.entry
    server.entry = lambda post: entry if post.number == 2 else near(post)  # type: ignore[method-assign]
    listener = listen(server)

    await listener.poll()
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["一", "三"]
    assert len(listener.dead) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>login</body></html>",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><feed>&b;</feed>',
        b"<feed>" * 50_000,
        b"\x00" * 1_000,
    ],
)
async def test_what_is_no_feed_is_refused_and_the_connector_lives_on(
    board: Board, server: PhpBbServer, body: bytes
) -> None:
    board.write("云帆")
    answers = iter([httpx.Response(200, content=body)])
    honest = server.answer
    server.answer = lambda request: next(answers, None) or honest(request)  # type: ignore[method-assign]
    listener = listen(server)

    await listener.poll()
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["云帆"]


@pytest.mark.parametrize("feed", ["../admin", "forum/x", "forums", "topic/"])
def test_wrong_settings_are_refused(feed: str) -> None:
    with pytest.raises(ValidationError):
        PhpBb.Config.model_validate({"url": "https://forum.example.com", "feed": feed})


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_nothing_is_lost_or_doubled(
    board: Board, server: PhpBbServer, seed: int
) -> None:
    # Given a feed that is long enough to hold all, and an oldest post that stays
    server.limit = 1_000
    server.honours_conditions = False
    board.kept.add(board.write("最早").number)
    listener = listen(server, watch_posts=400)

    await live_through(listener, server, seed)

    assert listener.index() == server.truth()
    assert listener.doubled() == []
    assert listener.dead == []
