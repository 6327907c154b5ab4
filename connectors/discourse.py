"""Discourse forums: every public post of a site, through ``/posts.json``.

A source in the settings::

    [sources.yunfan-club]
    use = "discourse"
    url = "https://forum.example.com"
    terms = ["云帆", "yunfan"]          # optional: only posts with one of these words
    contact = "listening@example.com"
    # api_key and api_username: only for a site that wants a login

Each poll walks back from the newest post until it meets what it knows; after a long outage it
climbs from there, in windows of ids, so that nothing is skipped however much was written.

Delivery: at least once. The cursor holds the newest posts told (``watch_posts``) and moves with
acknowledged batches; a restart looks at them again and tells what has changed. Edits come as a new
revision of the same id. A post that vanished is asked for by its own address and told as deleted
when it is not there (and the newest one is at its own); so are all posts of a deleted topic.
Limits: edits and deletions of posts older than the watched ones are not seen. A post moved to
another topic is deleted there and new here. Quotes (``<blockquote>``, ``<aside class="quote">``)
and link previews are not the writer's words and left out. Private messages, small actions and
unlisted topics are not in the list. The site may keep its answer for a minute. It cannot see what
becomes of a post that is refused (401, 403), such as one that moved to a private category: it stays
as it was told. When the newest post is refused as well, the source is in trouble.
Quota: by default Discourse allows an admin key 60 requests a minute, a user key 20, an address 200;
``requests_per_minute`` stays below, and ``Retry-After`` of a 429 is obeyed.
Terms of use: those of the site; ask its operator. Without an ``api_key`` nothing is fetched that
its robots.txt forbids, and its ``Crawl-delay`` is kept (``ignore_robots`` says why not, where the
operator agreed).
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

from pydantic import Field, SecretStr, model_validator

from connectors.answer import Answer
from connectors.base import Batch, Context, Cursor, Unreadable, Way
from connectors.forum import ForumPost, RobotsConfig, Site
from connectors.forum_json import Fields
from connectors.forum_watch import Found, Told, Watch
from connectors.polling import poll_for_ever
from connectors.trouble import SourceError
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["Discourse", "read_post"]

PAGE_POSTS = 50
_BATCH_POSTS = 100
_MOST_ASKED = 50
"""Vanished posts asked for in one poll; the others wait for the next."""
_MOST_UNLISTED_ASKED = 5
_GONE = (404, 410)
_PRIVATE = (401, 403, 451)
_LIKE = 2
"""Discourse's number of the action "like"."""


@dataclass
class _Stretch:
    """The posts from the newest down to some id, as one walk back found them."""

    found: dict[int, Found] = field(default_factory=dict)
    bad: list[Found] = field(default_factory=list)
    low: int = 0
    """Every public post from here on is in ``found``."""

    @property
    def top(self) -> int:
        return max(self.found, default=0)


class Discourse:
    """Yields the new, edited and deleted posts of one site, for ever."""

    way: Way = "polled"
    backfill: Backfill = "whole"

    class Config(RobotsConfig):
        """Options of ``discourse``."""

        api_key: SecretStr | None = Field(
            None, description="Key of a site that wants a login; sent as Api-Key."
        )
        api_username: str | None = Field(
            None,
            pattern=r"^[\x21-\x7e]+$",
            max_length=100,
            description="User that the key belongs to; sent as Api-Username.",
        )

        @model_validator(mode="after")
        def _check_login(self) -> "Discourse.Config":
            if (self.api_key is None) != (self.api_username is None):
                raise ValueError(
                    say(
                        "api_key 和 api_username 要么都设置，要么都不设置",
                        "set both api_key and api_username, or neither",
                    )
                )
            return self

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        self._site = Site("discourse", config, name)
        # Whoever gave us a key wants us to use the API.
        self._web = config.web(context, agreed=config.api_key is not None)
        self._headers = {"accept": "application/json"}
        if config.api_key is not None and config.api_username is not None:
            self._headers["api-key"] = config.api_key.get_secret_value()
            self._headers["api-username"] = config.api_username

    def total(self) -> int | None:
        """Unknown: a forum goes on."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever, from the cursor on.

        Raises:
            SourceError: the site can't be read now.
        """
        return poll_for_ever(self._poll, cursor, self._context, self._config.every_seconds)

    async def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        config, now = self._config, self._context.now
        watch = Watch(cursor, self._site, config.watch_posts, now(), config.history_days)
        last = int(cursor.get("last", 0))
        if not watch.begun:
            last = await self._start_of_history(watch)
            watch.start_above(last)
        stretch = await self._walk_back(min(last, (watch.lowest or last) - 1))
        while last + 1 < stretch.low:
            end = min(last + PAGE_POSTS - 1, stretch.low - 1)
            page = await self._page(last + PAGE_POSTS)
            found = [one for number, one in sorted(page.found.items()) if last < number <= end]
            last = end
            yield self._batch(watch, self._news(watch, found + page.bad), last)
        ordered = [stretch.found[number] for number in sorted(stretch.found)]
        for at in range(0, len(ordered), _BATCH_POSTS):
            part = ordered[at : at + _BATCH_POSTS]
            last = max(last, part[-1].number)
            yield self._batch(watch, self._news(watch, part), last)
        deleted = [watch.gone(told) for told in await self._vanished(watch, stretch)]
        yield self._batch(watch, [*self._news(watch, stretch.bad), *deleted], last)

    def _batch(self, watch: Watch, news: list[PostDraft | Unreadable], last: int) -> Batch:
        watch.settle()
        return watch.batch(news, self._context.now(), quota_left=self._web.quota.left(), last=last)

    def _news(self, watch: Watch, found: list[Found]) -> list[PostDraft | Unreadable]:
        return [news for one in found if (news := watch.news(one)) is not None]

    async def _start_of_history(self, watch: Watch) -> int:
        """The highest id that is too old to be told."""
        before: int | None = None
        while True:
            page = await self._page(before)
            times = {n: one.post.at for n, one in page.found.items() if one.post is not None}
            young = [number for number, at in times.items() if at >= watch.since]
            # Most of them: a single one may have been brought in from elsewhere, with its old time.
            if times and 2 * len(young) < len(times):
                return min(young) - 1 if young else max(times)
            if not page.found or page.low <= 1 or page.low == before:
                return 0
            before = page.low

    async def _walk_back(self, until: int) -> _Stretch:
        """The newest posts, down to an id or for as many pages as the watched posts fill."""
        stretch = await self._page(None)
        pages = self._config.watch_posts // PAGE_POSTS + 4
        while until + 1 < stretch.low and pages > 1:
            page = await self._page(stretch.low)
            pages -= 1
            if page.low >= stretch.low:  # a proxy that ignores "before" must not keep us for ever
                break
            stretch.found = page.found | stretch.found
            stretch.bad += page.bad
            stretch.low = page.low
        return stretch

    async def _page(self, before: int | None) -> _Stretch:
        answer = await self._web.get(
            f"{self._site.address}/posts.json",
            params={"before": before} if before is not None else None,
            headers=self._headers,
        )
        body = answer.checked().json()
        posts = body.get("latest_posts") if isinstance(body, dict) else None
        if not isinstance(posts, list):
            raise SourceError(
                "format",
                say(
                    f"{self._site.name} 的 /posts.json 里没有 latest_posts；"
                    "请检查地址是否为 Discourse 论坛。",
                    f"/posts.json of {self._site.name} has no latest_posts; check that the address "
                    "is a Discourse forum.",
                ),
            )
        page = _Stretch()
        for place, item in enumerate(posts, 1):
            one = self._found(place, item)
            if one.number:
                page.found[one.number] = one
            else:
                page.bad.append(one)
        page.low = min(page.found, default=0)
        return page

    def _found(self, place: int, item: Any) -> Found:
        number = None
        try:
            fields = Fields(item)
            number = fields.count("id")
            return Found.of(read_post(fields, self._site.address), self._site)
        except RejectedError as error:
            return Found.unreadable(place, item, number, error)

    async def _vanished(self, watch: Watch, stretch: _Stretch) -> list[Told]:
        """Watched posts that the list lacks and that are not at their own address either."""
        there = {one.post.key for one in stretch.found.values() if one.post is not None}
        unlisted = list(watch.told("unlisted"))[:_MOST_UNLISTED_ASKED]
        missing = [
            told
            for told in [*unlisted, *watch.told()]
            if told.number >= stretch.low
            and told.key not in there
            # A post that can't be read any more is there all the same.
            and (told.number not in stretch.found or stretch.found[told.number].post is not None)
        ]
        gone, doubtful = [], False
        for told in missing[:_MOST_ASKED]:
            answer = await self._ask_for(told.number)
            doubtful = doubtful or answer.status in (*_PRIVATE, *_GONE)
            if answer.status in _GONE:
                gone.append(told)
            elif answer.status not in _PRIVATE and self._is_elsewhere(
                answer.checked().json(), told
            ):
                gone.append(told)
            else:
                watch.unlisted(told)
        if doubtful:
            await self._check_that_posts_are_shown(stretch.top)
        return gone

    async def _check_that_posts_are_shown(self, number: int) -> None:
        """A firewall or an expired right hides all posts: that deletes none.

        Raises:
            SourceError: not even a post of the list can be had at its own address.
        """
        answer = await self._ask_for(number) if number else None
        if answer is not None and answer.status not in _GONE:
            answer.checked()
            return
        name = self._site.name
        raise SourceError(
            "forbidden",
            say(
                f"{name} 的帖子都打不开（404），可能不再允许访客阅读；不算删除。请检查权限。",
                f"none of the posts of {name} can be opened (404), so nothing is taken for "
                "deleted; perhaps guests may not read them any more: check the rights.",
            ),
        )

    async def _ask_for(self, number: int) -> Answer:
        return await self._web.get(
            f"{self._site.address}/posts/{number}.json", headers=self._headers
        )

    def _is_elsewhere(self, item: Any, told: Told) -> bool:
        """Whether a post's own page says that it is deleted, or another post by now."""
        one = self._found(1, item)
        return one.post is not None and (one.post.deleted or one.post.key != told.key)


def read_post(fields: Fields, address: str) -> ForumPost:
    """A post as the forum at the address tells it.

    Raises:
        RejectedError: what makes it a post is missing.
    """
    topic, place = fields.number("topic_id"), fields.number("post_number")
    answered = fields.count("reply_to_post_number") or 1
    root = f"{topic}/1"
    likes = next(
        (
            action.count("count")
            for one in fields.items("actions_summary")
            if isinstance(one, dict) and (action := Fields(one)).count("id") == _LIKE
        ),
        None,
    )
    return ForumPost(
        number=fields.number("id"),
        key=f"{topic}/{place}",
        at=fields.time("created_at"),
        author_id=fields.text("user_id", "username"),
        author_name=fields.text("username", "name"),
        topic=str(topic),
        root=None if place == 1 else root,
        parent=None if place == 1 else f"{topic}/{answered}",
        html=fields.text("cooked"),
        title=escape(fields.text("topic_title")),
        is_reply=place != 1,
        url=f"{address}/t/{topic}/{place}",
        likes=likes,
        comments=fields.count("reply_count"),
        reads=fields.count("reads"),
        deleted=fields.has("deleted_at") or fields.flag("user_deleted") or fields.flag("hidden"),
    )
