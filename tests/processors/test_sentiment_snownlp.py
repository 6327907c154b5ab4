import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from processors import sentiment_snownlp
from processors.sentiment_snownlp import SnownlpSentiment
from schemas.enriched import EnrichedPost, Mood
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT)


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


@pytest.fixture(scope="module")
def snownlp() -> SnownlpSentiment:
    return SnownlpSentiment(SnownlpSentiment.Config(), RULES)


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A scorer that reads the score in the text, and keeps what it was given."""
    seen: list[str] = []

    def score(text: str) -> float:
        seen.append(text)
        return float(text)

    def scorer() -> Callable[[str], float]:
        return score

    monkeypatch.setattr(sentiment_snownlp, "_scorer", scorer)
    yield seen


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("非常满意，物流很快，质量很好", "positive"),
        ("质量太差了，退货", "negative"),
        ("😂😂", "neutral"),
    ],
)
def test_a_clear_mood_is_found(snownlp: SnownlpSentiment, text: str, label: Mood) -> None:
    [found] = snownlp.enrich([post(text)])
    assert found is not None
    assert found.sentiment is not None
    assert found.sentiment.label == label


def test_nothing_said_has_no_mood_and_order_stays(snownlp: SnownlpSentiment) -> None:
    posts = [post(""), post("质量太差了，退货"), post("转发微博", kind="repost")]
    found = snownlp.enrich(posts)
    assert [one and one.sentiment and one.sentiment.label for one in found] == [
        None,
        "negative",
        None,
    ]
    assert snownlp.enrich([]) == []


@pytest.mark.parametrize("text", ["。。。", "a" * 3000, "//@张三:支持", "\u3000好"])
def test_odd_texts_are_judged(snownlp: SnownlpSentiment, text: str) -> None:
    [found] = snownlp.enrich([post(text)])
    assert found is not None
    assert found.sentiment is not None


@pytest.mark.parametrize(
    ("score", "label", "shares"),
    [
        ("0", "negative", (1, 0, 0)),
        ("0.39", "negative", (0.5125, 0.4875, 0)),
        ("0.4", "neutral", (0.5, 0.5, 0)),
        ("0.5", "neutral", (0, 1, 0)),
        ("0.6", "neutral", (0, 0.5, 0.5)),
        ("0.61", "positive", (0, 0.4875, 0.5125)),
        ("1", "positive", (0, 0, 1)),
    ],
)
def test_a_score_is_cut_at_the_thresholds(
    scored: list[str], score: str, label: Mood, shares: tuple[float, float, float]
) -> None:
    [found] = SnownlpSentiment(SnownlpSentiment.Config(), RULES).enrich([post(score)])
    assert found is not None
    mood = found.sentiment
    assert mood is not None
    assert mood.label == label
    assert (mood.negative, mood.neutral, mood.positive) == pytest.approx(shares, abs=1e-9)


def test_thresholds_are_configurable_and_named_in_the_version(scored: list[str]) -> None:
    # Given wider thresholds
    wide = SnownlpSentiment.Config(negative_below=0.2, positive_above=0.8)

    # When a score lies between the old and the new one
    enricher = SnownlpSentiment(wide, RULES)
    [found] = enricher.enrich([post("0.3")])

    # Then it is neutral, and the version tells
    assert found is not None
    assert found.sentiment is not None
    assert found.sentiment.label == "neutral"
    assert enricher.version.endswith("-0.2-0.8")
    assert enricher.version != SnownlpSentiment(SnownlpSentiment.Config(), RULES).version


def test_own_words_are_judged_before_the_quoted_repost(scored: list[str]) -> None:
    SnownlpSentiment(SnownlpSentiment.Config(), RULES).enrich([post("0.7//@张三:0.1")])
    assert scored == ["0.7"]


@pytest.mark.parametrize(
    "options",
    [
        {"negative_below": 0.6, "positive_above": 0.4},
        {"negative_below": 0.5, "positive_above": 0.5},
        {"negative_below": 0},
        {"positive_above": 1},
        {"threshold": 0.5},
    ],
)
def test_wrong_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        SnownlpSentiment.Config.model_validate(options)


def test_snownlp_is_imported_only_when_constructed_and_warns_nobody() -> None:
    # Given a fresh process in which every warning is an error
    code = (
        "import sys; from processors.sentiment_snownlp import SnownlpSentiment as S; "
        "print('snownlp' in sys.modules); S(S.Config(), None); print('snownlp' in sys.modules)"
    )
    command = [sys.executable, "-W", "error", "-c", code]

    # When it is constructed
    done = subprocess.run(command, capture_output=True, text=True, check=True)

    # Then only that imports it, without a word
    assert done.stdout.split() == ["False", "True"]
    assert done.stderr == ""
