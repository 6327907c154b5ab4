import inspect
import itertools
import json
import random
import textwrap
import tomllib
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

import connectors.weibo
from connectors.base import Batch, Context, Cursor
from connectors.trouble import SourceError
from connectors.weibo import Weibo
from schemas.post import PostDraft
from tests.connectors.conftest import FakeClock
from tests.connectors.polls import parts
from tests.connectors.weibo_server import WeiboServer, comment, status, user

RECORDED = Path(__file__).resolve().parents[2] / "../shared/data/formats/weibo_open_api"
HOME = "statuses/home_timeline"
DAY = timedelta(days=1)
FIRST = 5_000_000_000_000_000
"""An id of sixteen digits."""


@pytest.fixture
def server(clock: FakeClock) -> WeiboServer:
    return WeiboServer(clock.now)


@pytest.fixture
def on(server: WeiboServer, clock: FakeClock) -> Context:
    return Context(server.client(), clock.now, clock.sleep)


def weibo(context: Context, **options: Any) -> Weibo:
    given = {
        "access_token": "token-1",
        "watch": [{"what": "home"}],
        "calls_per_day": 0,
        "recheck_posts": 0,
    }
    return Weibo("微博", Weibo.Config.model_validate(given | options), context)


class Reader:
    """Reads as ingest does: the cursor of each acknowledged batch is kept."""

    def __init__(self, connector: Weibo, clock: FakeClock) -> None:
        self.connector = connector
        self.clock = clock
        self.cursor: Cursor = {}
        self.batches: list[Batch] = []

    @property
    def drafts(self) -> list[PostDraft]:
        return [seen.draft for batch in self.batches for seen in batch.seen]

    @property
    def ids(self) -> list[int]:
        return [int(draft.id.removeprefix("weibo:")) for draft in self.drafts]

    async def poll(self, most: int = 10**9) -> None:
        """One poll up to its pause, or its first batches."""
        async with aclosing(self.connector.batches(self.cursor)) as batches:
            with suppress(Asleep):
                async for batch in parts(batches):
                    self.batches.append(batch)
                    self.cursor = json.loads(json.dumps(dict(batch.cursor)))
                    most -= 1
                    if most == 0:
                        return


class Asleep(Exception):
    """The pause between two polls."""


@pytest.fixture
def clock(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """A clock whose sleep ends the poll: nothing else sleeps here."""

    async def sleep(seconds: float) -> None:
        clock.slept.append(seconds)
        clock.at += timedelta(seconds=seconds)
        raise Asleep

    monkeypatch.setattr(clock, "sleep", sleep)
    return clock


def some(server: WeiboServer, clock: FakeClock, numbers: range, path: str = HOME) -> None:
    """Posts a minute apart, the last one just now."""
    for number in numbers:
        at = clock.at - timedelta(minutes=numbers.stop - 1 - number)
        server.add(path, status(FIRST + number, at))


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("escaped", [False, True])
async def test_posts_come_oldest_first_and_only_once(
    server: WeiboServer, on: Context, clock: FakeClock, escaped: bool
) -> None:
    server.escaped = escaped
    some(server, clock, range(5))
    reader = Reader(weibo(on), clock)

    await reader.poll()
    await reader.poll()

    assert reader.ids == [FIRST + n for n in range(5)]
    assert reader.drafts[0].text == f"云帆水壶 第{FIRST}条"
    assert reader.drafts[0].author.id == "1000"
    assert reader.drafts[0].region == "广东 广州"
    assert all(call["access_token"] == "token-1" for _, call in server.calls)


async def test_a_poll_without_news_is_a_sign_of_life_and_costs_one_call(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(5))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    server.calls.clear()
    before = len(reader.batches)

    await reader.poll()

    assert len(reader.batches) == before + 1
    assert len(server.calls) == 1


async def test_many_pages_are_read_down_to_what_was_told(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    clock.at += DAY
    some(server, clock, range(3, 450))

    await reader.poll()

    assert reader.ids == [FIRST + n for n in range(450)]


async def test_a_gap_of_a_walk_that_was_too_long_is_filled_later(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    reader = Reader(weibo(on, max_pages=2), clock)
    await reader.poll()
    clock.at += DAY
    some(server, clock, range(3, 1_000))

    for _ in range(8):
        await reader.poll()

    assert sorted(reader.ids) == [FIRST + n for n in range(1_000)]
    assert len(set(reader.ids)) == 1_000


async def test_the_first_look_takes_the_first_pages_only(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(500))
    reader = Reader(weibo(on, first_pages=2), clock)

    await reader.poll()
    await reader.poll()

    assert reader.ids == [FIRST + n for n in range(300, 500)]


async def test_a_list_that_was_empty_at_first_is_read_whole_later(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    reader = Reader(weibo(on), clock)
    await reader.poll()
    some(server, clock, range(350))

    await reader.poll()

    assert reader.ids == [FIRST + n for n in range(350)]


async def test_a_pinned_post_does_not_end_the_walk(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    path = "statuses/user_timeline"
    server.add(path, status(FIRST - 10**9, clock.at - 90 * DAY, pinned=True))
    some(server, clock, range(3), path)
    reader = Reader(weibo(on, watch=[{"what": "user", "of": "云帆户外"}]), clock)
    await reader.poll()
    clock.at += DAY
    some(server, clock, range(3, 300), path)

    await reader.poll()

    assert sorted(reader.ids)[1:] == [FIRST + n for n in range(300)]
    assert server.asked(path)[0]["screen_name"] == "云帆户外"


async def test_a_post_that_becomes_visible_late_is_found_in_the_overlap(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(0, 40, 2))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    server.add(HOME, status(FIRST + 37, clock.at - timedelta(minutes=1)))

    await reader.poll()

    assert reader.ids[-1] == FIRST + 37
    assert len(reader.ids) == 21


async def test_an_edited_post_comes_again_and_a_like_more_does_not(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(5))
    server.lists[HOME][4]["attitudes_count"] = 1000
    reader = Reader(weibo(on), clock)
    await reader.poll()
    server.lists[HOME][4]["attitudes_count"] = 1001
    server.lists[HOME][3]["text"] = "云帆水壶不漏了"

    await reader.poll()

    assert [draft.text for draft in reader.drafts[5:]] == ["云帆水壶不漏了"]


async def test_duplicates_within_and_between_pages_are_told_once(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    clock.at += DAY
    some(server, clock, range(3, 250))
    server.lists[HOME] += [dict(item) for item in server.lists[HOME][100:140]]

    await reader.poll()

    assert reader.ids == [FIRST + n for n in range(250)]


async def test_pages_that_shift_while_they_are_read_lose_and_double_nothing(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    clock.at += DAY
    some(server, clock, range(3, 400))
    fresh = iter(range(400, 1_000))

    def shift(path: str) -> None:
        for number in (next(fresh), next(fresh)):
            server.add(path, status(FIRST + number, clock.at))
        wanted = FIRST + next(gone)
        server.lists[path] = [one for one in server.lists[path] if one["id"] != wanted]

    gone = iter(range(395, 300, -1))
    server.before_answer = shift
    for _ in range(4):
        await reader.poll()
    server.before_answer = lambda path: None
    await reader.poll()

    told = set(reader.ids)
    assert {one["id"] for one in server.lists[HOME]} <= told
    assert len(reader.ids) == len(told)


def marks(cursor: Cursor) -> list[str]:
    return [str(kept) for key, kept in cursor.items() if key.startswith("mark ")]


@pytest.mark.parametrize("seed", [1, 2])
async def test_killed_between_any_two_batches_it_loses_and_doubles_nothing(
    server: WeiboServer, on: Context, clock: FakeClock, seed: int
) -> None:
    chance = random.Random(seed)
    watch = [{"what": "home"}, {"what": "mentions"}, {"what": "comments-to-me"}]
    number, expected = 0, set()
    reader = Reader(weibo(on, watch=watch, max_pages=3), clock)
    await reader.poll()
    for _ in range(25):
        clock.at += DAY
        for minutes in range(chance.choice([0, 3, 900]), 0, -1):
            number += 1
            item = status(FIRST + number, clock.at - timedelta(minutes=minutes))
            path = chance.choice([HOME, HOME, HOME, "statuses/mentions", "comments/to_me"])
            at = clock.at - timedelta(minutes=minutes)
            server.add(path, comment(item["id"], at, item) if "com" in path else item)
            expected.add(FIRST + number)
        if chance.random() < 0.2:
            server.faults = [None] * chance.randrange(4) + [httpx.ReadTimeout("late")]
        # A new process: nothing but the cursor is left.
        reader.connector = weibo(on, watch=watch, max_pages=3)
        try:
            await reader.poll(chance.choice([1, 2, 3, 100]))
        except SourceError:
            clock.at += timedelta(seconds=10)
        server.faults = []
    await reader.poll()
    while any(len(mark.split()) > 2 for mark in marks(reader.cursor)):
        await reader.poll()
    await reader.poll()

    assert set(reader.ids) == expected
    assert len(reader.ids) == len(expected)


# --- what can be watched --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("watch", "options", "path", "params"),
    [
        ({"what": "home"}, {}, HOME, {}),
        ({"what": "user", "of": "77"}, {}, "statuses/user_timeline", {"uid": "77"}),
        ({"what": "mentions"}, {}, "statuses/mentions", {}),
        ({"what": "comment-mentions"}, {}, "comments/mentions", {}),
        ({"what": "comments-to-me"}, {}, "comments/to_me", {}),
        ({"what": "comments", "of": "42"}, {}, "comments/show", {"id": "42"}),
        ({"what": "reposts", "of": "42"}, {}, "statuses/repost_timeline", {"id": "42"}),
        ({"what": "topic", "of": "云帆 水壶"}, {}, "search/topics", {"q": "云帆 水壶"}),
        (
            {"what": "user", "of": "77"},
            {"business": True},
            "statuses/user_timeline/other",
            {"uid": "77", "count": "25"},
        ),
        ({"what": "mentions"}, {"business": True}, "statuses/mentions/biz", {}),
        (
            {"what": "search", "of": "云帆"},
            {"business": True},
            "search/statuses/limited",
            {"q": "云帆", "sort": "time"},
        ),
    ],
)
async def test_each_list_is_asked_for_as_the_api_wants_it(
    server: WeiboServer,
    clock: FakeClock,
    watch: dict[str, Any],
    options: dict[str, Any],
    path: str,
    params: dict[str, str],
) -> None:
    hosts: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        hosts.append(request.url.host)
        return server.handle(request)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    reader = Reader(weibo(Context(client, clock.now, clock.sleep), watch=[watch], **options), clock)

    await reader.poll()

    assert params.items() <= server.asked(path)[0].items()
    assert hosts[1:2] == ["c.api.weibo.com" if options else "api.weibo.com"]


async def test_the_comments_of_an_accounts_latest_posts_are_read(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    path = "statuses/user_timeline"
    some(server, clock, range(4), path)
    for post in server.lists[path]:
        server.add("comments/show", comment(post["id"] + 1000, clock.at, post))
    watch = {"what": "user", "of": "1000", "comments": True}
    reader = Reader(weibo(on, watch=[watch], comments_of_posts=2), clock)

    await reader.poll()
    newest = server.lists[path][-1]
    server.add("comments/show", comment(newest["id"] + 2000, clock.at, newest))
    await reader.poll()

    comments = [draft for draft in reader.drafts if draft.kind == "comment"]
    assert [draft.root_id for draft in comments] == [
        f"weibo:{FIRST + 2}",
        f"weibo:{FIRST + 3}",
        f"weibo:{FIRST + 3}",
    ]
    await reader.poll()
    assert len([key for key in reader.cursor if key.startswith("mark comments:")]) == 2


@pytest.mark.parametrize("count", [300, 1_200])
async def test_all_comments_of_a_post_that_is_hot_before_the_first_look_are_told(
    server: WeiboServer, on: Context, clock: FakeClock, count: int
) -> None:
    path = "statuses/user_timeline"
    some(server, clock, range(1), path)
    watch = {"what": "user", "of": "1000", "comments": True}
    reader = Reader(weibo(on, watch=[watch]), clock)
    await reader.poll()
    clock.at += timedelta(hours=3)
    hot = status(FIRST + 1, clock.at - timedelta(hours=2))
    server.add(path, hot)
    for number in range(count):
        at = clock.at - timedelta(hours=2) + timedelta(seconds=5 * number)
        server.add("comments/show", comment(FIRST + 1_000 + number, at, hot))

    for _ in range(3):
        await reader.poll()

    comments = [draft.id for draft in reader.drafts if draft.kind == "comment"]
    assert len(comments) == len(set(comments)) == count


async def test_of_posts_from_before_the_start_the_latest_comments_are_told(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    path = "statuses/user_timeline"
    old = status(FIRST, clock.at - DAY)
    server.add(path, old)
    for number in range(300):
        at = clock.at - DAY + timedelta(seconds=5 * number)
        server.add("comments/show", comment(FIRST + 1_000 + number, at, old))
    watch = {"what": "user", "of": "1000", "comments": True}
    reader = Reader(weibo(on, watch=[watch]), clock)

    for _ in range(2):
        await reader.poll()

    assert reader.ids == [FIRST, *(FIRST + 1_000 + n for n in range(250, 300))]


async def test_a_post_that_is_gone_takes_its_comments_with_it_in_silence(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(2), "statuses/user_timeline")
    server.errors["comments/show"] = 20101
    watch = {"what": "user", "of": "1000", "comments": True}
    reader = Reader(weibo(on, watch=[watch]), clock)

    await reader.poll()

    assert len(reader.ids) == 2


async def test_an_item_that_is_nested_deeply_does_not_stop_its_neighbours(clock: FakeClock) -> None:
    items = [
        json.dumps(status(FIRST, clock.at)),
        '{"id": 7, "created_at": ' + "[" * 1_000 + "]" * 1_000 + "}",
    ]
    body = f'{{"statuses": [{", ".join(items)}, {{"text": {"[" * 900}{"]" * 900}}}]}}'.encode()
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    )
    reader = Reader(weibo(Context(client, clock.now, clock.sleep)), clock)

    await reader.poll()

    assert reader.ids == [FIRST]
    assert [item.kind for batch in reader.batches for item in batch.unreadable] == ["mapping"] * 2


@pytest.mark.parametrize("what", ["topic", "search"])
async def test_a_search_goes_on_where_it_stopped(
    server: WeiboServer, on: Context, clock: FakeClock, what: str
) -> None:
    path = {"topic": "search/topics", "search": "search/statuses/limited"}[what]
    some(server, clock, range(20), path)
    reader = Reader(weibo(on, watch=[{"what": what, "of": "云帆"}], business=True), clock)
    await reader.poll()
    clock.at += timedelta(hours=8)
    some(server, clock, range(20, 300), path)

    await reader.poll()
    await reader.poll()

    assert sorted(reader.ids) == [FIRST + n for n in range(300)]
    assert len(set(reader.ids)) == 300


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"watch": [{"what": "user"}]}, "of"),
        ({"watch": [{"what": "home", "of": "1"}]}, "of"),
        ({"watch": [{"what": "comments", "of": "abc"}]}, "of"),
        ({"watch": [{"what": "home", "comments": True}]}, "comments"),
        ({"watch": [{"what": "search", "of": "云帆"}]}, "business"),
        ({"watch": [{"what": "user", "of": "云帆"}], "business": True}, "uid"),
        ({"watch": [{"what": "home"}, {"what": "home"}]}, "watch"),
        ({"watch": []}, "watch"),
    ],
)
def test_a_watch_that_makes_no_sense_is_refused(
    context: Context, options: dict[str, Any], word: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        weibo(context, **options)

    assert word in str(caught.value)


# --- long texts, deletions, limited posts ---------------------------------------------------------


@pytest.mark.parametrize("shape", ["string", "object"])
async def test_a_long_post_is_told_once_with_its_whole_text(
    server: WeiboServer, on: Context, clock: FakeClock, shape: str
) -> None:
    whole = "云帆水壶漏水，" * 60
    server.add(HOME, status(FIRST, clock.at, "云帆水壶漏水 ...全文", isLongText=True))
    server.whole_texts[FIRST] = whole if shape == "string" else {"longTextContent": whole}
    reader = Reader(weibo(on), clock)

    await reader.poll()
    await reader.poll()

    assert [draft.text for draft in reader.drafts] == [whole]
    assert len(server.asked("statuses/show_batch")) == 1


async def test_without_the_right_to_ask_a_long_post_is_told_as_it_is(
    server: WeiboServer, on: Context, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.add(HOME, status(FIRST, clock.at, "云帆水壶漏水 ...全文", isLongText=True))
    server.errors["statuses/show_batch"] = 10014
    reader = Reader(weibo(on), clock)

    await reader.poll()

    assert [draft.text for draft in reader.drafts] == ["云帆水壶漏水 ...全文"]
    assert "10014" in caplog.text


async def test_a_deleted_post_becomes_a_revision_that_says_so(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    server.most = 500
    some(server, clock, range(120))
    reader = Reader(weibo(on, first_pages=2, recheck_posts=200, recheck_seconds=60), clock)
    await reader.poll()
    before = {draft.id: draft for draft in reader.drafts}
    server.delete(FIRST + 7)
    server.delete(FIRST + 119)

    for _ in range(6):
        await reader.poll()

    deleted = [draft for draft in reader.drafts if draft.deleted]
    assert {draft.id for draft in deleted} == {f"weibo:{FIRST + 7}", f"weibo:{FIRST + 119}"}
    assert all(draft.author.id == before[draft.id].author.id for draft in deleted)
    assert all(draft.published_at == before[draft.id].published_at for draft in deleted)
    assert len(reader.drafts) == 122
    assert all(len(call["ids"].split(",")) <= 50 for call in server.asked("statuses/show_batch"))
    assert len(server.asked("statuses/show_batch")) <= 6


async def test_a_repost_tells_that_its_original_was_deleted(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    root = status(FIRST, clock.at)
    server.add(HOME, root)
    reader = Reader(weibo(on, recheck_posts=10), clock)
    await reader.poll()
    gone = {"id": FIRST, "text": "此微博已被原作者删除。", "deleted": "1"}
    server.delete(FIRST)
    server.add(HOME, status(FIRST + 1, clock.at, "转发微博", retweeted_status=gone))

    await reader.poll()
    await reader.poll()

    told = {(draft.id, draft.kind, draft.deleted) for draft in reader.drafts}
    assert len(reader.drafts) == 3
    assert told == {
        (f"weibo:{FIRST}", "post", False),
        (f"weibo:{FIRST}", "post", True),
        (f"weibo:{FIRST + 1}", "repost", False),
    }


@pytest.mark.parametrize("limited", [False, True])
async def test_a_post_for_friends_is_taken_only_when_asked_for(
    server: WeiboServer, on: Context, clock: FakeClock, limited: bool
) -> None:
    server.add(HOME, status(FIRST, clock.at, visible={"type": 3, "list_id": 9}))
    reader = Reader(weibo(on, limited_posts=limited), clock)

    await reader.poll()

    assert len(reader.drafts) == limited


async def test_a_bad_item_becomes_a_dead_letter_once_and_its_neighbours_pass(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    server.add(HOME, status(FIRST + 3, clock.at, created_at="刚刚") | {"created_at": "昨天"})
    server.add(HOME, status(FIRST + 4, clock.at, "#" * 1_001))
    reader = Reader(weibo(on), clock)
    server.page = bad_page(server)  # type: ignore[method-assign]

    await reader.poll()
    await reader.poll()

    unreadable = [item for batch in reader.batches for item in batch.unreadable]
    assert reader.ids == [FIRST + n for n in range(3)]
    assert sorted(item.kind for item in unreadable) == ["mapping", "schema", "schema"]
    assert all(json.loads(item.raw) is not ... and item.message for item in unreadable)


def bad_page(server: WeiboServer) -> Any:
    usual = type(server).page

    def page(path: str, params: dict[str, str]) -> dict[str, Any]:
        answer = usual(server, path, params)
        if answer["statuses"]:
            answer["statuses"].insert(1, [None])
        return answer

    return page


@pytest.mark.parametrize(
    "day", ["Mon Jan 01 00:00:00 +0000 0001", "Fri Dec 31 23:59:59 +0000 9999"]
)
async def test_a_post_from_the_ends_of_time_stops_nothing(
    server: WeiboServer, on: Context, clock: FakeClock, day: str
) -> None:
    server.add(HOME, status(FIRST, clock.at, created_at=day))
    reader = Reader(weibo(on, recheck_posts=10), clock)
    await reader.poll()
    server.add(HOME, status(FIRST + 1, clock.at))

    await reader.poll()
    await reader.poll()

    assert reader.ids == [FIRST, FIRST + 1]


async def test_half_a_character_does_not_spoil_a_page(on: Context, clock: FakeClock) -> None:
    item = json.dumps(status(FIRST, clock.at, "云帆HALF")).replace("HALF", "\\ud83d")
    body = f'{{"statuses": [{item}]}}'.encode()
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, content=body))
    )
    reader = Reader(weibo(Context(client, clock.now, clock.sleep)), clock)

    await reader.poll()

    assert [draft.text for draft in reader.drafts] == ["云帆\ufffd"]


# --- troubles -------------------------------------------------------------------------------------


@pytest.mark.parametrize("string", [False, True])
@pytest.mark.parametrize(
    ("code", "trouble"),
    [
        (10001, "server"),
        (10002, "server"),
        (10003, "server"),
        (10009, "server"),
        (10010, "server"),
        (10011, "server"),
        (21331, "server"),
        (10004, "forbidden"),
        (10005, "forbidden"),
        (10014, "forbidden"),
        (10006, "format"),
        (10008, "format"),
        (10012, "format"),
        (10016, "format"),
        (10020, "format"),
        (10022, "quota"),
        (10023, "quota"),
        (10024, "quota"),
        (20003, "gone"),
        (20502, "gone"),
        (21314, "login"),
        (21315, "login"),
        (21316, "login"),
        (21317, "login"),
        (21325, "login"),
        (21327, "login"),
        (21332, "login"),
        (99999, "format"),
    ],
)
async def test_each_code_becomes_its_trouble(
    server: WeiboServer, on: Context, clock: FakeClock, code: int, trouble: str, string: bool
) -> None:
    server.string_codes = string
    server.errors[HOME] = code
    reader = Reader(weibo(on), clock)

    with pytest.raises(SourceError) as caught:
        await reader.poll()

    assert caught.value.trouble == trouble
    assert str(code) in str(caught.value)
    assert "token-1" not in str(caught.value)


@pytest.mark.parametrize("code", [10005, 10008, 10024, 20003])
async def test_one_list_that_is_refused_does_not_stop_the_others(
    server: WeiboServer, on: Context, clock: FakeClock, code: int
) -> None:
    server.errors["statuses/mentions"] = code
    some(server, clock, range(3))
    reader = Reader(weibo(on, watch=[{"what": "mentions"}, {"what": "home"}]), clock)

    for _ in range(3):
        with pytest.raises(SourceError, match="statuses/mentions"):
            await reader.poll()

    assert reader.ids == [FIRST + n for n in range(3)]
    assert len(server.asked("statuses/mentions")) == 1


@pytest.mark.parametrize("bucket", ["calls_per_token", "calls_per_client"])
async def test_at_the_end_of_the_quota_it_waits_for_the_full_hour(
    server: WeiboServer, on: Context, clock: FakeClock, bucket: str
) -> None:
    clock.at += timedelta(minutes=20)
    some(server, clock, range(3))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    setattr(server, bucket, len(server.calls))

    with pytest.raises(SourceError) as caught:
        await reader.poll()
    calls = len(server.calls)
    with pytest.raises(SourceError):
        await reader.poll()

    assert caught.value.trouble == "quota"
    assert 2_000 < (caught.value.retry_after_seconds or 0) <= 2_400
    assert len(server.calls) == calls
    setattr(server, bucket, 10**9)
    clock.at += timedelta(minutes=41)
    some(server, clock, range(3, 4))
    await reader.poll()
    assert reader.ids == [FIRST + n for n in range(4)]


async def test_the_quota_of_the_settings_is_kept_and_told(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    reader = Reader(weibo(on, calls_per_hour=5), clock)

    await reader.poll()
    assert reader.batches[-1].quota_left == 5 - len(server.calls)
    with pytest.raises(SourceError) as caught:
        for _ in range(5):
            await reader.poll()

    assert caught.value.trouble == "quota"
    assert len(server.calls) == 3  # a look may take three, and is not begun with two


def the_example() -> dict[str, Any]:
    """The settings in the connector's own description."""
    text = (inspect.getdoc(connectors.weibo) or "").split("::\n")[1].split("Delivery:")[0]
    (options,) = tomllib.loads(textwrap.dedent(text))["sources"].values()
    del options["use"]
    return options | {"access_token": "token-1"}


class BusyDays:
    """What is said about a company that is talked about, minute by minute."""

    def __init__(self, server: WeiboServer, begin: datetime) -> None:
        self.server = server
        self.begin = self.until = begin

    def go_on(self, now: datetime) -> None:
        while (at := self.until) <= now:
            minute = int((at - self.begin).total_seconds() // 60)
            self.until += timedelta(minutes=1)
            post = status(FIRST + 10 * minute, at)
            if minute % 60 == 42:
                post["isLongText"] = True
                self.server.whole_texts[post["id"]] = "云帆水壶漏水，" * 60
            if minute % 180 == 0:
                self.server.add("statuses/user_timeline", post)
            if minute % 7 == 0:
                self.server.add("statuses/mentions", post)
            if minute % 6 == 0:
                self.server.add("search/topics", post)
            own = self.server.lists["statuses/user_timeline"][-1]
            if minute % 8 == 0:
                self.server.add("comments/to_me", comment(post["id"] + 1, at, own))
            if minute % 5 == 0:
                self.server.add("comments/show", comment(post["id"] + 2, at, own))

    def ids(self) -> set[int]:
        return {item["id"] for items in self.server.lists.values() for item in items}


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_with_the_example_the_calls_of_a_day_last_the_day(
    server: WeiboServer, clock: FakeClock, seed: int
) -> None:
    random.seed(seed)
    begin = clock.at
    days = BusyDays(server, begin)
    server.before_answer = lambda path: days.go_on(clock.at)

    async def sleep(seconds: float) -> None:
        clock.at += timedelta(seconds=seconds)
        if clock.at - begin > 2 * DAY:
            raise Asleep

    on = Context(server.client(), clock.now, sleep)
    connector = Weibo("微博", Weibo.Config.model_validate(the_example()), on)
    reader = Reader(connector, clock)

    await reader.poll()  # a SourceError would be trouble with the quota

    looks = len(server.asked("statuses/user_timeline"))
    assert 2 * 24 / looks <= 3  # hours, as the description says
    assert len(server.calls) <= 2 * 100
    assert set(reader.ids) == days.ids()
    assert len(reader.ids) == len(set(reader.ids))


async def test_a_look_of_many_pages_puts_the_next_one_off(
    server: WeiboServer, clock: FakeClock
) -> None:
    called_at: list[datetime] = []
    server.before_answer = lambda path: called_at.append(clock.at)
    some(server, clock, range(5))

    async def sleep(seconds: float) -> None:
        clock.at += timedelta(seconds=seconds)
        if len(server.lists[HOME]) == 5:
            some(server, clock, range(5, 180))
        if len(called_at) > 3:
            raise Asleep

    on = Context(server.client(), clock.now, sleep)
    await Reader(weibo(on, calls_per_day=100), clock).poll()

    pages, price = 2, 24 * 3_600 / (100 * 0.9)
    assert called_at[1] == called_at[pages]
    waited = called_at[pages + 1] - called_at[pages]
    assert waited.total_seconds() == pytest.approx(pages * price)


async def test_a_look_is_not_put_off_until_the_source_passes_for_stalled(
    server: WeiboServer, clock: FakeClock
) -> None:
    some(server, clock, range(5))
    looks: list[datetime] = []

    async def sleep(seconds: float) -> None:
        clock.at += timedelta(seconds=seconds)
        if len(server.lists[HOME]) == 5:
            some(server, clock, range(5, 900))
        if len(looks) > 2:
            raise Asleep

    on = Context(server.client(), clock.now, sleep)
    connector = weibo(on, calls_per_day=100)
    async with aclosing(connector.batches({})) as batches:
        with suppress(Asleep):
            async for batch in batches:
                looks += [clock.at] * batch.poll_ends

    assert len(server.asked(HOME)) >= 1 + 9 + 1
    longest = max(after - before for before, after in itertools.pairwise(looks))
    assert 2 * connector.every_seconds < longest.total_seconds() < 3 * connector.every_seconds


def test_lists_that_take_more_calls_than_a_day_has_are_refused(context: Context) -> None:
    watch = [{"what": "user", "of": str(n), "comments": True} for n in range(20)]

    with pytest.raises(ValidationError, match="120"):
        weibo(context, watch=watch, calls_per_day=100)


async def test_the_end_of_the_token_is_told_before_and_after(
    server: WeiboServer, on: Context, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    some(server, clock, range(3))
    server.expires_at = clock.at + 2 * DAY
    reader = Reader(weibo(on), clock)

    await reader.poll()
    assert "2.0" in caplog.text
    warning = reader.batches[-1].warning or ""
    assert "2.0" in warning
    assert "ingest" in warning
    clock.at += 3 * DAY
    with pytest.raises(SourceError) as caught:
        await reader.poll()

    assert caught.value.trouble == "login"
    assert "21327" in str(caught.value)
    assert "ingest" in str(caught.value)


@pytest.mark.parametrize("name", ["expire_in", "expires_in"])
async def test_a_token_without_time_left_is_a_login_trouble(
    on: Context, clock: FakeClock, name: str
) -> None:
    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, json={name: "0"}))
    )

    with pytest.raises(SourceError) as caught:
        await Reader(weibo(Context(client, clock.now, clock.sleep)), clock).poll()

    assert caught.value.trouble == "login"
    assert "ingest" in str(caught.value)


@pytest.mark.parametrize(
    ("fault", "trouble"),
    [
        (httpx.ConnectError("no"), "unreachable"),
        (httpx.ReadTimeout("late"), "unreachable"),
        (httpx.RemoteProtocolError("cut"), "unreachable"),
        (httpx.Response(502, text="<html>Bad Gateway</html>"), "server"),
        (httpx.Response(503, json={"error": "busy", "error_code": "10009"}), "server"),
        (httpx.Response(200, text='{"statuses": [{"id": 1, "te'), "format"),
        (httpx.Response(200, text="<html>请登录</html>"), "format"),
        (httpx.Response(200, text="[" * 100_000), "format"),
        (httpx.Response(200, json={"ok": 1}), "format"),
        (httpx.Response(200, content=b"\x1f\x8b", headers={"content-encoding": "gzip"}), "format"),
        (httpx.Response(403, text="no"), "forbidden"),
        (httpx.Response(429, headers={"retry-after": "7"}), "quota"),
    ],
)
async def test_a_passing_fault_is_told_and_then_forgotten(
    server: WeiboServer, on: Context, clock: FakeClock, fault: Any, trouble: str
) -> None:
    some(server, clock, range(3))
    server.faults = [None, fault]
    reader = Reader(weibo(on), clock)

    with pytest.raises(SourceError) as caught:
        await reader.poll()
    await reader.poll()

    assert caught.value.trouble == trouble
    assert reader.ids == [FIRST + n for n in range(3)]


async def test_what_was_read_before_a_fault_is_told_and_the_rest_comes_later(
    server: WeiboServer, on: Context, clock: FakeClock
) -> None:
    some(server, clock, range(3))
    reader = Reader(weibo(on), clock)
    await reader.poll()
    some(server, clock, range(3, 450))
    server.faults = [None, None, httpx.ReadTimeout("late")]

    with pytest.raises(SourceError):
        await reader.poll()
    assert len(reader.ids) == 203
    await reader.poll()

    assert sorted(reader.ids) == [FIRST + n for n in range(450)]


# --- the recorded answers -------------------------------------------------------------------------


def recorded() -> list[Path]:
    return sorted(RECORDED.glob("*.json"))


@pytest.mark.skipif(not recorded(), reason="the recorded answers are not beside the repository")
@pytest.mark.parametrize("what", ["home", "comments-to-me"])
@pytest.mark.parametrize("path", recorded(), ids=lambda path: path.stem)
async def test_every_recorded_answer_is_read_or_told_as_trouble(
    context: Context, clock: FakeClock, path: Path, what: str
) -> None:
    drafts, unreadable, trouble = await read_recorded(clock, path, what)

    wanted = {
        ("timeline", "home"): 20,
        ("statuses", "home"): 20,
        ("statuses_including_deleted", "home"): 20,
        ("comment_list", "comments-to-me"): 46,
    }.get((path.stem, what))
    if wanted is not None:
        assert (len(drafts), unreadable, trouble) == (wanted, 0, None)
        assert all(len(draft.id) > len("weibo:") + 9 for draft in drafts)
    if path.stem in ("timeline_ids", "empty_repost_timeline") and what == "home":
        assert (len(drafts), unreadable) == (0, 0)
    if path.stem == "error":
        assert trouble is not None
        assert "20502" in str(trouble)


async def read_recorded(
    clock: FakeClock, path: Path, what: str
) -> tuple[list[PostDraft], int, SourceError | None]:
    asked: list[str] = []

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("get_token_info"):
            return httpx.Response(200, content=(RECORDED / "token_info.json").read_bytes())
        asked.append(str(request.url))
        body = path.read_bytes() if len(asked) == 1 else b'{"statuses": [], "comments": []}'
        return httpx.Response(200, content=body)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    context = Context(client, clock.now, clock.sleep)
    reader = Reader(weibo(context, watch=[{"what": what}], long_texts=False), clock)
    trouble = None
    try:
        await reader.poll()
    except SourceError as error:
        trouble = error
    return reader.drafts, sum(len(one.unreadable) for one in reader.batches), trouble


def test_the_stand_in_tells_time_as_weibo_does(clock: FakeClock) -> None:
    item = status(1, datetime.fromisoformat("2012-04-18T06:00:30+00:00"), uid=5)

    assert item["created_at"] == "Wed Apr 18 14:00:30 +0800 2012"
    assert item["user"] == user(5)
