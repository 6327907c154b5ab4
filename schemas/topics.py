"""The topics: names, keys, retention, and how a key finds its partition."""

import zlib
from dataclasses import dataclass
from typing import Literal

__all__ = ["MAX_ENVELOPE_BYTES", "MAX_ENVELOPE_LINES", "TOPICS", "Topic", "partition_of"]

MAX_ENVELOPE_LINES = 200
MAX_ENVELOPE_BYTES = 512 * 1024

_DAY = 24 * 3600
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Topic:
    """One topic of the line; ``name`` is written without the deployment's prefix."""

    name: str
    summary: str
    key: str
    records: tuple[str, ...]
    """Names of the records whose lines it carries."""
    public: bool = False
    """Exactly one line a record, for any consumer."""
    cleanup: Literal["delete", "compact"] = "delete"
    retention_seconds: int = 7 * _DAY
    max_message_bytes: int = 4 * _MIB
    segment_bytes: int | None = None
    """Compaction leaves the newest segment alone; small ones keep what is read at a start small."""
    aligned_with: str | None = None
    """Must have as many partitions as this topic."""


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(
            "posts.raw",
            "Posts as connectors saw them, and the time that passed: NDJSON envelopes.",
            "none; the partition is chosen by the thread's root id",
            ("Post", "Tick", "SourceGap"),
        ),
        Topic(
            "posts.enriched",
            "Posts with everything found in them.",
            "post id",
            ("EnrichedPost",),
            public=True,
        ),
        Topic(
            "threads",
            "What thread roots name and where their replies lie: the memory of enrich.",
            "thread root id; the partition is that of posts.raw",
            ("Thread",),
            cleanup="compact",
            segment_bytes=16 * _MIB,
            aligned_with="posts.raw",
        ),
        Topic(
            "customer.events",
            "What customers did towards an account of ours: followed, left, tapped a menu.",
            "customer",
            ("CustomerEvent",),
            public=True,
            retention_seconds=30 * _DAY,
        ),
        Topic("posts.dropped", "Posts left out on purpose, by name.", "post id", ("Drop",)),
        Topic(
            "signals",
            "All that watch may know, in one order: NDJSON envelopes, partitioned by brand.",
            "none; the partition is chosen by the brand",
            ("Mention", "Command", "Tick", "SourceGap"),
            retention_seconds=30 * _DAY,
        ),
        Topic(
            "incidents",
            "Incidents, the whole state at each revision.",
            "incident id",
            ("Incident", "SourceIncident"),
            public=True,
            cleanup="compact",
        ),
        Topic(
            "watch.checkpoints",
            "State of watch and the place in signals up to which it stands.",
            "brand, or the partition's own key",
            ("BrandState", "WatchPosition"),
            cleanup="compact",
            aligned_with="signals",
        ),
        Topic(
            "rules",
            "Rule sets: the newest version of each, and every version.",
            "rule set id; id@version in the same partition",
            ("RuleSet",),
            cleanup="compact",
        ),
        Topic(
            "corrections",
            "What people say is right where a finding was wrong: rows for training.",
            "correction id",
            ("Correction",),
            cleanup="compact",
            # A withdrawn text is gone when its segment was compacted: that must not take for ever.
            segment_bytes=16 * _MIB,
        ),
        Topic(
            "sources", "How each source is doing.", "source", ("SourceStatus",), cleanup="compact"
        ),
        Topic(
            "dead-letters",
            "Lines that could not be processed, and retries of them.",
            "original key",
            ("DeadLetter", "Retry"),
            public=True,
            retention_seconds=30 * _DAY,
            # base64 of the largest line of any other topic, with room for the rest of the record
            max_message_bytes=7 * _MIB,
        ),
    )
}


def partition_of(key: str | bytes, partitions: int) -> int:
    """The partition of a key: CRC-32, the same in every process and for ever.

    It equals librdkafka's ``consistent`` partitioner. Python's ``hash`` differs between processes.
    """
    return zlib.crc32(key.encode() if isinstance(key, str) else key) % partitions
