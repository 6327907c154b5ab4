"""``tingchao audit``: does every post that came in have an end?

Produced (lines of ``posts.raw``) = indexed + dead letters + dropped on purpose, by source and hour.
Posts are told apart by id: a post that was seen five times is one. Only what ``posts.raw`` still
holds can be audited. Memory: about 400 bytes a post.
"""

import contextlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.kafka import Kafka
from pipeline.lag import total_lag
from schemas.dead_letter import DeadLetter, Drop, dead_letter_id, parse_dead_letter_line
from schemas.envelope import split
from schemas.errors import RejectedError
from schemas.post import PostId, clamp_event_time
from schemas.record import UtcTime
from sinks.elasticsearch import Elasticsearch
from sinks.search import Search

__all__ = ["AuditReport", "Cell", "audit"]


@dataclass
class Cell:
    """One source in one hour, in posts."""

    produced: int = 0
    indexed: int = 0
    dead_lettered: int = 0
    dropped: int = 0
    missing: int = 0


@dataclass
class AuditReport:
    """The result; ``holds`` is the answer."""

    cells: dict[tuple[str, datetime], Cell] = field(default_factory=lambda: defaultdict(Cell))
    """By source and hour (UTC) of the event time."""
    lines: int = 0
    """Lines of ``posts.raw`` that are posts, repeats included."""
    unreadable: int = 0
    """Lines that are no posts; each must have its dead letter."""
    unreadable_missing: list[str] = field(default_factory=list)
    """Places (topic:partition:offset:line) of unreadable lines without a dead letter."""
    rejected_at_ingest: int = 0
    """Items that never became a line; their dead letters name them."""
    missing: list[str] = field(default_factory=list)
    """Ids of posts that are nowhere."""
    twice: list[str] = field(default_factory=list)
    """Ids that stand in two indices."""
    foreign: int = 0
    """Indexed ids that ``posts.raw`` does not hold (any more)."""
    on_their_way: int = 0
    """Records that enrich or index has still to read."""

    @property
    def total(self) -> Cell:
        """All cells together."""
        total = Cell()
        for cell in self.cells.values():
            total.produced += cell.produced
            total.indexed += cell.indexed
            total.dead_lettered += cell.dead_lettered
            total.dropped += cell.dropped
            total.missing += cell.missing
        return total

    @property
    def holds(self) -> bool:
        """Whether everything adds up."""
        return not (self.missing or self.unreadable_missing or self.twice or self.on_their_way)


class _Produced(BaseModel):
    """The little that the audit needs of a raw line, whatever else is wrong with it."""

    model_config = ConfigDict(extra="ignore")

    id: PostId
    source: str
    published_at: UtcTime
    observed_at: UtcTime


async def audit(kafka: Kafka, index: Elasticsearch) -> AuditReport:
    """Count everything. Nothing is written.

    Raises:
        FatalError: Kafka can't be reached.
        RetryableError: Elasticsearch can't be reached.
    """
    report = AuditReport()
    # In the order of the line: what stands in posts.raw now has an end by the time that both roles
    # have read so far, and only then the ends are looked for. So a live line can be audited too.
    produced = await _produced(kafka, report)
    report.on_their_way = await total_lag(kafka, ("enrich", "index"))
    letters = await _dead_letters(kafka)
    dropped = await _dropped(kafka)
    indexed = await _indexed(index, report)
    if dropped - indexed:
        dropped -= await _kept_after_all(kafka)
    places = {letter.id for letter in letters}
    refused = {letter.post_id for letter in letters if letter.stage == "index"}
    report.rejected_at_ingest = sum(letter.stage == "ingest" for letter in letters)
    report.unreadable_missing = [
        where for place, where in produced.unreadable.items() if place not in places
    ]
    for post_id, post in produced.posts.items():
        cell = report.cells[post.source, post.hour]
        cell.produced += 1
        if post_id in indexed:
            cell.indexed += 1
        # A mistake in one line of a post does not excuse the loss of another line of it.
        elif post_id in refused or places.issuperset(post.places):
            cell.dead_lettered += 1
        elif post_id in dropped:
            cell.dropped += 1
        else:
            cell.missing += 1
            report.missing.append(post_id)
    report.foreign = len(indexed - produced.posts.keys())
    return report


@dataclass(slots=True)
class _Post:
    source: str
    hour: datetime
    places: tuple[str, ...] = ()
    """Ids that dead letters of its lines would have."""


@dataclass
class _Lines:
    """What ``posts.raw`` holds."""

    posts: dict[str, _Post] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)
    """Id that the dead letter of the line must have, and the line's place."""


async def _produced(kafka: Kafka, report: AuditReport) -> _Lines:
    produced = _Lines()
    async for record in kafka.read_all("posts.raw"):
        lines = split(record.value or b"")
        for number, raw in enumerate(lines, 1) if lines else [(0, b"")]:
            if raw.startswith((b'{"type":"tick"', b'{"type":"gap"')):
                continue
            place = dead_letter_id("enrich", record.topic, record.partition, record.offset, number)
            try:
                line = _Produced.model_validate_json(raw)
            except ValidationError:
                report.unreadable += 1
                where = f"{record.topic}:{record.partition}:{record.offset}:{number}"
                produced.unreadable[place] = where
                continue
            report.lines += 1
            post = produced.posts.get(line.id)
            if post is None:
                hour = _hour(clamp_event_time(line.published_at, line.observed_at))
                post = produced.posts[line.id] = _Post(line.source, hour)
            post.places += (place,)
    return produced


async def _dead_letters(kafka: Kafka) -> list[DeadLetter]:
    letters: dict[str, DeadLetter] = {}
    async for record in kafka.read_all("dead-letters"):
        try:
            line = parse_dead_letter_line(record.value or b"")
        except RejectedError:
            continue  # not ours
        if isinstance(line, DeadLetter):
            letters[line.id] = line
    return list(letters.values())


async def _dropped(kafka: Kafka) -> set[str]:
    dropped = set()
    async for record in kafka.read_all("posts.dropped"):
        for raw in split(record.value or b""):
            with contextlib.suppress(RejectedError):  # somebody else's line
                dropped.add(Drop.from_line(raw).post_id)
    return dropped


async def _kept_after_all(kafka: Kafka) -> set[str]:
    """What was written for the index: a reply that was left out comes in with its root."""
    written = kafka.read_all("posts.enriched")
    return {record.key.decode(errors="replace") async for record in written if record.key}


async def _indexed(index: Elasticsearch, report: AuditReport) -> set[str]:
    await index.refresh()
    indexed: set[str] = set()
    async for post_id, _ in Search(index).ids():
        if post_id in indexed:
            report.twice.append(post_id)
        indexed.add(post_id)
    return indexed


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
