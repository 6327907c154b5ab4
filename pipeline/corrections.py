"""Corrections in their topic: written with all acknowledgements, read by one bounded scan.

Delivery: at least once; an id that comes again replaces what stood under it. A withdrawn
correction stays as a line without text, so that importing an old file again does not bring back
what somebody asked to have removed. The text itself leaves Kafka with the next compaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import structlog

from pipeline.kafka import Entry, Kafka, LineWriter
from processors.corrections import CORRECTIONS, Row, training_rows
from schemas.correction import Correction
from schemas.errors import RejectedError
from schemas.topics import partition_of

__all__ = ["corrected_moods", "read_corrections", "write_corrections"]

TOPIC = "corrections"
_TOGETHER = 1_000

log = structlog.get_logger()


async def read_corrections(kafka: Kafka) -> dict[str, Correction]:
    """The newest state of every correction by id, withdrawn ones too.

    A line that is no correction is logged and left out: it must not keep the others from use.
    """
    newest: dict[str, Correction] = {}
    async for record in kafka.read_all(TOPIC):
        key = (record.key or b"").decode("ascii", "replace")
        if not record.value:
            newest.pop(key, None)
            continue
        try:
            correction = Correction.from_line(record.value)
        except RejectedError as error:
            place = f"{record.partition}:{record.offset}"
            log.error("correction refused", place=place, reason=str(error))
            continue
        if correction.id == key:
            newest[key] = correction
    return newest


async def write_corrections(kafka: Kafka, corrections: Sequence[Correction]) -> None:
    """Write corrections; returns when all of them are acknowledged by all replicas.

    Raises:
        RetryableError: not all were; write all again.
        FatalError: Kafka can't be reached, or does not let us write there.
    """
    if not corrections:
        return
    writer = LineWriter(kafka)
    await writer.start()
    try:
        partitions = await writer.partitions(TOPIC)
        for start in range(0, len(corrections), _TOGETHER):
            some = corrections[start : start + _TOGETHER]
            await writer.write({TOPIC: [_entry(one, partitions) for one in some]})
    finally:
        await writer.stop()


def _entry(correction: Correction, partitions: int) -> Entry:
    key = correction.id.encode()
    return Entry(partition_of(key, partitions), correction.to_line(), key)
