"""Writes dead letters; returns only when the broker has them."""

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import metrics
from pipeline.backoff import Backoff
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.record import Item
from pipeline.vitals import Reader
from schemas.dead_letter import DeadLetter, Stage, dead_letter_id
from schemas.errors import RetryableError
from schemas.outcome import Rejected
from schemas.post import PostId
from schemas.record import SCHEMA_VERSION
from schemas.topics import partition_of

__all__ = ["MAX_KEPT_BYTES", "DeadLetterWriter", "post_id_of"]

#: A longer line is cut (and says so): its dead letter must fit the topic.
MAX_KEPT_BYTES = 4 * 1024 * 1024
#: The same of a key, and of all headers together.
MAX_BESIDE_BYTES = 64 * 1024

log = structlog.get_logger()


class _Named(BaseModel):
    model_config = ConfigDict(extra="ignore")

    id: PostId


class DeadLetterWriter:
    """One stage's way to ``dead-letters``; ``reader`` tells groups of one stage apart.

    Delivery: at least once; a repeated line repeats its id. When the topic can't be written it
    waits for ever: a line may be late, but not lost.
    """

    def __init__(
        self, kafka: Kafka, stage: Stage, reader: str | None = None, vitals: Reader | None = None
    ) -> None:
        self._writer = LineWriter(kafka)
        self._stage = stage
        self._reader = reader or stage
        self._vitals = vitals or Reader(stage)

    async def start(self) -> None:
        """Connect."""
        await self._writer.start()

    async def stop(self) -> None:
        """Disconnect."""
        await self._writer.stop()

    async def write(self, rejected: Sequence[tuple[Item[Any], Rejected]]) -> None:
        """Write one dead letter for each line."""
        letters = [_letter(self._stage, self._reader, line, why) for line, why in rejected]
        await self.write_letters(letters)

    async def write_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Write ready dead letters (ingest makes its own: its items come from no topic)."""
        if not letters:
            return
        backoff = Backoff()
        while True:
            try:
                partitions = await self._writer.partitions("dead-letters")
                entries = [
                    Entry(
                        partition_of(letter.key or letter.id, partitions),
                        letter.to_line(),
                        key=base64.b64decode(letter.key) if letter.key else None,
                    )
                    for letter in letters
                ]
                await self._writer.write({"dead-letters": entries})
                break
            except RetryableError as error:
                log.warning("dead letters wait", lines=len(letters), reason=str(error))
                metrics.ERRORS.labels(self._stage, "unavailable").inc()
                with self._vitals.retrying(str(error)):
                    await backoff.wait()
        for letter in letters:
            metrics.DEAD_LETTERS.labels(letter.stage, letter.kind).inc()
        # One line a batch: ten thousand bad rows of an import are one thing to know.
        first = letters[0]
        log.warning(
            "dead letters",
            lines=len(letters),
            first=first.id,
            kind=first.kind,
            message=first.message,
            source=first.source,
            partition=first.partition,
            offset=first.offset,
            line=first.line,
        )


def _letter(stage: Stage, reader: str, line: Item[Any], why: Rejected) -> DeadLetter:
    record = line.record
    value = line.raw if line.line or record.value is None else record.value
    return DeadLetter(
        id=dead_letter_id(reader, record.topic, record.partition, record.offset, line.line),
        stage=stage,
        kind=why.kind,
        message=why.message,
        source=record.topic,
        partition=record.partition,
        offset=record.offset,
        line=line.line,
        key=None if record.key is None else _base64(record.key[:MAX_BESIDE_BYTES]),
        value=None if record.value is None else _base64(value[:MAX_KEPT_BYTES]),
        headers=tuple(_headers(record.headers)),
        size=len(value),
        post_id=post_id_of(value),
        schema_version=SCHEMA_VERSION,
        at=datetime.now(UTC),
    )


def _headers(headers: Iterable[tuple[str, bytes | None]]) -> Iterator[tuple[str, str]]:
    """As many as there is room for; a header's value may be null."""
    room = MAX_BESIDE_BYTES
    for name, content in headers:
        room -= len(name.encode()) + len(content or b"")
        if room < 0:
            return
        yield name, _base64(content or b"")


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def post_id_of(raw: bytes) -> PostId | None:
    """The post id, where the line is readable enough to tell."""
    try:
        return _Named.model_validate_json(raw).id
    except ValidationError:
        return None
