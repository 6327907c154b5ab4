"""Why a post matches or does not, for a person."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from processors.query_explain import explained
from processors.query_parser import parse_query
from processors.query_reference import judge
from schemas.enriched import BrandTag, EnrichedPost, Label, Sentiment
from schemas.language import use_language
from schemas.post import Author, Engagement

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


def said(query: str, text: str, title: str | None = None, **more: Any) -> list[str]:
    given = {"author": Author(id="1"), **more}
    post = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        title=title,
        text=text,
        published_at=AT,
        observed_at=AT,
        source="demo",
        **given,
    )
    return explained(query, judge(parse_query(query), post), post)


def test_a_match_shows_each_part_with_its_places() -> None:
    assert said("刹车 且 (失灵 或 异响) -电影", "提车两周，刹\u200b车突然失灵，差点追尾") == [
        "✓ 都要：刹车 且 (失灵 或 异响) -电影",
        "  ✓ 词：刹车  → 正文第 6–8 字 …提车两周，[刹\u200b车]突然失灵，差…",
        "  ✓ 任一：失灵 或 异响",
        "    ✓ 词：失灵  → 正文第 11–12 字 …，刹\u200b车突然[失灵]，差点追尾…",
        "    ✗ 词：异响  → 没有找到",
        "  ✓ 不能有：-电影",
        "    ✗ 词：电影  → 没有找到",
    ]


def test_what_is_there_but_not_near_says_so() -> None:
    lines = said("刹车 ONEAR/2 失灵", "失灵的是屏幕，刹车没事")

    assert lines[0] == "✗ 相近：刹车 ONEAR/2 失灵  → 词都有，但离得太远、顺序不对或不在同一处"
    assert said("刹车 NEAR/2 失灵", "刹车没事")[0].endswith("→ 没有找到")


def test_scopes_fields_and_numbers_are_named() -> None:
    assert said("标题:召回 平台:微博 粉丝>1万 至少/1(/电.池/, ~BYD, a*b)", "召回", "公告") == [
        "✗ 都要：标题:召回 平台:微博 粉丝>1万 至少/1(/电.池/, ~BYD, a*b)",
        "  ✗ 只看标题：标题:召回",
        "    ✗ 词：召回  → 没有找到",
        "  ✓ 字段：平台:微博",
        "  ✗ 数值：粉丝>1万  → 帖子的粉丝数：未知",
        "  ✗ 至少 1 项：至少/1(/电.池/, ~BYD, a*b)",
        "    ✗ 正则：/电.池/  → 没有找到",
        "    ✗ 原样的词：~BYD  → 没有找到",
        "    ✗ 带通配的词：a*b  → 没有找到",
    ]


def test_many_places_are_counted() -> None:
    [line] = said("坏", "坏" * 9)

    assert line.endswith("，另有 4 处")
    assert line.count("坏]") == 5


RICH: dict[str, Any] = {
    "author": Author(id="7", followers=520, verified=False),
    "engagement": Engagement(heat=1.5),
    "region": "北京",
    "url": "https://a.cn/1",
    "media": ("image",),
    "brands": (BrandTag(brand="byd", role="own"), BrandTag(brand="nio", role="own")),
    "sentiment": Sentiment(label="neutral", negative=0, neutral=1, positive=0),
    "intents": (Label(label="complaint", score=0.9), Label(label="praise", score=0.6)),
    "reasons": ("quality",),
}


@pytest.mark.parametrize(
    ("query", "poor", "rich"),
    [
        ("粉丝>=1万", "帖子的粉丝数：未知", "帖子的粉丝数：520"),
        ("热度>100", "帖子的热度：未知", "帖子的热度：1.5"),
        ("平台:知乎", "帖子的平台：weibo", "帖子的平台：weibo"),
        ("类型:评论", "帖子的类型：post", "帖子的类型：post"),
        ("作者号:2", "帖子的作者号：1", "帖子的作者号：7"),
        ("认证:是", "帖子的认证：未知", "帖子的认证：否"),
        ("地区:上海", "帖子的地区：未知", "帖子的地区：北京"),
        ("网址:b.cn", "帖子的网址：未知", "帖子的网址：https://a.cn/1"),
        ("品牌:xpeng", "没有认出品牌", "帖子的品牌：byd、nio"),
        ("情感:负面", "没有识别出情感", "帖子的情感：neutral"),
        ("意图:咨询", "没有识别出意图", "帖子的意图：complaint、praise"),
        ("原因:态度", "没有识别出抱怨原因", "帖子的抱怨原因：quality"),
        ("含:视频", "帖子的内容：只有文字", "帖子的内容：image、url、region"),
    ],
)
def test_a_condition_that_fails_says_what_the_post_has(query: str, poor: str, rich: str) -> None:
    assert said(query, "召回")[0].partition("→ ")[2] == poor
    assert said(query, "召回", **RICH)[0].partition("→ ")[2] == rich


def test_a_phrase_is_no_word_with_gaps() -> None:
    assert said('"Model Y"', "Model S")[0] == '✗ 短语："Model Y"  → 没有找到'


def test_what_must_not_be_there_is_named() -> None:
    assert said("召回 -(电影 OR 演习)", "召回演习，演习")[2] == (
        "  ✗ 不能有：-(电影 OR 演习)  → 因为出现了：演习"
    )
    assert said("召回 -平台:微博", "召回")[2] == "  ✗ 不能有：-平台:微博  → 因为出现了：平台:微博"
    assert said("召回 -(甲 近/1 乙)", "召回甲乙")[2].endswith("因为出现了：甲、乙")


@pytest.mark.parametrize(
    ("query", "text", "told"),
    [
        ("BYD", "买了ＢＹＤ2和ABYD", "只出现在更长的英文词里：ＢＹＤ2"),
        ("~BYD", "买了BY\u200bD2", "只出现在更长的英文词里：BYD2"),
        ("~BYD", "买了byd2", "没有找到"),
        ("标题:BYD", "买了BYD2", "没有找到"),
    ],
)
def test_a_word_inside_a_longer_one_says_so(query: str, text: str, told: str) -> None:
    assert said(query, text)[-1].endswith(f"→ {told}")


def test_in_english() -> None:
    use_language("en")

    assert said("刹车 -电影", "刹车")[:3] == [
        "✓ all of: 刹车 -电影",
        "  ✓ word: 刹车  -> text 1–2 …[刹车]…",
        "  ✓ none of: -电影",
    ]
