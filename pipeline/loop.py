"""The safe loop: every line of every record is decided before the record is acknowledged.

It is shared by the Faust agents (``pipeline/faust_agent.py``) and the sink consumers
(``pipeline/sink_consumer.py``), which differ only in how they read and acknowledge::

    read records ──▶ SafeLoop.handle(records) ──▶ acknowledge, in order
                         │ split into lines, decode each
                         │ bad lines ──▶ dead-letters (broker-acked before anything else),
                         │               unless there are too many: then it halts and waits
                         └ good lines ─▶ stage.apply ──▶ Done | Retry (again, for ever) | Rejected

Delivery: at least once. ``handle`` returns only when every line is delivered or a dead letter; on
anything unexpected it does not return at all: the process ends at once, nothing is acknowledged,
and the records come again. Letting the exception escape would acknowledge them: Faust acks the
event whose agent raised.
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, NoReturn, Protocol, TypeVar

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from pipeline import metrics
from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.crash_log import CrashLog, Place
from pipeline.dead_letter_writer import DeadLetterWriter
from pipeline.record import RETRY_HEADER, Item, Record
from pipeline.vitals import Reader
from schemas.dead_letter import Stage as StageName
from schemas.envelope import split
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.outcome import Outcome, Rejected, Retry

__all__ = [
    "EXIT_BUG",
    "EXIT_FATAL",
    "EXIT_WATCHDOG",
    "SLICE_LINES",
    "SafeLoop",
    "Stage",
    "end_process",
]

EXIT_BUG = 70
"""Something unexpected: a bug, or a fault that has no other way out than a fresh process."""
EXIT_WATCHDOG = 75
"""The process hung; a fresh one may not (``pipeline/watchdog.py``)."""
EXIT_FATAL = 78
"""A person has to act: wrong settings, missing topic, fenced off."""

#: How long ``stop`` waits for the running batch; the supervisor kills after 8 s.
STOP_SECONDS = 4.0
SLICE_LINES = 1_000
#: Ours have at most 200. One of a million line breaks would be a million dead letters.
MAX_RECORD_LINES = 10_000
MAX_SLICE_BYTES = 5 * 1024 * 1024

log = structlog.get_logger()
T = TypeVar("T")


class Stage(Protocol[T]):
    """What a role does with its lines."""

    name: StageName

    async def start(self) -> None:
        """Connect; called once, before the first line."""
        ...

    async def stop(self) -> None:
        """Disconnect; may not be called when the process is killed."""
        ...

    def decode(self, raw: bytes, record: Record) -> T:
        """Turn one line into a value, or raise RejectedError."""
        ...

    async def apply(self, items: Sequence[Item[T]]) -> Sequence[Outcome]:
        """Deliver the items and say what became of each, in order.

        May raise RetryableError (nothing of it counts as delivered: all come again).
        """
        ...

    async def recover(self) -> None:
        """Forget what an ``apply`` that raised may have left half done."""
        ...


def end_process(code: int, reason: str) -> NoReturn:
    """End this process without any clean-up that could acknowledge or commit something."""
    log.error("process ends", exit_code=code, reason=reason, exc_info=code == EXIT_BUG)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class SafeLoop(Generic[T]):
    """Drives one stage; see the module's docstring."""

    def __init__(
        self,
        stage: Stage[T],
        dead_letters: DeadLetterWriter,
        crash_log: CrashLog,
        breaker: Breaker,
        *,
        backoff: Callable[[], Backoff] = Backoff,
        end: Callable[[int, str], NoReturn] = end_process,
        slice_lines: int = SLICE_LINES,
        vitals: Reader | None = None,
    ) -> None:
        self.stage = stage
        self._vitals = vitals or Reader(stage.name)
        self._dead_letters = dead_letters
        self._crash_log = crash_log
        self._breaker = breaker
        self._backoff = backoff
        self._end = end
        self._slice_lines = slice_lines
        self._in_flight: list[Place] = []
        self._handling = asyncio.Lock()
        self._stopping = False

    async def start(self, prepare: Callable[[], Awaitable[None]] | None = None) -> None:
        """Connect the stage and the dead letters, after whatever ``prepare`` does."""
        try:
            if prepare is not None:
                await prepare()
            await self._dead_letters.start()
            await self._breaker.start()
            await self.stage.start()
            self._vitals.end("starting")
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - nothing may escape into Faust
            self._end_for(error)

    async def stop(self) -> None:
        """Disconnect both, after the running batch, if that ends soon; no other begins.

        Faust asks for this while its agent still runs: a batch whose writers were closed under it
        would look like a bug.
        """
        self._stopping = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS), self._handling:
                pass
        await self.stage.stop()
        await self._dead_letters.stop()

    async def handle(self, records: Sequence[Record]) -> None:
        """Decide every line of the records; ends the process on anything unexpected.

        Does not return once ``stop`` was called: the records come again after the next start.
        """
        if self._stopping:
            await asyncio.Event().wait()  # until cancelled: returning would acknowledge them
        async with self._handling:
            began = time.perf_counter()
            await self._handle(records)
            metrics.BATCH_SECONDS.labels(self.stage.name).observe(time.perf_counter() - began)

    async def _handle(self, records: Sequence[Record]) -> None:
        places = [_place(record) for record in records]
        try:
            if any(map(self._crash_log.suspicious, places)):
                for record in records:
                    await self._handle_suspect(record)
            else:
                self._begin(places)
                for lines in _slices(records, self._slice_lines):
                    await self._decide(lines)
            self._crash_log.done(places)
        except asyncio.CancelledError:
            self._crash_log.release()  # asked to stop: that is no death
            raise
        except BaseException as error:  # noqa: BLE001 - the one broad catch: it ends the process
            if _of_the_surroundings(error):
                self._crash_log.release()  # else restarts would make poison of innocent lines
            if self._stopping and _of_the_surroundings(error):
                await asyncio.Event().wait()  # its writers were closed: not decided, comes again
            self._end_for(error)

    def _begin(self, places: list[Place]) -> None:
        self._in_flight = places
        self._crash_log.begin(places)

    async def _handle_suspect(self, record: Record) -> None:
        """Line by line, so that only the line that kills is left out."""
        for record_line in _lines(record):
            line_place = (*_place(record)[:3], record_line.line)
            if self._crash_log.suspicious(line_place):
                await self._dead_letters.write(
                    [(record_line, Rejected("poison", "the process died at this line three times"))]
                )
            else:
                self._begin([_place(record), line_place])
                try:
                    await self._decide([record_line])
                except Exception as error:
                    if _of_the_surroundings(error):
                        raise
                    log.error("line isolated", place=line_place, exc_info=True)
                    metrics.ERRORS.labels(self.stage.name, "bug").inc()
                    await self.stage.recover()
                    message = f"{type(error).__name__}: {error}"[:300]
                    await self._dead_letters.write([(record_line, Rejected("bug", message))])
            self._crash_log.done([line_place])

    async def _decide(self, lines: Sequence[Item[bytes]]) -> None:
        items: list[Item[T]] = []
        bad: list[tuple[Item[bytes], Rejected]] = []
        for line in lines:
            try:
                if not line.raw:
                    raise RejectedError(*_why_whole(line.record))
                value = self.stage.decode(line.raw, line.record)
            except RejectedError as error:
                bad.append((line, Rejected(error.kind, str(error))))
            else:
                items.append(Item(line.record, line.line, line.raw, value, line.last))
        metrics.RECEIVED.labels(self.stage.name).inc(len(lines))
        metrics.BATCH_LINES.labels(self.stage.name).observe(len(lines))
        self._breaker.passed(len(lines))
        if bad:
            await self._refuse(bad)
        await self._deliver(items)

    async def _refuse(self, bad: Sequence[tuple[Item[bytes], Rejected]]) -> None:
        """Make dead letters of them; halts first, when a person should look before that goes on."""
        # What a person put back is that person's doing, not a sign of anything new.
        reasons = [why for line, why in bad if line.record.header(RETRY_HEADER) is None]
        self._crash_log.release()  # a kill while halted is not the lines' doing
        await self._breaker.refuse(reasons)
        self._crash_log.begin(self._in_flight)
        await self._dead_letters.write(bad)

    async def _deliver(self, pending: Sequence[Item[T]]) -> None:
        backoff = self._backoff()
        while pending:
            wait: float | None = None
            try:
                outcomes = await self.stage.apply(pending)
            except RetryableError as error:
                retried = pending
                reason, wait = str(error), error.retry_after_seconds
                metrics.ERRORS.labels(self.stage.name, "unavailable").inc()
            else:
                if len(outcomes) != len(pending):
                    raise RuntimeError(f"{len(outcomes)} outcomes for {len(pending)} lines")
                retried = []
                bad = []
                reason = ""
                for item, outcome in zip(pending, outcomes, strict=True):
                    if isinstance(outcome, Retry):
                        retried.append(item)
                        reason = outcome.reason
                        wait = max(wait or 0.0, outcome.after_seconds or 0.0)
                    elif isinstance(outcome, Rejected):
                        bad.append(
                            (Item(item.record, item.line, item.raw, item.raw, item.last), outcome)
                        )
                if bad:
                    await self._refuse(bad)
                metrics.DECIDED.labels(self.stage.name).inc(len(pending) - len(retried) - len(bad))
                if retried:
                    metrics.ERRORS.labels(self.stage.name, "refused").inc()
            if retried:
                metrics.RETRIED.labels(self.stage.name).inc(len(retried))
                if 2 * len(retried) <= len(pending):
                    backoff = self._backoff()  # most of it passed: that is no reason to wait longer
                log.warning("retry", stage=self.stage.name, lines=len(retried), reason=reason)
                self._crash_log.release()  # a kill while waiting is not the lines' doing
                with self._vitals.retrying(reason):
                    await backoff.wait(wait)
                self._crash_log.begin(self._in_flight)
            pending = retried
        self._vitals.delivered()

    def _end_for(self, error: BaseException) -> NoReturn:
        if isinstance(error, FatalError):
            self._end(EXIT_FATAL, str(error))
        self._end(EXIT_BUG, f"{type(error).__name__}: {error}")


def _of_the_surroundings(error: BaseException) -> bool:
    """Every line would fail alike: no rights, no topic, fenced off by another process."""
    if isinstance(error, KafkaError):
        return not isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError)
    return isinstance(error, FatalError)


def _place(record: Record) -> Place:
    return (record.topic, record.partition, record.offset, 0)


def _lines(record: Record) -> list[Item[bytes]]:
    """The record's lines; one that is null, blank or of too many lines is one empty line 0."""
    value = record.value or b""
    lines = split(value) if value.count(b"\n") <= MAX_RECORD_LINES else []
    if not lines:
        return [Item(record, 0, b"", b"")]
    return [
        Item(record, number, raw, raw, number == len(lines)) for number, raw in enumerate(lines, 1)
    ]


def _slices(records: Sequence[Record], most: int) -> Iterator[list[Item[bytes]]]:
    """Whole records in order, few enough lines to leave the event loop free in between."""
    batch: list[Item[bytes]] = []
    size = 0
    for record in records:
        lines = _lines(record)
        weight = len(record.value or b"")
        if batch and (len(batch) + len(lines) > most or size + weight > MAX_SLICE_BYTES):
            yield batch
            batch, size = [], 0
        batch += lines
        size += weight
    if batch:
        yield batch


def _why_whole(record: Record) -> tuple[str, str]:
    """Kind and sentence for a record that is a dead letter as a whole."""
    if record.value is None:
        return "empty", "the record has no value"
    if record.value.count(b"\n") > MAX_RECORD_LINES:
        return "too_many_lines", f"the record has more than {MAX_RECORD_LINES} lines"
    return "empty", "the record is empty"
