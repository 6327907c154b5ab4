"""A brand, its competitors and their rules, for the tests of reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.incident import Baseline, Evidence, Incident, Numbers, Quote, TimelineEntry
from schemas.rules import RuleSet
from schemas.source_incident import SourceIncident

RULES = RuleSet.model_validate(
    {
        "id": "main",
        "version": 3,
        "author": "a",
        "reason": "a brand and two competitors",
        "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
        "brands": [
            {"id": "qilan", "name": "启澜汽车", "role": "own", "aliases": ["启澜"]},
            {
                "id": "ql6",
                "name": "启澜 QL6",
                "role": "own",
                "kind": "model",
                "parent": "qilan",
                "aliases": ["QL6"],
            },
            {"id": "beta", "name": "北塔", "role": "competitor", "aliases": ["北塔"]},
            {
                "id": "beta-x",
                "name": "北塔 X",
                "role": "competitor",
                "kind": "model",
                "parent": "beta",
                "aliases": ["北塔X"],
            },
            {"id": "gamma", "name": "佳马", "role": "competitor", "aliases": ["佳马"]},
        ],
        "keywords": [{"id": "brakes", "name": "刹车问题", "words": ["刹车"]}],
        "rules": [{"id": "noise", "name": "异响", "query": "异响"}],
    },
    strict=False,
)


def incident(opened_at: datetime, **changes: Any) -> Incident:
    """An incident that somebody acknowledged after 12 minutes."""
    numbers = Numbers(
        mentions=40, voices=30, negative=25, positive=1, copies=10, platforms={"weibo": 40}
    )
    fields: dict[str, Any] = {
        "id": f"qilan-{opened_at:%Y%m%dT%H%M}-1",
        "revision": 2,
        "brand": "qilan",
        "role": "own",
        "kind": "crisis",
        "severity": 4,
        "state": "handled",
        "opened_at": opened_at,
        "updated_at": opened_at + timedelta(minutes=12),
        "first_post": Quote(
            post_id="weibo:1",
            platform="weibo",
            kind="post",
            at=opened_at - timedelta(minutes=5),
            author_name="小林",
            excerpt="启澜的刹车失灵了",
            url="https://weibo.example/1",
        ),
        "totals": numbers,
        "evidence": Evidence(
            rule="negative-wave",
            rule_version=1,
            window_start=opened_at - timedelta(minutes=10),
            window_end=opened_at,
            numbers=numbers,
            measured="negative",
            baseline=Baseline(median=1, spread=1, buckets=60, days=20),
            score=8.0,
            threshold=5,
            posts=("weibo:1",),
        ),
        "timeline": (
            TimelineEntry(at=opened_at, event="opened"),
            TimelineEntry(at=opened_at + timedelta(minutes=12), event="acknowledged", by="wang"),
        ),
    }
    return Incident(**(fields | changes))


def gap(since: datetime, until: datetime | None, **changes: Any) -> SourceIncident:
    """When a source was not heard."""
    fields: dict[str, Any] = {
        "id": f"source-{since:%Y%m%dT%H%M}",
        "revision": 1,
        "source": "weibo-main",
        "connector": "weibo",
        "trouble": "login",
        "severity": 3,
        "state": "confirmed" if until is None else "closed",
        "opened_at": since + timedelta(minutes=10),
        "updated_at": until or since + timedelta(minutes=10),
        "gap_started_at": since,
        "gap_ended_at": until,
        "message": "the token has expired",
        "backfill": "listed",
    }
    return SourceIncident(**(fields | changes))
