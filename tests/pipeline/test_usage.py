"""A slip on the command line is one sentence in the reader's language, and exit code 2."""

import re
from pathlib import Path

import pytest

from pipeline.cli.common import EXIT_USAGE
from pipeline.loop import EXIT_FATAL
from tests.pipeline.line_rig import cli

CHINESE = re.compile(r"[\u4e00-\u9fff]")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


SLIPS = [
    (("corrections", "add"), "少了参数 subject。用法见 tingchao corrections add --help。"),
    (("corrections", "add", "水壶", "--field", "x"), "少了选项 --label。"),
    (("serch",), "没有命令 serch；是不是 search"),
    (("rules", "nosuch"), "没有命令 nosuch。用法见 tingchao rules --help。"),
    (("search", "--limt"), "没有选项 --limt；是不是 --limit？"),
    (("search", "--zzz"), "没有选项 --zzz。"),
    (("search", "a", "b"), "多了参数 b。"),
    (("search", "--limit"), "选项 --limit 后面要有值。"),
    (("status", "--json=3"), "选项 --json 后面不能有值。"),
    (("search", "--limit", "x"), "--limit 要写成整数。"),
    (("search", "--limit", "0"), "--limit 不能小于 1。"),
    (("search", "--limit", "1001"), "--limit 不能大于 1000。"),
    (("rules", "try", "a.toml", "--days", "x"), "--days 要写成数字。"),
]


@pytest.mark.parametrize(("arguments", "told"), SLIPS)
def test_a_slip_is_told_in_chinese(arguments: tuple[str, ...], told: str) -> None:
    answer = cli(*arguments, TINGCHAO_LANGUAGE="zh")

    assert answer.code == EXIT_USAGE and answer.out == ""
    [sentence] = answer.err.splitlines()
    assert sentence.startswith(told) and sentence.endswith("--help。")


@pytest.mark.parametrize("arguments", [arguments for arguments, _ in SLIPS])
def test_a_slip_is_told_in_english(arguments: tuple[str, ...]) -> None:
    answer = cli(*arguments, TINGCHAO_LANGUAGE="en")

    assert answer.code == EXIT_USAGE and answer.out == ""
    assert "Error: " in answer.err
    assert not CHINESE.search(answer.err)


def test_a_group_without_a_command_shows_its_help() -> None:
    answer = cli("corrections", TINGCHAO_LANGUAGE="zh")

    assert answer.code == EXIT_USAGE
    assert "export" in answer.err and "用法见" not in answer.err


def test_help_is_no_slip() -> None:
    assert cli("corrections", "--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("replay", "folder"),
        ("import", "folder"),
        ("corrections", "import", "folder"),
        ("rules", "explain", "--text", "水壶", "--rules", "folder"),
        ("rules", "explain", "--file", "folder", "--rules", "folder"),
        ("--settings", "folder", "config", "check"),
        ("import", "file", "--mapping", "folder"),
        ("schemas", "--out", "file"),
        ("schemas", "--out", "file/absent"),
    ],
    ids=" ".join,
)
def test_a_wrong_path_is_one_sentence_without_a_word_of_english(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("水壶", encoding="utf-8")

    answer = cli(*arguments, TINGCHAO_LANGUAGE="zh")

    assert answer.code == EXIT_FATAL and answer.out == ""
    [sentence] = answer.err.splitlines()
    assert "Errno" not in sentence and "directory" not in sentence
    assert "目录" in sentence or "文件" in sentence
