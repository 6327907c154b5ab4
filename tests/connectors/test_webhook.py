import asyncio
import base64
import gzip
import hashlib
import hmac
import json
import re
import socket
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

import connectors.receiver as receiver_module
import connectors.webhook as webhook_module
from connectors.base import Batch, Context, Cursor
from connectors.discourse import Discourse
from connectors.discourse_push import is_discourse_signed
from connectors.standard_webhooks import is_fresh, is_signed, key_of
from connectors.webhook import Webhook
from schemas.language import use_language
from schemas.post import PostDraft
from tests.connectors.conftest import FakeClock
from tests.connectors.pushing import TLS

TOKEN = "ein-langes-geheimnis"
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"
OTHER = "whsec_" + base64.b64encode(b"x" * 32).decode()
JSON = {"Content-Type": "application/json"}
NDJSON = {"Content-Type": "application/x-ndjson"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(autouse=True)
def in_english() -> Any:
    use_language("en")
    yield
    use_language(None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def post(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "id": f"{number}",
        "platform": "crm",
        "kind": "message",
        "text": "云帆刹车失灵",
        "author": {"id": "u"},
        "published_at": "2024-06-01T08:00:00+08:00",
        **changes,
    }


def lines(*posts: Any) -> bytes:
    return b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in posts)


def signature(body: bytes, at: int, key: str = SECRET, id: str = "msg_1") -> str:
    secret = base64.b64decode(key.removeprefix("whsec_"))
    signed = hmac.digest(secret, f"{id}.{at}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed).decode()


class Ingest:
    """Drives the connector as ingest does: what it asks for next acknowledges what it had."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self.batches = batches
        self.stored: list[Batch] = []
        self.broker = asyncio.Event()
        """Set while the broker acknowledges."""
        self.broker.set()
        self.troubles: list[str | None] = []
        self.counts: Cursor = {}
        self.took = asyncio.Event()
        """Set once a batch was handed over, acknowledged or not."""

    async def run(self) -> None:
        async for batch in self.batches:
            self.troubles.append(None if batch.trouble is None else str(batch.trouble))
            self.counts = batch.cursor
            if not (batch.seen or batch.unreadable):  # it listens, and nobody came yet
                continue
            self.took.set()
            await self.broker.wait()
            self.stored.append(batch)

    @property
    def trouble(self) -> str | None:
        """What the last batch told of it."""
        return self.troubles[-1]

    def ids(self) -> list[str]:
        return [seen.draft.id for batch in self.stored for seen in batch.seen]


class Rig:
    """A running webhook and a sender."""

    def __init__(
        self, ingest: Ingest, sender: httpx.AsyncClient, task: "asyncio.Task[None]"
    ) -> None:
        self.ingest = ingest
        self.sender = sender
        self.task = task

    async def post(self, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.sender.post(
            "/in", content=content, headers=JSON | BEARER if headers is None else headers
        )

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not ready():
                await asyncio.sleep(0.005)

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.ingest.batches.aclose()  # type: ignore[attr-defined]


@asynccontextmanager
async def running(context: Context, **options: Any) -> AsyncIterator[Rig]:
    port = options.pop("port", None) or free_port()
    ways = {"secret", "allow_anonymous", "discourse_secret"}
    login = {} if ways & options.keys() else {"token": TOKEN}
    config = Webhook.Config(**{"port": port, "path": "/in"} | login | options)
    ingest = Ingest(Webhook("my-crm", config, context).batches({}))
    task = asyncio.create_task(ingest.run())
    limits = httpx.Limits(max_connections=500)
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}",
        limits=limits,
        timeout=20,
        trust_env=False,
        verify=TLS,
    ) as sender:
        rig = Rig(ingest, sender, task)
        try:
            for _ in range(100):
                try:
                    await sender.get("/in")
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.01)
            yield rig
        finally:
            await rig.kill()


# --- what is taken ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers", "ids"),
    [
        (json.dumps(post()).encode(), JSON, ["crm:1"]),
        (json.dumps([post(1), post(2)]).encode(), JSON, ["crm:1", "crm:2"]),
        (json.dumps([post(1), post(2)], indent=1).encode(), JSON, ["crm:1", "crm:2"]),
        (lines(post(1), post(2)), NDJSON, ["crm:1", "crm:2"]),
        (b"\n" + lines(post(1)) + b" \r\n\n" + lines(post(2))[:-1], NDJSON, ["crm:1", "crm:2"]),
        (b"\xef\xbb\xbf" + lines(post(1)), NDJSON, ["crm:1"]),
        (b"\xef\xbb\xbf" + lines(post(1)), JSON, ["crm:1"]),
        (lines(post(id="crm:1")), {"Content-Type": "Application/JSON; Charset=UTF-8"}, ["crm:1"]),
        (lines(post(id=10**15)), {"Content-Type": "application/jsonl"}, ["crm:1000000000000000"]),
        (
            gzip.compress(lines(post(1), post(2))),
            NDJSON | {"Content-Encoding": "gzip"},
            ["crm:1", "crm:2"],
        ),
        (b"[]", JSON, []),
        (b"", NDJSON, []),
    ],
)
async def test_posts_come_in_every_form(
    context: Context, body: bytes, headers: dict[str, str], ids: list[str]
) -> None:
    async with running(context) as rig:
        answer = await rig.post(body, headers | BEARER)

        assert (answer.status_code, answer.json()) == (202, {"accepted": len(ids)})
        assert rig.ingest.ids() == ids


async def test_a_post_with_everything(context: Context) -> None:
    full = post(
        7,
        title="投诉",
        author={"id": 12, "name": "小李", "followers": 3, "verified": False},
        parent_id="crm:5",
        root_id=4,
        root_text="原帖",
        engagement={"likes": 2, "heat": 1.5},
        region="上海",
        url="https://crm.example/7",
        source="somebody else",
        deleted=True,
    )
    async with running(context) as rig:
        assert (await rig.post(full)).status_code == 202
        [seen] = rig.ingest.stored[0].seen

    draft = seen.draft
    assert seen.at == context.now()
    assert draft.source == "my-crm"
    assert (draft.parent_id, draft.root_id, draft.author.id) == ("crm:5", "crm:4", "12")
    assert draft.deleted
    assert draft.published_at.isoformat() == "2024-06-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("body", "headers", "line", "field", "word"),
    [
        (lines(post(1), post(2, likes=3)), NDJSON, 2, "likes", "unknown field"),
        (lines(post(1)) + b"\n\n" + lines(post(2, kind="tweet")), NDJSON, 4, "kind", "kind"),
        (lines(post(1)) + b"{'id': 1}\n", NDJSON, 2, None, "JSON"),
        (lines(post(1), [post(2)]), NDJSON, 2, None, "object"),
        (json.dumps([post(1), 7]).encode(), JSON, 2, None, "object"),
        (json.dumps([post(1), post(2, text=None)]).encode(), JSON, 2, "text", "text"),
        (json.dumps(post(author={})).encode(), JSON, 1, "author.id", "author.id"),
        (json.dumps(post(author="u")).encode(), JSON, 1, "author", "author"),
        (json.dumps(post(author={"id": "u", "x": 1})).encode(), JSON, 1, "author.x", "unknown"),
        (json.dumps(post(published_at="2024-06-01 08:00")).encode(), JSON, 1, "published_at", ""),
        (json.dumps(post(published_at="gestern")).encode(), JSON, 1, "published_at", ""),
        (json.dumps(post(platform="WeiBo")).encode(), JSON, 1, "platform", "platform"),
        (json.dumps(post(platform=None)).encode(), JSON, 1, "platform", "platform"),
        (json.dumps(post(id="")).encode(), JSON, 1, "id", "id"),
        (json.dumps(post(id=True)).encode(), JSON, 1, "id", "id"),
        (json.dumps(post(id="a b")).encode(), JSON, 1, "id", "id"),
        (json.dumps(post(text="a\x00b")).encode(), JSON, 1, "text", "text"),
        (json.dumps(post(text="#" * 1_001)).encode(), JSON, 1, "text", "#"),
        (json.dumps(post(text="a" * 100_001)).encode(), JSON, 1, "text", "text"),
        (json.dumps(post(observed_at="2024-06-01T00:00:00Z")).encode(), JSON, 1, "observed_at", ""),
        (json.dumps({k: v for k, v in post().items() if k != "id"}).encode(), JSON, 1, "id", ""),
        (rb'{"text": "\ud83d"}', JSON, 1, None, "JSON"),
        (b"[" * 100_000, JSON, 1, None, "JSON"),
        (lines(post(text="?")).replace(b'"?"', b"[" * 500 + b"]" * 500), JSON, 1, None, "deep"),
        (b"", JSON, 1, None, "JSON"),
        (b"\xff\xfe[]", JSON, 1, None, "JSON"),
        (json.dumps([post(n) for n in range(501)]).encode(), JSON, 501, None, "500"),
        (lines(*(post(n) for n in range(501))), NDJSON, 501, None, "500"),
        (b"[" + b"{}," * 400_000 + b"{}]", JSON, 1, None, "no such record"),
        (lines(post(**{str(n): 1 for n in range(99_999)})), JSON, 1, None, "things are wrong"),
    ],
)
async def test_one_mistake_refuses_the_request_and_says_where(
    context: Context, body: bytes, headers: dict[str, str], line: int, field: str | None, word: str
) -> None:
    async with running(context, max_body_kib=4_096) as rig:
        answer = await rig.post(body, headers | BEARER)

        # Then the answer names the place, and nothing was taken, not even what came before
        told = answer.json()
        assert answer.status_code == 400
        assert set(told) == {"error", "line", "field"}
        assert told["line"] == line
        assert told["field"] == field
        assert word in told["error"]
        assert len(told["error"]) < 1_000
        assert rig.ingest.stored == []

        # And the next one passes
        assert (await rig.post(post())).status_code == 202


# --- who may send -------------------------------------------------------------------------------


def test_the_vector_of_the_specification() -> None:
    body = b'{"type":"post.created","data":{"id":1}}'
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": "v1,32x4LFLhPplx6lhMMpP5uEkvNKJmsvNsv+8s3MOYGMM=",
    }

    assert is_signed(headers, body, [key_of(SECRET)])
    assert not is_signed(headers, body + b" ", [key_of(SECRET)])
    assert not is_signed(headers, body, [key_of(OTHER)])
    assert not is_signed(headers, body, [])
    assert not is_signed(headers | {"webhook-id": "msg_2"}, body, [key_of(SECRET)])


@pytest.mark.parametrize(("off", "fresh"), [(0, True), (300, True), (-300, True), (301, False)])
def test_five_minutes_are_tolerated(clock: FakeClock, off: int, fresh: bool) -> None:
    sent = str(int(clock.now().timestamp()) + off)

    assert is_fresh({"webhook-id": "a", "webhook-timestamp": sent}, clock.now()) is fresh


@pytest.mark.parametrize("sent", ["", "x", "-1", "1e9", "١٧٠", "9" * 5_000, " 1", "nan"])
def test_a_strange_time_is_not_fresh(clock: FakeClock, sent: str) -> None:
    assert not is_fresh({"webhook-id": "a", "webhook-timestamp": sent}, clock.now())


Change = Callable[[dict[str, str]], dict[str, str]]


def signed(**changes: str) -> Change:
    return lambda headers: headers | changes


def without(name: str) -> Change:
    return lambda headers: {key: value for key, value in headers.items() if key != name}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (signed(), 202),
        (lambda h: h | {"webhook-signature": f"v1a,x v1,bad {h['webhook-signature']}"}, 202),
        (lambda h: h | {"webhook-signature": f"{h['webhook-signature']} v1,bad"}, 202),
        (signed(**{"webhook-signature": "v1,bad"}), 401),
        (signed(**{"webhook-signature": "v1,"}), 401),
        (signed(**{"webhook-signature": ""}), 401),
        (lambda h: h | {"webhook-signature": h["webhook-signature"].replace("v1,", "v2,")}, 401),
        (lambda h: h | {"webhook-signature": h["webhook-signature"][3:]}, 401),
        (signed(**{"webhook-id": "msg_2"}), 401),
        (without("webhook-id"), 401),
        (without("webhook-timestamp"), 401),
        (without("webhook-signature"), 401),
        (signed(**{"webhook-timestamp": "1"}), 401),
    ],
)
async def test_a_signature_lets_in(
    context: Context, clock: FakeClock, change: Change, status: int
) -> None:
    body = json.dumps(post()).encode()
    at = int(clock.now().timestamp())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": signature(body, at),
    }
    async with running(context, secret=SECRET) as rig:
        answer = await rig.post(body, JSON | change(headers))

        assert answer.status_code == status
        assert (answer.content == b"") is (status == 401)
        assert rig.ingest.ids() == (["crm:1"] if status == 202 else [])


async def test_the_old_key_is_taken_while_it_is_configured(
    context: Context, clock: FakeClock
) -> None:
    body = gzip.compress(json.dumps(post()).encode())
    at = int(clock.now().timestamp())
    headers = JSON | {
        "Content-Encoding": "gzip",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": signature(body, at, OTHER),
    }
    async with running(context, secret=SECRET, old_secret=OTHER) as rig:
        assert (await rig.post(body, headers)).status_code == 202
    async with running(context, secret=SECRET) as rig:
        assert (await rig.post(body, headers)).status_code == 401


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 202),
        (f"bearer  {TOKEN}", 202),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
        ("Bearer \xff\xfe", 401),
        (None, 401),
    ],
)
async def test_a_bearer_token_lets_in(context: Context, given: str | None, status: int) -> None:
    async with running(context, secret=SECRET, token=TOKEN) as rig:
        headers: Any = [(b"content-type", b"application/json")]
        if given is not None:
            headers.append((b"authorization", given.encode("latin-1")))
        answer = await rig.sender.post("/in", json=post(), headers=headers)

        assert answer.status_code == status
        assert (answer.content == b"") is (status == 401)


async def test_who_is_not_let_in_is_told_nothing_about_the_body(context: Context) -> None:
    async with running(context) as rig:
        for body in (b"{", b"x" * 2_000_000, json.dumps([1]).encode()):
            answer = await rig.post(body, JSON)
            assert (answer.status_code, answer.content) == (401, b"")


async def test_anybody_may_send_where_that_is_allowed(context: Context) -> None:
    async with running(context, allow_anonymous=True) as rig:
        assert (await rig.post(post(), JSON)).status_code == 202


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"allow_anonymous": True, "token": TOKEN},
        {"old_secret": SECRET},
        {"token": "short"},
        {"discourse_secret": "s" * 12},
        {"discourse_url": "https://forum.example.com", "token": TOKEN},
        {"discourse_secret": "geheim", "discourse_url": "https://forum.example.com"},
        {"discourse_secret": "s" * 12, "discourse_url": "forum.example.com"},
        {"secret": "geheim"},
        {"secret": "whsec_geheim!"},
        {"secret": "whsec_" + base64.b64encode(b"geheim").decode()},
        {"secret": "whsec_" + base64.b64encode(b"x" * 65).decode()},
        {"secret": base64.b64encode(b"x" * 32).decode()},
    ],
    ids=repr,
)
def test_settings_without_a_sound_login_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as caught:
        Webhook.Config(port=8088, **options)

    [error] = caught.value.errors(include_input=False, include_url=False, include_context=False)
    assert "geheim" not in error["msg"]


def test_no_repr_shows_a_secret() -> None:
    config = Webhook.Config(port=8088, secret=SECRET, old_secret=OTHER, token=TOKEN)

    assert all(secret not in repr(config) for secret in (SECRET, OTHER, TOKEN))


# --- when nobody is let in any more -------------------------------------------------------------


def standard(body: bytes, at: int, key: str = SECRET) -> dict[str, str]:
    stamp = {"webhook-id": "msg_1", "webhook-timestamp": str(at)}
    return JSON | stamp | {"webhook-signature": signature(body, at, key)}


BODY = json.dumps(post()).encode()
NOW = 1_717_214_400
DISCOURSE = {"X-Discourse-Event-Signature": "sha256=" + "0" * 64, "X-Discourse-Event": "post"}


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        (JSON | {"Authorization": "Bearer the-one-before-that"}, "check that token"),
        (standard(BODY, NOW, OTHER), "check that secret"),
        (standard(BODY, NOW - 600), "clock; set it: it is 600 s ahead"),
        (standard(BODY, NOW + 900), "clock; set it: it is 900 s behind"),
        (JSON | DISCOURSE, "check that discourse_secret"),
    ],
)
async def test_what_refuses_everything_says_which_setting_to_check(
    context: Context, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    forum = {"discourse_secret": FORUM_SECRET, "discourse_url": FORUM}
    async with running(context, secret=SECRET, token=TOKEN, **forum) as rig:
        # When requests come that look like the sender's and are none
        for _ in range(3):
            assert (await rig.post(BODY, headers)).status_code == 401

        # Then that is told, and counted
        await rig.until(lambda: rig.ingest.trouble is not None)
        assert says in (rig.ingest.trouble or "")
        assert rig.ingest.counts == {"count.refused": 3}
        assert rig.ingest.stored == []

        # And no more, once one is let in
        assert (await rig.post(BODY)).status_code == 202
        assert rig.ingest.trouble is None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"webhook-signature": "v1,x"},
        {"X-Discourse-Event-Signature": "1"},
    ],
)
async def test_rubbish_is_counted_and_no_alarm(
    context: Context, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str]
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    async with running(context) as rig:
        for _ in range(20):
            assert (await rig.post(BODY, JSON | headers)).status_code == 401

        await rig.until(lambda: rig.ingest.counts == {"count.refused": 20})
        assert set(rig.ingest.troubles) == {None}


# --- Discourse's webhooks ------------------------------------------------------------------------

FORUM = "https://forum.example.com"
FORUM_SECRET = "一个论坛的密钥，只为测试"


def discourse_post(**changes: Any) -> dict[str, Any]:
    return {
        "id": 77,
        "name": "小李",
        "username": "li",
        "user_id": 5,
        "created_at": "2024-06-01T03:00:00.000Z",
        "updated_at": "2024-06-01T03:00:00.000Z",
        "cooked": "<p>刹车<b>异响</b></p>",
        "raw": "刹车**异响**",
        "post_number": 2,
        "post_type": 1,
        "reply_to_post_number": None,
        "reply_count": 0,
        "reads": 3,
        "topic_id": 9,
        "topic_title": "云帆 X1 & 刹车",
        "topic_archetype": "regular",
        "version": 1,
        "hidden": False,
        "deleted_at": None,
        "user_deleted": False,
        **changes,
    }


def discourse_headers(event: str, body: bytes, secret: str = FORUM_SECRET) -> dict[str, str]:
    signed = hmac.digest(secret.encode(), body, hashlib.sha256).hex()
    return JSON | {
        "X-Discourse-Instance": FORUM,
        "X-Discourse-Event-Id": "1",
        "X-Discourse-Event-Type": event.partition("_")[0],
        "X-Discourse-Event": event,
        "X-Discourse-Event-Signature": f"sha256={signed}",
    }


async def tell(rig: Rig, event: str, payload: Any) -> httpx.Response:
    body = json.dumps(payload, ensure_ascii=False).encode()
    return await rig.post(body, discourse_headers(event, body))


def forum_webhook(context: Context) -> AbstractAsyncContextManager[Rig]:
    return running(context, discourse_secret=FORUM_SECRET, discourse_url=f"{FORUM}/")


def test_a_signature_of_discourse_in_our_own_words() -> None:
    body = '{"post":{"id":1,"cooked":"<p>空调不制冷</p>"}}'.encode()
    own = "sha256=57baf93006ec075d1aae62244a21d8264bdeb890210d7ff292b3974acee4e532"

    assert is_discourse_signed({"X-Discourse-Event-Signature": own}, body, "云帆的密钥")
    assert not is_discourse_signed({"X-Discourse-Event-Signature": own}, body + b" ", "云帆的密钥")
    assert not is_discourse_signed({"X-Discourse-Event-Signature": own}, body, "别人的密钥")
    assert not is_discourse_signed({"X-Discourse-Event-Signature": own[7:]}, body, "云帆的密钥")
    assert not is_discourse_signed({"X-Discourse-Event-Signature": "签名"}, body, "云帆的密钥")
    assert not is_discourse_signed({}, body, "云帆的密钥")


def test_the_recorded_signature_of_discourse(shared_data: Path) -> None:
    sheet = (shared_data.parent / "protocols.md").read_text(encoding="utf-8")
    found = re.search(
        r"secret `([^`]+)`, body `([^`]+)` → `(sha256=[0-9a-f]{64})`",
        sheet[sheet.index("X-Discourse-Event-Signature") :],
    )
    assert found is not None
    secret, body, expected = found.groups()

    headers = {"X-Discourse-Event-Signature": expected}
    assert is_discourse_signed(headers, body.encode(), secret)
    assert not is_discourse_signed(headers, body.encode(), secret + "x")


async def test_a_forums_webhook_brings_what_polling_it_brings(context: Context) -> None:
    # Given two posts of a forum, as its list has them
    posts = [
        discourse_post(id=76, post_number=1),
        discourse_post(reply_to_post_number=1, hidden=False),
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"latest_posts": posts[::-1]})

    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    polled: list[PostDraft] = []
    config = Discourse.Config(url=FORUM, every_seconds=3_600)
    polling = Discourse("my-crm", config, replace(context, client=client)).batches({})
    async for batch in polling:
        polled += [seen.draft for seen in batch.seen]
        if len(polled) == 2:
            break
    await polling.aclose()  # type: ignore[attr-defined]

    # When its webhook tells them too
    async with forum_webhook(context) as rig:
        for one in posts:
            answered = await tell(rig, "post_created", {"post": one})
            assert (answered.status_code, answered.json()) == (202, {"accepted": 1})
        pushed = [seen.draft for batch in rig.ingest.stored for seen in batch.seen]

    # Then they are the same
    assert pushed == polled
    assert [one.id for one in pushed] == [f"discourse:forum.example.com/9/{n}" for n in (1, 2)]


async def test_edits_deletions_and_recoveries_of_a_forum(context: Context) -> None:
    async with forum_webhook(context) as rig:
        for event, changes in [
            ("post_created", {}),
            ("post_edited", {"cooked": "<p>好了</p>", "version": 2}),
            ("post_destroyed", {"cooked": "<p>好了</p>", "version": 3}),
            ("post_recovered", {"cooked": "<p>好了</p>", "version": 4}),
            ("post_edited", {"cooked": "<p>好了</p>", "version": 5, "user_deleted": True}),
        ]:
            answer = await tell(rig, event, {"post": discourse_post(**changes)})
            assert answer.status_code == 202

        drafts = [seen.draft for batch in rig.ingest.stored for seen in batch.seen]
        assert {one.id for one in drafts} == {"discourse:forum.example.com/9/2"}
        assert [(one.text, one.deleted) for one in drafts] == [
            ("刹车异响", False),
            ("好了", False),
            ("", True),
            ("好了", False),
            ("", True),
        ]


async def test_what_a_forum_tells_besides_is_counted(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    private = discourse_post(topic_archetype="private_message")
    async with forum_webhook(context) as rig:
        for event, payload in [
            ("ping", {"ping": "OK"}),
            ("topic_created", {"topic": {"id": 1}}),
            ("post_created", {"post": private}),
            ("post_created", {"post": discourse_post(post_type=4)}),  # a whisper of the staff
        ]:
            answer = await tell(rig, event, payload)
            assert (answer.status_code, answer.json()) == (202, {"accepted": 0})

        counts = {"count.discourse_other": 2, "count.discourse_private": 2}
        await rig.until(lambda: rig.ingest.counts == counts)
        assert rig.ingest.stored == []


@pytest.mark.parametrize(
    ("payload", "kind"),
    [
        ({"post": {"id": 1}}, "schema"),
        ({"posts": []}, "schema"),
        ([], "schema"),
        ({"post": "?"}, "schema"),
        ({"post": discourse_post(created_at="gestern")}, "schema"),
    ],
)
async def test_a_forums_post_that_cannot_be_read_is_a_dead_letter(
    context: Context, payload: Any, kind: str
) -> None:
    async with forum_webhook(context) as rig:
        assert (await tell(rig, "post_created", payload)).status_code == 202

        [letter] = [one for batch in rig.ingest.stored for one in batch.unreadable]
        assert (letter.kind, json.loads(letter.raw)) == (kind, payload)
        assert rig.ingest.ids() == []


async def test_a_forums_body_comes_once(context: Context) -> None:
    async with forum_webhook(context) as rig:
        for event in ("post_created", "post_created", "post_destroyed"):  # headers are not signed
            answer = await tell(rig, event, {"post": discourse_post()})
            assert answer.status_code == 202

        [draft] = [seen.draft for batch in rig.ingest.stored for seen in batch.seen]
        assert not draft.deleted


async def test_a_forum_with_another_secret_is_not_let_in(context: Context) -> None:
    body = json.dumps({"post": discourse_post()}).encode()
    headers = discourse_headers("post_created", body, "another secret")
    async with forum_webhook(context) as rig:
        answers = [await rig.post(body, headers), await rig.post(body + b" ", headers)]
    async with running(context) as rig:  # without a forum
        answers.append(await rig.post(body, discourse_headers("post_created", body)))

    assert [(one.status_code, one.content) for one in answers] == [(401, b"")] * 3


# --- other answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_refused(context: Context, method: str) -> None:
    async with running(context) as rig:
        answer = await rig.sender.request(method, "/in", headers=BEARER)

        assert answer.status_code == 405
        assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/json; charset=gbk"},
        {},
        JSON | {"Content-Encoding": "br"},
        JSON | {"Content-Encoding": "gzip, gzip"},
    ],
    ids=repr,
)
async def test_other_types_are_refused(context: Context, headers: dict[str, str]) -> None:
    async with running(context) as rig:
        answer = await rig.post(json.dumps(post()).encode(), headers | BEARER)

        assert answer.status_code == 415
        assert set(answer.json()) == {"error"}


async def too_large(length: int) -> AsyncIterator[bytes]:
    for _ in range(length // 1_024):
        yield b" " * 1_024


async def test_what_is_too_large_is_refused_in_every_form(context: Context) -> None:
    async with running(context, max_body_kib=64) as rig:
        bomb = gzip.compress(bytes(20 * 2**20), 9)
        await rig.post(post())
        tracemalloc.start()
        try:
            answers = [
                await rig.post(b" " * 65_537),
                await rig.post(
                    gzip.compress(b" " * 65_537), JSON | BEARER | {"Content-Encoding": "gzip"}
                ),
                await rig.post(bomb, JSON | BEARER | {"Content-Encoding": "gzip"}),
                await rig.sender.post("/in", content=too_large(99_999), headers=JSON | BEARER),
            ]
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert [answer.status_code for answer in answers] == [413] * 4
        assert all("64 KiB" in answer.json()["error"] for answer in answers)
        assert peak < 4 * 2**20
        assert (await rig.post(b" " * 60_000 + json.dumps(post()).encode())).status_code == 202


@pytest.mark.parametrize("body", [b"no gzip", gzip.compress(lines(post()))[:-3], b"\x1f"])
async def test_a_damaged_gzip_is_told(context: Context, body: bytes) -> None:
    async with running(context) as rig:
        answer = await rig.post(body, JSON | BEARER | {"Content-Encoding": "gzip"})

        assert answer.status_code == 400
        assert "gzip" in answer.json()["error"]


async def test_a_body_that_never_ends_is_given_up(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_module, "READ_SECONDS", 0.05)
    waits = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await waits.wait()

    async with running(context) as rig:
        sending = asyncio.create_task(rig.sender.post("/in", content=body(), headers=JSON | BEARER))
        try:
            # The sender is still busy with its body, so the proof is that nothing is held
            for _ in range(100):
                await asyncio.sleep(0.01)
                if (await rig.post(post())).status_code == 202:
                    break
        finally:
            waits.set()
            await asyncio.gather(sending, return_exceptions=True)
    assert not isinstance(sending.exception(), AssertionError)


# --- the broker ---------------------------------------------------------------------------------


async def test_the_answer_waits_for_the_broker(context: Context) -> None:
    # Given a broker that doesn't acknowledge
    async with running(context) as rig:
        rig.ingest.broker.clear()
        sending = asyncio.create_task(rig.post(post()))
        await rig.ingest.took.wait()
        await asyncio.sleep(0.05)

        # Then the sender waits
        assert not sending.done()

        # When it does
        rig.ingest.broker.set()

        # Then the sender is told
        assert (await sending).status_code == 202
        assert rig.ingest.ids() == ["crm:1"]


async def test_killed_while_waiting_the_retry_arrives_once(context: Context) -> None:
    port = free_port()

    # Given a delivery that waits for the broker, and one behind it
    async with running(context, port=port) as rig:
        rig.ingest.broker.clear()
        sending = [asyncio.create_task(rig.post(post(1)))]
        await rig.ingest.took.wait()
        sending.append(asyncio.create_task(rig.post(post(2))))
        await asyncio.sleep(0.05)

        # When ingest gives up before it is acknowledged
        await rig.kill()

        # Then nobody got a 202
        for answer in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(answer, httpx.Response):
                assert answer.status_code == 503
                assert int(answer.headers["retry-after"]) > 0
            else:
                assert isinstance(answer, httpx.TransportError)
        assert rig.ingest.ids() == []

    # And what they send again arrives once
    async with running(context, port=port) as rig:
        assert [(await rig.post(post(n))).status_code for n in (1, 2)] == [202, 202]
        assert rig.ingest.ids() == ["crm:1", "crm:2"]


async def test_a_request_that_comes_twice_brings_the_same_ids(context: Context) -> None:
    async with running(context) as rig:
        for _ in range(2):
            assert (await rig.post([post(1), post(1)])).status_code == 202

        assert set(rig.ingest.ids()) == {"crm:1"}


async def test_a_sender_that_hangs_up_harms_nobody(context: Context) -> None:
    async with running(context) as rig:
        rig.ingest.broker.clear()
        sending = asyncio.create_task(rig.post(post(1)))
        await rig.ingest.took.wait()
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        rig.ingest.broker.set()

        assert (await rig.post(post(2))).status_code == 202
        assert rig.ingest.ids() == ["crm:1", "crm:2"]


async def test_twice_the_allowed_load_is_asked_to_come_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given room for 1 MiB, a broker that stands still, and 40 senders of 50 KiB each
    monkeypatch.setattr(webhook_module, "MAX_HELD_BYTES", 2**20)
    body = json.dumps([post(n, text="字" * 1_000) for n in range(8)]).encode()
    body += b" " * (50 * 1_024 - len(body))
    async with running(context, max_body_kib=64) as rig:
        rig.ingest.broker.clear()
        tracemalloc.start()
        try:
            sending = [asyncio.create_task(rig.post(body)) for _ in range(40)]
            while sum(one.done() for one in sending) < 20:
                await asyncio.sleep(0.01)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        # Then those that fit wait, the others are told when to come again, memory is bounded
        refused = [one.result() for one in sending if one.done()]
        assert {answer.status_code for answer in refused} == {429}
        assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
        assert 19 <= 40 - len(refused) <= 20
        assert peak < 15 * 2**20  # senders included

        # And once the broker is back, all that waited is there, and so is who comes again
        rig.ingest.broker.set()
        answers = [answer.status_code for answer in await asyncio.gather(*sending)]
        assert answers.count(202) == 40 - len(refused)
        assert len(rig.ingest.ids()) == 8 * (40 - len(refused))
        assert (await rig.post(body)).status_code == 202


async def test_too_many_small_deliveries_are_asked_to_come_again(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.receiver.MAX_WAITING", 20)
    async with running(context) as rig:
        rig.ingest.broker.clear()
        first = asyncio.create_task(rig.post(post(0)))
        await rig.ingest.took.wait()
        sending = [asyncio.create_task(rig.post(post(n))) for n in range(1, 41)]
        while sum(one.done() for one in sending) < 20:
            await asyncio.sleep(0.01)
        rig.ingest.broker.set()

        answers = [answer.status_code for answer in await asyncio.gather(first, *sending)]

        assert answers.count(202) == 21
        assert answers.count(429) == 20
        assert len(rig.ingest.ids()) == 21
