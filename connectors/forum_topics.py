"""Forums that list topics by their last activity, and the posts of a topic page by page.

What NodeBB and Misago share. A poll lists topics down to where nothing is watched any more, reads
those that changed (oldest first) and, in turn, some that did not: an edit changes no list. Both
lists shift while they are read. Topics are therefore listed again when more than one page of them
had changed; posts are read from the last page to the first, so that a deletion moves nothing past
the reader; and a post counts as deleted when two looks missed it.

A topic that is not there (404) or refused (401, 403) says nothing by itself: a firewall or an
expired right answers so for all of them. Only when another topic can be read right after are the
posts of the first deleted, or those of the second out of sight; else the whole forum is in trouble.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import orjson
from pydantic import TypeAdapter, ValidationError

from connectors.base import Batch, Context, Cursor, Unreadable
from connectors.forum import Site
from connectors.forum_watch import Found, Told, Watch
from connectors.quota import Quota
from connectors.topic_forum import PostPage, TopicForum, TopicsConfig, TopicState
from connectors.trouble import SourceError
from schemas.language import say
from schemas.post import PostDraft

__all__ = ["poll_topics"]

_BATCH_POSTS = 200
_MOST_ROUNDS = 3
_MOST_LISTED = 10_000
_MOST_PAGES = 1_000
_MOST_VANISHED = 50
_MOST_OTHERS = 3
"""Other topics asked for when one can't be had."""
_MOST_REFUSALS = 3
"""After so many polls nobody looks for the posts of a refused topic any more."""
#: Numbers and times of posts need not be in the same order to the second.
_SLACK_MS = 600_000
#: Troubles that may be those of one topic alone.
_OF_ONE_TOPIC = ("server", "format")
#: A guest who may not read a topic is told to log in, by some forums.
_REFUSED = ("forbidden", "login")
_marks = TypeAdapter(list[tuple[str, str]])
_refusals = TypeAdapter(dict[str, int])

log = logging.getLogger(__name__)


class _Poll:
    """One poll; ``marks`` is what is known of topics, the one read longest ago first."""

    def __init__(self, forum: TopicForum, site: Site, watch: Watch, cursor: Cursor) -> None:
        self.forum = forum
        self.watch = watch
        self.marks = _read_marks(str(cursor.get("topics", "[]")))
        self.refusals = _read_refusals(str(cursor.get("refused", "{}")))
        """How many polls in a row met a refused topic."""
        self.failed: dict[str, SourceError] = {}
        self.listed: dict[str, TopicState] = {}
        self.shifted = False
        self._site = site
        self._shown: list[str] = []
        """Topics of the first page of the list, however old."""
        self._unread: set[str] = set()
        self._looked_at: set[str] = set()

    async def changed(self) -> list[TopicState]:
        """List the topics; returns those that changed, oldest first."""
        until_ms = max(self.watch.since_ms, self.watch.floor_ms - _SLACK_MS)
        self.listed, pages_with_news = {}, 0
        page: str | None = None
        while True:
            topics = await self.forum.topics(page)
            if page is None:
                self._shown = [one.key for one in topics.topics]
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
        tried = topic.key in self.failed or topic.key in self._unread
        return not tried and self.marks.get(topic.key) != topic.mark

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
        """What is new in a topic; ``None`` when it can't be read.

        One that fails is kept for the end; of one that is refused nothing is said.

        Raises:
            SourceError: the forum can't be read, or none of its topics.
        """
        try:
            return await self._read(topic)
        except SourceError as error:
            if error.trouble in _REFUSED:
                await self._ask_for_others(topic, error)
                self._refuse(topic)
            elif error.trouble in _OF_ONE_TOPIC:
                self.failed[topic] = error
            else:
                raise
            return None

    def done(self, topic: str, mark: str) -> None:
        """A topic was read and told."""
        self._looked_at.add(topic)
        self.refusals.pop(topic, None)
        self.marks.pop(topic, None)
        self.marks[topic] = mark

    def tidy(self) -> None:
        """Forget topics that are neither listed nor hold a watched post."""
        kept = self.listed.keys() | {told.topic for told in self.watch.told()}
        self.marks = {key: mark for key, mark in self.marks.items() if key in kept}
        self.refusals = {key: times for key, times in self.refusals.items() if key in kept}

    async def _ask_for_others(self, topic: str, error: SourceError) -> None:
        """Make sure that other topics can be read when one can't.

        Raises:
            SourceError: the given one when none can; or the forum can't be read at all now.
        """
        self._unread.add(topic)
        others = [key for key in self._shown if key not in self._unread and key not in self.failed]
        for other in others[:_MOST_OTHERS]:
            try:
                if await self.forum.posts(other, 1) is not None:
                    return
            except SourceError as its:
                if its.trouble not in (*_REFUSED, *_OF_ONE_TOPIC):
                    raise
                error = its
        raise error

    def _refuse(self, topic: str) -> None:
        times = self.refusals.get(topic, 0) + 1
        self.refusals[topic] = min(times, _MOST_REFUSALS)
        if times == 1:
            log.warning(
                say(
                    "%s：主题 %s 拒绝访问（其他主题可读），跳过；不算删除",
                    "%s: topic %s is refused, though others can be read; it is passed over and "
                    "not taken for deleted",
                ),
                self._site.name,
                topic,
            )
        if times >= _MOST_REFUSALS:
            for told in self.watch.told():
                if told.topic == topic:
                    self.watch.unlisted(told)

    async def _read(self, topic: str) -> list[PostDraft | Unreadable]:
        watch = self.watch
        look = await self._look(topic)
        missing = look.missing([told for told in watch.told() if told.topic == topic])
        if missing:
            again = await self._look(topic)
            missing = again.missing(missing)
            if missing and again.nowhere:
                await self._ask_for_others(topic, _nothing_there(self._site.name))
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
            look.nowhere = True
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
        self.nowhere = False
        """There is no such topic."""
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
        SourceError: the forum can't be read, or none of its topics, or at the end: some of its
            topics fail.
    """
    watch = Watch(cursor, site, config.watch_posts, context.now(), config.history_days)
    poll = _Poll(forum, site, watch, cursor)

    def batch(news: Sequence[PostDraft | Unreadable]) -> Batch:
        marks = orjson.dumps(list(poll.marks.items())).decode()
        refused = orjson.dumps(poll.refusals).decode()
        left = quota.left()
        return watch.batch(news, context.now(), quota_left=left, topics=marks, refused=refused)

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
    poll.tidy()
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


def _nothing_there(name: str) -> SourceError:
    return SourceError(
        "forbidden",
        say(
            f"{name} 的主题都打不开（404），可能不再允许访客阅读；不算删除。请不登录查看。",
            f"none of the topics of {name} can be opened (404), so nothing is taken for deleted; "
            "perhaps guests may not read them any more: look at it in a browser, logged out.",
        ),
    )


def _parts(news: list[PostDraft | Unreadable]) -> list[list[PostDraft | Unreadable]]:
    return [news[at : at + _BATCH_POSTS] for at in range(0, len(news), _BATCH_POSTS)] or [[]]


def _read_marks(kept: str) -> dict[str, str]:
    try:
        return dict(_marks.validate_json(kept))
    except ValidationError:  # written by another version: all topics count as changed
        return {}


def _read_refusals(kept: str) -> dict[str, int]:
    try:
        return _refusals.validate_json(kept)
    except ValidationError:
        return {}
