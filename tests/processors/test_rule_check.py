"""A rule set before it goes live: queries, examples, advice."""

from typing import Any

import pytest

from processors.rule_check import Problem, check_rule_set
from schemas.rules import RuleSet


def rule_set(*rules: dict[str, Any], **more: Any) -> RuleSet:
    tree = {
        "id": "main",
        "version": 1,
        "author": "王",
        "reason": "试",
        "changed_at": "2026-03-05T04:00:00Z",
        "rules": [{"name": "名", **rule} for rule in rules],
        **more,
    }
    return RuleSet.model_validate(tree, strict=False)


def errors_of(*rules: dict[str, Any]) -> list[Problem]:
    return [problem for problem in check_rule_set(rule_set(*rules)) if problem.is_error]


def test_a_good_set_has_no_errors() -> None:
    good = {
        "id": "brake",
        "query": "刹车 NEAR/5 (失灵 OR 踩不动) NOT 演习",
        "must_match": ["刹车突然失灵了", "剎車踩不動"],
        "must_not_match": ["刹车很灵", "演习：刹车失灵怎么办"],
    }

    assert errors_of(good) == []


def test_every_problem_of_every_rule_is_named_not_only_the_first() -> None:
    problems = errors_of(
        {"id": "one", "query": "甲 AND"},
        {"id": "two", "query": "乙", "must_match": ["丙", "乙", "丁"]},
        {"id": "three", "query": "戊", "must_not_match": ["戊己"]},
        {"id": "four", "query": "甲 OR )"},
    )

    assert [problem.rule for problem in problems] == ["one", "two", "two", "three", "four"]
    for problem, wanted in zip(problems, ["one", "丙", "丁", "戊己", "four"], strict=True):
        assert wanted in problem.sentence


@pytest.mark.parametrize(
    "query",
    [
        "词" * 9_000 + " AND AND",
        " OR ".join(f"词{number}" for number in range(1_200)),
        "(" * 500 + "词" + ")" * 500,
        r"/(a+)+\1/",
        "/[/",
        '"没有结束',
        "平台:微博 AND",
        "   ",
    ],
)
def test_a_query_that_means_nothing_is_one_sentence_with_its_place(query: str) -> None:
    [problem] = errors_of({"id": "bad", "query": query})

    assert "bad" in problem.sentence
    assert "第 " in problem.sentence
    assert len(problem.sentence) < 1_000


def test_a_regular_expression_that_would_take_for_ever_elsewhere_is_judged_at_once() -> None:
    assert errors_of({"id": "slow", "query": "/(a+)+b/", "must_not_match": ["a" * 2_000]}) == []


def test_an_example_of_many_near_words_is_judged_at_once() -> None:
    chain = " NEAR/9 ".join(["甲", "乙", "丙", "丁", "戊"])
    assert errors_of({"id": "near", "query": chain, "must_not_match": ["甲乙丙丁" * 500]}) == []


@pytest.mark.parametrize(
    ("query", "told"),
    [("平台:微博 AND 刹车", True), ("粉丝>=100 刹车", True), ("标题:刹车", True), ("刹车", False)],
)
def test_whoever_asks_a_text_for_more_than_its_words_is_told(query: str, told: bool) -> None:
    [problem] = errors_of({"id": "more", "query": query, "must_match": ["别的"]})

    assert ("例子只有正文" in problem.sentence) is told


def test_a_long_example_is_cut() -> None:
    [problem] = errors_of({"id": "long", "query": "乙", "must_match": ["甲" * 2_000]})

    assert "甲" * 60 + "…" in problem.sentence
    assert len(problem.sentence) < 300


def test_a_changed_rule_is_asked_anew() -> None:
    before = {"id": "one", "query": "甲", "must_match": ["甲"]}

    assert errors_of(before) == []
    assert len(errors_of({**before, "query": "乙"})) == 1
    assert errors_of(before) == []


def test_advice_comes_beside_errors_unless_errors_alone_are_wanted() -> None:
    rules = rule_set(
        {"id": "doubt", "query": "刹车 and 失灵"},
        {"id": "bad", "query": "刹车", "must_match": ["否"]},
    )

    told = check_rule_set(rules)

    assert [(problem.rule, problem.is_error) for problem in told] == [
        ("doubt", False),
        ("bad", True),
    ]
    assert check_rule_set(rules, advise=False) == told[1:]


BRANDS = [
    {
        "id": "byd",
        "name": "比亚迪",
        "role": "own",
        "aliases": ["比亚迪", {"word": "迪子"}],
    }
]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("品牌:比亚迪 自燃", "请写 brand:byd"),
        ("brand:迪子", "请写 brand:byd"),
        ("自燃 -brand:(byd OR 比亚迪)", "第 19 个字"),
        ("brand:tesla 自燃", "没有 id 为“tesla”的品牌"),
        ("brand:byd* 自燃", "没有通配"),
        ("region:上? 自燃", "没有通配"),
        ("url:a*b 自燃", "没有通配"),
        ("平台:新浪微博 自燃", "没有叫“新浪微博”的已知平台"),
    ],
)
def test_a_value_that_no_post_will_have_is_a_doubt(query: str, told: str) -> None:
    [problem] = check_rule_set(rule_set({"id": "dead", "query": query}, brands=BRANDS))

    assert not problem.is_error
    assert told in problem.sentence


def test_values_that_posts_have_are_no_doubt() -> None:
    queries = ["brand:BYD 平台:(微博 OR douyin)", "url:a.cn/?b 地区:上海", "来源:甲 情感:负面"]
    rules = [{"id": f"r{number}", "query": query} for number, query in enumerate(queries)]

    assert check_rule_set(rule_set(*rules, brands=BRANDS)) == []


def test_a_word_that_nobody_can_see_is_an_error() -> None:
    keywords = [{"id": "safety", "name": "安全", "words": ["失控", "\u200b"]}]
    brands = [{"id": "byd", "name": "比", "role": "own", "aliases": ["比", {"word": "\u200b "}]}]

    problems = check_rule_set(rule_set(keywords=keywords, brands=brands))

    assert [(problem.rule, problem.is_error) for problem in problems] == [
        ("safety", True),
        ("byd", True),
    ]


def test_a_set_of_too_many_words_is_refused_before_it_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processors.rule_check.MOST_WORDS", 4)
    two = [{"id": "one", "query": "甲 乙"}, {"id": "two", "query": "丙 OR 丁"}]

    assert errors_of(*two) == []
    [problem] = errors_of(*two, {"id": "three", "query": "戊"})
    assert problem.rule == "three"
    assert "超过 4 个词" in problem.sentence
