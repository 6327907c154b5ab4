import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.file import File
from pipeline.cli.common import EXIT_NO, run
from pipeline.loop import EXIT_FATAL
from pipeline.mappings import SHIPPED
from pipeline.try_file import MAX_FAULTS, try_file
from schemas.language import use_language

MAPPING = """
[format]
type = "auto"
[post]
platform = { value = "crm" }
id = "id"
kind = { value = "message" }
text = "text"
author.id = { value = "u" }
published_at = "at"
"""


@pytest.fixture(autouse=True)
def in_english(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TINGCHAO_LANGUAGE", "en")
    yield
    use_language(None)


def save(folder: Path, form: str, rows: list[tuple[str, str, str]]) -> Path:
    """A file with a mapping beside it."""
    (folder / "posts.mapping.toml").write_text(MAPPING, "utf-8")
    path = folder / f"posts.{form}"
    header = ("id", "text", "at")
    if form == "xlsx":
        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet()
        for row in (header, *rows):
            sheet.append(row)
        book.save(path)
    elif form == "csv":
        path.write_text("\n".join(",".join(row) for row in (header, *rows)), "utf-8")
    else:
        path.write_text(
            "\n".join(json.dumps(dict(zip(header, row, strict=True))) for row in rows), "utf-8"
        )
    return path


@pytest.mark.parametrize(("form", "first"), [("csv", 2), ("jsonl", 1), ("xlsx", 2)])
def test_a_trial_shows_the_first_posts_and_every_row_that_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, first: int
) -> None:
    # Given eight rows, two of which are no posts; no Kafka and no settings
    rows = [(str(n), f"云帆第{n}条", "2024-03-01 08:00") for n in range(8)]
    rows[3] = ("3", "x", "gestern")
    rows[6] = ("", "x", "2024-03-01")
    path = save(tmp_path, form, rows)

    # When an import is tried
    code = run(["import", str(path), "--dry-run"])

    # Then
    shown = capsys.readouterr().out
    assert code == EXIT_NO
    assert "云帆第0条" in shown
    assert "云帆第5条" in shown
    assert "云帆第7条" not in shown
    assert "2024-03-01 08:00" in shown
    assert f"line {first + 3}" in shown
    assert "'gestern'" in shown
    assert f"line {first + 6}" in shown
    assert "schema: 2" in shown
    assert "6 rows would become posts, 2 go to dead letters" in shown


def test_a_trial_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save(tmp_path, "csv", [("1", "云帆", "2024-03-01"), ("2", "x", "")])

    assert run(["import", str(path), "--dry-run", "--json"]) == EXIT_NO

    told = json.loads(capsys.readouterr().out)
    assert (told["posts"], told["rejected"], told["kinds"]) == (1, 1, {"schema": 1})
    assert told["first"][0][1]["text"] == "云帆"
    assert told["faults"][0]["line"] == 3


def test_a_good_file_ends_well(tmp_path: Path) -> None:
    assert run(["import", str(save(tmp_path, "csv", [("1", "x", "2024-03-01")])), "--dry-run"]) == 0


def test_many_faults_are_counted_and_not_all_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = save(tmp_path, "csv", [("1", "x" * 500, "?" * 500)] * 5_000)
    config = File.Config(path=path, mapping=tmp_path / "posts.mapping.toml")

    tried = try_file(config, "s")
    run(["import", str(path), "--dry-run"])

    assert tried.rejected == 5_000
    assert len(tried.faults) == MAX_FAULTS
    shown = capsys.readouterr().out
    assert f"{5_000 - MAX_FAULTS} more rows would fail" in shown
    assert "--json" in shown
    assert len(shown) < 60_000

    # Programs get every one
    run(["import", str(path), "--dry-run", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert [one["line"] for one in told["faults"]] == list(range(2, 5_002))


def test_a_recording_of_another_program_names_the_mappings_that_fit(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given an export of MediaCrawler that was moved out of its folder
    path = tmp_path / "export.jsonl"
    row = {"note_id": "1", "content": "云帆", "create_time": 1717200000, "nickname": "小王"}
    path.write_text(json.dumps(row), "utf-8")

    assert run(["import", str(path), "--dry-run"]) == EXIT_FATAL

    said = capsys.readouterr().err
    assert "--mapping" in said
    assert "mediacrawler_weibo_contents.toml" in said
    assert "ced_cascade" not in said


def test_a_recording_of_nobody_names_all_mappings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_text('{"a": 1}', "utf-8")

    assert run(["replay", str(path)]) == EXIT_FATAL

    said = capsys.readouterr().err
    assert all(mapping.name in said for mapping in SHIPPED.glob("*.toml"))


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_table_without_a_mapping_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    path = save(tmp_path, form, [("1", "x", "2024-03-01")])
    (tmp_path / "posts.mapping.toml").unlink()

    assert run(["import", str(path), "--dry-run"]) == EXIT_FATAL

    assert "--mapping" in capsys.readouterr().err
