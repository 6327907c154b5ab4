"""A notice to try a channel with: marked as a trial, and about nobody."""

from datetime import datetime, timedelta

from schemas.incident import (
    Baseline,
    Evidence,
    Incident,
    Numbers,
    Quote,
    TimelineEntry,
    WordCount,
)
from schemas.language import say
from sinks.base import Notice

__all__ = ["trial_notice"]


def trial_notice(channel: str, at: datetime) -> Notice:
    """A notice with every line that a real one may have."""
    began = at - timedelta(minutes=15)
    numbers = Numbers(
        mentions=12, voices=9, negative=7, positive=1, copies=3, platforms={"weibo": 8, "forum": 4}
    )
    post = Quote(
        post_id="trial:1",
        platform="weibo",
        kind="post",
        at=began,
        author_name=say("试发作者", "trial author"),
        followers=1_200,
        mood="negative",
        excerpt=say("这是一条虚构的帖子。", "This is a made-up post."),
    )
    incident = Incident(
        id=f"trial-{at:%Y%m%dT%H%M%S}",
        revision=1,
        brand="trial",
        role="own",
        kind="crisis",
        severity=1,
        state="suspected",
        opened_at=began,
        updated_at=at,
        first_post=post,
        totals=numbers,
        evidence=Evidence(
            rule="trial",
            rule_version=1,
            window_start=began,
            window_end=at,
            numbers=numbers,
            measured="negative",
            baseline=Baseline(median=1, spread=1, buckets=56, days=14),
            score=6,
            threshold=5,
            posts=("trial:1",),
        ),
        words=(WordCount(word=say("试发", "trial"), voices=9),),
        timeline=(TimelineEntry(at=at, event="opened", voices=9, revision=1),),
    )
    key = f"{incident.id}-{channel}"
    return Notice(key, "opened", incident, say("试发品牌", "trial brand"), trial=True)
