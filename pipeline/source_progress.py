"""What a source has done so far, and how that is noted in ``sources`` and in the metrics."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from connectors.base import Cursor
from pipeline import metrics
from pipeline.kafka import Kafka
from pipeline.source_watch import SourceWatch
from schemas.errors import RejectedError
from schemas.source_status import SourceState, SourceStatus, SourceTrouble

__all__ = ["Progress", "measure", "read_cursors"]


@dataclass
class Progress:
    """What one source has done so far."""

    name: str = ""
    kind: str = ""
    state: SourceState = "running"
    cursor: Cursor = field(default_factory=dict)
    posts: int = 0
    rejected: int = 0
    last_post_at: datetime | None = None
    clock: datetime | None = None
    """The recording's clock."""
    last_success_at: datetime | None = None
    """When the source was last read without trouble."""
    quota_left: int | None = None
    warning: str | None = None
    """What a person has to do soon."""
    cursor_at: datetime | None = None
    """When the cursor last moved."""
    failure: tuple[SourceTrouble, str] | None = None
    """What is wrong just now."""
    watch: SourceWatch | None = None
    """Of live sources."""
    noted_at: datetime | None = None
    """When this process noted it last."""
    noting: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)
    """Notes go out one after the other: the last must be the newest."""

    @classmethod
    def of(cls, status: SourceStatus) -> "Progress":
        """Where an earlier process stood."""
        return cls(
            status.name,
            status.connector,
            cursor=status.cursor,
            posts=status.posts,
            rejected=status.rejected,
            last_post_at=status.last_post_at,
            last_success_at=status.last_success_at,
            quota_left=status.quota_left,
            warning=status.warning,
            cursor_at=status.cursor_at,
        )

    def status(self, at: datetime) -> SourceStatus:
        """The line for ``sources``."""
        watch = self.watch
        trouble, error = self.failure or (None, None)
        if watch is not None and trouble is None:
            trouble, error = watch.trouble, watch.message
        return SourceStatus(
            name=self.name,
            connector=self.kind,
            state=self.state,
            # Should this process die, too, the next one has to know since when nobody listened.
            at=(watch.away_since if watch else None) or at,
            cursor=dict(self.cursor),
            posts=self.posts,
            rejected=self.rejected,
            last_success_at=self.last_success_at,
            last_post_at=self.last_post_at,
            trouble=trouble,
            error=error,
            quota_left=self.quota_left,
            warning=self.warning,
            cursor_at=self.cursor_at,
            gap_since=watch.gap_since if watch else None,
            heard_at=watch.heard_at if watch else None,
            habit=watch.habit if watch else None,
        )


async def read_cursors(kafka: Kafka) -> dict[str, SourceStatus]:
    """The newest status of every source."""
    newest: dict[str, SourceStatus] = {}
    async for record in kafka.read_all("sources"):
        if record.key and record.value:
            try:
                status = SourceStatus.from_line(record.value)
            except RejectedError:
                continue  # somebody else's line: it must not keep every source from starting
            newest[status.name] = status
    return newest


def measure(status: SourceStatus) -> None:
    """The state of a source, for whoever watches the metrics."""
    for known in get_args(SourceTrouble):  # also what never came: no rule can ask for what is not
        metrics.SOURCE_FAILING.labels(status.name, known).set(known == status.trouble)
    for gauge, at in (
        (metrics.SOURCE_SUCCESS, status.last_success_at),
        (metrics.SOURCE_POST, status.last_post_at),
    ):
        if at is not None:
            gauge.labels(status.name).set(at.timestamp())
    if status.quota_left is not None:
        metrics.SOURCE_QUOTA.labels(status.name).set(status.quota_left)
