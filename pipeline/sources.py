"""Every configured source and how it is doing, as ingest last noted it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline.kafka import Kafka
from pipeline.settings import Settings
from pipeline.source_progress import read_cursors
from schemas.source_status import SourceStatus

__all__ = ["SourceRow", "source_rows"]

Health = Literal["new", "ok", "done", "failing", "silent", "stale", "removed"]

STALE_SECONDS = 900.0
"""Nothing was noted for so long: ingest does not run (``NOTE_EVERY``)."""


@dataclass(frozen=True)
class SourceRow:
    """One line of ``tingchao sources``."""

    name: str
    connector: str
    health: Health
    status: SourceStatus | None
    """None before its first note."""


async def source_rows(settings: Settings, kafka: Kafka, now: datetime) -> list[SourceRow]:
    """Configured sources by name, then those that only the log remembers.

    Raises:
        FatalError: Kafka can't be reached.
    """
    noted = await read_cursors(kafka)
    rows = [
        SourceRow(name, section.use, _health(noted.get(name), now), noted.get(name))
        for name, section in sorted(settings.sources.items())
    ]
    rows += [
        SourceRow(name, status.connector, "removed", status)
        for name, status in sorted(noted.items())
        if name not in settings.sources
    ]
    return rows


def _health(status: SourceStatus | None, now: datetime) -> Health:
    if status is None:
        return "new"
    if status.state in ("failing", "stopped"):
        return "failing"
    if status.state == "done":
        return "done"
    if status.trouble == "silent":
        return "silent"
    if status.trouble == "stalled":
        return "stale"
    return "stale" if (now - status.at).total_seconds() > STALE_SECONDS else "ok"
