"""Labels by any name that people write, and what a post answers."""

from datetime import UTC, datetime

import pytest

from processors.labels import NOTHING, Question, answer_of, canonical, is_known, label_word, tags_of
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Label, Sentiment
from schemas.language import use_language
from schemas.post import Author

AT = datetime(2026, 3, 5, tzinfo=UTC)
POST = EnrichedPost(
    id="weibo:1",
    platform="weibo",
    kind="post",
    text="文字",
    author=Author(id="1"),
    published_at=AT,
    observed_at=AT,
    source="test",
)


@pytest.mark.parametrize(
    ("question", "written", "label"),
    [
        ("sentiment", "-1", "negative"),
        ("sentiment", "0", "neutral"),
        ("sentiment", "1", "positive"),
        ("sentiment", "负面", "negative"),
        ("sentiment", " Positive ", "positive"),
        ("emotion", "愤怒", "anger"),
        ("emotion", "angry", "anger"),
        ("emotion", "无", NOTHING),
        ("emotion", "困惑", "困惑"),
        ("intents", "投诉", "complaint"),
        ("intents", "inquiry", "enquiry"),
        ("brands", "QiLan", "qilan"),
        ("aspects", "动力：负面", "power:negative"),
        ("aspects", "动力:-1", "power:negative"),
        ("aspects", "动力", "power"),
        ("aspects", "车机:好评", "车机:positive"),
    ],
)
def test_a_label_has_one_name(question: Question, written: str, label: str) -> None:
    assert canonical(question, written) == label
    assert canonical(question, label) == label


@pytest.mark.parametrize(
    ("question", "written", "known"),
    [
        ("sentiment", "消极", True),
        ("sentiment", "愤怒", False),
        ("emotion", "愤怒", True),
        ("emotion", "x", False),
        ("brands", "x", False),
    ],
)
def test_our_own_labels_are_known(question: Question, written: str, known: bool) -> None:
    assert is_known(question, written) is known


@pytest.mark.parametrize(
    ("question", "label", "zh", "en"),
    [
        ("sentiment", "negative", "负面", "negative"),
        ("sentiment", NOTHING, "未判断", "not judged"),
        ("emotion", NOTHING, "无情绪", "none"),
        ("intents", "complaint", "投诉", "complaint"),
        ("aspects", "power:negative", "动力 负面", "power negative"),
        ("brands", "qilan", "qilan", "qilan"),
    ],
)
def test_a_label_is_told_in_the_reader_s_language(
    question: Question, label: str, zh: str, en: str
) -> None:
    use_language("zh")
    chinese = label_word(question, label)
    use_language("en")
    english = label_word(question, label)
    use_language(None)

    assert (chinese, english) == (zh, en)


def test_what_a_post_answers() -> None:
    post = POST.replaced(
        sentiment=Sentiment(label="negative", negative=0.7, neutral=0.2, positive=0.1),
        emotions=(Label(label="joy", score=0.2), Label(label="anger", score=0.7)),
        intents=(Label(label="complaint", score=0.9),),
        brands=(BrandTag(brand="qilan", role="own", confidence=0.8),),
        aspects=(Aspect(aspect="动力", mood="negative"),),
    )

    shares = {"negative": 0.7, "neutral": 0.2, "positive": 0.1}
    assert answer_of("sentiment", post) == ("negative", shares)
    assert answer_of("emotion", post) == ("anger", {"joy": 0.2, "anger": 0.7})
    assert tags_of("intents", post) == {"complaint": 0.9}
    assert tags_of("brands", post) == {"qilan": 0.8}
    assert tags_of("aspects", post) == {"power:negative": 1.0}


def test_a_post_without_findings_answers_nothing() -> None:
    assert answer_of("sentiment", POST) == (NOTHING, {})
    assert answer_of("emotion", POST) == (NOTHING, {})
    assert tags_of("intents", POST) == {}
