"""Labelled files as people have them."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.labelled import LabelledFile, read_labelled
from schemas.errors import FatalError
from schemas.language import use_language


@pytest.fixture(autouse=True)
def english() -> Any:
    use_language("en")
    yield
    use_language(None)


def written(folder: Path, content: str | bytes, name: str = "rows.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(folder: Path, *rows: Any) -> LabelledFile:
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return read_labelled(written(folder, content, "rows.jsonl"))


def truth(file: LabelledFile) -> list[dict[str, list[str]]]:
    return [
        {question: sorted(labels) for question, labels in row.truth.items()} for row in file.rows
    ]


TABLE = "文本,标签\n刹车失灵,负面\n“很好，喜欢”,1\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_is_read_in_any_usual_encoding(tmp_path: Path, encoding: str) -> None:
    file = read_labelled(written(tmp_path, TABLE.encode(encoding)))

    assert [row.text for row in file.rows] == ["刹车失灵", "“很好，喜欢”"]
    assert truth(file) == [{"sentiment": ["negative"]}, {"sentiment": ["positive"]}]
    assert [row.line for row in file.rows] == [2, 3]


def test_a_packed_file_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress(b'{"text": "x", "label": -1}\n'), "rows.jsonl.gz")

    assert truth(read_labelled(path)) == [{"sentiment": ["negative"]}]


@pytest.mark.parametrize(
    ("row", "right"),
    [
        ({"label": -1}, {"sentiment": ["negative"]}),
        ({"label": 0}, {"sentiment": ["neutral"]}),
        ({"label": 1.0}, {"sentiment": ["positive"]}),
        ({"label": "positive"}, {"sentiment": ["positive"]}),
        ({"label": "anger"}, {"emotion": ["anger"]}),
        ({"emotion": "愤怒", "label": 1}, {"emotion": ["anger"], "sentiment": ["positive"]}),
        ({"aspects": {"动力": -1, "价格": 0}}, {"aspects": ["power:negative", "price:neutral"]}),
        ({"aspects": "动力:负面；价格：中性"}, {"aspects": ["power:negative", "price:neutral"]}),
        ({"aspects": {}}, {"aspects": []}),
        ({"intents": ["投诉", "praise"]}, {"intents": ["complaint", "praise"]}),
        ({"intents": "投诉、表扬"}, {"intents": ["complaint", "praise"]}),
        ({"intents": ""}, {"intents": []}),
        ({"意图": "无"}, {"intents": []}),
        ({"brands": "qilan;岚图"}, {"brands": ["qilan", "岚图"]}),
        ({"label": -1, "intents": None}, {"sentiment": ["negative"]}),
    ],
)
def test_labels_are_read_as_people_write_them(
    tmp_path: Path, row: dict[str, Any], right: dict[str, list[str]]
) -> None:
    assert truth(lines(tmp_path, {"text": "文字"} | row)) == [right]


def test_what_says_nothing_is_counted(tmp_path: Path) -> None:
    file = lines(
        tmp_path,
        {"text": "甲", "label": 1, "who": "王"},
        {"text": "乙", "label": None},
        {"text": "乙", "label": ""},
        {"text": " 甲 ", "label": 0},
    )

    assert (len(file.rows), file.unlabelled, file.repeated) == (2, 2, 1)
    assert file.ignored == ("who",)


def test_the_title_is_kept(tmp_path: Path) -> None:
    [row] = lines(tmp_path, {"text": "甲", "标题": " 题 ", "label": 1}).rows

    assert row.title == "题"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"text": "甲", "label": 1}\nno json\n', ["a.jsonl", "line 2", "JSON"]),
        ("a.jsonl", '{"text": "甲", "label": 7}\n', ["line 1", "7", "intents"]),
        ("a.jsonl", '{"text": "甲", "label": 1}\n{"text": "乙", "label": "怒"}', ["line 2", "怒"]),
        ("a.jsonl", '{"text": "甲", "sentiment": "坏"}', ["line 1", "坏", "-1"]),
        ("a.jsonl", '{"text": "甲", "emotion": ["怒"]}', ["line 1"]),
        ("a.jsonl", '{"text": "甲", "aspects": {"动力": 5}}', ["line 1", "动力:5"]),
        ("a.jsonl", '{"text": "甲", "aspects": "动力"}', ["line 1", "动力"]),
        ("a.jsonl", '{"text": 7, "label": 1}', ["line 1", "text"]),
        ("a.jsonl", '{"label": 1}', ["line 1", "text"]),
        ("a.jsonl", '{"text": "甲"}', ["a.jsonl", "label"]),
        ("a.jsonl", json.dumps({"text": "x" * 100_001, "label": 1}), ["line 1", "100000"]),
        ("a.csv", "text,label\n甲,1,2\n", ["a.csv", "line 2"]),
        ("a.csv", "text,label\n", ["a.csv", "label"]),
    ],
)
def test_what_is_wrong_is_one_sentence_that_names_file_and_line(
    tmp_path: Path, name: str, content: str, words: list[str]
) -> None:
    with pytest.raises(FatalError) as caught:
        read_labelled(written(tmp_path, content, name))

    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_file_that_is_not_there_is_told() -> None:
    with pytest.raises(FatalError, match=r"absent\.csv"):
        read_labelled(Path("absent.csv"))
