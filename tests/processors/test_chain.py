import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors import ENRICHERS
from processors.base import Enricher
from processors.chain import Chain, build_chain
from schemas.component import ComponentConfig
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.language import use_language
from schemas.post import Author, Engagement, Post
from schemas.rules import Brand, KeywordRule, RuleSet

AT = datetime(2026, 5, 1, 8, 30, tzinfo=UTC)
RULES = RuleSet(
    id="acme",
    version=7,
    author="王",
    reason="测试",
    changed_at=AT,
    brands=(Brand(id="xinghe", name="星河", role="own", aliases=("星河", "星河汽车")),),
    keywords=(KeywordRule(id="brakes", name="刹车", words=("刹车", "失灵")),),
)
NAMES = ["keywords", "brands", "tokens", "signature", "relevance"]
CHAIN = build_chain(["keywords", "brands", "tokens", "signature"], {}, RULES)


def post(number: int, text: str, **fields: Any) -> Post:
    return Post(
        id=f"weibo:{number}",
        platform="weibo",
        kind=fields.pop("kind", "post"),
        text=text,
        author=Author(id=f"u{number}", name="路人", followers=5),
        published_at=AT - timedelta(days=fields.pop("days", 0)),
        observed_at=AT,
        source="weibo-search",
        **fields,
    )


HARD_TEXTS = [
    "",
    "星河汽车刹车失灵，售后没人管 https://t.cn/A6xY",
    "刹车" * 50_000,
    "#" * 1000,
    "😀𠮷野家👨\u200d👩\u200d👧星\u200b河",
    "\u200b\ufeff\u00ad",
    "今天天气很好，适合出门散步",
    "\r\n\t\x0b\x1f\x85\u2028",
    "A" * 100_000,
]
POSTS = [
    *(post(number, text) for number, text in enumerate(HARD_TEXTS)),
    post(
        100,
        "转发微博",
        kind="repost",
        title="标题",
        days=90,
        parent_id="weibo:1",
        root_id="weibo:1",
        root_text="星河汽车刹车失灵",
        engagement=Engagement(reposts=3, heat=1.5),
        region="北京",
        url="https://example.org/1",
        deleted=True,
    ),
]


class Shouting:
    """Writes the text's length as influence; drops texts with 'drop'."""

    class Config(ComponentConfig):
        pass

    version = "3"

    def __init__(self, config: Config, rules: RuleSet) -> None: ...

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        return [
            None
            if "drop" in post.text
            else post.model_copy(update={"influence": float(len(post.text))})
            for post in posts
        ]


class Forgetful(Shouting):
    """Loses the last post."""

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        return super().enrich(posts)[:-1]


def shouting(kind: type[Shouting] = Shouting) -> Enricher:
    return kind(kind.Config(), RULES)


def enriched(results: list[EnrichedPost | Drop]) -> list[EnrichedPost]:
    assert all(isinstance(result, EnrichedPost) for result in results)
    return [result for result in results if isinstance(result, EnrichedPost)]


def test_every_post_comes_back_with_its_findings_in_order() -> None:
    # Given posts of all kinds
    chain = build_chain(NAMES, {}, RULES)

    # When they pass the chain
    results = enriched(chain.run(POSTS))

    # Then all are there, in order, with what was found
    assert [result.id for result in results] == [given.id for given in POSTS]
    complaint = results[1]
    assert [match.words for match in complaint.matches] == [("刹车", "失灵")]
    assert [tag.aliases for tag in complaint.brands] == [("星河汽车",)]
    assert complaint.words[:3] == ("星河汽车", "刹车", "失灵")
    assert complaint.signature is not None
    assert results[-1].brands[0].inherited


def test_a_record_of_the_chain_is_a_valid_record() -> None:
    for result in enriched(build_chain(NAMES, {}, RULES).run(POSTS)):
        parsed = EnrichedPost.from_line(result.to_line())
        assert parsed == result
        assert parsed.to_line() == result.to_line()


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_any_text_gives_a_valid_record_with_honest_spans(text: str) -> None:
    if text.count("#") > 1000:
        return
    (result,) = enriched(CHAIN.run([post(1, f"{text}刹车{text}", title="ｔ", root_text=text)]))

    assert EnrichedPost.from_line(result.to_line()) == result
    for match in result.matches:
        for span in match.spans:
            value = getattr(result, span.field)
            assert value[span.start] in "刹剎失"
            assert value[span.end - 1] in "车車灵靈"


def test_a_post_without_findings_has_the_json_of_a_validated_one() -> None:
    # Given no enrichers at all, and a post with every field
    (result,) = enriched(Chain({}).run(POSTS[-1:]))

    # Then only the cheap making differs from validation, not the record
    assert result == EnrichedPost(**POSTS[-1].__dict__)
    assert result.to_line() == EnrichedPost(**POSTS[-1].__dict__).to_line()


def test_posts_given_stay_as_they_were() -> None:
    before = [given.to_line() for given in POSTS]

    build_chain(NAMES, {}, RULES).run(POSTS)

    assert [given.to_line() for given in POSTS] == before


def test_findings_do_not_depend_on_the_batch() -> None:
    chain = build_chain(NAMES, {}, RULES)
    together = [result.to_line() for result in chain.run(POSTS)]

    alone = [chain.run([given])[0].to_line() for given in POSTS]
    backwards = [result.to_line() for result in chain.run(POSTS[::-1])][::-1]

    assert together == alone == backwards


def test_earlier_findings_are_not_kept() -> None:
    # Given a record that went through an older chain
    (older,) = enriched(Chain({"shouting": shouting()}).run(POSTS[1:2]))
    assert older.influence

    # When it goes through one without that enricher
    (newer,) = enriched(Chain({}).run([older]))

    # Then nothing of it is left
    assert newer.influence is None
    assert newer.models == {}


def test_models_name_each_version() -> None:
    # Given two enrichers
    chain = Chain({"shouting": shouting(), "again": shouting()})

    # When a post passes
    (result,) = enriched(chain.run(POSTS[1:2]))

    # Then it says who judged it
    assert result.models == chain.models == {"shouting": "3", "again": "3"}


def test_a_dropped_post_is_named_in_its_place() -> None:
    # Given a chain that drops early and goes on
    chain = Chain({"first": shouting(), "second": shouting()})
    posts = [post(0, "a"), post(1, "drop me"), post(2, "bb"), post(3, "drop"), post(4, "ccc")]

    # When posts pass
    results = chain.run(posts)

    # Then each place holds the post or its drop
    assert [type(result) for result in results] == [
        EnrichedPost,
        Drop,
        EnrichedPost,
        Drop,
        EnrichedPost,
    ]
    dropped = results[1]
    assert isinstance(dropped, Drop)
    assert (dropped.post_id, dropped.enricher, dropped.source, dropped.event_at) == (
        "weibo:1",
        "first",
        "weibo-search",
        AT,
    )
    assert dropped.reason
    assert [r.influence for r in results if isinstance(r, EnrichedPost)] == [1.0, 2.0, 3.0]
    assert [r.id if isinstance(r, EnrichedPost) else r.post_id for r in results] == [
        given.id for given in posts
    ]


def test_relevance_drops_what_nothing_found() -> None:
    chain = build_chain(NAMES, {"relevance": {"keep": "matched"}}, RULES)

    results = chain.run([POSTS[1], POSTS[6], POSTS[-1]])

    assert [type(result) for result in results] == [EnrichedPost, Drop, EnrichedPost]
    (dropped,) = (result for result in results if isinstance(result, Drop))
    assert dropped.reason == "没有命中关键词或品牌 (neither a keyword nor a brand)"


def test_no_posts_no_results() -> None:
    assert build_chain(NAMES, {}, RULES).run([]) == []


def test_an_enricher_that_loses_a_post_stops_everything() -> None:
    chain = Chain({"forgetful": shouting(Forgetful)})

    with pytest.raises(FatalError, match=r"forgetful.* 2 .* 1 "):
        chain.run(POSTS[:2])


@pytest.mark.parametrize(
    ("names", "options", "message"),
    [
        (["keyword"], {}, "'keyword'.*'keywords'"),
        (["情感"], {}, "'情感'.*keywords, brands"),
        (["keywords"], {"brand": {}}, "'brand'.*'brands'"),
        (["tokens"], {"tokens": {"max_word": 3}}, "'max_words'"),
        (["tokens"], {"tokens": {"max_words": 0}}, "tokens.*max_words = 0"),
        (["signature"], {"signature": {"bits": 3}}, "'bits'"),
        (
            ["sentiment_snownlp"],
            {"sentiment_snownlp": {"negative_below": 0.7}},
            "sentiment_snownlp.*'negative_below': 0.7.*positive_above",
        ),
        (["brands", "brands"], {}, "brands"),
        (["relevance", "keywords"], {}, "relevance.*keywords, brands"),
        (["keywords", "relevance", "brands"], {}, "relevance.*keywords, brands"),
        (["tokens", "relevance"], {}, "relevance.*keywords, brands"),
        (["keywords", "relevance", "rules"], {}, "relevance.*keywords, brands, rules"),
        (["rules", "keywords"], {}, "rules.*keywords"),
        (["keywords", "rules", "tokens", "sentiment"], {}, "rules.*sentiment"),
    ],
)
@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_wrong_setting_is_named(
    names: list[str], options: dict[str, dict[str, Any]], message: str, language: Any
) -> None:
    use_language(language)
    try:
        with pytest.raises(FatalError, match=message):
            build_chain(names, options, RULES)
    finally:
        use_language(None)


def test_options_of_an_enricher_that_is_not_selected_are_no_error() -> None:
    chain = build_chain(["keywords"], {"relevance": {"keep": "matched"}}, RULES)

    assert list(chain.models) == ["keywords"]


def test_every_enricher_keeps_its_contract() -> None:
    for name in ENRICHERS:
        enricher: Any = ENRICHERS[name]
        assert enricher.__doc__, name
        assert issubclass(enricher.Config, ComponentConfig), name
        for option, field in enricher.Config.model_fields.items():
            assert field.description, f"{name}.{option}"


def test_a_worker_loads_only_what_it_selects() -> None:
    # Given a process that builds a chain without segmenter and sentiment
    program = (
        "import sys\n"
        "from datetime import UTC, datetime\n"
        "from processors import ENRICHERS\n"
        "from processors.chain import build_chain\n"
        "from schemas.rules import RuleSet\n"
        "at = datetime(2026, 5, 1, tzinfo=UTC)\n"
        "rules = RuleSet(id='a', version=1, author='a', reason='a', changed_at=at)\n"
        "build_chain(['keywords', 'brands', 'relevance'], {}, rules)\n"
        "heavy = {'rjieba', 'jieba', 'snownlp', 'scipy', 'sklearn'}\n"
        "sys.exit(','.join(heavy & set(sys.modules)) or 0)\n"
    )

    # When it runs
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )

    # Then none of their libraries was imported
    assert (done.returncode, done.stderr) == (0, "")
