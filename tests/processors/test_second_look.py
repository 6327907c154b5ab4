"""A second look: the same words, with and without what says that nobody asks or buys."""

import math

import pytest

from benchmarks.intents import found_in, labels_of
from processors.second_look import SecondLook, Seen
from schemas.enriched import Sentiment

ASKS, BUYS = SecondLook("asking"), SecondLook("buying")
CALM = Sentiment(label="neutral", negative=0.2, neutral=0.7, positive=0.1)
ANGRY = Sentiment(label="negative", negative=0.95, neutral=0.04, positive=0.01)


def seen(mood: Sentiment | None = CALM, *, total: float = 1.0, goods: bool = True) -> Seen:
    return Seen(total, False, False, goods, False, 0.0, 0.0, mood)


@pytest.mark.parametrize(
    ("wanted", "not_wanted"),
    [
        ("这个座椅怎么调?", "难道这个座椅还要我自己调?"),
        ("楼主这台车多少钱落地?", "这也叫车?"),
        ("保修要带什么材料吗?", "保修还要材料,素质呢?"),
        ("这台冰箱声音大吗?", "这台冰箱声音大吗?不大的,你可以放心,建议买"),
        ("耳机能连电脑吗?", "耳机不错,喜欢,能连电脑吗"),
        ("你们的空调声音大吗?", "你们的空调声音大吗?      "),
        ("屏幕坏了去哪修?", "屏幕坏了去哪修[泪][泪]"),
        ("充电要几个小时?", "老师,人生要几个小时?"),
    ],
)
def test_what_surrounds_a_question_decides(wanted: str, not_wanted: str) -> None:
    assert ASKS.odds(wanted, seen()) >= 0
    assert ASKS.odds(wanted, seen()) > ASKS.odds(not_wanted, seen()) + 0.5


def test_the_angry_ask_less_than_the_calm() -> None:
    text = "你们的客服什么时候上班?"

    assert ASKS.odds(text, seen(CALM)) > ASKS.odds(text, seen(None))
    assert ASKS.odds(text, seen(None)) > ASKS.odds(text, seen(ANGRY))


def test_one_asks_about_goods_rather_than_life() -> None:
    text = "大概要等多久?"

    assert ASKS.odds(text, seen(goods=True)) > ASKS.odds(text, seen(goods=False))


@pytest.mark.parametrize("text", ["", "?", "   ", "吗" * 2_000, "吧?" * 500])
def test_any_text_has_a_finite_answer(text: str) -> None:
    assert math.isfinite(ASKS.odds(text, seen(total=1e9)))
    assert all(map(math.isfinite, ASKS.cues(text, seen()).values()))


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("请问启澜QL6的后排能放平吗？", True),
        ("谁能告诉我海鸥X5怎么关掉锁屏广告", True),
        ("不知道海鸥X5要不要换电池，用了三年", True),
        ("海鸥X5现在什么价", True),
        ("送来全是凉的，让人怎么吃？", False),
        ("卖这么贵，难道不该送个充电头吗？", False),
        ("你们的客服是不是都下班了？什么态度！", False),
        ("为什么世界上会有数学这种东西", False),
        ("发动机当然皮实，不然怎么会跑二十万公里？", False),
    ],
)
def test_only_who_wants_an_answer_enquires(text: str, asks: bool) -> None:
    [post] = found_in([text])

    assert ("enquiry" in labels_of(post)) is asks


@pytest.mark.parametrize(
    ("buying", "not_buying"),
    [
        ("准备换台冰箱,预算三千", "上次换的冰箱,用了三年,质量可以"),
        ("想买这款耳机,多少钱?", "这款耳机收到了,想买的不要犹豫"),
        ("纠结要不要换新款", "要是纠结的话,建议换新款"),
        ("周末去看车,优惠多少?", "我的车当时优惠多少来着,开了三年忘了"),
    ],
)
def test_who_wants_to_buy_has_not_bought(buying: str, not_buying: str) -> None:
    assert BUYS.odds(buying, seen()) > BUYS.odds(not_buying, seen()) + 0.5


@pytest.mark.parametrize(
    ("text", "buys"),
    [
        ("各位，海鸥X5现在什么价？打算下周入手", True),
        ("打算换手机，海鸥X5和X6很难选，纠结中", True),
        ("上次买的收到了，包装不错，价格也便宜", False),
        ("用了两个月的吹风机，其实价格不值，别买", False),
    ],
)
def test_only_who_wants_to_buy_is_a_buyer(text: str, buys: bool) -> None:
    [post] = found_in([text])

    assert ("purchase" in labels_of(post)) is buys


def test_what_is_learnt_from_is_what_is_judged_by() -> None:
    text, known = "请问楼主,这台车多少钱落地?谢谢!", seen(total=2.0)
    cues = ASKS.cues(text, known)
    calmer = ASKS.cues(text, known._replace(mood=None))

    assert cues["total"] == 2.0 and cues["sure"] == 1.0 and cues["asking_end"] is False
    assert cues["peers.post"] == 1 and cues["price.question"] and cues["goods"]
    assert {name for name in cues if cues[name] != calmer[name]} == {
        "negative",
        "neutral",
        "negative_mark",
    }
