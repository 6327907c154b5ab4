"""How a source is doing, and where to go on reading it."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.record import Record, UtcTime

__all__ = ["SourceState", "SourceStatus"]

SourceState = Literal["running", "done", "failing", "stopped"]


class SourceStatus(Record):
    """One line of ``sources``, compacted by name; the newest is the truth.

    Written only after the broker acknowledged the posts that the cursor stands behind.
    """

    name: str
    """Name of the configured connector."""
    connector: str
    """Kind of connector."""
    state: SourceState
    at: UtcTime
    cursor: dict[str, str | int] = Field(default_factory=dict)
    """Where to resume; only the connector knows its meaning."""
    posts: Annotated[int, Field(ge=0)] = 0
    """Posts written since the cursor began."""
    rejected: Annotated[int, Field(ge=0)] = 0
    """Items that went to dead letters."""
    last_success_at: UtcTime | None = None
    last_post_at: UtcTime | None = None
    """``published_at`` of the newest post seen."""
    trouble: Annotated[str, Field(max_length=32)] | None = None
    """Kind of what is wrong: login, forbidden, captcha, quota, format, gone, unreachable, server or
    settings."""
    error: str | None = None
    """What is wrong and what to do, in one sentence."""
    quota_left: int | None = None
    """Calls that the platform still allows at once, where it counts them."""
    cursor_at: UtcTime | None = None
    """When the cursor last moved."""
    gap_since: UtcTime | None = None
    """Since when it is not heard, while a gap is open; ``watch`` learns nothing of that time."""
