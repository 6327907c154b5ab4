"""Which aspects a post speaks of, how, and where that stands."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from processors.aspect_lists import id_of, listed_aspects
from processors.aspect_model import MOODS, AspectModel
from processors.aspects import BUILT_IN, Aspects
from processors.clauses import judged
from processors.cues import groups_of
from processors.features import text_features
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Sentiment
from schemas.errors import FatalError
from schemas.post import Author
from schemas.rules import Brand, RuleSet, Trade

AT = datetime(2026, 5, 1, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared" / "data" / "aspect" / "bdci_car_aspects.jsonl"
RULES = RuleSet(
    id="main",
    version=1,
    author="王",
    reason="测试",
    changed_at=AT,
    brands=(
        Brand(id="qilan", name="启澜", role="own", aliases=("启澜",), trade="car"),
        Brand(id="ql6", name="QL6", role="own", parent="qilan", kind="model", aliases=("QL6",)),
        Brand(id="haitang", name="海棠", role="own", aliases=("海棠",), trade="phone"),
        Brand(id="nobody", name="无名", role="own", aliases=("无名",)),
    ),
)


def post(text: str, *brands: str, **fields: Any) -> EnrichedPost:
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        brands=tuple(BrandTag(brand=brand, role="own", aliases=(brand,)) for brand in brands),
        **fields,
    )


def aspects(given: EnrichedPost, trade: Trade | None = None) -> dict[str, Aspect]:
    [found] = Aspects(Aspects.Config(trade=trade), RULES).enrich([given])
    assert found is not None
    return {aspect.aspect: aspect for aspect in found.aspects}


def shown(given: EnrichedPost, aspect: Aspect) -> list[str]:
    return [getattr(given, span.field)[span.start : span.end] for span in aspect.spans]


@pytest.mark.parametrize(
    ("trade", "text", "aspect", "mood"),
    [
        ("phone", "海棠的屏幕很清晰，电池太差", "screen", "positive"),
        ("phone", "海棠的屏幕很清晰，电池太差", "battery", "negative"),
        ("phone", "拍照不好看，系统流畅", "camera", "negative"),
        ("phone", "拍照不是不好", "camera", "positive"),
        ("phone", "续航方面，真的很失望", "battery", "negative"),
        ("food", "奶茶太甜，包装倒是精致", "taste", "negative"),
        ("food", "奶茶太甜，包装倒是精致", "packaging", "positive"),
        ("ecommerce", "快递很慢，客服没人理", "delivery", "negative"),
        ("ecommerce", "快递很慢，客服没人理", "service", "negative"),
        ("ecommerce", "衣服尺码合身", "fit", "positive"),
        ("travel", "房间干净，航班又延误", "transport", "negative"),
        ("appliance", "洗衣机嗡嗡响，省电", "noise", "negative"),
        ("car", "售后推脱，4S店没人管", "service", "negative"),
        ("car", "车机又黑屏了", "smart", "negative"),
        ("phone", "屏幕尺寸是多少", "screen", "neutral"),
    ],
)
def test_listed_words_are_judged_by_their_clause(
    trade: Trade, text: str, aspect: str, mood: str
) -> None:
    assert aspects(post(text), trade)[aspect].mood == mood


@pytest.mark.parametrize(
    ("text", "aspect"),
    [
        ("启澜的油耗实在太高了，百公里十二个油", "fuel"),
        ("这车提速慢，高速超车没力气", "power"),
        ("后排空间大，后备箱也能装", "space"),
    ],
)
def test_aspects_of_cars_come_from_the_model(text: str, aspect: str) -> None:
    assert aspect in aspects(post(text, "qilan"))


def test_an_aspect_without_a_listed_word_shows_what_weighs_most() -> None:
    model = AspectModel.load(BUILT_IN)
    power = model.aspects.index("动力")

    [gram, nothing] = model.weightiest(["这台车上坡的时候没劲", "好"], [power, power])

    assert len(gram) == 3 and gram in "这台车上坡的时候没劲"
    assert nothing == ""


def test_spans_are_the_word_and_what_judges_it() -> None:
    given = post("[赞]海棠的螢幕很好，🎉電池不行")

    found = aspects(given, "phone")

    assert shown(given, found["battery"]) == ["電池", "不行"]


def test_a_title_counts_too() -> None:
    given = post("如题", title="海棠的电池太差")

    assert shown(given, aspects(given, "phone")["battery"]) == ["电池", "差"]


@pytest.mark.parametrize(
    "text",
    ["//@路人:电池太差", "海棠发布会说：“我们的电池非常差还要继续改进”", "@电池太差 你好", ""],
)
def test_words_of_others_do_not_count(text: str) -> None:
    assert aspects(post(text), "phone") == {}


@pytest.mark.parametrize(
    ("brands", "text", "present"),
    [
        (["haitang"], "屏幕不错", True),
        (["qilan"], "屏幕不错", False),
        (["nobody"], "屏幕不错", False),
        (["nobody"], "手机屏幕不错", True),
        (["qilan", "haitang"], "屏幕不错", True),
        ([], "今天去酒店，屏幕不错", False),
    ],
)
def test_brands_then_words_tell_the_trade(brands: list[str], text: str, present: bool) -> None:
    assert ("screen" in aspects(post(text, *brands))) is present


def test_a_trade_is_inherited_from_the_brand_above() -> None:
    assert "smart" in aspects(post("车机流畅", "ql6"))
    assert "smart" not in aspects(post("车机流畅", "nobody"))


@pytest.mark.parametrize(
    ("negative", "text", "mood"),
    [
        (0.9, "屏幕我真是服了你们", "negative"),
        (0.5, "屏幕我真是服了你们", "neutral"),
        (0.9, "屏幕我真是服了，拍照好看", "neutral"),
    ],
)
def test_the_mood_of_the_post_stands_in_where_no_word_judges(
    negative: float, text: str, mood: str
) -> None:
    share = Sentiment(
        label="negative", negative=negative, neutral=round(1 - negative, 4), positive=0
    )

    assert aspects(post(text, sentiment=share), "phone")["screen"].mood == mood


@pytest.mark.parametrize(
    ("brands", "whose"), [(["haitang"], "haitang"), (["haitang", "qilan"], None), ([], None)]
)
def test_an_aspect_has_a_brand_where_there_is_one(brands: list[str], whose: str | None) -> None:
    assert aspects(post("手机屏幕不错", *brands))["screen"].brand == whose


def test_every_listed_aspect_can_be_found_and_is_of_a_known_trade() -> None:
    words = groups_of("aspects")

    assert all(words[one.id] for one in listed_aspects().values())
    assert len(listed_aspects()) >= 30
    assert id_of("油耗") == "fuel"
    assert id_of("别的") == "别的"


@pytest.mark.parametrize(
    ("text", "signs"),
    [
        ("很好，很差", [1, -1]),
        ("不好", [-1]),
        ("并不是不好", [1]),
        ("没有那么好", [-1]),
        ("不得不说好", [1]),
        ("特别好", [1]),
        ("不过好", [1]),
        ("你好，差不多好像", []),
        ("没毛病", [1]),
    ],
)
def test_words_of_praise_and_blame_are_turned_by_negations(text: str, signs: list[int]) -> None:
    assert [sign for _, _, sign in judged(text).verdicts] == signs


def test_clauses_end_at_signs() -> None:
    assert judged("好,差。行\n嗯").breaks == [1, 3, 5, 7]


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "none.npz"
    path.write_bytes(b"none")

    with pytest.raises(FatalError, match="tingchao train aspects"):
        Aspects(Aspects.Config(model=path), RULES)


@pytest.mark.skipif(not SHARED.exists(), reason="the labelled sets are not on this machine")
def test_the_built_in_model_knows_its_own_set() -> None:
    rows = [json.loads(line) for line in SHARED.read_text(encoding="utf-8").splitlines()][::10]
    model = AspectModel.load(BUILT_IN)

    judged_rows = model.judge(text_features([row["text"] for row in rows]))

    said = [{(model.aspects[a], MOODS.index(MOODS[m]) - 1) for a, m in row} for row in judged_rows]
    true = [set(row["aspects"].items()) for row in rows]
    right = sum(len(one & other) for one, other in zip(said, true, strict=True))
    assert 2 * right / (sum(map(len, said)) + sum(map(len, true))) > 0.7  # trained on these
