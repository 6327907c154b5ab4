"""What WeChat's and WeCom's callback servers share: the order of checks, and the answer in time.

Age, signature, nonce, then the content. The platform closes the connection after 5 seconds and
sends again, three times in all: the answer is ``success`` once the broker has the message. When the
broker does not take it in time, it is kept in a spool on the disk, and that is a ``success`` too;
where there is no room, the answer is 503 before the 5 seconds are over. What is in line then stays
in line, and its repetition waits with it.

When several requests in a row fail for one reason that a setting can be (``connectors/proofs.py``),
the source tells that as trouble. Only those count that name a time, a nonce and a signature.
"""

import asyncio
import hashlib
import re
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Protocol

from aiohttp import web
from pydantic import Field, SecretStr

from connectors.base import Batch, Context, Cursor, Seen, Unreadable
from connectors.proofs import wrong_clock
from connectors.receiver import Busy, ReceiveConfig, Receiver
from connectors.spool import Parcel, Spool, SpoolFullError
from connectors.wechat_crypto import Crypto, IdSecret, keyed_hash, same, sign
from connectors.wechat_messages import HostileXml, Pushed, read_pushed, without_people
from schemas.customer_event import CustomerEvent
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft

__all__ = [
    "Door",
    "PushConfig",
    "Pushes",
    "Refused",
    "WrongSettingError",
    "check_token",
    "open_sealed",
]

MAX_NONCES = 100_000
_KEY = 16
_FOR_THE_BROKER = 2 / 3
_SIGNATURE = re.compile(r"[0-9a-f]{40}")


class PushConfig(ReceiveConfig):
    """Options of WeChat's and WeCom's callback servers."""

    token: SecretStr = Field(description="The token of the platform's callback settings.")
    id_secret: IdSecret = Field(
        description="Secret of yours, of 16 characters or more: people's ids are stored as hashes "
        "made with it. The same for all WeChat sources; a new one makes everyone a stranger."
    )
    answer_seconds: float = Field(
        4.5,
        gt=0,
        le=4.5,
        description="Seconds within which to answer, two thirds of them to be told the message and "
        "for the broker, the rest to keep it on the disk when that is away; the platform waits "
        "for 5.",
    )
    clock_seconds: int = Field(
        300,
        ge=30,
        le=3_600,
        description="How far a push's time may be from ours; nonces are remembered for as long.",
    )


class Refused(Exception):
    """A request that is not from the platform, or seems so; ``check``: which setting it may be."""

    def __init__(self, status: int, reason: str, *, check: str = "") -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.check = check


class WrongSettingError(RejectedError):
    """A push from the platform that a wrong setting of ours makes unreadable."""

    def __init__(self, message: str) -> None:
        super().__init__("schema", message)


class Door(Protocol):
    """How one platform proves that a request is its own."""

    def greet(self, query: Mapping[str, str]) -> str:
        """The answer to the platform's check of the address.

        Raises:
            Refused: wrongly signed.
        """
        ...

    def open(self, query: Mapping[str, str], body: bytes) -> bytes:
        """The XML of a push, decrypted.

        Raises:
            Refused: wrongly signed.
            HostileXml: it declares a document type or entities.
            WrongSettingError: from the platform, but not to be read.
        """
        ...


def check_token(signature: str, expected: str) -> None:
    """Compare a signature with that made with our token.

    Raises:
        Refused: they differ.
    """
    if not same(signature, expected):
        raise Refused(
            403,
            "wrong signature",
            check=say(
                "推送请求的签名不对，已拒收；请检查 token 是否与平台后台一致"
                "（也可能有外人伪造请求）。",
                "pushes are refused because their signatures are wrong; check that token is the "
                "same as in the platform's console (or strangers forge requests).",
            ),
        )


def open_sealed(crypto: Crypto, token: str, query: Mapping[str, str], sealed: str) -> bytes:
    """What was encrypted, its signature checked.

    Raises:
        Refused: wrongly signed.
        WrongSettingError: it can't be decrypted.
    """
    expected = sign(token, query.get("timestamp", ""), query.get("nonce", ""), sealed)
    check_token(query.get("msg_signature", ""), expected)
    try:
        return crypto.decrypt(sealed)
    except ValueError as error:
        raise WrongSettingError(str(error)) from error


class Pushes:
    """Serves one callback address; ``sort`` says what becomes of each message.

    It returns what is handed on, or the name under which something is only counted, and raises
    ``RejectedError`` for what it does not know: that becomes a dead letter, and the platform gets
    its ``success``.
    """

    def __init__(
        self,
        name: str,
        config: PushConfig,
        context: Context,
        door: Door,
        sort: Callable[[Pushed, datetime], PostDraft | CustomerEvent | str],
    ) -> None:
        self._config = config
        self._context = context
        self._door = door
        self._sort = sort
        self._receiver = Receiver(config)
        self._spool = Spool(context.folder, name) if context.folder is not None else None
        self._nonces: OrderedDict[tuple[str, str], tuple[float, str]] = OrderedDict()

    async def batches(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """Serve for as long as batches are asked for.

        Raises:
            FatalError: the port can't be listened on.
        """
        emptying: asyncio.Task[None] | None = None
        try:
            async with aclosing(self._receiver.batches(self._handle, cursor)) as batches:
                async for batch in batches:
                    yield batch
                    if self._spool is not None and emptying is None:
                        emptying = asyncio.create_task(self._spool.hand_on(self._deliver))
                    if emptying is not None and emptying.done():
                        emptying.result()  # a bug: not to be passed over
        finally:
            if emptying is not None:
                emptying.cancel()
                await asyncio.gather(emptying, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.Response:
        began = asyncio.get_running_loop().time()
        by = began + self._config.answer_seconds
        for_broker = began + self._config.answer_seconds * _FOR_THE_BROKER if self._spool else by
        query = request.query
        try:
            self._check_time(query)
            if request.method in ("GET", "HEAD"):
                return web.Response(text=self._door.greet(query))
            if request.method != "POST":
                raise Refused(405, "GET and POST only")
            delivery = self._read(query, await self._body(request, for_broker))
            self._check_nonce(query, delivery.key)
        except Refused as refused:
            self._receiver.note("refused")
            if refused.check and _has_the_form(query):
                self._receiver.proofs.failed(refused.reason, refused.check)
            return web.Response(status=refused.status, text=refused.reason)
        except HostileXml:
            self._receiver.note("refused")
            return web.Response(status=400, text="no document types, no entities")
        return await self._hand_on(delivery, for_broker, by)

    async def _body(self, request: web.Request, by: float) -> bytes:
        try:
            async with asyncio.timeout_at(by):
                return await request.read()
        except TimeoutError:
            raise Refused(408, "too slow") from None

    async def _hand_on(self, one: Parcel, for_broker: float, by: float) -> web.Response:
        """Both times are those of the event loop: of the request, however long its body took."""
        try:
            async with asyncio.timeout_at(for_broker):
                await self._deliver(one)
        except (TimeoutError, Busy):
            if self._spool is None or not await self._kept(one, by):
                return web.Response(status=503, text="come again")
        return web.Response(text="success")

    async def _deliver(self, one: Parcel) -> None:
        await self._receiver.deliver(
            one.seen, one.unreadable, one.events, key=one.key, counted=one.counted
        )

    async def _kept(self, one: Parcel, by: float) -> bool:
        assert self._spool is not None
        try:
            async with asyncio.timeout_at(by):
                await self._spool.keep(one)
        except (SpoolFullError, OSError):  # a TimeoutError is an OSError
            self._receiver.note("not_kept")
            return False
        return True

    def _read(self, query: Mapping[str, str], body: bytes) -> Parcel:
        now, raw, identity, sender = self._context.now(), body, "", ""
        try:
            raw = self._door.open(query, body)
            pushed = read_pushed(raw)
            identity, sender = pushed.identity, pushed.sender
            sorted_as = self._sort(pushed, now)
        except RejectedError as error:
            if isinstance(error, WrongSettingError):
                self._receiver.proofs.failed("setting", str(error))
            else:
                self._receiver.proofs.succeeded()
            secret = self._config.id_secret
            told = without_people(raw, secret, sender, query.get("openid", ""))
            letter = Unreadable(1, told, error.kind, str(error))
            return Parcel(self._key(identity, raw), unreadable=[letter])
        self._receiver.proofs.succeeded()
        key = self._key(identity, raw)
        if isinstance(sorted_as, str):
            return Parcel(key, counted=sorted_as)
        if isinstance(sorted_as, CustomerEvent):
            return Parcel(key, events=[sorted_as])
        return Parcel(key, [Seen(sorted_as, now)])

    def _key(self, identity: str, raw: bytes) -> str:
        """A hash for the cursor: what makes a push unique names a person."""
        unique = identity or hashlib.sha256(raw).hexdigest()
        return keyed_hash(self._config.id_secret, unique)[:_KEY]

    def _check_time(self, query: Mapping[str, str]) -> None:
        given = query.get("timestamp", "")
        if not (given.isascii() and given.isdigit() and len(given) <= 12):
            raise Refused(403, "no timestamp")
        if abs(off := self._context.now().timestamp() - int(given)) > self._config.clock_seconds:
            raise Refused(403, "the timestamp is too far from our clock", check=wrong_clock(off))

    def _check_nonce(self, query: Mapping[str, str], key: str) -> None:
        """A signature of the plain mode says nothing about the body: it is good for one only."""
        now = self._context.now().timestamp()
        stamp = (query.get("timestamp", ""), query.get("nonce", ""))
        _, first = self._nonces.setdefault(stamp, (now, key))
        if first != key:
            raise Refused(403, "the nonce was used before")
        # Two windows: a timestamp may be as far ahead of our clock as it may be behind.
        oldest = now - 2 * self._config.clock_seconds
        while len(self._nonces) > MAX_NONCES or next(iter(self._nonces.values()))[0] < oldest:
            self._nonces.popitem(last=False)


def _has_the_form(query: Mapping[str, str]) -> bool:
    """Whether it may be the platform's own: a scanner sends nothing of the kind."""
    signatures = (query.get("signature", ""), query.get("msg_signature", ""))
    return bool(query.get("nonce")) and any(_SIGNATURE.fullmatch(one) for one in signatures)
