"""Weibo's Open API: timelines, mentions, comments, reposts and searches, asked again and again.

For the company's own account and the accounts of competitors and of the trade (with the comments of
their latest posts)::

    [sources.weibo-yunfan]
    use = "weibo"
    access_token = { env = "WEIBO_ACCESS_TOKEN" }
    watch = [
        { what = "mentions" },
        { what = "comments-to-me" },
        { what = "user", of = "1234567890", comments = true },
        { what = "topic", of = "云帆水壶" },
    ]
    comments_of_posts = 2   # each a call a look

Delivery: at least once. Each list is read from its newest item down to where it was read before,
and told oldest first; the cursor moves with each batch. A look goes back ``overlap_seconds``
further than it has to, since posts become visible late; what was told and has not changed is not
told again. A walk that is cut short (pages, quota, an error) leaves a gap in the cursor that the
next look fills. Deletions come as new revisions of the post, from asking for its id again or from
its reposts.
Limits: the very first look takes ``first_pages`` pages of each list. ``topic`` knows pages only:
more than ``max_pages`` pages of news between two looks are lost. More than 2,000 posts within
``overlap_seconds``, or between two re-checks, may be told twice. Comments that were deleted are not
noticed. Long posts are told with their whole text, but edits of them are seen by the re-check only.
The quota is counted per source: two sources with one token or from one address share what the
platform allows, so divide it in the settings.
Quotas: 100 calls a day and user, 15,000 an hour and address (business hosts: 50,000) are Weibo's
latest public figures. A look takes a call per list (``topic`` two), one for each of the
``comments_of_posts``, now and then one for re-checks, and looks are spaced so that the day's calls
last the day; further pages and long texts put the next look off. With 100 calls a day the example
looks every two to three hours, three lists without comments every hour or two; with 2,000 calls it
looks every six to ten minutes. At the end of the quota (10022-10024) it waits for the full hour.
Token: ``tingchao weibo-token`` gets one for a code. It can't be renewed without a person: from
``warn_days`` before its end ``tingchao sources`` says so; the new one is read when ingest restarts.
Terms of use: the developer agreement of open.weibo.com allows the data of users who authorised the
app, and others by contract only; data may not be passed on, and deleted posts have to be deleted.
What it can't see: accounts that did not authorise the app (without a business contract), posts
without a mention unless searched for, posts that are not public, private messages.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import Field, SecretStr, model_validator

from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.polling import PollConfig, poll_for_ever
from connectors.trouble import SourceError
from connectors.weibo_api import TOKEN_CHECK_SECONDS, ApiError, WeiboApi
from connectors.weibo_by_id import ById
from connectors.weibo_found import Finder, Found
from connectors.weibo_lists import ALL_NEW, ENDPOINTS, Mark, Watch, walk
from connectors.weibo_pace import Pace, seconds_of
from connectors.weibo_told import Told
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["Weibo"]

MAX_BATCH_POSTS = 200
_MOST_PAUSES = 2.5
"""How far a look is put off; at three pauses a source passes for stalled."""
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class Weibo:
    """Polls the lists that ``watch`` names."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(PollConfig):
        """Options of ``weibo``."""

        every_seconds: float = Field(
            300,
            ge=5,
            le=86_400,
            description="Seconds between two looks, give or take a tenth; more where calls_per_day "
            "would not last: see Quotas.",
        )
        access_token: SecretStr = Field(description="OAuth2 token of the account that reads.")
        watch: tuple[Watch, ...] = Field(
            min_length=1,
            max_length=200,
            description="Lists to read: what = home, user, mentions, comment-mentions, "
            "comments-to-me, comments, reposts, topic or search, and of whom or what.",
        )
        business: bool = Field(
            False, description="Use the business endpoints (c.api.weibo.com), where there are any."
        )
        host: str = Field(
            "https://api.weibo.com", pattern=r"^https?://\S+$", description="Open API."
        )
        business_host: str = Field(
            "https://c.api.weibo.com", pattern=r"^https?://\S+$", description="Business API."
        )
        calls_per_day: int = Field(
            100, ge=0, description="Calls that the user has in a day; 0: without limit."
        )
        calls_per_hour: int = Field(
            15_000, ge=0, description="Calls that our address has in an hour; 0: without limit."
        )
        max_pages: int = Field(10, ge=2, le=100, description="Pages per list and look.")
        first_pages: int = Field(1, ge=1, le=100, description="Pages per list at the first look.")
        overlap_seconds: float = Field(
            600, ge=0, le=86_400, description="How much further back a look goes than it has to."
        )
        comments_of_posts: int = Field(
            5, ge=1, le=50, description="How many latest posts of an account have comments read."
        )
        long_texts: bool = Field(
            True, description="Ask for the whole text of long posts: one call for fifty."
        )
        limited_posts: bool = Field(
            False, description="Also take posts that their author shows to some people only."
        )
        recheck_posts: int = Field(
            200, ge=0, le=1_000, description="Latest posts asked for again, for deletions; 0: none."
        )
        recheck_seconds: float = Field(
            3_600, ge=60, le=604_800, description="Pause between two such calls for fifty posts."
        )
        warn_days: float = Field(
            7, ge=0, le=365, description="Warn so long before the token expires."
        )

        @model_validator(mode="after")
        def _check_watch(self) -> "Weibo.Config":
            keys = [one.key for one in self.watch]
            if len(set(keys)) < len(keys):
                raise ValueError(say("watch 有重复的条目", "watch names a list twice"))
            for one in self.watch:
                if ENDPOINTS[one.what].only_business and not self.business:
                    raise ValueError(
                        say(
                            f"what = {one.what!r} 只在商业接口提供，需要 business = true",
                            f"what = {one.what!r} is a business endpoint: set business = true",
                        )
                    )
                if self.business and one.what == "user" and not one.of.isdigit():
                    raise ValueError(
                        say(
                            f"商业接口按 uid 读用户：{one.of!r} 应是数字",
                            f"business endpoints take a uid: {one.of!r} must be a number",
                        )
                    )
            each_look = self.pace().each_look
            if 0 < self.calls_per_day < each_look:
                raise ValueError(
                    say(
                        f"calls_per_day = {self.calls_per_day} 不够看一轮：watch 每轮要调用 "
                        f"{each_look} 次；请减少 watch 或 comments_of_posts",
                        f"calls_per_day = {self.calls_per_day} is less than one look: watch takes "
                        f"{each_look} calls; watch less, or lower comments_of_posts",
                    )
                )
            return self

        def pace(self) -> Pace:
            """What looks at these lists cost."""
            return Pace.of(
                self.watch,
                comments_of_posts=self.comments_of_posts,
                long_texts=self.long_texts,
                seldom=(TOKEN_CHECK_SECONDS, *([self.recheck_seconds] * bool(self.recheck_posts))),
            )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._config = config
        self._context = context
        self._finder = Finder(name, context, limited_posts=config.limited_posts)
        self._api = WeiboApi(
            context,
            token=config.access_token.get_secret_value(),
            host=config.host,
            business_host=config.business_host,
            calls_per_day=config.calls_per_day,
            calls_per_hour=config.calls_per_hour,
            warn_days=config.warn_days,
            contact=config.contact,
            allow_private=config.allow_private,
        )
        self._by_id = ById(self._api, context, business=config.business)
        self._pace = config.pace()
        self._paid_until = self._began = context.now()
        self.every_seconds = max(config.every_seconds, self._pace.seconds(config.calls_per_day))

    def total(self) -> int | None:
        """Unknown: it never ends."""
        return None

    async def batches(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """Yield what the lists have to tell; never ends by itself.

        Raises:
            SourceError: a list or the whole API can't be read now; what others told came first.
        """
        async for batch in poll_for_ever(self._poll, cursor, self._context, self.every_seconds):
            yield batch

    async def _poll(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        """One look, once the calls of those before are paid for with time."""
        owed = min((self._paid_until - self._context.now()).total_seconds(), self._patience())
        if owed > 0:
            await self._context.sleep(owed)
        await self._api.wait_for(self._pace.most, self._patience())
        before, self._began = self._api.calls, self._context.now()
        try:
            async with aclosing(self._look_at_all(cursor)) as found:
                async for batch in found:
                    yield batch
        finally:
            worth = seconds_of(self._api.calls - before, self._config.calls_per_day)
            self._paid_until = max(self._paid_until, self._began) + timedelta(seconds=worth)

    def _patience(self) -> float:
        """How long the look may still be put off."""
        most = _MOST_PAUSES * self.every_seconds
        return min(most, most - (self._context.now() - self._began).total_seconds())

    async def _look_at_all(self, cursor: Cursor) -> AsyncGenerator[Batch, None]:
        config = self._config
        told = Told(cursor, most_recent=config.recheck_posts)
        told.began_at = told.began_at or int(self._context.now().timestamp())
        troubles: list[SourceError] = []
        last: Cursor | None = None
        await self._api.check_token()
        for watch in config.watch:
            async for batch in self._look(watch, told, troubles):
                yield batch
                last = batch.cursor
            for post_id in told.posts(watch.key) if watch.comments else ():
                under = Watch(what="comments", of=post_id)
                refused: list[SourceError] = []
                async for batch in self._look(under, told, refused):
                    yield batch
                    last = batch.cursor
                # A post that was deleted meanwhile has no comments, and nobody has to act.
                troubles += [error for error in refused if error.trouble != "gone"][:1]
        async for batch in self._look_again(told):
            yield batch
            last = batch.cursor
        told.forget_but(one.key for one in config.watch)
        if told.cursor() != last and (len(troubles) < len(config.watch) or last is not None):
            yield self._batch([], [], told)
        if troubles:
            raise self._together(troubles)

    def _together(self, troubles: Sequence[SourceError]) -> SourceError:
        more = say(f"（另有 {len(troubles) - 1} 处）", f" (and {len(troubles) - 1} more)")
        return SourceError(
            troubles[0].trouble,
            f"{troubles[0]}{more if len(troubles) > 1 else ''}",
            retry_after_seconds=self.every_seconds,
        )

    async def _look(
        self, watch: Watch, told: Told, troubles: list[SourceError]
    ) -> AsyncIterator[Batch]:
        """One list: first the gap that was left, then what is new."""
        try:
            async for batch in self._fill_gap(watch, told):
                yield batch
            async for batch in self._news(watch, told):
                yield batch
        except ApiError as error:
            if error.reach == "source":
                raise
            troubles.append(error)  # the other lists can be read all the same

    async def _fill_gap(self, watch: Watch, told: Told) -> AsyncIterator[Batch]:
        before = told.mark(watch.key)
        if not before.gaps:
            return
        gap = before.gaps[-1]
        found = await walk(
            self._api,
            watch,
            low=gap[0],
            high=gap[1],
            stop_at=0,
            pages=self._config.max_pages,
            business=self._config.business,
        )
        mark = before.without_gap(gap)
        if not found.finished:
            mark = mark.with_gap(gap[0], min(_below(watch, found.lowest), gap[1]))
        items = await self._whole_texts(told, found.items)
        for part in self._in_parts(watch, told, items):
            seen, unreadable = self._unheard(watch, told, part)
            # What stands above these is open until it is acknowledged too.
            open_still = mark.with_gap(_above(watch, part[-1].place), gap[1])
            told.put(watch.key, open_still)
            if seen or unreadable:
                yield self._batch(seen, unreadable, told)
        told.put(watch.key, mark)
        if found.trouble is not None:
            yield self._batch([], [], told)
            raise found.trouble

    async def _news(self, watch: Watch, told: Told) -> AsyncIterator[Batch]:
        mark, config = told.mark(watch.key), self._config
        first = mark.newest == 0
        found = await walk(
            self._api,
            watch,
            low=mark.since,
            high=0,
            stop_at=mark.newest,
            pages=config.first_pages if first else config.max_pages,
            business=config.business,
        )
        if first:
            mark = Mark(max(0, found.lowest - 1)) if found.items else ALL_NEW
        elif not found.finished and found.lowest > mark.newest and not _by_page(watch):
            mark = mark.with_gap(_above(watch, mark.newest), _below(watch, found.lowest))
        told.put(watch.key, mark)
        items = await self._whole_texts(told, found.items)
        passed: list[Found] = []
        for part in self._in_parts(watch, told, items):
            seen, unreadable = self._unheard(watch, told, part)
            passed += part
            mark = self._moved(mark, passed)
            told.put(watch.key, mark)
            if seen or unreadable:
                yield self._batch(seen, unreadable, told)
        if found.trouble is not None:
            raise found.trouble

    def _in_parts(self, watch: Watch, told: Told, items: Sequence[Any]) -> Iterator[list[Found]]:
        """What one walk found, oldest first, a batch at a time."""
        found = sorted(self._finder.read(watch, told, items), key=lambda one: one.place)
        for start in range(0, len(found), MAX_BATCH_POSTS):
            yield found[start : start + MAX_BATCH_POSTS]

    def _moved(self, mark: Mark, found: Sequence[Found]) -> Mark:
        """The mark behind these, which are in order."""
        newest = max(mark.newest, found[-1].place)
        drafts = [one for one in found if isinstance(one.what, PostDraft)]
        if not drafts:
            return replace(mark, newest=newest)
        latest = min(drafts[-1].published_at, self._context.now())
        overlap = timedelta(seconds=self._config.overlap_seconds)
        settled = latest - min(overlap, latest - _BEGINNING)  # a post may claim the year 1
        old = [one.place for one in drafts if one.published_at <= settled]
        return replace(mark, since=max([mark.since, *old]), newest=newest)

    def _unheard(
        self, watch: Watch, told: Told, found: Sequence[Found]
    ) -> tuple[list[Seen], list[Unreadable]]:
        seen: list[Seen] = []
        unreadable: list[Unreadable] = []
        at = self._context.now()
        for one in (found_one.what for found_one in found):
            if isinstance(one, Unreadable):
                if told.known.unheard(one.raw):
                    unreadable.append(one)
                continue
            if told.known.news(one):
                seen.append(Seen(one, at))
                if one.kind in ("post", "repost"):
                    told.remember(one)
            if watch.comments and not one.deleted:
                told.add_post(watch.key, one, self._config.comments_of_posts)
        return seen, unreadable

    async def _whole_texts(self, told: Told, items: Sequence[Any]) -> Sequence[Any]:
        if not self._config.long_texts:
            return items
        return await self._by_id.with_whole_texts(items, told)

    async def _look_again(self, told: Told) -> AsyncIterator[Batch]:
        """Ask for some of the latest posts again: deleted and edited ones become news."""
        if not self._config.recheck_posts:
            return
        items = await self._by_id.again(told, self._config.recheck_seconds)
        if items is not None:
            as_in = Watch(what="home")
            seen, unreadable = self._unheard(
                as_in, told, list(self._finder.read(as_in, told, items))
            )
            yield self._batch(seen, unreadable, told)

    def _batch(self, seen: list[Seen], unreadable: list[Unreadable], told: Told) -> Batch:
        return Batch(
            seen,
            told.cursor(),
            unreadable,
            quota_left=self._api.quota.left(),
            warning=self._api.warning,
        )


def _by_page(watch: Watch) -> bool:
    return ENDPOINTS[watch.what].down == "page"


def _above(watch: Watch, place: int) -> int:
    """Where reading goes on above an item; of a second there may be more items."""
    return place if ENDPOINTS[watch.what].down == "id" else max(0, place - 1)


def _below(watch: Watch, place: int) -> int:
    """Where reading goes on below an item; of a second there may be more items."""
    return place - 1 if ENDPOINTS[watch.what].down == "id" else place
