from datetime import UTC, datetime
from typing import Any

import pytest

from processors.sentiment_lexicon import LexiconSentiment
from schemas.enriched import EnrichedPost, Mood
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)
LEXICON = LexiconSentiment(
    LexiconSentiment.Config(),
    RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT),
)


def post(text: str, **fields: Any) -> EnrichedPost:
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind=fields.pop("kind", "post"),
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        **fields,
    )


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("很喜欢，推荐", "positive"),
        ("質量太差，失望", "negative"),
        ("不喜欢", "negative"),
        ("一点都不失望", "positive"),
        ("味道不是不好", "positive"),
        ("刚到货👍", "positive"),
        ("外观漂亮，但是异响", "neutral"),
        ("周三下午开会", "neutral"),
        ("好看//@路人甲:垃圾，失望，坑人", "positive"),
    ],
)
def test_words_are_counted_denied_ones_on_the_other_side(text: str, label: Mood) -> None:
    [found] = LEXICON.enrich([post(text)])
    assert found is not None
    assert found.sentiment is not None
    assert found.sentiment.label == label
    assert found.sentiment.negative + found.sentiment.neutral + found.sentiment.positive == 1


def test_nothing_said_has_no_mood_and_order_stays() -> None:
    posts = [post(""), post("太失望了"), post("转发微博", kind="repost")]
    found = LEXICON.enrich(posts)
    moods = [one and one.sentiment and one.sentiment.label for one in found]
    assert moods == [None, "negative", None]
    assert LEXICON.enrich([]) == []
