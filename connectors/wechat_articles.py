"""WeChat Official Account: its published articles, their comments and their figures, by polling.

::

    [sources.our-articles]
    use = "wechat-articles"
    app_id = "wx1234567890abcdef"
    app_secret = { file = "wechat.secret" }
    id_secret = { env = "ID_SECRET" }     # a long random text of your own

The address that we call from must be on the account's IP whitelist.

Delivery: at least once. Each poll reads all comments of the articles of the last hours; the older
an article, the longer the pause (a twenty-fourth of its age, at most 12 hours), and longer still
when a day's calls would not last. What was told is remembered, so that only news is yielded. An
article comes again when it was deleted or its figures doubled.
Limits: comments can't be seen to be deleted, and the account's own answers below them are not
carried on. Comments are asked for by the ``mid`` and ``idx`` of an article's address or, where that
is short, by the id that the statistics give for its title, a day later. Figures are those of the
day before, ready after 8 o'clock in Beijing, of an article's first seven days. A comment that
appears more than a day after it was written may be missed. Of several pages of articles only the
first is listed every hour, all of them every so many hours: so late a deletion may be seen.
It cannot see: other accounts' articles, articles by keyword, likes (在看), who reads.
Quotas: a token per two hours; fewer than 50 pages of the list of articles a day (WeChat allows
100); at most seven statistics a day; one call per article and 49 comments each look.
``calls_per_day`` bounds the sum: used up, it is told, and waited for. A function whose calls WeChat
says are used up (45009) is not asked until midnight in Beijing; the others go on.
Terms: an openid is personal information; only its keyed hash is handed on. The API serves the
account's owner for the account's own content.
"""

from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from pydantic import Field, SecretStr

from connectors.answer import raw_bytes, shown
from connectors.base import Batch, Context, Cursor, Seen, Unreadable, Way
from connectors.known import Known
from connectors.polling import PollConfig, poll_for_ever
from connectors.quota import Limit, Quota, span
from connectors.trouble import SourceError
from connectors.web import Web
from connectors.wechat_api import (
    BEIJING,
    FunctionError,
    NotGranted,
    UsedUp,
    WechatApi,
    list_of,
    whole,
)
from connectors.wechat_crypto import IdSecret, keyed_hash
from connectors.wechat_published import (
    Article,
    article_draft,
    comment_draft,
    read_articles,
    take_figures,
)
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["WechatArticles"]

LIST_PAGE = 20
MAX_LIST_PAGES = 5
COMMENT_PAGE = 49
"""WeChat refuses 50 and more."""
MAX_COMMENT_PAGES = 200
LIST_EVERY = timedelta(hours=1)
LISTS_PER_DAY = 95
"""WeChat allows 100."""
AGE_PER_PAUSE = 24
MOST_PAUSE = timedelta(hours=12)
"""Between two looks at an article's comments, however old it is."""
SPENT_ON_COMMENTS = 0.8
"""Of ``calls_per_day``."""
LATE = timedelta(days=1)
"""How long after it was written a comment may first appear."""
FIGURE_DAYS = 7
FIGURES_READY = 8
"""The hour in Beijing from which yesterday's figures are there."""
MAX_KNOWN = 3_000
MAX_PARKED = 1_000


@dataclass(slots=True)
class _Poll:
    """What one poll has found so far."""

    known: Known
    read: dict[str, None]
    """Articles whose comments were read to the end before."""
    until: datetime
    """When the last whole poll began."""
    unreadable: list[Unreadable] = field(default_factory=list)
    """What the next batch has to tell of."""
    refused: list[FunctionError] = field(default_factory=list)
    """Functions of the API that can't be used."""


class WechatArticles:
    """Polls one account."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(PollConfig):
        """Options of ``wechat-articles``."""

        every_seconds: float = Field(
            900, ge=60, le=86_400, description="Seconds between two polls, give or take a tenth."
        )
        app_id: str = Field(pattern=r"^\S{1,64}$", description="The account's AppID, as in wx….")
        app_secret: SecretStr = Field(description="The account's AppSecret.")
        id_secret: IdSecret = Field(
            description="Secret of yours, of 16 characters or more: people's ids are stored as "
            "hashes made with it. The same for all WeChat sources."
        )
        comments: bool = Field(True, description="Read the comments of articles.")
        statistics: bool = Field(True, description="Read how often articles are read and shared.")
        days: int = Field(7, ge=1, le=90, description="Articles are watched for so many days.")
        calls_per_minute: int = Field(60, ge=1, description="Most calls in a minute.")
        calls_per_day: int = Field(5_000, ge=100, description="Most calls in 24 hours.")
        api: str = Field(
            "https://api.weixin.qq.com",
            pattern=r"^https?://\S+$",
            description="Address of WeChat's API, or of a proxy of yours with a fixed address.",
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        limits = [Limit(config.calls_per_minute, 60), Limit(config.calls_per_day, 86_400)]
        self._quota = Quota(limits, context.now, context.sleep)
        web = Web(
            context,
            contact=config.contact,
            quota=self._quota,
            allow_private=config.allow_private,
        )
        self._api = WechatApi(web, context, config.api, config.app_id, config.app_secret)
        self._articles: dict[str, Article] = {}
        self._listed_at: datetime | None = None
        self._list_all_at: datetime | None = None
        self._lists = Quota([Limit(LISTS_PER_DAY, 86_400)], context.now, context.sleep)
        self._closed: dict[str, NotGranted] = {}
        """By article: the refusal of its comments."""
        self._counted: date | None = None
        self._parked: set[bytes] = set()

    def total(self) -> int | None:
        """Unknown: people comment for ever."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever.

        Raises:
            SourceError: the API can't be asked or refuses; when only some function is not granted,
                after all the others were read.
            FatalError: the app id or secret is wrong.
        """
        return poll_for_ever(self._poll, cursor, self._context, self._config.every_seconds)

    async def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        began = self._context.now()
        poll = _Poll(
            Known(str(cursor.get("known", "")), MAX_KNOWN),
            dict.fromkeys(str(cursor.get("read", "")).split()),
            datetime.fromtimestamp(int(cursor.get("until", 0)), UTC),
        )
        await self._refresh(poll, began)
        stretch = self._stretch(began)
        for article in sorted(self._articles.values(), key=lambda one: one.published_at):
            pause = self._pause(article, began) * stretch
            async for drafts in self._look(article, poll, pause):
                seen = [Seen(one, self._context.now()) for one in drafts if poll.known.news(one)]
                if seen or poll.unreadable:
                    yield self._batch(poll, seen)
        poll.read = {key: None for key in poll.read if key in self._articles}
        poll.until = began
        yield self._batch(poll, [])
        asked = [one.id for one in self._articles.values() if one.data_id is not None]
        if self._closed and set(asked) <= self._closed.keys():  # of some, they may be switched off
            poll.refused.append(next(iter(self._closed.values())))
        if poll.refused:
            told = say("", " ").join(dict.fromkeys(map(str, poll.refused)))
            raise SourceError(poll.refused[0].trouble, told)

    def _pause(self, article: Article, now: datetime) -> timedelta:
        """Between two looks at its comments, if calls were free."""
        least = timedelta(seconds=self._config.every_seconds)
        return max(least, min(MOST_PAUSE, (now - article.published_at) / AGE_PER_PAUSE))

    def _stretch(self, now: datetime) -> float:
        """How many times longer the pauses have to be, so that a day's calls last."""
        day = timedelta(days=1)
        planned = sum(
            (1 + (one.comments or 0) // COMMENT_PAGE) * (day / self._pause(one, now))
            for one in self._articles.values()
            if one.data_id is not None
        )
        return max(1.0, planned / (SPENT_ON_COMMENTS * self._config.calls_per_day))

    def _batch(self, poll: _Poll, seen: list[Seen]) -> Batch:
        unreadable, poll.unreadable = poll.unreadable, []
        cursor: dict[str, str | int] = {
            "known": poll.known.kept(),
            "read": " ".join(poll.read),
            "until": int(poll.until.timestamp()),
        }
        return Batch(seen, cursor, unreadable, quota_left=self._quota.left())

    def _rests(self, article: Article, pause: timedelta) -> bool:
        """Whether its comments were read so lately that they are left alone this time."""
        least = timedelta(seconds=self._config.every_seconds)
        if article.looked_at is None or pause <= least:
            return False
        # The pause between two polls has a jitter of a tenth.
        return self._context.now() - article.looked_at < 0.85 * min(pause, MOST_PAUSE)

    def _since(self, article: Article, poll: _Poll) -> datetime | None:
        """Comments from before were told; None when none were read to the end yet."""
        if article.id not in poll.read:
            return None
        return (article.looked_at or poll.until - MOST_PAUSE) - LATE

    async def _look(
        self, article: Article, poll: _Poll, pause: timedelta
    ) -> AsyncIterator[list[PostDraft]]:
        """The article itself, and its comments page by page when it is time for them."""
        unasked = article.data_id is None or not self._config.comments
        if unasked or self._rests(article, pause):
            yield self._article(article, poll)
            return
        since, began = self._since(article, poll), self._context.now()
        self._closed.pop(article.id, None)
        for page in range(MAX_COMMENT_PAGES):
            begin = page * COMMENT_PAGE
            request = {
                "msg_data_id": article.data_id,
                "index": article.number - 1,
                "begin": begin,
                "count": COMMENT_PAGE,
                "type": 0,
            }
            try:
                answer = await self._api.call("/cgi-bin/comment/list", request)
            except FunctionError as error:
                if isinstance(error, NotGranted):
                    self._closed[article.id] = error
                    article.looked_at = began
                else:
                    poll.refused.append(error)
                yield self._article(article, poll)
                return
            items = list_of(answer, "comment")
            total = whole(answer, "total")
            if page == 0:
                article.comments = total
                yield self._article(article, poll)
            yield list(self._comments(items, article, since, poll))
            if not items or begin + COMMENT_PAGE >= total:
                break
        poll.read[article.id] = None
        article.looked_at = began

    def _article(self, article: Article, poll: _Poll) -> list[PostDraft]:
        try:
            return [article_draft(article, self._name, self._config.app_id)]
        except RejectedError as error:
            self._park(1, asdict(article), error, poll)
            return []

    def _comments(
        self, items: list[Any], article: Article, since: datetime | None, poll: _Poll
    ) -> Iterator[PostDraft]:
        """Those that may be new; ``since`` spares the memory those of earlier polls."""
        secret = self._config.id_secret
        for line, item in enumerate(items, 1):
            try:
                draft = comment_draft(item, article, self._name, secret)
            except RejectedError as error:
                self._park(line, item, error, poll)
                continue
            if since is None or draft.published_at >= since:
                yield draft

    def _park(self, line: int, item: Any, error: RejectedError, poll: _Poll) -> None:
        """Set aside once, the person in it made a hash."""
        if isinstance(item, dict) and "openid" in item:
            person = keyed_hash(self._config.id_secret, shown(item["openid"]))
            item = item | {"openid": person}
        raw = raw_bytes(item)
        if raw not in self._parked:  # each poll finds it again
            self._parked = {*list(self._parked)[-MAX_PARKED:], raw}
            poll.unreadable.append(Unreadable(line, raw, error.kind, str(error)))

    async def _refresh(self, poll: _Poll, now: datetime) -> None:
        """Bring the list of articles and their figures up to date, when it is time."""
        oldest = now - timedelta(days=self._config.days)
        if self._listed_at is None or now - self._listed_at >= LIST_EVERY:
            try:
                for article in await self._list(poll, now, oldest):
                    if article.id in self._articles:
                        article.keep_from(self._articles[article.id])
                    self._articles[article.id] = article
                self._listed_at = now
            except FunctionError as error:
                poll.refused.append(error)
        for key in [key for key, one in self._articles.items() if one.published_at < oldest]:
            del self._articles[key]
            self._closed.pop(key, None)
        here = now.astimezone(BEIJING)
        newest = here.date() - timedelta(days=1 if here.hour >= FIGURES_READY else 2)
        if self._config.statistics and self._counted != newest:
            try:
                await self._count(poll, newest)
                self._counted = newest
            except FunctionError as error:
                poll.refused.append(error)

    async def _list(self, poll: _Poll, now: datetime, oldest: datetime) -> list[Article]:
        """The young articles: those of all pages now and then, else those down to a known one."""
        every_page = self._list_all_at is None or now >= self._list_all_at
        found: list[Article] = []
        for page in range(MAX_LIST_PAGES):
            self._spend_list()
            offset = page * LIST_PAGE
            request = {"offset": offset, "count": LIST_PAGE, "no_content": 1}
            answer = await self._api.call("/cgi-bin/freepublish/batchget", request)
            items = list_of(answer, "item")
            young = known = False
            for line, item in enumerate(items, offset + 1):
                try:
                    articles = list(read_articles(item, now))
                except RejectedError as error:
                    self._park(line, item, error, poll)
                    continue
                found += articles
                known = known or any(one.id in self._articles for one in articles)
                young = young or any(one.published_at >= oldest for one in articles)
            if not young or offset + LIST_PAGE >= whole(answer, "total_count"):
                break
            if known and not every_page:
                return found  # the newest stand first
        self._list_all_at = now + (page + 1) * LIST_EVERY
        return found

    def _spend_list(self) -> None:
        wait = self._lists.wait_seconds()
        if wait > 0:
            raise UsedUp(
                "quota",
                say(
                    f"文章列表一天最多取 {LISTS_PER_DAY} 次（微信限 100 次），已用完，"
                    f"{span(wait)}后自动继续；其间评论照常读取，新文章会晚些发现。",
                    f"the list of articles is fetched {LISTS_PER_DAY} times a day at most (WeChat "
                    f"allows 100); it goes on by itself in {span(wait)}. Comments are read "
                    "meanwhile, new articles are found later.",
                ),
            )
        self._lists.spend()

    async def _count(self, poll: _Poll, newest: date) -> None:
        for back in range(min(self._config.days, FIGURE_DAYS)):
            day = (newest - timedelta(days=back)).isoformat()
            request = {"begin_date": day, "end_date": day}  # it allows a day at a time
            answer = await self._api.call("/datacube/getarticletotal", request)
            for line, item in enumerate(list_of(answer, "list"), 1):
                try:
                    take_figures(item, self._articles)
                except RejectedError as error:
                    self._park(line, item, error, poll)
