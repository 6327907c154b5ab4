"""Role ``index``: enriched posts and incidents into Elasticsearch.

Delivery: at least once, which the index turns into exactly once: the id names the document, the
revision (and, of one revision, how much was known of its root) its version, and an older one never
replaces a newer one.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog

from pipeline import metrics
from pipeline.backoff import Backoff
from pipeline.record import Item, Record
from pipeline.vitals import Reader
from schemas.dead_letter import Stage as StageName
from schemas.errors import RetryableError
from schemas.outcome import Done, Outcome
from sinks.bulk import Document
from sinks.elasticsearch import Elasticsearch

__all__ = ["IndexStage", "set_up"]

#: Elasticsearch indexes 4, 9 or 12 thousand documents a second with 1, 2 or 4 requests at a time.
CONCURRENT_BULKS = 3
MIN_BULK = 200

log = structlog.get_logger()


async def set_up(index: Elasticsearch, vitals: Reader) -> None:
    """Put templates and base indices; waits while the server is away."""
    backoff = Backoff()
    while True:
        try:
            await index.setup()
            return
        except RetryableError as error:
            log.warning("index waits", reason=str(error))
            metrics.ERRORS.labels("index", "unavailable").inc()
            with vitals.retrying(str(error)):
                await backoff.wait(error.retry_after_seconds)


class IndexStage:
    """Hands documents to the index in bulk."""

    name: StageName = "index"

    def __init__(self, index: Elasticsearch, vitals: Reader | None = None) -> None:
        self._index = index
        self._vitals = vitals or Reader(self.name)

    async def start(self) -> None:
        """Put templates and base indices; waits while the server is away."""
        await set_up(self._index, self._vitals)

    async def stop(self) -> None:
        """Disconnect."""
        await self._index.close()

    async def recover(self) -> None:
        """Nothing is kept between batches."""

    def decode(self, raw: bytes, record: Record) -> Document:
        """Only what the index needs to know; its strict mapping checks the rest."""
        if record.topic == "incidents":
            return self._index.names.incident_document(raw)
        return self._index.names.document_of(raw)

    async def apply(self, items: Sequence[Item[Document]]) -> Sequence[Outcome]:
        """Write all; says per document what became of it."""
        documents = [item.value for item in items]
        part = max(MIN_BULK, -(-len(documents) // CONCURRENT_BULKS))
        answers = await asyncio.gather(
            *(
                self._index.index(documents[start : start + part])
                for start in range(0, len(documents), part)
            )
        )
        outcomes = [outcome for answer in answers for outcome in answer]
        now_ms = time.time() * 1000
        searchable, indexed = (
            metrics.LATENCY.labels("searchable"),
            metrics.LATENCY.labels("indexed"),
        )
        for item, outcome in zip(items, outcomes, strict=True):
            received_ms = item.record.received_ms()  # incidents have none
            if isinstance(outcome, Done) and received_ms is not None:
                searchable.observe((now_ms - received_ms) / 1000)
                indexed.observe((now_ms - item.record.timestamp_ms) / 1000)
        return outcomes
