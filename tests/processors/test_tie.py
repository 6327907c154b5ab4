import pytest

from processors.tie import tie_of
from schemas.enriched import Tie
from schemas.post import PostKind


@pytest.mark.parametrize(
    ("platform", "kind", "tie"),
    [
        ("wechat", "message", "strong"),
        ("weibo", "message", "strong"),
        ("wecom", "comment", "strong"),
        ("wechat", "article", "weak"),
        ("discuz", "reply", "medium"),
        ("zhihu", "comment", "medium"),
        ("tieba", "post", "medium"),
        ("weibo", "post", "weak"),
        ("weibo", "repost", "weak"),
        ("rss", "article", "weak"),
        ("somewhere-else", "post", "weak"),
        ("weibo-hot", "hot", None),
        ("wechat", "hot", None),
    ],
)
def test_the_place_and_the_kind_of_a_post_make_the_tie(
    platform: str, kind: PostKind, tie: Tie | None
) -> None:
    assert tie_of(platform, kind) == tie
