"""Why a post matches or does not, for a person."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from processors.query_explain import explained
from processors.query_parser import parse_query
from processors.query_reference import judge
from schemas.enriched import EnrichedPost
from schemas.language import use_language
from schemas.post import Author

AT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def in_chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


def said(query: str, text: str, title: str | None = None) -> list[str]:
    post = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        title=title,
        text=text,
        author=Author(id="1"),
        published_at=AT,
        observed_at=AT,
        source="demo",
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
        "  ✗ 数值：粉丝>1万",
        "  ✗ 至少 1 项：至少/1(/电.池/, ~BYD, a*b)",
        "    ✗ 正则：/电.池/  → 没有找到",
        "    ✗ 原样的词：~BYD  → 没有找到",
        "    ✗ 带通配的词：a*b  → 没有找到",
    ]


def test_many_places_are_counted() -> None:
    [line] = said("坏", "坏" * 9)

    assert line.endswith("，另有 4 处")
    assert line.count("坏]") == 5


def test_in_english() -> None:
    use_language("en")

    assert said("刹车 -电影", "刹车")[:3] == [
        "✓ all of: 刹车 -电影",
        "  ✓ word: 刹车  -> text 1–2 …[刹车]…",
        "  ✓ none of: -电影",
    ]
