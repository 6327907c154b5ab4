"""The mood towards each brand of a post."""

from datetime import UTC, datetime
from typing import Any

import pytest

from processors.brand_moods import BrandMoods
from processors.brands import Brands
from processors.mentions import mentions
from schemas.enriched import BrandTag, EnrichedPost, Mood, Sentiment
from schemas.post import Author
from schemas.rules import Brand, RuleSet
from tests.processors.brand_mood_cases import HELD_BACK, TUNED, Case

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(
    id="main",
    version=1,
    author="王",
    reason="测试",
    changed_at=AT,
    brands=(
        Brand(id="qilan", name="启澜", role="own", aliases=("启澜",)),
        Brand(id="ql6", name="QL6", role="own", kind="model", parent="qilan", aliases=("QL6",)),
        Brand(id="tuochuan", name="拓川", role="competitor", aliases=("拓川",)),
    ),
)
BRANDS = Brands(Brands.Config(), RULES)
MOODS = BrandMoods(BrandMoods.Config(), RULES)


def sentiment(label: Mood, share: float = 1.0) -> Sentiment:
    rest = round(1 - share, 4)
    shares = {"negative": 0.0, "neutral": 0.0, "positive": 0.0} | {label: share}
    shares["neutral" if label != "neutral" else "negative"] += rest
    return Sentiment(label=label, **shares)


def judge(text: str, **fields: Any) -> EnrichedPost:
    given = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        **fields,
    )
    [found] = MOODS.enrich([post for post in BRANDS.enrich([given]) if post is not None])
    assert found is not None
    return found


def moods(text: str, **fields: Any) -> dict[str, Mood | None]:
    return {tag.brand: tag.mood for tag in judge(text, **fields).brands}


def accuracy(cases: list[Case]) -> float:
    right = [
        found == wanted[brand]
        for text, wanted in cases
        for brand, found in moods(text, sentiment=sentiment("neutral")).items()
    ]
    return sum(right) / len(right)


def test_most_sentences_of_both_halves_are_judged_right() -> None:
    assert len(TUNED) + len(HELD_BACK) >= 100
    assert accuracy(TUNED) > 0.88
    assert accuracy(HELD_BACK) > 0.78


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("启澜比拓川好", {"qilan": "positive", "tuochuan": "negative"}),
        ("启澜不如拓川", {"qilan": "negative", "tuochuan": "positive"}),
        ("启澜没有拓川好", {"qilan": "negative", "tuochuan": "positive"}),
        ("启澜被拓川吊打", {"qilan": "negative", "tuochuan": "positive"}),
        ("从启澜换到拓川", {"qilan": "negative", "tuochuan": "positive"}),
        ("宁可开启澜也不买拓川", {"qilan": "positive", "tuochuan": "negative"}),
        ("比起启澜，拓川更好", {"qilan": "negative", "tuochuan": "positive"}),
        ("启澜和拓川都好", {"qilan": "positive", "tuochuan": "positive"}),
        ("启澜好，但拓川差", {"qilan": "positive", "tuochuan": "negative"}),
        ("推荐启澜不推荐拓川", {"qilan": "positive", "tuochuan": "negative"}),
        ("启澜 QL6 比拓川好", {"qilan": "positive", "ql6": "positive", "tuochuan": "negative"}),
    ],
)
def test_each_brand_gets_what_is_said_of_it(text: str, wanted: dict[str, Mood]) -> None:
    assert moods(text, sentiment=sentiment("neutral")) == wanted


@pytest.mark.parametrize("label", ["negative", "neutral", "positive"])
@pytest.mark.parametrize("text", ["启澜好", "QL6", "启澜比以前好", "启澜比较好"])
def test_one_brand_that_is_compared_with_none_has_the_mood_of_the_post(
    text: str, label: Mood
) -> None:
    assert set(moods(text, sentiment=sentiment(label)).values()) == {label}


def test_one_brand_may_be_compared_with_what_is_not_named() -> None:
    assert moods("新买的这辆，比启澜差", sentiment=sentiment("negative")) == {"qilan": "positive"}


@pytest.mark.parametrize(("share", "mood"), [(0.9, "negative"), (0.6, "neutral")])
def test_brands_of_a_text_that_judges_nothing_have_its_mood_if_clear(
    share: float, mood: Mood
) -> None:
    found = moods("启澜，拓川，我服了你们", sentiment=sentiment("negative", share))

    assert found == {"qilan": mood, "tuochuan": mood}


def test_without_a_mood_of_the_post_one_brand_has_none() -> None:
    assert moods("启澜上市") == {"qilan": None}


def test_words_of_others_do_not_count() -> None:
    assert (
        moods("启澜好//@路人:启澜比拓川差", sentiment=sentiment("neutral"))["qilan"] != "negative"
    )


def test_spans_show_what_decided() -> None:
    found = judge("🎉启澜比拓川好", sentiment=sentiment("neutral"))

    shown = [found.text[span.start : span.end] for span in found.brands[0].mood_spans]
    assert shown == ["比", "好"]


def test_a_brand_of_the_root_has_the_mood_of_the_post() -> None:
    root = BrandTag(brand="qilan", role="own", inherited=True)

    assert moods("太差了", brands=(root,), sentiment=sentiment("negative")) == {"qilan": "negative"}


def test_mentions_carry_the_mood_towards_their_brand() -> None:
    found = mentions(judge("启澜比拓川好", sentiment=sentiment("neutral")))

    assert [mention.mood for mention in found] == ["positive", "negative"]
