"""NodeBB forums: topics and replies, through the public read API (``/api/recent``).

A source in the settings::

    [sources.yunfan-community]
    use = "nodebb"
    url = "https://community.example.com"
    contact = "listening@example.com"
    # api_token: only for a forum that guests may not read

Each poll lists the recent topics and reads those that changed, from their last page on; some
unchanged ones are read again in turn, since an edit changes no list.

Delivery: at least once. The cursor holds the newest posts told (``watch_posts``) and moves with
acknowledged batches; a restart tells what has changed since. Edits come as a new revision of the
same id; deleted and purged posts, and those of a deleted topic, as deleted.
Limits: an edit is noticed when its topic's turn comes (``topics_per_poll``); edits and deletions of
posts older than the watched ones are not seen. Quotes are not the writer's words and left out.
Every reading counts as a view of the topic. A topic that can't be read is tried again in the next
poll; the others pass.
Quota: NodeBB itself has none for guests; ``requests_per_minute`` keeps a polite pace, and
``Retry-After`` of a 429 is obeyed.
Terms of use: those of the forum; ask its operator, and keep to its robots.txt.
"""

import hashlib
import re
from collections.abc import AsyncIterator
from typing import Any

from pydantic import Field, SecretStr

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
from schemas.errors import RejectedError
from schemas.language import say
from schemas.source_status import Backfill

__all__ = ["NodeBb"]

_GONE = (403, 404, 410)
_TID = re.compile(r"[0-9A-Za-z-]{1,64}")


class NodeBb:
    """Yields the new, edited and deleted posts of one forum, for ever."""

    way: Way = "polled"
    backfill: Backfill = "listed"

    class Config(TopicsConfig):
        """Options of ``nodebb``."""

        api_token: SecretStr | None = Field(
            None, description="Token for a forum that guests may not read; sent as Bearer."
        )

    def __init__(self, name: str, config: Config, context: Context) -> None:
        self._config = config
        self.every_seconds: float | None = config.every_seconds
        self._context = context
        self._site = Site("nodebb", config, name)
        self._web = config.web(context)
        self._headers = {"accept": "application/json"}
        if config.api_token is not None:
            self._headers["authorization"] = f"Bearer {config.api_token.get_secret_value()}"

    def total(self) -> int | None:
        """Unknown: a forum goes on."""
        return None

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Poll for ever, from the cursor on.

        Raises:
            SourceError: the forum can't be read now.
        """
        return poll_for_ever(self._poll, cursor, self._context, self._config.every_seconds)

    def _poll(self, cursor: Cursor) -> AsyncIterator[Batch]:
        return poll_topics(self, self._site, self._config, self._context, self._web.quota, cursor)

    async def topics(self, page: str | None) -> TopicList:
        """A page of ``/api/recent``, latest activity first."""
        number = int(page or "1")
        answer = await self._web.get(
            f"{self._site.address}/api/recent", params={"page": number}, headers=self._headers
        )
        fields = self._object(answer.checked().json(), "topics", "/api/recent")
        topics = [one for item in fields.items("topics") if (one := _topic(item)) is not None]
        pages = fields.part("pagination").count("pageCount") or 1
        return TopicList(topics, str(number + 1) if topics and number < pages else None)

    async def posts(self, topic: str, page: int) -> PostPage | None:
        """A page of a topic's posts, oldest first."""
        answer = await self._web.get(
            f"{self._site.address}/api/topic/{topic}",
            params={"page": page, "sort": "oldest_to_newest"},
            headers=self._headers,
        )
        if answer.status in _GONE:
            return None
        fields = self._object(answer.checked().json(), "posts", "/api/topic")
        if fields.flag("deleted"):
            return None
        found = [
            self._found(place, item, topic, fields)
            for place, item in enumerate(fields.items("posts"), 1)
        ]
        return PostPage(found, fields.part("pagination").count("pageCount") or 1)

    def _object(self, body: Any, needed: str, path: str) -> Fields:
        if not isinstance(body, dict) or not isinstance(body.get(needed), list):
            raise SourceError(
                "format",
                say(
                    f"{self._site.name} 的 {path} 里没有 {needed}；请检查地址是否为 NodeBB 论坛。",
                    f"{path} of {self._site.name} has no {needed}; check that the address is a "
                    "NodeBB forum.",
                ),
            )
        return Fields(body)

    def _found(self, place: int, item: Any, topic: str, around: Fields) -> Found:
        number = None
        try:
            fields = Fields(item)
            number = fields.count("timestamp")
            return Found.of(self._post(fields, topic, around), self._site)
        except RejectedError as error:
            return Found.unreadable(place, item, number, error)

    def _post(self, fields: Fields, topic: str, around: Fields) -> ForumPost:
        key, root = _key(fields.text("pid")), _key(around.text("mainPid"))
        if not key:
            raise RejectedError("schema", say("帖子没有 pid", "a post without pid"))
        answered = _key(fields.text("toPid"))
        is_reply = key != root
        user = fields.part("user")
        at = fields.time("timestampISO", "timestamp")
        return ForumPost(
            # The time and not the pid: posts that came from other servers have addresses as pids.
            number=round(at.timestamp() * 1000),
            key=key,
            at=at,
            author_id=fields.text("uid"),
            author_name=user.text("username", "displayname") or fields.text("handle"),
            topic=topic,
            root=root if is_reply and root else None,
            parent=(answered or root or None) if is_reply else None,
            html=fields.text("content"),
            title=around.text("title", "titleRaw"),
            is_reply=is_reply,
            url=f"{self._site.address}/post/{key}",
            likes=fields.count("upvotes"),
            comments=fields.part("replies").count("count"),
            deleted=fields.flag("deleted"),
        )


def _topic(item: Any) -> TopicState | None:
    """A topic of the list; one that can't be read has nothing to read behind it either."""
    try:
        fields = Fields(item)
        at = fields.time("lastposttimeISO", "lastposttime", "timestamp")
        tid = fields.text("tid")
    except RejectedError:
        return None
    if not _TID.fullmatch(tid):
        return None
    told = (fields.text(name) for name in ("postcount", "lastposttime", "teaserPid"))
    return TopicState(tid, at, f"{mark_of(told)}:{fields.flag('deleted'):d}")


def _key(pid: str) -> str:
    """A post's own number; of one from another server a digest of its address."""
    if not pid or (pid.isascii() and pid.isalnum() and len(pid) <= 32):
        return pid
    return "x" + hashlib.blake2b(pid.encode(errors="replace"), digest_size=10).hexdigest()
