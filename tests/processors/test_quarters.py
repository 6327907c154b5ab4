"""Quarters of an hour, counted as the detector counts them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from processors.quarters import DayHours, Quarters
from schemas.signals import Mention

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def said(number: int, minute: float, **more: object) -> Mention:
    fields: dict[str, object] = {
        "brand": "yunfan",
        "role": "own",
        "post_id": f"weibo:{number}",
        "root_id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "author_id": f"u{number}",
        "event_at": AT + timedelta(minutes=minute),
        "mood": "negative",
        "signature": f"text{number}",
    }
    return Mention.model_validate(fields | more)


def test_voices_count_where_they_were_heard() -> None:
    quarters = Quarters(AT, AT + timedelta(hours=1), 1_000)
    heard = [
        said(1, 1),
        said(1, 1),  # again
        said(2, 14.9, mood="positive"),
        said(3, 5, signature="text1"),  # a copy
        said(4, 15),
        said(5, 60),  # behind the end
        said(6, -1),
        said(7, 20, kind="hot"),
        said(8, 20, event_clamped=True),
    ]
    for one in reversed(heard):
        quarters.hear(one)

    assert quarters.counts(AT, AT + timedelta(hours=1)) == [(2, 1), (1, 1), (0, 0), (0, 0)]


def test_hours_of_the_day_are_told_apart_in_the_zone() -> None:
    hours = DayHours(ZoneInfo("Asia/Shanghai"))
    for number in range(115):
        hours.hear(said(number, 10))  # 20:10 there
    hours.hear(said(200, 200, kind="hot"))

    shares = hours.shares(AT - timedelta(minutes=15), 3)

    assert shares == pytest.approx([5 * 24 / 235, 120 * 24 / 235, 120 * 24 / 235])
    assert DayHours(ZoneInfo("UTC")).shares(AT, 2) == [1.0, 1.0]


def test_only_whole_quarters_count() -> None:
    quarters = Quarters(AT, AT + timedelta(hours=1), 1_000)
    quarters.hear(said(1, 1))
    quarters.hear(said(2, 31))

    start, end = AT + timedelta(minutes=7), AT + timedelta(minutes=50)
    assert quarters.counts(start, end) == [(0, 0), (1, 1)]
    assert quarters.counts(end, start) == []
