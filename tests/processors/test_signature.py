import re
from datetime import UTC, datetime
from typing import Any

import pytest

from processors.signature import Signature
from processors.sketch import SKETCH_LENGTH, read_sketches
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Author
from schemas.rules import RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)
RULES = RuleSet(id="acme", version=1, author="王", reason="测试", changed_at=AT)
ORIGINAL = "星河汽车刹车失灵三次，售后没人管"


def signature(text: str) -> str | None:
    return judged(text).signature


def judged(text: str, **changes: Any) -> EnrichedPost:
    given = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        **changes,
    )
    (enriched,) = Signature(Signature.Config(), RULES).enrich([given])
    assert enriched is not None
    assert enriched.model_copy(update={"signature": None, "sketch": None}) == given
    return enriched


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


BRAND = (BrandTag(brand="xinghe", role="own"),)


@pytest.mark.parametrize(
    ("models", "brands", "sketched"),
    [
        ({}, (), True),
        ({"brands": "1"}, BRAND, True),
        ({"brands": "1"}, (), False),
    ],
)
def test_where_brands_are_looked_for_only_posts_with_one_get_a_sketch(
    models: dict[str, str], brands: tuple[BrandTag, ...], sketched: bool
) -> None:
    post = judged(ORIGINAL, models=models, brands=brands)

    assert (post.sketch is not None) == sketched
    assert post.signature is not None


@pytest.mark.parametrize(
    ("text", "sketches"),
    [
        ("太短了，不好比", []),
        ("哈哈哈哈" * 20, []),
        (f"#{ORIGINAL}#", []),
        (ORIGINAL, [False]),
        (f"转//@张三:{ORIGINAL}", [True]),
        (f"{ORIGINAL}//@张三:是吗", [False, True]),
    ],
)
def test_own_words_and_quoted_ones_are_sketched(text: str, sketches: list[bool]) -> None:
    sketch = judged(text).sketch

    assert [part.quotes for part in read_sketches(sketch or "")] == sketches
    assert len(sketch or "") == SKETCH_LENGTH * len(sketches)


def test_a_post_is_judged_alike_whatever_stands_beside_it() -> None:
    texts = [ORIGINAL, f"转//@张三:{ORIGINAL}", "", "#" * 50, "长文" * 50_000, "末尾@", "李四写的"]
    posts = [judged("").replaced(id=f"weibo:{n}", text=text) for n, text in enumerate(texts * 2)]

    together = Signature(Signature.Config(), RULES).enrich(posts)

    alone = [judged(text) for text in texts * 2]
    assert [(post.signature, post.sketch) for post in together if post] == [
        (post.signature, post.sketch) for post in alone
    ]
