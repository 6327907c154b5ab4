from datetime import UTC, datetime
from typing import Any

import pytest

from processors.keywords import Keywords
from schemas.enriched import EnrichedPost, Match, Span
from schemas.post import Author
from schemas.rules import KeywordRule, RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)


def post(text: str, **fields: Any) -> EnrichedPost:
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        **fields,
    )


def keywords(*rules: tuple[str, ...], max_spans: int = 20) -> Keywords:
    rule_set = RuleSet(
        id="acme",
        version=7,
        author="王",
        reason="测试",
        changed_at=AT,
        keywords=tuple(
            KeywordRule(id=f"rule-{number}", name="规则", words=words)
            for number, words in enumerate(rules)
        ),
    )
    return Keywords(Keywords.Config(max_spans=max_spans), rule_set)


def found(enricher: Keywords, of: EnrichedPost) -> tuple[Match, ...]:
    (enriched,) = enricher.enrich([of])
    assert enriched is not None
    return enriched.matches


def places(enricher: Keywords, text: str) -> list[str]:
    """What stands at the spans of the first match, cut out of the text as received."""
    return [
        text[span.start : span.end] for match in found(enricher, post(text)) for span in match.spans
    ]


def test_a_match_names_rule_version_words_and_places() -> None:
    # Given two rules
    enricher = keywords(("刹车", "异响"), ("退款",))

    # When a post holds words of the first
    matches = found(enricher, post("刹车异响，刹车失灵"))

    # Then that rule fires once, with every place
    assert matches == (
        Match(
            rule="rule-0",
            version=7,
            rule_set="acme",
            words=("刹车", "异响"),
            spans=(Span(start=0, end=2), Span(start=2, end=4), Span(start=5, end=7)),
        ),
    )


@pytest.mark.parametrize(
    ("word", "text", "expected"),
    [
        ("BYD", "我的BYD海豹", ["BYD"]),
        ("BYD", "ABYDOS", []),
        ("BYD", "BYDs and aBYD, 2BYD", []),
        ("BYD", "byd/ＢＹＤ_byd", ["byd", "ＢＹＤ", "byd"]),
        ("5G", "这个5G信号", ["5G"]),
        ("5G", "15G和5GB", []),
        ("M7", "星河M7、M70", ["M7"]),
        ("星河M7", "星河M7很好，星河M70", ["星河M7"]),
        ("c++", "c++和C++20", ["c++", "C++"]),
        ("漢", "汉和漢", ["汉", "漢"]),
        ("特斯拉", "特斯\u200b拉", ["特斯\u200b拉"]),
        ("特斯拉", "\u200b特斯拉\u200b", ["特斯拉"]),
        ("BYD", "A\u200bBYD", []),
        ("野家", "😀𠮷野家", ["野家"]),
        (" 刹车 ", "刹车", ["刹车"]),
        ("充电 桩", "充电　桩", ["充电　桩"]),
        ("星", "", []),
        ("#", "#" * 3, ["#"] * 3),
    ],
)
def test_where_a_word_is_found(word: str, text: str, expected: list[str]) -> None:
    assert places(keywords((word,)), text) == expected


def test_overlapping_words_are_all_found() -> None:
    assert places(keywords(("刹车", "刹车异响", "异响")), "刹车异响") == [
        "刹车异响",
        "刹车",
        "异响",
    ]


def test_one_place_is_named_once_per_rule_however_many_spellings_the_rule_lists() -> None:
    (first, second) = found(keywords(("BYD", "byd"), ("Byd",)), post("byd"))

    assert first.words == ("BYD", "byd")
    assert second.words == ("Byd",)
    assert first.spans == second.spans == (Span(start=0, end=3),)


def test_title_and_quoted_root_are_read_too() -> None:
    (match,) = found(
        keywords(("召回",)), post("转", title="召回公告", root_text="宣布召回", root_id="weibo:0")
    )

    assert match.spans == (
        Span(field="title", start=0, end=2),
        Span(field="root_text", start=2, end=4),
    )


def test_a_word_repeated_without_end_keeps_a_bounded_line() -> None:
    # Given the longest text there is, made of one word
    of = post("刹车" * 50_000)

    # When the rule fires
    (match,) = found(keywords(("刹车",), max_spans=3), of)

    # Then only the first places are kept
    assert match.spans == (Span(start=0, end=2), Span(start=2, end=4), Span(start=4, end=6))


@pytest.mark.parametrize("blank", [" ", "\u200b", "\u3000 "])
def test_a_blank_word_is_found_nowhere(blank: str) -> None:
    assert found(keywords((blank,)), post("空 格 \u200b")) == ()


def test_no_rules_no_matches() -> None:
    assert found(keywords(), post("刹车")) == ()


def test_fifty_thousand_words_are_told_apart() -> None:
    # Given 50,000 numbered words in one rule each
    enricher = keywords(*((f"型号{number:05}",) for number in range(50_000)))

    # When a post holds two
    matches = found(enricher, post("型号00007比型号49999好，型号499990不存在"))

    # Then exactly their rules fire, in the rule set's order
    assert [match.rule for match in matches] == ["rule-7", "rule-49999"]


def test_records_given_stay_as_they_were() -> None:
    # Given a post with an older finding
    given = post("退款", matches=(Match(rule="old", version=1, words=("x",), spans=()),))
    before = given.to_line()

    # When it is enriched again
    matches = found(keywords(("退款",)), given)

    # Then the finding is new, and the record given is untouched
    assert [match.rule for match in matches] == ["rule-0"]
    assert given.to_line() == before


def test_the_version_follows_the_rules() -> None:
    assert keywords().version.endswith("/acme@7")
