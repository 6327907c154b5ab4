"""A small recording for the end-to-end tests: two makers of kettles, two crises, much chatter.

Everything is invented. Two days of quiet talk (the detector says nothing in the first 24 hours),
a crisis of each maker, and hours of quiet after it, so that both incidents come to their end.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson

__all__ = ["BEGIN", "BRANDS", "RULES", "Story", "post", "told", "write_story"]

BEGIN = datetime(2024, 3, 4, tzinfo=ZoneInfo("Asia/Shanghai"))
HOURS = 50
FIRST_CRISIS_HOUR, SECOND_CRISIS_HOUR = 28, 40
BREAK_HOURS = (31, 41)
CHATTER = 6_000

BRANDS = {"yunfan": "云帆", "chixiao": "赤霄"}

RULES = """
id = "main"
version = 1
author = "测试"
reason = "两家水壶厂"
changed_at = 2024-03-01T00:00:00+08:00

[[brands]]
id = "yunfan"
name = "云帆电器"
role = "own"
aliases = ["云帆电器", "云帆"]

[[brands]]
id = "chixiao"
name = "赤霄电器"
role = "own"
aliases = ["赤霄电器", "赤霄"]

[[keywords]]
id = "safety"
name = "安全"
words = ["漏电", "冒烟", "烫伤"]
"""

_QUIET = (
    ("周末在商场看到", "同事推荐了", "刚下单一个", "家里用的是", "想问问"),
    ("的保温壶", "的电热水壶", "的养生壶", "新出的玻璃壶", "的便携烧水杯"),
    ("，颜色挺多", "，容量一升半", "，打算送给爸妈", "，客服说周三发货", "，说明书有三页"),
)
_ANGRY = (
    ("昨晚", "刚才", "今天早上", "用了两天", "第一次烧水"),
    ("电热水壶突然漏电", "水壶底座冒烟了", "壶盖弹开把手烫伤", "水壶漏水还短路"),
    ("，太吓人了，垃圾产品", "，客服根本不理人，气死了", "，退货还被拒绝，太失望了"),
)
_CHATTER = (
    ("早高峰地铁", "楼下的面馆", "小区的猫", "隔壁的吉他声", "今天的晚霞", "周会", "新开的书店"),
    ("又", "居然", "还是", "果然", "总算", "照例", "悄悄"),
    ("挤满了人", "排起长队", "把我逗笑", "让人犯困", "拖到八点", "关门很早", "收拾得干净"),
)


@dataclass(frozen=True)
class Story:
    """Three recordings, one after the other, and what is in them."""

    rules: Path
    early: Path
    """Up to after the first crisis."""
    middle: Path
    """Up to the height of the second."""
    late: Path
    texts: dict[str, str]
    """Text by post id, of both."""
    early_count: int

    def naming(self, brand: str) -> set[str]:
        """Ids of the posts that name a brand."""
        return {post_id for post_id, text in self.texts.items() if BRANDS[brand] in text}

    def holding(self, phrase: str) -> set[str]:
        """Ids of the posts whose text holds a phrase."""
        return {post_id for post_id, text in self.texts.items() if phrase in text}


def post(number: int, text: str, at: datetime, **more: Any) -> dict[str, Any]:
    """A post as recordings hold it: everything but when it was seen."""
    return {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": text,
        "author": {"id": f"u{number}", "followers": number % 997},
        "published_at": at.isoformat(),
        "source": "story",
        **more,
    }


def write_story(folder: Path) -> Story:
    """Write the recordings and the rules; the same bytes every time."""
    said = sorted(told(random.Random(20240304), CHATTER))
    posts = [post(4_700_000 + place, text, at) for place, (at, text) in enumerate(said)]
    first, second = ((BEGIN + timedelta(hours=hour)).isoformat() for hour in BREAK_HOURS)
    parts = {
        "early": [one for one in posts if one["published_at"] < first],
        "middle": [one for one in posts if first <= one["published_at"] < second],
        "late": [one for one in posts if second <= one["published_at"]],
    }
    for name, lines in parts.items():
        (folder / f"{name}.jsonl").write_bytes(b"\n".join(map(orjson.dumps, lines)) + b"\n")
    rules = folder / "rules.toml"
    rules.write_text(RULES, encoding="utf-8")
    return Story(
        rules=rules,
        early=folder / "early.jsonl",
        middle=folder / "middle.jsonl",
        late=folder / "late.jsonl",
        texts={one["id"]: one["text"] for one in posts},
        early_count=len(parts["early"]),
    )


def told(choose: random.Random, chatter: int) -> Iterator[tuple[datetime, str]]:
    """Time and text of every post, in no order; so many of them name no brand."""

    def within(hour: float, hours: float) -> datetime:
        return BEGIN + timedelta(hours=hour, seconds=choose.randrange(int(hours * 3600)))

    for hour in range(HOURS):
        for name in BRANDS.values():
            for _ in range(3):
                begin, thing, end = map(choose.choice, _QUIET)
                yield within(hour, 1), f"{begin}{name}{thing}{end}"
    crises = zip(BRANDS.values(), (FIRST_CRISIS_HOUR, SECOND_CRISIS_HOUR), strict=True)
    for name, hour in crises:
        for when, what, why in product(*_ANGRY):
            yield within(hour + 0.02, 0.2), f"{when}{name}{what}{why}"
    for _ in range(chatter):
        # Most of it behind the first break: that is what the kills fall into.
        hour = choose.choice((choose.randrange(BREAK_HOURS[0]), *[choose.randrange(31, 50)] * 5))
        yield within(hour, 1), "".join(map(choose.choice, _CHATTER))
