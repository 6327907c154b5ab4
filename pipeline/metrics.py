"""Counters and latencies of a role, in lines (posts), not in Kafka records.

Every worker serves them in Prometheus text form on 127.0.0.1; the port is written to
``<work folder>/run/<role>-<pid>.json``, where ``tingchao status`` and the demo find it.
"""

from prometheus_client import Counter, Gauge, Histogram

__all__ = [
    "ASSIGNED",
    "DEAD_LETTERS",
    "DECIDED",
    "DROPPED",
    "HALTED",
    "LATENCY",
    "LATE_MENTIONS",
    "NOTICES",
    "RECEIVED",
    "RETRIED",
    "SENT",
]

_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0, 300.0)

RECEIVED = Counter("tingchao_lines_received", "Lines read from a topic.", ["stage"])
DECIDED = Counter("tingchao_lines_delivered", "Lines delivered.", ["stage"])
RETRIED = Counter(
    "tingchao_lines_retried", "Lines handed in again after a passing fault.", ["stage"]
)
SENT = Counter("tingchao_lines_sent", "Lines written to a topic.", ["stage", "topic"])
DEAD_LETTERS = Counter("tingchao_lines_dead_lettered", "Lines rejected.", ["stage", "kind"])
DROPPED = Counter("tingchao_lines_dropped", "Posts left out on purpose.", ["stage", "enricher"])
LATE_MENTIONS = Counter("tingchao_mentions_late", "Mentions too late for their bucket.", ["stage"])
NOTICES = Counter("tingchao_notices_delivered", "Notices accepted by a channel.", ["channel"])
ASSIGNED = Gauge("tingchao_partitions_assigned", "Partitions this process reads.", ["stage"])
HALTED = Gauge("tingchao_halted", "1 while the circuit breaker holds this role.", ["stage"])
LATENCY = Histogram(
    "tingchao_latency_seconds",
    "Wall-clock time from the record in posts.raw to the end of a step.",
    ["step"],
    buckets=_SECONDS,
)
