"""Every connector that asks, against servers that mean it ill: a grid of who asks and what comes.

In each cell a real server answers over the loopback. The connector says in one sentence what is
wrong, or sets aside what it can't read, holds no more of it than it may, and reads everything once
the server behaves again.
"""

import asyncio
import gzip
import json
import re
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors import CONNECTORS
from connectors.base import Batch, Connector, Context, Cursor
from connectors.trouble import SourceError
from connectors.web import Web
from schemas.language import use_language
from schemas.post import Post
from tests.connectors.hostile_server import (
    NESTED,
    Reply,
    Server,
    as_json,
    chunked,
    cut,
    dripping,
    gzip_bomb,
    listening,
    page,
    streamed,
)
from tests.connectors.hostile_sources import SOURCES, Item, Site, Source, text_of

MIB = 1024 * 1024
#: A cursor is one message to the broker, which takes 1 MB.
MOST_CURSOR = 900_000
#: Longer than any pause within a poll, shorter than the one behind it.
MOST_PAUSE_SECONDS = 10_000.0
DEEP = 100_000
#: Under which a site may put what is no text.
NAMES = (
    *("id", "idstr", "mid", "pid", "uid", "openid", "user_comment_id", "article_id", "number"),
    *("text", "title", "name", "username", "author", "user", "content", "cooked", "content_text"),
    *("version", "errcode", "errmsg", "error", "error_code", "total", "expire_in", "access_token"),
    *("created_at", "create_time", "timestampISO", "posted_on", "visible", "retweeted_status"),
)
SECRET_LINE = "root:x:0:0"


class Asleep(Exception):
    """The poll is over."""


class Rig:
    """A connector, the server that it reads, and the ingest that drives it."""

    def __init__(self, source: Source, client: httpx.AsyncClient) -> None:
        self.source = source
        self.site = Site()
        self.server = Server(lambda target: source.reply(target, self.site))
        self.cursor: Cursor = {}
        self.batches: list[Batch] = []
        self.now = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
        self.pause = timedelta(hours=25)
        """Between two looks; robots.txt, tokens and lists are all asked for again after a day."""
        self._context = Context(client, lambda: self.now, self._sleep)
        self._connector: Connector | None = None

    async def _sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if seconds > MOST_PAUSE_SECONDS:
            raise Asleep

    def connect(self, **options: Any) -> None:
        self._connector = self.source.connect(self.server.url, self._context, **options)

    def write(self, *items: Item | int) -> None:
        """Put items on the site: as they are given, or good ones by their numbers."""
        made = [{"number": one} if isinstance(one, int) else one for one in items]
        self.site.items += [{"written": self.now} | one for one in made]
        self.site.revision += 1

    async def look(self) -> SourceError | None:
        """One poll, as ingest drives it, and the pause; the error that ended it, if any."""
        assert self._connector is not None
        try:
            async with asyncio.timeout(20), aclosing(self._connector.batches(self.cursor)) as found:  # type: ignore[type-var]
                async for batch in found:
                    if batch.trouble is not None:
                        raise batch.trouble
                    self._take(batch)
        except SourceError as error:
            # For what it reads until the connection ends, that is the pause.
            return (
                None if re.search("推送的连接已断开|push connection ended", str(error)) else error
            )
        except Asleep:
            return None
        finally:
            self.now += self.pause
        raise AssertionError("a poll that ends without a pause")

    def _take(self, batch: Batch) -> None:
        """What ingest does with a batch must be possible."""
        for one in batch.seen:
            Post(**dict(one.draft), observed_at=one.at).to_line()
        for bad in batch.unreadable:
            assert re.fullmatch("[a-z_]+", bad.kind) and 0 < len(bad.message) < 1_000
            assert isinstance(bad.raw, bytes)
        self.batches.append(batch)
        kept = json.dumps(dict(batch.cursor))
        assert len(kept) < MOST_CURSOR
        self.cursor = json.loads(kept)

    @property
    def texts(self) -> list[str]:
        return [one.draft.text for batch in self.batches for one in batch.seen]

    @property
    def unreadable(self) -> list[Any]:
        return [one.raw for batch in self.batches for one in batch.unreadable]

    def is_whole(self) -> bool:
        """Whether all items of the site were told, and none was taken back."""
        deleted = any(one.draft.deleted for batch in self.batches for one in batch.seen)
        told = set(self.texts)
        return not deleted and all(text_of(one["number"]) in told for one in self.site.items)


@asynccontextmanager
async def running(source: Source, **options: Any) -> AsyncIterator[Rig]:
    # As ingest's, but for the certificates: the loopback has none, and loading them takes long.
    async with httpx.AsyncClient(verify=False) as client:
        rig = Rig(source, client)
        async with listening(rig.server):
            rig.connect(**options)
            yield rig


@pytest.fixture(autouse=True)
def own_language() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


def check_sentence(error: SourceError, chinese: bool) -> None:
    """One sentence in the language in force, whatever a stranger's server said."""
    said = str(error)
    assert len(said) < 500 and said.isprintable()
    assert said.endswith("。" if chinese else (".", ")")), said
    ours = re.sub("'.*'", "", said)  # what is quoted is theirs
    assert bool(re.search("[\u4e00-\u9fff]", ours)) == chinese, said


# --- answers that are hostile as a whole ---------------------------------------------------------


@dataclass(frozen=True)
class Hostility:
    """An answer, and what is said of it."""

    name: str
    reply: Reply
    says: str
    troubles: tuple[str, ...] = ("format",)
    waits_seconds: float = 0.0


LOGIN_PAGE = "<!DOCTYPE html><html><body>请登录后查看 <form></form></body></html>".encode()
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lollollol">'
    + "".join(
        f'<!ENTITY {n} "{f"&{p};" * 10}">' for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]>"
)
NO_ANSWER = (
    "answered no JSON|gave no feed|no JSON Feed|has no|holds no|no JSON|is empty|no stream"
    "|other than documented|ends in the middle|can't be read"
)
BAD_STATUS = "error of its own|fails"

BROKEN = (
    Hostility(
        "gzip cut short",
        page(gzip.compress(b" " * 9_999)[:-9], headers={"content-encoding": "gzip"}),
        "damaged",
    ),
    Hostility("a packing nobody asked for", page(b"x", headers={"content-encoding": "br"}), "br"),
    Hostility("cut body", cut(page(b" " * 9_999)), "can't be reached", ("unreachable",)),
    Hostility(
        "cut chunk",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffff\r\n[[[",
        "can't be reached",
        ("unreachable",),
    ),
    Hostility("hang-up", b"", "can't be reached", ("unreachable",)),
    Hostility("noise", b"\x00\xff\r\n\r\n", "can't be reached", ("unreachable",)),
    Hostility(
        "an endless header",
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * MIB,
        "can't be reached",
        ("unreachable",),
    ),
    Hostility("redirect loop", page(b"", "302 Found"), "more than 5 times|302"),
    Hostility(
        "redirect to a file",
        page(b"", "302 Found", {"location": "file:///etc/passwd"}),
        r"no http\(s\) address|302",
    ),
)
"""What breaks below the words: ``Web`` meets it for all."""

WRONG = (
    Hostility("login page", page(LOGIN_PAGE), f"login|{NO_ANSWER}", ("login", "format")),
    Hostility("empty", page(b""), NO_ANSWER, ("format", "server")),
    Hostility("204", b"HTTP/1.1 204 No Content\r\n\r\n", NO_ANSWER, ("format", "server")),
    Hostility("500", page(b"{}", "500 Oops"), BAD_STATUS, ("server",)),
    Hostility("502", page(LOGIN_PAGE, "502 Bad Gateway"), BAD_STATUS, ("server",)),
    Hostility(
        "503 with Retry-After",
        page(b"", "503 Busy", {"retry-after": "120"}),
        BAD_STATUS,
        ("server",),
        waits_seconds=120,
    ),
    Hostility("half an object", page(b'{"items": [{"id": 1, "te'), NO_ANSWER),
    Hostility("half an element", page(b"<rss><channel><item><title>x"), NO_ANSWER),
    Hostility("null", page(b"null"), NO_ANSWER),
    Hostility("[]", page(b"[]"), NO_ANSWER),
    Hostility("{}", page(b"{}"), NO_ANSWER),
    Hostility("a text", page(b'"items"'), NO_ANSWER),
    Hostility("a number", page(b"7"), NO_ANSWER),
    Hostility("lists in lists", page(b"[" * DEEP + b"]" * DEEP), NO_ANSWER),
    Hostility("objects in objects", page(b'{"items":' * DEEP + b"7" + b"}" * DEEP), NO_ANSWER),
    Hostility(
        "elements in elements",
        page(b"<rss>" + b"<a>" * DEEP + b"</a>" * DEEP + b"</rss>"),
        f"one inside the other|{NO_ANSWER}",
    ),
    Hostility(
        "lists in lists under every name",
        as_json(dict.fromkeys(NAMES, NESTED)),
        f"unknown error 0|{NO_ANSWER}",
    ),
    Hostility("NUL", page(b"\x00" * 9_999), NO_ANSWER),
    Hostility("NUL in JSON", page(b'{"items": [\x00]}'), NO_ANSWER),
    Hostility(
        "an XML bomb",
        page((LAUGHS + "<x>&i;</x>").encode()),
        NO_ANSWER,
    ),
)
"""What is an answer, but not the one that was asked for: each connector's own reading."""

SHAPES = [
    one
    for one in WRONG
    if one.name in ("login page", "503 with Retry-After", "null", "[]", "{}", "a number")
    or one.name.startswith("lists")
]
#: The platform shows no post: then the cut text is told, for there is no other.
SHOWN = "/2/statuses/show_batch.json"
NO_LONG_TEXT = [(SHOWN, "[]"), (SHOWN, "lists in lists under every name")]

CELLS = [
    (source, path, hostility)
    for source in SOURCES
    for path in source.paths
    # Elsewhere, a broken answer breaks in the same code, and what is no JSON is none there too.
    for hostility in ((*BROKEN, *WRONG) if path == source.paths[-1] else SHAPES)
    if (path, hostility.name) not in NO_LONG_TEXT
]


def of_path(one: object) -> str | None:
    """How a parameter is called in the name of a cell."""
    return one.name if isinstance(one, Source | Hostility) else None


async def meet(rig: Rig, path: str, hostility: Hostility, *, chinese: bool) -> None:
    """One look at a hostile answer: an error that says so, or it did no harm."""
    use_language("zh" if chinese else "en")
    rig.server.at, rig.server.bad = path, hostility.reply
    if hostility.name == "redirect loop":
        rig.server.bad = page(b"", "302 Found", {"location": path})
    rig.server.asked.clear()
    rig.server.sent = 0
    error = await rig.look()
    assert any(target.startswith(path) for target in rig.server.asked)
    rig.server.bad = None
    if error is None:
        assert rig.is_whole() or hostility.name in rig.source.takes
        return
    check_sentence(error, chinese)
    assert error.trouble in hostility.troubles
    assert (error.retry_after_seconds or 0.0) >= hostility.waits_seconds
    if not chinese:
        assert re.search(hostility.says, str(error)), error


@pytest.mark.parametrize(("source", "path", "hostility"), CELLS, ids=of_path)
async def test_a_hostile_answer_is_one_sentence_and_costs_no_post(
    source: Source, path: str, hostility: Hostility
) -> None:
    async with running(source) as rig:
        # At the very first look, and once there is a cursor; a broken one is the same to both
        looks = ((1, True), (3, False)) if hostility in WRONG else ((1, len(path) % 2 == 0),)
        for number, chinese in looks:
            rig.write(number, number + 1)
            await meet(rig, path, hostility, chinese=chinese)

            assert await rig.look() is None
            assert rig.is_whole()


# --- items that are hostile among good ones ------------------------------------------------------

HTML = "<script>alert(1)</script><b>云帆</b>\x00\x1b[31m\u202e</title>&amp;"
LONG = "长" * 300_000
#: As much as fits into an answer.
LONGEST = "长" * 3_400_000
ODD: tuple[Any, ...] = (None, 70_000, -1, True, 1e308, 10**30, "", [], {}, ["x"], {"x": 1})
NO_TIMES = ("gestern", "0000-00-00T00:00:00", "2024-13-45", "9999-12-31T23:59:59-23:00", "9" * 400)
NO_IDS = ("x" * 10_000, "一\n二\x00", "../../etc/passwd", "\u202e", "1 OR 1=1")


def bad_items(source: Source) -> Iterator[tuple[str, list[Item]]]:
    """What is wrong, and items in which nothing else is."""
    for name in sorted(source.has):
        odd = {"at": (*ODD, *NO_TIMES), "id": (*ODD, *NO_IDS)}.get(name, (*ODD, HTML, LONG))
        odd = tuple(LONGEST if value is LONG and name == "text" else value for value in odd)
        if source.xml:
            yield name, [{name: value} for value in odd if isinstance(value, str | int)]
        else:
            yield name, [{name: value} for value in (*odd, NESTED)]
    if source.xml:
        yield "elements", [{"more": "<a>" * 900 + "</a>" * 900}]
    else:
        yield "more", [{"more": {"more": NESTED, "id_": 10**18}}]
        everywhere = dict.fromkeys(NAMES, NESTED) | {"else": 1}
        yield "all", [{"raw": raw} for raw in (None, [], {}, NESTED, everywhere)]


BAD_ITEMS = [(source, name, items) for source in SOURCES for name, items in bad_items(source)]


@pytest.mark.parametrize(("source", "wrong", "items"), BAD_ITEMS, ids=of_path)
async def test_hostile_items_cost_no_others(source: Source, wrong: str, items: list[Item]) -> None:
    async with running(source) as rig:
        # Given bad items between good ones
        rig.pause = timedelta(hours=2)
        last = len(items) + 2
        bad = [{"number": number} | item for number, item in enumerate(items, 2)]
        rig.write(1, *bad, last)

        # When they are read twice
        assert await rig.look() is None
        told = rig.texts + rig.unreadable
        assert await rig.look() is None

        # Then the good ones are told and each bad one is, or is set aside
        assert {text_of(1), text_of(last)} <= set(rig.texts)
        assert len(told) >= last - source.passes_over.get(wrong, 0)
        assert not any("\x00" in text for text in rig.texts)

        # And once they are good, they are read, and so is what comes behind them
        for place in range(1, last - 1):
            rig.site.items[place] = {"number": place + 1, "written": rig.site.items[0]["written"]}
        rig.write(last + 1)
        assert await rig.look() is None
        missing = {text_of(number) for number in range(1, last + 2)} - set(rig.texts)
        assert not missing


# --- words in another encoding than the label says -----------------------------------------------


@pytest.mark.parametrize("source", SOURCES, ids=of_path)
@pytest.mark.parametrize(
    ("charset", "label"),
    [
        ("gb18030", "utf-8"),
        ("gb18030", ""),
        ("gb18030", "x-nobody-knows-9"),
        ("utf-8", "gbk"),
        ("utf-8", "utf-16"),
        ("utf-8", "x-nobody-knows-9"),
        ("utf-8", "punycode"),
        ("utf-8-sig", "gb2312"),
    ],
)
async def test_a_wrong_charset_is_seen_through(source: Source, charset: str, label: str) -> None:
    async with running(source) as rig:
        rig.site.charset, rig.site.label = charset, label
        rig.write(1, 2)

        assert await rig.look() is None
        assert rig.is_whole()


@pytest.mark.parametrize("source", SOURCES, ids=of_path)
async def test_utf_16_is_read_or_told(source: Source) -> None:
    async with running(source) as rig:
        rig.site.charset = "utf-16"
        rig.write(1, 2)
        error = await rig.look()

        assert rig.is_whole() or error is not None or rig.unreadable
        assert set(rig.texts) <= {text_of(0), text_of(1), text_of(2)}
        rig.site.charset = "utf-8"
        assert await rig.look() is None
        assert rig.is_whole()


# --- documents that name what is not in them -----------------------------------------------------

#: What they say, and how often they are named.
ENTITIES = {
    "of a file": ('<!ENTITY a SYSTEM "file://{secret}">', 1),
    "of an address": ('<!ENTITY a SYSTEM "{url}/entity">', 1),
    "of a document type": ('<!ENTITY % d SYSTEM "{url}/entity"> %d; <!ENTITY a "x">', 1),
    "that repeat a short word": ('<!ENTITY a "' + "x" * 200 + '">', 20_000),
    "that repeat a long word": ('<!ENTITY a "' + "x" * 50_000 + '">', 100),
    "in quotes of the other kind": ("<!ENTITY a '" + "x" * 50_000 + "'>", 100),
    "in one another": ('<!ENTITY b "xxxxxxxxxx"><!ENTITY a "' + "&b;" * 50 + '">', 9_000),
}


@pytest.mark.parametrize("gap", ["", "\n"], ids=["in a line", "in lines"])
@pytest.mark.parametrize("entity", ENTITIES)
@pytest.mark.parametrize("source", [one for one in SOURCES if one.xml], ids=of_path)
async def test_entities_of_strangers_are_not_followed(
    source: Source, entity: str, gap: str, tmp_path: Path
) -> None:
    async with running(source) as rig:
        # Given a feed that names a file, an address, or a word very often
        secret = tmp_path / "passwd"
        secret.write_text(SECRET_LINE)
        told, times = ENTITIES[entity]
        told = told.format(secret=secret, url=rig.server.url)
        document_type = gap.join(['<?xml version="1.0"?>', "<!DOCTYPE x [", told, "]>", ""])

        def good(target: str) -> bytes:
            answer = source.answer(target, rig.site)
            if not isinstance(answer, str):
                return page(b"", "404 Not Found")
            return page((document_type + answer.replace("NAMED", "&a;")).encode())

        rig.server.good = good
        rig.write(1, {"number": 2, "text": "NAMED" * times}, 3)

        # When it is read
        assert await rig.look() is None

        # Then nothing was fetched, read or unfolded, and the others are told
        assert {text_of(1), text_of(3)} <= set(rig.texts)
        assert not any(SECRET_LINE in text for text in rig.texts)
        assert "/entity" not in rig.server.asked
        assert sum(map(len, rig.texts + rig.unreadable)) < MIB
        rig.server.good = lambda target: source.reply(target, rig.site)
        del rig.site.items[1]["text"]
        assert await rig.look() is None
        assert rig.is_whole()


# --- redirects into the own network --------------------------------------------------------------

FOLLOWING = [source for source in SOURCES if source.follows]


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize("source", FOLLOWING, ids=of_path)
async def test_a_redirect_into_the_own_network_needs_leave(source: Source, allowed: bool) -> None:
    async with running(source, allow_private=allowed) as rig:
        inner = Server(rig.server.good)
        async with listening(inner, "127.0.0.2"):
            rig.write(1, 2)
            rig.server.at = source.paths[-1]
            elsewhere = f"http://127.0.0.2:{inner.port}{source.paths[-1]}"
            rig.server.bad = page(b"", "302 Found", {"location": elsewhere})
            error = await rig.look()

            if allowed:
                assert error is None and rig.is_whole()
                return
            assert error is not None and error.trouble == "forbidden"
            check_sentence(error, chinese=False)
            assert "allow_private = true" in str(error)
            assert inner.asked == []
            rig.server.bad = None
            assert await rig.look() is None
            assert rig.is_whole()


# --- how much is held, and for how long ----------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [chunked(50 * MIB), streamed(50 * MIB), gzip_bomb(200 * MIB)],
    ids=["50 MB in chunks", "50 MB announced", "gzip bomb"],
)
@pytest.mark.parametrize("source", SOURCES, ids=of_path)
async def test_what_is_held_of_a_huge_answer_is_bounded(source: Source, reply: Reply) -> None:
    async with running(source) as rig:
        rig.write(1)
        rig.server.at, rig.server.bad = source.paths[-1], reply
        tracemalloc.start()
        try:
            error = await rig.look()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert peak < 32 * MIB
        if source.streams:  # it reads on, and holds no more than a line
            assert error is None and peak < 8 * MIB
        else:
            assert rig.server.sent < 30 * MIB
            assert error is not None and error.trouble == "format"
            check_sentence(error, chinese=False)
            assert "more than 10240 KiB" in str(error)
        rig.server.bad = None
        rig.write(2)
        assert await rig.look() is None
        assert rig.is_whole()


@pytest.mark.parametrize("keep", [0, 20, 10_000], ids=["silence", "head", "body"])
async def test_a_server_that_drips_is_given_up(keep: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Web.__init__.__kwdefaults__, "timeout_seconds", 1.5)
    slow = page(b" " * 9_000, headers={"content-length": "99999", "x": "x" * 1_500})
    drip = dripping(slow, keep) if keep else silent

    async def wait_for(source: Source) -> None:
        async with running(source) as rig:
            rig.write(1, 2)
            rig.server.at, rig.server.bad = source.paths[-1], drip
            error = await rig.look()
            assert error is not None and error.trouble == "unreachable"
            check_sentence(error, chinese=False)
            rig.server.bad = None
            assert await rig.look() is None
            assert rig.is_whole()

    # All at once: each takes its whole time.
    await asyncio.gather(*(wait_for(source) for source in SOURCES if source.use != "weibo-push"))


async def silent() -> AsyncIterator[bytes]:
    await asyncio.Event().wait()
    yield b""


#: Those that ask, but not over HTTP, have hostile servers of their own: test_mailbox_imap.py.
NOT_OVER_HTTP = {"mailbox"}


def test_every_connector_that_asks_is_in_the_grid() -> None:
    asking = {name for name in CONNECTORS if CONNECTORS[name].way == "polled"}

    assert {source.use for source in SOURCES} == asking - NOT_OVER_HTTP
