import json
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from connectors.base import Batch, Context, Cursor
from connectors.feed import Feed
from connectors.feed_routes import ROUTES, expand
from connectors.trouble import SourceError
from schemas.errors import FatalError
from schemas.post import PostDraft
from tests.connectors.feed_server import Answering, FeedServer, Page, item, rss, status
from tests.connectors.polls import parts

BBS = "https://bbs.example/forum.php?mod=rss&fid=2"
SAMPLE = Path(__file__).resolve().parents[2] / "../shared/data/formats/rss/rsshub_weibo_user.xml"

Poll = Callable[..., Any]


class Reader:
    """A source that is polled a number of times, and started again whenever a test likes."""

    def __init__(self, server: FeedServer, context: Context, options: dict[str, Any]) -> None:
        self.server = server
        self.context = replace(
            context, client=httpx.AsyncClient(transport=httpx.MockTransport(server))
        )
        self.config = Feed.Config.model_validate(
            {"every_seconds": 300} | ({"urls": (BBS,)} if not options else {}) | options
        )
        self.cursor: Cursor = {}
        self.restart()

    def restart(self) -> None:
        self.feed = Feed("论坛", self.config, self.context)
        self.running = parts(self.feed.batches(self.cursor))

    async def batch(self) -> Batch:
        """The next batch of a poll; raises the trouble that its end tells of."""
        while True:
            batch = await anext(self.running)
            self.cursor = batch.cursor
            if batch.trouble is not None:
                raise batch.trouble
            if not batch.poll_ends:
                return batch

    async def drafts(self) -> list[PostDraft]:
        return [seen.draft for seen in (await self.batch()).seen]


@pytest.fixture
def server() -> FeedServer:
    return FeedServer()


@pytest.fixture
def reader(server: FeedServer, context: Context) -> Callable[..., Reader]:
    def reader(**options: Any) -> Reader:
        return Reader(server, context, options)

    return reader


def serve(server: FeedServer, *items: str, **more: Any) -> None:
    server.pages[BBS] = Page(rss(*items), **more)


async def test_entries_become_posts_oldest_first(server: FeedServer, reader: Poll) -> None:
    # Given a feed, the newest entry first
    serve(server, item(2, "&lt;p&gt;退货&lt;br&gt;太难&lt;/p&gt;"), item(1))

    # When it is polled
    drafts = await reader(urls=[BBS], platform="bbs", kind="article").drafts()

    # Then its entries are posts with plain words
    assert [draft.id for draft in drafts] == [f"bbs:https://bbs.example/t/{n}" for n in (1, 2)]
    second = drafts[1]
    assert (second.title, second.text, second.kind) == ("第2帖", "退货\n太难", "article")
    assert second.published_at == datetime(2024, 6, 1, 3, 2, tzinfo=UTC)
    assert (second.url, second.source) == ("https://bbs.example/t/2", "论坛")


async def test_only_news_and_changes_are_told(server: FeedServer, reader: Poll) -> None:
    # Given a feed that was read
    serve(server, item(1), item(2))
    poll = reader()
    assert len(await poll.drafts()) == 2

    # When nothing changes, then one entry is edited and one is added, before and after a restart
    assert await poll.drafts() == []
    serve(server, item(1), item(2, "已解决"), item(3))
    poll.restart()
    changed = await poll.drafts()

    # Then those two are told, the edited one with its old id
    assert [(draft.id[-1], draft.text) for draft in changed] == [("2", "已解决"), ("3", "屏幕碎了")]
    assert await poll.drafts() == []


async def test_validators_are_sent_back_byte_for_byte(server: FeedServer, reader: Poll) -> None:
    # Given a server with a weak tag and a date of its own style
    tags = {"etag": 'W/"a,b "', "modified": "sat, 1 jun 2024 03:00:00 gmt"}
    serve(server, item(1), **tags)
    poll = reader()
    await poll.batch()

    # When it is asked again, by the same process and by the next
    first = await poll.batch()
    poll.restart()
    second = await poll.batch()

    # Then both validators are there, and the answers are 304
    asked = [request.headers for request in server.requests if "mod=rss" in str(request.url)]
    assert "if-none-match" not in asked[0]
    for headers in asked[1:]:
        assert headers["if-none-match"] == tags["etag"]
        assert headers["if-modified-since"] == tags["modified"]
    assert (first.seen, second.seen, len(asked)) == ([], [], 3)


async def test_validators_come_with_the_last_batch_of_an_answer(
    server: FeedServer, reader: Poll
) -> None:
    # Given a feed that takes two batches
    serve(server, *(item(n, minute=n % 60) for n in range(700)), etag='"x"')
    poll = reader()

    # When the process ends after the first
    first = await poll.batch()
    assert len(first.seen) == 500
    assert not [key for key in first.cursor if key.endswith(".etag")]
    poll.restart()

    # Then the next one fetches the rest
    assert len(await poll.drafts()) == 200
    assert [key for key in poll.cursor if key.endswith(".etag")]
    assert "if-none-match" not in server.requests[-1].headers


async def test_an_unacknowledged_answer_comes_again(server: FeedServer, reader: Poll) -> None:
    serve(server, item(1), etag='"x"')
    poll = reader()
    begun = poll.cursor
    told = await poll.drafts()

    poll.cursor = begun
    poll.restart()

    assert await poll.drafts() == told


async def test_a_tag_that_misses_edits_is_not_believed_for_ever(
    server: FeedServer, reader: Poll, clock: Any
) -> None:
    # Given a server whose tag stays the same when a post is edited
    serve(server, item(1), etag='"1-1"')
    poll = reader(urls=[BBS], recheck_seconds=3_600)
    await poll.batch()
    serve(server, item(1, "改了"), etag='"1-1"')

    # When time passes
    assert await poll.drafts() == []
    clock.at += timedelta(hours=1)

    # Then the edit is found
    assert [draft.text for draft in await poll.drafts()] == ["改了"]


async def test_an_empty_channel_says_nothing(server: FeedServer, reader: Poll) -> None:
    # Given a forum that rebuilds its cache and shows nothing, with a tag
    serve(server, item(1), etag='"a"')
    poll = reader()
    await poll.batch()
    serve(server, etag='"empty"')
    assert (await poll.batch()).seen == []

    # When it is asked again, then for the whole, and what was told stays told
    serve(server, item(1), item(2), etag='"b"')
    assert [draft.id[-1] for draft in await poll.drafts()] == ["2"]
    assert "if-none-match" not in server.requests[-1].headers


@pytest.mark.parametrize(
    ("body", "trouble", "says"),
    [
        (b"RSS Disabled", "gone", "RSS Disabled"),
        (b"Specified forum not found", "gone", "fid"),
        (b"<!DOCTYPE html><html><body>hello</body></html>", "format", "网页"),
        ("<html><body>请先登录</body></html>".encode(), "login", "登录"),
        ("<html><title>安全验证</title></html>".encode("gbk"), "captcha", "人机验证"),
        (b"", "format", "不是 feed"),
        (b"\x00\x00\x00\x00", "format", "不是 feed"),
        (b'{"items": []}', "format", "JSON Feed"),
        (b'{"version"', "format", "JSON Feed"),
        (b"\n" * 200_000, "format", "不是 feed"),
        (b" " * 100_000 + b"<rss/>", "format", "不是 feed"),
        (b"<rss><channel>" + b"<a/>" * 400_001, "format", "标签"),
        (b"<rss><channel><item>" + b"<a>" * 100_000, "format", "嵌套"),
        (("<rss><channel><item>" + "<a>" * 100_000).encode("utf-16"), "format", "嵌套"),
    ],
)
async def test_what_is_no_feed_is_one_sentence(
    server: FeedServer, reader: Poll, body: bytes, trouble: str, says: str
) -> None:
    server.pages[BBS] = Page(body, "text/html")

    with pytest.raises(SourceError, match=says) as caught:
        await reader().batch()
    assert caught.value.trouble == trouble


async def test_bombs_and_foreign_files_stay_outside(
    server: FeedServer, reader: Poll, tmp_path: Path
) -> None:
    # Given a feed with entities that multiply and one that names a file
    (tmp_path / "secret").write_text("geheim")
    entities = '<!ENTITY a "x">' + "".join(
        f'<!ENTITY {name} "{f"&{former};" * 10}">'
        for former, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    entities += f'<!ENTITY f SYSTEM "file://{tmp_path}/secret">'
    body = rss(item(1, "&i;&f;退货")).decode()
    doctype = f"?><!DOCTYPE rss [{entities}]>"
    server.pages[BBS] = Page(body.replace("?>", doctype, 1).encode())

    # When it is read, then the post is small and holds no file
    [draft] = await reader().drafts()
    assert "退货" in draft.text
    assert len(draft.text) < 1_000
    assert "geheim" not in draft.text


async def test_deep_nesting_is_survived(server: FeedServer, reader: Poll) -> None:
    deep = "<div>" * 5_000 + "退货" + "</div>" * 5_000
    entry = f'<entry><id>urn:a:1</id><content type="xhtml">{deep}</content></entry>'
    body = f'<feed xmlns="http://www.w3.org/2005/Atom">{entry}</feed>'
    server.pages[BBS] = Page(body.encode())

    assert len(await reader().drafts()) == 1


@pytest.mark.parametrize(
    ("encoding", "declared", "content_type"),
    [
        ("gbk", "gbk", "text/xml"),
        ("gbk", "gb2312", "application/rss+xml"),
        ("gbk", "utf-8", "text/xml; charset=utf-8"),
        ("gbk", "gbk", "text/xml; charset=utf-8"),
        ("utf-8", "utf-8", "text/xml; charset=ISO-8859-1"),
        ("utf-8", "gbk", "text/html"),
        ("utf-8-sig", "utf-8", "text/xml; charset=GBK"),
        ("utf-16", "utf-16", "application/xml"),
        ("big5", "big5", "application/xml"),
        ("gb18030", "", ""),
    ],
)
async def test_wrong_labels_give_the_right_words(
    server: FeedServer, reader: Poll, encoding: str, declared: str, content_type: str
) -> None:
    # Given a Chinese feed whose labels may lie
    label = f' encoding="{declared}"' if declared else ""
    said = ("手機壞了，無人理睬" if encoding == "big5" else "手机坏了，客服还不理人") * 3
    feed = rss(item(1, said)).decode().replace("云帆论坛", "論壇" if encoding == "big5" else "论坛")
    body = feed.replace(' encoding="utf-8"', label).encode(encoding)
    server.pages[BBS] = Page(body, content_type)

    # When it is read, then the words are right
    [draft] = await reader().drafts()
    assert draft.text == said


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "before", ["\n" * 60_000, "<!DOCTYPE " * 6_000, '\n<!ENTITY a "b"' * 4_000]
)
async def test_what_stands_before_a_feed_takes_no_time(
    server: FeedServer, reader: Poll, before: str
) -> None:
    server.pages[BBS] = Page(before.encode() + rss(item(1)))

    await reader().batch()


async def test_a_character_cut_in_half_does_not_spoil_the_rest(
    server: FeedServer, reader: Poll
) -> None:
    whole = rss(item(1, "云帆手机屏幕碎了" * 5 + "赤"))
    server.pages[BBS] = Page(whole.replace("赤".encode(), "赤".encode()[:2] + b"\x08\x00"))

    [draft] = await reader().drafts()

    assert draft.text.startswith("云帆手机屏幕碎了" * 5)
    assert draft.title == "第1帖"


# --- identity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inside", "native"),
    [
        ("<guid>https://h.example/1</guid><link>https://h.example/2</link>", "https://h.example/1"),
        ("<guid isPermaLink='false'>4711</guid>", "bbs.example/4711"),
        ("<link>https://h.example/2?a=1</link>", "https://h.example/2?a=1"),
        (
            "<link>https://h.example/forum.php?mod=viewthread&amp;tid=99&amp;page=2</link>",
            "bbs.example/tid-99",
        ),
        ("<link>https://h.example/thread-99-1-1.html</link>", "bbs.example/tid-99"),
    ],
)
async def test_an_entry_is_its_guid_else_its_link(
    server: FeedServer, reader: Poll, inside: str, native: str
) -> None:
    serve(server, f"<item><title>屏幕</title>{inside}</item>")

    [draft] = await reader(urls=[BBS], platform="bbs").drafts()

    assert draft.id == f"bbs:{native}"


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<pubDate>Sat, 01 Jun 2024 03:00:00 GMT</pubDate>",
        "<guid isPermaLink='false'>第 4711 号</guid>",
        f"<guid isPermaLink='false'>tag:{'x' * 500}</guid>",
        f"<link>https://h.example/{'y' * 3_000}</link>",
    ],
)
async def test_else_a_hash_that_stays_the_same(
    server: FeedServer, reader: Poll, clock: Any, inside: str
) -> None:
    serve(server, f"<item><title>屏幕</title>{inside}</item>")
    poll = reader()

    [draft] = await poll.drafts()
    again = await reader().drafts()

    assert draft.id.startswith("web:h-")
    assert [one.id for one in again] == [draft.id]
    assert await poll.drafts() == []


async def test_an_entry_without_a_date_has_the_time_first_seen(
    server: FeedServer, reader: Poll, clock: Any
) -> None:
    # Given an entry without a date, seen once
    undated = "<item><title>屏幕</title><guid>urn:x:1</guid><description>{}</description></item>"
    serve(server, undated.format("碎了"))
    poll = reader()
    [first] = await poll.drafts()
    assert first.published_at == clock.at

    # When it is edited, and a process was restarted in between
    assert await poll.drafts() == []
    poll.restart()
    clock.at += timedelta(hours=2)
    serve(server, undated.format("修好了"))
    [edited] = await poll.drafts()

    # Then the new revision is of the same time
    assert (edited.text, edited.published_at) == ("修好了", first.published_at)


async def test_atom_entries_keep_the_time_of_their_first_update(
    server: FeedServer, reader: Poll
) -> None:
    atom = (
        '<feed xmlns="http://www.w3.org/2005/Atom" xmlns:thr="http://purl.org/syndication/thread/1.0">'
        "<entry><id>tag:h,2018:/isso/1/2</id><title>Comment #2</title>"
        "<updated>2024-06-01T0{}:00:00Z</updated><author><name>小王</name></author><link href='https://h.example/#2'/>"
        "<content type='html'>&lt;p&gt;{}&lt;/p&gt;</content>"
        "<thr:in-reply-to ref='tag:h,2018:/isso/1/1'/></entry></feed>"
    )
    server.pages[BBS] = Page(atom.format(1, "碎了").encode())
    poll = reader(urls=[BBS], kind="comment")
    [first] = await poll.drafts()

    server.pages[BBS] = Page(atom.format(2, "修好了").encode())
    [edited] = await poll.drafts()

    assert (first.kind, first.parent_id) == ("reply", "web:tag:h,2018:/isso/1/1")
    assert (first.author.name, first.url) == ("小王", "https://h.example/#2")
    assert edited.text == "修好了"
    assert edited.published_at == first.published_at == datetime(2024, 6, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "at"),
    [
        ("Sat, 01 Jun 2024 03:00:00 GMT", "2024-06-01T03:00:00+00:00"),
        ("Sat, 01 Jun 2024 11:00:00 +0800", "2024-06-01T03:00:00+00:00"),
        ("2024-06-01T11:00:00+08:00", "2024-06-01T03:00:00+00:00"),
        ("2024-06-01 11:00:00", "2024-06-01T03:00:00+00:00"),
        ("Sat, 01 Jun 2024 11:00:00 CST", "2024-06-01T03:00:00+00:00"),
        ("2024-06-01 11:00:00 +0800", "2024-06-01T03:00:00+00:00"),
        ("2024/6/1 11:00", "2024-06-01T03:00:00+00:00"),
        ("1717210800", "2024-06-01T03:00:00+00:00"),
        ("2024年6月1日 11:00", "2024-06-01T03:00:00+00:00"),
        ("Sat Jun 01 11:00:00 +0800 2024", "2024-06-01T03:00:00+00:00"),
        ("昨天下午", "2024-06-01T04:00:00+00:00"),  # the time it was seen
        ("99999999999999999999", "2024-06-01T04:00:00+00:00"),
    ],
)
async def test_dates_as_they_are_really_written(
    server: FeedServer, reader: Poll, said: str, at: str
) -> None:
    serve(server, f"<item><title>屏幕</title><pubDate>{said}</pubDate></item>")

    [draft] = await reader().drafts()

    assert draft.published_at.isoformat() == at


async def test_one_bad_entry_is_a_dead_letter_once_and_its_neighbours_pass(
    server: FeedServer, reader: Poll
) -> None:
    # Given entries that can't be posts: nothing in it, too long, a flood of tags
    serve(
        server,
        item(1),
        "<item></item>",
        item(2, "长" * 100_001),
        item(3, "#垃圾#" * 600),
        item(4),
    )
    poll = reader()

    # When they are read
    batch = await poll.batch()

    # Then each is told to the dead letters, at the first poll only
    assert [seen.draft.id[-1] for seen in batch.seen] == ["1", "4"]
    assert [(bad.line, bad.kind) for bad in batch.unreadable] == [
        (2, "schema"),
        (3, "too_large"),
        (4, "schema"),
    ]
    assert "长长长".encode() in batch.unreadable[1].raw
    serve(server, item(1), "<item></item>", item(2, "长" * 100_001), item(5))
    again = await poll.batch()
    assert ([seen.draft.id[-1] for seen in again.seen], again.unreadable) == (["5"], [])


async def test_an_author_is_named_without_the_mail_address(
    server: FeedServer, reader: Poll
) -> None:
    serve(
        server,
        item(1, more="<author>wang@mail.example (小王)</author>"),
        item(2, more="<author>小李</author>"),
        item(3),
    )

    authors = [draft.author for draft in await reader().drafts()]

    assert [author.name for author in authors] == ["小王", "小李", None]
    assert authors[2].id == "anonymous@bbs.example"
    assert "mail.example" not in repr(authors)


# --- politeness --------------------------------------------------------------------------------


async def test_robots_txt_is_kept_unless_a_reason_is_given(
    server: FeedServer, reader: Poll
) -> None:
    serve(server, item(1))
    server.pages["https://bbs.example/robots.txt"] = Page(
        b"User-agent: *\nDisallow: /forum.php", "text/plain"
    )

    with pytest.raises(SourceError, match="ignore_robots") as caught:
        await reader().batch()
    assert caught.value.trouble == "forbidden"
    assert server.asked() == []

    agreed = reader(urls=[BBS], ignore_robots="站长 2024-05-01 邮件同意")
    assert len(await agreed.drafts()) == 1
    with pytest.raises(ValidationError):
        reader(urls=[BBS], ignore_robots="yes")


async def test_a_crawl_delay_is_waited_for(server: FeedServer, reader: Poll, clock: Any) -> None:
    other = "https://bbs.example/other"
    serve(server, item(1))
    server.pages[other] = Page(rss(item(2)))
    server.pages["https://bbs.example/robots.txt"] = Page(b"User-agent: *\nCrawl-delay: 7")

    poll = reader(urls=[BBS, other])
    await poll.batch()
    await poll.batch()

    assert clock.slept == [7]


async def test_a_feed_is_asked_no_more_often_than_its_ttl(
    server: FeedServer, reader: Poll, clock: Any
) -> None:
    server.pages[BBS] = Page(rss(item(1), channel="<ttl>30</ttl>"))
    poll = reader()
    begun = clock.at

    while clock.at - begun < timedelta(hours=1):
        await poll.batch()

    assert 1 <= len(server.asked()) <= 3


async def test_a_feed_that_is_gone_for_good_is_told_and_the_others_go_on(
    server: FeedServer, reader: Poll, clock: Any
) -> None:
    # Given two feeds of a site, the second of which is gone
    dead = "https://bbs.example/forum.php?mod=rss&fid=3"
    serve(server, item(1))
    server.pages[dead] = status(410)
    poll = reader(urls=[BBS, dead])
    assert len(await poll.drafts()) == 1
    assert await poll.drafts() == []

    # When it is polled on, also by the next process
    for number in range(2, 6):
        with pytest.raises(SourceError) as caught:
            await poll.batch()
        told = str(caught.value)
        assert caught.value.trouble == "gone"
        assert "urls 第 2 个 https://bbs.example/forum.php" in told
        assert "论坛" in told
        assert "fid" not in told  # a query may hold a key
        serve(server, *(item(n) for n in range(1, number + 1)))
        if number == 4:
            poll.restart()
        assert [draft.id[-1] for draft in await poll.drafts()] == [str(number)]

    # Then the dead one was asked once
    assert server.asked().count(dead) == 1


async def test_a_gone_feed_is_told_beside_a_failing_one(server: FeedServer, reader: Poll) -> None:
    broken, dead = "https://bbs.example/broken", "https://bbs.example/dead"
    serve(server, item(1))
    server.pages |= {broken: status(503), dead: status(410)}
    poll = reader(urls=[BBS, broken, dead])
    await poll.drafts()
    await poll.batch()

    with pytest.raises(SourceError, match=r"503.*永久停用.*dead"):
        await poll.batch()


async def test_without_any_feed_left_the_source_stops_and_a_restart_asks_again(
    server: FeedServer, reader: Poll
) -> None:
    dead = "https://bbs.example/dead"
    server.pages |= {BBS: status(410), dead: status(410)}
    poll = reader(urls=[BBS, dead])
    for _ in range(2):
        await poll.batch()
    assert len(json.dumps(dict(poll.cursor))) < 100

    with pytest.raises(FatalError, match="没有可读的地址"):
        await poll.batch()

    serve(server, item(1))
    poll.restart()
    assert len(await poll.drafts()) == 1


async def test_an_expired_json_feed_is_read_to_its_end_and_then_left_alone(
    server: FeedServer, reader: Poll
) -> None:
    # Given a feed that says that nothing will come any more, beside one that goes on
    old = "https://bbs.example/old.json"
    server.pages[old] = Page(json.dumps(JSON_FEED | {"expired": True}).encode())
    serve(server, item(1))
    poll = reader(urls=[old, BBS])

    assert len(await poll.drafts()) == 2
    assert len(await poll.drafts()) == 1
    with pytest.raises(SourceError, match=r"old\.json"):
        await poll.batch()
    poll.restart()
    await poll.batch()

    assert server.asked().count(old) == 1


async def test_a_permanent_move_is_told_once_and_followed(
    server: FeedServer, reader: Poll, caplog: pytest.LogCaptureFixture
) -> None:
    new = "https://bbs.example/new.rss"
    server.pages |= {BBS: status(301, location=new), new: Page(rss(item(1)))}
    poll = reader()

    with caplog.at_level(logging.WARNING):
        assert len(await poll.drafts()) == 1
        await poll.batch()

    [line] = [record.getMessage() for record in caplog.records if "永久搬到" in record.getMessage()]
    assert new in line


async def test_a_passing_move_is_not_told(
    server: FeedServer, reader: Poll, caplog: pytest.LogCaptureFixture
) -> None:
    new = "https://bbs.example/new.rss"
    server.pages |= {BBS: status(302, location=new), new: Page(rss(item(1)))}

    assert len(await reader().drafts()) == 1
    assert "永久搬到" not in caplog.text


async def test_one_failing_feed_does_not_stop_the_others(
    server: FeedServer, reader: Poll, clock: Any
) -> None:
    # Given two feeds, one of them overloaded
    broken = "https://bbs.example/broken"
    server.pages[broken] = status(503, retry_after="600")
    serve(server, item(1))
    poll = reader(urls=[broken, BBS])

    # When they are polled, and tried again as ingest does
    assert len(await poll.drafts()) == 1
    for _ in range(5):
        with pytest.raises(SourceError, match="503"):
            await poll.batch()
        poll.running = parts(poll.feed.batches(poll.cursor))
        clock.at += timedelta(seconds=10)

    # Then the overloaded one has the rest it asked for, and the other goes on in its own time
    assert server.asked() == [broken, BBS]
    clock.at += timedelta(seconds=300)
    serve(server, item(1), item(2))
    assert [draft.id[-1] for draft in await poll.drafts()] == ["2"]
    with pytest.raises(SourceError, match="503"):
        await poll.batch()
    assert server.asked().count(broken) == 1
    clock.at += timedelta(seconds=300)
    poll.running = parts(poll.feed.batches(poll.cursor))
    server.pages[broken] = Page(rss(item(3)))
    assert [draft.id[-1] for draft in await poll.drafts()] == ["3"]
    assert await poll.drafts() == []


# --- JSON Feed ---------------------------------------------------------------------------------

JSON_FEED: dict[str, Any] = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "云帆",
    "authors": [{"name": "编辑部", "url": "https://h.example/about"}],
    "items": [
        {
            "id": "https://h.example/2",
            "url": "https://h.example/2",
            "title": "a < b",
            "content_html": "<p>屏幕<b>碎了</b></p>",
            "date_published": "2024-06-01T11:00:00+08:00",
            "authors": [{"name": "小王"}],
            "_ext": {"x": 1},
        },
        {"id": 1, "content_text": "1 < 2", "date_published": None, "tags": None, "author": None},
    ],
}


async def test_a_json_feed_is_read(server: FeedServer, reader: Poll, clock: Any) -> None:
    server.pages[BBS] = Page(json.dumps(JSON_FEED).encode(), "application/feed+json")

    older, newer = await reader().drafts()

    assert older.id == "web:https://h.example/2"
    assert (older.title, older.text, older.author.name) == ("a < b", "屏幕碎了", "小王")
    assert older.published_at == datetime(2024, 6, 1, 3, tzinfo=UTC)
    assert (newer.id, newer.text) == ("web:bbs.example/1", "1 < 2")
    assert (newer.author.id, newer.published_at) == ("https://h.example/about", clock.at)


async def test_a_bad_json_item_is_a_dead_letter(server: FeedServer, reader: Poll) -> None:
    feed = JSON_FEED | {"items": [*JSON_FEED["items"], {"id": [1], "content_text": "x"}, "怪"]}
    server.pages[BBS] = Page(json.dumps(feed).encode())

    batch = await reader().batch()

    assert len(batch.seen) == 2
    assert [(bad.line, bad.kind) for bad in batch.unreadable] == [(3, "schema"), (4, "schema")]
    assert batch.unreadable[0].raw == b'{"id":[1],"content_text":"x"}'


@pytest.mark.parametrize("format", ["json", "atom"])
async def test_older_pages_fill_a_gap_after_an_outage(
    server: FeedServer, reader: Poll, format: str
) -> None:
    # Given a feed of two entries a page, known up to the third
    def page(*numbers: int, next_url: str | None) -> Answering:
        if format == "json":
            items = [
                {
                    "id": f"urn:x:{n}",
                    "content_text": "x",
                    "date_published": f"2024-06-01T03:{n:02}:00Z",
                }
                for n in numbers
            ]
            feed = {
                "version": "https://jsonfeed.org/version/1",
                "items": items,
                "next_url": next_url,
            }
            return Page(json.dumps(feed).encode())
        entries = "".join(
            f"<entry><id>urn:x:{n}</id><content>x</content><updated>2024-06-01T03:{n:02}:00Z</updated></entry>"
            for n in numbers
        )
        link = f'<link rel="next" href="{next_url}"/>' if next_url else ""
        return Page(f'<feed xmlns="http://www.w3.org/2005/Atom">{link}{entries}</feed>'.encode())

    second, third = "https://bbs.example/2", "https://bbs.example/3"
    server.pages[BBS] = page(3, 2, next_url=second)
    server.pages[second] = page(1, 0, next_url=None)
    poll = reader()
    assert [draft.id[-1] for draft in await poll.drafts()] == ["2", "3"]

    # When five more have come before the next poll
    server.pages[BBS] = page(8, 7, next_url=second)
    server.pages[second] = page(6, 5, next_url="/3")
    server.pages[third] = page(4, 3, next_url="https://bbs.example/never")

    # Then all five are told, and no page is fetched in vain
    assert [draft.id[-1] for draft in await poll.drafts()] == list("45678")
    assert server.asked() == [BBS, BBS, second, third]


async def test_a_feed_can_not_send_us_elsewhere(server: FeedServer, reader: Poll) -> None:
    feed = JSON_FEED | {"next_url": "http://169.254.169.254/latest"}
    server.pages[BBS] = Page(json.dumps(feed | {"items": [{"id": 9, "title": "x"}]}).encode())
    poll = reader()
    await poll.batch()
    server.pages[BBS] = Page(json.dumps(feed).encode())

    assert len(await poll.drafts()) == 2
    assert server.asked() == [BBS, BBS]


# --- RSSHub ------------------------------------------------------------------------------------

HUB = "http://127.0.0.1:1200"
WEIBO = (
    "<item><title>云帆屏幕碎了 [图片]</title><description><![CDATA[云帆屏幕碎了<br><a href='x'>"
    '<span class="surl-text">#云帆#</span></a><img alt="[泪]" src="x">]]></description>'
    "<link>https://weibo.com/1935396210/PzxMFDdIO</link><guid isPermaLink='false'>"
    "https://weibo.com/1935396210/PzxMFDdIO</guid><pubDate>Fri, 31 May 2024 07:51:28 GMT</pubDate>"
    "<author>小王</author></item>"
)


async def test_weibo_through_an_rsshub_has_the_ids_of_weibo(
    server: FeedServer, reader: Poll
) -> None:
    server.pages[f"{HUB}/weibo/user/1935396210"] = Page(rss(WEIBO))

    poll = reader(rsshub={"base": HUB + "/", "routes": ["weibo user 1935396210"]})
    [draft] = await poll.drafts()

    assert draft.id == "weibo:5184713499347542"
    assert draft.text == "云帆屏幕碎了\n#云帆#[泪]"
    assert draft.title == "云帆屏幕碎了 [图片]"
    assert (draft.author.id, draft.author.name) == ("1935396210", "小王")
    # A robots.txt is for strangers, not for the own bridge.
    assert [request.url.path for request in server.requests] == ["/weibo/user/1935396210"]


@pytest.mark.skipif(not SAMPLE.is_file(), reason="the recorded feed is not beside the repository")
async def test_a_recorded_rsshub_feed(server: FeedServer, reader: Poll) -> None:
    server.pages[f"{HUB}/weibo/user/1"] = Page(SAMPLE.read_bytes())

    [draft] = await reader(rsshub={"base": HUB, "routes": ["weibo user 1"]}).drafts()

    assert draft.id == "weibo:5184713499347542"
    assert draft.text.startswith("『致不灭的你』动画第三季「现世篇」视觉图公开！2025年10月开播！")
    assert "#致不灭的你#" in draft.text
    assert draft.title is not None
    assert draft.title.endswith("[图片]")
    assert (draft.author.id, draft.author.name) == ("1935396210", "少年JUMP吧")
    assert draft.published_at == datetime(2025, 7, 4, 7, 51, 28, tzinfo=UTC)


@pytest.mark.parametrize(
    ("short", "path", "platform", "kind"),
    [
        ("weibo keyword 云 帆", "/weibo/keyword/%E4%BA%91%20%E5%B8%86", "weibo", "post"),
        ("zhihu hot", "/zhihu/hot", "zhihu-hot", "hot"),
        ("zhihu question 264051433", "/zhihu/question/264051433", "zhihu", "reply"),
        ("tieba forum a/b?c", "/baidu/tieba/forum/a%2Fb%3Fc", "tieba", "post"),
        ("xiaohongshu user 59", "/xiaohongshu/user/59/notes", "xiaohongshu", "post"),
    ],
)
def test_short_names_of_routes(short: str, path: str, platform: str, kind: str) -> None:
    route = expand(short)

    assert (route.path, route.platform, route.kind) == (path, platform, kind)


def test_every_short_name_expands() -> None:
    for name in ROUTES:
        assert expand(name if name.endswith("hot") else f"{name} 1").path.startswith("/")


@pytest.mark.parametrize(
    ("short", "says"),
    [
        ("weibo", "weibo user"),
        ("weibo usr 1", "weibo user"),
        ("", "weibo user"),
        ("weibo user", "要带编号"),
        ("zhihu hot 3", "不要带参数"),
    ],
)
def test_a_wrong_short_name_is_refused_with_the_right_ones(
    reader: Poll, short: str, says: str
) -> None:
    with pytest.raises(ValidationError, match=says):
        reader(rsshub={"base": HUB, "routes": [short]})


async def test_the_access_key_of_an_rsshub_is_sent_and_never_shown(
    server: FeedServer, reader: Poll
) -> None:
    poll = reader(rsshub={"base": HUB, "routes": ["weibo user 1"], "key": "geheim"})

    with pytest.raises(SourceError, match="404") as caught:
        await poll.batch()

    assert str(server.requests[0].url) == f"{HUB}/weibo/user/1?key=geheim"
    assert "geheim" not in f"{caught.value} {poll.config!r}"


# --- hot lists ---------------------------------------------------------------------------------

NEWSNOW = "https://newsnow.example/api/s?id=weibo"
TOPICS = {
    "status": "success",
    "id": "weibo",
    "updatedTime": 1717214340000,
    "items": [
        {
            "id": "1",
            "title": "云帆屏幕",
            "url": "https://s.weibo.com/1",
            "extra": {"info": "123.5万"},
        },
        {"id": 2, "title": "赤霄召回", "url": None, "extra": {"info": False}},
        {"id": 3},
    ],
}


async def test_a_hot_list_gives_a_sighting_for_each_topic(server: FeedServer, reader: Poll) -> None:
    server.pages[NEWSNOW] = Page(json.dumps(TOPICS).encode(), "application/json")

    batch = await reader(boards={"weibo-hot": NEWSNOW}).batch()

    first, second = [seen.draft for seen in batch.seen]
    assert first.id == "weibo-hot:1717214340-1-a3d9a6dbd993"
    assert (first.kind, first.text, first.platform) == ("hot", "云帆屏幕", "weibo-hot")
    assert first.engagement is not None
    assert (first.engagement.rank, first.engagement.heat) == (1, 1_235_000)
    assert (first.author.id, first.url) == ("board", "https://s.weibo.com/1")
    assert first.published_at == datetime.fromtimestamp(1717214340, UTC)
    assert second.engagement is not None
    assert (second.engagement.rank, second.engagement.heat) == (2, None)
    assert [(bad.line, bad.kind) for bad in batch.unreadable] == [(3, "schema")]


async def test_the_ids_are_those_of_recorded_hot_lists(
    server: FeedServer, reader: Poll, context: Context, tmp_path: Path
) -> None:
    # Given a recording of the same look, and the mapping of such recordings
    from connectors.file import File

    recording = tmp_path / "hot_1.tsv"
    recording.write_text("1717214340\t2024-06-01\t1\t云帆屏幕\t1235000\t\t\n")
    mapping = Path(__file__).resolve().parents[2] / "deploy/mappings/hot_search.toml"
    config = File.Config(path=recording, mapping=mapping)
    [recorded] = [batch async for batch in File("x", config, context).batches({})]
    server.pages[NEWSNOW] = Page(json.dumps(TOPICS).encode())

    # When the board is polled, then the sighting is the same post
    drafts = await reader(boards={"weibo-hot": NEWSNOW}).drafts()
    theirs = recorded.seen[0].draft
    assert drafts[0].id == theirs.id
    assert drafts[0].engagement == theirs.engagement


async def test_the_same_look_from_a_cache_is_told_once_and_the_next_again(
    server: FeedServer, reader: Poll
) -> None:
    server.pages[NEWSNOW] = Page(json.dumps(TOPICS).encode())
    poll = reader(boards={"weibo-hot": NEWSNOW})
    assert len(await poll.drafts()) == 2
    poll.restart()
    assert await poll.drafts() == []

    server.pages[NEWSNOW] = Page(json.dumps(TOPICS | {"updatedTime": 1717214400000}).encode())
    assert len(await poll.drafts()) == 2


@pytest.mark.parametrize(
    ("answer", "ranked"),
    [
        ([{"title": "甲", "hot": "1,200"}], [("甲", 1, 1200.0)]),
        ({"data": [{"word": "甲", "rank": "3", "heat": 5}]}, [("甲", 3, 5.0)]),
        ({"data": {"list": [{"name": "<b>甲</b>", "hotValue": "热度 1.2亿"}]}}, [("甲", 1, 1.2e8)]),
        ({"items": [{"title": "甲", "extra": {"info": "新"}}]}, [("甲", 1, None)]),
        ({"items": [{"title": "甲", "score": True, "rank": 0}]}, [("甲", 1, None)]),
    ],
)
async def test_hot_lists_of_other_servers(
    server: FeedServer, reader: Poll, answer: Any, ranked: list[tuple[str, int, float | None]]
) -> None:
    server.pages[NEWSNOW] = Page(json.dumps(answer).encode())

    drafts = await reader(boards={"weibo-hot": NEWSNOW}).drafts()

    found = [(draft.text, draft.engagement) for draft in drafts]
    assert [(text, e.rank, e.heat) for text, e in found if e is not None] == ranked


async def test_what_is_no_hot_list_is_one_sentence(server: FeedServer, reader: Poll) -> None:
    server.pages[NEWSNOW] = Page(b'{"status": "error"}')

    with pytest.raises(SourceError, match="boards") as caught:
        await reader(boards={"weibo-hot": NEWSNOW}).batch()
    assert caught.value.trouble == "format"


async def test_a_hot_list_through_an_rsshub(server: FeedServer, reader: Poll, clock: Any) -> None:
    server.pages[f"{HUB}/zhihu/hot"] = Page(rss(item(1), item(2)))

    drafts = await reader(rsshub={"base": HUB, "routes": ["zhihu hot"]}).drafts()

    assert [(draft.kind, draft.platform, draft.text) for draft in drafts] == [
        ("hot", "zhihu-hot", "第1帖"),
        ("hot", "zhihu-hot", "第2帖"),
    ]
    assert [draft.published_at for draft in drafts] == [clock.at] * 2


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"urls": []}, "1 到 50"),
        ({"urls": [BBS, BBS]}, "两次"),
        ({"urls": ["ftp://h.example/x"]}, "pattern"),
        ({"urls": [f"https://h.example/{n}" for n in range(51)]}, "1 到 50"),
        ({"urls": [BBS], "platform": "微博"}, "pattern"),
        ({"urls": [BBS], "zone": "Mars"}, "时区"),
        ({"boards": {"weibo hot": NEWSNOW}}, "pattern"),
    ],
)
def test_wrong_settings_are_told(reader: Poll, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        reader(**options)


async def test_what_is_no_longer_asked_is_forgotten(server: FeedServer, reader: Poll) -> None:
    serve(server, item(1), etag='"x"')
    poll = reader()
    await poll.batch()
    server.pages["https://other.example/"] = Page(rss(item(2)))

    other = reader(urls=["https://other.example/"])
    other.cursor = poll.cursor
    other.restart()
    await other.batch()

    assert not set(other.cursor) & set(poll.cursor)
