"""What the shape of sentences says of a question, and which questions want an answer."""

import math

import pytest

from benchmarks.intents import found_in, labels_of
from processors.asking import Seen, asking_of, cues_of, wants_answer
from schemas.enriched import Sentiment

CALM = Sentiment(label="neutral", negative=0.2, neutral=0.7, positive=0.1)
ANGRY = Sentiment(label="negative", negative=0.95, neutral=0.04, positive=0.01)


def seen(mood: Sentiment | None = CALM, *, total: float = 1.0, goods: bool = True) -> Seen:
    return Seen(total, False, goods, False, 0.0, 0.0, mood)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("保养要提前约", "保养要提前约吗"),
        ("保养要提前约吗", "保养要提前约吗?"),
        ("今天出门了 ??", "今天出门了?"),  # an emoji that was lost
        ("真的吗!!", "真的吗!"),
    ],
)
def test_one_asks_more_than_the_other(less: str, more: str) -> None:
    assert asking_of(less, by_word=False) < asking_of(more, by_word=False)


def test_a_lost_emoji_asks_nothing() -> None:
    assert asking_of("今天出门了 ??", by_word=False) == 0


def test_words_of_questions_count_less_in_long_statements() -> None:
    assert asking_of("说明" * 60, by_word=True) < 0 < asking_of("说明", by_word=True)


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
    assert wants_answer(wanted, seen()) >= 0
    assert wants_answer(wanted, seen()) > wants_answer(not_wanted, seen()) + 0.5


def test_the_angry_ask_less_than_the_calm() -> None:
    text = "你们的客服什么时候上班?"

    assert wants_answer(text, seen(CALM)) > wants_answer(text, seen(None))
    assert wants_answer(text, seen(None)) > wants_answer(text, seen(ANGRY))


def test_one_asks_about_goods_rather_than_life() -> None:
    text = "大概要等多久?"

    assert wants_answer(text, seen(goods=True)) > wants_answer(text, seen(goods=False))


@pytest.mark.parametrize("text", ["不知道这款耐不耐用,值不值得换", "不清楚保修期是否包括电池"])
def test_who_wonders_asks_without_a_question_mark(text: str) -> None:
    assert asking_of(text, False) >= asking_of("这款很耐用,值得换", False) + 300


@pytest.mark.parametrize("text", ["", "?", "   ", "吗" * 2_000, "吧?" * 500])
def test_any_text_has_a_finite_answer(text: str) -> None:
    assert math.isfinite(wants_answer(text, seen(total=1e9)))
    assert all(map(math.isfinite, cues_of(text, seen()).values()))


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("请问启澜QL6的后排能放平吗？", True),
        ("谁能告诉我海鸥X5怎么关掉锁屏广告", True),
        ("不知道海鸥X5要不要换电池，用了三年", True),
        ("海鸥X5现在什么价", True),
        ("汤都洒光了，让人怎么吃？", False),
        ("卖这么贵，难道不该送个充电头吗？", False),
        ("你们的客服是不是都下班了？什么态度！", False),
        ("为什么世界上会有数学这种东西", False),
        ("发动机当然皮实，不然怎么会跑二十万公里？", False),
    ],
)
def test_only_who_wants_an_answer_enquires(text: str, asks: bool) -> None:
    [post] = found_in([text])

    assert ("enquiry" in labels_of(post)) is asks
