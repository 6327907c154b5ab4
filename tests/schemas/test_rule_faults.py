"""Whoever mends a rule file sees all that is wrong with it, by the names they gave."""

from typing import Any

import pytest
from pydantic import ValidationError

from schemas.language import use_language
from schemas.rule_faults import rule_faults
from schemas.rules import RuleSet

GOOD: dict[str, Any] = {
    "id": "main",
    "version": 1,
    "author": "王",
    "reason": "试",
    "changed_at": "2026-03-05T12:00:00+08:00",
}
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
