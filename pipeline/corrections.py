"""Corrections in their topic: written with all acknowledgements, read by one bounded scan.

Delivery: at least once; an id that comes again replaces what stood under it. A withdrawn
correction stays as a line without text, so that importing an old file again does not bring back
what somebody asked to have removed. The text itself leaves Kafka with the next compaction.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

import structlog

from pipeline.correction_file import BadRow, Wanted, correction_of, sort_out
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.labelled import read_labelled as read_labelled_table
from pipeline.settings import Settings
from processors.corrections import CORRECTIONS, newest_by_text, training_rows, withdrawn
from processors.labelled import Label, Labelled, read_labelled
from schemas.correction import CorrectedField, Correction
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.topics import partition_of

__all__ = [
    "Outcome",
    "add_corrections",
    "corrected_aspects",
    "corrected_intents",
    "corrected_rows",
    "indexed_posts",
    "read_corrections",
    "remove_corrections",
    "write_corrections",
]

TOPIC = "corrections"
_TOGETHER = 1_000
_LOOKED_UP_TOGETHER = 20

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


# --- adding and removing ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the corrections that somebody gave."""

    added: tuple[Correction, ...]
    same: tuple[Correction, ...]
    """Stood there already, with the same labels."""
    withdrawn: tuple[Correction, ...]
    """Left out: they were withdrawn before, and a file does not bring them back."""
    bad: tuple[BadRow, ...]


async def add_corrections(
    settings: Settings, given: Iterable[Wanted | BadRow], at: datetime, *, revive: bool = False
) -> Outcome:
    """Write all corrections that can be and are not there yet.

    Posts without text are looked up in the index. Those that come later count as newer; giving the
    same again changes nothing.

    Raises:
        FatalError, RetryableError: the index or Kafka can't be used; nothing is lost by trying
            again.
    """
    rows = list(given)
    wanted = [one for one in rows if isinstance(one, Wanted)]
    bad = [one for one in rows if isinstance(one, BadRow)]
    kafka = kafka_of(settings)
    known = await read_corrections(kafka)  # first: without Kafka there is nothing to look up for
    textless = {one.post_id for one in wanted if one.post_id and not one.text}
    posts = await indexed_posts(settings, textless) if textless else {}
    made: list[Correction] = []
    for place, one in enumerate(wanted):
        try:
            if one.post_id and not one.text and one.post_id not in posts:
                raise ValueError(
                    say(
                        f"索引里没有帖子 {one.post_id}，请用 tingchao search 查找",
                        f"the index has no post {one.post_id}: find it with `tingchao search`",
                    )
                )
            moment = at + timedelta(microseconds=place)
            made.append(correction_of(one, posts.get(one.post_id or ""), moment))
        except ValueError as error:
            bad.append(BadRow(one.line, str(error)))
    sorted_out = sort_out(made, known, revive=revive)
    await write_corrections(kafka, sorted_out.new)
    bad.sort(key=lambda one: one.line)
    return Outcome(sorted_out.new, sorted_out.same, sorted_out.withdrawn, tuple(bad))


async def remove_corrections(
    kafka: Kafka, subject: str, by: str, at: datetime
) -> tuple[Correction, ...]:
    """Withdraw the correction of an id, or all of a post; returns what stands there now.

    Raises:
        FatalError: there is none.
    """
    known = (await read_corrections(kafka)).values()
    found = [one for one in known if subject in (one.id, one.post_id)]
    if not found:
        raise FatalError(
            say(
                f"没有更正 {subject}；用 tingchao corrections list 查看 id。",
                f"There is no correction {subject}; see the ids in `tingchao corrections list`.",
            )
        )
    gone = tuple(withdrawn(one, by, at) for one in found if not one.deleted)
    await write_corrections(kafka, gone)
    return gone


async def indexed_posts(settings: Settings, ids: Collection[str]) -> dict[str, EnrichedPost]:
    """Those of the posts that the index holds."""
    from sinks.search import Search

    index = elasticsearch_client(settings)
    search = Search(index)
    found: dict[str, EnrichedPost] = {}
    ordered = sorted(ids)
    try:
        for start in range(0, len(ordered), _LOOKED_UP_TOGETHER):
            some = ordered[start : start + _LOOKED_UP_TOGETHER]
            posts = await asyncio.gather(*(search.post(one) for one in some))
            found |= {post.id: post for post in posts if post is not None}
    finally:
        await index.close()
    return found


# --- for training -----------------------------------------------------------------------------


def corrected_rows(
    settings: Settings,
    field: CorrectedField,
    topic: bool,
    file: Path | None,
    labels: Sequence[Label],
) -> list[Labelled]:
    """Rows of corrections for ``train``: of the topic, of a file that was exported, or none.

    Raises:
        FatalError: Kafka or the file can't be read, or a row of the file is wrong.
    """
    rows: list[Labelled] = []
    if topic:
        found = asyncio.run(read_corrections(kafka_of(settings)))
        rows += [Labelled(*row) for row in training_rows(found.values(), field)]
    if file is not None:
        rows += [row._replace(set=CORRECTIONS) for row in read_labelled(file, labels)]
    return rows


def corrected_aspects(
    settings: Settings, topic: bool, file: Path | None
) -> list[tuple[str, dict[str, int]]]:
    """Texts and the moods of their aspects, as ``corrected_rows``."""
    numbers = {"negative": -1, "neutral": 0, "positive": 1}
    return [
        (
            text,
            {aspect: numbers[mood] for aspect, _, mood in (one.partition(":") for one in labels)},
        )
        for text, labels in _corrected_labels(settings, "aspects", topic, file)
    ]


def corrected_intents(
    settings: Settings, topic: bool, file: Path | None
) -> list[tuple[str, list[str]]]:
    """Texts and their intents, as ``corrected_rows``."""
    return _corrected_labels(settings, "intents", topic, file)


def _corrected_labels(
    settings: Settings, field: Literal["aspects", "intents"], topic: bool, file: Path | None
) -> list[tuple[str, list[str]]]:
    rows = []
    if topic:
        found = asyncio.run(read_corrections(kafka_of(settings)))
        rows += [(one.text, list(one.labels)) for one in newest_by_text(found.values(), field)]
    if file is not None:
        rows += [
            (row.text, sorted(row.truth[field]))
            for row in read_labelled_table(file).rows
            if field in row.truth
        ]
    return rows
