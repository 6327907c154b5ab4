"""Warnings about queries that the grammar accepts."""

from collections.abc import Iterator

import pytest

from processors.query_advice import advice
from processors.query_parser import parse_query
from schemas.language import Language, use_language


@pytest.fixture(autouse=True, params=["zh", "en"])
def language(request: pytest.FixtureRequest) -> Iterator[Language]:
    use_language(request.param)
    yield request.param
    use_language(None)


@pytest.mark.parametrize(
    ("query", "zh", "en"),
    [
        ("刹车 -刹车", "永远不会命中", "never matches"),
        ("电池 刹车 NOT (刹车 OR 失灵)", "既要有又不能有", "asked for and excluded"),
        ("漏水 OR (异响 平台:微博 平台:微信)", "第 8 个字", "At character 8"),
        ("平台:微博 平台:微信 异响", "想写“或者”请用 OR", "write OR"),
        ("异响 粉丝>100 粉丝<50", "互相矛盾", "exclude each other"),
        ("异响 粉丝=5 粉丝>5", "互相矛盾", "exclude each other"),
        ("NOT 水果", "几乎每条帖子都会命中", "Nearly every post matches"),
        ("非 (甲乙 且 丙丁)", "几乎每条帖子都会命中", "Nearly every post matches"),
        ("电池 AND (召回 OR NOT 谣言)", "第 15 个字：OR 的这一支几乎总成立", "At character 15"),
        ("/刹车.{0,3}失灵/", "要在每条帖子上跑", "runs on every post"),
        ("车", "只靠单个字“车”触发", "single character '车'"),
        ("车 OR 刹车失灵", "只靠单个字“车”触发", "single character '车'"),
        ("刹车 and 失灵", "请用大写 AND", "write operators as AND"),
        ("刹车 与 失灵", "请用大写 AND", "write operators as AND"),
        ("刹车 near/3 失灵", "请用大写 NEAR/5", "written NEAR/5"),
        ("苹果-水果", "请在 - 前空一格", "leave a blank"),
        ("苹果+手机", "想都要请写 AND", "write AND"),
        ("BYD&Tesla", "当作一个词", "is one word"),
        ("刹车、失灵", "连同标点当作一个词", "with its punctuation"),
        ("刹车！", "连同标点", "with its punctuation"),
        ("刹车 Or 失灵", "请用大写 AND", "write operators as AND"),
        ("比亚迪 !自燃", "想排除请写 -", "no operator"),
        ("比亚迪 +自燃", "想排除请写 -", "no operator"),
        ("比亚迪AND自燃", "两边要有空格", "on either side"),
        ("比亚迪 NOT自燃", "两边要有空格", "on either side"),
        ("比亚迪或特斯拉", "两边要有空格", "on either side"),
        ("比亚迪/特斯拉", "请写 OR", "write OR"),
        ("‘刹车 失灵’", "短语请写进", "in double ones"),
        ("Model Y", "单个字母", "single letter"),
        ("客服 好吗？", "代表任意一个字", "any character"),
        ("特斯拉*", "对汉字不起作用", "Latin letters"),
        ("*特斯拉", "对汉字不起作用", "Latin letters"),
    ],
)
def test_a_doubtful_query_is_named(query: str, zh: str, en: str, language: Language) -> None:
    found = advice(query, parse_query(query))

    assert len(found) == 1, found
    assert (zh if language == "zh" else en) in found[0]


@pytest.mark.parametrize(
    "query",
    [
        "刹车 AND (失灵 OR 异响) -电影",
        "平台:微博 平台:微博 异响",
        "平台:(微博 OR 微信) 异响",
        "异响 粉丝>=100 粉丝<=100",
        "粉丝>100万",
        "平台:微博 类型:评论",
        "/刹车.{0,3}失灵/ 刹车",
        "车 且 刹车失灵",
        '"and" 刹车',
        '"好吗？" “刹车！”',
        "比亚迪 ＯＲ 特斯拉",
        "或者 而且 抑或 非常",
        "客服?理",
        "H5页面 charg*",
        "至少/2(漏水, 异响, 车)",
        "(刹车 OR 制动) NEAR/3 失灵",
    ],
)
def test_a_good_query_has_no_warning(query: str) -> None:
    assert advice(query, parse_query(query)) == []
