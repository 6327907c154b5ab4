"""The committed demo recording: what it promises, and that its generator still writes it."""

import gzip
import importlib
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from processors.brands import Brands
from processors.chain import build_chain
from processors.mentions import mentions
from processors.sentiment import BUILT_IN, LinearSentiment
from processors.signature import Signature
from processors.surge import Surge
from schemas.enriched import EnrichedPost
from schemas.incident import Incident
from schemas.post import Post, PostDraft
from schemas.rules import RuleSet

DEMO = Path(__file__).parents[2] / "deploy" / "demo"
START = datetime.fromisoformat("2026-10-05T00:00:00+08:00")
OWN = {"qilan", "lingyue", "xinghe"}
COMPETITORS = {"tuochuan", "haishuo", "yuanxi"}

# Real car makers and models; the ordinary words among them (大众, 理想) must not occur either.
REAL_NAMES = (
    "比亚迪 特斯拉 蔚来 小鹏 理想 问界 小米 极氪 零跑 哪吒 岚图 智己 智界 阿维塔 腾势 仰望 方程豹 "
    "吉利 长安 长城 奇瑞 红旗 五菱 宝骏 哈弗 领克 深蓝 启辰 启源 银河 星途 星越 星瑞 星愿 "
    "极狐 埃安 传祺 荣威 名爵 "
    "大众 丰田 本田 日产 马自达 三菱 斯巴鲁 雷克萨斯 奔驰 宝马 奥迪 保时捷 沃尔沃 别克 福特 "
    "雪佛兰 凯迪拉克 林肯 现代 起亚 标致 雪铁龙 雷诺 路虎 捷豹 捷途 飞凡 众泰 海马 华为 "
    "Tesla BYD NIO XPeng Toyota Honda BMW Audi Volkswagen"
).split()


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return gzip.decompress((DEMO / "recording.jsonl.gz").read_bytes()).splitlines()


@pytest.fixture(scope="module")
def said(lines: list[bytes]) -> str:
    return b"\n".join(lines).decode().lower()


@pytest.fixture(scope="module")
def drafts(lines: list[bytes]) -> list[PostDraft]:
    return [PostDraft.from_line(line) for line in lines]


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    tree: dict[str, Any] = json.loads((DEMO / "truth.json").read_text("utf-8"))
    return tree


@pytest.fixture(scope="module")
def incidents(truth: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {incident["kind"]: incident for incident in truth["incidents"]}


@pytest.fixture(scope="module")
def rules() -> RuleSet:
    tree = tomllib.loads((DEMO / "rules.toml").read_text("utf-8"))
    return RuleSet.model_validate(tree, strict=False)


@pytest.fixture(scope="module")
def story() -> Any:
    """The recording with what only its author knows: which chapter each post belongs to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DEMO))
        return importlib.import_module("generate").record()


def enriched(drafts: list[PostDraft]) -> list[EnrichedPost]:
    return [
        EnrichedPost(**dict(draft), observed_at=draft.published_at + timedelta(seconds=5))
        for draft in drafts
    ]


@pytest.fixture(scope="module")
def named(drafts: list[PostDraft], rules: RuleSet) -> list[set[str]]:
    """The brands that each post speaks of, by the product's own eyes."""
    found = Brands(Brands.Config(), rules).enrich(enriched(drafts))
    return [{tag.brand for tag in post.brands} for post in found if post]


def chapter(story: Any, name: str) -> list[Any]:
    return [entry for entry in story.entries if entry.chapter == name]


# -- the generator ------------------------------------------------------------------------------


def test_the_script_writes_the_committed_recording_line_for_line(
    lines: list[bytes], truth: dict[str, Any], tmp_path: Path
) -> None:
    # Given a directory that isn't the repository
    out, out_truth = tmp_path / "again.jsonl.gz", tmp_path / "truth.json"
    command = [sys.executable, str(DEMO / "generate.py"), "--out", str(out)]

    # When the plain script runs there
    subprocess.run([*command, "--truth", str(out_truth)], check=True, cwd=tmp_path, timeout=120)

    # Then the lines are the committed ones, and so is the truth
    assert gzip.decompress(out.read_bytes()).splitlines() == lines
    assert json.loads(out_truth.read_text("utf-8")) == truth


def test_the_file_names_no_time_and_stays_small() -> None:
    packed = (DEMO / "recording.jsonl.gz").read_bytes()

    assert packed[4:8] == b"\0\0\0\0", "gzip mtime"
    assert len(packed) <= 2_500_000


def test_a_bigger_recording_grows_by_everyday_talk_alone(story: Any) -> None:
    generate = sys.modules["generate"]

    bigger = generate.record(posts=30_000)

    small, big = (Counter(entry.chapter for entry in told.entries) for told in (story, bigger))
    assert len(bigger.drafts) == 30_000
    assert big.pop("everyday") - small.pop("everyday") == 5_000
    assert big == small


def test_another_seed_tells_it_in_other_words(story: Any) -> None:
    other = sys.modules["generate"].record(posts=8_000, seed=12)

    known = {entry.text for entry in story.entries}
    assert sum(entry.text in known for entry in other.entries) < len(other.entries) / 4


def test_too_few_posts_are_refused_with_the_reason(tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO / "generate.py"), "--posts", "100"]

    done = subprocess.run(
        [*command, "--out", str(tmp_path / "x")], capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 2
    assert "at least 8000" in done.stderr


# -- the lines ----------------------------------------------------------------------------------


def test_lines_are_drafts_in_their_one_form(lines: list[bytes], drafts: list[PostDraft]) -> None:
    assert [draft.to_line() for draft in drafts] == lines
    assert {draft.source for draft in drafts} == {"demo"}
    assert len({draft.id for draft in drafts}) == len(drafts)


def test_posts_stand_in_order_and_fill_fourteen_days(drafts: list[PostDraft]) -> None:
    times = [draft.published_at for draft in drafts]

    assert times == sorted(times)
    days = Counter((time - START).days for time in times)
    assert sorted(days) == list(range(14))
    assert min(days.values()) > 800


def test_threads_resolve_to_posts_that_stand_before(drafts: list[PostDraft]) -> None:
    seen: dict[str, PostDraft] = {}
    for draft in drafts:
        assert (draft.parent_id is None) == (draft.root_id is None)
        if draft.parent_id and draft.root_id:
            root = seen[draft.root_id]
            assert root.root_id is None
            assert (seen[draft.parent_id].root_id or draft.parent_id) == draft.root_id
            assert draft.platform == root.platform
            assert draft.root_text == (root.title or root.text)
        seen[draft.id] = draft


def test_platforms_and_kinds_are_mixed(drafts: list[PostDraft]) -> None:
    platforms = Counter(draft.platform for draft in drafts)
    kinds = Counter(draft.kind for draft in drafts)

    assert 20_000 <= len(drafts) <= 26_000
    assert set(platforms) == {"weibo", "wechat", "lunji", "baili"}
    assert platforms["weibo"] > len(drafts) / 2
    assert min(platforms["lunji"], platforms["baili"]) > 2_000
    assert set(kinds) == {"post", "repost", "comment", "reply", "article"}
    assert min(kinds["repost"], kinds["comment"], kinds["reply"]) > 2_000
    assert kinds["article"] > 250


def test_articles_are_long_and_titled(drafts: list[PostDraft]) -> None:
    articles = [draft for draft in drafts if draft.kind == "article"]

    lengths = sorted(len(article.text) for article in articles)
    assert all(article.title for article in articles)
    assert lengths[len(lengths) // 20] >= 280
    assert lengths[-1] <= 800


def test_every_brand_is_spoken_of_and_some_posts_name_none(
    drafts: list[PostDraft], named: list[set[str]]
) -> None:
    counts = Counter(brand for brands in named for brand in brands)

    assert set(counts) == OWN | COMPETITORS
    assert min(counts.values()) > 1_500
    none = sum(not brands for brands in named)
    assert 0.05 < none / len(drafts) < 0.15


def test_nights_are_quiet_and_evenings_loud(story: Any) -> None:
    hours = Counter(entry.at % 86_400 // 3_600 for entry in chapter(story, "everyday"))

    assert max(hours[hour] for hour in (2, 3, 4)) * 8 < hours[20]
    assert hours[12] > hours[15]


def test_links_lead_nowhere_real(drafts: list[PostDraft]) -> None:
    for draft in drafts:
        assert draft.url is not None
        assert draft.url.split("/")[2] == f"{draft.platform}.example"
        assert all(word.startswith("//t.example/") for word in draft.text.split("https:")[1:]), (
            draft.text
        )


@pytest.mark.parametrize("name", REAL_NAMES)
def test_no_real_car_maker_occurs(said: str, name: str) -> None:
    place = said.find(name.lower())

    assert place == -1, said[place - 40 : place + 40]


# -- the incidents ------------------------------------------------------------------------------


def test_everyday_talk_is_mostly_distinct(story: Any) -> None:
    texts = [entry.text for entry in chapter(story, "everyday")]

    assert len(set(texts)) / len(texts) >= 0.9


@pytest.mark.parametrize(
    ("kind", "brand", "day", "least", "most"),
    [
        ("launch", "lingyue", 6, 2_300, 2_800),
        ("flood", "xinghe", 9, 1_700, 1_700),
        ("crisis", "qilan", 11, 2_300, 2_800),
    ],
)
def test_each_incident_is_where_the_truth_says(
    story: Any,
    incidents: dict[str, dict[str, Any]],
    kind: str,
    brand: str,
    day: int,
    least: int,
    most: int,
) -> None:
    told = incidents[kind]
    pairs = [
        (entry, draft)
        for entry, draft in zip(story.entries, story.drafts, strict=True)
        if entry.chapter == kind
    ]

    assert told["brand"] == brand
    assert {entry.brand for entry, _ in pairs} == {brand}
    assert least <= told["posts"] == len(pairs) <= most
    assert told["first_post"] == pairs[0][1].id
    assert datetime.fromisoformat(told["started_at"]) == pairs[0][1].published_at
    assert datetime.fromisoformat(told["ended_at"]) == pairs[-1][1].published_at
    assert (pairs[0][1].published_at - START).days == day - 1


def test_the_truth_counts_the_recording(drafts: list[PostDraft], truth: dict[str, Any]) -> None:
    assert truth["posts"] == len(drafts)
    assert datetime.fromisoformat(truth["starts_at"]) == START


def test_incident_posts_speak_of_their_brand(story: Any, named: list[set[str]]) -> None:
    # The story's drafts are the committed ones, so the tags stand in the same order.
    missing = [
        entry.text
        for entry, brands in zip(story.entries, named, strict=True)
        if entry.chapter != "everyday" and entry.brand not in brands
    ]

    assert not missing


def test_the_crisis_begins_with_one_complaint_on_the_forum(
    drafts: list[PostDraft], incidents: dict[str, dict[str, Any]], story: Any
) -> None:
    crisis = incidents["crisis"]
    first = next(draft for draft in drafts if draft.id == crisis["first_post"])

    assert (first.platform, first.kind) == ("lunji", "post")
    assert first.title is not None
    assert "刹车" in first.title
    steps = crisis["milestones"]
    assert steps["first_complaint"]["post"] == first.id
    assert [step["at"] for step in steps.values()] == sorted(step["at"] for step in steps.values())
    noon = first.published_at.replace(hour=4, minute=0)
    before_noon = [
        draft
        for entry, draft in zip(story.entries, story.drafts, strict=True)
        if entry.chapter == "crisis" and draft.published_at < noon
    ]
    assert 3 <= len(before_noon) <= 12
    assert all(draft.root_id == first.id for draft in before_noon[1:])


def test_independent_voices_of_the_crisis_never_repeat_each_other(story: Any) -> None:
    pairs = [
        (entry, draft)
        for entry, draft in zip(story.entries, story.drafts, strict=True)
        if entry.chapter == "crisis" and entry.own_words
    ]

    words = [entry.own_words for entry, _ in pairs]
    assert len(set(words)) == len(words) > 2_000
    # Also not to the eyes of the product, which ignores figures, signs and emoji.
    judged = Signature(Signature.Config(), RuleSet.model_validate(_NO_RULES)).enrich(
        enriched([draft for _, draft in pairs])
    )
    signatures = [post.signature for post in judged if post and post.signature]
    assert len(set(signatures)) == len(signatures)
    voices = [entry.account.author.id for entry, _ in pairs]
    assert len(set(voices)) > 0.97 * len(voices)


def test_the_crisis_grows_hour_by_hour_after_it_reached_weibo(story: Any) -> None:
    hours = Counter((entry.at - 10 * 86_400) // 3_600 for entry in chapter(story, "crisis"))

    assert hours[11] < hours[12] < hours[13] < hours[14] < hours[15] < hours[16]
    assert hours[14] > 80


def test_the_flood_is_copies(story: Any) -> None:
    drafts = [
        draft
        for entry, draft in zip(story.entries, story.drafts, strict=True)
        if entry.chapter == "flood"
    ]

    judged = Signature(Signature.Config(), RuleSet.model_validate(_NO_RULES)).enrich(
        enriched(drafts)
    )
    texts = Counter(post.signature for post in judged if post)
    assert len({draft.text for draft in drafts}) > 0.99 * len(drafts), "nothing changes"
    assert len(texts) <= 4
    assert texts.most_common(2)[1][1] == 200
    span = drafts[-1].published_at - drafts[0].published_at
    assert span <= timedelta(hours=3)


# -- as the product sees it ---------------------------------------------------------------------

needs_model = pytest.mark.skipif(
    not BUILT_IN.exists(), reason="the built-in sentiment model is not in this checkout"
)


@pytest.fixture(scope="module")
def moods(drafts: list[PostDraft]) -> list[str | None]:
    model = LinearSentiment(LinearSentiment.Config(), RuleSet.model_validate(_NO_RULES))
    judged = model.enrich(enriched(drafts))
    return [post.sentiment.label if post and post.sentiment else None for post in judged]


def share(moods: Sequence[str | None], mood: str) -> float:
    return moods.count(mood) / len(moods)


@needs_model
def test_the_model_sees_the_anger_of_the_crisis(story: Any, moods: list[str | None]) -> None:
    first = next(entry for entry in story.entries if entry.chapter == "crisis")
    said = [
        mood
        for entry, mood in zip(story.entries, moods, strict=True)
        if entry.chapter == "crisis" and entry.own_words and entry.at < first.at + 12 * 3_600
    ]

    assert len(said) > 1_200
    assert share(said, "negative") >= 0.8


@needs_model
def test_the_model_sees_that_the_launch_is_no_trouble(story: Any, moods: list[str | None]) -> None:
    said = [
        mood
        for entry, mood in zip(story.entries, moods, strict=True)
        if entry.chapter == "launch" and mood
    ]

    assert share(said, "negative") < 0.15
    assert share(said, "positive") > 0.4


@needs_model
def test_ordinary_days_have_their_ordinary_complaints(story: Any, moods: list[str | None]) -> None:
    said = [
        mood
        for entry, mood in zip(story.entries, moods, strict=True)
        if entry.chapter == "everyday" and mood
    ]

    assert 0.1 <= share(said, "negative") <= 0.25


@needs_model
def test_only_the_crisis_is_called_a_crisis(
    drafts: list[PostDraft], rules: RuleSet, incidents: dict[str, dict[str, Any]]
) -> None:
    # Given the enrichment that watch needs, and the detector as it comes
    chain = build_chain(("keywords", "brands", "sentiment", "signature"), {}, rules)
    detector = Surge(Surge.Config())
    states = {brand.id: detector.new_state(brand.id, brand.role) for brand in rules.brands}
    posts = [
        Post(**dict(draft), observed_at=draft.published_at + timedelta(seconds=5))
        for draft in drafts
    ]

    # When the recording is heard in its own time
    opened: dict[str, Incident] = {}
    now = START
    for post in chain.run(posts):
        assert isinstance(post, EnrichedPost)
        while now <= post.observed_at:
            for state in states.values():
                detector.advance(state, now)
            now += timedelta(minutes=5)
        for mention in mentions(post):
            for incident in detector.mention(states[mention.brand], mention):
                opened.setdefault(incident.id, incident)

    # Then launch and flood have their own names
    kinds = {(incident.kind, incident.brand) for incident in opened.values()}
    assert kinds == {
        ("praise_surge", "lingyue"),
        ("copy_flood", "xinghe"),
        ("crisis", "qilan"),
    }
    # and the crisis is one, was seen by early afternoon, and leads to the first complaint
    [crisis] = [incident for incident in opened.values() if incident.kind == "crisis"]
    assert crisis.first_post.post_id == incidents["crisis"]["first_post"]
    assert crisis.opened_at < datetime.fromisoformat("2026-10-15T15:00:00+08:00")


def test_rules_name_own_brands_and_competitors(rules: RuleSet) -> None:
    roles = {brand.id: brand.role for brand in rules.brands}

    assert {brand for brand, role in roles.items() if role == "own"} == OWN
    assert {brand for brand, role in roles.items() if role == "competitor"} == COMPETITORS


def test_every_keyword_rule_fires_somewhere(lines: list[bytes], rules: RuleSet) -> None:
    text = b"\n".join(lines).decode()

    for rule in rules.keywords:
        assert any(word in text for word in rule.words), rule.id


_NO_RULES = {
    "id": "none",
    "version": 1,
    "author": "test",
    "reason": "signatures need no rules",
    "changed_at": START,
}
