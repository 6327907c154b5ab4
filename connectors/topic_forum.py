"""What a forum is that lists topics by their last activity, whatever its software."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import Field

from connectors.forum import ForumConfig
from connectors.forum_watch import Found

__all__ = ["PostPage", "TopicForum", "TopicList", "TopicState", "TopicsConfig", "mark_of"]

_MOST_OF_A_MARK = 32


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
            SourceError: the forum can't be read now; ``forbidden`` and ``login``: perhaps
                this topic alone.
        """
        ...
