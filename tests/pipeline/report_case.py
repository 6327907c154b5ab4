"""A brand, its competitors and their rules, for the tests of reports."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pipeline.report_figures import BrandReport, Found, build_report
from pipeline.report_lookup import asked_of
from processors.periods import HOUR, Period
from schemas.enriched import BrandTag, EnrichedPost
from schemas.incident import Baseline, Evidence, Incident, Numbers, Quote, TimelineEntry
from schemas.post import Author, Engagement
from schemas.rules import RuleSet
from schemas.source_incident import SourceIncident
from sinks.report_counts import BrandCounts, Said
from sinks.report_posts import AuthorFigures, ShownPost

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


def found(period: Period, **changes: Any) -> Found:
    """Quiet weeks, then a loud hour at 15:00 with what people wrote then."""
    hours = {
        past + place * HOUR: 4 + place % 3
        for weeks in range(1, 9)
        for past in [period.start - weeks * timedelta(weeks=1)]
        for place in range(len(period.hours))
    }
    hours |= dict.fromkeys(period.hours, 5) | {period.start + 15 * HOUR: 90}
    fields: dict[str, Any] = {
        "hours": hours,
        "since": period.start - timedelta(weeks=8),
        "counts": counts(205, {"complaint": 60, "enquiry": 3}),
        "counts_before": counts(120, {"complaint": 20, "enquiry": 1}),
        "each": {"qilan": Said(205, 150, 120), "beta": Said(95, 90, 80), "gamma": Said()},
        "each_before": {"qilan": Said(120, 100, 90), "beta": Said(120, 9, 8), "gamma": Said()},
        "moods": {
            "qilan": {"negative": 80, "neutral": 90, "positive": 30, "none": 5},
            "beta": {"negative": 5, "neutral": 90},
            "gamma": {},
        },
        "moods_before": {"qilan": {"negative": 12, "neutral": 108}, "beta": {}, "gamma": {}},
        "campaigns": {},
        "campaigns_before": {},
        "incidents": [incident(period.start + 15 * HOUR)],
        "gaps": [],
        "posts": [ShownPost(post("weibo:1", period.start + 15 * HOUR), 7)],
        "comments": [
            ShownPost(
                post("weibo:2", period.start + 16 * HOUR, kind="comment", root_text="刹车失灵"), 0
            )
        ],
        "authors": [
            AuthorFigures("江城晚报", "weibo", "media", 2_000_000, 88.25, 2, 540),
            AuthorFigures("小林", "weibo", "person", None, None, 1, 0),
        ],
    }
    return Found(**(fields | changes))


def counts(posts: int, intents: dict[str, int]) -> BrandCounts:
    """Counts of a brand, most of them on Weibo."""
    return BrandCounts(
        said=Said(posts, posts * 3 // 4, posts // 2),
        groups={
            "intents": intents,
            "reasons": {"quality": intents["complaint"] // 2},
            "defects": {"刹车:失灵": 9},
            "kinds": {"post": posts // 2, "comment": posts - posts // 2},
            "platforms": {"weibo": posts - 10, "forum": 10},
            "sources": {"weibo-main": posts},
            "author_kinds": {"person": posts},
            "rules": {"brakes": 31, "gone": 1},
        },
        aspects={("service", "negative"): posts // 10, ("service", "positive"): 2},
        unclear_aspects=4,
        hot=2,
        clamped=1,
    )


def post(id: str, at: datetime, **changes: Any) -> EnrichedPost:
    """A post with a name, an address and counters."""
    fields: dict[str, Any] = {
        "id": id,
        "platform": "weibo",
        "kind": "post",
        "text": "启澜的刹车失灵了，@江城晚报 管管",
        "author": Author(id="u4711", name="小林", followers=120),
        "published_at": at,
        "observed_at": at,
        "engagement": Engagement(reposts=30, comments=20, likes=1_900),
        "url": "https://weibo.example/u4711/1",
        "source": "weibo-main",
        "brands": (BrandTag(brand="qilan", role="own", mood="negative"),),
        "author_kind": "person",
    }
    return EnrichedPost(**(fields | changes))


def report(period: Period, *, show_names: bool = True, **changes: Any) -> BrandReport:
    """The report on what ``found`` says."""
    return build_report(
        asked_of([RULES], "qilan", period, show_names=show_names), found(period, **changes)
    )
