import json
from typing import Any

import pytest

from schemas.errors import RejectedError
from schemas.rules import RuleSet

BRAND: dict[str, Any] = {"id": "lantu", "name": "岚图", "role": "own", "aliases": ["岚图", "VOYAH"]}
WORDS: dict[str, Any] = {"id": "safety", "name": "安全", "words": ["刹车", "自燃"]}


def parse(**changes: Any) -> RuleSet:
    tree = {
        "id": "main",
        "version": 3,
        "author": "王",
        "reason": "新车上市",
        "changed_at": "2026-03-05T12:00:00+08:00",
        "brands": [BRAND],
        "keywords": [WORDS],
    }
    return RuleSet.from_line(json.dumps(tree | changes).encode())


def test_a_rule_set_names_itself_with_its_version() -> None:
    rules = parse()

    assert rules.label == "main@3"
    assert RuleSet.from_line(rules.to_line()) == rules
    assert b'"changed_at":"2026-03-05T04:00:00Z"' in rules.to_line()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"brands": [BRAND, BRAND]}, "lantu"),
        ({"keywords": [WORDS, WORDS]}, "safety"),
        ({"brands": [BRAND | {"aliases": []}]}, "aliases"),
        ({"brands": [BRAND | {"aliases": [""]}]}, "aliases"),
        ({"brands": [BRAND | {"aliases": ["字" * 65]}]}, "aliases"),
        ({"brands": [BRAND | {"aliases": ["a\u0000"]}]}, "aliases"),
        ({"brands": [BRAND | {"id": "岚图"}]}, "id"),
        ({"brands": [BRAND | {"role": "friend"}]}, "role"),
        ({"keywords": [WORDS | {"words": []}]}, "words"),
        ({"version": 0}, "version"),
        ({"id": "Main Rules"}, "id"),
        ({"changed_at": "2026-03-05T12:00:00"}, "changed_at"),
        ({"brand": []}, "brand"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(RejectedError) as caught:
        parse(**changes)

    assert named in str(caught.value)


def test_a_brand_and_a_keyword_rule_may_share_an_id() -> None:
    parse(keywords=[WORDS | {"id": "lantu"}])
