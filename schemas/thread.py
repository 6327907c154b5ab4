"""What is kept of a thread: what its root names, and where its replies lie."""

from typing import Annotated

from pydantic import Field

from schemas.enriched import BrandTag
from schemas.record import Record

__all__ = ["MAX_REPLIES", "Place", "Thread"]

MAX_REPLIES = 500
"""Replies whose places are kept for a thread; of more, the newest."""

Place = tuple[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=1)]]
"""Offset and line in the partition of ``posts.raw`` that all of the thread lies in."""


class Thread(Record):
    """One line of ``threads``, key: the root's id."""

    revision: Annotated[int, Field(ge=0)] | None = None
    """Of the root's newest state; none while only replies were seen."""
    brands: tuple[BrandTag, ...] = ()
    """What the replies inherit."""
    replies: Annotated[tuple[Place, ...], Field(max_length=MAX_REPLIES)] = ()
