"""``tingchao explain``: a text, a file or a post of the index, without a server."""

import io
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.loop import EXIT_FATAL
from processors.chain import build_chain
from processors.explained import field_word
from schemas.enriched import EnrichedPost
from schemas.post import Author, Post
from tests.pipeline.line_rig import Answer, cli
from tests.two_brands import two_brands

AT = datetime(2026, 3, 5, 4, tzinfo=UTC)
RULES = """
id = "main"
version = 2
author = "王"
reason = "测试"
changed_at = 2026-03-05T12:00:00+08:00
[[brands]]
id = "lantu"
name = "岚图"
role = "own"
aliases = ["岚图"]
[[rules]]
id = "angry"
name = "差评"
query = '品牌:lantu 情感:负面'
"""
TEXT = "岚图刹车失灵，太差了，很失望"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> dict[str, EnrichedPost]:
    """What the index holds, by id."""
    held: dict[str, EnrichedPost] = {}

    async def look_up(settings: Any, post_id: str) -> EnrichedPost | None:
        return held.get(post_id)

    monkeypatch.setattr("pipeline.one_post._look_up", look_up)
    return held


def stored(id: str, text: str, **more: Any) -> EnrichedPost:
    """A post as it was enriched by rules of then."""
    post = Post(
        id=id,
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="1", name="小王"),
        published_at=AT,
        observed_at=AT,
        source="test",
        **more,
    )
    [found] = build_chain(("brands", "sentiment"), {}, two_brands()).run([post])
    assert isinstance(found, EnrichedPost)
    return found


def explain(*arguments: str | Path, language: str = "zh") -> Answer:
    return cli("explain", *arguments, TINGCHAO_LANGUAGE=language)


def test_a_manager_reads_what_was_found_how_sure_and_by_which_words(rules: Path) -> None:
    answer = explain(TEXT, "--rules", rules)

    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[:2] == ["text:0", f"  {TEXT}"]
    heads = [line for line in lines if line and not line.startswith(" ")]
    brand, mood, rule, *_ = (
        next(head for head in heads[1:] if head.startswith(title))
        for title in ("品牌", "情感", "规则")
    )
    assert brand.startswith("品牌 岚图  lantu 100 %  自己的品牌；写了它的名字  [brands ")
    assert mood.startswith("情感  负面 ") and "[sentiment linear-" in mood
    assert rule.startswith("规则 差评  命中 angry (main@2)")
    assert "    [岚图]刹车失灵，太差了，很…" in lines
    assert any("[失望]" in line and "占 " in line for line in lines)
    assert "      ✓ 字段：情感:负面" in lines


def test_programs_get_the_same_as_json(rules: Path) -> None:
    answer = explain(TEXT, "--rules", rules, "--json", language="en")

    told = json.loads(answer.out)
    steps = {step["name"]: step for step in told["steps"]}
    assert told["rule_sets"] == ["main@2"]
    [brand] = steps["brands"]["findings"]
    assert brand["evidence"] == [
        {"field": "text", "start": 0, "end": 2, "note": "", "words": "岚图"}
    ]
    [mood] = steps["sentiment"]["findings"]
    assert mood["value"].startswith("negative ")
    assert told["now"]["models"] == {name: step["version"] for name, step in steps.items()}
    assert told["then"] is None


@pytest.mark.parametrize(
    "content",
    [
        TEXT + "\n",
        json.dumps({"text": TEXT}),
        json.dumps({"text": TEXT}, ensure_ascii=False) + "\n",
        stored("weibo:9", TEXT).to_line().decode(),
    ],
    ids=["text", "escaped", "bare", "enriched"],
)
def test_a_file_or_standard_input_is_a_text_or_one_post(
    rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = tmp_path / "one.json"
    path.write_text(content, encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO(content))

    answers = [explain("--file", path, "--rules", rules), explain("-", "--rules", rules)]

    for answer in answers:
        assert answer.code == 0, answer.err
        assert f"  {TEXT}\n" in answer.out
        assert "规则 差评" in answer.out


def test_without_rules_a_text_has_a_mood_all_the_same() -> None:
    answer = explain("太差了，很失望")

    assert answer.code == 0
    assert "提示：没有规则" in answer.err
    assert "情感  负面" in answer.out


def test_a_reply_is_judged_as_if_below_a_post_about_a_brand(rules: Path) -> None:
    alone = explain("我的也是，太差了", "--rules", rules)
    below = explain("我的也是，太差了", "--rules", rules, "--brand", "lantu")

    assert "规则 差评" not in alone.out
    assert "原帖说到它" in below.out and "规则 差评" in below.out


# --- the index ------------------------------------------------------------------------------------


def test_a_post_of_the_index_is_judged_by_the_rules_of_now(
    rules: Path, index: dict[str, EnrichedPost]
) -> None:
    index["weibo:1"] = stored("weibo:1", TEXT)
    index["weibo:2"] = stored("weibo:2", "岚图和极氪，都太差了")

    same = explain("weibo:1", "--rules", rules)
    other = explain("weibo:2", "--rules", rules)

    assert same.out.splitlines()[0].endswith("小王")
    assert "规则 差评  命中 angry (main@2)" in same.out
    # Then the rules were without that rule, and knew another brand
    assert f"收到时不同：{field_word('matches')} 没有" in same.out
    assert "品牌 zeekr" in other.out.splitlines()[-1]


def test_a_reply_of_the_index_inherits_from_its_root(
    rules: Path, index: dict[str, EnrichedPost]
) -> None:
    index["weibo:1"] = stored("weibo:1", "岚图新车上市")
    index["weibo:2"] = stored("weibo:2", "我的也是，太差了", root_id="weibo:1")

    answer = explain("weibo:2", "--rules", rules)

    assert "原帖说到它" in answer.out and "规则 差评" in answer.out


@pytest.mark.parametrize(
    "text", ["看 https://t.cn/a", "https://t.cn/a", "注意:刹车", "tip:刹车失灵", "Weibo:1"]
)
def test_what_is_no_id_is_a_text(rules: Path, index: Any, text: str) -> None:
    answer = explain(text, "--rules", rules)

    assert answer.code == 0, answer.err
    assert answer.out.startswith("text:0")


def test_a_text_that_looks_like_an_id_is_given_as_text(rules: Path, index: Any) -> None:
    assert explain("weibo:1", "--rules", rules).code == EXIT_FATAL
    assert explain("--text", "weibo:1", "--rules", rules).out.startswith("text:0")


# --- what can't be explained ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--text", "--file"]),
        (["x", "--text", "y"], ["--text", "--file"]),
        (["weibo:1"], ["weibo:1", "search"]),
        (["x", "--brand", "none"], ["none", "main@2"]),
        (["--text", "x" * 100_001], ["100000"]),
        (["--file", "absent.json"], ["absent.json"]),
        (["--file", "bad.json"], ["bad.json", "id"]),
        (["--file", "broken.json"], ["broken.json"]),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    rules: Path, index: Any, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    (tmp_path / "bad.json").write_text('{"text": "x", "kind": "post"}', encoding="utf-8")
    (tmp_path / "broken.json").write_text('{"text": "x"', encoding="utf-8")

    answer = explain(*arguments, "--rules", rules, language="en")

    assert answer.code == EXIT_FATAL
    [sentence] = answer.err.splitlines()
    for word in words:
        assert word in sentence


def test_a_set_that_cannot_be_had_is_told() -> None:
    assert explain("x", "--set", "sales").code == EXIT_FATAL
    assert explain("x", "--rules", "absent.toml").code == EXIT_FATAL
