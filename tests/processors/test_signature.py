import re
from datetime import UTC, datetime

import pytest

from processors.signature import Signature
from schemas.enriched import EnrichedPost
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT)
ORIGINAL = "星河汽车刹车失灵三次，售后没人管"


def signature(text: str) -> str | None:
    given = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
    )
    (enriched,) = Signature(Signature.Config(), RULES).enrich([given])
    assert enriched is not None
    assert enriched.model_copy(update={"signature": None, "sketch": None}) == given
    return enriched.signature


@pytest.mark.parametrize(
    "copy",
    [
        "星河汽车刹车失灵三次 售后没人管！！！",
        "#星河汽车#刹车失灵三次，售后没人管",
        "星河汽车剎車失靈三次，售後沒人管",
        "星河汽车刹车失灵三次，售后没人管 https://t.cn/A6xY",
        "星河汽车刹车失灵三次，售后没人管http://t.cn/A6xY，",
        "星河汽车刹车失灵三次，售后没人管//@张三:星河真差",
        "@李四 星河汽车刹车失灵三次，售后没人管[怒][怒]",
        "回复@李四:星河汽车刹车失灵三次，售后没人管😡",
        "回复＠李四：星河汽车刹车失灵三次，售后没人管😡",
        "星河\u200b汽车刹车失灵三次\n售后没人管 2026",
    ],
)
def test_copies_of_one_text_are_equal(copy: str) -> None:
    assert signature(copy) == signature(ORIGINAL)


@pytest.mark.parametrize(
    "other",
    [
        "星河汽车刹车失灵四次，售后没人管",
        "晨风汽车刹车失灵三次，售后没人管",
        "星河汽车刹车失灵三次，售后没人管理",
    ],
)
def test_other_texts_differ(other: str) -> None:
    assert signature(other) is not None
    assert signature(other) != signature(ORIGINAL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "太好了！",
        "转发微博",
        "轉發微博",
        "Repost",
        "//@张三:星河汽车刹车失灵三次，售后没人管",
        "转发微博//@张三:星河汽车刹车失灵三次",
        "@张三 @李四 @王五",
        "https://t.cn/A6xYabcdefgh",
        "[允悲][允悲][允悲]",
        "😀" * 20,
        "12345678",
        "五个字而已",
        "#" * 1000,
        "\u200b" * 20,
    ],
)
def test_too_few_own_words_have_none(text: str) -> None:
    assert signature(text) is None


def test_six_letters_are_enough() -> None:
    assert signature("刚好六个字了") is not None


def test_it_is_the_same_for_ever() -> None:
    # It stands in the index and in checkpoints, so a change needs a new version of the enricher.
    assert signature(ORIGINAL) == "c9d31acfa8dfd710"


def test_the_longest_text_has_sixteen_digits() -> None:
    assert re.fullmatch("[0-9a-f]{16}", signature("听潮𠮷野家" * 20_000) or "")
