import re
from datetime import UTC, datetime

import pytest

from processors.brand_sense import sense_of
from processors.brand_talk import knowledge
from processors.brands import Brands
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Author
from schemas.rules import Alias, Brand, RuleSet
from tests.processors.brand_cases import MEANT, OTHER, cases

AT = datetime(2026, 5, 1, tzinfo=UTC)


def tags(text: str, *names: str | Alias) -> tuple[BrandTag, ...]:
    rules = RuleSet(
        id="acme",
        version=7,
        author="王",
        reason="测试",
        changed_at=AT,
        brands=(Brand(id="b", name="b", role="own", aliases=names),),
    )
    post = EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="u1"),
        published_at=AT,
        observed_at=AT,
        source="weibo-search",
    )
    (enriched,) = Brands(Brands.Config(), rules).enrich([post])
    assert enriched is not None
    return enriched.brands


@pytest.mark.parametrize(("word", "text"), cases(MEANT))
def test_a_sentence_about_the_brand_is_tagged(word: str, text: str) -> None:
    (tag,) = tags(text, word)

    assert tag.aliases == (word,)
    assert [text[span.start : span.end] for span in tag.spans][:1] == [word]
    assert tag.confidence > 0.5


@pytest.mark.parametrize(("word", "text"), cases(OTHER))
def test_a_sentence_about_a_namesake_is_not(word: str, text: str) -> None:
    assert tags(text, word) == ()


def test_the_sentences_show_many_words_in_both_senses() -> None:
    meant, other = ({word for word, _ in cases(lines)} for lines in (MEANT, OTHER))

    assert len(meant & other) >= 20


def test_full_width_and_traditional_sentences_are_weighed_alike() -> None:
    assert [tag.confidence for tag in tags("蘋果手機發佈會", "苹果")] == [
        tag.confidence for tag in tags("苹果手机发布会", "苹果")
    ]
    assert tags("蘋果樹開花", "苹果") == ()


def test_a_tag_says_why() -> None:
    (tag,) = tags("苹果发布会", "苹果")

    assert tag.reason == "context: 发布会"


def test_a_short_name_that_a_word_cuts_into_needs_talk_of_the_trade() -> None:
    # Given a name that is no other word, then it is sure where no word cuts into it
    (tag,) = tags("埃安开得放心", "埃安")
    assert (tag.confidence, tag.reason) == (1, "name")

    # When 安全 cuts into it, then what stands near decides
    assert tags("埃安全系汽车召回", "埃安")
    assert not tags("埃安全系着绳子", "埃安")
    assert tags("埃安全系着绳子", Alias(word="埃安", ambiguous=False))


def test_a_short_name_repeated_without_end_is_bounded() -> None:
    assert len(tags("埃安" * 25_000, "埃安")[0].spans) == 20
    (tag,) = tags("早上汽车" * 12_500 + "上汽", "上汽")
    assert [(span.start, span.end) for span in tag.spans] == [(50_000, 50_002)]


def test_digits_behind_a_share_code_are_no_model() -> None:
    assert not tags("货号600519 12件", "600519")
    assert sense_of(Alias(word="12306")) is None


def test_what_the_rules_say_of_a_name_counts() -> None:
    # Given a name that only the rules know to be ambiguous
    told = Alias(word="拓川", ambiguous=True, context=("试驾",), against=("河道", "拓川镇"))

    # When it stands in three sentences, then the rule's words decide
    assert tags("周末试驾拓川", told)
    assert not tags("拓川的河道涨水", told)
    assert not tags("拓川镇的集市", told)


def test_many_words_against_a_name_are_only_many_words() -> None:
    # Given a thousand words against a name, all of which stand beside it
    beside = "".join(chr(0x4E00 + number) for number in range(40))
    against = tuple(beside[a:b] for a in range(40) for b in range(a + 1, 41))
    told = Alias(word="拓川", ambiguous=True, against=against)

    # When another place is sure, then the tag is as sure as that place
    text = "拓川汽车召回。" + "，" * 60 + "拓川" + beside
    (tag,) = tags(text, told)

    assert tag.confidence > 0.9


def test_a_name_declared_unambiguous_is_always_the_brand() -> None:
    text = "奶奶种的苹果又甜又脆"

    assert not tags(text, "苹果")
    assert tags(text, Alias(word="苹果", ambiguous=False))[0].confidence == 1


def test_a_name_that_is_no_word_is_never_weighed() -> None:
    assert sense_of(Alias(word="启澜")) is None
    assert sense_of(Alias(word="BYD")) is None


ENTRIES = sorted(knowledge()["word"].items())


@pytest.mark.parametrize(("word", "entry"), ENTRIES, ids=[word for word, _ in ENTRIES])
def test_an_entry_makes_sense(word: str, entry: dict[str, str]) -> None:
    assert entry.keys() <= {"trade", "sense", "usual", "inside"}
    assert entry["trade"] in knowledge()["trade"]
    assert set(entry.get("sense", "").split()) <= knowledge()["sense"].keys()
    for longer in entry.get("inside", "").split():
        assert word in longer
        assert longer != word


def test_no_word_is_named_twice_in_the_file() -> None:
    for talk in (knowledge()["firm"], *knowledge()["trade"].values()):
        for words in talk.values():
            assert not re.search(r"[，,、]", words)
