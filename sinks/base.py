"""What a sink is: a place where findings go.

Two kinds: the index takes documents in bulk (``sinks/elasticsearch.py``); an alert channel takes
notices one at a time (``Channel``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import httpx

from schemas.incidents import AnyIncident

__all__ = ["Channel", "Notice", "NoticeReason"]

NoticeReason = Literal[
    "opened", "confirmed", "worse", "media", "reopened", "unsilenced", "unclaimed", "closed"
]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to people about one step of an incident."""

    key: str
    """Deterministic: the same step always has the same key, so a receiver can tell repeats."""
    reason: NoticeReason
    incident: AnyIncident
    brand_name: str
    """The brand as people call it; of a source, its name."""
    platform_names: Mapping[str, str] = field(default_factory=dict)
    """Platforms as people call them, where the user named them."""
    instead_of: str = ""
    """The channel that could not be reached, when this one tells it for that one."""
    held_since: datetime | None = None
    """Since when it waited for the team's hours; it is about all that came meanwhile."""
    told_at: datetime | None = None
    """When people were told whom nobody followed: of ``unclaimed``."""
    trial: bool = False
    """Sent to try a channel: nobody has to act, and nothing may stay open on the other side."""


class Channel(Protocol):
    """A way to reach people. Constructed as ``X(name, config, client)``, without any I/O.

    A nested ``Config`` (ComponentConfig) holds its options; the contract tests check it.
    """

    def __init__(self, name: str, config: Any, client: httpx.AsyncClient) -> None: ...

    async def deliver(self, notice: Notice) -> None:
        """Return when the other side accepted the notice. At least once: ``notice.key`` repeats.

        Raises:
            RetryableError: try again later (with the wait that the other side asked for).
            RejectedError: this notice can never be accepted.
            FatalError: the channel is unusable until a person acts.
        """
        ...
