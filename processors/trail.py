"""How a wave got going: who spoke first, who was the first other one, which medium took it up.

What a trail holds depends on the posts alone and not on their order: the earliest post, the
earliest one of another author, and the earliest one of a medium or an authority; of equal times the
smaller id. Bounded: three short marks.
"""

from dataclasses import dataclass
from datetime import datetime

from processors.canonical import hash64
from schemas.post import PostId
from schemas.signals import Mention

__all__ = ["MEDIA_KINDS", "Mark", "Trail", "mark"]

MEDIA_KINDS = frozenset({"media", "official"})
"""Kinds of author whose word makes a wave public: newspapers and stations, authorities."""

_NAME = 40


@dataclass(frozen=True, slots=True)
class Mark:
    """One post, as a timeline names it."""

    at: datetime
    post_id: PostId
    author: int
    """Hash of the account."""
    name: str | None = None


def mark(mention: Mention) -> Mark:
    """The mention as a mark."""
    author = hash64("author", mention.platform, mention.author_id)
    name = mention.author_name and mention.author_name[:_NAME]
    return Mark(mention.event_at, mention.post_id, author, name)


@dataclass(slots=True)
class Trail:
    """The beginnings of a thread, of a word, or of all that was said in a window."""

    first: Mark | None = None
    second: Mark | None = None
    """The earliest by another author than ``first``."""
    media: Mark | None = None

    def speak(self, mention: Mention) -> None:
        """Somebody said something in own words."""
        first, second = self.first, self.second
        # Most posts are later than both and enter nothing, so no mark is made of them.
        if first is None or second is None or mention.event_at <= second.at:
            self._take(mark(mention))

    def take_up(self, mention: Mention) -> None:
        """Note the mention if a medium or an authority wrote it, in own words or not."""
        if mention.author_kind in MEDIA_KINDS:
            self.media = _earlier(self.media, mark(mention))

    def merge(self, other: "Trail") -> None:
        """Take the other trail's marks in: what comes out is the trail of both together."""
        for one in (other.first, other.second):
            if one is not None:
                self._take(one)
        if other.media is not None:
            self.media = _earlier(self.media, other.media)

    def other_than(self, post_id: PostId) -> Mark | None:
        """The earliest post by another author than that post's, where it is the earliest."""
        if self.first is None or self.first.post_id != post_id:
            return self.first
        return self.second

    def _take(self, new: Mark) -> None:
        first = self.first
        if first is None:
            self.first = new
        elif _order(new) < _order(first):
            if new.author != first.author:
                self.second = first
            self.first = new
        elif new.author != first.author:
            self.second = _earlier(self.second, new)


def _order(one: Mark) -> tuple[datetime, PostId]:
    return one.at, one.post_id


def _earlier(known: Mark | None, new: Mark) -> Mark:
    return new if known is None or _order(new) < _order(known) else known
