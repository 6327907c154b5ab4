"""Labelled texts for training: JSONL files in, model files out.

A file is one set, named as the file without its ending. A line is ``{"text": str, "label": ...}``
and may have a ``weight`` (1 where it has none); rows that weigh more win over equal texts.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schemas.errors import FatalError
from schemas.language import say

if TYPE_CHECKING:  # numpy and scipy, which a reader of rows does not need
    from processors.linear import LinearModel

__all__ = ["Label", "Labelled", "need_folder", "read_labelled", "write_model"]

MOST_WEIGHT = 1000.0

Label = int | str


class Labelled(NamedTuple):
    """A text, what it is an example of, and where it comes from."""

    text: str
    label: Label
    set: str
    weight: float = 1.0


def read_labelled(path: Path, labels: Sequence[Label]) -> list[Labelled]:
    """Read one set.

    Raises:
        FatalError: not readable, or a line is no labelled text; names the file and the line.
    """
    rows = []
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_row(line, labels, path, number))
    except OSError as error:
        raise FatalError(
            say(
                f"读不到训练文件 {path}：{error.strerror or error}。请检查路径。",
                f"Cannot read the training file {path}: {error.strerror or error}. Check the path.",
            )
        ) from error
    except UnicodeDecodeError as error:
        raise FatalError(
            say(
                f"训练文件 {path} 不是 UTF-8 编码。请先转成 UTF-8。",
                f"The training file {path} is not UTF-8. Convert it first.",
            )
        ) from error
    return rows


def need_folder(out: Path) -> None:
    """Refuse a file without a folder: said before minutes of work, not after."""
    if not out.parent.is_dir():
        raise FatalError(
            say(
                f"目录 {out.parent} 不存在，模型没有地方保存。请先建立它。",
                f"There is no directory {out.parent} to keep the model in. Make it first.",
            )
        )


def write_model(model: "LinearModel", out: Path) -> None:
    """Write a model's file; it appears whole or not at all."""
    part = out.with_name(out.name + ".part")
    try:
        part.write_bytes(model.to_bytes())
        os.replace(part, out)
    except OSError as error:
        raise FatalError(
            say(
                f"模型写不到 {out}：{error.strerror or error}。",
                f"Cannot write the model to {out}: {error.strerror or error}.",
            )
        ) from error


def _row(line: str, labels: Sequence[Label], path: Path, number: int) -> Labelled:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
        wrong: tuple[str, str] | None = ("不是 JSON", "is no JSON")
    else:
        wrong = _fault(row, labels)
    if wrong:
        raise FatalError(
            say(
                f"{path} 第 {number} 行{wrong[0]}。"
                f'每行应为 {{"text": "……", "label": {json.dumps(labels[0])}}}。',
                f"{path}, line {number} {wrong[1]}. "
                f'Each line must read {{"text": "...", "label": {json.dumps(labels[0])}}}.',
            )
        )
    return Labelled(row["text"], row["label"], path.stem, float(row.get("weight", 1)))


def _fault(row: Any, labels: Sequence[Label]) -> tuple[str, str] | None:
    if not isinstance(row, dict) or not isinstance(row.get("text"), str):
        return "没有文字字段 text", "has no string 'text'"
    label = row.get("label")
    if not any(type(label) is type(one) and label == one for one in labels):
        known = [str(one) for one in labels]
        return (
            f"的 label 不是{'、'.join(known)}之一",
            f"has a label other than {', '.join(known)}",
        )
    weight = row.get("weight", 1)
    if type(weight) not in (int, float) or not 0 < weight <= MOST_WEIGHT:
        return (
            f"的 weight 不是 0 到 {MOST_WEIGHT:g} 之间的数",
            f"has a weight that is no number from 0 to {MOST_WEIGHT:g}",
        )
    return None
