"""How a source is doing, and where to go on reading it."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.record import Record, UtcTime

__all__ = ["HOURS_OF_WEEK", "Backfill", "Habit", "SourceState", "SourceStatus", "SourceTrouble"]

SourceState = Literal["running", "done", "failing", "stopped"]

SourceTrouble = Literal[
    "login",
    "forbidden",
    "captcha",
    "quota",
    "format",
    "gone",
    "unreachable",
    "server",
    "settings",  # it can't even begin
    "stalled",  # neither an answer nor an error since long
    "silent",  # it can be read, but brings no posts for longer than usual
    "unheard",  # ingest itself did not run
]
"""Why a source is not heard; the first eight are told by connectors."""

Backfill = Literal["whole", "listed", "sender"]
"""What of a gap comes in later: all of it; what the platform still lists; what the sender sends
again."""

HOURS_OF_WEEK = 168

_PerHour = Annotated[tuple[int, ...], Field(min_length=HOURS_OF_WEEK, max_length=HOURS_OF_WEEK)]


class Habit(Record):
    """How long a source uses to be silent, by hour of the week (``processors/habit.py``).

    Hours are counted from 1970-01-01 UTC; place ``n`` is every hour whose number is ``n`` modulo
    168.
    """

    longest: _PerHour = (0,) * HOURS_OF_WEEK
    """Longest silence that was running in that hour, in seconds; fades week by week."""
    weeks: _PerHour = (0,) * HOURS_OF_WEEK
    """In how many weeks that hour was heard, at most 99."""
    hour: int = -1
    """The hour that was looked at last."""


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
    """When it was noted; while nothing was heard since a stop of ingest, when that began."""
    cursor: dict[str, str | int] = Field(default_factory=dict)
    """Where to resume; only the connector knows its meaning."""
    posts: Annotated[int, Field(ge=0)] = 0
    """Posts written since the cursor began."""
    rejected: Annotated[int, Field(ge=0)] = 0
    """Items that went to dead letters."""
    last_success_at: UtcTime | None = None
    last_post_at: UtcTime | None = None
    """``event_at`` of the newest post seen: its own clock, within reason."""
    trouble: SourceTrouble | None = None
    """Kind of what is wrong."""
    error: str | None = None
    """What is wrong and what to do, in one sentence."""
    quota_left: int | None = None
    """Calls that the platform still allows at once, where it counts them."""
    warning: str | None = None
    """What a person has to do soon, though nothing is wrong yet."""
    cursor_at: UtcTime | None = None
    """When the cursor last moved."""
    gap_since: UtcTime | None = None
    """Since when it is not heard, while a gap is open; ``watch`` learns nothing of that time."""
    heard_at: UtcTime | None = None
    """When the last post came in, by our clock."""
    habit: Habit | None = None
    """Its usual silences; of live sources only."""
