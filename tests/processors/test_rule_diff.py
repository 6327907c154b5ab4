"""What differs between two versions, in words."""

from typing import Any

import pytest

from processors.rule_diff import changes_between, counted
from schemas.rules import RuleSet

BRAND = {"id": "qilan", "name": "启澜", "role": "own", "aliases": ["启澜", "QL6"]}
WORDS = {"id": "safety", "name": "安全", "words": ["失控", "自燃"]}
RULE = {"id": "brake", "name": "刹车", "query": "刹车", "must_match": ["刹车失灵"]}


def rule_set(**changes: Any) -> RuleSet:
    tree = {
        "id": "main",
        "version": 1,
        "author": "王",
        "reason": "试",
        "changed_at": "2026-03-05T04:00:00Z",
        "brands": [BRAND],
        "keywords": [WORDS],
        "rules": [RULE],
    }
    return RuleSet.model_validate(tree | changes, strict=False)


def told(old: RuleSet, new: RuleSet) -> list[str]:
    return [
        line for change in changes_between(old, new) for line in (change.sentence, *change.details)
    ]


def test_the_same_content_under_another_version_is_no_change() -> None:
    later = rule_set(version=2, author="李", reason="别的", changed_at="2026-03-06T04:00:00Z")

    assert changes_between(rule_set(), later) == []


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"rules": []}, ["- 规则 brake  刹车"]),
        ({"rules": [RULE, RULE | {"id": "b2", "name": "又"}]}, ["+ 规则 b2  又"]),
        (
            {"rules": [RULE | {"query": "刹车 失灵", "priority": 1}]},
            ["~ 规则 brake  刹车", "query: 刹车 → 刹车 失灵", "priority: 3 → 1"],
        ),
        (
            {"rules": [RULE | {"must_match": ["别的"], "owner": "李"}]},
            ["~ 规则 brake  刹车", "owner: （空） → 李", "must_match: -刹车失灵  +别的"],
        ),
        (
            {"keywords": [WORDS | {"words": ["自燃", "断电", "失控"]}]},
            ["~ 关键词 safety  安全", "words: +断电"],
        ),
        (
            {"keywords": [WORDS | {"words": ["自燃", "失控"]}]},
            ["~ 关键词 safety  安全", "words: 顺序或重复不同"],
        ),
        ({"brands": []}, ["- 品牌 qilan  启澜"]),
        ({"team": "公关"}, ["~ 规则集 main", "team: （空） → 公关"]),
        ({"channels": ["飞书"]}, ["~ 规则集 main", "channels: +飞书"]),
    ],
)
def test_each_kind_of_change_has_its_words(changes: dict[str, Any], lines: list[str]) -> None:
    assert told(rule_set(), rule_set(**changes)) == lines


def test_a_change_is_counted_by_kind() -> None:
    new = rule_set(rules=[RULE | {"priority": 1}, RULE | {"id": "two"}], keywords=[])

    assert counted(changes_between(rule_set(), new)) == "+1 -1 ~1"
    assert counted([]) == ""


def test_a_value_of_ten_thousand_characters_is_cut() -> None:
    [_, detail] = told(rule_set(), rule_set(rules=[RULE | {"query": "词" * 9_000}]))

    assert len(detail) < 300
