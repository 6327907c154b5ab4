"""An incident as tests of the pipeline need it: short, and with the steps they name."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.incident import (
    Baseline,
    Evidence,
    Incident,
    Numbers,
    Quote,
    TimelineEntry,
    TimelineEvent,
)
from schemas.signals import SourceGap

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
NUMBERS = Numbers(mentions=9, voices=8, negative=7, positive=0, copies=1, platforms={"weibo": 9})


def incident(*events: TimelineEvent, revision: int = 1, **changes: Any) -> Incident:
    values: dict[str, Any] = {
        "id": "i1",
        "revision": revision,
        "brand": "qilan",
        "role": "own",
        "kind": "crisis",
        "severity": 2,
        "state": "suspected",
        "opened_at": AT,
        "updated_at": AT,
        "first_post": Quote(
            post_id="weibo:1", platform="weibo", kind="post", at=AT, excerpt="刹车"
        ),
        "totals": NUMBERS,
        "evidence": Evidence(
            rule="surge.crisis",
            rule_version=1,
            window_start=AT,
            window_end=AT + timedelta(minutes=15),
            numbers=NUMBERS,
            measured="negative",
            baseline=Baseline(median=0, spread=1, buckets=96, days=10),
            score=6,
            threshold=5,
            posts=("weibo:1",),
        ),
    }
    values |= changes
    # The last event is what this revision did; the others came before it, at the same time.
    first = values.get("revision", 1) - len(events) + 1
    values["timeline"] = tuple(
        TimelineEntry(at=AT, event=event, revision=max(1, first + number))
        for number, event in enumerate(events)
    )
    return Incident(**values)


def gap_of(source: str, started_at: datetime, **changes: Any) -> SourceGap:
    """A line that tells of a source that is not heard."""
    values: dict[str, Any] = {
        "source": source,
        "platform": "weibo",
        "started_at": started_at,
        "at": changes.get("ended_at") or started_at + timedelta(minutes=1),
        "trouble": "unreachable",
        "reason": "无回应",
        "backfill": "listed",
    }
    return SourceGap(**(values | changes))
