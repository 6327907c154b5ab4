"""What must have come out, told from what went in and from nothing that the roles remember.

Posts: every id of the ledger stands in the index exactly once, at its highest revision, or has its
dead letter. Incidents: the topic holds each revision once, and exactly those that an offline
recount of the ``signals`` log gives, byte for byte; so do the checkpointed states. Notices: each
that the incidents ask for was delivered.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.dead_letters import Listed, read_dead_letters
from pipeline.notify import reason_for
from pipeline.record import Record
from pipeline.watch import POSITION_KEY
from processors.brand_state import BrandState
from processors.source_incidents import known_gap, source_incident
from processors.surge import Surge
from schemas.checkpoint import KnownGap
from schemas.enriched import EnrichedPost
from schemas.envelope import split
from schemas.errors import RejectedError
from schemas.incidents import AnyIncident, parse_incident
from schemas.signals import Command, Mention, SourceGap, Tick, parse_signal
from schemas.topics import partition_of
from sinks.elasticsearch import Elasticsearch
from sinks.search import Search
from tests.faults.ledger import Feed
from tests.pipeline.line_rig import Line, Receiver

__all__ = ["Verdict", "judge", "judge_state", "recount"]


@dataclass
class Verdict:
    """What was found; ``faults`` is empty when all holds."""

    posts: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    """Ids with more than one document."""
    older: list[str] = field(default_factory=list)
    """Documents that do not stand at their highest revision."""
    foreign: list[str] = field(default_factory=list)
    """Documents that nobody wrote."""
    letters: list[Listed] = field(default_factory=list)
    redelivered: int = 0
    """Enriched posts that were written again."""
    incidents: int = 0
    notices: int = 0
    others: list[str] = field(default_factory=list)
    """Sentences about incidents, states, notices that are wrong."""

    @property
    def faults(self) -> list[str]:
        """One sentence for everything that does not hold."""
        lists = (
            (self.lost, "lost"),
            (self.twice, "have two documents"),
            (self.older, "stand at an older revision"),
            (self.foreign, "were never written"),
        )
        return [
            f"{len(ids)} posts {what}, e.g. {ids[:3]}" for ids, what in lists if ids
        ] + self.others


def judge(line: Line, feed: Feed, receiver: Receiver | None = None) -> Verdict:
    """Compare a line at rest with its ledger."""
    verdict = Verdict(posts=len(feed.revisions))
    verdict.letters = asyncio.run(read_dead_letters(line.kafka))
    refused = {one.letter.post_id for one in verdict.letters}
    found: Counter[str] = Counter()
    for post_id, revision in line.look(_documents):
        found[post_id] += 1
        if post_id not in feed.revisions:
            verdict.foreign.append(post_id)
        elif revision != feed.revisions[post_id]:
            verdict.older.append(post_id)
    verdict.twice = sorted(one for one, count in found.items() if count > 1)
    verdict.lost = sorted(feed.revisions.keys() - found.keys() - refused)
    verdict.redelivered = _written_again(line)
    incidents = _judge_state(line, verdict)
    _judge_index(line, incidents, verdict)
    if receiver is not None:
        _judge_notices(incidents, receiver, verdict)
    return verdict


def _written_again(line: Line) -> int:
    """Enriched posts beyond the first of each revision."""
    seen: set[tuple[str, int]] = set()
    again = 0

    def count(record: Record) -> None:
        nonlocal again
        with suppress(RejectedError):  # a row may write there what is no post
            post = EnrichedPost.from_line(record.value or b"")
            again += (post.id, post.revision) in seen
            seen.add((post.id, post.revision))

    line.each("posts.enriched", count)
    return again


def judge_state(line: Line) -> Verdict:
    """Only incidents and states, of a line in which nothing but ``watch`` runs."""
    verdict = Verdict()
    _judge_state(line, verdict)
    return verdict


async def _documents(index: Elasticsearch) -> list[tuple[str, int]]:
    """Id and version of every post document."""
    found: list[tuple[str, int]] = []
    opened = await index.client.open_point_in_time(
        index=index.names.posts, keep_alive="1m", ignore_unavailable=True
    )
    after = None
    while True:
        answer = await index.client.search(
            pit={"id": opened["id"], "keep_alive": "1m"},
            size=5_000,
            sort=["_shard_doc"],
            search_after=after,
            source=False,
            version=True,
        )
        hits = answer["hits"]["hits"]
        if not hits:
            await index.client.close_point_in_time(id=opened["id"])
            return found
        found += [(hit["_id"], hit["_version"]) for hit in hits]
        after = hits[-1]["sort"]


# --- incidents ----------------------------------------------------------------------------------


def _judge_state(line: Line, verdict: Verdict) -> list[AnyIncident]:
    written = [one.value or b"" for one in line.records("incidents")]
    expected, states = recount(line)
    verdict.incidents = len(written)
    if len(set(written)) != len(written):
        verdict.others.append(f"{len(written) - len(set(written))} incident lines stand twice")
    if set(written) != set(expected):
        verdict.others.append(
            f"incidents differ from the recount: {len(set(written) - set(expected))} more, "
            f"{len(set(expected) - set(written))} missing"
        )
    kept = {
        record.key: record.value
        for record in line.records("watch.checkpoints")
        if record.key != POSITION_KEY
    }
    if kept != states:
        wrong = sorted(str(key) for key in states | kept if states.get(key) != kept.get(key))
        verdict.others.append(f"states differ from the recount: {wrong}")
    return [parse_incident(one) for one in written]


def _judge_index(line: Line, incidents: list[AnyIncident], verdict: Verdict) -> None:
    newest: dict[str, AnyIncident] = {}
    for incident in incidents:
        if incident.revision >= newest.get(incident.id, incident).revision:
            newest[incident.id] = incident
    found = line.look(lambda index: Search(index).incidents(size=1_000))
    indexed = {one.id: one.revision for one in found}
    for incident in newest.values():
        if indexed.get(incident.id) != incident.revision:
            verdict.others.append(f"the index does not hold the newest state of {incident.id}")


def _judge_notices(incidents: list[AnyIncident], receiver: Receiver, verdict: Verdict) -> None:
    wanted = {
        f"{one.id}-{one.revision}"
        for one in incidents
        if one.kind in ("crisis", "source") and reason_for(one)
    }
    verdict.notices = len(wanted)
    if wanted != set(receiver.keys()):
        missing, more = wanted - set(receiver.keys()), set(receiver.keys()) - wanted
        verdict.others.append(f"{len(missing)} notices are missing, {len(more)} nobody asked for")


def recount(
    line: Line, keep: Callable[[bytes], bool] = lambda raw: True
) -> tuple[list[bytes], dict[bytes | None, bytes | None]]:
    """Incident lines and brand states that the ``signals`` log gives when it is read once.

    Lines that ``keep`` refuses are left out. The detector is the product's; positions,
    transactions and take-overs are not.
    """
    detector = Surge(Surge.Config(**line.settings.watch))
    by_partition: dict[int, list[Record]] = {}
    for record in line.records("signals"):
        by_partition.setdefault(record.partition, []).append(record)
    incidents: list[AnyIncident] = []
    partitions = line.settings.kafka.partitions
    states: dict[bytes | None, bytes | None] = {}
    for number, records in by_partition.items():
        brands: dict[str, BrandState] = {}
        lanes: dict[int, datetime] = {}
        watermark: datetime | None = None
        gaps: dict[tuple[str, datetime], KnownGap] = {}
        for raw in (raw for record in records for raw in split(record.value or b"")):
            if not keep(raw):
                continue
            try:
                signal = parse_signal(raw)
            except RejectedError:
                continue
            if isinstance(signal, Tick):
                lanes[signal.lane] = max(signal.at, lanes.get(signal.lane, signal.at))
                now = min(lanes.values()) if len(lanes) >= signal.lanes else None
                if now is not None and now != watermark:
                    watermark = now
                    for _, state in sorted(brands.items()):
                        incidents += detector.advance(state, watermark, list(gaps.values()))
            elif isinstance(signal, SourceGap):
                key = (signal.source, signal.started_at)
                told = source_incident(signal, gaps.get(key))
                if told is not None and partition_of(signal.source, partitions) == number:
                    incidents.append(told)
                for state in brands.values() if key not in gaps else ():
                    detector.gap(state, signal.started_at)
                gaps[key] = known_gap(signal, gaps.get(key))
            elif isinstance(signal, Mention):
                if signal.brand not in brands:
                    state = detector.new_state(signal.brand, signal.role)
                    brands[signal.brand] = state
                    if watermark is not None:
                        detector.advance(state, watermark)
                incidents += detector.mention(brands[signal.brand], signal)
            elif isinstance(signal, Command) and signal.brand in brands:
                incidents += detector.command(brands[signal.brand], signal)
        states |= {brand.encode(): state.to_line() for brand, state in brands.items()}
    return [one.to_line() for one in incidents], states
