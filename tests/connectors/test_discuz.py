from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.discuz import Discuz
from tests.connectors.forum_listener import Listener, live_through
from tests.connectors.forum_server import Board, DiscuzServer
from tests.connectors.polls import parts

SITE = "discuz:forum.example.com"
TITLE = "云帆 X1 提车"


@pytest.fixture
def board(clock: Any) -> Board:
    return Board(clock)


@pytest.fixture
def server(board: Board, clock: Any) -> DiscuzServer:
    return DiscuzServer(board, clock)


def listen(server: DiscuzServer, **options: Any) -> Listener:
    given: dict[str, Any] = {
        "url": "https://forum.example.com",
        "every_seconds": 3_600,
        "requests_per_minute": 600,
    }
    config = Discuz.Config.model_validate(given | options)
    context = server.context()
    return Listener(lambda: Discuz("论坛", config, context), server.clock)


@pytest.mark.parametrize("charset", ["gbk", "utf-8", "gb18030"])
async def test_a_thread(board: Board, server: DiscuzServer, charset: str) -> None:
    server.charset = charset
    board.write("刹车异响 <3 & 抖动", title="云帆 & 赤霄 <比较>")
    listener = listen(server)

    await listener.poll()

    [draft] = listener.drafts()
    assert (draft.id, draft.kind, draft.title) == (f"{SITE}/1", "post", "云帆 & 赤霄 <比较>")
    assert draft.text == "刹车异响 <3 & 抖动"
    assert draft.root_id is None
    assert draft.published_at == datetime(2024, 6, 1, 4, 0, 1, tzinfo=UTC)
    assert draft.url == "https://forum.example.com/forum.php?mod=viewthread&tid=1"
    assert (draft.author.id, draft.author.name) == ("forum.example.com/@user7", "user7")


@pytest.mark.parametrize("link", ["thread-{}-1-1.html", "forum.php?mod=viewthread&tid={}&extra=x"])
async def test_a_thread_is_known_by_site_and_tid(
    board: Board, server: DiscuzServer, link: str
) -> None:
    # Given a site that begins to rewrite its addresses
    board.write("提车")
    listener = listen(server)
    await listener.poll()
    server.link = link

    await listener.poll()

    assert [one for one, _, _ in listener.told] == [f"{SITE}/1"]


async def test_edits_and_deletions_are_told_once(board: Board, server: DiscuzServer) -> None:
    posts = [board.write(f"{number}") for number in range(5)]
    listener = listen(server)
    await listener.poll()

    board.edit(posts[1], "改了")
    board.purge(posts[2])
    await listener.poll()
    await listener.poll()

    assert listener.told[5:] == [
        (f"{SITE}/2", f"{TITLE}||改了", False),
        (f"{SITE}/3", "||", True),
    ]


async def test_a_thread_that_moved_or_a_site_for_members_only_is_no_deletion(
    board: Board, server: DiscuzServer
) -> None:
    # Given a thread that moved, then a site that shows guests no thread
    posts = [board.write(f"{number}") for number in range(5)]
    listener = listen(server)
    await listener.poll()
    server.moved = frozenset([2])
    await listener.poll()
    server.gated = True
    board.purge(posts[2])
    await listener.poll()
    await listener.poll()

    # Then nothing is told
    assert len(listener.told) == 5

    # And when guests see threads again, the real deletion is
    server.gated = False
    await listener.poll()
    assert listener.told[5:] == [(f"{SITE}/3", "||", True)]


async def test_a_thread_that_falls_out_of_the_feed_is_not_deleted(
    board: Board, server: DiscuzServer
) -> None:
    listener = listen(server)
    for round_ in range(6):
        for number in range(15):
            board.write(f"{round_}-{number}")
        await listener.poll()

    assert len(listener.told) == 90
    assert not any(deleted for _, _, deleted in listener.told)


async def test_an_empty_feed_is_asked_again_and_deletes_nothing(
    board: Board, server: DiscuzServer
) -> None:
    # Given a site that rebuilds its cache
    board.write("提车")
    listener = listen(server)
    await listener.poll()
    server.empty = 1
    board.write("第二条")

    # When it is polled, it is asked again half a minute later
    await listener.poll()
    assert len(listener.told) == 2
    assert listener.troubles == []
    assert 30.0 in server.clock.slept

    # And a feed that stays empty is a trouble, not calm
    server.empty = 2
    await listener.poll()
    assert [error.trouble for error in listener.troubles] == ["server"]
    assert listener.troubles[0].retry_after_seconds == 600
    assert len(listener.told) == 2


@pytest.mark.parametrize("says", ["RSS Disabled", "Specified forum not found"])
async def test_a_refusal_in_plain_text_is_named(
    board: Board, server: DiscuzServer, says: str
) -> None:
    board.write("提车")
    server.says = says
    listener = listen(server, fids=[37])

    with pytest.raises(AssertionError):
        await listener.poll()

    assert {error.trouble for error in listener.troubles} == {"gone"}
    assert says in str(listener.troubles[0])
    assert server.requests[0].url.params["fid"] == "37"


async def test_a_board_that_fails_does_not_hold_up_the_others(
    board: Board, server: DiscuzServer
) -> None:
    # Given two boards, the first of which doesn't exist
    first, second = board.write("一"), board.write("二")
    server.fids = {first.topic.number: 2, second.topic.number: 37}
    honest = server.answer

    def answer(request: Any) -> Any:
        server.says = "Specified forum not found" if request.url.params.get("fid") == "2" else ""
        return honest(request)

    server.answer = answer  # type: ignore[method-assign]
    listener = listen(server, fids=[2, 37])

    with pytest.raises(AssertionError):
        await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["二"]
    assert {error.trouble for error in listener.troubles} == {"gone"}


async def test_the_ttl_is_respected(board: Board, server: DiscuzServer, clock: Any) -> None:
    # Given a source that polls more often than the feed changes
    board.write("提车")
    config = Discuz.Config.model_validate(
        {"url": "https://forum.example.com", "every_seconds": 60, "requests_per_minute": 600}
    )
    source = Discuz("论坛", config, server.context())
    batches = parts(source.batches({}))
    seconds = clock.at

    # When it runs for two hours
    asked = set()
    while (clock.at - seconds).total_seconds() < 7_200:
        await anext(batches)
        asked.add(len(server.requests))

    # Then the feed is asked for every half hour
    assert 4 <= max(asked) <= 5


async def test_times_of_the_site_are_read_and_relative_ones_change_nothing(
    board: Board, server: DiscuzServer
) -> None:
    # Given a changed site whose feed says when as its pages do
    first, second = board.write("一"), board.write("二")
    times = {first.number: "2024-06-01 11:58", second.number: "3 分钟前"}
    server.time = lambda post: times[post.number]  # type: ignore[method-assign]
    listener = listen(server, zone="Asia/Shanghai")

    # When it is polled, and again an hour later
    await listener.poll()
    times[second.number] = "1 小时前"
    await listener.poll()

    # Then each thread came once, at the time of the first look
    assert [draft.published_at for draft in listener.drafts()] == [
        datetime(2024, 6, 1, 3, 58, tzinfo=UTC),
        datetime(2024, 6, 1, 3, 57, 2, tzinfo=UTC),
    ]


@pytest.mark.parametrize(
    "item",
    [
        "<item/>",
        "<item><title>没有链接</title></item>",
        "<item><link>https://forum.example.com/forum.php?tid=x</link></item>",
        "<item><link>https://forum.example.com/thread-9-1-1.html</link>"
        "<pubDate>很久以前</pubDate></item>",
    ],
)
async def test_a_bad_item_is_a_dead_letter_once_and_its_neighbours_pass(
    board: Board, server: DiscuzServer, item: str
) -> None:
    board.write("一")
    board.write("坏")
    board.write("三")
    near = server.item
    server.item = lambda topic: item if topic.number == 2 else near(topic)  # type: ignore[method-assign]
    listener = listen(server)

    await listener.poll()
    await listener.poll()

    assert [draft.text for draft in listener.drafts()] == ["一", "三"]
    assert len(listener.dead) == 1


@pytest.mark.parametrize("options", [{"zone": "Mars/Olympus"}, {"fids": [0]}, {"fids": [-1]}])
def test_wrong_settings_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Discuz.Config.model_validate({"url": "https://forum.example.com"} | options)


@pytest.mark.parametrize("seed", range(8))
async def test_whatever_happens_nothing_is_lost_or_doubled(
    board: Board, server: DiscuzServer, seed: int
) -> None:
    # Given a feed that is long enough to hold all, and an oldest thread that stays
    server.limit = 1_000
    board.kept.add(board.write("最早").number)
    listener = listen(server, watch_posts=400)

    await live_through(listener, server, seed)

    assert listener.index() == server.truth()
    assert listener.doubled() == []
    assert listener.dead == []
