from typing import Any

import httpx
import pytest

from connectors.misago import Misago
from schemas.errors import FatalError
from tests.connectors.forum_listener import Listener, live_through
from tests.connectors.forum_server import Board, MisagoServer

SITE = "misago:forum.example.com"


@pytest.fixture
def board(clock: Any) -> Board:
    return Board(clock)


@pytest.fixture
def server(board: Board, clock: Any) -> MisagoServer:
    return MisagoServer(board, clock)


def listen(server: MisagoServer, **options: Any) -> Listener:
    given: dict[str, Any] = {
        "url": "https://forum.example.com",
        "every_seconds": 3_600,
        "requests_per_minute": 600,
        "operator_consents": True,
    }
    config = Misago.Config.model_validate(given | options)
    context = server.context()
    return Listener(lambda: Misago("论坛", config, context), server.clock)


async def test_without_the_operators_consent_nothing_is_asked(server: MisagoServer) -> None:
    listener = listen(server, operator_consents=False)

    with pytest.raises(FatalError, match="operator_consents = true"):
        await listener.poll()

    assert server.requests == []


async def test_a_thread_and_its_replies(board: Board, server: MisagoServer) -> None:
    root = board.write("<p>刹车<b>异响</b></p>", title="云帆 <X1> & 刹车")
    board.write(
        '<aside class="quote-block"><div class="quote-heading">甲</div>'
        '<blockquote class="quote-body">异响</blockquote></aside><p>我也是</p>',
        root.topic,
        author=0,
    )
    listener = listen(server)

    await listener.poll()

    first, reply = listener.drafts()
    assert (first.id, first.kind, first.title) == (f"{SITE}/t/1", "post", "云帆 <X1> & 刹车")
    assert (first.text, first.root_id) == ("刹车异响", None)
    assert first.url == "https://forum.example.com/t/slug/1/post/1/"
    assert (reply.id, reply.kind, reply.text) == (f"{SITE}/p/2", "reply", "我也是")
    assert reply.root_id == reply.parent_id == first.id
    assert reply.root_text == "云帆 <X1> & 刹车"
    assert (reply.author.id, reply.author.name) == ("forum.example.com/@已注销", "已注销")


async def test_the_last_post_of_a_page_comes_once(board: Board, server: MisagoServer) -> None:
    # Given a thread of several pages, each of which begins with the last post of the one before
    root = board.write("<p>首帖</p>")
    for number in range(99):
        board.write(f"<p>{number}</p>", root.topic)
    listener = listen(server)

    await listener.poll()

    assert listener.index() == server.truth()
    assert len(listener.told) == 100


async def test_edits_hidden_and_deleted_posts_are_told_once(
    board: Board, server: MisagoServer
) -> None:
    root = board.write("<p>首帖</p>")
    replies = [board.write(f"<p>{number}</p>", root.topic) for number in range(50)]
    other = board.write("<p>别的</p>")
    listener = listen(server)
    await listener.poll()

    board.edit(replies[3], "<p>改了</p>")
    replies[25].deleted = True
    board.purge(replies[40])
    board.purge(other)
    await listener.poll()
    await listener.poll()

    assert sorted(listener.told[52:]) == [
        (f"{SITE}/p/27", "||", True),
        (f"{SITE}/p/42", "||", True),
        (f"{SITE}/p/5", f"|{root.topic.title}|改了", False),
        (f"{SITE}/t/2", "||", True),
    ]


@pytest.mark.parametrize("status", [403, 404])
async def test_a_forum_that_refuses_all_threads_is_in_trouble_and_nothing_is_deleted(
    board: Board, server: MisagoServer, status: int
) -> None:
    roots = [board.write(f"<p>{number}</p>") for number in range(5)]
    for root in roots:
        board.write("<p>回复</p>", root.topic)
    listener = listen(server)
    await listener.poll()

    server.refused = {root.topic.number: status for root in roots}
    with pytest.raises(AssertionError):
        await listener.poll(patience=3)
    assert {error.trouble for error in listener.troubles} == {"forbidden"}

    server.refused = {1: 403}
    listener.troubles.clear()
    await listener.poll()
    assert listener.troubles == []
    assert len(listener.told) == 10


async def test_pinned_threads_hide_nothing_behind_them(
    board: Board, server: MisagoServer, clock: Any
) -> None:
    # Given old pinned threads before the new ones
    for number in range(25):
        board.write(f"<p>置顶{number}</p>").topic.pinned = True
    await clock.sleep(10 * 86_400)
    for number in range(45):
        board.write(f"<p>{number}</p>")
    listener = listen(server)

    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == [str(number) for number in range(45)]


async def test_events_are_no_posts(board: Board, server: MisagoServer) -> None:
    root = board.write("<p>首帖</p>")
    board.write("", root.topic)
    listener = listen(server)

    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["首帖"]


@pytest.mark.parametrize("item", [None, "x", {}, {"id": 2}, {"id": "x", "posted_on": "gestern"}])
async def test_a_bad_post_is_a_dead_letter_once_and_its_neighbours_pass(
    board: Board, server: MisagoServer, item: Any
) -> None:
    root = board.write("<p>首帖</p>")
    board.write("<p>坏</p>", root.topic)
    board.write("<p>好</p>", root.topic)
    near = server.post
    server.post = lambda post: item if post.place == 2 else near(post)  # type: ignore[method-assign]
    listener = listen(server)

    await listener.poll()
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["首帖", "好"]
    assert len(listener.dead) == 1


async def test_one_category_alone(board: Board, server: MisagoServer) -> None:
    board.write("<p>首帖</p>")
    listener = listen(server, category=3)

    await listener.poll()

    assert server.requests[0].url.params["category"] == "3"


async def test_another_forums_answer_is_refused_with_a_reason(server: MisagoServer) -> None:
    server.answer = lambda request: httpx.Response(200, json={"topics": []})  # type: ignore[method-assign]
    listener = listen(server)

    with pytest.raises(AssertionError):
        await listener.poll()

    assert {error.trouble for error in listener.troubles} == {"format"}
    assert "Misago" in str(listener.troubles[0])


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_nothing_is_lost_or_doubled(server: MisagoServer, seed: int) -> None:
    listener = listen(server, watch_posts=400, topics_per_poll=200)

    await live_through(listener, server, seed)

    assert listener.index() == server.truth()
    assert listener.doubled() == []
    assert listener.dead == []
