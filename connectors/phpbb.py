"""phpBB forums (3.3 and later): the newest posts, through the board's Atom feeds.

A source in the settings::

    [sources.yunfan-board]
    use = "phpbb"
    url = "https://board.example.com"
    feed = ""                           # all posts; or topics, news, forum/7, topic/42, ...
    contact = "listening@example.com"

Delivery: at least once. The cursor holds the newest posts told (``watch_posts``) and moves with
acknowledged batches. Edits come as a new revision of the same id. A post that is missing between
others of the feed, in two looks, is told as deleted.
Limits: a feed has no pages: it shows the newest 15 posts or so (the board's ``feed_limit_post``),
and what falls out of it between two polls is not seen; poll often enough. Edits and deletions are
seen while a post stands in the feed. The feed doesn't say which post a topic began with:
``root_id`` of a topic's posts names the topic (``.../t42``); whom a reply answers is not known.
Quotes are not the writer's words and left out, and so is the line of statistics.
Conditional requests save the board's work: ``If-Modified-Since``, but for every sixth poll, since a
deletion doesn't change ``Last-Modified``.
Quota: phpBB has none; ``requests_per_minute`` keeps a polite pace.
Terms of use: those of the board; ask its operator. A board that offers feeds wants them read; what
its robots.txt forbids is not fetched all the same, and its ``Crawl-delay`` is kept
(``ignore_robots`` says why not, where the operator agreed).
"""

from collections.abc import AsyncIterator
from datetime import UTC
from html import escape

from pydantic import Field

from connectors.base import Batch, Context, Cursor, Way
from connectors.feed_entry import Entry
from connectors.forum import ForumPost, RobotsConfig, Site
from connectors.forum_feed import as_html, missing_from, query_of, read_forum_feed
from connectors.forum_watch import Found, Watch
from connectors.polling import poll_for_ever
from connectors.trouble import SourceError
from schemas.errors import RejectedError
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["PhpBb"]

_WHOLE_EVERY = 6
_SEPARATORS = (" • ", " · ")
_MOST_STATISTICS = 2_000


class PhpBb:
    """Yields the new, edited and deleted posts of one feed of a board, for ever."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(RobotsConfig):
        """Options of ``phpbb``."""

        feed: str = Field(
            "",
            pattern=r"^((news|topics|topics_new|topics_active|forum/\d{1,9}|topic/\d{1,9}))?$",
            description="Which feed: empty for all posts, topics, topics_active, news, forum/7, "
            "topic/42.",
        )
        rewritten: bool = Field(
            False, description="The board's addresses lack app.php: /feed and not /app.php/feed."
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        self._site = Site("phpbb", config, name)
        self._web = config.web(context)
        path = "/feed" if config.rewritten else "/app.php/feed"
        self._url = f"{self._site.address}{path}" + (f"/{config.feed}" if config.feed else "")

    def total(self) -> int | None:
        """Unknown: a forum goes on."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever, from the cursor on.

        Raises:
            SourceError: the board can't be read now, or doesn't offer this feed.
        """
        return poll_for_ever(self._poll, cursor, self._context, self._config.every_seconds)

    async def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        config, now = self._config, self._context.now
        watch = Watch(cursor, self._site, config.watch_posts, now(), config.history_days)
        polls, modified = int(cursor.get("polls", 0)), str(cursor.get("modified", ""))
        found, modified = await self._fetch(modified if polls % _WHOLE_EVERY else "", modified)
        missing = missing_from(watch, config.feed, found)
        if missing:
            again, modified = await self._fetch("", modified)
            twice = {told.key for told in missing_from(watch, config.feed, again)}
            missing = [told for told in missing if told.key in twice]
        news = [one for item in found if (one := watch.news(item)) is not None]
        news += [watch.gone(told) for told in missing]
        watch.settle()
        left = self._web.quota.left()
        yield watch.batch(news, now(), quota_left=left, polls=polls + 1, modified=modified)

    async def _fetch(self, since: str, before: str) -> tuple[list[Found], str]:
        """The feed's posts, oldest first, and its ``Last-Modified``; none when unchanged."""
        answer = await self._web.get(
            self._url, headers={"if-modified-since": since} if since else None
        )
        if answer.status == 304:
            return [], before
        if answer.status == 404:
            raise SourceError(
                "gone",
                say(
                    f"{self._site.name} 没有开放这个 feed（404）；请检查 url、feed 和 rewritten，"
                    "或请站长在 phpBB 后台打开。",
                    f"{self._site.name} doesn't offer this feed (404); check url, feed and "
                    "rewritten, or ask its operator to switch it on in phpBB.",
                ),
            )
        page = read_forum_feed(answer.checked(), self._site.name, UTC)
        found = [self._found(place, entry) for place, entry in enumerate(page.entries, 1)]
        found.sort(key=lambda one: one.number)
        return found, answer.headers.get("last-modified", "")[:100]

    def _found(self, place: int, entry: Entry) -> Found:
        number = None
        try:
            post, topic = _numbers(entry)
            number = post or topic
            return Found.of(self._post(entry, post, topic), self._site)
        except RejectedError as error:
            return Found.unreadable(place, entry.raw, number, error)

    def _post(self, entry: Entry, post: int, topic: int) -> ForumPost:
        at = entry.published_at or entry.updated_at
        if at is None:
            raise RejectedError("schema", say("条目没有时间", "an entry without time"))
        title, is_reply = _title(entry.title.plain() if entry.title is not None else "")
        author = entry.author or ""
        where = f"p={post}#p{post}" if post else f"t={topic}"
        return ForumPost(
            number=post or topic,
            key=f"p{post}" if post else f"t{topic}",
            at=at,
            author_id=f"@{author}" if author else "",
            author_name=author,
            topic=self._config.feed,
            root=f"t{topic}" if post and topic else None,
            html=_without_statistics(as_html(entry.content or entry.summary)),
            title=escape(title),
            is_reply=is_reply,
            url=f"{self._site.address}/viewtopic.php?{where}",
        )


def _numbers(entry: Entry) -> tuple[int, int]:
    """The post's number and its topic's; 0 where the link has none: some feeds list topics."""
    for address in (entry.link, entry.id):
        query = query_of(address or "")
        post, topic = _number(query.get("p", "")), _number(query.get("t", ""))
        if post or topic:
            return post, topic
    raise RejectedError("schema", say("条目的链接里没有帖子编号", "no post number in the link"))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 15 else 0


def _title(title: str) -> tuple[str, bool]:
    """Without the forum's name before it and ``Re:``; whether it is a reply's."""
    for separator in _SEPARATORS:
        title = title.partition(separator)[2] or title
    is_reply = title[:3].lower() == "re:"
    return (title[3:].strip() if is_reply else title.strip()), is_reply


def _without_statistics(html: str) -> str:
    """Without phpBB's own last paragraph, which names author and time as the reader's board does.

    phpBB writes no other ``<p>`` and a rule behind this one.
    """
    kept = html.rstrip()
    for rule in ("<hr />", "<hr/>", "<hr>"):
        if kept.endswith(rule):
            kept = kept.removesuffix(rule).rstrip()
            begin = kept.rfind("<p>")
            if begin >= 0 and kept.endswith("</p>") and len(kept) - begin < _MOST_STATISTICS:
                return kept[:begin]
            return kept
    return html
