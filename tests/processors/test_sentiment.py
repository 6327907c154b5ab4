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

from processors.linear import Head, LinearModel, softmax
from processors.sentiment import (
    BUILT_IN,
    DOMAINS,
    MOODS,
    Domain,
    LinearSentiment,
    judged_text,
    to_sentiments,
)
from schemas.enriched import BrandTag, EnrichedPost, Mood, Sentiment
from schemas.errors import FatalError
from schemas.post import Author
from schemas.rules import Brand, RuleSet
from tests.processors.mood_cases import CHOSEN, HELD_BACK

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
        id=f"{fields.get('platform', 'weibo')}:1",
        platform=fields.pop("platform", "weibo"),
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
    (_, _, praise), (_, _, refusal) = LINEAR.shares(text), LINEAR.shares(denied)
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
    model = LinearModel.load(BUILT_IN, "train", DOMAINS)
    assert BUILT_IN.stat().st_size < 10_000_000
    assert model.version in card
    assert model.version in LINEAR.version


def own_model(seed: int = 1, domains: tuple[Domain, ...] = ("general", "cars")) -> LinearModel:
    outputs = len(MOODS) * len(domains)
    weights = np.random.default_rng(seed).normal(size=(1024, outputs)).astype(np.float16)
    heads = tuple(Head(domain, MOODS, "one", 1.5) for domain in domains)
    return LinearModel(heads, weights.astype(np.float32), np.zeros(outputs, np.float32))


def test_own_weights_are_used_where_configured(tmp_path: Path) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(own_model().to_bytes())
    own = LinearSentiment(LinearSentiment.Config(model=path), RULES)
    assert own_model().version in own.version
    assert own.shares("好车").tolist() != LINEAR.shares("好车").tolist()


@pytest.mark.parametrize(
    "options", [{"domain": "crisis"}, {"brands": {"xinghe": "reviews"}}], ids=["domain", "brands"]
)
def test_a_domain_that_the_weights_lack_is_refused(tmp_path: Path, options: dict[str, Any]) -> None:
    path = tmp_path / "own.npz"
    path.write_bytes(own_model().to_bytes())
    with pytest.raises(FatalError, match="tingchao train sentiment"):
        LinearSentiment(LinearSentiment.Config(model=path, **options), RULES)


# --- domains ------------------------------------------------------------------------------------

TEXT = "底盘很硬，高速上有点晃"
BRANDS = RULES.replaced(
    brands=(
        Brand(id="xinghe", name="星河", role="own", aliases=("星河",)),
        Brand(id="chenfeng", name="晨风", role="competitor", aliases=("晨风",)),
    )
)


def tags(*brands: str) -> tuple[BrandTag, ...]:
    return tuple(
        BrandTag(brand=brand, role="own" if brand == "xinghe" else "competitor") for brand in brands
    )


def judged_as(options: dict[str, Any], brands: tuple[str, ...]) -> list[str]:
    """The domains whose shares the text got."""
    enricher = LinearSentiment(LinearSentiment.Config(**options), BRANDS)
    [found] = enricher.enrich([post(TEXT, brands=tags(*brands))])
    assert found is not None
    assert found.sentiment is not None
    of = {domain: to_sentiments(LINEAR.shares(TEXT, domain)[None])[0] for domain in DOMAINS}
    return [domain for domain, mood in of.items() if mood == found.sentiment]


@pytest.mark.parametrize(
    ("options", "brands", "domain"),
    [
        ({}, (), "general"),
        ({"domain": "crisis"}, (), "crisis"),
        ({"domain": "reviews", "brands": {"xinghe": "cars"}}, (), "reviews"),
        ({"brands": {"xinghe": "cars"}}, ("xinghe",), "cars"),
        ({"brands": {"xinghe": "cars"}}, ("chenfeng",), "general"),
        ({"brands": {"xinghe": "cars", "chenfeng": "reviews"}}, ("chenfeng",), "reviews"),
        ({"brands": {"xinghe": "cars", "chenfeng": "reviews"}}, ("chenfeng", "xinghe"), "cars"),
    ],
)
def test_the_domain_is_set_or_follows_the_brand(
    options: dict[str, Any], brands: tuple[str, ...], domain: Domain
) -> None:
    assert judged_as(options, brands) == [domain]


def test_another_choice_of_domains_is_another_version() -> None:
    choices: list[dict[str, Any]] = [{}, {"domain": "cars"}, {"brands": {"xinghe": "cars"}}]
    versions = {
        LinearSentiment(LinearSentiment.Config(**options), RULES).version for options in choices
    }
    assert len(versions) == 3


@pytest.mark.parametrize(
    ("platform", "domain"), [("lunji", "cars"), ("wechat", "cars"), ("weibo", "general")]
)
def test_a_brand_in_the_car_trade_is_judged_as_cars_but_on_weibo(
    platform: str, domain: Domain
) -> None:
    # Given a brand whose entry names its trade
    brand = Brand(id="xinghe", name="星河", role="own", aliases=("星河",), trade="car")
    enricher = LinearSentiment(LinearSentiment.Config(), RULES.replaced(brands=(brand,)))

    # When a post about it is judged
    given = post(TEXT, brands=tags("xinghe"), platform=platform)
    [found] = enricher.enrich([given])

    # Then it is judged as its kind of text is
    assert found is not None
    assert found.sentiment == to_sentiments(LINEAR.shares(TEXT, domain)[None])[0]


def test_versions_stay_short_whatever_the_number_of_brands() -> None:
    brands = tuple(
        Brand(id=f"b{n}", name="星河", role="own", aliases=(f"星河{n}",), trade="car")
        for n in range(300)
    )
    rules = RULES.replaced(brands=brands)
    assert len(LinearSentiment(LinearSentiment.Config(), rules).version) < 80


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError, match="modell"):
        LinearSentiment.Config.model_validate({"modell": "x.npz"})


# --- what n-grams miss ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cases", "most"), [(CHOSEN, 4), (HELD_BACK, 8)], ids=["chosen", "held-back"]
)
def test_most_sentences_with_denial_scorn_and_signs_are_judged_right(
    cases: list[tuple[str, Mood]], most: int
) -> None:
    wrong = [text for text, label in cases if (found := mood(text)) and found.label != label]
    assert len(wrong) <= most, wrong


def test_judging_imports_no_heavy_library() -> None:
    # Given a fresh process that judges a post
    code = (
        "import sys; from processors.linear import *; from processors.sentiment import *; "
        "LinearModel.load(BUILT_IN, TRAIN); "
        "print({'sklearn', 'snownlp', 'jieba', 'rjieba', 'pandas'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    # Then the trainer's and the baseline's libraries are not in it
    assert done.stdout.strip() == "set()"
