"""The newest posts that a forum told, remembered to notice edits and deletions.

A forum has no list of changes: its newest posts are looked at again in every poll. A ``Watch``
knows what was told of each, and up to which number posts are old: an unknown post above it is new,
also when it comes late, between older ones. It lives in the cursor.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import orjson
from pydantic import TypeAdapter, ValidationError

from connectors.answer import raw_bytes
from connectors.base import Batch, Cursor, Seen, Unreadable
from connectors.forum import MOST_AUTHOR, ForumPost, Site
from connectors.known import content_digest
from schemas.errors import RejectedError
from schemas.post import PostDraft

__all__ = ["Found", "Told", "Watch"]

State = Literal["told", "unwanted", "unlisted", "gone", "bad"]
#: In one poll, before ``settle``; a cursor of some 300 KB.
_MOST_HELD = 3_000
_PUBLIC = ("told", "unlisted")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Told:
    """A post that is watched."""

    key: str
    number: int
    topic: str
    root: str
    """Empty: the topic's first post."""
    author_id: str
    at_ms: int
    is_reply: bool
    digest: str
    state: State


_rows = TypeAdapter(list[tuple[str, int, str, str, str, int, bool, str, State]])


@dataclass(frozen=True, slots=True)
class Found:
    """An item of an answer: a post, or what made it unreadable."""

    number: int
    post: ForumPost | None
    draft: PostDraft | None
    bad: Unreadable | None

    @classmethod
    def of(cls, post: ForumPost, site: Site) -> "Found":
        """A post with its draft.

        Raises:
            RejectedError: no valid draft comes of it.
        """
        return cls(post.number, post, site.draft(post), None)

    @classmethod
    def unreadable(cls, place: int, item: Any, number: int | None, error: RejectedError) -> "Found":
        """An item that could not be read."""
        raw = item if isinstance(item, bytes) else raw_bytes(item)
        bad = Unreadable(place, raw, error.kind, str(error))
        return cls(number or 0, None, None, bad)


class Watch:
    """What was told of the newest posts of a forum; made from a cursor, kept in the next one."""

    def __init__(self, cursor: Cursor, site: Site, most: int, now: datetime, history_days: float):
        self._site = site
        self._most = most
        self.begun = "since" in cursor
        first = (now - _EPOCH) // _MILLISECOND - round(history_days * 86_400_000)
        self.since_ms = int(cursor.get("since", first))
        self.floor = int(cursor.get("floor", 0))
        """Posts up to this number are old: told, or from before the first start."""
        self.floor_ms = int(cursor.get("floor_ms", self.since_ms))
        self._dropped = int(cursor.get("dropped", self.floor))
        self._dropped_ms = int(cursor.get("dropped_ms", self.floor_ms))
        self._told: dict[str, Told] = {}
        for row in _read_rows(str(cursor.get("watch", "[]"))):
            self._told[row.key] = row

    @property
    def since(self) -> datetime:
        """Posts from before are never told."""
        return _EPOCH + self.since_ms * _MILLISECOND

    @property
    def lowest(self) -> int | None:
        """The lowest number that is watched."""
        return min((one.number for one in self._told.values()), default=None)

    @property
    def highest(self) -> int:
        """The highest number seen."""
        return max((one.number for one in self._told.values()), default=self._dropped)

    def told(self, state: State = "told") -> Iterator[Told]:
        """The watched posts that readers know of and that were listed when last seen.

        ``unlisted``: those that were in no list but still there, looked for longest ago first.
        """
        return (one for one in list(self._told.values()) if one.state == state)

    def first_at(self, key: str) -> datetime | None:
        """The time that was told of a watched post; a relative one changes with every look."""
        known = self._told.get(key)
        return None if known is None else _EPOCH + known.at_ms * _MILLISECOND

    def news(self, found: Found) -> PostDraft | Unreadable | None:
        """What has to be told of an item: nothing, when it is known and unchanged."""
        if found.bad is not None:
            return self._bad_news(found.number, found.bad)
        assert found.post is not None and found.draft is not None
        post, draft = found.post, found.draft
        known = self._told.get(post.key)
        state: State = "told"
        if known is None:
            old = post.number <= self.floor or _ms(post.at) < self.since_ms
            if old or post.deleted:
                return None
            if not self._site.wanted(draft):
                state = "unwanted"
        elif post.deleted:
            if known.state not in _PUBLIC:
                return None
            state = "gone"
        elif known.state not in _PUBLIC and not self._site.wanted(draft):
            return None
        told = Told(
            post.key,
            post.number,
            post.topic,
            post.root or "",
            post.author_id[:MOST_AUTHOR],
            _ms(post.at),
            post.is_reply,
            content_digest(draft),
            state,
        )
        self._told[post.key] = told
        if state == "unwanted":
            return None
        if state == "told" and known is not None and known.state in _PUBLIC:
            return None if known.digest == told.digest else draft
        return draft

    def gone(self, told: Told) -> PostDraft:
        """A watched post is no more; returns what has to be told."""
        self._told[told.key] = replace(told, state="gone")
        return self._site.draft(
            ForumPost(
                number=told.number,
                key=told.key,
                at=_EPOCH + told.at_ms * _MILLISECOND,
                author_id=told.author_id,
                topic=told.topic,
                root=told.root or None,
                parent=told.root or None,
                is_reply=told.is_reply,
                deleted=True,
            )
        )

    def unlisted(self, told: Told) -> None:
        """A watched post is in no list but still there."""
        del self._told[told.key]
        self._told[told.key] = replace(told, state="unlisted")

    def trim(self, most: int | None = None) -> None:
        """Forget the oldest posts beyond the limit; they count as old after ``settle``."""
        spare = len(self._told) - (most or self._most)
        for one in sorted(self._told.values(), key=lambda one: one.number)[: max(0, spare)]:
            del self._told[one.key]
            self._dropped = max(self._dropped, one.number)
            self._dropped_ms = max(self._dropped_ms, one.at_ms)

    def settle(self) -> None:
        """All posts have been seen that are older than the watched ones."""
        self.trim()
        self.floor, self.floor_ms = self._dropped, self._dropped_ms

    def start_above(self, number: int) -> None:
        """At the first start: posts up to this number are history."""
        self.floor = self._dropped = max(self.floor, number)

    def batch(
        self,
        news: Iterable[PostDraft | Unreadable],
        now: datetime,
        *,
        quota_left: int | None = None,
        **more: str | int,
    ) -> Batch:
        """What has to be told, with the cursor behind it."""
        items = list(news)
        self.trim(_MOST_HELD)
        cursor: dict[str, str | int] = {
            "since": self.since_ms,
            "floor": self.floor,
            "floor_ms": self.floor_ms,
            "dropped": self._dropped,
            "dropped_ms": self._dropped_ms,
            "watch": _write_rows(self._told.values()),
        }
        return Batch(
            [Seen(item, now) for item in items if isinstance(item, PostDraft)],
            cursor | more,
            [item for item in items if isinstance(item, Unreadable)],
            quota_left=quota_left,
        )

    def _bad_news(self, number: int, bad: Unreadable) -> Unreadable | None:
        """An unreadable item is told once, though every poll meets it again."""
        if 0 < number <= self.floor:
            return None
        name = str(number) if number else hashlib.blake2b(bad.raw, digest_size=8).hexdigest()
        key = f"!{name}"
        if key in self._told:
            return None
        place = number or self.highest
        self._told[key] = Told(key, place, "", "", "", self.floor_ms, False, "", "bad")
        return bad


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND


def _read_rows(kept: str) -> list[Told]:
    try:
        return [Told(*row) for row in _rows.validate_json(kept)]
    except ValidationError:  # written by another version: what it told is told once more
        return []


def _write_rows(told: Iterable[Told]) -> str:
    rows = [
        (o.key, o.number, o.topic, o.root, o.author_id, o.at_ms, o.is_reply, o.digest, o.state)
        for o in told
    ]
    return orjson.dumps(rows).decode()
