"""What is wrong with a query is said with its place and its cure."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from processors.query_error import MAX_DEPTH, QueryError
from processors.query_parser import parse_query
from processors.query_set import QuerySet
from processors.query_tree import AllOf, AnyOf, Gap, NotNode, Term
from schemas.enriched import EnrichedPost
from schemas.language import use_language
from schemas.post import Author


@pytest.fixture
def in_chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


@pytest.fixture
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


AT = datetime(2026, 1, 1, tzinfo=UTC)

WRONG = [
    # (query, the place that is named, counted from 1, what the sentence says)
    ("", 1, "空的"),
    (" \n ", 1, "空的"),
    ("(甲 OR 乙", 1, "缺右括号"),
    ("甲 AND (乙 OR (丙)", 7, "缺右括号"),
    ("标题：（甲", 4, "缺右括号"),
    ("甲)", 2, "多了一个右括号"),
    ("()", 2, "缺词"),
    ("甲 OR", 5, "后面缺词"),
    ("甲 且 ", 4, "后面缺词"),
    ("NOT", 4, "后面缺词"),
    ("OR 甲", 1, "前面缺词"),
    ("甲 AND AND 乙", 7, "前面缺词"),
    ("(甲 OR ) 乙", 7, "前面缺词"),
    ("甲 , 乙", 3, "逗号只用在"),
    ("甲，乙", 2, "逗号只用在"),
    ('"甲', 1, "引号没有结束"),
    ("“甲", 1, "引号没有结束"),
    ("甲”", 2, "没有左引号"),
    ('""', 1, "没有一个看得见的字"),
    ('"\u200b"', 1, "没有一个看得见的字"),
    ("甲 *", 3, "没有一个看得见的字"),
    ("甲?*乙", 1, "不能挨着"),
    ("a*b*c*d*e", 1, "最多 3 处通配符"),
    ("甲?????????乙", 1, "最多 8 个"),
    ("丙 ~甲*乙", 4, "不能带通配符"),
    ("甲" + " NEAR/3 乙" * 9, 1, "最多连 8 次"),
    (r"/甲\C/", 1, "不能用"),
    ("至少/" + "9" * 5_000 + "(甲)", 1, "至少/2"),
    ("甲 NEAR/" + "9" * 5_000 + " 乙", 3, "NEAR/5"),
    ("/甲", 1, "缺结尾的 /"),
    ("/甲(/", 1, "正则表达式用不了"),
    ("/(?=甲)/", 1, "没有反向引用和环视"),
    ("/甲*/", 1, "空文本"),
    ("/(甲{1000}){1000}/", 1, "正则表达式用不了"),
    ("甲 NEAR 乙", 3, "NEAR/5"),
    ("甲 NEAR /5 乙", 8, "不能有空格"),
    ("甲 近 乙 NEAR/", 3, "近/5"),
    ("甲 NEAR/5", 9, "后面缺词"),
    ("NEAR/5 甲", 1, "缺一个"),
    ("甲 NEAR/5000 乙", 3, "最多 1000 个字"),
    ("(甲 AND 乙) NEAR/3 丙", 2, "只能是词、短语"),
    ("甲 NEAR/3 (乙 OR NOT 丙)", 16, "只能是词、短语"),
    ("标题:甲 NEAR/3 乙", 1, "只能是词、短语"),
    ("至少/3(甲, 乙)", 1, "1 到 2"),
    ("至少/0(甲, 乙)", 1, "1 到 2"),
    ("platfrom:微博", 1, "是不是 platform"),
    ("注意:刹车", 1, "没有“注意”这个字段"),
    ("情感:很坏", 4, "没有“很坏”这个值"),
    ("kind:repots", 6, "是不是 repost"),
    ("平台:(微博 AND 微信)", 5, "只能写值"),
    ("粉丝>多", 4, "不是数"),
    ("价格>100", 1, "“价格”不是数值字段"),
    ("iPhone>安卓", 1, "写进引号"),
    ("https://example.com", 6, "整个网址写进引号"),
    ("url:http://a.com/b", 9, "整个网址写进引号"),
    ("甲:// 乙", 2, "写进引号"),
    ("followers:10000", 1, "followers>=1万"),
    ("粉丝!=1000", 4, "NOT 粉丝=1000"),
    ("粉丝>1万<10万", 6, "两个条件"),
    ("粉丝>=1,000", 6, "不要写逗号"),
    ("刹车 NEAR/3 NOT 失灵", 11, "不能写在这里"),
    ("标题:-召回", 4, "NOT 标题:召回"),
    ("标题:标题:召回", 4, "不能写在这里"),
    ("至少/2(甲、乙)", 1, "用逗号隔开"),
    ("刹车 NEAR / 3 失灵", 9, "不能有空格"),
    ("甲 =", 4, "后面缺词"),
    ("甲 = 1", 1, "“甲”不是数值字段"),
    ("甲乙丙丁" * 3000, 10_001, "超过 10000 个字"),
    (" OR ".join(["词"] * 1001), 1, "最多 1000 个"),
    ("(" * 500 + "甲" + ")" * 500, MAX_DEPTH + 1, "50 层以上"),
]


@pytest.mark.parametrize(("query", "position", "says"), WRONG)
@pytest.mark.usefixtures("in_chinese")
def test_an_error_names_place_and_cure(query: str, position: int, says: str) -> None:
    with pytest.raises(QueryError) as caught:
        parse_query(query)

    assert caught.value.position == position
    assert f"第 {position} 个字" in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.usefixtures("in_english")
@pytest.mark.parametrize("query", [query for query, *_ in WRONG])
def test_an_error_is_said_in_english_too(query: str) -> None:
    with pytest.raises(QueryError, match=r"^At character \d+: ") as caught:
        parse_query(query)

    assert len(str(caught.value)) < 700


@pytest.mark.parametrize(
    "query",
    [
        "NOT " * 2400 + "甲",
        "甲 " * 900,
        " AND ".join(["甲"] * 1000),
        "-" * 9_000 + "甲",
        "甲" * 9_999,
    ],
)
def test_long_queries_are_read_in_no_time(query: str) -> None:
    assert parse_query(query)  # else the run's time limit per test names it


def test_a_regular_expression_that_explodes_elsewhere_does_not() -> None:
    tree = parse_query("/(a+)+$/ AND 登录")
    text = "登录" + "a" * 50_000 + "!"
    post = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="1"),
        published_at=AT,
        observed_at=AT,
        source="demo",
    )

    assert QuerySet([tree]).match(post) == {}
    assert QuerySet([parse_query("/a+$/")]).match(post) == {}  # it looks at a part of the text only


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("甲 乙", "甲 AND 乙"),
        ("甲 且 乙", "甲 & 乙"),
        ("甲|乙", "甲 或 乙"),
        ("甲 ＯＲ 乙", "甲 OR 乙"),
        ("甲 -乙", "甲 AND NOT 乙"),
        ("甲 非（乙）", "甲 AND NOT 乙"),
        ("NOT NOT 甲", "甲"),
        ("甲 OR 乙 丙", "甲 OR (乙 AND 丙)"),
        ("NOT 甲 NEAR/3 乙", "NOT (甲 NEAR/3 乙)"),
        ("（甲｜乙）＆丙", "(甲 OR 乙) AND 丙"),
        ("至少/1（甲，乙）", "ATLEAST/1(甲, 乙)"),
        ("粉丝≥1万", "followers >= 10000"),
        ("粉丝==1000", "followers = 1000"),
        ("平台:(微博 OR 微信)", "platform:weibo OR platform:wechat"),
        ("“甲”", '"甲"'),
        ("Model*Y", "ＭＯＤＥＬ＊Ｙ"),
    ],
)
def test_two_ways_to_write_one_query(query: str, same: str) -> None:
    def plain(tree: object) -> str:
        return re.sub(r", place=Place\(.*?\)|written='.*?', ", "", repr(tree))

    assert plain(parse_query(query)) == plain(parse_query(same))


def test_words_keep_their_place_in_the_query() -> None:
    tree = parse_query("（𠮷野家  OR “好 吃”） -😀")

    assert isinstance(tree, AllOf)
    either, none = tree.children
    assert isinstance(either, AnyOf) and isinstance(none, NotNode)
    words = [*either.children, none.child]
    assert all(isinstance(word, Term) for word in words)
    assert [(word.place.start, word.place.end) for word in words] == [(1, 4), (9, 14), (17, 18)]
    assert words[1] == Term("好 吃", ("好", Gap(1, None, "blank"), "吃"))
