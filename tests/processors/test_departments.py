"""Who acts: what rules say, what was found, and whose city it is."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from processors.departments import DEPARTMENTS, Departments, department_name
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Label, Match
from schemas.language import use_language
from schemas.post import Author
from schemas.rules import Rule, RuleSet, joined

AT = datetime(2026, 1, 1, tzinfo=UTC)


def rule_set(id: str = "main", **departments: str) -> RuleSet:
    rules = tuple(
        Rule(id=rule, name=rule, query="自燃", department=department)
        for rule, department in departments.items()
    )
    return RuleSet(id=id, version=1, author="test", reason="test", changed_at=AT, rules=rules)


def routed(
    rules: RuleSet | None = None, /, *, options: Any = None, **fields: Any
) -> tuple[str, ...]:
    given: dict[str, Any] = {"id": "weibo:1", "platform": "weibo", "kind": "post", "text": "文"}
    given |= {"author": Author(id="1"), "published_at": AT, "observed_at": AT, "source": "test"}
    step = Departments(Departments.Config(**(options or {})), rules or rule_set())
    [post] = step.enrich([EnrichedPost(**(given | fields))])
    assert post is not None
    return post.departments


def intents(*names: str) -> tuple[Label, ...]:
    return tuple(Label(label=name, score=0.9) for name in names)


def brand(role: Any) -> BrandTag:
    return BrandTag(brand=role, role=role)


def match(rule: str, rule_set: str | None = "main") -> Match:
    return Match(rule=rule, version=1, rule_set=rule_set, words=(), spans=())


@pytest.mark.parametrize(
    ("fields", "departments"),
    [
        ({}, ()),
        ({"intents": intents("complaint")}, ("service",)),
        ({"intents": intents("purchase")}, ("sales",)),
        ({"intents": intents("rumour", "job")}, ("pr", "hr")),
        ({"intents": intents("complaint"), "reasons": ("promise",)}, ("legal", "service", "sales")),
        ({"intents": intents("complaint"), "defects": ("制动:失灵",)}, ("service", "tech")),
        ({"defects": ("整车:起火",)}, ("pr", "legal", "tech")),
        ({"aspects": (Aspect(aspect="price", mood="negative"),)}, ("sales",)),
        ({"aspects": (Aspect(aspect="price", mood="positive"),)}, ()),
        ({"intents": intents("complaint"), "brands": (brand("competitor"),)}, ()),
        (
            {"intents": intents("complaint"), "brands": (brand("competitor"), brand("own"))},
            ("service",),
        ),
    ],
)
def test_what_was_found_has_departments(
    fields: dict[str, Any], departments: tuple[str, ...]
) -> None:
    assert routed(**fields) == departments


@pytest.mark.parametrize(
    ("written", "department"),
    [("公关", "pr"), ("质量部", "tech"), ("legal", "legal"), ("北区", "北区")],
)
def test_a_rule_that_fired_sends_to_its_department(written: str, department: str) -> None:
    rules = rule_set(fire=written)

    found = routed(rules, matches=(match("fire"),), brands=(brand("competitor"),))

    assert found == (department,)


def test_rules_of_several_sets_are_told_apart() -> None:
    rules = joined([rule_set("main", fire="pr"), rule_set("law", fire="legal", other="hr")])

    assert routed(rules, matches=(match("fire", "law"),)) == ("legal",)
    assert routed(rules, matches=(match("fire", "law"), match("fire", "main"))) == ("pr", "legal")
    assert routed(rules, matches=(match("other", "main"),)) == ()


def test_defaults_are_replaced_one_by_one() -> None:
    options = {"defaults": {"intent:praise": [], "intent:complaint": ["care", "pr"]}}

    assert routed(options=options, intents=intents("praise")) == ()
    assert routed(options=options, intents=intents("complaint")) == ("pr", "care")
    assert routed(options=options, intents=intents("purchase")) == ("sales",)


@pytest.mark.parametrize(
    ("fields", "departments"),
    [
        ({"region": "重庆 渝中"}, ("sales", "dealer-chongqing")),
        ({"text": "坐标上海，求报价"}, ("sales", "dealer-shanghai")),
        ({"region": "重庆", "text": "上海有现车吗"}, ("sales", "dealer-chongqing")),
        ({"text": "坐标上海", "intents": intents("job")}, ("hr",)),
        ({}, ("sales",)),
    ],
)
def test_a_customer_goes_to_the_dealer_of_the_city(
    fields: dict[str, Any], departments: tuple[str, ...]
) -> None:
    dealers = {"重庆": "dealer-chongqing", "上海": "dealer-shanghai"}

    found = routed(options={"dealers": dealers}, **({"intents": intents("purchase")} | fields))

    assert found == departments


@pytest.fixture
def any_language() -> Iterator[None]:
    yield
    use_language(None)


@pytest.mark.usefixtures("any_language")
def test_people_read_names() -> None:
    use_language("zh")
    assert department_name("service") == "售后服务"
    use_language("en")
    assert department_name("service") == "service"
    assert department_name("dealer-chongqing") == "dealer-chongqing"
    assert all(len(names) == 2 for names in DEPARTMENTS.values())
