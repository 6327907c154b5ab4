"""Labelled texts from a file: JSONL, CSV, TSV or XLSX, in UTF-8 or GB18030.

Columns, in English or Chinese: ``text`` and any of ``label`` (mood or emotion, as its values say),
``sentiment``, ``emotion``, ``intents``, ``brands``, ``aspects``; also ``title``. Several labels of
a cell stand with commas, semicolons or bars between them, an aspect as ``动力:负面``; in JSON they
may be a list, and aspects an object ``{"动力": -1}``. An empty cell of a question with one label is
no answer; of the others it says that there is none, as ``无`` does. JSON's ``null``, or no such
field in a line, is no answer.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.rows import Cells, Format, Row
from connectors.sheet import open_rows
from processors.labels import NOTHING, QUESTIONS, SINGLE, Question, canonical, is_known
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import MAX_TEXT

__all__ = ["Labelled", "LabelledFile", "read_labelled"]

MAX_ROWS = 1_000_000
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "text": ("text", "content", "文本", "正文", "内容", "文字", "微博"),
    "title": ("title", "标题"),
    "label": ("label", "标签", "标注"),
    "sentiment": ("sentiment", "mood", "polarity", "情感", "极性"),
    "emotion": ("emotion", "emotions", "情绪"),
    "intents": ("intents", "intent", "意图"),
    "brands": ("brands", "品牌"),
    "aspects": ("aspects", "aspect", "方面"),
}
_BETWEEN = re.compile(r"[,，;；、|]")
_NONE = frozenset((NOTHING, "无", "没有", "-"))


@dataclass(frozen=True, slots=True)
class Labelled:
    """A text and what people said of it."""

    line: int
    text: str
    title: str | None
    truth: Mapping[Question, frozenset[str]]
    """The right labels by question; of a question with one label exactly that one."""


@dataclass
class LabelledFile:
    """All rows of a file."""

    path: Path
    rows: list[Labelled] = field(default_factory=list)
    unlabelled: int = 0
    """Rows without any label."""
    repeated: int = 0
    """Rows whose text came before; they are judged all the same."""
    ignored: tuple[str, ...] = ()
    """Columns that say nothing here."""


def read_labelled(path: Path) -> LabelledFile:
    """Read all rows.

    Raises:
        FatalError: the file can't be read, a column is missing, or a row is wrong; one sentence
            that names file and line.
    """
    file = LabelledFile(path)
    reading = _Reading(path)
    seen: set[str] = set()
    with closing(open_rows(path, Format("auto"))) as rows:
        for row in rows:
            if row.fault is not None or row.cells is None:
                raise _wrong(path, row.line, str(row.fault).rstrip("。."))
            labelled = reading.labelled(row, row.cells)
            if not labelled.truth:
                file.unlabelled += 1
                continue
            plain = "".join(labelled.text.split())
            file.repeated += plain in seen
            seen.add(plain)
            file.rows.append(labelled)
            if len(file.rows) > MAX_ROWS:
                raise _wrong(path, row.line, say("行数太多", "too many rows"))
    if not file.rows:
        raise FatalError(
            say(
                f"{path} 里没有一行带标签；要有 text 列，和 label、emotion、intents、brands、"
                "aspects 中的至少一列。",
                f"No row of {path} has a label; it needs a column text, and at least one of label, "
                "emotion, intents, brands and aspects.",
            )
        )
    file.ignored = tuple(reading.ignored)
    return file


class _Reading:
    """What the columns of one file mean; ``label`` is known at its first value."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._label: Question | None = None
        self._asked: Question | None = None
        """What the row's own column ``field`` says that its label answers."""
        self.ignored: dict[str, None] = {}

    def labelled(self, row: Row, cells: Cells) -> Labelled:
        """One row."""
        named = {}
        field = _name_of(str(cells.get("field") or ""))
        self._asked = next((one for one in QUESTIONS if one == field), None)
        for column, value in cells.items():
            name = _name_of(column)
            if name is None and column == "field":
                continue
            if name is None:
                self.ignored[column] = None
            else:
                named[name] = value
        text, title = named.pop("text", None), named.pop("title", None)
        if not isinstance(text, str) or not text.strip():
            why = say("没有文字（text 列）", "it has no text (column text)")
            raise _wrong(self._path, row.line, why)
        if len(text) > MAX_TEXT or "\x00" in text:
            why = say(f"文字超过 {MAX_TEXT} 个字或有空字符", f"the text exceeds {MAX_TEXT} letters")
            raise _wrong(self._path, row.line, why)
        truth = dict(self._truth(row.line, named))
        return Labelled(row.line, text.strip(), str(title).strip() if title else None, truth)

    def _truth(
        self, line: int, cells: Mapping[str, Any]
    ) -> Iterator[tuple[Question, frozenset[str]]]:
        for name, value in cells.items():
            if value is None:
                continue
            question = self._question_of(name, line, value)
            if question is None:
                continue
            if question in SINGLE:
                if str(value).strip():
                    yield question, frozenset([self._one(question, line, value)])
            else:
                yield question, frozenset(self._many(question, line, value))

    def _question_of(self, name: str, line: int, value: Any) -> Question | None:
        if name != "label":
            return name  # type: ignore[return-value]  # the other columns are called like it
        if self._asked is not None:
            return self._asked
        written = _written(value)
        if self._label is None and written.strip():
            kinds: tuple[Question, ...] = ("sentiment", "emotion")
            self._label = next((kind for kind in kinds if is_known(kind, written)), None)
            if self._label is None:
                raise _wrong(self._path, line, _no_label(written))
        return self._label

    def _one(self, question: Question, line: int, value: Any) -> str:
        written = _written(value)
        if question == "sentiment" and not is_known(question, written):
            raise _wrong(self._path, line, _no_mood(written))
        if isinstance(value, list | dict) or not written or len(written) > 40:
            raise _wrong(self._path, line, _no_label(written[:40]))
        return canonical(question, written)

    def _many(self, question: Question, line: int, value: Any) -> Iterator[str]:
        for written in _several(value):
            label = canonical(question, written)
            if question == "aspects" and not is_known("sentiment", label.rpartition(":")[2]):
                why = say(
                    f"方面写的是 {written[:40]}，应写成 动力:负面",
                    f"its aspect is {written[:40]}; write it as power:negative",
                )
                raise _wrong(self._path, line, why)
            yield label


def _several(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name}:{mood}" for name, mood in value.items()]
    if isinstance(value, list | tuple):
        parts = [_written(one) for one in value]
    else:
        parts = [part.strip() for part in _BETWEEN.split(_written(value))]
    return [part for part in parts if part and part.lower() not in _NONE]


def _written(value: Any) -> str:
    """A cell as text; spreadsheets write 1 as 1.0."""
    text = str(value).strip()
    return text.removesuffix(".0") if re.fullmatch(r"[+-]?[01]\.0", text) else text


def _name_of(column: str) -> str | None:
    written = column.strip().lower()
    return next((name for name, others in _COLUMNS.items() if written in others), None)


def _no_mood(written: str) -> str:
    return say(
        f"情感写的是 {written[:40]}，应是 -1、0、1 或 负面、中性、正面；情绪请用 emotion 列",
        f"its mood is {written[:40]}; it must be -1, 0, 1 or negative, neutral, positive; emotions "
        "have the column emotion",
    )


def _no_label(written: str) -> str:
    return say(
        f"label 写的是 {written[:40]}，不是情感（-1、0、1、负面……）也不是情绪（愤怒……）；"
        "别的标签请用 intents、brands 或 aspects 列",
        f"its label is {written[:40]}, which is no mood (-1, 0, 1, negative ...) and no emotion "
        "(anger ...); other labels have the columns intents, brands and aspects",
    )


def _wrong(path: Path, line: int, why: str) -> FatalError:
    return FatalError(say(f"{path} 第 {line} 行：{why}。", f"{path}, line {line}: {why}."))
