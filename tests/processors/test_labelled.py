from pathlib import Path

import numpy as np
import pytest

from processors.labelled import Labelled, need_folder, read_labelled, write_model
from processors.linear import Head, LinearModel
from schemas.errors import FatalError

LABELS = (-1, 0, 1)
GOOD = '{"text": "好", "label": 1}'


def test_blank_lines_are_no_rows_and_a_weight_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f'{GOOD}\n\n{{"text": "差", "label": -1, "id": 7, "weight": 5}}\n', "utf-8")
    assert read_labelled(path, LABELS) == [
        Labelled("好", 1, "mine"),
        Labelled("差", -1, "mine", 5.0),
    ]


def test_labels_may_be_words(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text('{"text": "好", "label": "joy"}', "utf-8")
    assert read_labelled(path, ("joy", "none")) == [Labelled("好", "joy", "mine")]


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("{", "不是 JSON"),
        ("[]", "没有文字字段 text"),
        ('{"label": 1}', "没有文字字段 text"),
        ('{"text": 5, "label": 1}', "没有文字字段 text"),
        ('{"text": "好"}', "label 不是"),
        ('{"text": "好", "label": 2}', "label 不是"),
        ('{"text": "好", "label": "1"}', "label 不是"),
        ('{"text": "好", "label": true}', "label 不是"),
        ('{"text": "好", "label": 1, "weight": 0}', "weight 不是"),
        ('{"text": "好", "label": 1, "weight": "5"}', "weight 不是"),
        ('{"text": "好", "label": 1, "weight": NaN}', "weight 不是"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, line: str, wrong: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(f"{GOOD}\n{line}\n", encoding="utf-8")
    with pytest.raises(FatalError, match=rf"mine\.jsonl 第 2 行.*{wrong}"):
        read_labelled(path, LABELS)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gbk.jsonl"
    path.write_bytes(GOOD.encode("gbk"))
    with pytest.raises(FatalError, match=r"gbk\.jsonl 不是 UTF-8"):
        read_labelled(path, LABELS)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"absent\.jsonl"):
        read_labelled(tmp_path / "absent.jsonl", LABELS)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="absent 不存在"):
        need_folder(tmp_path / "absent" / "own.npz")


def test_a_model_is_written_whole_or_told(tmp_path: Path) -> None:
    heads = (Head("mood", ("bad", "good")),)
    model = LinearModel(heads, np.zeros((4, 2), np.float32), np.zeros(2, np.float32))
    write_model(model, tmp_path / "own.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["own.npz"]
    with pytest.raises(FatalError, match="写不到"):
        write_model(model, tmp_path / "absent" / "own.npz")
