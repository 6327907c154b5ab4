"""What was told to whom: one document a notice and channel, so that no restart tells it twice.

Delivery: ``claim`` before sending, ``mark_sent`` after. A crash in between leaves the claim
``pending``: the notice is sent again, with the same key, and the receiver can tell the repeat.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast

from sinks.base import Notice
from sinks.elasticsearch import Elasticsearch

__all__ = ["Claim", "Journal", "NoticeRecord"]

Claim = Literal["new", "pending", "sent", "rejected", "elsewhere"]


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
        with self._elasticsearch.mapped():
            answer = await self._client.search(
                index=self._index,
                ignore_unavailable=True,
                query={"bool": {"filter": [] if incident_id is None else [term]}},
                sort=[{"claimed_at": "desc"}, {"key": "asc"}, {"channel": "asc"}],
                size=size,
            )
        return [_record(hit["_source"]) for hit in answer["hits"]["hits"]]

    async def _mark(self, key: str, channel: str, change: dict[str, str]) -> None:
        with self._elasticsearch.mapped():
            await self._client.update(
                index=self._index, id=_id(key, channel), doc=change, retry_on_conflict=3
            )


def _id(key: str, channel: str) -> str:
    return hashlib.sha256(f"{channel}\x1f{key}".encode()).hexdigest()[:32]


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
