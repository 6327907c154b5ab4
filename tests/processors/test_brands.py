from datetime import UTC, datetime
from typing import Any

import pytest

from processors.brands import Brands
from schemas.enriched import BrandTag, EnrichedPost, Span
from schemas.post import Author
from schemas.rules import Alias, Brand, RuleSet

AT = datetime(2026, 5, 1, tzinfo=UTC)


def post(text: str, **fields: Any) -> EnrichedPost:
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="repost" if "root_text" in fields else "post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
        **fields,
    )


def brands(max_spans: int = 20, **aliases: tuple[str, ...]) -> Brands:
    rule_set = RuleSet(
        id="acme",
        version=7,
        author="王",
        reason="测试",
        changed_at=AT,
        brands=tuple(
            Brand(
                id=name,
                name=name,
                role="own" if number == 0 else "competitor",
                aliases=tuple(Alias(word=alias, ambiguous=False) for alias in of_brand),
            )
            for number, (name, of_brand) in enumerate(aliases.items())
        ),
    )
    return Brands(Brands.Config(max_spans=max_spans), rule_set)


XINGHE = brands(
    xinghe=("星河", "星河汽车", "XINGHE", "M7"),
    mall=("星河汽车城",),
    chenfeng=("晨风", "汽车城市"),
)


def tags(of: EnrichedPost, enricher: Brands = XINGHE) -> tuple[BrandTag, ...]:
    (enriched,) = enricher.enrich([of])
    assert enriched is not None
    return enriched.brands


def test_a_tag_names_brand_role_aliases_and_places() -> None:
    assert tags(post("星河M7和晨风比", title="Xinghe")) == (
        BrandTag(
            brand="xinghe",
            role="own",
            aliases=("M7", "XINGHE", "星河"),
            spans=(
                Span(start=0, end=2),
                Span(start=2, end=4),
                Span(field="title", start=0, end=6),
            ),
            reason="name",
        ),
        BrandTag(
            brand="chenfeng",
            role="competitor",
            aliases=("晨风",),
            spans=(Span(start=5, end=7),),
            reason="name",
        ),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("星河汽车不错", {"xinghe": ("星河汽车",)}),
        ("周末去星河汽车城", {"mall": ("星河汽车城",)}),
        ("星河汽车城里的星河", {"xinghe": ("星河",), "mall": ("星河汽车城",)}),
        # 星河汽车城 and 汽车城市 overlap only in part: both are named
        ("星河汽车城市", {"mall": ("星河汽车城",), "chenfeng": ("汽车城市",)}),
        ("银河系", {}),
        ("M70和EM7", {}),
        ("星\u200b河", {"xinghe": ("星河",)}),
        ("", {}),
        ("#" * 1000, {}),
    ],
)
def test_the_longest_alias_wins(text: str, expected: dict[str, tuple[str, ...]]) -> None:
    assert {tag.brand: tag.aliases for tag in tags(post(text))} == expected


def test_an_alias_of_two_brands_tags_both() -> None:
    shared = brands(one=("问界",), two=("问界", "赛力斯"))

    assert [tag.brand for tag in tags(post("问界M9"), shared)] == ["one", "two"]


def test_a_repost_inherits_the_brands_of_its_root() -> None:
    # Given a repost without any name
    of = post("太过分了", root_text="晨风维权", root_id="weibo:0")

    # When it is tagged, then the brand comes from the root, without an alias of its own
    assert tags(of) == (
        BrandTag(
            brand="chenfeng",
            role="competitor",
            spans=(Span(field="root_text", start=0, end=2),),
            inherited=True,
            reason="root",
        ),
    )


def test_a_brand_that_the_writer_names_is_not_inherited() -> None:
    # Given a repost that compares its own brand with the root's
    of = post("还是星河好", root_text="星河和晨风", root_id="weibo:0")

    # When it is tagged
    found = {tag.brand: (tag.inherited, tag.aliases) for tag in tags(of)}

    # Then the named one counts as named, the other one as inherited
    assert found == {"xinghe": (False, ("星河",)), "chenfeng": (True, ())}


def test_spans_count_code_points() -> None:
    text = "😀𠮷\u200b星\u200b河汽车👨\u200d👩\u200d👧"

    (tag,) = tags(post(text))

    assert [text[span.start : span.end] for span in tag.spans] == ["星\u200b河汽车"]


def test_a_name_repeated_without_end_keeps_a_bounded_line() -> None:
    (tag,) = tags(post("星河" * 50_000), brands(max_spans=5, xinghe=("星河",)))

    assert tag.spans == tuple(Span(start=place, end=place + 2) for place in range(0, 10, 2))


def test_records_given_stay_as_they_were() -> None:
    given = post("星河", brands=(BrandTag(brand="old", role="own"),))
    before = given.to_line()

    assert [tag.brand for tag in tags(given)] == ["xinghe"]
    assert given.to_line() == before
