import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from processors.emotions import BUILT_IN, EMOTIONS, HEAD, Emotion, Emotions, word_scores
from processors.linear import Head, LinearModel
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.post import Author
from schemas.rules import RuleSet
from tests.processors.emotion_cases import CHOSEN, HELD_BACK

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT)
FEELINGS = Emotions(Emotions.Config(), RULES)


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


def found(text: str, **options: Any) -> list[str]:
    [judged] = Emotions(Emotions.Config(**options), RULES).enrich([post(text)])
    assert judged is not None
    return [label.label for label in judged.emotions]


@pytest.mark.parametrize(
    ("text", "feeling"),
    [
        ("气死我了，黑心商家，必须给个说法", "anger"),
        ("好害怕，银行取不出钱了怎么办", "fear"),
        ("外公去世了，好难过，眼泪止不住", "sadness"),
        ("哈哈哈太开心了，中奖啦", "joy"),
        ("天呐，居然是他，完全没想到", "surprise"),
        ("太失望了，不过如此，以后不会再来", "disappointment"),
        ("会议改到周四下午三点", "none"),
        ("好害怕，銀行取不出錢了怎麼辦", "fear"),
    ],
)
def test_a_clear_feeling_comes_first(text: str, feeling: Emotion) -> None:
    assert found(text)[0] == feeling


@pytest.mark.parametrize(("cases", "least"), [(CHOSEN, 0.5), (HELD_BACK, 0.5)])
def test_most_sentences_of_our_own_are_judged_right(
    cases: list[tuple[str, str]], least: float
) -> None:
    answers = FEELINGS.shares([text for text, _ in cases]).argmax(axis=1)
    right = [EMOTIONS[said] == true for said, (_, true) in zip(answers, cases, strict=True)]
    assert np.mean(right) >= least


def test_a_feeling_nearly_as_likely_stands_beside_the_likeliest() -> None:
    text = "又怕又气，这黑心平台是不是要跑路，骗子"
    many, one = found(text, threshold=0.01), found(text, threshold=1.0)
    assert many[0] == one[0]
    assert len(one) == 1
    assert {"anger", "fear"} <= set(many)
    assert "none" not in many[1:]


def test_scores_fall_and_are_shares() -> None:
    [judged] = Emotions(Emotions.Config(threshold=0.01), RULES).enrich([post("好害怕，气死了")])
    assert judged is not None
    scores = [label.score for label in judged.emotions]
    assert scores == sorted(scores, reverse=True)
    assert 0 < sum(scores) <= 1.0001


@pytest.mark.parametrize("fields", [{}, {"kind": "repost", "root_text": "太失望了"}])
def test_where_nothing_was_said_there_is_no_finding_and_order_stays(fields: dict[str, Any]) -> None:
    judged = FEELINGS.enrich([post("", **fields), post("哈哈哈太开心了")])
    assert [bool(one and one.emotions) for one in judged] == [False, True]
    assert FEELINGS.enrich([]) == []


def test_the_batch_makes_no_difference() -> None:
    texts = ["气死我了", "开会", "😱" * 3000, "//@张三:好怕", "好怕", "a\x0bb"]
    together = FEELINGS.enrich([post(text) for text in texts])
    assert together == [FEELINGS.enrich([post(text)])[0] for text in texts]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("害怕", {"fear"}),
        ("别怕，有我", set()),
        ("恐怕要迟到", set()),
        ("又怕又气愤", {"fear", "anger"}),
        ("周三开会", set()),
        ("不说了//@路人甲:吓死我了", set()),
    ],
)
def test_listed_words_move_the_scores_of_their_feeling(text: str, names: set[str]) -> None:
    moved = word_scores(text) or [0.0] * len(EMOTIONS)
    assert {name for name, score in zip(EMOTIONS, moved, strict=True) if score > 0} == names


def test_the_built_in_weights_are_small_and_documented() -> None:
    card = BUILT_IN.with_suffix(".md").read_text(encoding="utf-8")
    assert BUILT_IN.stat().st_size < 10_000_000
    assert LinearModel.load(BUILT_IN, "train", [HEAD]).version in card


def test_own_weights_are_used_where_configured(tmp_path: Path) -> None:
    # Given weights that know joy alone
    path = tmp_path / "own.npz"
    weights = np.zeros((1024, len(EMOTIONS)), np.float32)
    bias = np.array([9.0 * (name == "joy") for name in EMOTIONS], np.float32)
    path.write_bytes(LinearModel((Head(HEAD, EMOTIONS),), weights, bias).to_bytes())

    # Then they judge, under a version of their own
    assert found("周三开会", model=path) == ["joy"]
    assert Emotions(Emotions.Config(model=path), RULES).version != FEELINGS.version
    assert Emotions(Emotions.Config(threshold=0.5), RULES).version != FEELINGS.version


def test_weights_of_another_model_are_refused() -> None:
    other = BUILT_IN.with_name("sentiment_weibo.npz")
    with pytest.raises(FatalError, match="tingchao train emotions"):
        Emotions(Emotions.Config(model=other), RULES)


@pytest.mark.parametrize("options", [{"modell": "x"}, {"threshold": 0}, {"threshold": 2}])
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Emotions.Config.model_validate(options)


def test_judging_imports_no_heavy_library() -> None:
    code = (
        "import sys; from processors.emotions import *; from processors.sentiment import *; "
        "print({'sklearn', 'snownlp', 'jieba', 'rjieba', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
