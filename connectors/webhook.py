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

A Discourse forum may send its webhooks here too (``application/json``, event "Post"), with its
address in ``discourse_url`` and the webhook's secret in ``discourse_secret``: its posts get the ids
that polling it with ``discourse`` gives, so both together bring no doubles. Private messages, notes
of its staff and other events are counted in the cursor; a post that can't be read becomes a dead
letter. Choose public categories there: a webhook tells of all.

Answers: 202 once Kafka has all posts of the request; 400 with ``{error, line, field}``, and none of
its posts is taken; 401 without a word; 405, 408, 413, 415; 429 with ``Retry-After`` when too much
waits, 503 with it when ingest can't write or ends: send the same again.

Delivery: at least once, as far as the sender sends again what got no 202 (Discourse only with its
setting ``retry_web_hook_events``; what it repeats late may come after a newer state, which polling
tells anew). A request that comes twice brings the same ids, which absorb it.
Limits: ``max_body_kib`` (unpacked) and ``max_posts`` for each request, and 64 MiB of requests at a
time. When all that brings a bearer token or a signature gets 401, that is told as the source's
trouble, which names the setting. No TLS of its own: put a proxy in front of it before others reach
it. There is no quota and no platform: whether the posts may be passed on is between you and where
they come from. It sees nothing but what it is sent, and asks nobody for what it missed.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Self

from aiohttp import web
from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.discourse_push import DiscoursePush
from connectors.receiver import Busy, ReceiveConfig, Receiver
from connectors.standard_webhooks import key_of
from connectors.unpack import DamagedError, Unpacker
from connectors.webhook_answers import LINES, busy, refusal, too_large, wrong_type
from connectors.webhook_login import Login
from connectors.webhook_posts import MisfitError, read_posts
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["MAX_HELD_BYTES", "Webhook"]

MAX_HELD_BYTES = 64 * 1024 * 1024
"""Of all requests that are read or wait for the broker."""
READ_SECONDS = 30.0
_RETRY_SECONDS = 5
_KEY = 16


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
        discourse_secret: SecretStr | None = Field(
            None, min_length=12, description="Secret of a Discourse forum's webhook."
        )
        discourse_url: str | None = Field(
            None,
            pattern=r"^https?://[^\s/?#@]+[^\s?#@]*$",
            max_length=88,
            description="Address of that forum's front page, as `discourse` would poll it.",
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
            if (self.discourse_secret is None) != (self.discourse_url is None):
                raise ValueError(
                    say(
                        "discourse_secret 和 discourse_url 要么都设置，要么都不设置",
                        "set both discourse_secret and discourse_url, or neither",
                    )
                )
            proofs = (self.secret, self.token, self.discourse_secret)
            if any(proof is not None for proof in proofs) == self.allow_anonymous:
                raise ValueError(
                    say(
                        "请设置 secret、token 或 discourse_secret；谁都可以发送时才设 "
                        "allow_anonymous = true",
                        "set a secret, a token or a discourse_secret, or else allow_anonymous = "
                        "true",
                    )
                )
            return self

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self._context = context
        self._receiver = Receiver(config)
        secrets = [_plain(secret) for secret in (config.secret, config.old_secret)]
        self._login = Login(
            token=_plain(config.token),
            keys=[key_of(secret) for secret in secrets if secret is not None],
            discourse_secret=_plain(config.discourse_secret),
            anybody=config.allow_anonymous,
        )
        url = config.discourse_url
        self._discourse = DiscoursePush(url, name) if url is not None else None
        self._most_bytes = config.max_body_kib * 1024
        self._held: set[_Held] = set()

    def total(self) -> int | None:
        """Unknown: it goes on for ever."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Listen for as long as batches are asked for; only counts are resumed.

        Raises:
            FatalError: the port can't be listened on.
        """
        return self._receiver.batches(self._handle, cursor)

    async def _handle(self, request: web.Request) -> web.Response:
        if request.method != "POST":
            return refusal(405, say("只接受 POST", "only POST is taken"), {"Allow": "POST"})
        if not self._login.may_pass(request.headers, self._context.now()):
            return self._not_let_in(request)
        if (refused := wrong_type(request)) is not None:
            return refused
        if (request.content_length or 0) > self._most_bytes:
            return too_large(self._config.max_body_kib)
        try:
            with self._hold(request) as held:
                return await self._take(request, held)
        except Busy as error:
            return busy(error)

    async def _take(self, request: web.Request, held: "_Held") -> web.Response:
        try:
            async with asyncio.timeout(READ_SECONDS):
                raw = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return too_large(self._config.max_body_kib)
        except TimeoutError:
            return refusal(408, say("请求来得太慢", "the request came too slowly"))
        sender = self._login.sender(request.headers, raw, self._context.now())
        if sender is None:
            return self._not_let_in(request)
        self._receiver.proofs.succeeded()
        try:
            body = self._unpacked(raw) if "Content-Encoding" in request.headers else raw
            if body is None:
                return too_large(self._config.max_body_kib)
            held.shrink(len(body))
            if sender == "discourse":
                return await self._take_discourse(request.headers, body)
            drafts = read_posts(
                body, self._name, self._config.max_posts, lines=request.content_type in LINES
            )
        except DamagedError:
            return refusal(400, say("gzip 已损坏或不完整", "the gzip is damaged or cut short"))
        except MisfitError as error:
            told = {"error": str(error), "line": error.line, "field": error.field}
            return web.json_response(told, status=400)
        del raw, body  # the drafts may wait long
        return await self._hand_on(drafts)

    async def _take_discourse(self, headers: Mapping[str, str], body: bytes) -> web.Response:
        assert self._discourse is not None  # there is a secret, so there is an address
        key = hashlib.sha256(body).hexdigest()[:_KEY]
        event = headers.get("X-Discourse-Event", "")
        try:
            told = self._discourse.read(event, body)
        except RejectedError as error:
            # Discourse can't send it better: the dead letter is ours to look at.
            return await self._hand_on([], [Unreadable(1, body, error.kind, str(error))], key)
        if isinstance(told, str):
            self._receiver.note(told)
            return await self._hand_on([])
        return await self._hand_on([told], key=key)

    async def _hand_on(
        self, drafts: Sequence[PostDraft], unreadable: Sequence[Unreadable] = (), key: str = ""
    ) -> web.Response:
        if drafts or unreadable:
            at = self._context.now()
            try:
                seen = [Seen(draft, at) for draft in drafts]
                await self._receiver.deliver(seen, unreadable, key=key)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                raise Busy(_RETRY_SECONDS) from None  # ingest gave up, not this request
        return web.json_response({"accepted": len(drafts)}, status=202)

    def _not_let_in(self, request: web.Request) -> web.Response:
        self._receiver.note("refused")
        why = self._login.why_not(request.headers, self._context.now())
        if why is not None:
            self._receiver.proofs.failed(*why)
        return web.Response(status=401)

    @contextmanager
    def _hold(self, request: web.Request) -> Iterator["_Held"]:
        """Count a request as held: the most that it may be, until it was read.

        Raises:
            Busy: too much is held already.
        """
        told = None if "Content-Encoding" in request.headers else request.content_length
        held = _Held(self._most_bytes if told is None else told)
        if sum(one.size for one in self._held) + held.size > max(MAX_HELD_BYTES, self._most_bytes):
            raise Busy(_RETRY_SECONDS, too_much=True)
        self._held.add(held)
        try:
            yield held
        finally:
            self._held.discard(held)

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


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
