"""What a connector is.

A connector turns one source into batches of drafts. It holds no broker and no cursor store: ingest
writes a batch, waits for the broker's acknowledgement, and only then keeps the batch's cursor.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol

import httpx

from connectors.trouble import SourceError
from schemas.customer_event import CustomerEvent
from schemas.post import PostDraft
from schemas.source_status import Backfill

__all__ = ["Batch", "Connector", "Context", "Cursor", "Seen", "Unreadable", "Way"]

Cursor = Mapping[str, str | int]
"""Where to resume; only the connector knows its meaning. Empty at the very first start."""


Way = Literal["polled", "pushed", "recorded"]
"""How a source is read: it is asked again and again, it tells by itself (a connector that only
listens; a trial reads nothing), or it is a recording, which ends and whose time is its own."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A draft and when it was seen, by the clock that the batch runs on."""

    draft: PostDraft
    at: datetime


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An item that can't become a draft; ingest writes it to dead letters and goes on."""

    line: int
    """Place in the source, from 1: the line of a file, the place in an answer."""
    raw: bytes
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some items of a source, in order."""

    seen: list[Seen]
    cursor: Cursor
    """Where to resume once all of this batch is acknowledged."""
    unreadable: list[Unreadable] = field(default_factory=list)
    clock: datetime | None = None
    """For recordings: everything up to here was yielded. ``None``: the source runs on real time."""
    quota_left: int | None = None
    """Calls that the platform still allows at once, where it counts them."""
    events: list[CustomerEvent] = field(default_factory=list)
    """What customers did towards an account of ours, without saying anything."""
    trouble: SourceError | None = None
    """What of the source can't be read, though the rest can: some of its addresses or lists."""
    poll_ends: bool = True
    """Only then it is known whether all of the source could be read."""
    warning: str | None = None
    """What a person has to do soon, though nothing is wrong yet."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a connector needs from outside; tests pass their own."""

    client: httpx.AsyncClient
    now: Callable[[], datetime]
    sleep: Callable[[float], Awaitable[None]]
    folder: Path | None = None
    """For the little that a connector must keep from its sender until the broker has it."""


class Connector(Protocol):
    """One source. Constructed as ``X(name, config, context)``; construction does no I/O.

    A nested ``Config`` (ComponentConfig) holds its options; the contract tests check it, since a
    nested class cannot be a member of a protocol.
    """

    way: Way
    backfill: Backfill
    """What of a time in which nobody listened comes in later."""
    every_seconds: float | None
    """Pause between two polls; ``None`` for what is not polled."""

    def __init__(self, name: str, config: Any, context: Context) -> None: ...

    def total(self) -> int | None:
        """How many items there are in all, where that is known; for a progress bar."""
        ...

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        """Yield batches from the cursor on, oldest first; ends when the source is exhausted.

        The next batch is asked for after the broker acknowledged the one before: who is pushed to
        answers then. A batch that was yielded may come again after a restart. Empty batches (a poll
        without news, half a minute in which nobody pushed) are its sign of life, and move the
        cursor and the clock.

        Raises:
            RetryableError: ask again later, from the last cursor. A ``SourceError``
                (``connectors/trouble.py``) also says what kind of trouble it is.
            FatalError: a person has to act; the message says what to do.
        """
        ...
