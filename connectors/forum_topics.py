"""Forums that list topics by their last activity, and the posts of a topic page by page.

What NodeBB and Misago share. A poll lists topics down to where nothing is watched any more, reads
those that changed (oldest first) and, in turn, some that did not: an edit changes no list. Both
lists shift while they are read. Topics are therefore listed again when more than one page of them
had changed; posts are read from the last page to the first, so that a deletion moves nothing past
the reader; and a post counts as deleted when two looks missed it.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson
from pydantic import Field, TypeAdapter, ValidationError

from connectors.base import Batch, Context, Cursor, Unreadable
from connectors.forum import ForumConfig, Site
from connectors.forum_watch import Found, Told, Watch
from connectors.quota import Quota
from connectors.trouble import SourceError
from schemas.post import PostDraft

__all__ = [
    "PostPage",
    "TopicForum",
    "TopicList",
    "TopicState",
    "TopicsConfig",
    "mark_of",
    "poll_topics",
]

_BATCH_POSTS = 200
_MOST_ROUNDS = 3
_MOST_LISTED = 10_000
_MOST_PAGES = 1_000
_MOST_VANISHED = 50
_MOST_OF_A_MARK = 32
#: Numbers and times of posts need not be in the same order to the second.
_SLACK_MS = 600_000
#: Troubles that may be those of one topic alone.
_OF_ONE_TOPIC = ("server", "format")
_marks = TypeAdapter(list[tuple[str, str]])


class TopicsConfig(ForumConfig):
    """Options of forums that are read topic by topic."""

    topics_per_poll: int = Field(
        10,
        ge=0,
        le=200,
        description="How many topics without news are read again in each poll, in turn, to notice "
        "edits.",
    )


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic in the list."""

    key: str
    at: datetime
    """Its last activity."""
    mark: str
    """Changes when posts are added or removed."""


@dataclass(frozen=True, slots=True)
class TopicList:
    """A page of topics, latest activity first; pinned ones may stand before."""

    topics: Sequence[TopicState]
    next: str | None
    """What to ask for the page behind."""


@dataclass(frozen=True, slots=True)
class PostPage:
    """A page of a topic's posts, oldest first."""

    found: Sequence[Found]
    pages: int
    """How many pages the topic has."""


def mark_of(told: Iterable[str]) -> str:
    """A topic's mark, short whatever the forum tells of it: ten thousand stand in a cursor."""
    return ":".join(one[:_MOST_OF_A_MARK] for one in told)


class TopicForum(Protocol):
    """A forum, as far as its software differs."""

    async def topics(self, page: str | None) -> TopicList:
        """The first page of topics, or a later one.

        Raises:
            SourceError: the forum can't be read now.
        """
        ...

    async def posts(self, topic: str, page: int) -> PostPage | None:
        """A page of posts, from 1; ``None``: there is no such topic (any more), or no such page.

        Raises:
            SourceError: the forum can't be read now.
        """
        ...


class _Poll:
    """One poll; ``marks`` is what is known of topics, the one read longest ago first."""

    def __init__(self, forum: TopicForum, watch: Watch, cursor: Cursor) -> None:
        self.forum = forum
        self.watch = watch
        self.marks = _read_marks(str(cursor.get("topics", "[]")))
        self.failed: dict[str, SourceError] = {}
        self.listed: dict[str, TopicState] = {}
        self.shifted = False
        self._looked_at: set[str] = set()

    async def changed(self) -> list[TopicState]:
        """List the topics; returns those that changed, oldest first."""
        until_ms = max(self.watch.since_ms, self.watch.floor_ms - _SLACK_MS)
        self.listed, pages_with_news = {}, 0
        page: str | None = None
        while True:
            topics = await self.forum.topics(page)
            recent = [one for one in topics.topics if one.at.timestamp() * 1000 >= until_ms]
            self.listed |= {one.key: one for one in recent}
            pages_with_news += any(self._has_changed(one) for one in recent)
            page = topics.next
            # The last one decides: pinned topics stand first, however old.
            if page is None or topics.topics[-1:] != recent[-1:] or not recent:
                break
            if len(self.listed) >= _MOST_LISTED:
                break
        self.shifted = pages_with_news > 1
        changed = [one for one in self.listed.values() if self._has_changed(one)]
        return sorted(changed, key=lambda one: one.at)

    def _has_changed(self, topic: TopicState) -> bool:
        return topic.key not in self.failed and self.marks.get(topic.key) != topic.mark

    def vanished(self) -> list[str]:
        """Topics with watched posts that are in no list any more."""
        watched = {told.topic for told in self.watch.told()}
        return [key for key in self.marks if key in watched and key not in self.listed][
            :_MOST_VANISHED
        ]

    def in_turn(self, most: int) -> list[str]:
        """Topics without news that nobody has looked at for longest."""
        quiet = self.listed.keys() - self._looked_at
        return [key for key in self.marks if key in quiet][:most]

    async def read(self, topic: str) -> list[PostDraft | Unreadable] | None:
        """What is new in a topic; ``None`` when it can't be read, which is kept for the end."""
        try:
            return await self._read(topic)
        except SourceError as error:
            if error.trouble not in _OF_ONE_TOPIC:
                raise
            self.failed[topic] = error
            return None

    def done(self, topic: str, mark: str) -> None:
        """A topic was read and told."""
        self._looked_at.add(topic)
        self.marks.pop(topic, None)
        self.marks[topic] = mark

    async def _read(self, topic: str) -> list[PostDraft | Unreadable]:
        watch = self.watch
        look = await self._look(topic)
        missing = look.missing([told for told in watch.told() if told.topic == topic])
        if missing:
            missing = (await self._look(topic)).missing(missing)
        # Only now, when nothing can fail any more: the watch must not know what nobody was told.
        news = [one for item in look.found if (one := watch.news(item)) is not None]
        return news + [watch.gone(told) for told in missing]

    async def _look(self, topic: str) -> "_Look":
        """The posts of a topic that may be new or watched.

        From the last page to the first, since a deletion moves posts that way.
        """
        look = _Look()
        first = await self.forum.posts(topic, 1)
        if first is None:
            return look
        if first.pages <= 1:
            look.add(first)
            return look
        for number in range(min(first.pages, _MOST_PAGES), 0, -1):
            page = await self.forum.posts(topic, number)
            if page is None:
                continue
            look.add(page)
            lowest = min((one.number for one in page.found if one.number), default=None)
            oldest = min((one.post.at for one in page.found if one.post is not None), default=None)
            if lowest is not None and number > 1 and self._old(lowest, oldest):
                look.low = lowest
                break
        return look

    def _old(self, lowest: int, oldest: datetime | None) -> bool:
        """Whether nothing before these can be new or watched."""
        return lowest <= self.watch.floor or (oldest is not None and oldest < self.watch.since)


class _Look:
    """What one walk through a topic found; all of it from ``low`` on."""

    def __init__(self) -> None:
        self.low = 0
        self._found: dict[str, Found] = {}
        self._bad: list[Found] = []

    def add(self, page: PostPage) -> None:
        """Add a page that was read after those behind it."""
        for one in page.found:
            if one.post is not None:
                self._found.setdefault(one.post.key, one)
            else:
                self._bad.append(one)

    @property
    def found(self) -> list[Found]:
        """Oldest first."""
        return sorted([*self._found.values(), *self._bad], key=lambda one: one.number)

    def missing(self, watched: Sequence[Told]) -> list[Told]:
        """Those that should be here and are not; one that can't be read is here all the same."""
        unread = {one.number for one in self._bad}
        return [
            told
            for told in watched
            if told.number >= self.low and told.key not in self._found and told.number not in unread
        ]


async def poll_topics(
    forum: TopicForum,
    site: Site,
    config: TopicsConfig,
    context: Context,
    quota: Quota,
    cursor: Cursor,
) -> AsyncIterator[Batch]:
    """One poll of a forum; yields at least one batch.

    Raises:
        SourceError: the forum can't be read, or at the end: some of its topics can't.
    """
    watch = Watch(cursor, site, config.watch_posts, context.now(), config.history_days)
    poll = _Poll(forum, watch, cursor)

    def batch(news: Sequence[PostDraft | Unreadable]) -> Batch:
        marks = orjson.dumps(list(poll.marks.items())).decode()
        return watch.batch(news, context.now(), quota_left=quota.left(), topics=marks)

    for _ in range(_MOST_ROUNDS):
        for topic in await poll.changed():
            news = await poll.read(topic.key)
            if news is None:
                continue
            for part in _parts(news)[:-1]:
                yield batch(part)
            poll.done(topic.key, topic.mark)
            if news:
                yield batch(_parts(news)[-1])
        if not poll.shifted:
            break
    watch.settle()
    poll.marks = {key: mark for key, mark in poll.marks.items() if _kept(poll, key)}
    for key in [*poll.vanished(), *poll.in_turn(config.topics_per_poll)]:
        news = await poll.read(key)
        if news is None:
            continue
        poll.done(key, poll.marks[key])
        if news:
            yield batch(news)
    yield batch([])
    for error in poll.failed.values():
        raise error


def _kept(poll: _Poll, topic: str) -> bool:
    return topic in poll.listed or any(told.topic == topic for told in poll.watch.told())


def _parts(news: list[PostDraft | Unreadable]) -> list[list[PostDraft | Unreadable]]:
    return [news[at : at + _BATCH_POSTS] for at in range(0, len(news), _BATCH_POSTS)] or [[]]


def _read_marks(kept: str) -> dict[str, str]:
    try:
        return dict(_marks.validate_json(kept))
    except ValidationError:  # written by another version: all topics count as changed
        return {}
