"""Every connector that is pushed to, against senders that mean it ill: a grid of who and what.

In each cell the connector serves on the loopback, answers in time with the status that fits, keeps
nothing of the request but perhaps a dead letter, and takes the next good delivery.
"""

import asyncio
import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import connectors.receiver as receiver_module
import connectors.webhook as webhook_module
from connectors import CONNECTORS
from connectors.base import Connector, Context
from tests.connectors.pushing import Driver, free_port
from tests.connectors.wechat_server import APP_ID, KEY, TOKEN, Sender

MIB = 1024 * 1024
BEARER = "a token of the tests"
KINDS = ("webhook", "wechat", "wecom")
DEEP = b"[" * 50_000 + b"]" * 50_000
BOMB = gzip.compress(b" " * 20 * MIB, 9)
LAUGHS = (
    b'<!DOCTYPE x [<!ENTITY a "lollollol"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    b"<xml><Encrypt>&b;</Encrypt></xml>"
)
OUTER = b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Encrypt>&a;</Encrypt></xml>'


class Rig:
    """A connector that serves, the ingest that drives it, and how its platform sends."""

    def __init__(self, kind: str, port: int, driver: Driver, client: httpx.AsyncClient) -> None:
        self.kind = kind
        self.port = port
        self.driver = driver
        self.client = client
        self.url = f"http://127.0.0.1:{port}/in"
        self.numbers = iter(range(1, 10_000))
        self._sender = Sender(self.url, _now, app_id=APP_ID, wecom=kind == "wecom")

    def good(self) -> tuple[dict[str, str], dict[str, str], bytes]:
        """Query, headers and body of a delivery that its platform would send."""
        number = next(self.numbers)
        if self.kind == "webhook":
            post = {
                "platform": "crm",
                "id": number,
                "kind": "message",
                "text": "刹车失灵",
                "author": {"id": "u1"},
                "published_at": "2024-06-01T08:00:00+08:00",
            }
            headers = {"content-type": "application/json", "authorization": f"Bearer {BEARER}"}
            return {}, headers, json.dumps(post).encode()
        if self.kind == "wechat":
            query, body = self._sender.request(self._sender.message("刹车失灵", MsgId=number))
        else:
            people = {"UserID": "u", "ExternalUserID": f"wm{number}"}
            added = {"ChangeType": "add_external_contact", **people}
            event = self._sender.event("change_external_contact", **added)
            query, body = self._sender.request(event)
        return query, {"content-type": "text/xml"}, body.encode()

    async def send(
        self, *, method: str = "POST", signed: bool = True, **parts: Any
    ) -> httpx.Response:
        """A good delivery but for the ``query``, ``headers`` and ``body`` that are given."""
        query, headers, body = self.good()
        query |= parts.get("query", {})
        headers |= parts.get("headers", {})
        if not signed:
            headers.pop("authorization", None)
            query = {key: value for key, value in query.items() if "signature" not in key}
        content = parts.get("body", body)
        return await self.client.request(
            method, self.url, params=query, headers=headers, content=content
        )

    async def lives_on(self) -> None:
        """A good delivery is taken and written."""
        before = len(self.driver.written)
        answer = await self.send()
        assert answer.status_code in (200, 202)
        assert answer.text == "success" or answer.json() == {"accepted": 1}
        await self.driver.until(lambda: len(self.driver.written) > before)

    def head(self) -> bytes:
        """The beginning of a good request, without the end of its head."""
        query, headers, _ = self.good()
        url = httpx.URL(self.url, params=query)
        lines = [f"POST {url.raw_path.decode()} HTTP/1.1", "host: x"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        return "\r\n".join(lines).encode() + b"\r\n"


def _now() -> datetime:
    return datetime(2024, 6, 1, 4, 0, tzinfo=UTC)


@asynccontextmanager
async def serving(kind: str, context: Context, **more: Any) -> AsyncIterator[Rig]:
    port = free_port()
    keys = {"token": TOKEN, "encoding_aes_key": KEY, "id_secret": "a secret for the tests"}
    login: dict[str, Mapping[str, str]] = {
        "webhook": {"token": BEARER},
        "wechat": keys | {"app_id": APP_ID},
        "wecom": keys | {"corp_id": APP_ID},
    }
    component: Any = CONNECTORS[kind]
    options = {"port": port, "path": "/in", "max_body_kib": 64} | login[kind] | more
    connector: Connector = component(kind, component.Config.model_validate(options), context)
    driver = Driver(connector.batches)
    limits = httpx.Limits(max_connections=300)
    async with httpx.AsyncClient(
        verify=False, trust_env=False, limits=limits, timeout=10
    ) as client:
        await driver.start(port)
        try:
            yield Rig(kind, port, driver, client)
        finally:
            await driver.stop()


async def endless(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 65_536):
        yield b" " * 65_536


Send = Callable[[Rig], Awaitable[httpx.Response]]
#: What is sent, and the status that each of the three answers with.
HOSTILE: dict[str, tuple[Send, tuple[int, int, int]]] = {
    "no signature": (lambda rig: rig.send(signed=False), (401, 403, 403)),
    "a wrong signature": (
        lambda rig: rig.send(
            headers={"authorization": "Bearer a token of others"},
            query={"signature": "0" * 40, "msg_signature": "ü" * 40},
        ),
        (401, 403, 403),
    ),
    "a body larger than the limit": (lambda rig: rig.send(body=b" " * 65_537), (413, 413, 413)),
    "20 MB in chunks": (lambda rig: rig.send(body=endless(20 * MIB)), (413, 413, 413)),
    "a gzip bomb": (
        lambda rig: rig.send(body=BOMB, headers={"content-encoding": "gzip"}),
        (413, 400, 400),
    ),
    "a gzip cut short": (
        lambda rig: rig.send(
            body=gzip.compress(b"[]" * 99)[:-4], headers={"content-encoding": "gzip"}
        ),
        (400, 400, 400),
    ),
    "an XML bomb": (lambda rig: rig.send(body=LAUGHS), (400, 400, 400)),
    "an external entity": (lambda rig: rig.send(body=OUTER), (400, 400, 400)),
    "invalid UTF-8": (lambda rig: rig.send(body=b'{"text": "\xff\xfe"}'), (400, 400, 400)),
    "NUL": (lambda rig: rig.send(body=b"\x00" * 99), (400, 400, 400)),
    "nothing": (lambda rig: rig.send(body=b""), (400, 400, 400)),
    "lists in lists": (lambda rig: rig.send(body=DEEP[:60_000]), (400, 400, 400)),
    "elements in elements": (lambda rig: rig.send(body=b"<a>" * 20_000), (400, 400, 400)),
    "the wrong method": (lambda rig: rig.send(method="DELETE"), (405, 405, 405)),
}
CELLS = [
    (kind, name, send, statuses[place])
    for name, (send, statuses) in HOSTILE.items()
    for place, kind in enumerate(KINDS)
]


@pytest.mark.parametrize(
    ("kind", "send", "status"),
    [(kind, send, status) for kind, _, send, status in CELLS],
    ids=[f"{kind}-{name}" for kind, name, _, _ in CELLS],
)
async def test_a_hostile_request_is_refused_and_the_next_good_one_taken(
    context: Context, kind: str, send: Send, status: int
) -> None:
    async with serving(kind, context) as rig:
        await rig.lives_on()
        written = len(rig.driver.written)
        tracemalloc.start()
        try:
            answer = await send(rig)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert answer.status_code == status
        assert len(answer.text) < 500 and "Traceback" not in answer.text
        assert "root:" not in answer.text
        assert len(rig.driver.written) == written
        assert peak < 8 * MIB
        await rig.lives_on()


@pytest.mark.parametrize("charset", ["gbk", "utf-16", "x-nobody-knows-9"])
async def test_posts_in_another_charset_are_told_which_one_to_use(
    context: Context, charset: str
) -> None:
    async with serving("webhook", context) as rig:
        answer = await rig.send(headers={"content-type": f"application/json; charset={charset}"})

        assert answer.status_code == 415
        assert "UTF-8" in answer.json()["error"]
        await rig.lives_on()


@pytest.mark.parametrize("declared", ["gb18030", "punycode", "x-nobody-knows-9", "utf-16"])
@pytest.mark.parametrize("kind", ["wechat", "wecom"])
async def test_xml_that_declares_another_charset_is_no_crash(
    context: Context, kind: str, declared: str
) -> None:
    async with serving(kind, context) as rig:
        body = f'<?xml version="1.0" encoding="{declared}"?><xml><Encrypt>一</Encrypt></xml>'
        answer = await rig.send(body=body.encode("utf-8"))

        assert answer.status_code in (400, 403)
        await rig.lives_on()


@pytest.mark.parametrize("kind", ["wechat", "wecom"])
async def test_an_old_push_is_refused_and_a_repeated_one_written_once(
    context: Context, clock: Any, kind: str
) -> None:
    async with serving(kind, context) as rig:
        query, headers, body = rig.good()

        async def send() -> int:
            answer = await rig.client.post(rig.url, params=query, headers=headers, content=body)
            return answer.status_code

        assert [await send(), await send()] == [200, 200]
        assert len(rig.driver.written) == 1
        await clock.sleep(3_600)
        assert await send() == 403
        assert len(rig.driver.written) == 1


# --- senders that take their time ----------------------------------------------------------------


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What comes until the other side hangs up."""
    async with asyncio.timeout(10):
        try:
            return await reader.read()
        except ConnectionError:
            return b""


@pytest.mark.parametrize("begun", ["nothing", "a head"])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_head_that_drips_is_hung_up_on(
    context: Context, monkeypatch: pytest.MonkeyPatch, kind: str, begun: str
) -> None:
    monkeypatch.setattr(receiver_module, "HEAD_SECONDS", 0.3)
    async with serving(kind, context) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)

        async def drip() -> None:
            writer.write(rig.head() if begun == "a head" else b"")
            while True:
                writer.write(b"x" if begun == "a head" else b"")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        began = time.monotonic()
        try:
            assert await ended(reader) == b""
        finally:
            dripping.cancel()
            writer.close()
        assert time.monotonic() - began < 5
        await rig.lives_on()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_body_that_drips_is_given_up(
    context: Context, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(webhook_module, "READ_SECONDS", 0.5)
    answering = {} if kind == "webhook" else {"answer_seconds": 0.5}
    async with serving(kind, context, **answering) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(rig.head() + b"content-length: 999\r\nconnection: close\r\n\r\n{")
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n")
        writer.close()

        assert head.split()[1] == b"408"
        await rig.lives_on()


@pytest.mark.parametrize("kind", KINDS)
async def test_more_connections_than_can_be_kept_are_closed(
    context: Context, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(receiver_module, "MAX_CONNECTIONS", 20)
    async with serving(kind, context) as rig:
        # Given as many silent connections as are kept
        opened = [await asyncio.open_connection("127.0.0.1", rig.port) for _ in range(30)]
        late = [reader for reader, _ in opened[20:]]

        # Then those beyond are closed at once
        assert [await ended(reader) for reader in late] == [b""] * 10

        # And when the silent ones are gone, there is room again
        for _, writer in opened:
            writer.close()
        await rig.driver.until(lambda: all(writer.is_closing() for _, writer in opened))
        async with asyncio.timeout(10):
            while True:
                try:
                    await rig.lives_on()
                    return
                except httpx.TransportError:
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", KINDS)
async def test_many_good_deliveries_at_once_are_all_taken(context: Context, kind: str) -> None:
    async with serving(kind, context) as rig:
        answers = await asyncio.gather(*(rig.send() for _ in range(60)))

        assert {answer.status_code for answer in answers} <= {200, 202}


def test_every_connector_that_is_pushed_to_is_in_the_grid() -> None:
    assert set(KINDS) == {name for name in CONNECTORS if CONNECTORS[name].way == "pushed"}
