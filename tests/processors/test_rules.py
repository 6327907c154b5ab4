"""The rules step: which queries fire, with their words and places."""

from datetime import UTC, datetime

import pytest

from processors.chain import build_chain
from processors.rules import Rules
from schemas.enriched import EnrichedPost, Match, Span
from schemas.post import Author, Post
from schemas.rules import Brand, KeywordRule, Rule, RuleSet, joined

AT = datetime(2026, 1, 1, tzinfo=UTC)


def rule_set(*queries: str) -> RuleSet:
    return RuleSet(
        id="main",
        version=7,
        author="王",
        reason="测试",
        changed_at=AT,
        brands=(Brand(id="qilan", name="启澜", role="own", aliases=("启澜",)),),
        keywords=(KeywordRule(id="words", name="词", words=("异响",)),),
        rules=tuple(
            Rule(id=f"r{number}", name="规则", query=query) for number, query in enumerate(queries)
        ),
    )


def post(text: str, **fields: object) -> EnrichedPost:
    values = {
        "id": "weibo:1",
        "platform": "weibo",
        "kind": "post",
        "text": text,
        "author": Author(id="1", name="启澜车主"),
        "published_at": AT,
        "observed_at": AT,
        "source": "demo",
    }
    return EnrichedPost.model_validate(values | fields)


def matches(step: Rules, one: EnrichedPost) -> tuple[Match, ...]:
    [judged] = step.enrich([one])
    assert judged is not None
    return judged.matches


def test_a_match_names_rule_version_words_and_places() -> None:
    step = Rules(Rules.Config(), rule_set("刹车 (失灵 OR 失效)", "漏水", "~BYD"))

    found = matches(step, post("新车刹\u200b车失灵，刹车！BYD", title="刹車", root_text="漏水"))

    assert found == (
        Match(
            rule="r0",
            version=7,
            rule_set="main",
            words=("刹车", "失灵"),
            spans=(
                Span(field="text", start=2, end=5),
                Span(field="text", start=5, end=7),
                Span(field="text", start=8, end=10),
                Span(field="title", start=0, end=2),
            ),
        ),
        Match(
            rule="r1",
            version=7,
            rule_set="main",
            words=("漏水",),
            spans=(Span(field="root_text", start=0, end=2),),
        ),
        Match(
            rule="r2", version=7, rule_set="main", words=("BYD",), spans=(Span(start=11, end=14),)
        ),
    )


def test_what_no_word_made_fire_has_no_words_and_an_author_no_place() -> None:
    step = Rules(Rules.Config(), rule_set("平台:微博", "作者:启澜"))

    assert matches(step, post("你好")) == (
        Match(rule="r0", version=7, rule_set="main", words=(), spans=()),
        Match(rule="r1", version=7, rule_set="main", words=("启澜",), spans=()),
    )


def test_a_pattern_names_what_it_found() -> None:
    step = Rules(Rules.Config(max_spans=4), rule_set('/刹车.{0,3}失灵/ OR 客服*理 OR "model y"'))
    text = "刹车又失灵，客服不​理，客服没人理，Model  Y " + "客服1理，" * 9

    [match] = matches(step, post(text))

    assert match.words == ("model y", "刹车又失灵", "客服不理", "客服没人理")
    assert len(match.spans) == 4


def test_places_are_kept_up_to_a_limit_and_words_all() -> None:
    step = Rules(Rules.Config(max_spans=3), rule_set("坏 OR 漏水"))

    [match] = matches(step, post("坏" * 50 + "漏水"))

    assert match.words == ("坏", "漏水")
    assert [(span.start, span.end) for span in match.spans] == [(0, 1), (1, 2), (2, 3)]


def test_in_a_chain_it_adds_to_what_keywords_found_and_reads_brands() -> None:
    rules = rule_set("品牌:qilan 异响", "brand:other")
    chain = build_chain(("keywords", "brands", "rules"), {}, rules)

    [judged] = chain.run(
        [Post.model_validate(post("启澜有异响").model_dump(include=set(Post.model_fields)))]
    )

    assert isinstance(judged, EnrichedPost)
    assert [match.rule for match in judged.matches] == ["words", "r0"]
    assert judged.models["rules"].endswith("/main@7")


def test_without_rules_nothing_changes() -> None:
    step = Rules(Rules.Config(), rule_set())
    one = post("刹车")

    assert step.enrich([one]) == [one]


@pytest.mark.parametrize("text", ["", "\u200b", "\ufe0f" * 3])
def test_a_text_that_nobody_sees_is_no_trouble(text: str) -> None:
    assert matches(Rules(Rules.Config(), rule_set("刹车", "/./")), post(text, title=text)) == ()


def test_rules_of_several_sets_fire_beside_each_other_each_under_its_own_name() -> None:
    main = rule_set("刹车", "漏水")
    other = main.replaced(id="pr", version=12)
    step = Rules(Rules.Config(), joined([main, other]))

    found = matches(step, post("刹车"))

    assert [(match.rule_set, match.version, match.rule) for match in found] == [
        (main.id, main.version, "r0"),
        ("pr", 12, "r0"),
    ]
    assert f"{main.label}+pr@12" in step.version
