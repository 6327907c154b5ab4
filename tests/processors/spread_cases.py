"""Posts of a thread, short to write."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from processors.spread_thread import SpreadPost
from schemas.post import Post

NOON = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)


def post(number: int | str, parent: int | str | None = 0, **changes: Any) -> SpreadPost:
    """A repost in the thread of post 0, a minute after that for each number; 0 is the root."""
    minute = number if isinstance(number, int) else 0
    fields: dict[str, Any] = {
        "id": f"weibo:{number}",
        "revision": 1,
        "at": NOON + timedelta(minutes=changes.pop("minute", minute)),
        "platform": "weibo",
        "kind": "repost" if number else "post",
        "parent_id": f"weibo:{parent}" if number and parent is not None else "",
        "root_id": "weibo:0" if number else "",
        "author_id": f"u{number}",
        "author_name": f"网友{number}",
        "followers": 100,
        "verified": False,
        "author_kind": "",
        "deleted": False,
        "names": (),
        "excerpt": "转发微博",
    }
    return SpreadPost(**(fields | changes))


def thread(parents: Sequence[int]) -> list[SpreadPost]:
    """The root and a post for each parent; parents[0] is that of post 1."""
    return [post(0), *(post(number, parent) for number, parent in enumerate(parents, 1))]


def raw(text: str, **changes: Any) -> Post:
    """A post as it stands in posts.raw."""
    fields: dict[str, Any] = {
        "id": "weibo:7",
        "platform": "weibo",
        "kind": "repost",
        "text": text,
        "author": {"id": "u7", "name": "小林"},
        "published_at": NOON,
        "observed_at": NOON + timedelta(seconds=9),
        "source": "weibo-main",
    }
    return Post.model_validate(fields | changes)
