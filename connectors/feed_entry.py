"""What a feed says, before any of it becomes a post: the same for every format."""

from dataclasses import dataclass, field
from datetime import datetime

from connectors.base import Unreadable
from connectors.html_text import html_to_text

__all__ = ["Entry", "FeedPage", "Text"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words of a feed, as they stand there."""

    value: str
    html: bool

    def plain(self) -> str:
        """The words as a reader sees them."""
        return html_to_text(self.value) if self.html else self.value.replace("\x00", "").strip()


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a feed."""

    id: str | None = None
    link: str | None = None
    title: Text | None = None
    summary: Text | None = None
    content: Text | None = None
    author: str | None = None
    author_link: str | None = None
    published: str | None = None
    updated: str | None = None
    published_at: datetime | None = None
    updated_at: datetime | None = None
    parent: str | None = None
    """Id of the entry that this one answers."""
    comments: int | None = None
    raw: bytes = b""
    """For a dead letter: what there is of the item."""


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One answer of a feed's server."""

    entries: list[Entry]
    unreadable: list[Unreadable] = field(default_factory=list)
    ttl_seconds: float = 0.0
    """How long the feed says that it stays as it is."""
    next_url: str | None = None
    """Where older entries are, if the feed says so."""
    expired: bool = False
    """It says that nothing will be added to it any more."""
