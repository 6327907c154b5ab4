"""A source that is not heard, as an incident: its calm is no calm, and somebody has to act."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.record import Record, UtcTime
from schemas.source_status import Backfill, SourceTrouble

__all__ = ["SourceIncident"]


class SourceIncident(Record):
    """One line of ``incidents``, told apart from the others by its ``kind``.

    Like every incident a function of the ``signals`` log: of its SourceGap lines. The gap from
    ``gap_started_at`` to ``gap_ended_at`` marks the index: fewer posts of that time mean nothing.
    """

    id: str
    revision: Annotated[int, Field(ge=1)]
    kind: Literal["source"] = "source"
    source: str
    """Name of the configured connector."""
    connector: str
    """Kind of the connector."""
    trouble: SourceTrouble
    severity: Annotated[int, Field(ge=1, le=5)]
    state: Literal["confirmed", "closed"]
    opened_at: UtcTime
    """When it was noticed."""
    updated_at: UtcTime
    closed_at: UtcTime | None = None
    gap_started_at: UtcTime
    """The last time that the source was surely heard."""
    gap_ended_at: UtcTime | None = None
    message: Annotated[str, Field(max_length=500)]
    """What is wrong and what to do, in one sentence."""
    backfill: Backfill
