"""Why a rule fires, or does not."""

from hypothesis import given, settings

from processors.query_parser import parse_query
from processors.query_reference import judge
from processors.rule_check import plain_post
from processors.rule_explain import explain_rule, rule_of, verdict_of
from schemas.enriched import EnrichedPost
from schemas.rules import KeywordRule, Rule, RuleSet
from tests.processors.query_cases import posts, queries

RULE = Rule(id="brake", name="刹车", query="刹车 NEAR/3 失灵 NOT 演习")
WORDS = KeywordRule(id="words", name="词", words=("异响", "自燃", "QL6"))


def test_a_rule_that_fires_shows_where_its_words_stand() -> None:
    found = explain_rule(RULE, plain_post("今天刹车突然失灵了"))

    assert found.fires
    assert any("✓" in line and "[刹车]" in line for line in found.lines)
    assert any("演习" in line and "没有找到" in line for line in found.lines)


def test_a_rule_that_does_not_fire_shows_the_part_that_fails() -> None:
    found = explain_rule(RULE, plain_post("刹车失灵演习"))

    assert not found.fires
    assert any("✗" in line and "不能有" in line for line in found.lines)
    assert any("✓" in line and "[演习]" in line for line in found.lines)


def test_a_keyword_rule_names_its_words_and_their_places() -> None:
    post = plain_post("我的ql6一直异响，异响！")

    assert explain_rule(WORDS, post).lines == (
        "✓ QL6、异响  → …我的[ql6]一直异响，异…；…的ql6一直[异响]，异响！…；…6一直异响，[异响]！…",
    )
    assert explain_rule(WORDS, plain_post("很好")).lines == ("✗ 3 个词一个也没有出现",)
    assert not explain_rule(WORDS, plain_post("很好")).fires


def test_a_text_with_millions_of_chains_is_explained_at_once() -> None:
    rule = Rule(id="near", name="近", query=" NEAR/1000 ".join(["甲", "乙", "丙", "丁"]))

    found = explain_rule(rule, plain_post("甲乙丙丁" * 500))

    assert found.fires and len(found.lines) == 5


def test_a_rule_is_found_by_its_id_whatever_its_kind() -> None:
    rules = RuleSet.model_validate(
        {
            "id": "main",
            "version": 1,
            "author": "王",
            "reason": "试",
            "changed_at": "2026-03-05T04:00:00Z",
            "rules": [RULE.model_dump()],
            "keywords": [WORDS.model_dump()],
        },
        strict=False,
    )

    assert rule_of(rules, "brake") == RULE
    assert rule_of(rules, "words") == WORDS
    assert rule_of(rules, "none") is None


@settings(max_examples=500, deadline=None)
@given(queries, posts())
def test_the_verdicts_shown_are_those_of_the_obvious_matcher(
    query: str, post: EnrichedPost
) -> None:
    tree = parse_query(query)

    assert verdict_of(tree, post) == judge(tree, post)
