from datetime import UTC, datetime
from typing import Any

import pytest

from processors.brands import Brands
from processors.scanner import Scanner
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


LATIN = brands(
    apple=("iPhone",),
    bmw=("BMW",),
    tesla=("Model Y",),
    vw=("一汽-大众",),
    lv=("LV",),
    changan=("UNI-T", "CS75 PLUS"),
    mazda=("CX-5", "CX5"),
    long=("a b-c d-e f",),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("iPhone15发热严重", {"apple": ("iPhone",)}),
        ("BMW3系漏油", {"bmw": ("BMW",)}),
        ("ＢＭＷ３系漏油", {"bmw": ("BMW",)}),
        ("iPhones，xiPhone，7iPhone", {}),
        ("LV5的会员，LV 的包", {"lv": ("LV",)}),
        ("Model-Y刹车失灵", {"tesla": ("Model Y",)}),
        ("Model  Y刹车失灵", {"tesla": ("Model Y",)}),
        ("modely刹车失灵", {"tesla": ("Model Y",)}),
        ("model year 2026", {}),
        ("一汽大众和一汽 大众", {"vw": ("一汽-大众",)}),
        ("CS75plus异响", {"changan": ("CS75 PLUS",)}),
        ("unit3，a unit", {}),
        ("uni t异响", {"changan": ("UNI-T",)}),
        # a spelling that is a name of its own is that name alone
        ("CX5漏油", {"mazda": ("CX5",)}),
        ("CX 5漏油", {"mazda": ("CX-5",)}),
        ("abcdef", {"long": ("a b-c d-e f",)}),
    ],
)
def test_latin_names_are_found_as_people_write_them(
    text: str, expected: dict[str, tuple[str, ...]]
) -> None:
    assert {tag.brand: tag.aliases for tag in tags(post(text), LATIN)} == expected


def test_keywords_keep_their_boundaries_and_blanks() -> None:
    plain = Scanner([["iPhone", "Model Y"]])

    assert plain.scan("iPhone15和Model-Y") == []
    assert len(plain.scan("iPhone和Model Y")) == 2


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


def family(*entries: dict[str, Any]) -> Brands:
    rules = {
        "id": "acme",
        "version": 7,
        "author": "王",
        "reason": "测试",
        "changed_at": AT,
        "brands": [{"role": "own", "name": entry["id"], **entry} for entry in entries],
    }
    return Brands(Brands.Config(), RuleSet.model_validate(rules, strict=False))


QILAN = family(
    {"id": "group", "kind": "company", "aliases": ["启澜集团"]},
    {"id": "qilan", "parent": "group", "aliases": ["启澜"], "models": ["踏云", "QL6"]},
    {"id": "joint", "parent": "qilan", "aliases": ["东启启澜"]},
    {"id": "ql8", "kind": "model", "parent": "joint", "aliases": ["QL8"]},
    {"id": "boss", "kind": "person", "parent": "group", "aliases": ["王启岚"]},
    {"id": "paper", "kind": "account", "role": "industry", "aliases": ["车评周刊"]},
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("踏云异响", {"qilan": "model: 踏云"}),
        ("启澜踏云异响", {"qilan": "name"}),
        ("踏云，启澜的", {"qilan": "name"}),
        # a model is its brand's, a brand is the brand's above it, but not the company's
        ("QL8异响", {"qilan": "part: ql8", "joint": "part: ql8", "ql8": "name"}),
        ("东启启澜降价", {"qilan": "part: joint", "joint": "name"}),
        # a person speaks for the firm, also where it is a company
        ("王启岚致歉", {"group": "part: boss", "boss": "name"}),
        ("启澜集团年报", {"group": "name"}),
    ],
)
def test_a_tag_is_passed_on_to_the_parent(text: str, expected: dict[str, str]) -> None:
    assert {tag.brand: tag.reason for tag in tags(post(text), QILAN)} == expected


def test_a_tag_passed_on_has_the_places_of_the_part_and_no_alias() -> None:
    whole = next(tag for tag in tags(post("新的QL8"), QILAN) if tag.brand == "qilan")

    assert (whole.aliases, whole.spans) == ((), (Span(start=2, end=5),))


def test_what_an_account_writes_is_tagged_with_it() -> None:
    of = post("今天没有新闻").replaced(author=Author(id="u9", name="车评周刊"))

    assert [(tag.brand, tag.role, tag.reason) for tag in tags(of, QILAN)] == [
        ("paper", "industry", "author")
    ]


APPLE = family({"id": "apple", "aliases": ["苹果"], "models": ["iPhone"]})
PEAR = family({"id": "car", "aliases": ["大众"]})


def test_a_model_beside_it_speaks_for_an_ambiguous_name() -> None:
    assert tags(post("吃苹果，看iPhone"), APPLE)[0].aliases == ("iPhone", "苹果")
    assert tags(post("吃苹果，看月亮"), APPLE) == ()


def test_the_root_speaks_for_an_ambiguous_name() -> None:
    # Given a repost whose own words alone say nothing
    alone, repost = post("大众还好"), post("大众还好", root_text="大众汽车召回", root_id="weibo:0")

    # When both are tagged, then the root decides what the word means
    assert tags(alone, PEAR) == ()
    assert [(tag.aliases, tag.inherited) for tag in tags(repost, PEAR)] == [(("大众",), False)]


def test_an_author_of_that_name_speaks_for_an_ambiguous_name() -> None:
    said = post("大众来了")

    assert tags(said, PEAR) == ()
    assert tags(said.replaced(author=Author(id="u1", name="大众汽车中国")), PEAR)
    assert tags(said.replaced(author=Author(id="u1", name="大众影评")), PEAR) == ()


def test_one_sure_place_speaks_for_the_others() -> None:
    text = "大众汽车召回了两万辆。" + "，" * 60 + "大众还好"

    (tag,) = tags(post(text), PEAR)

    assert len(tag.spans) == 2


def test_a_longer_word_is_no_brand_whatever_the_rest_says() -> None:
    (tag,) = tags(post("大众汽车召回，大众点评上说的"), PEAR)

    assert tag.spans == (Span(start=0, end=2),)


def test_places_of_ambiguous_names_are_bounded() -> None:
    (tag,) = tags(post("苹果手机" * 25_000), APPLE)

    assert len(tag.spans) == 20


def test_the_order_of_posts_changes_nothing() -> None:
    # Given a root, a repost that carries it, and one that knows its id only
    root = post("大众汽车召回")
    repost = post("转", root_text="大众汽车召回", root_id="weibo:0")
    bare = post("转", root_text=None, root_id="weibo:0")

    # When they arrive in two orders
    forth = PEAR.enrich([root, repost, bare])
    back = PEAR.enrich([bare, repost, root])[::-1]

    # Then each has the same tags; without the root's text nothing is inherited
    assert forth == back
    assert [len(each.brands) for each in forth if each] == [1, 1, 0]
