"""WeChat Official Account: its published articles, their comments and their figures, by polling.

::

    [sources.our-articles]
    use = "wechat-articles"
    app_id = "wx1234567890abcdef"
    app_secret = { file = "wechat.secret" }
    id_secret = { env = "ID_SECRET" }     # a long random text of your own

The address that we call from must be on the account's IP whitelist.

Delivery: at least once. Each poll reads all comments of every young article; what was told is
remembered, so that only news is yielded. An article comes again when it was deleted or its figures
doubled.
Limits: comments can't be seen to be deleted, and the account's own answers below them are not
carried on. Comments are asked for by the ``mid`` and ``idx`` of an article's address or, where that
is short, by the id that the statistics give for its title, a day later. Figures are those of the
day before, ready after 8 o'clock in Beijing, of an article's first seven days. A comment that
appears more than a day after it was written may be missed.
It cannot see: other accounts' articles, articles by keyword, likes (在看), who reads.
Quotas: a token per two hours; the list of articles once an hour (WeChat allows 100 a day); at most
seven statistics a day; one call per article and 49 comments each poll. ``calls_per_day`` bounds the
sum; an API quota that is used up (45009) is waited for until midnight in Beijing.
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
from connectors.quota import Limit, Quota
from connectors.web import Web
from connectors.wechat_api import BEIJING, NotGranted, WechatApi, list_of, whole
from connectors.wechat_crypto import IdSecret, keyed_hash
from connectors.wechat_published import (
    Article,
    article_draft,
    comment_draft,
    read_articles,
    take_figures,
)
from schemas.errors import RejectedError
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["WechatArticles"]

LIST_PAGE = 20
MAX_LIST_PAGES = 5
COMMENT_PAGE = 49
"""WeChat refuses 50 and more."""
MAX_COMMENT_PAGES = 200
LIST_EVERY = timedelta(hours=1)
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
    refused: list[NotGranted] = field(default_factory=list)
    """Functions of the API that the account does not have."""
    asked: int = 0
    closed: list[NotGranted] = field(default_factory=list)
    """One for each of the asked articles whose comments are refused."""


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
        for article in sorted(self._articles.values(), key=lambda one: one.published_at):
            async for drafts in self._look(article, poll):
                seen = [Seen(one, self._context.now()) for one in drafts if poll.known.news(one)]
                if seen or poll.unreadable:
                    yield self._batch(poll, seen)
        poll.read = {key: None for key in poll.read if key in self._articles}
        poll.until = began
        yield self._batch(poll, [])
        if poll.closed and len(poll.closed) == poll.asked:  # of one alone, they may be switched off
            poll.refused.append(poll.closed[0])
        if poll.refused:
            pause = self._config.every_seconds
            raise NotGranted("forbidden", str(poll.refused[0]), retry_after_seconds=pause)

    def _batch(self, poll: _Poll, seen: list[Seen]) -> Batch:
        unreadable, poll.unreadable = poll.unreadable, []
        cursor: dict[str, str | int] = {
            "known": poll.known.kept(),
            "read": " ".join(poll.read),
            "until": int(poll.until.timestamp()),
        }
        return Batch(seen, cursor, unreadable, quota_left=self._quota.left())

    async def _look(self, article: Article, poll: _Poll) -> AsyncIterator[list[PostDraft]]:
        """The article itself, and its comments page by page."""
        if article.data_id is None or not self._config.comments:
            yield self._article(article, poll)
            return
        since = poll.until - LATE if article.id in poll.read else None
        poll.asked += 1
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
            except NotGranted as error:
                poll.closed.append(error)
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
            for article in await self._list(poll, now, oldest):
                if article.id in self._articles:
                    article.keep_from(self._articles[article.id])
                self._articles[article.id] = article
            self._listed_at = now
        for key in [key for key, one in self._articles.items() if one.published_at < oldest]:
            del self._articles[key]
        here = now.astimezone(BEIJING)
        newest = here.date() - timedelta(days=1 if here.hour >= FIGURES_READY else 2)
        if self._config.statistics and self._counted != newest:
            try:
                await self._count(poll, newest)
                self._counted = newest
            except NotGranted as error:
                poll.refused.append(error)

    async def _list(self, poll: _Poll, now: datetime, oldest: datetime) -> list[Article]:
        found: list[Article] = []
        for page in range(MAX_LIST_PAGES):
            offset = page * LIST_PAGE
            request = {"offset": offset, "count": LIST_PAGE, "no_content": 1}
            answer = await self._api.call("/cgi-bin/freepublish/batchget", request)
            items = list_of(answer, "item")
            young = False
            for line, item in enumerate(items, offset + 1):
                try:
                    articles = list(read_articles(item, now))
                except RejectedError as error:
                    self._park(line, item, error, poll)
                    continue
                found += articles
                young = young or any(one.published_at >= oldest for one in articles)
            if not young or offset + LIST_PAGE >= whole(answer, "total_count"):
                break
        return found

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
