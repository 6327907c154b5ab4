"""From a line of a topic to a document: which index, which id, which version.

A post's index is a function of ``published_at`` alone, because a source's claim never changes;
``event_at`` is clamped by when the post was seen, so a second sighting could land in another month
and leave two documents with one id.
"""

from datetime import UTC, datetime
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import RejectedError
from schemas.post import PostId
from schemas.record import UtcTime, explain
from sinks.bulk import Document

__all__ = ["Names"]

_Model = TypeVar("_Model", bound=BaseModel)

_FIRST = datetime(2009, 1, 1, tzinfo=UTC)
_END = datetime(2036, 1, 1, tzinfo=UTC)
"""Weibo began in 2009. Outside of this the date is a mistake, and mistakes must not create
hundreds of monthly indices."""
_MOST_JUDGEMENTS = 999


class _Head(BaseModel):
    """What the writer needs of a post; the strict mapping checks the rest."""

    model_config = ConfigDict(extra="ignore", strict=True)

    id: PostId
    published_at: UtcTime
    revision: int = Field(ge=0, lt=2**62)
    root_news: int | None = Field(default=None, ge=0)

    @property
    def version(self) -> int:
        """Orders a post's states, and the judgements of one state.

        A revision is a time in milliseconds, and no source shows a post twice within a second.
        """
        return self.revision + min(self.root_news or 0, _MOST_JUDGEMENTS)


class _IncidentHead(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    id: str = Field(min_length=1, max_length=128)
    revision: int = Field(ge=1, lt=2**63)


class Names:
    """The indices of one deployment, and the documents that go there."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.posts = f"{prefix}posts"
        """Alias over all monthly indices."""
        self.undated = f"{prefix}posts-undated"
        self.incidents = f"{prefix}incidents"
        self.notices = f"{prefix}notices"

    def posts_of(self, published_at: datetime) -> str:
        """The monthly index of a post, by UTC."""
        if not _FIRST <= published_at < _END:
            return self.undated
        return f"{self.prefix}posts-{published_at.year:04}.{published_at.month:02}"

    def document_of(self, line: bytes) -> Document:
        """The document of one ``EnrichedPost`` line; the line itself is the body.

        Raises:
            RejectedError: no post, or more than one line.
        """
        head = _parse(_Head, line)
        return Document(self.posts_of(head.published_at), head.id, head.version, line)

    def incident_document(self, line: bytes) -> Document:
        """The document of one ``Incident`` line.

        Raises:
            RejectedError: no incident, or more than one line.
        """
        head = _parse(_IncidentHead, line)
        return Document(self.incidents, head.id, head.revision, line)


def _parse(model: type[_Model], line: bytes) -> _Model:
    if b"\n" in line:  # in a bulk body it would begin the next action
        raise RejectedError("json", "a document must be one line, without line breaks")
    try:
        return model.model_validate_json(line)
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error
