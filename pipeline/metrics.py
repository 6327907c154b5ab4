"""Counters and latencies of a role, in lines (posts), not in Kafka records.

Every worker serves them in Prometheus text form (``pipeline/health.py``); ``tingchao status``, the
demo and ``deploy/prometheus`` read them. Labels take values from fixed words or from the settings:
topics, groups, sources, channels, enrichers. Never from what people write.
"""

from typing import Literal, get_args

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ASSIGNED",
    "BATCH_LINES",
    "BATCH_SECONDS",
    "DEAD_LETTERS",
    "DECIDED",
    "DISCARDED",
    "ERRORS",
    "HALTED",
    "LAG",
    "LATENCY",
    "LOOKED",
    "LOST",
    "MEMBER",
    "NOTICES",
    "OLDEST",
    "PUBLISHED",
    "RECEIVED",
    "RETRIED",
    "SENT",
    "WATCHDOG_EXITS",
    "WORKER_STATE",
    "ErrorKind",
    "announce",
]

ErrorKind = Literal["unavailable", "refused", "bug", "commit", "source", "channel"]
"""``unavailable``: a whole request failed and is repeated; ``refused``: single lines of it are;
``bug``: a line was isolated; ``commit``: a commit failed or was overtaken by a rebalance;
``source``: a connector; ``channel``: a channel that only a person can mend."""

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)

RECEIVED = Counter("tingchao_lines_received", "Lines read from a topic or source.", ["stage"])
DECIDED = Counter("tingchao_lines_delivered", "Lines delivered.", ["stage"])
RETRIED = Counter(
    "tingchao_lines_retried", "Lines handed in again after a passing fault.", ["stage"]
)
SENT = Counter("tingchao_lines_sent", "Lines written to a topic.", ["stage", "topic"])
DEAD_LETTERS = Counter("tingchao_lines_dead_lettered", "Lines rejected.", ["stage", "kind"])
DISCARDED = Counter(
    "tingchao_lines_discarded",
    "Lines that go no further: left out on purpose, by which rule.",
    ["stage", "reason", "intentional"],
)
REPLIES = Counter(
    "tingchao_replies_judged_again",
    "Replies whose root named brands after them: written again, gone from posts.raw, or failed.",
    ["outcome"],
)
ERRORS = Counter("tingchao_errors", "Faults, whether or not they passed.", ["stage", "kind"])
NOTICES = Counter("tingchao_notices_delivered", "Notices accepted by a channel.", ["channel"])

BATCH_LINES = Histogram(
    "tingchao_batch_lines",
    "Lines of a batch.",
    ["stage"],
    buckets=(1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000),
)
BATCH_SECONDS = Histogram(
    "tingchao_batch_seconds",
    "Time from a batch in hand to every line of it decided.",
    ["stage"],
    buckets=_SECONDS,
)
LATENCY = Histogram(
    "tingchao_latency_seconds",
    "Wall-clock time of a post: received (the record in posts.raw) to enriched, enriched to "
    "indexed, received to searchable, received to alarm.",
    ["step"],
    buckets=_SECONDS,
)
PUBLISHED = Histogram(
    "tingchao_publish_delay_seconds",
    "From when a post was published to when it was received; of a recording, by its own clock.",
    ["source"],
    buckets=(1, 3, 10, 30, 60, 180, 600, 1_800, 3_600, 10_800, 43_200, 86_400, 604_800),
)

ASSIGNED = Gauge("tingchao_partitions_assigned", "Partitions this process reads.", ["stage"])
HALTED = Gauge("tingchao_halted", "1 while the circuit breaker holds this role.", ["stage"])
MEMBER = Gauge("tingchao_group_member", "1 when the broker counts the worker a member.", ["group"])
LAG = Gauge(
    "tingchao_lag_records",
    "Records of a topic that a group has not committed; the same in each of its processes.",
    ["group", "topic"],
)
OLDEST = Gauge(
    "tingchao_oldest_uncommitted_seconds",
    "Age of the oldest record that a group has not committed.",
    ["group", "topic"],
)
LOST = Counter(
    "tingchao_records_lost",
    "Records that the broker deleted before the group had committed them.",
    ["group", "topic", "partition"],
)
LOOKED = Gauge("tingchao_lag_looked_timestamp_seconds", "When the broker last told the lag.")
WORKER_STATE = Gauge(
    "tingchao_worker_state", "1 for the state the worker is in.", ["role", "state"]
)
WATCHDOG_EXITS = Counter(
    "tingchao_watchdog_exits", "Processes of this place that a watchdog ended.", ["role"]
)
SOURCE_FAILING = Gauge(
    "tingchao_source_failing",
    "1 while a source can't be read, by what is wrong.",
    ["source", "trouble"],
)
SOURCE_SUCCESS = Gauge(
    "tingchao_source_success_timestamp_seconds",
    "When a source was last read without trouble.",
    ["source"],
)
SOURCE_POST = Gauge(
    "tingchao_source_post_timestamp_seconds",
    "When the newest post of a source was published.",
    ["source"],
)
SOURCE_QUOTA = Gauge(
    "tingchao_source_quota_left", "Calls that the platform still allows at once.", ["source"]
)


def announce(stage: str) -> None:
    """Begin a stage's counters at 0: a rate over something that is not there alarms nobody."""
    for counter in (RECEIVED, DECIDED, RETRIED):
        counter.labels(stage)
    for kind in get_args(ErrorKind):
        ERRORS.labels(stage, kind)
    for reason in _DEAD_LETTER_KINDS:
        DEAD_LETTERS.labels(stage, reason)
    if stage == "enrich":
        for outcome in ("written", "gone", "failed"):
            REPLIES.labels(outcome)
    if stage == "notify":
        DISCARDED.labels(stage, "too_old", "false")
    for topic in _WRITES.get(stage, ()):
        SENT.labels(stage, topic)
    for step in _STEPS.get(stage, ()):
        LATENCY.labels(step)
    HALTED.labels(stage)
    BATCH_LINES.labels(stage)
    BATCH_SECONDS.labels(stage)


#: The frequent ones; others begin when they first occur.
_DEAD_LETTER_KINDS = ("json", "schema", "empty", "future", "mapping", "too_large", "bug", "poison")
_WRITES = {
    "ingest": ("posts.raw", "customer.events"),
    "enrich": ("posts.enriched", "posts.dropped", "signals", "threads"),
    "watch": ("incidents",),
}
_STEPS = {"enrich": ("enriched",), "index": ("indexed", "searchable"), "watch": ("alarm",)}
