from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.enriched import Aspect, BrandTag, EnrichedPost, Label, Match, Sentiment, Span
from schemas.incident import (
    Baseline,
    Evidence,
    Incident,
    Numbers,
    Quote,
    TimelineEntry,
    WordCount,
)
from schemas.post import Author, Engagement
from sinks.base import Notice

NOON = datetime(2024, 3, 5, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai

MakePost = Callable[..., EnrichedPost]
MakeIncident = Callable[..., Incident]
MakeNotice = Callable[..., Notice]


@pytest.fixture
def make_post() -> MakePost:
    """A post with every field filled; keyword arguments replace fields."""

    def make(number: int = 1, **changes: Any) -> EnrichedPost:
        at = NOON + timedelta(seconds=number)
        fields: dict[str, Any] = {
            "id": f"weibo:{number}",
            "platform": "weibo",
            "kind": "comment",
            "text": "海鸥手机的电池鼓包了，客服不理人",
            "title": "售后",
            "author": Author(id="u7", name="小林", followers=120, verified=False),
            "published_at": at,
            "parent_id": "weibo:900",
            "root_id": "weibo:900",
            "root_text": "新机上手，续航怎么样？",
            "engagement": Engagement(reposts=3, comments=2, likes=9, reads=100, rank=4, heat=1.5),
            "region": "广东",
            "url": f"https://weibo.example/{number}",
            "source": "weibo-main",
            "observed_at": at + timedelta(seconds=3),
            "matches": (
                Match(rule="quality", version=3, words=("鼓包",), spans=(Span(start=7, end=9),)),
            ),
            "brands": (
                BrandTag(
                    brand="seagull",
                    role="own",
                    aliases=("海鸥",),
                    spans=(Span(start=0, end=2),),
                    confidence=0.9,
                    reason="context: 手机",
                ),
            ),
            "sentiment": Sentiment(label="negative", negative=0.8, neutral=0.15, positive=0.05),
            "emotions": (Label(label="anger", score=0.7),),
            "aspects": (
                Aspect(aspect="battery", mood="negative", spans=(Span(start=5, end=7),)),
                Aspect(aspect="screen", mood="positive"),
            ),
            "intents": (Label(label="complaint", score=0.9),),
            "reasons": ("quality",),
            "defects": ("动力电池:变形",),
            "words": ("手机", "电池", "鼓包", "客服"),
            "signature": f"s{number}",
            "author_kind": "staff",
            "author_reason": "text: 内部员工",
            "influence": 2.5,
            "tie": "medium",
            "departments": ("service",),
            "models": {"mood": "1", "aspects": "2"},
        }
        return EnrichedPost(**(fields | changes))

    return make


@pytest.fixture
def make_incident() -> MakeIncident:
    """An incident with every field filled; keyword arguments replace fields."""

    def quote(number: int, text: str) -> Quote:
        return Quote(
            post_id=f"weibo:{number}",
            platform="weibo",
            kind="post",
            at=NOON + timedelta(minutes=number),
            author_name="小林",
            followers=12_000,
            mood="negative",
            excerpt=text,
            url=f"https://weibo.example/{number}",
        )

    def numbers(**changes: Any) -> Numbers:
        fields: dict[str, Any] = {
            "mentions": 88,
            "voices": 52,
            "negative": 44,
            "positive": 2,
            "copies": 36,
            "platforms": {"weibo": 70, "wechat": 18},
        }
        return Numbers(**(fields | changes))

    def make(**changes: Any) -> Incident:
        fields: dict[str, Any] = {
            "id": "seagull-20240305T0400-1",
            "revision": 3,
            "brand": "seagull",
            "role": "own",
            "kind": "crisis",
            "severity": 4,
            "state": "confirmed",
            "opened_at": NOON,
            "updated_at": NOON + timedelta(minutes=10),
            "closed_at": None,
            "first_post": quote(1, "海鸥手机充电时鼓包，差点着火"),
            "totals": numbers(),
            "evidence": Evidence(
                rule="negative-wave",
                rule_version=2,
                window_start=NOON - timedelta(minutes=10),
                window_end=NOON,
                numbers=numbers(mentions=60, voices=37, negative=31, copies=23),
                measured="voices",
                baseline=Baseline(median=2, spread=1.2, buckets=56, days=14),
                score=9.3,
                threshold=5,
                posts=("weibo:1", "weibo:2"),
            ),
            "words": (WordCount(word="鼓包", voices=30), WordCount(word="着火", voices=12)),
            "quotes": tuple(
                quote(n, text) for n, text in enumerate(("我的也鼓包了", "客服不理人", "退货"), 2)
            ),
            "timeline": (
                TimelineEntry(at=NOON, event="opened", voices=37),
                TimelineEntry(at=NOON + timedelta(minutes=10), event="confirmed", voices=52),
            ),
            "owner": "wang",
            "silenced_until": NOON + timedelta(hours=1),
            "statement": "我们正在核实",
            "verdict": True,
        }
        return Incident(**(fields | changes))

    return make


@pytest.fixture
def make_notice(make_incident: MakeIncident) -> MakeNotice:
    def make(**changes: Any) -> Notice:
        fields: dict[str, Any] = {
            "key": "seagull-20240305T0400-1.confirmed",
            "reason": "confirmed",
            "incident": make_incident(),
            "brand_name": "海鸥",
        }
        return Notice(**(fields | changes))

    return make
