"""What people are told of a finding, by enrichers that explain and by those that do not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from processors import ENRICHERS
from processors.base import Explains
from processors.chain import Chain, build_chain
from processors.explained import Clue, Explained, changed, percent
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Label, Sentiment, Span
from schemas.errors import FatalError
from schemas.language import use_language
from schemas.post import Author, Post
from schemas.rules import Brand, KeywordRule, Rule, RuleSet
from schemas.thread import Root

AT = datetime(2026, 3, 5, 4, tzinfo=UTC)
RULES = RuleSet(
    id="main",
    version=2,
    author="王",
    reason="测试",
    changed_at=AT,
    brands=(
        Brand(id="qilan", name="启澜", role="own", aliases=("启澜",)),
        Brand(id="apple", name="苹果公司", role="competitor", aliases=("苹果",)),
    ),
    keywords=(KeywordRule(id="safety", name="安全", words=("失控", "自燃")),),
    rules=(Rule(id="brake", name="刹车", query="刹车 失灵"),),
)
STEPS = ("keywords", "brands", "tokens", "sentiment", "rules", "signature")


@pytest.fixture(autouse=True)
def chinese() -> Any:
    use_language("zh")
    yield
    use_language(None)


def post(text: str, **more: Any) -> Post:
    return Post(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="1"),
        published_at=AT,
        observed_at=AT,
        source="test",
        **more,
    )


def told(text: str, *steps: str, **more: Any) -> list[Explained]:
    chain = build_chain(steps or STEPS, {}, RULES)
    return [one for step in chain.explain(post(text, **more)) for one in step.explained]


def words_of(text: str, one: Explained) -> list[str]:
    return [text[clue.start : clue.end] for clue in one.evidence]


# --- enrichers ------------------------------------------------------------------------------------


def test_each_step_says_what_it_found_by_which_version_and_where() -> None:
    text = "启澜刹车失灵，失控了，太差了，再也不买"
    chain = build_chain(STEPS, {}, RULES)

    steps = chain.explain(post(text))

    assert [(step.name, step.version) for step in steps] == list(chain.models.items())
    keywords, brands, tokens, mood, rules, signature = (step.explained for step in steps)
    assert (keywords[0].title, words_of(text, keywords[0])) == ("规则 安全", ["失控"])
    assert "safety (main@2)" in keywords[0].value
    assert (brands[0].value, words_of(text, brands[0])) == ("qilan 100 %", ["启澜"])
    assert brands[0].note == "自己的品牌；写了它的名字"
    assert "刹车" in tokens[0].value
    assert mood[0].value.startswith("负面 ") and mood[0].evidence
    assert [one.title for one in rules] == ["规则 刹车"]  # not those of the keywords
    assert rules[0].note.splitlines()[0].startswith("✓ ")
    assert (signature[0].title, len(signature[0].value)) == ("文字指纹", 16)


def test_an_explanation_judges_as_the_chain_does() -> None:
    chain = build_chain(STEPS, {}, RULES)
    reply = post("我的也是，失控了", root_id="weibo:0")
    [root] = chain.run([post("启澜新车")])
    assert isinstance(root, EnrichedPost)
    roots = {"weibo:0": Root(root.brands, 1)}

    steps = chain.explain(reply, roots)

    assert [steps[-1].post] == chain.run([reply], roots)
    assert "原帖说到它" in steps[1].explained[0].note


@pytest.mark.parametrize(
    ("step", "text", "value"),
    [
        ("keywords", "很好", "1 组词都没有出现"),
        ("rules", "很好", "1 条都没有命中"),
        ("brands", "很好", "没有"),
        ("brands", "今天买了两斤苹果，好吃", "不算：这里不是指它"),
        ("sentiment", "", "不判断"),
        ("signature", "很好", "没有"),
        ("tokens", "", "没有"),
    ],
)
def test_what_was_not_found_is_told_too(step: str, text: str, value: str) -> None:
    [one] = told(text, step)

    assert one.value == value


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("苹果发布会今天开了", "竞品；旁边说到“发布会”"),
        ("启澜今天上市", "自己的品牌；写了它的名字"),
    ],
)
def test_a_brand_says_why_it_is_meant(text: str, note: str) -> None:
    [one] = told(text, "brands")

    assert one.note == note


def test_the_mood_names_words_of_the_title_and_of_the_text() -> None:
    [one] = told("客服太差了，很失望", "sentiment", title="垃圾质量，后悔买了")

    assert {clue.field for clue in one.evidence} == {"title", "text"}


def test_a_post_that_is_left_out_is_told_with_the_reason() -> None:
    options = {"relevance": {"keep": "matched"}}
    chain = build_chain(("keywords", "relevance", "sentiment"), options, RULES)

    *_, last = chain.explain(post("很好"))

    assert (last.name, last.post) == ("relevance", None)
    assert "没有命中" in last.explained[0].value


def test_english_is_spoken_too() -> None:
    use_language("en")

    [one] = told("太差了，很失望", "sentiment")

    assert (one.title, one.value.split()[0]) == ("mood", "negative")


# --- enrichers without explain --------------------------------------------------------------------


MOOD = Sentiment(label="negative", negative=0.7, neutral=0.2, positive=0.1)


class Mute:
    """An enricher that writes whatever it was made with, and does not explain."""

    version = "mute-1"

    def __init__(self, config: dict[str, Any], rules: Any = None) -> None:
        self._found = config

    def enrich(self, posts: Any) -> list[Any]:
        return [post.replaced(**self._found) for post in posts]


@pytest.mark.parametrize(
    ("found", "title", "value"),
    [
        ({"emotions": (Label(label="anger", score=0.8),)}, "情绪", "愤怒 80 %"),
        ({"intents": (Label(label="complaint", score=0.75),)}, "意图", "投诉 75 %"),
        ({"aspects": (Aspect(aspect="动力", mood="negative"),)}, "方面", "动力 负面"),
        ({"reasons": ("promise", "other")}, "投诉原因", "承诺没兑现、other"),
        ({"departments": ("pr", "legal")}, "部门", "pr、legal"),
        ({"sentiment": MOOD}, "情感", "负面 70 %"),
        ({"influence": 3.25}, "影响力", "3.25"),
        ({"signature": "ab"}, "文字指纹", "ab"),
        ({}, None, None),
    ],
)
def test_a_mute_enricher_shows_what_it_wrote(
    found: dict[str, Any], title: str | None, value: str | None
) -> None:
    assert not isinstance(Mute(found), Explains)

    [step] = Chain({"mute": Mute(found)}).explain(post("文字"))

    assert [(one.title, one.value) for one in step.explained] == ([(title, value)] if title else [])


def test_places_that_a_record_names_are_its_evidence() -> None:
    aspect = Aspect(aspect="动力", mood="positive", spans=(Span(start=2, end=4),))

    [step] = Chain({"mute": Mute({"aspects": (aspect,)})}).explain(post("这车动力好"))

    assert step.explained[0].evidence == (Clue("text", 2, 4),)


def test_only_what_is_new_is_told() -> None:
    first, second = (BrandTag(brand=name, role="own") for name in ("lantu", "zeekr"))
    chain = Chain({"one": Mute({"brands": (first,)}), "two": Mute({"brands": (first, second)})})

    found = [one.value for step in chain.explain(post("文字")) for one in step.explained]

    assert found == ["lantu 100 %", "zeekr 100 %"]


def test_an_enricher_that_returns_too_much_is_told() -> None:
    class Doubling(Mute):
        def enrich(self, posts: Any) -> list[Any]:
            return [*posts, *posts]

    with pytest.raises(FatalError, match="doubling"):
        Chain({"doubling": Doubling({})}).explain(post("文字"))


def test_nothing_changed_is_nothing_told() -> None:
    [blank] = Chain({"mute": Mute({})}).run([post("文字")])
    assert isinstance(blank, EnrichedPost)

    assert list(changed(blank, blank.replaced(models={"x": "1"}))) == []


@pytest.mark.parametrize(
    ("share", "shown"), [(0.0, "0 %"), (0.456, "46 %"), (0.9999, "99 %"), (1.0, "100 %")]
)
def test_only_certainty_is_100_percent(share: float, shown: str) -> None:
    assert percent(share) == shown


@pytest.mark.parametrize("name", sorted(set(ENRICHERS)))
@pytest.mark.parametrize("text", ["", "启澜刹车失灵//@甲:自燃了", "😡" * 50, "一" * 3000])
def test_every_enricher_can_be_asked_about_any_text(name: str, text: str) -> None:
    kind = ENRICHERS[name]
    enricher = kind(kind.Config(), RULES)

    [step] = Chain({name: enricher}).explain(post("x").replaced(text=text))

    for one in step.explained:
        assert one.title and one.value
        for clue in one.evidence:
            assert 0 <= clue.start < clue.end <= len(text)
