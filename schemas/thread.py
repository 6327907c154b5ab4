"""What is kept of a thread: what its root names, and where its replies lie."""

from typing import Annotated, NamedTuple

from pydantic import Field

from schemas.enriched import BrandTag
from schemas.record import Record

__all__ = ["MAX_REPLIES", "Place", "Root", "Thread"]

MAX_REPLIES = 200
"""Replies whose places are kept for a thread; of more, the newest."""

Place = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]
"""Offset and line in the partition of ``posts.raw`` that all of the thread lies in."""


class Root(NamedTuple):
    """What a reply inherits."""

    brands: tuple[BrandTag, ...] = ()
    news: int = 0
    """How often that had changed."""


class Thread(Record):
    """One line of ``threads``, key: the root's id."""

    revision: Annotated[int, Field(ge=0)] | None = None
    """Of the root's newest state; none while only replies were seen."""
    brands: tuple[BrandTag, ...] = ()
    """What the replies inherit."""
    news: Annotated[int, Field(ge=0)] = 0
    """How often ``brands`` changed."""
    replies: Annotated[tuple[Place, ...], Field(max_length=MAX_REPLIES)] = ()
