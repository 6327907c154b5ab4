"""What could not be processed, what was dropped on purpose: nothing vanishes without a line."""

import base64
import hashlib
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schemas.errors import RejectedError
from schemas.post import PostId
from schemas.record import Record, UtcTime, check_parts, explain

__all__ = [
    "DeadLetter",
    "DeadLetterLine",
    "Drop",
    "Retry",
    "Stage",
    "dead_letter_id",
    "parse_dead_letter_line",
]

Base64 = Annotated[
    str,
    Field(pattern=r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"),
]
Stage = Literal["ingest", "enrich", "index", "watch", "notify"]


def dead_letter_id(reader: str, source: str, partition: int, offset: int, line: int) -> str:
    """The same reader and place give the same id: a redelivered line repeats its dead letter's id.

    ``reader`` is the consumer group's name without its prefix: what ``index`` takes, a channel may
    refuse.
    """
    place = f"{reader}\x1f{source}\x1f{partition}\x1f{offset}\x1f{line}"
    return hashlib.sha256(place.encode()).hexdigest()[:16]


class DeadLetter(Record):
    """One line that can't pass, with its original bytes, so that a replay is exact."""

    type: Literal["dead_letter"] = "dead_letter"
    id: str
    stage: Stage
    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """Reason as one word of a small vocabulary: json, schema, empty, encoding, too_large, ..."""
    message: str
    """Why, in one sentence."""
    source: str
    """Topic, or the connector's name for items that never reached a topic."""
    partition: int = -1
    offset: int = -1
    line: Annotated[int, Field(ge=0)]
    """Line number in the record or file, from 1; 0 is the record as a whole."""
    key: Base64 | None = None
    """Original Kafka key, base64."""
    value: Base64 | None = None
    """Original bytes of the line, base64; ``None`` for a null record."""
    headers: tuple[tuple[str, Base64], ...] = ()
    """Original headers; values base64."""
    size: Annotated[int, Field(ge=0)]
    """Original length in bytes; larger than the value's when that had to be cut."""
    post_id: PostId | None = None
    """Where the line was readable enough to tell."""
    schema_version: int
    at: UtcTime

    @property
    def raw(self) -> bytes:
        """The original bytes."""
        return base64.b64decode(self.value) if self.value is not None else b""


class Retry(Record):
    """A dead letter was put back into its topic, as it was or corrected."""

    type: Literal["retry"] = "retry"
    dead_letter_id: str
    at: UtcTime
    topic: str
    partition: int
    corrected: bool


DeadLetterLine = DeadLetter | Retry

_lines: TypeAdapter[DeadLetterLine] = TypeAdapter(
    Annotated[DeadLetterLine, Field(discriminator="type")]
)


def parse_dead_letter_line(line: bytes) -> DeadLetterLine:
    """Parse one line of ``dead-letters``.

    Raises:
        RejectedError: neither of the two records.
    """
    check_parts(line)
    try:
        return _lines.validate_json(line)
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error


class Drop(Record):
    """One line of ``posts.dropped``: a post left out on purpose, by name, so that it is counted."""

    post_id: PostId
    source: str
    event_at: UtcTime
    enricher: str
    """Which step dropped it."""
    reason: str
