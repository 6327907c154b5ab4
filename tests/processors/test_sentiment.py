import io
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from processors.features import FEATURES_VERSION
from processors.sentiment import (
    BUILT_IN,
    MOODS,
    LinearSentiment,
    MoodModel,
    judged_text,
    softmax,
    to_sentiments,
)
from schemas.enriched import EnrichedPost, Mood, Sentiment
from schemas.errors import FatalError
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT)
LINEAR = LinearSentiment(LinearSentiment.Config(), RULES)
HARD_TEXTS = [
    "",
    "😂" * 3000,
    "\n\t",
    "http://a.cn",
    "@张三 ",
    "//@张三:",
    "。。。",
    "a\x0bb",
]


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


def mood(text: str, **fields: Any) -> Sentiment | None:
    [found] = LINEAR.enrich([post(text, **fields)])
    assert found is not None
    return found.sentiment


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("这次保养体验太棒了，师傅特别耐心，点赞！", "positive"),
        ("太喜欢这个新颜色了，越看越好看", "positive"),
        ("非常满意，物流很快，质量也好", "positive"),
        ("这车操控真不错，动力充沛，很满意", "positive"),
        ("今天收到了朋友的生日礼物，开心极了[哈哈]", "positive"),
        ("医生护士辛苦了，为你们加油，向你们致敬！", "positive"),
        ("動力很好，非常滿意", "positive"),
        ("气死我了，排队三个小时最后说没有了", "negative"),
        ("客服态度极差，投诉无门，再也不买了", "negative"),
        ("发动机漏油，修了三次还没好，真垃圾", "negative"),
        ("刹车异响，4S店推来推去，太失望了", "negative"),
        ("油耗太高了，隔音差，后悔买了", "negative"),
        ("不好吃，一点都不新鲜", "negative"),
        ("好难过，眼泪止不住[泪]", "negative"),
        ("這次服務太差了，氣死我了", "negative"),
        ("请问这款车的保养周期是多少公里？", "neutral"),
        ("本次发布会将于周三下午两点在北京举行", "neutral"),
        ("公司公布了第三季度的销量数据", "neutral"),
    ],
)
def test_a_clear_mood_is_found(text: str, label: Mood) -> None:
    found = mood(text)
    assert found is not None
    assert found.label == label


@pytest.mark.parametrize(
    ("text", "denied"), [("味道很好吃", "味道不好吃"), ("质量很好，满意", "质量不好，不满意")]
)
def test_a_denied_praise_is_less_positive(text: str, denied: str) -> None:
    (_, _, praise), (_, _, refusal) = MoodModel.load(BUILT_IN).shares([text, denied])
    assert refusal < praise - 0.2


def test_the_title_counts() -> None:
    plain, titled = mood("详情如下"), mood("详情如下", title="太失望了，垃圾服务，气死我了")
    assert plain is not None
    assert titled is not None
    assert titled.label == "negative"
    assert plain.label != "negative"


def test_own_words_outweigh_the_quoted_repost() -> None:
    found = mood("太棒了，支持，赞！//@路人甲:太差劲了，垃圾公司", kind="repost")
    assert found is not None
    assert found.label == "positive"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("", {}),
        (" \n\u3000", {}),
        ("\u200b\ufeff", {}),
        ("", {"kind": "repost", "root_text": "太失望了"}),
        ("转发微博", {"kind": "repost"}),
        ("Repost", {"kind": "repost"}),
        ("//@路人甲:太差劲了", {"kind": "repost"}),
        ("转发微博//@路人甲:太差劲了", {"kind": "repost"}),
        ("", {"kind": "comment"}),
    ],
)
def test_where_nothing_was_said_there_is_no_mood(text: str, fields: dict[str, Any]) -> None:
    assert judged_text(post(text, **fields)) is None
    assert mood(text, **fields) is None


@pytest.mark.parametrize(
    ("text", "fields", "judged"),
    [
        ("正文", {}, "正文"),
        ("正文", {"title": "标题"}, "标题\n正文"),
        ("", {"title": "标题"}, "标题\n"),
        ("//@路人甲:太差劲了", {}, "//@路人甲:太差劲了"),
        ("转发微博", {}, "转发微博"),
        ("同意", {"kind": "repost"}, "同意"),
    ],
)
def test_what_is_judged(text: str, fields: dict[str, Any], judged: str) -> None:
    assert judged_text(post(text, **fields)) == judged


def test_an_older_mood_is_replaced() -> None:
    old = Sentiment(label="positive", negative=0, neutral=0, positive=1)
    assert mood("转发微博", kind="repost", sentiment=old) is None


def test_posts_are_not_changed_and_keep_their_order() -> None:
    # Given posts with and without something to judge
    posts = [
        post("太棒了，非常满意"),
        post(""),
        post("太失望了，垃圾"),
        post("转发", kind="repost"),
    ]
    before = [one.to_line() for one in posts]

    # When enriched
    found = LINEAR.enrich(posts)

    # Then each keeps its place, all but the mood is the same, and the given records are untouched
    assert [one and one.sentiment and one.sentiment.label for one in found] == [
        "positive",
        None,
        "negative",
        None,
    ]
    assert [one and one.text for one in found] == [one.text for one in posts]
    assert [one.to_line() for one in posts] == before


def test_no_posts_give_no_findings() -> None:
    assert LINEAR.enrich([]) == []


@given(
    st.lists(st.sampled_from([*HARD_TEXTS, "太棒了//@张三:垃圾", "差评！", "好" * 500]), max_size=9)
)
def test_the_batch_makes_no_difference(texts: list[str]) -> None:
    together = LINEAR.enrich([post(text) for text in texts])
    alone = [LINEAR.enrich([post(text)])[0] for text in texts]
    assert together == alone


@given(
    st.lists(
        st.tuples(*[st.floats(-30, 30)] * 3),
        min_size=1,
        max_size=5,
    )
)
def test_rounded_shares_add_up_and_name_the_label(scores: list[tuple[float, float, float]]) -> None:
    for found in to_sentiments(softmax(np.array(scores))):
        units = [round(getattr(found, name) * 10_000) for name in MOODS]
        assert sum(units) == 10_000
        assert [getattr(found, name) for name in MOODS] == [unit / 10_000 for unit in units]
        assert getattr(found, found.label) == max(found.negative, found.neutral, found.positive)


def test_thirds_are_rounded_to_a_sum_of_one() -> None:
    [found] = to_sentiments(np.full((1, 3), 1 / 3))
    assert (found.negative, found.neutral, found.positive) == (0.3334, 0.3333, 0.3333)


def test_the_built_in_weights_are_small_and_documented() -> None:
    card = BUILT_IN.with_suffix(".md").read_text(encoding="utf-8")
    assert BUILT_IN.stat().st_size < 5_000_000
    assert LINEAR.version in card


def model(seed: int = 1, temperature: float = 1.5) -> MoodModel:
    weights = np.random.default_rng(seed).normal(size=(1024, 3)).astype(np.float16)
    return MoodModel(weights.astype(np.float32), np.array([0.5, 0, -0.5], np.float32), temperature)


def test_a_model_comes_back_from_its_file_as_it_was(tmp_path: Path) -> None:
    # Given a model's file
    path = tmp_path / "own.npz"
    path.write_bytes(model().to_bytes())

    # When loaded
    loaded = MoodModel.load(path)

    # Then it judges the same, under the same version, and makes the same file
    assert loaded.shares(["好", "差"]).tolist() == model().shares(["好", "差"]).tolist()
    assert loaded.version == model().version
    assert loaded.to_bytes() == path.read_bytes()


def test_the_version_names_the_weights() -> None:
    versions = {model().version, model(seed=2).version, model(temperature=2.0).version}
    assert len(versions) == 3
    assert all(version.startswith("linear-") for version in versions)


def test_own_weights_are_used_where_configured(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(model().to_bytes())
    own = LinearSentiment(LinearSentiment.Config(model=path), RULES)
    assert own.version == model().version != LINEAR.version


def test_a_higher_temperature_draws_shares_together() -> None:
    [cold], [hot] = model(temperature=0.5).shares(["好"]), model(temperature=5).shares(["好"])
    assert cold.max() > hot.max()
    assert cold.argmax() == hot.argmax()


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="modell"):
        LinearSentiment.Config.model_validate({"modell": "x.npz"})


def packed(**changes: Any) -> bytes:
    content: dict[str, Any] = {
        "features": np.int64(FEATURES_VERSION),
        "weights": np.zeros((4, 3), np.float16),
        "bias": np.zeros(3, np.float32),
        "temperature": np.float64(1),
    }
    file = io.BytesIO()
    np.savez(
        file, **{name: value for name, value in (content | changes).items() if value is not ...}
    )
    return file.getvalue()


def test_the_smallest_sound_file_passes(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(packed())
    assert MoodModel.load(path).bits == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no model",
        b"PK\x03\x04 cut",
        packed()[:-30],
        packed(weights=...),
        packed(weights=np.zeros((4, 2), np.float16)),
        packed(weights=np.zeros((5, 3), np.float16)),
        packed(weights=np.zeros(12, np.float16)),
        packed(weights=np.zeros((4, 3), np.int8)),
        packed(weights=np.full((4, 3), np.nan, np.float16)),
        packed(weights=np.array([None])),
        packed(bias=np.zeros(2, np.float32)),
        packed(temperature=np.float64(0)),
        packed(temperature=np.float64("nan")),
        packed(temperature=np.array("warm")),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(content)
    with pytest.raises(FatalError, match=r"model\.npz 不是情感模型文件"):
        MoodModel.load(path)


def test_weights_of_other_features_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    path.write_bytes(packed(features=np.int64(FEATURES_VERSION + 1)))
    with pytest.raises(FatalError, match="重新训练"):
        MoodModel.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"absent\.npz"):
        MoodModel.load(tmp_path / "absent.npz")


def test_judging_imports_no_heavy_library() -> None:
    # Given a fresh process that judges a post
    code = (
        "import sys; from pathlib import Path; from processors.sentiment import *; "
        "MoodModel.load(BUILT_IN).shares(['太棒了']); "
        "print({'sklearn', 'snownlp', 'jieba', 'rjieba', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    # Then the trainer's and the baseline's libraries are not in it
    assert done.stdout.strip() == "set()"
