"""Misago forums: threads and replies, through the JSON API of the forum's own pages.

A source in the settings::

    [sources.yunfan-misago]
    use = "misago"
    url = "https://misago.example.com"
    operator_consents = true            # see below
    contact = "listening@example.com"

Misago's own robots.txt tells robots to stay away from ``/api/``, and there is no feed instead. This
connector therefore runs only when the settings say that the forum's operator has agreed to it.

Each poll lists the threads and reads those that changed, from their last page on; some unchanged
ones are read again in turn, since an edit changes no list.

Delivery: at least once. The cursor holds the newest posts told (``watch_posts``) and moves with
acknowledged batches; a restart tells what has changed since. Edits come as a new revision of the
same id; deleted and hidden posts, and those of a deleted thread, as deleted.
Limits: an edit is noticed when its thread's turn comes (``topics_per_poll``); edits and deletions
of posts older than the watched ones are not seen. Misago keeps no record of who answers whom: the
parent of every reply is the thread's first post. Quotes are not the writer's words and left out;
so are events (a thread was moved, closed, ...) and what waits for approval.
Quota: Misago has none for readers; ``requests_per_minute`` keeps a polite pace, and ``Retry-After``
of a 429 is obeyed.
Terms of use: those of the forum; its operator's consent is needed, see above.
"""

from collections.abc import AsyncIterator
from html import escape
from typing import Any
from urllib.parse import urljoin

from pydantic import Field

from connectors.base import Batch, Context, Cursor, Way
from connectors.forum import ForumPost, Site
from connectors.forum_json import Fields
from connectors.forum_topics import (
    PostPage,
    TopicList,
    TopicsConfig,
    TopicState,
    mark_of,
    poll_topics,
)
from connectors.forum_watch import Found
from connectors.polling import poll_for_ever
from connectors.trouble import SourceError
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["Misago"]

_GONE = (403, 404, 410)


class Misago:
    """Yields the new, edited and deleted posts of one forum, for ever."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(TopicsConfig):
        """Options of ``misago``."""

        operator_consents: bool = Field(
            False,
            description="The forum's operator has agreed to this use of /api/, which the forum's "
            "robots.txt forbids to robots.",
        )
        category: int | None = Field(
            None, ge=1, description="Number of the only category to read; none: all."
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._name = name
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        self._site = Site("misago", config, name)
        self._web = config.web(context)
        self._headers = {"accept": "application/json"}

    def total(self) -> int | None:
        """Unknown: a forum goes on."""
        return None

    async def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever, from the cursor on.

        Raises:
            FatalError: the settings don't say that the operator agreed.
            SourceError: the forum can't be read now.
        """
        if not self._config.operator_consents:
            raise FatalError(
                say(
                    f"来源 {self._name}：Misago 的 robots.txt 不允许机器人读取 /api/。请先取得 "
                    f"{self._site.name} 运营者的同意，再设置 operator_consents = true。",
                    f"source {self._name}: Misago's robots.txt forbids /api/ to robots. Ask the "
                    f"operator of {self._site.name} for consent, then set operator_consents = "
                    "true.",
                )
            )
        async for batch in poll_for_ever(
            self._poll, cursor, self._context, self._config.every_seconds
        ):
            yield batch

    def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        return poll_topics(self, self._site, self._config, self._context, self._web.quota, cursor)

    async def topics(self, page: str | None) -> TopicList:
        """A page of ``/api/threads/``, latest activity first behind the pinned ones."""
        params: dict[str, str | int] = {"list": "all", "start": page or "0"}
        if self._config.category is not None:
            params["category"] = self._config.category
        answer = await self._web.get(
            f"{self._site.address}/api/threads/", params=params, headers=self._headers
        )
        if page is not None and answer.status == 404:  # what the page began with was deleted
            return TopicList([], None)
        fields = self._object(answer.checked().json(), "/api/threads/")
        topics = [one for item in fields.items("results") if (one := _topic(item)) is not None]
        following = fields.count("next")
        return TopicList(topics, str(following) if following else None)

    async def posts(self, topic: str, page: int) -> PostPage | None:
        """A page of a thread's posts, oldest first; the first page says which is the root."""
        answer = await self._web.get(
            f"{self._site.address}/api/threads/{topic}/posts/",
            params={"page": page},
            headers=self._headers,
        )
        if answer.status in _GONE:
            return None
        body = answer.checked().json()
        posts = self._object(
            body.get("post_set") if isinstance(body, dict) else None, "/api/threads/.../posts/"
        )
        title = Fields(body).text("title")
        found: list[Found] = []
        for place, item in enumerate(posts.items("results"), 1):
            root = page == 1 and not found
            one = self._found(place, item, topic, title, root)
            if one is not None:
                found.append(one)
        return PostPage(found, posts.count("pages") or 1)

    def _object(self, body: Any, path: str) -> Fields:
        if not isinstance(body, dict) or not isinstance(body.get("results"), list):
            raise SourceError(
                "format",
                say(
                    f"{self._site.name} 的 {path} 里没有 results；请检查地址是否为 Misago 论坛。",
                    f"{path} of {self._site.name} has no results; check that the address is a "
                    "Misago forum.",
                ),
            )
        return Fields(body)

    def _found(self, place: int, item: Any, topic: str, title: str, root: bool) -> Found | None:
        number = None
        try:
            fields = Fields(item)
            if fields.flag("is_event") or fields.flag("is_unapproved"):
                return None
            number = fields.count("id")
            return Found.of(self._post(fields, topic, title, root), self._site)
        except RejectedError as error:
            return Found.unreadable(place, item, number, error)

    def _post(self, fields: Fields, topic: str, title: str, root: bool) -> ForumPost:
        number = fields.number("id")
        poster, name = fields.part("poster"), fields.text("poster_name")
        first = f"t/{topic}"
        address = fields.part("url").text("index")
        return ForumPost(
            number=number,
            # Only the first page tells which post a thread begins with: it has the thread's key.
            key=first if root else f"p/{number}",
            at=fields.time("posted_on"),
            author_id=poster.text("id") or (f"@{name}" if name else ""),
            author_name=poster.text("username") or name,
            topic=topic,
            root=None if root else first,
            parent=None if root else first,
            html=fields.text("content"),
            title=escape(title),
            is_reply=not root,
            url=urljoin(self._site.address + "/", address) if address else "",
            likes=fields.count("likes"),
            deleted=fields.flag("is_hidden"),
        )


def _topic(item: Any) -> TopicState | None:
    """A thread of the list; one that can't be read has nothing to read behind it either."""
    try:
        fields = Fields(item)
        number, at = fields.number("id"), fields.time("last_post_on", "started_on")
    except RejectedError:
        return None
    told = (fields.text(name) for name in ("replies", "last_post", "last_post_on"))
    return TopicState(str(number), at, mark_of(told))
