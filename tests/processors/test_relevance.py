from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from processors.relevance import Relevance
from schemas.enriched import BrandTag, EnrichedPost, Match
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT)


def post(
    number: int, matches: tuple[Match, ...] = (), brands: tuple[BrandTag, ...] = ()
) -> EnrichedPost:
    return EnrichedPost(
        id=f"weibo:{number}",
        platform="weibo",
        kind="post",
        text="今天天气很好",
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        matches=matches,
        brands=brands,
    )


POSTS = [
    post(0),
    post(1, matches=(Match(rule="r", version=1, words=("天气",), spans=()),)),
    post(2, brands=(BrandTag(brand="b", role="own"),)),
    post(3, brands=(BrandTag(brand="b", role="own", inherited=True),)),
]


def test_all_posts_are_kept_unless_told_otherwise() -> None:
    assert Relevance(Relevance.Config(), RULES).enrich(POSTS) == POSTS


def test_only_posts_with_a_keyword_or_a_brand_are_kept() -> None:
    kept = Relevance(Relevance.Config(keep="matched"), RULES).enrich(POSTS)

    assert kept == [None, *POSTS[1:]]


def test_another_choice_is_refused() -> None:
    with pytest.raises(ValidationError):
        Relevance.Config.model_validate({"keep": "some"})
