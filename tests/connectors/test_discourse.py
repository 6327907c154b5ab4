from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import ValidationError

from connectors.discourse import Discourse
from tests.connectors.forum_listener import Listener, live_through, said
from tests.connectors.forum_server import Board, DiscourseServer

SITE = "discourse:forum.example.com"


@pytest.fixture
def board(clock: Any) -> Board:
    return Board(clock)


@pytest.fixture
def server(board: Board, clock: Any) -> DiscourseServer:
    return DiscourseServer(board, clock)


def listen(server: DiscourseServer, **options: Any) -> Listener:
    given: dict[str, Any] = {
        "url": "https://forum.example.com/",
        "every_seconds": 3_600,
        "requests_per_minute": 600,
    }
    config = Discourse.Config.model_validate(given | options)
    context = server.context()
    return Listener(lambda: Discourse("论坛", config, context), server.clock)


async def test_a_topic_and_its_replies_form_a_thread(board: Board, server: DiscourseServer) -> None:
    # Given a topic, an answer to it and an answer to the answer
    root = board.write("<p>刹车<b>异响</b></p>", title="云帆 X1 & 刹车 <b>")
    board.write("<p>我也是</p>", root.topic)
    board.write("<p>去 4S 店看看</p>", root.topic, answers=2)
    listener = listen(server)

    # When the forum is polled
    await listener.poll()

    # Then each post says where it stands
    first, answer, deeper = listener.drafts()
    assert (first.id, first.kind, first.title) == (f"{SITE}/1/1", "post", "云帆 X1 & 刹车 <b>")
    assert (first.text, first.root_id, first.parent_id) == ("刹车异响", None, None)
    assert (answer.id, answer.kind, answer.title) == (f"{SITE}/1/2", "reply", None)
    assert answer.root_id == answer.parent_id == first.id
    assert answer.root_text == "云帆 X1 & 刹车 <b>"
    assert (deeper.root_id, deeper.parent_id) == (first.id, answer.id)
    assert deeper.url == "https://forum.example.com/t/1/3"
    assert (deeper.author.id, deeper.author.name) == ("forum.example.com/7", "user7")
    assert deeper.source == "论坛"


@pytest.mark.parametrize(
    ("html", "text"),
    [
        (
            '<aside class="quote" data-post="1"><div class="title">赤霄:</div>'
            "<blockquote><p>云帆是垃圾</p></blockquote></aside><p>我不同意</p>",
            "我不同意",
        ),
        ("<blockquote><p>官方声明</p></blockquote>", ""),
        ('<p>看</p><aside class="onebox"><h3>别人的标题</h3></aside>', "看"),
        ('好 <img class="emoji" alt=":smile:" src="x">', "好 :smile:"),
        ("没有标签", "没有标签"),
        ("<p>甲\x00乙</p>", "甲乙"),
    ],
)
async def test_the_text_is_the_writers_own_words(
    board: Board, server: DiscourseServer, html: str, text: str
) -> None:
    board.write(html)
    listener = listen(server)

    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == [text]


async def test_edits_and_deletions_are_told_once(board: Board, server: DiscourseServer) -> None:
    # Given three posts that were told
    kept = board.write("<p>不变</p>")
    edited = board.write("<p>旧</p>", kept.topic)
    dropped = board.write("<p>删我</p>", kept.topic)
    listener = listen(server)
    await listener.poll()
    assert len(listener.told) == 3

    # When one is edited and one deleted
    board.edit(edited, "<p>新</p>")
    board.purge(dropped)
    await listener.poll()
    await listener.poll()

    # Then both are told, once, under their ids, and the deletion says nothing else
    assert listener.told[3:] == [
        (f"{SITE}/1/2", "|云帆 X1 提车|新", False),
        (f"{SITE}/1/3", "||", True),
    ]
    deletion = listener.drafts()[-1]
    assert (deletion.root_id, deletion.kind) == (f"{SITE}/1/1", "reply")
    assert deletion.published_at == listener.drafts()[2].published_at


async def test_a_deleted_topic_takes_its_posts_along(board: Board, server: DiscourseServer) -> None:
    other = board.write("<p>别的话题</p>")
    root = board.write("<p>首帖</p>")
    for number in range(60):
        board.write(f"<p>回复{number}</p>", root.topic)
    listener = listen(server)
    await listener.poll()

    board.purge_topic(root.topic)
    await listener.poll()
    await listener.poll()

    assert list(listener.index()) == [f"{SITE}/{other.topic.number}/1"]
    assert listener.doubled() == []


async def test_a_post_that_is_only_not_listed_is_not_deleted(
    board: Board, server: DiscourseServer
) -> None:
    # Given a topic that a moderator takes off the lists
    post = board.write("<p>还在</p>")
    board.write("<p>别的</p>")
    listener = listen(server)
    await listener.poll()
    server.unlisted.add(post.topic.number)

    # When it is polled on, nothing is told
    await listener.poll()
    await listener.poll()
    assert len(listener.told) == 2

    # And when it is deleted, that is
    board.purge(post)
    await listener.poll()
    assert listener.told[2:] == [(f"{SITE}/1/1", "||", True)]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_site_that_refuses_posts_at_their_own_addresses_deletes_none(
    board: Board, server: DiscourseServer, status: int
) -> None:
    # Given posts that leave the list while a firewall refuses all single posts
    posts = [board.write(f"<p>{number}</p>") for number in range(4)]
    listener = listen(server)
    await listener.poll()
    server.unlisted.update(post.topic.number for post in posts[:3])
    server.refused = {post.topic.number: status for post in posts}

    # When it is polled, that is a trouble and no deletion
    with pytest.raises(AssertionError):
        await listener.poll(patience=3)
    assert {error.trouble for error in listener.troubles} == {
        "login" if status == 401 else "forbidden"
    }
    assert len(listener.told) == 4

    # And when it is over, nothing is told
    server.refused = {}
    listener.troubles.clear()
    await listener.poll()
    assert (len(listener.told), listener.troubles) == (4, [])


@pytest.mark.parametrize("status", [401, 403, 451])
async def test_a_post_that_became_private_is_not_deleted(
    board: Board, server: DiscourseServer, status: int
) -> None:
    private = board.write("<p>移到会员区</p>")
    board.write("<p>别的</p>")
    listener = listen(server)
    await listener.poll()
    server.unlisted.add(private.topic.number)
    server.refused = {private.topic.number: status}

    await listener.poll()
    await listener.poll()

    assert (len(listener.told), listener.troubles) == (2, [])


async def test_a_restored_post_comes_back(board: Board, server: DiscourseServer) -> None:
    post = board.write("<p>误删</p>")
    board.write("<p>别的</p>", post.topic)
    listener = listen(server)
    await listener.poll()
    post.deleted = True
    await listener.poll()
    post.deleted = False

    await listener.poll()

    assert [deleted for one, _, deleted in listener.told if one == f"{SITE}/1/1"] == [
        False,
        True,
        False,
    ]


async def test_terms_choose_posts_by_text_or_topic(board: Board, server: DiscourseServer) -> None:
    # Given posts with and without the word
    board.write("<p>今天 YUNFAN 真好</p>", title="闲聊")
    later = board.write("<p>没有关键词</p>", title="闲聊")
    titled = board.write("<p>提车了</p>", title="云帆日记")
    board.write("<p>恭喜</p>", titled.topic)
    listener = listen(server, terms=["云帆", "yunfan"])
    await listener.poll()
    assert list(listener.index()) == [f"{SITE}/1/1", f"{SITE}/3/1", f"{SITE}/3/2"]

    # When a word comes into a post by an edit
    board.edit(later, "<p>其实是云帆</p>")
    await listener.poll()

    # Then it is told, and an edit that takes it out again as well
    assert listener.told[-1][:2] == (f"{SITE}/2/1", "闲聊||其实是云帆")
    board.edit(later, "<p>不说了</p>")
    await listener.poll()
    assert listener.told[-1][:2] == (f"{SITE}/2/1", "闲聊||不说了")


async def test_the_first_start_looks_back_so_far_and_no_further(
    board: Board, server: DiscourseServer, clock: Any
) -> None:
    # Given one post every hour for twenty days
    for number in range(480):
        board.write(f"<p>{number}</p>")
        await clock.sleep(3_599)

    listener = listen(server, history_days=5)
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == [str(n) for n in range(360, 480)]


async def test_nothing_is_lost_over_a_long_outage(board: Board, server: DiscourseServer) -> None:
    # Given a source that stood still while 2,000 posts were written among private ones
    board.write("<p>之前</p>")
    listener = listen(server, watch_posts=50)
    await listener.poll()
    for number in range(2_000):
        board.write(f"<p>{number}</p>")
        if number % 100 == 0:
            board.skip(130)

    # When it goes on, with a restart after every third batch
    for _ in range(20):
        await listener.poll(kill_after=3)
    await listener.poll()

    # Then all posts have come once, oldest first
    texts = [draft.text for draft in listener.drafts()]
    assert texts == ["之前", *(str(number) for number in range(2_000))]


async def test_posts_written_while_the_pages_are_read_are_not_lost(
    board: Board, server: DiscourseServer
) -> None:
    for number in range(180):
        board.write(f"<p>{number}</p>")
    listener = listen(server)

    def write_on(request: int) -> None:
        for _ in range(7):
            board.write(f"<p>其间{request}</p>")

    server.meanwhile = write_on
    await listener.poll()
    server.meanwhile = lambda number: None
    await listener.poll()

    assert listener.index() == server.truth()
    assert listener.doubled() == []


async def test_a_post_that_shows_up_late_among_older_ones_is_told(
    board: Board, server: DiscourseServer
) -> None:
    # Given a post whose transaction took longer than the next one's
    late = board.write("<p>迟到</p>")
    late.deleted = True
    board.write("<p>先到</p>")
    listener = listen(server)
    await listener.poll()

    late.deleted = False
    await listener.poll()

    assert [text for _, text, _ in listener.told] == ["云帆 X1 提车||先到", "云帆 X1 提车||迟到"]


@pytest.mark.parametrize(
    ("fault", "trouble", "wait"),
    [
        ("429", "quota", 17),
        ("503-date", "server", 23),
        ("500", "server", 17),
        ("timeout", "unreachable", None),
        ("cut", "unreachable", None),
        ("short", "format", None),
        ("page", "format", None),
    ],
)
async def test_a_fault_is_named_and_passes(
    board: Board, server: DiscourseServer, fault: str, trouble: str, wait: float | None
) -> None:
    # Given a forum that fails twice
    board.write("<p>云帆</p>")
    server.faults.extend([fault, fault])
    listener = listen(server)

    # When it is polled on
    await listener.poll()

    # Then both troubles have their kind and wait, and the post came once
    assert [error.trouble for error in listener.troubles] == [trouble, trouble]
    assert listener.troubles[0].retry_after_seconds == wait
    assert len(listener.told) == 1


async def test_a_bad_post_is_a_dead_letter_once_and_its_neighbours_pass(
    board: Board, server: DiscourseServer
) -> None:
    board.write("<p>一</p>")
    bad = board.write("<p>二</p>")
    board.write("<p>三</p>")
    server.broken.add(bad.number)
    listener = listen(server)

    await listener.poll()
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["一", "三"]
    [letter] = listener.dead
    assert letter.kind == "schema"
    assert orjson.loads(letter.raw)["id"] == bad.number
    assert "topic_id" in letter.message

    # When it can be read again, it comes
    server.broken.clear()
    await listener.poll()
    assert listener.index() == server.truth()


@pytest.mark.parametrize(
    "item", [None, 3, "x", [], {"id": None}, {"id": {}}, [[[[]]]], {"id": 5, "cooked": 3}]
)
async def test_senseless_items_never_end_the_connector(
    board: Board, server: DiscourseServer, item: Any
) -> None:
    good = server.post(board.write("<p>好</p>"))
    numbers_as_texts = good | {"id": "9", "post_number": "2", "topic_id": "1", "reads": "many"}
    posts = [item, numbers_as_texts, good]
    server.answer = lambda request: httpx.Response(  # type: ignore[method-assign]
        200, json={"latest_posts": [] if "before" in request.url.params else posts, "new": 1}
    )
    listener = listen(server)

    await listener.poll()

    assert [draft.id for draft in listener.drafts()] == [f"{SITE}/1/1", f"{SITE}/1/2"]
    assert len(listener.dead) == 1


async def test_the_key_goes_to_the_site_and_is_shown_nowhere(
    board: Board, server: DiscourseServer
) -> None:
    board.write("<p>内部</p>")
    server.key = "s3cr3t-key"
    open_listener = listen(server)
    server.faults.clear()
    with pytest.raises(AssertionError):  # refused for ever
        await open_listener.poll()
    assert {error.trouble for error in open_listener.troubles} == {"forbidden"}

    listener = listen(server, api_key="s3cr3t-key", api_username="system")
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["内部"]
    assert server.requests[-1].headers["api-username"] == "system"
    config = Discourse.Config.model_validate(
        {"url": "https://forum.example.com", "api_key": "s3cr3t-key", "api_username": "system"}
    )
    assert "s3cr3t" not in repr(config)


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "x"},
        {"api_username": "x"},
        {"terms": [" "]},
        {"url": "forum.example.com"},
        {"url": "https://user:pass@forum.example.com"},
        {"url": "https://forum.example.com/?x=1"},
        {"url": "https://" + "a" * 100 + ".example.com"},
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Discourse.Config.model_validate({"url": "https://forum.example.com"} | options)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_nothing_is_lost_or_doubled(
    server: DiscourseServer, seed: int
) -> None:
    listener = listen(server, watch_posts=400)

    await live_through(listener, server, seed)

    assert listener.index() == server.truth()
    assert listener.doubled() == []
    assert listener.dead == []


# --- recorded answers ---------------------------------------------------------------------------

RECORDED = {"posts_latest": [2, 10, 14, 15], "posts_before": [2, 10, 14]}


@pytest.mark.parametrize("name", RECORDED)
async def test_recorded_lists_are_read_whole(
    server: DiscourseServer, shared_data: Path, name: str
) -> None:
    folder = shared_data / "formats" / "discourse"
    body = (folder / f"{name}.json").read_bytes()
    server.answer = lambda request: httpx.Response(  # type: ignore[method-assign]
        200,
        content=b'{"latest_posts":[]}' if "before" in request.url.params else body,
    )
    listener = listen(server, history_days=3_650)

    await listener.poll()

    recorded = {one["id"]: one for one in orjson.loads(body)["latest_posts"]}
    assert sorted(recorded) == RECORDED[name]
    assert [draft.id for draft in listener.drafts()] == [
        f"{SITE}/{recorded[number]['topic_id']}/{recorded[number]['post_number']}"
        for number in RECORDED[name]
    ]
    assert [said(draft) for draft in listener.drafts()].count("||") == 0
    assert listener.dead == []


@pytest.mark.parametrize(
    "name",
    "categories category_latest_topics hot latest new search top topic topic_posts".split(),
)
async def test_other_recorded_answers_are_refused_with_a_reason(
    server: DiscourseServer, shared_data: Path, name: str
) -> None:
    body = (shared_data / "formats" / "discourse" / f"{name}.json").read_bytes()
    server.answer = lambda request: httpx.Response(200, content=body)  # type: ignore[method-assign]
    listener = listen(server)

    with pytest.raises(AssertionError):
        await listener.poll()

    assert {error.trouble for error in listener.troubles} == {"format"}
    assert "latest_posts" in str(listener.troubles[0])


@pytest.mark.parametrize(("name", "posts"), [("topic", 4), ("topic_posts", 1)])
async def test_posts_of_recorded_topics_are_read_as_those_of_the_list(
    server: DiscourseServer, shared_data: Path, name: str, posts: int
) -> None:
    # Given the posts of a recorded topic, in the envelope of the list
    recorded = orjson.loads((shared_data / "formats" / "discourse" / f"{name}.json").read_bytes())
    items = recorded["post_stream"]["posts"]
    server.answer = lambda request: httpx.Response(  # type: ignore[method-assign]
        200, json={"latest_posts": [] if "before" in request.url.params else items[::-1]}
    )
    listener = listen(server, history_days=9_000)

    await listener.poll()

    assert len(listener.drafts()) == posts
    assert all(draft.text for draft in listener.drafts())
    assert listener.drafts()[-1].published_at.year in (2013, 2020)
    assert listener.dead == []
