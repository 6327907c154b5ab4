"""How far ``watch`` stands in one partition of ``signals``."""

from typing import Annotated

from pydantic import Field

from schemas.record import Record, UtcTime

__all__ = ["KnownGap", "WatchPosition"]


class KnownGap(Record):
    """A stretch of time in which a source was not heard."""

    source: str
    started_at: UtcTime
    opened_at: UtcTime
    """When it was noticed."""
    revision: Annotated[int, Field(ge=1)]
    """Of its incident."""
    severity: Annotated[int, Field(ge=1, le=5)]
    ended_at: UtcTime | None = None


class WatchPosition(Record):
    """One line of ``watch.checkpoints``, key ``@position``; written in one transaction with the
    brand states it belongs to, the incidents they gave and the committed offset.
    """

    topic: str
    """The real name of the topic that the offsets belong to."""
    partitions: Annotated[int, Field(ge=1)]
    """Its number of partitions: with another number the brands lie elsewhere."""
    offset: int = -1
    """Record whose lines were applied last; -1 before the first."""
    line: int = 0
    """Last applied line of that record."""
    lanes: dict[str, UtcTime] = Field(default_factory=dict)
    """Newest tick of each lane."""
    lane_count: Annotated[int, Field(ge=1)] = 1
    """How many lanes there are, as the newest tick says: time stands still until all were heard."""
    late: int = 0
    """Signals that named no time that still counts, so far."""
    gaps: tuple[KnownGap, ...] = ()
    """Gaps that still matter: open ones, and those that ended within a day of the watermark."""
