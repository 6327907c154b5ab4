"""Weibo's commercial push: an endless answer with every post that meets a subscription.

::

    [sources.weibo-push]
    use = "weibo-push"
    subscription_id = "10001"
    # address = "http://c.api.weibo.com/datapush/status"   # the older form, replays five minutes

Which accounts and words are pushed is said to Weibo (``subscribe/update_subscribe``), not here.

Delivery: at least once. The cursor is the id of the last record that the broker acknowledged;
whenever the connection ends, and after a restart, it asks for everything behind it. Reading waits
for the broker, so nothing piles up in memory. A record that comes twice is told once. A stream on
which nothing happens is heard all the same: it is opened anew now and then, and only a connection
that can't be had, or breaks, is trouble.
Limits: Weibo keeps records for three days (the older form: five minutes); a longer stop is a gap.
Without a cursor it begins with the last hundred records. A line that can't be read becomes a dead
letter; one without an end (abrupt close) comes again. Heartbeats and error lines are not
documented: a blank line is one of the first, an ``error_code`` one of the second. A deletion that
tells nothing but the id has neither author nor time: the time is when it was told.
Quotas: none for reading; a subscription has up to 10,000 accounts, 20,000 words and 20 domains, and
by default delivers 1 % of what meets it.
Terms of use: by contract with Weibo, from registered addresses only ("Ip is limited" otherwise);
what authors delete has to be deleted.
What it can't see: a repost whose own words lack the word although the original has it; posts and
comments at the same time (a subscription has one of them: configure two sources).
"""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from datetime import datetime
from typing import Any

import httpx
from pydantic import Field, SecretStr

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.known import Known
from connectors.quota import Limit, Quota
from connectors.trouble import SourceError
from connectors.web import Answer, Stream, Web
from connectors.weibo_api import parse_json, refusal
from connectors.weibo_posts import is_public, read_comment, read_status
from schemas.component import ComponentConfig
from schemas.errors import RejectedError
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["WeiboPush"]

MAX_BATCH_RECORDS = 200
MAX_KNOWN_RECORDS = 500
_KEPT_BYTES = 64 * 1024
_LIFE_SIGN_SECONDS = 30.0
_END = b"\r\n"
_DELETING = ("delete", "del", "remove", "deleted")
_REFUSED_ADDRESS = re.compile(rb"\bip\b.{0,20}\blimit", re.IGNORECASE)


class WeiboPush:
    """Reads one subscription for as long as it is asked."""

    way: Way = "polled"
    backfill: Backfill = "listed"
    every_seconds: float | None = None

    class Config(ComponentConfig):
        """Options of ``weibo-push``."""

        subscription_id: str = Field(
            pattern=r"^[0-9A-Za-z_-]{1,64}$", description="Id of the subscription (subid)."
        )
        address: str = Field(
            "https://c.api.weibo.com/commercial/push",
            pattern=r"^https?://[^\s?#]+$",
            description="Where the stream is.",
        )
        access_token: SecretStr | None = Field(
            None, description="OAuth2 token, where the contract asks for one."
        )
        silence_seconds: float = Field(
            75, ge=1, le=600, description="Without a byte for so long, it connects anew."
        )
        max_line_kib: int = Field(
            1_024, ge=16, le=16_384, description="Longest record in KiB; more is a dead letter."
        )
        connections_per_minute: int = Field(
            10, ge=1, le=600, description="How often it may connect."
        )
        limited_posts: bool = Field(
            False, description="Also take posts that their author shows to some people only."
        )
        contact: str = Field(
            "no contact given",
            max_length=200,
            pattern=r"^[\x20-\x7e]*$",
            description="Mail or web address of yours, told to the servers in the User-Agent.",
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self._context = context
        quota = Quota([Limit(config.connections_per_minute, 60)], context.now, context.sleep)
        self._web = Web(context, contact=config.contact, quota=quota)

    def total(self) -> int | None:
        """Unknown: it never ends."""
        return None

    async def batches(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """Yield records as they are pushed.

        Raises:
            SourceError: the connection can't be had or has ended; behind the last acknowledged
                record it goes on.
        """
        place = _Place(cursor)
        while True:
            async with aclosing(self._connection(place)) as found:
                async for batch in found:
                    yield batch

    async def _connection(self, place: "_Place") -> AsyncGenerator[Batch, None]:
        """What one connection brings until it falls silent.

        Raises:
            SourceError: it can't be had, tells an error, broke or ended.
        """
        config = self._config
        params: dict[str, str | int] = {"subid": config.subscription_id}
        if place.since_id:
            params["since_id"] = place.since_id
        if config.access_token is not None:
            params["access_token"] = config.access_token.get_secret_value()
        async with self._web.stream(
            config.address, params=params, silence_seconds=config.silence_seconds
        ) as stream:
            if isinstance(stream, Answer):
                raise self._refused(stream)
            lines = _Lines(config.max_line_kib * 1024)
            try:
                async with aclosing(self._arriving(stream, lines, place)) as found:
                    async for batch in found:
                        yield batch
                silent = False
            except SourceError as error:
                if not isinstance(error.__cause__, httpx.ReadTimeout):
                    raise
                silent = True  # nothing else is wrong: it is heard, and opened anew
            if (told := _error_in(lines.rest(), self._context.now())) is not None:
                raise told
        if silent:
            yield Batch([], place.cursor())
            return
        raise SourceError(
            "unreachable",
            say(
                "微博推送的连接已断开，会自动重连。", "the push connection ended; it connects anew."
            ),
        )

    async def _arriving(
        self, stream: Stream, lines: "_Lines", place: "_Place"
    ) -> AsyncGenerator[Batch, None]:
        """The batches of one stream, an empty one now and then where it brings nothing."""
        number, alive_at, cursor = 0, self._context.now(), place.cursor()
        async with aclosing(_with_pauses(stream.pieces, _LIFE_SIGN_SECONDS)) as pieces:
            async for piece in pieces:
                found = list(lines.feed(piece))
                for start in range(0, len(found), MAX_BATCH_RECORDS):
                    part = found[start : start + MAX_BATCH_RECORDS]
                    batch = self._batch(part, number, place)
                    number += len(part)
                    if batch.seen or batch.unreadable or batch.cursor != cursor:
                        yield batch
                        cursor, alive_at = batch.cursor, self._context.now()
                if not piece and (told := _error_in(lines.rest(), self._context.now())) is not None:
                    raise told
                quiet = (self._context.now() - alive_at).total_seconds()
                if not piece or quiet >= _LIFE_SIGN_SECONDS:
                    yield Batch([], place.cursor())
                    alive_at = self._context.now()

    def _refused(self, answer: Answer) -> SourceError:
        """What an answer other than 200 means."""
        if (error := _error_in(answer.body, answer.at)) is not None and error.trouble != "format":
            return error
        try:
            answer.checked()
        except SourceError as told:
            return told
        return SourceError(
            "format",
            say(
                f"微博推送的回答是 {answer.status}，没有数据流；请检查 address。",
                f"the push answered {answer.status} and no stream; check the address.",
            ),
        )

    def _batch(self, lines: list[tuple[bytes, bool]], number: int, place: "_Place") -> Batch:
        """The batch of some lines.

        Raises:
            SourceError: one of them tells an error; the lines before it will come again.
        """
        seen: list[Seen] = []
        unreadable: list[Unreadable] = []
        for count, (line, whole) in enumerate(lines, number + 1):
            try:
                for one in self._read(line, whole, place):
                    if place.known.news(one.draft):
                        seen.append(one)
            except RejectedError as error:
                if place.known.unheard(line):
                    unreadable.append(Unreadable(count, line, error.kind, str(error)))
        return Batch(seen, place.cursor(), unreadable)

    def _read(self, line: bytes, whole: bool, place: "_Place") -> Iterator[Seen]:
        at = self._context.now()
        if not whole:
            raise RejectedError(
                "too_large",
                say(
                    f"一行超过 {self._config.max_line_kib} KiB",
                    f"a line has more than {self._config.max_line_kib} KiB",
                ),
            )
        if _REFUSED_ADDRESS.search(line[:200]) and not line.lstrip().startswith(b"{"):
            raise _refused_address()
        record = _parsed(line)
        told = refusal(record, at)
        if told is not None and "text" not in record:
            raise told
        if isinstance(native := record.get("id"), str | int) and not isinstance(native, bool):
            place.since_id = str(native)[:64]
        text = record.get("text")
        if isinstance(text, str):
            text = _parsed(text.encode(errors="replace"))
        if not isinstance(text, dict):
            raise RejectedError("schema", say("记录没有 text", "the record has no text"))
        event = text.get("event")
        deleted = isinstance(event, str) and event.lower() in _DELETING
        kind = "comment" if "comment" in text else "status"
        item = text.get(kind)
        if kind == "comment":
            yield Seen(read_comment(item, self._name, at, deleted=deleted), at)
        elif deleted or self._config.limited_posts or is_public(item):
            yield Seen(read_status(item, self._name, at, deleted=deleted), at)


class _Place:
    """How far the stream was read."""

    def __init__(self, cursor: Cursor) -> None:
        self.since_id = str(cursor.get("since_id", ""))
        self.known = Known(str(cursor.get("known", "")), MAX_KNOWN_RECORDS)

    def cursor(self) -> Cursor:
        return {"since_id": self.since_id, "known": self.known.kept()}


class _Lines:
    """Cuts pieces into the lines that end with CRLF; a line that has no end stays behind."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._begun = bytearray()
        self._skipping = False

    def feed(self, piece: bytes) -> Iterator[tuple[bytes, bool]]:
        """The lines that are complete now, but for blank ones, and whether they are whole."""
        begin = 0
        if self._begun.endswith(b"\r") and piece.startswith(b"\n"):
            del self._begun[-1:]
            yield from self._ended(b"")
            begin = 1
        while (end := piece.find(_END, begin)) >= 0:
            yield from self._ended(piece[begin:end])
            begin = end + len(_END)
        self._begun += piece[begin:]
        if len(self._begun) > self._most + 1:
            if not self._skipping:
                yield bytes(self._begun[:_KEPT_BYTES]), False
            self._skipping = True
            # Its last byte may be half of the end.
            self._begun = self._begun[-1:]

    def rest(self) -> bytes:
        """What stands behind the last end of a line."""
        return b"" if self._skipping else bytes(self._begun)

    def _ended(self, last: bytes) -> Iterator[tuple[bytes, bool]]:
        line = bytes(self._begun) + last
        self._begun.clear()
        if self._skipping:
            self._skipping = False
        elif len(line) > self._most:
            yield line[:_KEPT_BYTES], False
        elif line.strip():
            yield line, True


async def _with_pauses(pieces: AsyncIterator[bytes], seconds: float) -> AsyncGenerator[bytes, None]:
    """The pieces as they come; an empty one whenever none came for so long."""
    while True:
        coming = asyncio.ensure_future(anext(pieces))
        try:
            while not (await asyncio.wait({coming}, timeout=seconds))[0]:
                yield b""
            piece = coming.result()
        except StopAsyncIteration:
            return
        finally:
            coming.cancel()  # where the reader leaves early; what has come is not undone
            await asyncio.gather(coming, return_exceptions=True)
        yield piece


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        record = parse_json(line)
    except ValueError as error:
        raise RejectedError("json", say("不是 JSON", "not JSON") + f": {error}"[:200]) from error
    if not isinstance(record, dict):
        raise RejectedError("schema", say("不是 JSON 对象", "not a JSON object"))
    return record


def _error_in(body: bytes, at: datetime) -> SourceError | None:
    """The error that a body tells, as JSON or in bare words."""
    try:
        return refusal(parse_json(body), at)
    except ValueError:
        # Half a record is none, whatever its author writes about addresses.
        refused = not body.lstrip().startswith(b"{") and _REFUSED_ADDRESS.search(body[:200])
        return _refused_address() if refused else None


def _refused_address() -> SourceError:
    return SourceError(
        "forbidden",
        say(
            "微博推送不允许本机的 IP（Ip is limited）；请联系微博登记 IP。",
            "the push refuses the address we call from (Ip is limited); have it registered.",
        ),
        retry_after_seconds=600,
    )
