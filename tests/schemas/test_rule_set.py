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
        ({"brands": [BRAND | {"kind": "boat"}]}, "kind"),
        ({"brands": [BRAND | {"aliases": [{"word": ""}]}]}, "aliases"),
        ({"brands": [BRAND | {"aliases": [{"word": "a", "contexts": ["b"]}]}]}, "contexts"),
        ({"brands": [BRAND | {"parent": "dongfeng"}]}, "'dongfeng', the parent of 'lantu'"),
        ({"brands": [BRAND | {"parent": "lantu"}]}, "parents of brand 'lantu'"),
        (
            {
                "brands": [
                    BRAND | {"parent": "a"},
                    BRAND | {"id": "a", "parent": "b"},
                    BRAND | {"id": "b", "parent": "a"},
                ]
            },
            "parents of brand",
        ),
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


def test_names_are_texts_or_tables() -> None:
    alias = {"word": "理想", "ambiguous": True, "context": ["新车"], "against": ["人生"]}
    (brand,) = parse(brands=[BRAND | {"aliases": ["岚图", alias], "models": ["FREE"]}]).brands

    assert brand.words == ("岚图", "理想", "FREE")
    assert [name.ambiguous for name in brand.names] == [None, True, None]


def test_a_long_chain_of_parents_is_no_cycle() -> None:
    chain = [BRAND | {"id": f"b{number}", "parent": f"b{number + 1}"} for number in range(50)]

    assert len(parse(brands=[*chain, BRAND | {"id": "b50"}]).brands) == 51
