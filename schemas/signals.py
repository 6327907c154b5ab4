"""All that ``watch`` may know, in one order: mentions, commands, time, gaps.

Whatever decides an incident stands in the ``signals`` topic, so that a replay of the same lines
decides the same.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from schemas.enriched import BrandRole, Mood
from schemas.errors import RejectedError
from schemas.post import PostId, PostKind
from schemas.record import Record, UtcTime, check_parts, explain
from schemas.source_status import Backfill, SourceTrouble

__all__ = ["Command", "CommandAction", "Mention", "Signal", "SourceGap", "Tick", "parse_signal"]


BrandId = Annotated[str, Field(max_length=64)]
"""Watch keeps a state for each, so a name must not be as long as a line may be."""


class Mention(Record):
    """One post that speaks of one brand: only what watch needs."""

    type: Literal["mention"] = "mention"
    brand: BrandId
    role: BrandRole
    post_id: PostId
    root_id: PostId
    """The thread's root; the post itself when it is one."""
    platform: Annotated[str, Field(max_length=32)]
    kind: PostKind
    author_id: Annotated[str, Field(max_length=128)]
    author_name: Annotated[str, Field(max_length=200)] | None = None
    author_kind: Annotated[str, Field(max_length=32)] | None = None
    """Who writes: an ``AuthorKind``, as far as it could be told."""
    followers: int | None = None
    event_at: UtcTime
    event_clamped: bool = False
    mood: Mood | None = None
    negative: Annotated[float, Field(ge=0, le=1)] | None = None
    intents: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=32)] = ()
    """What the writer wants: labels of ``processors/intents.py``."""
    emotions: Annotated[tuple[Annotated[str, Field(max_length=32)], ...], Field(max_length=8)] = ()
    """Feelings it shows: labels of ``processors/emotions.py``; fear includes panic."""
    faults: Annotated[tuple[Annotated[str, Field(max_length=64)], ...], Field(max_length=8)] = ()
    """What it complains of: defects, else aspects that it speaks badly of, by Chinese name."""
    trouble: Annotated[float, Field(ge=0, le=1)] = 0.0
    """How surely listed words tell of trouble (``processors/trouble.py``); of a bare repost, those
    of the text that it carries on; so the signs."""
    signs: Annotated[tuple[Annotated[str, Field(max_length=32)], ...], Field(max_length=32)] = ()
    """Groups of ``processors/cues_trouble.toml`` that have a word in it."""
    signature: Annotated[str, Field(max_length=64)] | None = None
    sketch: Annotated[str, Field(max_length=256)] | None = None
    matches: Annotated[tuple[str, ...], Field(max_length=1_000)] = ()
    """Words of the keyword rules that fired."""
    excerpt: Annotated[str, Field(max_length=141)] = ""
    """The first 140 characters, so that an alarm can quote without a look-up."""
    url: str | None = None


CommandAction = Literal[
    "acknowledge", "assign", "silence", "statement", "verdict", "close", "reopen", "alarm_rule"
]


class Command(Record):
    """What a person decided; watch learns of it only through the log."""

    type: Literal["command"] = "command"
    id: Annotated[str, Field(max_length=128)]
    brand: BrandId
    action: CommandAction
    at: UtcTime
    by: Annotated[str, Field(max_length=200)]
    incident_id: Annotated[str, Field(max_length=128)] | None = None
    value: Annotated[str, Field(max_length=10_000)] | None = None
    """The assignee, the statement's text, ``true`` / ``false`` of a verdict, ..."""
    until: UtcTime | None = None
    """End of a silence."""
    made_at: UtcTime | None = None
    """When a statement was made, if not at ``at``."""
    why: Annotated[str, Field(max_length=2_000)] | None = None
    """What the decision rests on, in words."""


class Tick(Record):
    """Time passed in one lane: everything observed before ``at`` stands before this line.

    A lane is a partition of ``posts.raw``. Ingest writes ticks into every lane and enrich passes
    them on behind the mentions of that lane, so watch's clock, the minimum over the lanes, never
    runs ahead of posts that still wait to be enriched.
    """

    type: Literal["tick"] = "tick"
    at: UtcTime
    lane: Annotated[int, Field(ge=0, lt=10_000)]
    lanes: Annotated[int, Field(ge=1, le=10_000)]


class SourceGap(Record):
    """A source was silent or failing: its calm is not calm.

    Written when the gap is noticed, without an end, and again with one when it is over; the same
    source and beginning are the same gap.
    """

    type: Literal["gap"] = "gap"
    source: Annotated[str, Field(max_length=100)]
    platform: Annotated[str, Field(max_length=32)]
    """Kind of the connector."""
    started_at: UtcTime
    """The last time that it was surely heard."""
    ended_at: UtcTime | None = None
    at: UtcTime
    """When that was noticed."""
    trouble: SourceTrouble
    reason: Annotated[str, Field(max_length=500)]
    """What is wrong and what to do, in one sentence."""
    backfill: Backfill


Signal = Annotated[Mention | Command | Tick | SourceGap, Field(discriminator="type")]

_signals: TypeAdapter[Mention | Command | Tick | SourceGap] = TypeAdapter(Signal)


def parse_signal(line: bytes) -> Mention | Command | Tick | SourceGap:
    """Parse one line of ``signals``.

    Raises:
        RejectedError: no JSON, or none of the four records.
    """
    check_parts(line)
    try:
        return _signals.validate_json(line)
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error
