from typing import Any

import httpx
import pytest

from connectors.nodebb import NodeBb
from tests.connectors.forum_listener import Listener, live_through
from tests.connectors.forum_server import Board, NodeBbServer, Topic

SITE = "nodebb:forum.example.com"


@pytest.fixture
def board(clock: Any) -> Board:
    return Board(clock)


@pytest.fixture
def server(board: Board, clock: Any) -> NodeBbServer:
    return NodeBbServer(board, clock)


def listen(server: NodeBbServer, **options: Any) -> Listener:
    given: dict[str, Any] = {
        "url": "https://forum.example.com",
        "every_seconds": 3_600,
        "requests_per_minute": 600,
    }
    config = NodeBb.Config.model_validate(given | options)
    context = server.context()
    return Listener(lambda: NodeBb("论坛", config, context), server.clock)


async def test_a_topic_and_its_replies_form_a_thread(board: Board, server: NodeBbServer) -> None:
    root = board.write("<p>刹车<b>异响</b></p>", title="云帆 &amp; 刹车")
    board.write("<blockquote>刹车异响</blockquote><p>我也是</p>", root.topic)
    board.write("<p>去店里看看</p>", root.topic, answers=2)
    listener = listen(server)

    await listener.poll()

    first, answer, deeper = listener.drafts()
    assert (first.id, first.kind, first.title) == (f"{SITE}/1", "post", "云帆 & 刹车")
    assert (first.text, first.root_id, first.parent_id) == ("刹车异响", None, None)
    assert (answer.kind, answer.text, answer.root_text) == ("reply", "我也是", "云帆 & 刹车")
    assert answer.root_id == answer.parent_id == first.id
    assert (deeper.root_id, deeper.parent_id) == (first.id, answer.id)
    assert deeper.url == "https://forum.example.com/post/3"
    assert (deeper.author.id, deeper.author.name) == ("forum.example.com/7", "user7")


async def test_edits_and_deletions_are_told_once(board: Board, server: NodeBbServer) -> None:
    # Given a long topic and others
    root = board.write("<p>首帖</p>")
    replies = [board.write(f"<p>{number}</p>", root.topic) for number in range(50)]
    other = board.write("<p>别的</p>")
    listener = listen(server)
    await listener.poll()
    assert len(listener.told) == 52

    # When posts on several pages are edited, hidden and purged
    board.edit(replies[3], "<p>改了</p>")
    replies[25].deleted = True
    board.purge(replies[40])
    board.purge(other)
    await listener.poll()
    await listener.poll()

    # Then each is told once
    assert sorted(listener.told[52:]) == [
        (f"{SITE}/27", "||", True),
        (f"{SITE}/42", "||", True),
        (f"{SITE}/5", f"|{root.topic.title}|改了", False),
        (f"{SITE}/52", "||", True),
    ]


async def test_quiet_topics_are_read_again_in_turn(board: Board, server: NodeBbServer) -> None:
    # Given thirty topics that nobody answers
    posts = [board.write(f"<p>{number}</p>") for number in range(30)]
    listener = listen(server, topics_per_poll=10)
    await listener.poll()

    # When all are edited
    for post in posts:
        board.edit(post, "<p>改了</p>")
    counts = []
    for _ in range(4):
        await listener.poll()
        counts.append(len(listener.told))

    # Then every poll finds ten of them
    assert counts == [40, 50, 60, 60]
    assert listener.index() == server.truth()


async def test_only_what_is_needed_of_a_long_topic_is_read(
    board: Board, server: NodeBbServer, clock: Any
) -> None:
    # Given a topic of 1,000 replies, most of them old
    root = board.write("<p>首帖</p>")
    for number in range(970):
        board.write(f"<p>{number}</p>", root.topic)
    await clock.sleep(10 * 86_400)
    for number in range(30):
        board.write(f"<p>新{number}</p>", root.topic)
    listener = listen(server)

    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == [f"新{number}" for number in range(30)]
    assert len(server.requests) <= 6


async def test_nothing_is_lost_over_a_long_outage(board: Board, server: NodeBbServer) -> None:
    # Given a source that stood still while 1,500 posts were written in 300 topics
    first = board.write("<p>之前</p>")
    listener = listen(server, watch_posts=50)
    await listener.poll()
    topics = [first.topic]
    for number in range(1_499):
        wanted = topics[number * 7 % len(topics)] if number % 5 else None
        post = board.write(f"<p>{number}</p>", wanted)
        if wanted is None:
            topics.append(post.topic)

    # When it goes on, killed after every 40 batches, while topics come and move up
    def write_on(request: int) -> None:
        if request % 50 == 0:
            board.write(f"<p>其间{request}</p>", topics[request % len(topics)])

    server.meanwhile = write_on
    for _ in range(10):
        await listener.poll(kill_after=40)
    server.meanwhile = lambda number: None
    await listener.poll()
    await listener.poll()

    # Then all posts have come
    assert {one for one, _, _ in listener.told} == set(server.truth())
    assert listener.doubled() == []


async def test_a_topic_that_slips_past_between_two_pages_is_not_lost(
    board: Board, server: NodeBbServer
) -> None:
    # Given three pages of topics, many more posts than are watched
    posts = []
    for number in range(50):
        posts.append(board.write(f"<p>{number}</p>"))
        board.write("<p>回复</p>", posts[-1].topic)

    # When the newest is deleted before the third page is read, which moves all up by one
    def delete(request: int) -> None:
        if request == 3:
            board.purge_topic(posts[-1].topic)

    server.meanwhile = delete
    listener = listen(server, watch_posts=50)
    await listener.poll()
    await listener.poll()

    # Then the one that was first on that page has come all the same
    assert {one for one, _, _ in listener.told} == set(server.truth())
    assert listener.doubled() == []


async def test_one_look_that_misses_a_post_deletes_nothing(
    board: Board, server: NodeBbServer
) -> None:
    # Given a post that is out of sight for one request
    root = board.write("<p>首帖</p>")
    reply = board.write("<p>还在</p>", root.topic)
    board.write("<p>最后</p>", root.topic)
    listener = listen(server)
    await listener.poll()
    looks = len(server.requests) + 2

    def hide(request: int) -> None:
        root.topic.posts[1:-1] = [] if request == looks else [reply]

    # When it is looked for
    server.meanwhile = hide
    await listener.poll()

    # Then it is looked for again, and nothing is told
    assert len(server.requests) == looks + 1
    assert len(listener.told) == 3


async def test_a_topic_that_fails_does_not_hold_up_the_others(
    board: Board, server: NodeBbServer
) -> None:
    # Given a topic that the server fails at for ever
    board.write("<p>一</p>")
    bad = board.write("<p>二</p>")
    board.write("<p>三</p>")
    server.broken = frozenset([bad.topic.number])
    listener = listen(server)

    # When it is polled: the trouble is told each time, the others once
    with pytest.raises(AssertionError):
        await listener.poll()

    assert {error.trouble for error in listener.troubles} == {"server"}
    assert [draft.text for draft in listener.drafts()] == ["一", "三"]

    # And when it heals, it comes too
    server.broken = frozenset()
    listener.troubles.clear()
    await listener.poll()
    assert [draft.text for draft in listener.drafts()] == ["一", "三", "二"]


async def test_posts_from_other_servers_have_short_ids(board: Board, server: NodeBbServer) -> None:
    # Given a reply from the fediverse, whose pid is an address
    root = board.write("<p>首帖</p>")
    far = server.post(board.write("<p>来自远方</p>", root.topic))
    far |= {"pid": "https://far.example/users/甲/statuses/" + "1" * 200, "uid": "https://far/甲"}
    near = server.post
    server.post = lambda post: far if post.place == 2 else near(post)  # type: ignore[method-assign]
    listener = listen(server)

    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["首帖", "来自远方"]
    assert listener.drafts()[1].id.startswith(f"{SITE}/x")
    assert listener.dead == []


@pytest.mark.parametrize("item", [None, "x", {}, {"pid": 3}, {"pid": 3, "timestamp": "gestern"}])
async def test_a_bad_post_is_a_dead_letter_once_and_its_neighbours_pass(
    board: Board, server: NodeBbServer, item: Any
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


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [("429", "quota"), ("503", "server"), ("timeout", "unreachable"), ("page", "format")],
)
async def test_a_fault_is_named_and_passes(
    board: Board, server: NodeBbServer, fault: str, trouble: str
) -> None:
    board.write("<p>云帆</p>")
    server.faults.append(fault)
    listener = listen(server)

    await listener.poll()

    assert [error.trouble for error in listener.troubles] == [trouble]
    assert len(listener.told) == 1


def five_topics(board: Board) -> list[Topic]:
    topics = [board.write(f"<p>{number}</p>").topic for number in range(5)]
    for topic in topics:
        for number in range(4):
            board.write(f"<p>{number}</p>", topic)
    return topics


@pytest.mark.parametrize(
    ("status", "trouble"), [(401, "login"), (403, "forbidden"), (404, "forbidden")]
)
async def test_a_forum_that_refuses_all_topics_is_in_trouble_and_nothing_is_deleted(
    board: Board, server: NodeBbServer, status: int, trouble: str
) -> None:
    # Given 25 posts, and a firewall that lets only the list through from now on
    topics = five_topics(board)
    listener = listen(server)
    await listener.poll()
    server.refused = {topic.number: status for topic in topics}

    # When it is polled on, the trouble is told, and no post as deleted
    with pytest.raises(AssertionError):
        await listener.poll(patience=3)
    assert {error.trouble for error in listener.troubles} == {trouble}
    assert len(listener.told) == 25

    # And when it is over, only what was written since comes
    server.refused = {}
    listener.troubles.clear()
    board.write("<p>新</p>", topics[0])
    await listener.poll()
    assert [draft.text for draft in listener.drafts()[25:]] == ["新"]
    assert listener.troubles == []


@pytest.mark.parametrize("status", [401, 403])
async def test_a_topic_that_became_private_is_passed_over_and_not_deleted(
    board: Board, server: NodeBbServer, status: int
) -> None:
    # Given a topic that moves to where guests may not read
    topics = five_topics(board)
    listener = listen(server, topics_per_poll=0)
    await listener.poll()
    server.private, server.refused = frozenset([2]), {2: status}

    # When it is polled on
    requests = []
    for _ in range(5):
        before = len(server.requests)
        await listener.poll()
        requests.append([one.url.path for one in server.requests[before:]].count("/api/topic/2"))

    # Then nothing is told of it, no trouble either, and nobody asks for it in the end
    assert len(listener.told) == 25
    assert listener.troubles == []
    assert requests == [1, 1, 1, 0, 0]

    # And when it comes back, only what is new in it is told
    server.private, server.refused = frozenset(), {}
    board.edit(topics[1].posts[2], "<p>改了</p>")
    board.write("<p>新</p>", topics[1])
    await listener.poll()
    assert sorted(draft.text for draft in listener.drafts()[25:]) == ["改了", "新"]


async def test_the_only_topic_of_a_forum_is_not_told_as_deleted_when_nothing_else_is_there(
    board: Board, server: NodeBbServer
) -> None:
    # Given a forum that lists nothing any more
    only = board.write("<p>唯一</p>")
    listener = listen(server)
    await listener.poll()
    board.purge(only)

    # When it is polled, that is a trouble
    with pytest.raises(AssertionError):
        await listener.poll(patience=3)
    assert {error.trouble for error in listener.troubles} == {"forbidden"}
    assert len(listener.told) == 1

    # And when another topic can be read, the first is told as deleted
    board.write("<p>第二</p>")
    await listener.poll()
    assert listener.told[1:] == [
        (f"{SITE}/2", "云帆 X1 提车||第二", False),
        (f"{SITE}/1", "||", True),
    ]


async def test_a_token_opens_a_closed_forum(board: Board, server: NodeBbServer) -> None:
    board.write("<p>内部</p>")
    server.token = "t0ken"
    refused = listen(server)
    with pytest.raises(AssertionError):
        await refused.poll()
    assert {error.trouble for error in refused.troubles} == {"login"}

    listener = listen(server, api_token="t0ken")
    await listener.poll()

    assert len(listener.told) == 1


async def test_another_forums_answer_is_refused_with_a_reason(server: NodeBbServer) -> None:
    server.answer = lambda request: httpx.Response(200, json={"latest_posts": []})  # type: ignore[method-assign]
    listener = listen(server)

    with pytest.raises(AssertionError):
        await listener.poll()

    assert "NodeBB" in str(listener.troubles[0])


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_nothing_is_lost_or_doubled(server: NodeBbServer, seed: int) -> None:
    listener = listen(server, watch_posts=400, topics_per_poll=200)

    await live_through(listener, server, seed)

    assert listener.index() == server.truth()
    assert listener.doubled() == []
    assert listener.dead == []
