"""Role ``ingest``: connectors in, posts out; the place where time enters the log.

For each batch of a connector: posts and ticks go to ``posts.raw``, unreadable items to
``dead-letters``, and only when the broker has acknowledged all of them is the batch's cursor kept
in ``sources``. Delivery: at least once; a batch may come again after a crash, with the same ids.

Time: a live source runs on the wall clock, and a tick a second goes into every lane. A recording
brings its own clock: a tick goes in before the first post of each quarter of an hour, so that a
fast replay closes the same windows as the slow original did.
"""

import asyncio
import base64
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import get_args

import structlog
from pydantic import ValidationError

from connectors.base import Batch, Connector, Cursor, Unreadable
from connectors.trouble import SourceError, Trouble
from pipeline import clock, metrics
from pipeline.backoff import Backoff
from pipeline.dead_letter_writer import MAX_KEPT_BYTES, DeadLetterWriter, post_id_of
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.vitals import Reader
from schemas.dead_letter import DeadLetter, dead_letter_id
from schemas.envelope import pack
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.post import Post
from schemas.record import SCHEMA_VERSION, explain
from schemas.signals import SourceGap, Tick
from schemas.source_status import SourceState, SourceStatus
from schemas.topics import partition_of

__all__ = ["Ingest", "Progress", "read_cursors"]

TICK_SECONDS = 1.0
RECORDED_TICK = timedelta(minutes=15)

GAP_AFTER = timedelta(minutes=1)
"""A source that fails for shorter only stumbles."""
_TROUBLES = (*get_args(Trouble), "settings")
#: Troubles that may be over at the next try; the others need a person and are told at once.
_PASSING = ("unreachable", "server", "quota")
#: Asking at once again would only use up the platform's patience.
_LEAST_WAIT_SECONDS = {
    "login": 300.0,
    "forbidden": 300.0,
    "captcha": 900.0,
    "gone": 300.0,
    "format": 60.0,
}

log = structlog.get_logger()


@dataclass
class Progress:
    """What one source has done so far."""

    posts: int = 0
    rejected: int = 0
    last_post_at: datetime | None = None
    clock: datetime | None = None
    """The recording's clock."""
    last_success_at: datetime | None = None
    """When the source was last read without trouble."""
    quota_left: int | None = None
    cursor_at: datetime | None = None
    """When the cursor last moved."""
    failing_since: datetime | None = None
    gap_since: datetime | None = None
    """Since when it is not heard, once that was told; None while it is heard."""


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


class Ingest:
    """Runs connectors and writes what they yield."""

    def __init__(
        self,
        kafka: Kafka,
        *,
        now: Callable[[], datetime] = clock.now,
        backoff: Callable[[], Backoff] = Backoff,
        vitals: Reader | None = None,
    ) -> None:
        self._vitals = vitals or Reader("ingest", in_group=False)
        self._writer = LineWriter(kafka)
        self._dead_letters = DeadLetterWriter(kafka, "ingest", vitals=self._vitals)
        self._now = now
        self._backoff = backoff
        self._lanes = 1
        self.progress: dict[str, Progress] = defaultdict(Progress)

    async def start(self) -> None:
        """Connect."""
        await self._writer.start()
        await self._dead_letters.start()
        self._lanes = await self._writer.partitions("posts.raw")

    async def stop(self) -> None:
        """Flush and disconnect."""
        await self._writer.stop()
        await self._dead_letters.stop()

    def resume(self, status: SourceStatus) -> Cursor:
        """Go on counting where an earlier process stood; returns its cursor.

        Nobody listened since its last note: that is a gap, which the first success ends.
        """
        away = status.state in ("running", "failing") and self._now() - status.at > GAP_AFTER
        self.progress[status.name] = Progress(
            status.posts,
            status.rejected,
            status.last_post_at,
            last_success_at=status.last_success_at,
            quota_left=status.quota_left,
            cursor_at=status.cursor_at,
            gap_since=status.gap_since or (status.at if away else None),
        )
        return status.cursor

    async def tick_for_ever(self) -> None:
        """One tick a second into every lane; the clock of live sources."""
        while True:
            with self._vitals.step("writing"):  # so that the watchdog sees a producer that hangs
                await self._write(_tick(self._now(), self._lanes))
            await asyncio.sleep(TICK_SECONDS)

    async def run(
        self, name: str, kind: str, connector: Connector, cursor: Cursor
    ) -> AsyncIterator[Progress]:
        """Run one connector to its end; yields after each acknowledged batch.

        A passing fault is retried from the last cursor for ever; a FatalError of the connector is
        noted in ``sources`` and raised.
        """
        progress = self.progress[name]
        backoff = self._backoff()
        while True:
            try:
                async for batch in connector.batches(cursor):
                    await self._take(name, batch, progress)
                    progress.last_success_at = self._now()
                    await self._end_gap(name, kind, progress, live=batch.clock is None)
                    progress.quota_left = batch.quota_left
                    if batch.cursor != cursor:
                        progress.cursor_at = progress.last_success_at
                    cursor = batch.cursor
                    await self._note(name, kind, "running", cursor, progress)
                    backoff = self._backoff()
                    yield progress
                await self._note(name, kind, "done", cursor, progress)
                return
            except RetryableError as error:
                log.warning("source waits", source=name, reason=str(error))
                metrics.ERRORS.labels("ingest", "source").inc()
                if connector.way != "recorded":
                    await self._begin_gap(name, kind, progress, error)
                await self._note(name, kind, "failing", cursor, progress, error)
                least = _LEAST_WAIT_SECONDS.get(_trouble(error) or "", 0.0)
                await backoff.wait(max(least, error.retry_after_seconds or 0.0))
            except FatalError as error:
                metrics.ERRORS.labels("ingest", "source").inc()
                if connector.way != "recorded":
                    await self._begin_gap(name, kind, progress, error)
                await self._note(name, kind, "failing", cursor, progress, error)
                raise

    async def _begin_gap(
        self, name: str, kind: str, progress: Progress, error: RetryableError | FatalError
    ) -> None:
        """Tell that a source is not heard, once it is more than a hiccup."""
        now = self._now()
        progress.failing_since = progress.failing_since or now
        trouble = _trouble(error) or ""
        passing = trouble in _PASSING and now - progress.failing_since < GAP_AFTER
        if progress.gap_since is not None or passing:
            return
        progress.gap_since = progress.last_success_at or progress.failing_since
        await self._write_gap(name, kind, progress.gap_since, None, f"{trouble}: {error}")

    async def _end_gap(self, name: str, kind: str, progress: Progress, *, live: bool) -> None:
        """It is heard again."""
        progress.failing_since = None
        if progress.gap_since is not None:
            since, progress.gap_since = progress.gap_since, None
            if live:
                await self._write_gap(name, kind, since, self._now(), "heard again")

    async def _write_gap(
        self, name: str, kind: str, since: datetime, until: datetime | None, reason: str
    ) -> None:
        gap = SourceGap(
            source=name, platform=kind, started_at=since, ended_at=until, reason=reason[:500]
        ).to_line()
        await self._write([(0, gap)])  # enrich passes it on to every partition of signals

    async def _take(self, name: str, batch: Batch, progress: Progress) -> None:
        lines: list[tuple[int, bytes]] = []
        unreadable = list(batch.unreadable)
        delay = metrics.PUBLISHED.labels(name)
        posts = 0
        for seen in batch.seen:
            if batch.clock is not None and self._crosses(progress, seen.at):
                lines += self._ticks_at(progress, _floor(seen.at))
            try:
                post = Post(**dict(seen.draft), observed_at=seen.at)
            except ValidationError as error:
                unreadable.append(Unreadable(0, seen.draft.to_line(), *explain(error)))
                continue
            lines.append((partition_of(post.thread, self._lanes), post.to_line()))
            posts += 1
            delay.observe(max(0.0, (post.observed_at - post.published_at).total_seconds()))
            if progress.last_post_at is None or post.published_at > progress.last_post_at:
                progress.last_post_at = post.published_at
        progress.posts += posts
        metrics.RECEIVED.labels("ingest").inc(posts + len(unreadable))
        if batch.clock is not None and (progress.clock is None or batch.clock > progress.clock):
            lines += self._ticks_at(progress, batch.clock)
        if unreadable:
            progress.rejected += len(unreadable)
            letters = [_letter(name, item, self._now()) for item in unreadable]
            await self._dead_letters.write_letters(letters)
        await self._write(lines)
        metrics.SENT.labels("ingest", "posts.raw").inc(posts)
        metrics.DECIDED.labels("ingest").inc(posts)

    def _crosses(self, progress: Progress, at: datetime) -> bool:
        return progress.clock is None or _floor(at) > progress.clock

    def _ticks_at(self, progress: Progress, at: datetime) -> list[tuple[int, bytes]]:
        progress.clock = at
        return _tick(at, self._lanes)

    async def _write(self, lines: list[tuple[int, bytes]]) -> None:
        by_lane: dict[int, list[bytes]] = defaultdict(list)
        for lane, line in lines:
            by_lane[lane].append(line)
        entries = [
            Entry(lane, value, key=None)
            for lane, group in sorted(by_lane.items())
            for value in pack(group)
        ]
        backoff = self._backoff()
        while True:
            try:
                await self._writer.write({"posts.raw": entries})
                self._vitals.delivered()
                return
            except RetryableError as error:
                log.warning("broker waits", reason=str(error))
                metrics.ERRORS.labels("ingest", "unavailable").inc()
                with self._vitals.retrying(str(error)):
                    await backoff.wait(error.retry_after_seconds)

    async def _note(
        self,
        name: str,
        kind: str,
        state: SourceState,
        cursor: Cursor,
        progress: Progress,
        error: RetryableError | FatalError | None = None,
    ) -> None:
        _measure(name, progress, _trouble(error))
        status = SourceStatus(
            name=name,
            connector=kind,
            state=state,
            at=self._now(),
            cursor=dict(cursor),
            posts=progress.posts,
            rejected=progress.rejected,
            last_success_at=progress.last_success_at,
            last_post_at=progress.last_post_at,
            trouble=_trouble(error),
            error=str(error) if error else None,
            quota_left=progress.quota_left,
            cursor_at=progress.cursor_at,
            gap_since=progress.gap_since,
        )
        key = name.encode()
        backoff = self._backoff()
        while True:
            try:
                partitions = await self._writer.partitions("sources")
                entry = Entry(partition_of(key, partitions), status.to_line(), key)
                await self._writer.write({"sources": [entry]})
                return
            except RetryableError as fault:
                log.warning("cursor waits", source=name, reason=str(fault))
                metrics.ERRORS.labels("ingest", "unavailable").inc()
                await backoff.wait()


def _measure(name: str, progress: Progress, trouble: str | None) -> None:
    """The state of a source, for whoever watches the metrics."""
    for known in _TROUBLES:  # also those that it never had: a rule can't ask for what is not there
        metrics.SOURCE_FAILING.labels(name, known).set(known == trouble)
    for gauge, at in (
        (metrics.SOURCE_SUCCESS, progress.last_success_at),
        (metrics.SOURCE_POST, progress.last_post_at),
    ):
        if at is not None:
            gauge.labels(name).set(at.timestamp())
    if progress.quota_left is not None:
        metrics.SOURCE_QUOTA.labels(name).set(progress.quota_left)


def _trouble(error: RetryableError | FatalError | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, SourceError):
        return error.trouble
    return "settings" if isinstance(error, FatalError) else "unreachable"


def _tick(at: datetime, lanes: int) -> list[tuple[int, bytes]]:
    return [(lane, Tick(at=at, lane=lane, lanes=lanes).to_line()) for lane in range(lanes)]


def _floor(at: datetime) -> datetime:
    return at - (at - datetime(2000, 1, 1, tzinfo=UTC)) % RECORDED_TICK


def _letter(name: str, item: Unreadable, at: datetime) -> DeadLetter:
    # The content tells items apart that stand in the same place: of two answers of a source that
    # is polled, of a file before and after it was corrected.
    content = hashlib.sha256(item.raw).hexdigest()
    return DeadLetter(
        id=dead_letter_id("ingest", f"{name}\x1f{content}", -1, -1, item.line),
        stage="ingest",
        kind=item.kind,
        message=item.message,
        source=name,
        line=item.line,
        value=base64.b64encode(item.raw[:MAX_KEPT_BYTES]).decode(),
        size=len(item.raw),
        post_id=post_id_of(item.raw),
        schema_version=SCHEMA_VERSION,
        at=at,
    )
