"""Feeds: RSS 0.9x to 2.0, RSS 1.0, Atom, JSON Feed; an RSSHub of yours; hot lists as JSON.

::

    [sources.forum]
    use = "feed"
    urls = ["https://bbs.example/forum.php?mod=rss&fid=2"]
    platform = "bbs"

    [sources.bridge]
    use = "feed"
    rsshub = { base = "http://127.0.0.1:1200", routes = ["weibo keyword 云帆", "zhihu hot"] }

    [sources.boards]
    use = "feed"
    boards = { weibo-hot = "https://newsnow.example/api/s?id=weibo" }

Delivery: at least once. Validators (ETag, Last-Modified) are kept with the posts of their answer,
so only once those are acknowledged. An entry is its guid or id, else its link (a Discuz! link: its
``tid``), else what it says and when; Weibo posts of an RSSHub have the ids that Weibo gives them.
An entry that changed is a new revision. Without a date it has the time at which it was seen first.
Each sighting on a hot list is a post of kind ``hot``.
Limits: a feed shows its latest entries only (20 to 50 as a rule): what comes and goes between two
polls is missed, unless the feed links to older entries (JSON Feed's ``next_url``, Atom's ``next``).
What was deleted is not seen to be so. Many servers (Isso, for one) send the same ETag after an
edit, so validators are left out once in ``recheck_seconds``. An address that says that it is gone
for good (410, or ``expired`` in a JSON Feed) is told as trouble and not asked again. At most 10,000
entries for all addresses of a source together; of longer feeds the newest count.
Quotas: one request at a time, to each address at most every ``every_seconds``, the feed's own
``ttl`` and the site's ``Crawl-delay``; ``Retry-After`` is kept. Routes of an RSSHub ask their
platforms as often as its cache allows.
Terms of use: a feed is published to be read by programs; what robots.txt forbids is not fetched
(``ignore_robots`` says why, where the site agreed). An RSSHub and a newsnow of your own fetch from
platforms whose terms may forbid it: whoever runs them answers for that.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Self
from urllib.parse import urljoin

import httpx
from pydantic import Field, field_validator, model_validator

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.cells import time_zone
from connectors.feed_address import Address, Platform, Url, addresses
from connectors.feed_boards import Board, board_of_entries, read_board, sightings
from connectors.feed_entry import FeedPage
from connectors.feed_memory import FeedMemory
from connectors.feed_posts import PostMaker
from connectors.feed_reader import read_feed
from connectors.feed_routes import RsshubConfig
from connectors.polling import PollConfig, poll_for_ever
from connectors.robots import Robots
from connectors.trouble import SourceError
from connectors.web import Answer, Web
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import PostDraft, PostKind
from schemas.source_status import Backfill

__all__ = ["MAX_ADDRESSES", "MAX_ENTRIES", "Feed"]

MAX_ADDRESSES = 50
MAX_ENTRIES = 10_000
"""Of all addresses of a source together: the cursor remembers twice as many."""

_MOST_OF_ONE = 2_000
_BATCH = 500
_MOST_NAMED = 3
_MOST_SHOWN = 80
_MOST_OLDER_PAGES = 10
_FAILED_SECONDS = 60.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


class Feed:
    """Polls feeds and hot lists and yields what is new or has changed, oldest first."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(PollConfig):
        """Options of ``feed``."""

        urls: tuple[Url, ...] = Field((), description="Addresses of feeds, of any format.")
        platform: Platform = Field(
            "web", description="Platform of the posts of urls; part of their ids."
        )
        kind: PostKind = Field("post", description="Kind of the posts of urls.")
        rsshub: RsshubConfig | None = Field(
            None, description="Your own RSSHub and what to take from it, by short names."
        )
        boards: dict[Platform, Url] = Field(
            {}, description="Hot lists as JSON (newsnow and its kin): platform = address."
        )
        zone: str = Field("Asia/Shanghai", description="Zone of dates that name none.")
        recheck_seconds: float = Field(
            3_600,
            ge=0,
            le=7 * 86_400,
            description="After so long a feed is fetched whole, whatever its ETag says.",
        )
        ignore_robots: str | None = Field(
            None,
            min_length=10,
            max_length=500,
            description="Why robots.txt does not count here, for example: agreed by mail, by whom.",
        )

        @field_validator("zone")
        @classmethod
        def _known_zone(cls, name: str) -> str:
            time_zone(name)
            return name

        @model_validator(mode="after")
        def _something(self) -> Self:
            found = _addresses(self)
            if not 1 <= len(found) <= MAX_ADDRESSES:
                raise ValueError(
                    say(
                        f"urls、rsshub、boards 合计要有 1 到 {MAX_ADDRESSES} 个地址",
                        f"urls, rsshub and boards must name 1 to {MAX_ADDRESSES} addresses",
                    )
                )
            if len({address.name for address in found}) < len(found):
                raise ValueError(say("同一个地址写了两次", "an address is named twice"))
            return self

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        self._addresses = _addresses(config)
        self._most = min(_MOST_OF_ONE, MAX_ENTRIES // len(self._addresses))
        self._web = Web(context, contact=config.contact, allow_private=config.allow_private)
        self._robots = None if config.ignore_robots else Robots(self._web, context.now)
        self._zone = time_zone(config.zone)
        self._due: dict[str, datetime] = {}
        self._failing: dict[str, SourceError] = {}
        self._asked: dict[str, datetime] = {}
        self._told_moved: set[str] = set()

    def total(self) -> int | None:
        """Unknown: a feed goes on for ever."""
        return None

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever.

        Raises:
            SourceError: an address fails or is gone for good; the others were asked before.
            FatalError: all addresses are gone for good. Whoever starts it again asks them again.
        """
        names = {address.name for address in self._addresses}
        ours = {key: value for key, value in cursor.items() if key.partition(".")[0] in names}
        async for batch in poll_for_ever(
            self._poll, ours, self._context, self._config.every_seconds
        ):
            yield batch

    async def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        state = dict(cursor)
        asked = False
        left = [address for address in self._addresses if not address.ended(state)]
        for address in left or self._addresses:
            due = self._due.get(address.name)
            if due is not None and self._context.now() < due:
                continue
            try:
                async for batch in self._look(address, state):
                    asked = True
                    yield batch
                    state = dict(batch.cursor)
                self._failing.pop(address.name, None)
            except SourceError as error:
                self._failing[address.name] = error
                wait = error.retry_after_seconds or _FAILED_SECONDS
                if len(self._addresses) > 1:  # alone, it is retried as whoever runs us does
                    self._due[address.name] = self._context.now() + timedelta(seconds=wait)
        ended = self._ended(state)
        if len(ended) == len(self._addresses):
            raise FatalError(
                self._told_ended(ended)
                + say("已没有可读的地址，来源停止。", " No address is left, so the source stops.")
            )
        if self._failing:
            # The others go on: the wait that one host asked for is not theirs.
            fault = next(iter(self._failing.values()))
            until = fault.retry_after_seconds if len(self._addresses) == 1 else None
            told = say("", " ").join([str(fault), *([self._told_ended(ended)] if ended else [])])
            raise SourceError(fault.trouble, told, retry_after_seconds=until) from fault
        if not asked:
            yield Batch([], state)
        if ended:
            raise SourceError("gone", self._told_ended(ended))

    def _ended(self, state: Cursor) -> list[Address]:
        return [address for address in self._addresses if address.ended(state)]

    def _told_ended(self, ended: list[Address]) -> str:
        named = say("、", ", ").join(self._place_of(address) for address in ended[:_MOST_NAMED])
        if (more := len(ended) - _MOST_NAMED) > 0:
            named += say(f" 等 {len(ended)} 个", f" and {more} more")
        return say(
            f"已永久停用（410 或 expired），不再读取：{named}；"
            f"请从来源 {self._name} 的设置中去掉，再重启 ingest。",
            f"Gone for good (410 or expired) and no longer asked: {named}; take it out of the "
            f"settings of {self._name}, then restart ingest.",
        )

    def _place_of(self, address: Address) -> str:
        """Where it stands in the settings: without its query, two of a site look the same."""
        number, shown = self._addresses.index(address) + 1, address.shown[:_MOST_SHOWN]
        if number <= len(self._config.urls):
            return say(f"urls 第 {number} 个 {shown}", f"number {number} of urls, {shown}")
        option = "rsshub" if address.own else "boards"
        return say(f"{option} 中的 {shown}", f"{shown} in {option}")

    async def _look(self, address: Address, state: dict[str, str | int]) -> AsyncIterator[Batch]:
        now = self._context.now()
        whole = now.timestamp() - int(state.get(f"{address.name}.whole", 0))
        recheck = whole >= self._config.recheck_seconds
        answer = await self._ask(address, address.url, {} if recheck else address.validators(state))
        if answer.status == 410:
            yield Batch([], address.end(state, answer.at))
            return
        self._wait_for(address)
        if answer.checked().status == 304:
            yield Batch([], state)
            return
        self._tell_if_moved(address, answer)
        state = address.without_validators(state)
        if address.reads == "board":
            yield self._sightings(address, read_board(answer, address.host), state, answer)
            return
        page = await self._read(address, answer)
        self._wait_for(address, page.ttl_seconds)
        if address.reads == "board_feed":
            board = board_of_entries(page.entries, answer.at)
            yield self._sightings(address, board, state, answer)
            return
        async for batch in self._news(address, page, state, answer):
            yield batch

    async def _ask(self, address: Address, url: str, validators: dict[str, str]) -> Answer:
        host = address.host
        if self._robots is not None and not address.own:
            delay = await self._robots.check(url)
            since = (self._context.now() - self._asked.get(host, _LONG_AGO)).total_seconds()
            if since < delay:
                await self._context.sleep(delay - since)
        self._asked[host] = self._context.now()
        params = {"key": address.key} if address.key else None
        answer = await self._web.get(url, params=params, headers=validators)
        return answer

    async def _read(self, address: Address, answer: Answer) -> FeedPage:
        kind = answer.headers.get("content-type", "")
        # Off the loop: a long feed takes a second.
        return await asyncio.to_thread(
            read_feed, answer.body, kind, answer.url, address.host, self._zone
        )

    async def _news(
        self, address: Address, page: FeedPage, state: dict[str, str | int], answer: Answer
    ) -> AsyncIterator[Batch]:
        memory = FeedMemory(state, address.name, 2 * self._most)
        maker = PostMaker(address.platform, address.kind, self._name, address.host)
        items = await asyncio.to_thread(memory.items, page, maker, answer.at)
        expired = page.expired
        for _ in range(_MOST_OLDER_PAGES):
            # Fetched before anything is told, since the oldest comes first.
            older = _within(address, answer.url, page.next_url)
            if older is None or not memory.misses(items):
                break
            try:
                behind = (await self._ask(address, older, {})).checked()
                page = await self._read(address, behind)
            except SourceError as error:
                log.warning("%s: %s", self._name, error)  # the news at hand must not wait for it
                break
            items += await asyncio.to_thread(memory.items, page, maker, answer.at)
        news = memory.news(items, self._most)
        while True:
            piece = list(islice(news, _BATCH))
            if len(piece) < _BATCH:
                break
            yield _batch(piece, state | memory.kept(), answer.at)
        # An empty channel says nothing (Discuz! rebuilds its cache): ask for the whole again.
        kept = address.validators_of(answer) if items else {}
        cursor = address.end(state, answer.at) if expired else state | memory.kept() | kept
        yield _batch(piece, cursor, answer.at)

    def _sightings(
        self, address: Address, board: Board, state: dict[str, str | int], answer: Answer
    ) -> Batch:
        if not board.rows and not board.unreadable:
            return Batch([], state)
        look = f"{address.name}.look"
        state = state | address.validators_of(answer)
        second = int(board.at.timestamp())
        if second <= int(state.get(look, -1)):
            return Batch([], state)  # the server's own cache: the same look again
        seen, unreadable = sightings(board, address.platform, self._name)
        return Batch(seen, state | {look: second}, unreadable)

    def _tell_if_moved(self, address: Address, answer: Answer) -> None:
        if answer.moved_to is None or answer.moved_to in self._told_moved:
            return
        self._told_moved.add(answer.moved_to)
        log.warning(
            say(
                "来源 %s：%s 已永久搬到 %s，请核对后修改设置",
                "source %s: %s has moved to %s for good; check that and change the settings",
            ),
            self._name,
            address.shown,
            answer.moved_to.partition("?")[0],
        )

    def _wait_for(self, address: Address, ttl_seconds: float = 0.0) -> None:
        # Less than the pause between two polls, which has a jitter of a tenth.
        seconds = max(0.85 * self._config.every_seconds, ttl_seconds)
        self._due[address.name] = self._context.now() + timedelta(seconds=seconds)


def _batch(items: list[PostDraft | Unreadable], cursor: Cursor, at: datetime) -> Batch:
    seen = [Seen(item, at) for item in items if isinstance(item, PostDraft)]
    return Batch(seen, cursor, [item for item in items if isinstance(item, Unreadable)])


def _within(address: Address, base: str, link: str | None) -> str | None:
    """The address of a link on the same host: a feed may not send us to others."""
    try:
        found = urljoin(base, link) if link else None
        return found if found and httpx.URL(found).host == address.host else None
    except (ValueError, httpx.InvalidURL):
        return None


def _addresses(config: "Feed.Config") -> list[Address]:
    return addresses(config.urls, config.platform, config.kind, config.boards, config.rsshub)
