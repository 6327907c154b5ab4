"""What was told to whom: one document a notice and channel, so that no restart tells it twice.

Delivery: ``claim`` before sending, ``mark_sent`` after. A crash in between leaves the claim
``pending``: the notice is sent again, with the same key, and the receiver can tell the repeat.

What is to be told later stands here too, one document an incident, channel and reason to wait, so
that it outlives the process: ``put_waiting`` returns when the server has it on disk.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sinks.base import Notice, NoticeReason
from sinks.elasticsearch import Elasticsearch

__all__ = ["Claim", "Journal", "NoticeRecord", "Waiting", "WaitsFor"]

Claim = Literal["new", "pending", "sent", "rejected", "elsewhere"]
WaitsFor = Literal["hours", "owner"]
"""``hours``: for the team to be at work; ``owner``: for somebody to take the incident."""
MOST_WAITING = 1_000
"""Looked at together; the others come after them."""


@dataclass(frozen=True, slots=True)
class NoticeRecord:
    """One notice to one channel, as the journal remembers it."""

    key: str
    channel: str
    state: Literal["pending", "sent", "rejected", "elsewhere"]
    """``elsewhere``: its fallback told it."""
    reason: str
    incident_id: str
    revision: int
    brand: str | None
    """None when it is about a source."""
    severity: int
    claimed_at: datetime
    sent_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """An incident that a channel tells (more) of later."""

    waits_for: WaitsFor
    channel: str
    incident_id: str
    revision: int
    """The one that began to wait; once over, up to which one is told."""
    reason: NoticeReason
    since: datetime
    brand: str | None = None
    """None when it is about a source."""
    over: bool = False
    """Nothing is told later any more: it was told, or need not be."""


class Journal:
    """Claims and marks through an open connection; every time is a parameter.

    Raises, in every method: ``RetryableError`` when the server is away or overloaded,
    ``FatalError`` when it refuses access.
    """

    def __init__(self, elasticsearch: Elasticsearch) -> None:
        self._elasticsearch = elasticsearch
        self._client = elasticsearch.client
        self._index = elasticsearch.names.notices

    async def claim(self, notice: Notice, channel: str, at: datetime) -> Claim:
        """Whoever gets ``new`` sends; ``pending`` was claimed before and perhaps never sent."""
        incident = notice.incident
        document = {
            "key": notice.key,
            "channel": channel,
            "state": "pending",
            "reason": notice.reason,
            "incident_id": incident.id,
            "revision": incident.revision,
            "severity": incident.severity,
            "claimed_at": at.isoformat(),
        }
        if incident.kind != "source":
            document["brand"] = incident.brand
        name = _id(notice.key, channel)
        await self._elasticsearch.ensure_setup()
        with self._elasticsearch.mapped():
            made = await self._client.options(ignore_status=409).create(
                index=self._index, id=name, document=document
            )
            if made.meta.status != 409:
                return "new"
            known = await self._client.get(index=self._index, id=name, source_includes=["state"])
        return cast(Claim, known["_source"]["state"])

    async def mark_sent(self, key: str, channel: str, at: datetime) -> None:
        """The channel accepted the notice."""
        await self._mark(key, channel, {"state": "sent", "sent_at": at.isoformat()})

    async def mark_rejected(self, key: str, channel: str, reason: str) -> None:
        """The channel can never accept the notice."""
        await self._mark(key, channel, {"state": "rejected", "error": reason})

    async def mark_elsewhere(self, key: str, channel: str, by: str) -> None:
        """Another channel told it instead."""
        await self._mark(key, channel, {"state": "elsewhere", "error": f"told by {by}"})

    async def recent(self, *, incident_id: str | None = None, size: int = 20) -> list[NoticeRecord]:
        """The notices that were claimed last."""
        term = {"term": {"incident_id": incident_id}}
        later = {"exists": {"field": "waits_for"}}
        with self._elasticsearch.mapped():
            answer = await self._client.search(
                index=self._index,
                ignore_unavailable=True,
                query={
                    "bool": {"filter": [] if incident_id is None else [term], "must_not": [later]}
                },
                sort=[{"claimed_at": "desc"}, {"key": "asc"}, {"channel": "asc"}],
                size=size,
            )
        return [_record(hit["_source"]) for hit in answer["hits"]["hits"]]

    async def put_waiting(self, waiting: Waiting) -> None:
        """Remember it, in the place of what waited there before."""
        document = {
            "key": f"{waiting.incident_id}-{waiting.waits_for}",
            "channel": waiting.channel,
            "state": "over" if waiting.over else "waiting",
            "reason": waiting.reason,
            "incident_id": waiting.incident_id,
            "revision": waiting.revision,
            "waits_for": waiting.waits_for,
            "since": waiting.since.isoformat(),
        }
        if waiting.brand is not None:
            document["brand"] = waiting.brand
        await self._elasticsearch.ensure_setup()
        name = _waiting_id(waiting.waits_for, waiting.channel, waiting.incident_id)
        with self._elasticsearch.mapped():
            await self._client.index(index=self._index, id=name, document=document)

    async def waiting(self, waits_for: WaitsFor, channel: str, incident_id: str) -> Waiting | None:
        """What waits, or waited last, there; at once after it was put."""
        name = _waiting_id(waits_for, channel, incident_id)
        with self._elasticsearch.mapped():
            found = await self._client.options(ignore_status=404).get(index=self._index, id=name)
        return _waiting(found["_source"]) if found.get("found") else None

    async def all_waiting(self, channel: str) -> list[Waiting]:
        """What waits for a channel, the longest first; what was put in the last second may lack."""
        terms = [{"term": {"state": "waiting"}}, {"term": {"channel": channel}}]
        with self._elasticsearch.mapped():
            answer = await self._client.search(
                index=self._index,
                ignore_unavailable=True,
                query={"bool": {"filter": [*terms, {"exists": {"field": "waits_for"}}]}},
                sort=[{"since": "asc"}, {"key": "asc"}],
                size=MOST_WAITING,
            )
        return [_waiting(hit["_source"]) for hit in answer["hits"]["hits"]]

    async def _mark(self, key: str, channel: str, change: dict[str, str]) -> None:
        with self._elasticsearch.mapped():
            await self._client.update(
                index=self._index, id=_id(key, channel), doc=change, retry_on_conflict=3
            )


def _id(key: str, channel: str) -> str:
    return hashlib.sha256(f"{channel}\x1f{key}".encode()).hexdigest()[:32]


def _waiting_id(waits_for: WaitsFor, channel: str, incident_id: str) -> str:
    return _id(f"{incident_id}\x1f{waits_for}", channel)


def _waiting(source: dict[str, Any]) -> Waiting:
    return Waiting(
        waits_for=source["waits_for"],
        channel=source["channel"],
        incident_id=source["incident_id"],
        revision=source["revision"],
        reason=source["reason"],
        since=datetime.fromisoformat(source["since"]),
        brand=source.get("brand"),
        over=source["state"] == "over",
    )


def _record(source: dict[str, Any]) -> NoticeRecord:
    sent_at = source.get("sent_at")
    return NoticeRecord(
        **{
            **source,
            "claimed_at": datetime.fromisoformat(source["claimed_at"]),
            "sent_at": datetime.fromisoformat(sent_at) if sent_at else None,
            "error": source.get("error"),
            "brand": source.get("brand"),
        }
    )
