"""Discuz! X forums: the newest threads, through the site's own RSS.

A source in the settings::

    [sources.yunfan-bbs]
    use = "discuz"
    url = "https://bbs.example.com"
    fids = [2, 37]                      # numbers of the boards; none: the feed of all
    zone = "Asia/Shanghai"
    contact = "listening@example.com"

Delivery: at least once. The cursor holds the newest threads told (``watch_posts``) and moves with
acknowledged batches. Threads are known by site and ``tid``, since the feed has no guid. Edits of
the first words come as a new revision. A thread that is missing between others is looked for at its
own page, and told as deleted when the site says that it is (and doesn't say so of all threads).
Limits: only the 20 newest threads of a board, no replies, at most 250 characters of the first post,
and nothing of protected ones: that is all Discuz! puts into its RSS. Quotes can't be told from own
words there. What falls out of the feed between two polls is not seen; list the boards in ``fids``.
An empty feed means nothing: Discuz! answers so while it renews its cache. It is asked again after
half a minute, and a feed that stays empty is reported as a trouble, not as calm.
Quota: none; the feed's ``ttl`` (30 minutes by default) is respected, asking earlier brings nothing.
Terms of use: those of the site; ask its operator. A site that offers RSS wants it read.
"""

import re
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from html import escape

from pydantic import Field, field_validator

from connectors.base import Batch, Context, Cursor, Way
from connectors.cells import time_zone
from connectors.feed_entry import Entry, FeedPage
from connectors.feed_text import repaired
from connectors.forum import ForumConfig, ForumPost, Site
from connectors.forum_feed import as_html, missing_from, query_of, read_forum_feed
from connectors.forum_watch import Found, Told, Watch
from connectors.local_times import read_local_time
from connectors.polling import poll_for_ever
from connectors.trouble import SourceError
from schemas.errors import RejectedError
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["Discuz"]

_AGAIN_SECONDS = 30.0
_EMPTY_SECONDS = 600.0
_MOST_ASKED = 5
_GONE = (404, 410)
_REFUSED = re.compile("指定的主[题題]不存在或已被[删刪]除")
#: What addresses look like that are rewritten: thread-4711-1-1.html
_REWRITTEN = re.compile(r"thread-(\d{1,15})\b")
_TID = re.compile(r"\d{1,15}", re.ASCII)


class Discuz:
    """Yields the new, edited and deleted threads of one site, for ever."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(ForumConfig):
        """Options of ``discuz``."""

        every_seconds: float = Field(
            1_800,
            ge=60,
            le=86_400,
            description="Seconds between two polls, give or take a tenth; at least the feed's ttl.",
        )
        fids: tuple[int, ...] = Field(
            (), max_length=200, description="Numbers of the boards (fid); none: the feed of all."
        )
        zone: str = Field(
            "Asia/Shanghai", description="The site's time zone, for times that name none."
        )

        @field_validator("fids")
        @classmethod
        def _check_fids(cls, fids: tuple[int, ...]) -> tuple[int, ...]:
            if any(fid < 1 for fid in fids):
                raise ValueError(say("fid 应是正整数", "a fid is a positive number"))
            return fids

        @field_validator("zone")
        @classmethod
        def _check_zone(cls, zone: str) -> str:
            time_zone(zone)
            return zone

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        self._site = Site("discuz", config, name)
        self._web = config.web(context)
        self._zone = time_zone(config.zone)
        self._fresh_until: datetime | None = None

    def total(self) -> int | None:
        """Unknown: a forum goes on."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever, from the cursor on.

        Raises:
            SourceError: the site can't be read now, or one of its boards; the others were told.
        """
        return poll_for_ever(self._poll, cursor, self._context, self._config.every_seconds)

    async def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        config, now = self._config, self._context.now
        watch = Watch(cursor, self._site, config.watch_posts, now(), config.history_days)
        failed: SourceError | None = None
        if self._fresh_until is None or now() >= self._fresh_until:
            ttl_seconds = 0.0
            for fid in config.fids or (0,):
                try:
                    page = await self._fetch(fid)
                except SourceError as error:
                    if error.trouble in ("unreachable", "quota", "login", "captcha"):
                        raise
                    failed = error
                    continue
                ttl_seconds = max(ttl_seconds, page.ttl_seconds)
                found = self._found(page.entries, fid, watch)
                gone = await self._deleted(watch, missing_from(watch, str(fid), found), found)
                news = [one for item in found if (one := watch.news(item)) is not None]
                news += [watch.gone(told) for told in gone]
                if news:
                    yield watch.batch(news, now(), quota_left=self._web.quota.left())
            if failed is None:
                self._fresh_until = now() + timedelta(seconds=ttl_seconds)
        watch.settle()
        yield watch.batch([], now(), quota_left=self._web.quota.left())
        if failed is not None:
            raise failed

    async def _fetch(self, fid: int) -> FeedPage:
        """A board's feed; asked for twice when it is empty."""
        params: dict[str, str | int] = {"mod": "rss"} | ({"fid": fid} if fid else {})
        for wait in (_AGAIN_SECONDS, None):
            answer = await self._web.get(f"{self._site.address}/forum.php", params=params)
            page = read_forum_feed(answer.checked(), self._site.name, self._zone)
            if page.entries:
                return page
            if wait is not None:
                await self._context.sleep(wait)
        which = say(f"版块 {fid}", f"board {fid}") if fid else say("全站", "all boards")
        raise SourceError(
            "server",
            say(
                f"{self._site.name}（{which}）的 RSS 是空的，可能正在重建缓存；"
                "不知道有没有新主题，稍后再看。",
                f"the RSS of {self._site.name} ({which}) is empty, perhaps while its cache is "
                "renewed; whether there are new threads is unknown.",
            ),
            retry_after_seconds=_EMPTY_SECONDS,
        )

    def _found(self, entries: Sequence[Entry], fid: int, watch: Watch) -> list[Found]:
        found = []
        for place, entry in enumerate(entries, 1):
            number = None
            try:
                number = _tid(entry)
                found.append(Found.of(self._post(entry, number, fid, watch), self._site))
            except RejectedError as error:
                found.append(Found.unreadable(place, entry.raw, number, error))
        return sorted(found, key=lambda one: one.number)

    def _post(self, entry: Entry, tid: int, fid: int, watch: Watch) -> ForumPost:
        key, author = str(tid), (entry.author or "").strip()
        return ForumPost(
            number=tid,
            key=key,
            at=watch.first_at(key) or self._time(entry),
            author_id=f"@{author}" if author else "",
            author_name=author,
            topic=str(fid),
            html=as_html(entry.summary or entry.content),
            title=escape(entry.title.plain()) if entry.title is not None else "",
            url=self._address(tid),
        )

    def _time(self, entry: Entry) -> datetime:
        said = entry.published or entry.updated or ""
        try:
            return read_local_time(said, self._context.now(), self._zone)
        except ValueError as error:
            found = entry.published_at or entry.updated_at
            if found is None:
                raise RejectedError(
                    "schema", say(f"时间 {said[:50]!r} 读不懂", f"no time: {said[:50]!r}")
                ) from error
            return found

    async def _deleted(
        self, watch: Watch, missing: list[Told], found: Sequence[Found]
    ) -> list[Told]:
        """Those of whose own page the site says that there is no such thread."""
        gone = []
        for told in missing[:_MOST_ASKED]:
            if not await self._refused(told.number):
                watch.unlisted(told)
            else:
                gone.append(told)
        # A site that shows guests no thread at all says the same of every one.
        if gone and found and await self._refused(found[-1].number):
            return []
        return gone

    async def _refused(self, tid: int) -> bool:
        answer = await self._web.get(self._address(tid))
        if answer.status in _GONE:
            return True
        body, _ = repaired(answer.checked().body, answer.headers.get("content-type", ""))
        return _REFUSED.search(body.decode()) is not None

    def _address(self, tid: int) -> str:
        return f"{self._site.address}/forum.php?mod=viewthread&tid={tid}"


def _tid(entry: Entry) -> int:
    """The thread's number in its link."""
    link = entry.link or entry.id or ""
    tid = query_of(link).get("tid", "")
    if not _TID.fullmatch(tid):
        rewritten = _REWRITTEN.search(link)
        tid = rewritten[1] if rewritten else ""
    if not tid or int(tid) < 1:
        raise RejectedError("schema", say("条目的链接里没有 tid", "no tid in the link"))
    return int(tid)
