from datetime import UTC, datetime
from typing import Any

import pytest

from processors.mentions import mentions
from schemas.enriched import BrandTag, EnrichedPost, Label, Match, Sentiment
from schemas.post import Author
from schemas.signals import Mention, parse_signal

AT = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
OWN = BrandTag(brand="xinghe", role="own", aliases=("星河",))
OTHER = BrandTag(brand="chenfeng", role="competitor", inherited=True)


def post(text: str = "星河刹车失灵", **fields: Any) -> EnrichedPost:
    values: dict[str, Any] = {"kind": "post", "brands": (OWN,)} | fields
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        text=text,
        author=Author(id="u1", name="路人", followers=12),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        **values,
    )


def excerpt(text: str, **fields: Any) -> str:
    (mention,) = mentions(post(text, **fields))
    return mention.excerpt


def test_one_mention_per_brand_with_all_that_watch_needs() -> None:
    # Given a comment with two brands and everything found
    of = post(
        kind="comment",
        brands=(OWN, OTHER),
        parent_id="weibo:0",
        root_id="weibo:0",
        url="https://example.org/1",
        signature="0123456789abcdef",
        sketch="c2tldGNo",
        author_kind="media",
        intents=(Label(label="complaint", score=0.9), Label(label="rumour", score=0.6)),
        emotions=(Label(label="fear", score=0.6), Label(label="none", score=0.3)),
        defects=("刹车:失灵",),
        sentiment=Sentiment(label="negative", negative=0.75, neutral=0.25, positive=0.0),
        matches=(
            Match(rule="a", version=1, words=("刹车", "失灵"), spans=()),
            Match(rule="b", version=1, words=("刹车",), spans=()),
        ),
    )

    # When watch is told
    first, second = mentions(of)

    # Then each line says it all
    assert first == Mention(
        brand="xinghe",
        role="own",
        post_id="weibo:1",
        root_id="weibo:0",
        platform="weibo",
        kind="comment",
        author_id="u1",
        author_name="路人",
        author_kind="media",
        followers=12,
        event_at=AT,
        mood="negative",
        negative=0.75,
        intents=("complaint", "rumour"),
        signature="0123456789abcdef",
        sketch="c2tldGNo",
        emotions=("fear",),
        faults=("刹车:失灵",),
        trouble=1.0,
        signs=("harm",),
        matches=("刹车", "失灵"),
        excerpt="星河刹车失灵",
        url="https://example.org/1",
    )
    assert second == first.model_copy(update={"brand": "chenfeng", "role": "competitor"})
    assert parse_signal(first.to_line()) == first


def test_a_post_without_a_brand_is_none_of_watch_s_business() -> None:
    assert mentions(post(brands=())) == []


def test_a_post_without_sentiment_has_no_mood() -> None:
    (mention,) = mentions(post())

    assert (mention.mood, mention.negative, mention.root_id) == (None, None, "weibo:1")


def test_an_unreasonable_time_is_passed_on() -> None:
    (mention,) = mentions(post().model_copy(update={"event_clamped": True}))

    assert mention.event_clamped


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("第一行\r\n第二行\u2028 第三行\t", "第一行 第二行 第三行"),
        ("字" * 140, "字" * 140),
        ("字" * 141, "字" * 140 + "…"),
        ("𠮷" * 100_000, "𠮷" * 140 + "…"),
        ("😀" * 139 + "\n", "😀" * 139),
    ],
)
def test_the_excerpt_is_one_line_of_140_characters(text: str, expected: str) -> None:
    assert excerpt(text) == expected


def test_an_article_is_quoted_by_its_title_first() -> None:
    assert excerpt("正文", kind="article", title="召回公告") == "召回公告 正文"
    assert excerpt("正文", kind="review", title="召回公告") == "正文"


def test_a_text_that_recites_the_rules_stays_one_short_line() -> None:
    words = tuple(f"词{number:04}" for number in range(5000))

    (mention,) = mentions(post(matches=(Match(rule="a", version=1, words=words, spans=()),)))

    assert mention.matches == words[:64]
