"""Latencies of the steps, from the histograms that the workers keep."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.status import Worker, sample

__all__ = ["Latency", "latencies", "quantile"]

STEPS = ("enriched", "searchable", "alarm")


@dataclass(frozen=True)
class Latency:
    """Wall-clock time from the record in ``posts.raw`` to the end of one step."""

    step: str
    count: int
    median_seconds: float
    p99_seconds: float


async def latencies(workers: Sequence[Worker]) -> list[Latency]:
    """The steps that happened at least once, all processes together."""
    buckets: dict[str, dict[float, float]] = {step: defaultdict(float) for step in STEPS}
    for counters in (await sample(list(workers))).values():
        for (name, labels), value in counters.items():
            if name == "tingchao_latency_seconds_bucket":
                label = dict(labels)
                if label["step"] in buckets:
                    buckets[label["step"]][float(label["le"])] += value
    found = []
    for step, cumulative in buckets.items():
        ordered = sorted(cumulative.items())
        if ordered and ordered[-1][1]:
            count = int(ordered[-1][1])
            found.append(Latency(step, count, quantile(ordered, 0.5), quantile(ordered, 0.99)))
    return found


def quantile(cumulative: Sequence[tuple[float, float]], share: float) -> float:
    """The quantile of a cumulative histogram (upper bound, count), linear inside a bucket.

    As Prometheus' ``histogram_quantile``: beyond the last finite bound the bound itself.
    """
    rank = share * cumulative[-1][1]
    lower, below = 0.0, 0.0
    for upper, count in cumulative:
        if count >= rank:
            if upper == float("inf"):
                return lower
            return lower + (upper - lower) * (rank - below) / max(count - below, 1e-12)
        lower, below = upper, count
    return lower
