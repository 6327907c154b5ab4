"""Whoever mends a rule file sees all that is wrong with it, by the names they gave."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.language import use_language
from schemas.rule_faults import rule_faults
from schemas.rules import MAX_EXAMPLES, RuleSet

GOOD: dict[str, Any] = {
    "id": "main",
    "version": 1,
    "author": "王",
    "reason": "试",
    "changed_at": "2026-03-05T12:00:00+08:00",
}
BRAND: dict[str, Any] = {"id": "byd", "name": "比", "role": "own", "aliases": ["比"]}
RULE = {"id": "brake", "name": "刹车", "query": "刹车"}


def faults(**changes: Any) -> list[str]:
    tree = GOOD | changes
    with pytest.raises(ValidationError) as caught:
        RuleSet.model_validate(tree, strict=False)
    return rule_faults(caught.value, tree)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"rules": [RULE | {"query": "词" * 10_001}]}, "rules[1] (brake) query: 超过 10000 个字"),
        ({"rules": [RULE, RULE]}, "有两条规则（含关键词）的 id 都是 brake"),
        ({"rules": [RULE | {"onwer": "李"}]}, "rules[1] (brake) onwer: 没有这一项"),
        ({"rules": [{"id": "two", "name": "二"}]}, "rules[1] (two) query: 缺这一项"),
        ({"rules": [RULE | {"id": "刹车"}]}, "rules[1] (刹车) id: id 只能用小写字母"),
        ({"rules": [RULE | {"priority": 9}]}, "rules[1] (brake) priority: "),
        ({"changed_at": "2026-03-05T12:00:00"}, "changed_at: 时间缺时区"),
        ({"rules": ["刹车"]}, "rules[1]: "),
        ({"rules": {"brake": RULE}}, "rules: "),
        ({"rules": [RULE | {"must_match": ["", "好"]}]}, "rules[1] (brake) must_match[1]: "),
    ],
)
def test_a_fault_is_named_by_the_entry_and_its_field(changes: dict[str, Any], told: str) -> None:
    [fault] = faults(**changes)

    assert fault.startswith(told)


def test_all_faults_are_told_in_the_order_of_the_file() -> None:
    found = faults(version=0, rules=[RULE | {"priority": 0}, RULE | {"id": "x y"}], typo=1)

    assert [fault.partition(":")[0] for fault in found] == [
        "version",
        "rules[1] (brake) priority",
        "rules[2] (x y) id",
        "typo",
    ]


def test_a_file_of_something_else_is_not_told_entry_by_entry() -> None:
    found = faults(rules=[{} for _ in range(1_000)])

    assert len(found) == 51
    assert "2950" in found[-1]


def test_in_english_too() -> None:
    use_language("en")
    try:
        [fault] = faults(rules=[RULE, RULE])
    finally:
        use_language(None)

    assert fault == "two entries of kind rule have the id 'brake', change one"


SLIPS: list[tuple[dict[str, Any], str, str]] = [
    ({"brands": [BRAND | {"role": "mine"}]}, "只能是 own、competitor、industry 中的", "one of"),
    ({"rules": [RULE | {"priority": 9}]}, "不能大于 5", "greater than 5"),
    ({"rules": [RULE | {"priority": 0}]}, "不能小于 1", "less than 1"),
    ({"rules": [RULE | {"priority": "3"}]}, "要写成整数", "whole number"),
    ({"version": "1"}, "要写成整数", "whole number"),
    ({"version": True}, "要写成整数", "whole number"),
    ({"brands": [BRAND | {"aliases": "比"}]}, "要写成一列", "list in brackets"),
    ({"brands": [BRAND | {"aliases": []}]}, "至少要写 1 项", "at least 1"),
    ({"brands": [BRAND | {"aliases": [""]}]}, "aliases[1]: 不能是空的", "empty"),
    ({"brands": [BRAND | {"aliases": [3]}]}, "aliases[1]: 要写成一张表", "a table"),
    ({"brands": [BRAND | {"parent": "上级"}]}, "id 只能用小写字母", "lower-case"),
    (
        {"brands": [BRAND | {"aliases": [{"word": "a", "ambiguous": "也许"}]}]},
        "aliases[1] ambiguous: 只能是 true 或 false",
        "true or false",
    ),
    ({"rules": [1]}, "rules[1]: 要写成一张表", "a table"),
    ({"author": "王\0"}, "空字符", "NUL"),
    ({"author": 3}, "带引号的文字", "a text in quotation marks"),
    (
        {"hours": [{"days": ["mon"], "begin": "09:00", "end": "25:00"}]},
        "end: 时刻要写成",
        "00:00 to 23:59",
    ),
    ({"changed_at": "昨天"}, "不是有效的时间", "no valid time"),
    ({"changed_at": []}, "不是有效的时间", "no valid time"),
    ({"changed_at": "9999-12-31T23:59:59-08:00"}, "不是有效的时间", "no valid time"),
    ({"rules": [RULE | {"must_match": ["词"] * 51}]}, "must_match: 最多 50 项", "at most 50"),
    (
        {
            "rules": [
                RULE | {"id": f"r{number}", "must_not_match": ["甲"] * 50}
                for number in range(MAX_EXAMPLES // 50 + 1)
            ]
        },
        "一共有 5050 个例子，最多 5000 个",
        "5050 examples together",
    ),
]


@pytest.mark.parametrize(("changes", "chinese", "english"), SLIPS)
def test_a_common_slip_is_one_sentence_in_the_readers_language(
    changes: dict[str, Any], chinese: str, english: str
) -> None:
    [told] = faults(**changes)
    use_language("en")
    try:
        [told_in_english] = faults(**changes)
    finally:
        use_language(None)

    assert chinese in told
    assert "should" not in told
    assert english in told_in_english
