"""In-memory stand-ins with the semantics of the real sinks, for tests of the loops around them.

Delivery: as the real ones, at least once and idempotent by version or key.
Limits: nothing is kept when the process ends.
"""

import json
from collections import defaultdict, deque
from collections.abc import Sequence
from datetime import datetime

import httpx

from schemas.component import ComponentConfig
from schemas.errors import TingchaoError
from schemas.outcome import Done, Outcome, Rejected
from sinks.base import Notice
from sinks.bulk import Document
from sinks.documents import Names
from sinks.journal import Claim, Waiting, WaitsFor

__all__ = ["MemoryChannel", "MemoryIndex", "MemoryJournal"]


class MemoryIndex:
    """Documents by index and id, under the rules of external versions."""

    def __init__(self, prefix: str = "") -> None:
        self.names = Names(prefix)
        self.documents: dict[tuple[str, str], Document] = {}
        self.calls: list[list[str]] = []
        """Ids of each call to ``index``, in order."""
        self._faults: defaultdict[str, deque[Outcome]] = defaultdict(deque)

    def fail(self, document_id: str, *outcomes: Outcome) -> None:
        """The next writes of this id end so, one outcome each, and store nothing."""
        self._faults[document_id].extend(outcomes)

    async def index(self, documents: Sequence[Document]) -> list[Outcome]:
        """Write documents; one outcome each, in order."""
        self.calls.append([document.id for document in documents])
        return [self._write(document) for document in documents]

    def _write(self, document: Document) -> Outcome:
        if self._faults[document.id]:
            return self._faults[document.id].popleft()
        try:
            json.loads(document.body)
        except ValueError as error:
            return Rejected("mapping", f"not valid JSON: {error}")
        place = (document.index, document.id)
        held = self.documents.get(place)
        if held is not None and held.version > document.version:
            return Done(stale=True)
        self.documents[place] = document
        return Done()


class MemoryChannel:
    """Keeps what was delivered."""

    class Config(ComponentConfig):
        """Nothing to set."""

    def __init__(self, name: str, config: Config, client: httpx.AsyncClient | None = None) -> None:
        self.name = name
        self.delivered: list[Notice] = []
        self.attempts = 0
        self._faults: deque[TingchaoError | None] = deque()

    def fail(self, *errors: TingchaoError | None) -> None:
        """The next deliveries raise these, one each; ``None`` lets one through."""
        self._faults.extend(errors)

    @property
    def keys(self) -> list[str]:
        """Keys of the delivered notices, repeats included."""
        return [notice.key for notice in self.delivered]

    async def deliver(self, notice: Notice) -> None:
        """Keep the notice, or raise the fault that is due."""
        self.attempts += 1
        fault = self._faults.popleft() if self._faults else None
        if fault is not None:
            raise fault
        self.delivered.append(notice)


class MemoryJournal:
    """What was told, by key and channel, and what is to be told later."""

    def __init__(self) -> None:
        self.states: dict[tuple[str, str], Claim] = {}
        self.waits: dict[tuple[WaitsFor, str, str], Waiting] = {}

    async def claim(self, notice: Notice, channel: str, at: datetime) -> Claim:
        """``new`` for whoever asks first."""
        place = (notice.key, channel)
        if place not in self.states:
            self.states[place] = "pending"
            return "new"
        return self.states[place]

    async def mark_sent(self, key: str, channel: str, at: datetime) -> None:
        """The channel accepted the notice."""
        self.states[key, channel] = "sent"

    async def mark_rejected(self, key: str, channel: str, reason: str) -> None:
        """The channel can never accept the notice."""
        self.states[key, channel] = "rejected"

    async def mark_elsewhere(self, key: str, channel: str, by: str) -> None:
        """Another channel told it instead."""
        self.states[key, channel] = "elsewhere"

    async def put_waiting(self, waiting: Waiting) -> None:
        """Remember it, in the place of what waited there before."""
        self.waits[waiting.waits_for, waiting.channel, waiting.incident_id] = waiting

    async def waiting(self, waits_for: WaitsFor, channel: str, incident_id: str) -> Waiting | None:
        """What waits, or waited last, there."""
        return self.waits.get((waits_for, channel, incident_id))

    async def all_waiting(self, channel: str) -> list[Waiting]:
        """What waits for a channel, the longest first."""
        found = [one for one in self.waits.values() if one.channel == channel and not one.over]
        return sorted(found, key=lambda one: (one.since, one.incident_id, one.waits_for))
