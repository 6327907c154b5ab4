"""Role ``ingest``: connectors in, posts out; the place where time enters the log.

For each batch of a connector: posts and ticks go to ``posts.raw``, what customers did to
``customer.events``, unreadable items to ``dead-letters``, and only when the broker has acknowledged
all of them is the batch's cursor kept in ``sources``. Delivery: at least once; a batch may come
again after a crash, with the same ids.

Time: a live source runs on the wall clock, and a tick a second goes into every lane. A recording
brings its own clock: a tick goes in before the first post of each quarter of an hour, so that a
fast replay closes the same windows as the slow original did.
"""

import asyncio
import base64
import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog
from pydantic import ValidationError

from connectors.base import Batch, Connector, Cursor, Unreadable
from connectors.trouble import SourceError
from pipeline import clock, metrics
from pipeline.backoff import MOST_ASKED_OF_A_SOURCE_SECONDS, Backoff
from pipeline.dead_letter_writer import MAX_KEPT_BYTES, DeadLetterWriter, post_id_of
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.source_progress import Progress, measure
from pipeline.source_watch import SourceWatch, trouble_of
from pipeline.vitals import Reader
from schemas.customer_event import CustomerEvent
from schemas.dead_letter import DeadLetter, dead_letter_id
from schemas.envelope import pack
from schemas.errors import FatalError, RetryableError
from schemas.language import say
from schemas.post import Post
from schemas.record import SCHEMA_VERSION, explain
from schemas.signals import SourceGap, Tick
from schemas.source_status import SourceStatus
from schemas.topics import partition_of

__all__ = ["Ingest"]

TICK_SECONDS = 1.0
RECORDED_TICK = timedelta(minutes=15)

LOOK_SECONDS = 5.0
"""How often it is asked whether a source is still heard."""
NOTE_EVERY = timedelta(seconds=30)
"""How old a note may grow: between two polls, too, the next process must see that this one ran."""
#: Asking at once again would only use up the platform's patience.
_LEAST_WAIT_SECONDS = {
    "login": 300.0,
    "forbidden": 300.0,
    "captcha": 900.0,
    "gone": 300.0,
    "format": 60.0,
}

log = structlog.get_logger()


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
        self._lanes = self._event_lanes = 1
        self._before: dict[str, SourceStatus] = {}
        self.progress: dict[str, Progress] = defaultdict(Progress)

    async def start(self) -> None:
        """Connect."""
        await self._writer.start()
        await self._dead_letters.start()
        self._lanes = await self._writer.partitions("posts.raw")
        self._event_lanes = await self._writer.partitions("customer.events")

    async def stop(self) -> None:
        """Flush and disconnect."""
        await self._writer.stop()
        await self._dead_letters.stop()

    def resume(self, status: SourceStatus) -> Cursor:
        """Go on counting where an earlier process stood; returns its cursor.

        Nobody listened since its last note: that is a gap, which the first success ends.
        """
        self._before[status.name] = status
        self.progress[status.name] = Progress.of(status)
        return status.cursor

    async def retire(self, status: SourceStatus) -> None:
        """A source is configured no longer: its open gap ends, or it would stay open for ever."""
        progress = Progress.of(status)
        progress.state = "stopped"
        if status.gap_since is not None:
            watch = SourceWatch(status.name, status.connector, self._now(), status=status)
            await self._tell_gap(watch.read(1, self._now()))
            await self._note(progress)

    async def tick_for_ever(self) -> None:
        """One tick a second into every lane; the clock of live sources."""
        while True:
            with self._vitals.step("writing"):  # so that the watchdog sees a producer that hangs
                await self._write(_tick(self._now(), self._lanes))
            await asyncio.sleep(TICK_SECONDS)

    async def look_for_ever(self) -> None:
        """Every few seconds: whether each source is still heard."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Tell of sources that time alone has made silent, failing or hanging."""
        for progress in list(self.progress.values()):
            if progress.watch is not None and progress.state != "stopped":
                gap = progress.watch.look(self._now())
                if gap is not None or self._is_old(progress):
                    await self._note(progress)
                    await self._tell_gap(gap)

    def _is_old(self, progress: Progress) -> bool:
        # Until this process has something to say, the last word of the one before counts.
        noted_at = progress.noted_at
        return noted_at is not None and self._now() - noted_at >= NOTE_EVERY

    async def run(
        self,
        name: str,
        kind: str,
        connector: Connector,
        cursor: Cursor,
        *,
        silent_after: timedelta | None = None,
    ) -> AsyncIterator[Progress]:
        """Run one connector to its end; yields after each acknowledged batch.

        A passing fault is retried from the last cursor for ever; a FatalError of the connector is
        noted in ``sources`` and raised. ``silent_after`` is the silence that is told; by default it
        is learned, and zero tells none.
        """
        progress = self.progress[name]
        progress.name, progress.kind, progress.cursor = name, kind, cursor
        progress.state = "running"
        if connector.way != "recorded":
            status = self._before.pop(name, None)
            progress.watch = SourceWatch.over(
                name, kind, connector, self._now(), silent_after=silent_after, status=status
            )
        backoff = self._backoff()
        while True:
            try:
                async for batch in connector.batches(progress.cursor):
                    fresh = await self._take(name, batch, progress)
                    await self._took(batch, fresh, progress)
                    backoff = self._backoff()
                    yield progress
                progress.state = "done"
                await self._note(progress)
                return
            except RetryableError as error:
                log.warning("source waits", source=name, reason=str(error))
                await self._failed(progress, error)
                least = _LEAST_WAIT_SECONDS.get(trouble_of(error), 0.0)
                await backoff.wait(
                    max(least, error.retry_after_seconds or 0.0),
                    most_asked_seconds=MOST_ASKED_OF_A_SOURCE_SECONDS,
                )
            except FatalError as error:
                await self._failed(progress, error)
                raise
            except Exception as error:  # of one source; the others must still be heard
                log.exception("source failed", source=name)
                await self._failed(progress, _bug(error))
                await backoff.wait(_LEAST_WAIT_SECONDS["format"])

    async def _took(self, batch: Batch, fresh: int, progress: Progress) -> None:
        """A batch is with the broker: its cursor counts, and its source was heard."""
        now = self._now()
        if batch.poll_ends and batch.trouble is None:
            progress.state, progress.failure = "running", None
            progress.last_success_at = now
        progress.quota_left, progress.warning = batch.quota_left, batch.warning
        if batch.cursor != progress.cursor:
            progress.cursor, progress.cursor_at = batch.cursor, now
        if batch.trouble is not None:
            reason = str(batch.trouble)
            if progress.failure is None or progress.failure[1] != reason:
                log.warning("source is read in part", source=progress.name, reason=reason)
            await self._failed(progress, batch.trouble)
            return
        gap = None
        if progress.watch is not None:
            gap = progress.watch.read(fresh, now, whole=batch.poll_ends)
        await self._tell_gap(gap)
        await self._note(progress)

    async def _failed(self, progress: Progress, error: RetryableError | FatalError) -> None:
        metrics.ERRORS.labels("ingest", "source").inc()
        progress.state, progress.failure = "failing", (trouble_of(error), str(error))
        gap = progress.watch.failed(error, self._now()) if progress.watch is not None else None
        # Noted first: a gap that was told and then forgotten would never end.
        await self._note(progress)
        await self._tell_gap(gap)

    async def _tell_gap(self, gap: SourceGap | None) -> None:
        if gap is not None:
            await self._write([(0, gap.to_line())])  # enrich passes it on to all of signals

    async def _take(self, name: str, batch: Batch, progress: Progress) -> int:
        """Write a batch; returns how much of it is news, and not only a new state of what is old.

        A like more on an old post must not pass for a source that is heard.
        """
        lines: list[tuple[int, bytes]] = []
        unreadable = list(batch.unreadable)
        delay = metrics.PUBLISHED.labels(name)
        posts = 0
        fresh = len(batch.events)
        newest = progress.last_post_at
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
            if newest is None or post.event_at > newest:
                fresh += 1
                progress.last_post_at = max(progress.last_post_at or post.event_at, post.event_at)
        progress.posts += posts
        metrics.RECEIVED.labels("ingest").inc(posts + len(unreadable) + len(batch.events))
        if batch.clock is not None and (progress.clock is None or batch.clock > progress.clock):
            lines += self._ticks_at(progress, batch.clock)
        if unreadable:
            progress.rejected += len(unreadable)
            letters = [_letter(name, item, self._now()) for item in unreadable]
            await self._dead_letters.write_letters(letters)
        await self._write(lines)
        await self._write_events(batch.events)
        metrics.SENT.labels("ingest", "posts.raw").inc(posts)
        metrics.SENT.labels("ingest", "customer.events").inc(len(batch.events))
        metrics.DECIDED.labels("ingest").inc(posts + len(batch.events))
        return fresh

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
        await self._send("posts.raw", entries)

    async def _write_events(self, events: Sequence[CustomerEvent]) -> None:
        if not events:
            return
        entries = []
        for event in events:
            key = event.customer.encode()
            entries.append(Entry(partition_of(key, self._event_lanes), event.to_line(), key))
        await self._send("customer.events", entries)

    async def _send(self, topic: str, entries: list[Entry]) -> None:
        """Write until the broker has it."""
        backoff = self._backoff()
        while True:
            try:
                await self._writer.write({topic: entries})
                self._vitals.delivered()
                return
            except RetryableError as error:
                log.warning("broker waits", reason=str(error))
                metrics.ERRORS.labels("ingest", "unavailable").inc()
                with self._vitals.retrying(str(error)):
                    await backoff.wait(error.retry_after_seconds)

    async def _note(self, progress: Progress) -> None:
        key = progress.name.encode()
        backoff = self._backoff()
        async with progress.noting:
            while True:
                status = progress.status(self._now())
                measure(status)
                try:
                    partitions = await self._writer.partitions("sources")
                    entry = Entry(partition_of(key, partitions), status.to_line(), key)
                    await self._writer.write({"sources": [entry]})
                    progress.noted_at = self._now()
                    return
                except RetryableError as fault:
                    log.warning("cursor waits", source=progress.name, reason=str(fault))
                    metrics.ERRORS.labels("ingest", "unavailable").inc()
                    await backoff.wait()


def _bug(error: Exception) -> SourceError:
    told = f"{type(error).__name__}: {error}"[:200]
    return SourceError(
        "format",
        say(
            f"连接器读到了没有料到的内容，这是听潮的缺陷（{told}）；请把 ingest 日志报告给开发者。"
            "听潮会继续重试，其他来源不受影响。",
            f"The connector met what it does not expect, a defect of Tingchao ({told}); please "
            "report it with ingest's log. It is tried again, and other sources go on.",
        ),
    )


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
