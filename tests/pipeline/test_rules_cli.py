"""Rules on the command line: check, history, diff, rollback, explain, try."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.cli.common import EXIT_NO
from pipeline.loop import EXIT_FATAL
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Answer, cli
from tests.pipeline.line_story import post

AT = datetime(2026, 3, 5, 4, tzinfo=UTC)
HEAD = """
id = "main"
version = {version}
author = "王"
reason = "第 {version} 版"
changed_at = 2026-03-05T12:00:00+08:00
"""
BRAND = """
[[brands]]
id = "qilan"
name = "启澜"
role = "own"
aliases = ["启澜"]
"""
RULE = """
[[rules]]
id = "{id}"
name = "名 {id}"
query = '{query}'
"""
WORDS = """
[[keywords]]
id = "safety"
name = "安全"
words = ["失控", "自燃"]
"""


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


def write(folder: Path, *parts: str, version: int = 1, more: str = "", **queries: str) -> Path:
    path = folder / f"rules-{version}.toml"
    rules = "".join(RULE.format(id=id, query=query) for id, query in queries.items())
    content = HEAD.format(version=version) + more + "".join(parts) + rules
    path.write_text(content, encoding="utf-8")
    return path


def in_english(*arguments: str | Path) -> Answer:
    return cli(*arguments, TINGCHAO_LANGUAGE="en")


# --- check --------------------------------------------------------------------------------------


def test_a_good_file_passes_and_advice_does_not_refuse_it(tmp_path: Path) -> None:
    path = write(tmp_path, BRAND, WORDS, brake="刹车 NEAR/5 失灵", doubt="刹车 and 失灵")

    answer = in_english("rules", "check", path)

    assert answer.code == 0, answer.out + answer.err
    assert "! Rule doubt:" in answer.out
    assert "3 rules, 0 errors, 1 doubtful spots." in answer.out


def test_every_error_of_a_file_is_listed(tmp_path: Path) -> None:
    path = write(tmp_path, one="甲 AND", two="(乙", three="漏水")
    examples = 'must_match = ["丁"]\nmust_not_match = ["漏水了"]\n'
    path.write_text(path.read_text(encoding="utf-8") + examples, encoding="utf-8")

    answer = in_english("rules", "check", path)
    found = json.loads(in_english("rules", "check", path, "--json").out)

    assert answer.code == EXIT_NO
    assert answer.out.count("✗") == 4
    assert [problem["rule"] for problem in found["problems"]] == ["one", "two", "three", "three"]
    assert (found["rules"], found["errors"]) == (3, 4)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (RULE.format(id="long", query="词" * 10_001), ["(long) query", "10000"]),
        (
            RULE.format(id="many", query="|".join(chr(0x4E00 + n) for n in range(1_500))),
            ["many", "1500", "1000"],
        ),
        (RULE.format(id="deep", query="(" * 500 + "词" + ")" * 500), ["deep", "50"]),
        (RULE.format(id="regex", query=r"/(a*)*\1/"), ["regex", "RE2"]),
        (RULE.format(id="same", query="甲") + RULE.format(id="same", query="乙"), ["'same'"]),
        (RULE.format(id="safety", query="甲") + WORDS, ["'safety'"]),
        ("[[rules]\n", ["rules-1.toml"]),
    ],
    ids=["10,000 characters", "1,500 words", "500 deep", "regex", "one id", "ids", "no TOML"],
)
def test_a_broken_file_is_told_with_what_is_wrong(
    tmp_path: Path, content: str, words: list[str]
) -> None:
    path = write(tmp_path, content)

    answer = in_english("rules", "check", path)

    assert answer.code == EXIT_NO
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.out
    pushed = in_english("rules", "push", path)
    assert pushed.code == EXIT_FATAL and "Traceback" not in pushed.err


def test_a_file_that_is_no_utf_8_or_not_there_is_told(tmp_path: Path) -> None:
    path = tmp_path / "gbk.toml"
    path.write_bytes('id = "规则"'.encode("gbk"))

    answer = in_english("rules", "check", path)
    absent = in_english("rules", "check", "absent.toml")

    assert answer.code == EXIT_NO and "gbk.toml" in answer.out and "UTF-8" in answer.out
    assert absent.code == EXIT_FATAL and "absent.toml" in absent.err


# --- explain and try without a broker -----------------------------------------------------------


def test_a_text_is_explained_by_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, BRAND, WORDS, brake="刹车 失灵", mine="品牌:qilan", other="漏水")
    text = tmp_path / "text.txt"
    text.write_text("启澜刹车失灵，失控了", encoding="utf-8")

    for given in (("--text", "启澜刹车失灵，失控了"), ("--file", str(text))):
        answer = in_english("rules", "explain", "--rules", path, *given)
        assert answer.code == 0, answer.err
        heads = [line for line in answer.out.splitlines() if not line.startswith(" ")]
        assert [head.split()[1] for head in heads] == ["brake", "mine", "safety"]
    why_not = in_english("rules", "explain", "--rules", path, "--text", "刹车", "--rule", "brake")
    assert "does not match" in why_not.out and "✗ word: 失灵" in why_not.out
    nothing = in_english("rules", "explain", "--rules", path, "--text", "很好")
    assert "None of 4 rules matches" in nothing.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--post", "--text", "--file"]),
        (["--text", "x", "--post", "weibo:1"], ["--post", "--text", "--file"]),
        (["--text", "x", "--rule", "none"], ["none", "main@1"]),
        (["--text", "x" * 100_001], ["100000"]),
        (["--file", "absent.txt"], ["absent.txt"]),
        (["--file", "."], ["."]),
    ],
)
def test_what_cannot_be_explained_is_one_sentence(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    path = write(tmp_path, one="甲")

    answer = in_english("rules", "explain", "--rules", path, *arguments)

    assert answer.code == EXIT_FATAL
    [sentence] = answer.err.splitlines()
    for word in words:
        assert word in sentence


def test_a_reply_knows_its_root_from_an_earlier_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.rule_posts._TOGETHER", 1)
    path = write(tmp_path, BRAND, mine="品牌:qilan")
    root = post(1, "启澜新车", AT)
    reply = post(2, "我的也是", AT + timedelta(days=1)) | {"root_id": root["id"]}
    recording = tmp_path / "posts.jsonl"
    recording.write_text("\n".join(map(json.dumps, (root, reply))), encoding="utf-8")

    answer = in_english("rules", "try", path, "--from", recording, "--json")

    [found] = json.loads(answer.out)["rules"]
    assert found["days"] == {"2026-03-05": 1, "2026-03-06": 1}


@pytest.mark.parametrize("name", ["posts.jsonl", "posts.jsonl.gz"])
def test_a_file_of_posts_is_tried_without_a_broker(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, BRAND, WORDS, bad="品牌:qilan 情感:负面", brake="刹车")
    texts = ["启澜太差了，退货，很失望", "刹车不错", "失控", "很好"]
    lines = [json.dumps(post(n, text, AT + timedelta(days=n))) for n, text in enumerate(texts)]
    content = "\n".join([*lines, "no post"]).encode()
    recording = tmp_path / name
    recording.write_bytes(gzip.compress(content) if name.endswith("gz") else content)

    answer = in_english("rules", "try", path, "--from", recording, "--json")
    shown = in_english("rules", "try", path, "--from", recording, "--rule", "brake")

    found = {rule["id"]: rule for rule in json.loads(answer.out)["rules"]}
    assert (json.loads(answer.out)["posts"], json.loads(answer.out)["unreadable"]) == (4, 1)
    assert {id: rule["days"] for id, rule in found.items()} == {
        "safety": {"2026-03-07": 1},
        "bad": {"2026-03-05": 1},
        "brake": {"2026-03-06": 1},
    }
    assert (answer.code, shown.code) == (0, 0)
    assert "1 rows are no posts, the first is line 5: not valid JSON" in shown.out
    assert "not compared with what is live" in answer.err
    assert "刹车不错" in shown.out and "失控" not in shown.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--days", "--from"]),
        (["--days", "1", "--from", "x.jsonl"], ["--days", "--from"]),
        (["--from", "x.jsonl", "--retag"], ["--retag"]),
        (["--from", "absent.jsonl"], ["absent.jsonl"]),
        (["--from", "absent.jsonl", "--rule", "none"], ["none"]),
        (["--days", "1"], ["Kafka"]),
    ],
)
def test_what_cannot_be_tried_is_told(
    tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    answer = in_english("rules", "try", write(tmp_path, one="甲"), *arguments)

    assert answer.code == EXIT_FATAL
    assert "Traceback" not in answer.err
    for word in words:
        assert word in answer.err.splitlines()[-1]


def test_a_file_without_a_single_post_is_told_and_fails(tmp_path: Path) -> None:
    path = write(tmp_path, brake="刹车")
    recording = tmp_path / "posts.jsonl"
    recording.write_text("{}\nno post\n", encoding="utf-8")

    shown = in_english("rules", "try", path, "--from", recording)
    answer = in_english("rules", "try", path, "--from", recording, "--json")

    assert (shown.code, answer.code) == (EXIT_NO, EXIT_NO)
    assert "2 rows are no posts, the first is line 1: field 'id'" in shown.out
    assert json.loads(answer.out)["unreadable"] == 2


def test_a_broken_file_is_neither_explained_nor_tried(tmp_path: Path) -> None:
    path = write(tmp_path, one="甲 AND")

    for arguments in (
        ("explain", "--rules", path, "--text", "甲"),
        ("try", path, "--from", "x.jsonl"),
    ):
        answer = in_english("rules", *arguments)
        assert answer.code == EXIT_FATAL and "one" in answer.err


# --- versions -----------------------------------------------------------------------------------


@pytest.mark.services
def test_versions_are_listed_compared_and_brought_back(make_line: MakeLine) -> None:
    line = make_line(partitions=1)
    line.ok("topics", "create")
    assert "no rules yet" in line.ok("rules", "history").out
    assert line.cli("rules", "diff", "1").code == EXIT_FATAL
    first = write(line.folder, BRAND, brake="刹车", version=1)
    second = write(line.folder, WORDS, brake="刹车 失灵", leak="漏水", version=2)
    line.ok("rules", "push", first)

    # A file is compared with what is live
    assert line.ok("rules", "diff", second).out.splitlines() == [
        "main@1 → main@2",
        "- brand qilan  启澜",
        "+ keywords safety  安全",
        "~ rule brake  名 brake",
        "    query: 刹车 → 刹车 失灵",
        "+ rule leak  名 leak",
    ]

    # What is live is compared with a version, and one version with another
    line.ok("rules", "push", second)
    to_live = line.ok("rules", "diff", "1", "--json").data
    assert (to_live["from"], to_live["to"], len(to_live["changes"])) == ("main@1", "main@2", 4)
    back = line.ok("rules", "diff", "2", "1").out
    assert "+ brand qilan" in back and "- rule leak" in back
    assert "No difference" in line.ok("rules", "diff", "2").out

    # An old version comes back as the next one
    line.ok("rules", "rollback", "1", "--reason", "误报太多", "--author", "李")
    [*_, last] = line.ok("rules", "history", "--json").data
    assert (last["version"], last["author"]) == (3, "李")
    assert "main@1" in last["reason"] and "误报太多" in last["reason"]
    assert "No difference" in line.ok("rules", "diff", "1", "3").out
    assert json.loads(line.ok("rules", "show", "--json").out)["version"] == 3
    listed = line.ok("rules", "history").out
    assert "+1 -2 ~1" in listed and "+2 -1 ~1" in listed

    # What is not there is told, with what is
    for arguments in (("rollback", "9", "--reason", "x"), ("diff", "9"), ("diff", "1", "9")):
        answer = line.cli("rules", *arguments)
        assert answer.code == EXIT_FATAL
        assert "1, 2, 3" in answer.err
    assert "No difference" in line.ok("rules", "diff", "3").out
