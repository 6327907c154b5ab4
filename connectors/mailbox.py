"""A mailbox read by IMAP: every mail in a folder is a message to you, such as a complaint.

::

    [sources.complaints]
    use = "mailbox"
    host = "imap.example.com"
    user = "service@example.com"
    password = { env = "MAIL_PASSWORD" }  # QQ, 163, 126: the 授权码, and IMAP switched on
    id_secret = { env = "ID_SECRET" }     # a long random text of your own

The folder is opened to read only: no mail is changed, moved or marked as read.

Delivery: at least once. The cursor holds the folder's UIDVALIDITY and the last mail's number. When
the server numbers its mails anew, those of ``history_days`` before the last poll are read again; a
mail's id comes from its Message-ID (without one, from sender, date, subject and text), so that it
stays one post. Two mails with one Message-ID are one post too.
Limits: the sender is whom the mail names; nobody proves that. The writer's own words are told:
quoted mails are cut off, but not in a mail that is forwarded (转发, Fwd) or says nothing else. Of
each mail the first MiB is fetched; one whose text goes on beyond it, or that is larger than
``max_mail_mib`` and not fetched at all, becomes a dead letter that names folder and number: the
mail itself stays where it is. Attachments are not read; a mail of nothing else tells their names.
Bounces, automatic replies and bulk mail are left out and counted by kind in the cursor, unless
``automatic`` is set: some contact forms send as machines.
It cannot see: mails that a person or a filter moved away between two polls, other folders, mail
accounts that demand OAuth (Microsoft 365; Gmail without an app password), what is encrypted.
Quotas: one login each poll; providers lock accounts that log in too often.
Terms: mails are private letters. Addresses are handed on as keyed hashes, names not at all, texts
as they are. Read a mailbox of your own, within what your privacy notice says.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import ParamSpec, TypeVar

import orjson
from pydantic import Field

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.mailbox_imap import HEAD_BYTES, Arrival, Imap, ImapConfig, Place
from connectors.mailbox_mails import MailReader
from connectors.polling import poll_for_ever
from connectors.trouble import SourceError
from connectors.wechat_crypto import IdSecret
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["Mailbox"]

BATCH_MAILS = 50
_COUNT = "count."
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Mailbox:
    """Yields the new mails of one folder, for ever."""

    way: Way = "polled"
    backfill: Backfill = "whole"

    class Config(ImapConfig):
        """Options of ``mailbox``."""

        id_secret: IdSecret = Field(
            description="Secret of yours, of 16 characters or more: people's addresses are stored "
            "as hashes made with it. A new one makes everyone a stranger and tells mails twice."
        )
        history_days: int = Field(
            1, ge=0, le=3_650, description="At the very first start: how many days to look back."
        )
        every_seconds: float = Field(
            300, ge=30, le=86_400, description="Seconds between two polls, give or take a tenth."
        )
        max_mail_mib: int = Field(50, ge=1, le=1_024, description="Larger mails are not read.")
        automatic: bool = Field(
            False, description="Also tell bounces, automatic replies and bulk mail."
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._config = config
        self._context = context
        self.every_seconds: float | None = config.every_seconds
        self._reader = MailReader(name, config.id_secret, config.automatic)

    def total(self) -> int | None:
        """Unknown: people write for ever."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever, from the cursor on.

        Raises:
            SourceError: the mailbox can't be read now.
            FatalError: the ``ca_file`` can't be used.
        """
        return poll_for_ever(self._poll, cursor, self._context, self._config.every_seconds)

    async def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        began = self._context.now()
        imap = Imap(self._config)
        try:
            place = await self._do(imap, imap.open)
            uids, last = await self._news(imap, place, cursor, began)
            counts = Counter({key: int(of) for key, of in cursor.items() if key.startswith(_COUNT)})
            until = int(cursor.get("until", began.timestamp()))
            while True:
                some, uids = uids[:BATCH_MAILS], uids[BATCH_MAILS:]
                seen, unreadable = await self._take(imap, some, counts)
                if not uids:
                    last, until = max([last, *some]), int(began.timestamp())
                    await self._do(imap, imap.log_out)
                moved = {"validity": place.validity, "uid": last if not uids else some[-1]}
                yield Batch(seen, {**counts, **moved, "until": until}, unreadable)
                if not uids:
                    break
        finally:
            imap.cut()

    async def _news(
        self, imap: Imap, place: Place, cursor: Cursor, now: datetime
    ) -> tuple[list[int], int]:
        """Numbers of the mails to read, and the one up to which all were looked at."""
        if cursor.get("validity") == place.validity:
            uid = int(cursor.get("uid", 0))
            return await self._do(imap, imap.after, uid), uid
        told = datetime.fromtimestamp(int(cursor.get("until", now.timestamp())), UTC)
        day = (min(told, now) - timedelta(days=self._config.history_days)).date()
        # A day is one of the server's zone, which may still be at yesterday.
        return await self._do(imap, imap.since, day - timedelta(days=1)), place.newest

    async def _take(
        self, imap: Imap, uids: list[int], counts: Counter[str]
    ) -> tuple[list[Seen], list[Unreadable]]:
        seen: list[Seen] = []
        unreadable: list[Unreadable] = []
        for one in await self._do(imap, imap.arrivals, uids) if uids else ():
            try:
                told = await self._read(imap, one)
            except RejectedError as error:
                unreadable.append(self._letter(one, error))
                continue
            if isinstance(told, str):
                counts[_COUNT + told] += 1
            elif told is not None:
                seen.append(Seen(told, self._context.now()))
        return seen, unreadable

    async def _read(self, imap: Imap, one: Arrival) -> PostDraft | str | None:
        most = self._config.max_mail_mib
        if one.size > most * 1024 * 1024:
            raise RejectedError(
                "too_large",
                say(
                    f"邮件有 {one.size:,} 字节，超过 max_mail_mib = {most}，未读取；需要时请调大。",
                    f"a mail of {one.size:,} bytes was not read: max_mail_mib = {most}; set it "
                    "higher if such mails matter.",
                ),
            )
        raw = await self._do(imap, imap.head, one.uid)
        if raw is None:  # deleted meanwhile
            return None
        arrived = one.at or self._context.now()
        whole = len(raw) < HEAD_BYTES
        return await asyncio.to_thread(self._reader.read, raw, arrived, whole=whole)

    def _letter(self, one: Arrival, error: RejectedError) -> Unreadable:
        """Where the mail stands, and nothing of what is in it: that is somebody's letter."""
        where = {"folder": self._config.folder, "uid": one.uid, "size": one.size}
        return Unreadable(one.uid, orjson.dumps(where), error.kind, str(error))

    async def _do(
        self, imap: Imap, work: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs
    ) -> _T:
        """Run one call of the connection in a thread, which never outlives its time."""
        try:
            async with asyncio.timeout(self._config.timeout_seconds):
                return await asyncio.to_thread(work, *args, **kwargs)
        except TimeoutError as error:
            imap.cut()
            host = self._config.host
            raise SourceError(
                "unreachable", say(f"{host} 没有及时回答。", f"{host} did not answer in time.")
            ) from error
