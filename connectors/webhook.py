"""An HTTP endpoint of your own: any system may POST posts to it.

::

    [sources.my-crm]
    use = "webhook"
    port = 8088
    path = "/posts"
    token = { env = "POSTS_TOKEN" }     # or secret = { file = "posts.whsec" }, or both

Then::

    curl -H "Authorization: Bearer $POSTS_TOKEN" -H "Content-Type: application/json" \\
      http://127.0.0.1:8088/posts -d '{"platform": "crm", "id": "4711", "kind": "message",
      "text": "刹车失灵", "author": {"id": "u1"}, "published_at": "2026-01-01T08:00:00+08:00"}'

A body is one JSON object or an array of them (``application/json``), or one object a line
(``application/x-ndjson``), plain or gzip. Fields are those of a post (``schemas/post.py``); ids may
be given with or without the platform in front, also as whole numbers; ``source`` is always the name
of this connector. ``deleted = true`` takes a post back.

Whoever sends proves it with a Standard Webhooks signature (``secret``; the raw body is signed) or
with ``Authorization: Bearer`` (``token``).

Answers: 202 once Kafka has all posts of the request; 400 with ``{error, line, field}``, and none of
its posts is taken; 401 without a word; 405, 408, 413, 415; 503 with ``Retry-After`` when too much
waits or ingest can't write: send the same again.

Delivery: at least once, as far as the sender sends again what got no 202. A request that comes
twice brings the same ids, which absorb it.
Limits: ``max_body_kib`` (unpacked) and ``max_posts`` for each request, and 64 MiB of requests at a
time. No TLS of its own: put a proxy in front of it before others reach it. There is no quota and no
platform: whether the posts may be passed on is between you and where they come from. It sees
nothing but what it is sent, and asks nobody for what it missed.
"""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Self

from aiohttp import web
from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.base import Batch, Context, Cursor, Seen, Way
from connectors.receiver import Busy, ReceiveConfig, Receiver
from connectors.standard_webhooks import is_fresh, is_signed, key_of
from connectors.unpack import DamagedError, Unpacker
from connectors.webhook_posts import MisfitError, read_posts
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["MAX_HELD_BYTES", "Webhook"]

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Of all requests that are read or wait for the broker."""
READ_SECONDS = 30.0
_RETRY_SECONDS = 5
_LINES = (
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
)


class _Held:
    """The memory of one request that is read or waits for the broker."""

    def __init__(self, size: int) -> None:
        self.size = size

    def shrink(self, size: int) -> None:
        """Give back what is not needed after all."""
        self.size = min(self.size, size)


class Webhook:
    """Yields what was sent to it; never ends by itself."""

    way: Way = "pushed"
    backfill: Backfill = "sender"
    every_seconds: float | None = None

    class Config(ReceiveConfig):
        """Options of ``webhook``."""

        secret: SecretStr | None = Field(
            None, description="Key of Standard Webhooks signatures: whsec_ and base64."
        )
        old_secret: SecretStr | None = Field(
            None, description="The key before, still taken while senders change to the new one."
        )
        token: SecretStr | None = Field(
            None, min_length=16, description="Bearer token, for senders that can't sign."
        )
        allow_anonymous: bool = Field(
            False, description="Take posts from anybody who reaches the port."
        )
        max_posts: int = Field(500, ge=1, le=5_000, description="Most posts in one request.")

        @field_validator("secret", "old_secret")
        @classmethod
        def _check_secret(cls, secret: SecretStr | None) -> SecretStr | None:
            if secret is not None:
                key_of(secret.get_secret_value())
            return secret

        @model_validator(mode="after")
        def _check_login(self) -> Self:
            proven = self.secret is not None or self.token is not None
            if proven == self.allow_anonymous:
                raise ValueError(
                    say(
                        "请设置 secret 或 token；谁都可以发送时才设 allow_anonymous = true",
                        "set a secret or a token, or else allow_anonymous = true",
                    )
                )
            return self

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self._context = context
        self._receiver = Receiver(config)
        self._keys = [
            key_of(secret.get_secret_value())
            for secret in (config.secret, config.old_secret)
            if secret is not None
        ]
        self._most_bytes = config.max_body_kib * 1024
        self._held: set[_Held] = set()

    def total(self) -> int | None:
        """Unknown: it goes on for ever."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Listen for as long as batches are asked for; there is nothing to resume.

        Raises:
            FatalError: the port can't be listened on.
        """
        return self._receiver.batches(self._handle)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return _refusal(405, say("只接受 POST", "only POST is taken"), {"Allow": "POST"})
        if not self._may_be_let_in(request):
            return web.Response(status=401)
        if (refusal := _of_wrong_type(request)) is not None:
            return refusal
        if (request.content_length or 0) > self._most_bytes:
            return self._too_large()
        try:
            with self._hold(request) as held:
                return await self._take(request, held)
        except Busy as error:
            return _busy(error.retry_after_seconds)

    async def _take(self, request: web.Request, held: "_Held") -> web.Response:
        try:
            async with asyncio.timeout(READ_SECONDS):
                raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return self._too_large()
        except TimeoutError:
            return _refusal(408, say("请求来得太慢", "the request came too slowly"))
        if not self._is_let_in(request, raw):
            return web.Response(status=401)
        try:
            body = self._unpacked(raw) if "Content-Encoding" in request.headers else raw
            if body is None:
                return self._too_large()
            drafts = read_posts(
                body, self._name, self._config.max_posts, lines=request.content_type in _LINES
            )
        except DamagedError:
            return _refusal(400, say("gzip 已损坏或不完整", "the gzip is damaged or cut short"))
        except MisfitError as error:
            told = {"error": str(error), "line": error.line, "field": error.field}
            return web.json_response(told, status=400)
        held.shrink(len(body))
        del raw, body  # the drafts may wait long
        if drafts:
            at = self._context.now()
            try:
                await self._receiver.deliver([Seen(draft, at) for draft in drafts])
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                return _busy(_RETRY_SECONDS)  # ingest gave up, not this request
        return web.json_response({"accepted": len(drafts)}, status=202)

    @contextmanager
    def _hold(self, request: web.Request) -> Iterator["_Held"]:
        """Count a request as held: the most that it may be, until it was read.

        Raises:
            Busy: too much is held already.
        """
        told = None if "Content-Encoding" in request.headers else request.content_length
        held = _Held(self._most_bytes if told is None else told)
        if sum(one.size for one in self._held) + held.size > max(MAX_HELD_BYTES, self._most_bytes):
            raise Busy(_RETRY_SECONDS)
        self._held.add(held)
        try:
            yield held
        finally:
            self._held.discard(held)

    def _may_be_let_in(self, request: web.Request) -> bool:
        """Before a body is read: whether it can still prove who sends it."""
        if self._config.allow_anonymous or self._has_token(request):
            return True
        signed = "webhook-signature" in request.headers
        return bool(self._keys) and signed and is_fresh(request.headers, self._context.now())

    def _is_let_in(self, request: web.Request, body: bytes) -> bool:
        if self._config.allow_anonymous or self._has_token(request):
            return True
        return is_signed(request.headers, body, self._keys)

    def _has_token(self, request: web.Request) -> bool:
        if self._config.token is None:
            return False
        kind, _, given = request.headers.get("Authorization", "").partition(" ")
        expected = _digest(self._config.token.get_secret_value())
        return hmac.compare_digest(_digest(given.strip()), expected) and kind.lower() == "bearer"

    def _unpacked(self, raw: bytes) -> bytes | None:
        """What a gzip holds; None when that is too much."""
        unpacker = Unpacker()
        body = bytearray()
        for pieces in (unpacker.pieces(raw), unpacker.end()):
            for piece in pieces:
                body += piece
                if len(body) > self._most_bytes:
                    return None
        return bytes(body)

    def _too_large(self) -> web.Response:
        most = self._config.max_body_kib
        return _refusal(
            413,
            say(f"请求超过 {most} KiB，请分几次发送", f"more than {most} KiB; send it in parts"),
        )


def _of_wrong_type(request: web.Request) -> web.Response | None:
    given = request.headers.get("Content-Type")
    known = given is not None and request.content_type in ("application/json", *_LINES)
    if not known or (request.charset or "utf-8").lower() not in ("utf-8", "utf8", "us-ascii"):
        return _refusal(
            415,
            say(
                "Content-Type 应为 application/json 或 application/x-ndjson，编码 UTF-8",
                "Content-Type must be application/json or application/x-ndjson, in UTF-8",
            ),
        )
    packing = request.headers.get("Content-Encoding", "gzip").strip().lower()
    if packing != "gzip":
        return _refusal(
            415,
            say("Content-Encoding 只能是 gzip", "Content-Encoding can be gzip only"),
            {"Accept-Encoding": "gzip"},
        )
    return None


def _digest(text: str) -> bytes:
    """Of one length for every text, so that a comparison tells nothing."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).digest()


def _busy(seconds: int) -> web.Response:
    return _refusal(
        503,
        say("现在写不进去，请稍后再发一次", "it can't be written now; send it again later"),
        {"Retry-After": str(seconds)},
    )


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": message}, status=status, headers=headers)
