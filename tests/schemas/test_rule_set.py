import json
from typing import Any

import pytest

from schemas.errors import RejectedError
from schemas.rules import RuleSet, is_told, joined

BRAND: dict[str, Any] = {"id": "lantu", "name": "岚图", "role": "own", "aliases": ["岚图", "VOYAH"]}
WORDS: dict[str, Any] = {"id": "safety", "name": "安全", "words": ["刹车", "自燃"]}
RULE: dict[str, Any] = {"id": "brake", "name": "刹车", "query": "刹车"}


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


# --- several sets as one ------------------------------------------------------------------------


def test_one_set_alone_stays_itself() -> None:
    rules = parse()

    assert joined([rules]) is rules
    assert rules.origin_of("safety") == ("main", 3, "safety")


def test_sets_of_one_rule_id_are_told_apart_and_a_brand_is_listened_for_once() -> None:
    main = parse(rules=[RULE])
    pr = parse(
        id="pr",
        version=8,
        brands=[BRAND | {"name": "别名"}, BRAND | {"id": "qilan"}],
        rules=[RULE, RULE | {"id": "two"}],
    )

    both = joined([main, pr])

    assert both.label == "main@3+pr@8"
    assert [(brand.id, brand.name) for brand in both.brands] == [
        ("lantu", "岚图"),
        ("qilan", "岚图"),
    ]
    assert [both.origin_of(one.id) for one in both.keywords] == [
        ("main", 3, "safety"),
        ("pr", 8, "safety"),
    ]
    assert [both.origin_of(one.id) for one in both.rules] == [
        ("main", 3, "brake"),
        ("pr", 8, "brake"),
        ("pr", 8, "two"),
    ]


# --- hours --------------------------------------------------------------------------------------


def test_a_team_has_hours_and_channels() -> None:
    night = {"days": ["sat", "sun"], "begin": "22:00", "end": "06:00"}

    rules = parse(team="公关", hours=[night], channels=["飞书"])

    assert rules.hours[0].days == ("sat", "sun")
    assert RuleSet.from_line(rules.to_line()) == rules


@pytest.mark.parametrize(
    "hours",
    [
        {"days": ["sat"], "begin": "24:00", "end": "06:00"},
        {"days": ["sat"], "begin": "9:00", "end": "18:00"},
        {"days": ["周六"], "begin": "09:00", "end": "18:00"},
        {"days": [], "begin": "09:00", "end": "18:00"},
    ],
)
def test_hours_that_no_clock_shows_are_refused(hours: dict[str, Any]) -> None:
    with pytest.raises(RejectedError, match="hours"):
        parse(hours=[hours])


@pytest.mark.parametrize(
    ("brand", "channel", "told"),
    [
        ("lantu", "duty", True),
        ("lantu", "mail", False),
        ("zeekr", "duty", True),  # its team names none
        ("zeekr", "mail", True),
        ("voyah", "duty", True),  # both teams listen for it: one names a channel, one all
        ("voyah", "mail", True),
        ("aion", "duty", True),  # its team names one that is not there
        ("aion", "mail", True),
        ("gone", "mail", True),  # nobody listens for it any more
    ],
)
def test_a_team_is_told_of_its_brands_where_it_wants(brand: str, channel: str, told: bool) -> None:
    sets = [
        parse(id="pr", channels=["duty"], brands=[brand_of("lantu"), brand_of("voyah")]),
        parse(id="sales", brands=[brand_of("zeekr"), brand_of("voyah")]),
        parse(id="typo", channels=["dutty"], brands=[brand_of("aion")]),
    ]

    assert is_told(sets, channel, ("duty", "mail"), brand) is told


def brand_of(id: str) -> dict[str, Any]:
    return {"id": id, "name": id, "role": "own", "aliases": [id]}


@pytest.mark.parametrize("trade", ["car", "phone", "food", "ecommerce", "travel", "appliance"])
def test_a_brand_may_say_its_trade(trade: str) -> None:
    [brand] = parse(brands=[BRAND | {"trade": trade}]).brands

    assert brand.trade == trade


def test_an_unknown_trade_is_refused() -> None:
    with pytest.raises(RejectedError, match="trade"):
        parse(brands=[BRAND | {"trade": "boats"}])
