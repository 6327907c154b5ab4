"""Corrections from a table: CSV, TSV, JSONL or XLSX, in UTF-8 or GB18030.

Columns, in English or Chinese: ``text`` or ``post_id``, ``field``, ``label``, ``by``; also
``reason`` and ``platform``. A bad row is that row's fault only; it is named with its line and what
to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from connectors.rows import Cells, Format
from connectors.sheet import open_rows
from processors.corrections import check_labels, correction_id, field_of, said_of, text_of
from schemas.correction import MAX_CORRECTED_TEXT, CorrectedField, Correction
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.language import say
from schemas.record import explain

__all__ = [
    "BadRow",
    "SortedOut",
    "Wanted",
    "correction_of",
    "read_correction_file",
    "sort_out",
]

MAX_ROWS = 100_000
MAX_CHARACTERS = 64 * 1024 * 1024
"""Of all texts of a file: they are held in memory."""

_COLUMNS = {
    "text": ("text", "文字", "正文", "文本", "内容"),
    "post_id": ("post_id", "post", "帖子", "帖子id"),
    "field": ("field", "项", "字段"),
    "label": ("label", "labels", "标签"),
    "by": ("by", "更正人", "谁"),
    "reason": ("reason", "原因"),
    "platform": ("platform", "平台"),
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for, checked; a post without text has still to be looked up."""

    line: int
    field: CorrectedField
    labels: tuple[str, ...]
    by: str
    text: str | None = None
    post_id: str | None = None
    platform: str | None = None
    reason: str | None = None

    @property
    def id(self) -> str:
        """Of the correction that it becomes."""
        return correction_id(self.field, self.by, self.text or "", self.post_id)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no correction, and what to do."""

    line: int
    message: str


def read_correction_file(
    path: Path, *, field: CorrectedField | None = None, by: str | None = None
) -> Iterator[Wanted | BadRow]:
    """Every row as a correction or as a fault; ``field`` and ``by`` fill empty cells.

    Raises:
        FatalError: the file can't be read, lacks a column, or is too large.
    """
    known: dict[str, Wanted] = {}
    characters = 0
    with closing(open_rows(path, Format("auto"))) as rows:
        if rows.columns is not None:
            _check_columns(path, rows.columns, needs_field=field is None)
        for count, row in enumerate(rows, 1):
            try:
                if row.fault is not None:
                    raise ValueError(str(row.fault).rstrip("。."))
                wanted = _wanted(row.line, row.cells or {}, field, by)
            except ValueError as error:
                yield BadRow(row.line, str(error))
                continue
            characters += len(wanted.text or "")
            if count > MAX_ROWS or characters > MAX_CHARACTERS:
                raise FatalError(
                    say(
                        f"{path} 太大：一次最多 {MAX_ROWS} 行。请分成几个文件。",
                        f"{path} is too large: at most {MAX_ROWS} rows at a time. Split it.",
                    )
                )
            first = known.setdefault(wanted.id, wanted)
            if first is wanted:
                yield wanted
            elif first.labels != wanted.labels:
                yield BadRow(
                    row.line,
                    say(
                        f"与第 {first.line} 行矛盾：同一人对同一条给了不同的标签，请只留一行",
                        f"contradicts line {first.line}: the same person labels the same thing "
                        "otherwise; keep one of them",
                    ),
                )


def _check_columns(path: Path, columns: tuple[str, ...], *, needs_field: bool) -> None:
    there = {name for column in columns if (name := _name(column))}
    missing = [name for name in ("label", *(["field"] if needs_field else [])) if name not in there]
    if not there & {"text", "post_id"}:
        missing.insert(0, say("text 或 post_id", "text or post_id"))
    if missing:
        listed = say("、", ", ").join(missing)
        found = ", ".join(columns[:20])
        hint = say("；--field 可以代替 field 列", "; --field may stand for the column field")
        raise FatalError(
            say(
                f"{path} 缺少列 {listed}（现有：{found}）",
                f"{path} has no column {listed} (it has {found})",
            )
            + (hint if "field" in missing else "")
            + say("。", ".")
        )


def _name(column: str) -> str | None:
    """What a column stands for."""
    written = column.strip().lower()
    return next((name for name, others in _COLUMNS.items() if written in others), None)


def _wanted(line: int, cells: Cells, field: CorrectedField | None, by: str | None) -> Wanted:
    given: dict[str, str] = {}
    for column, cell in cells.items():
        name = _name(column)
        if name is not None and not given.get(name):
            given[name] = _written(cell)
    text, post_id = given.get("text") or None, given.get("post_id") or None
    if text is None and post_id is None:
        raise ValueError(
            say("text 和 post_id 都是空的，请填其中一个", "neither text nor post_id: fill one")
        )
    chosen = field_of(given["field"]) if given.get("field") else field
    if chosen is None:
        raise ValueError(
            say("没有写 field，请填上或用 --field", "no field: fill it, or give --field")
        )
    person = given.get("by") or by
    if not person:
        raise ValueError(say("没有写 by（谁更正的）", "no by: say who corrects it"))
    return Wanted(
        line,
        chosen,
        check_labels(chosen, [given.get("label", "")]),
        person,
        text,
        post_id,
        given.get("platform") or None,
        given.get("reason") or None,
    )


def _written(cell: object) -> str:
    if isinstance(cell, list | tuple):
        return ",".join(str(one) for one in cell)
    return "" if cell is None else str(cell).strip()


# --- what becomes of it -----------------------------------------------------------------------


def correction_of(wanted: Wanted, post: EnrichedPost | None, at: datetime) -> Correction:
    """The record, of the post where there is one.

    Raises:
        ValueError: the text can't be kept; half a sentence.
    """
    if post is not None and post.deleted:
        raise ValueError(
            say(
                f"帖子 {post.id} 已被删除，不保留它的文字",
                f"the post {post.id} was deleted; its text is not kept",
            )
        )
    text = wanted.text or (text_of(post) if post is not None else "")
    try:
        return Correction(
            id=wanted.id,
            field=wanted.field,
            post_id=wanted.post_id,
            platform=post.platform if post is not None else _platform(wanted),
            text=text,
            labels=wanted.labels,
            said=said_of(post, wanted.field) if post is not None else None,
            by=wanted.by,
            at=at,
            reason=wanted.reason,
        )
    except ValidationError as error:
        raise ValueError(_unfit(error, wanted, text)) from None


def _platform(wanted: Wanted) -> str | None:
    if wanted.platform is None and wanted.post_id is not None:
        return wanted.post_id.partition(":")[0]
    return wanted.platform


def _unfit(error: ValidationError, wanted: Wanted, text: str) -> str:
    if not text.strip():
        return say("没有文字，学不到东西", "there is no text, so nothing to learn from")
    if len(text) > MAX_CORRECTED_TEXT:
        return say(
            f"文字有 {len(text)} 个字，最多 {MAX_CORRECTED_TEXT} 个",
            f"the text has {len(text)} characters, at most {MAX_CORRECTED_TEXT} are kept",
        )
    why = explain(error)[1]
    name = why.split("'")[1].partition(".")[0] if why.startswith("field '") else ""
    shown = {"by": wanted.by, "post_id": wanted.post_id, "platform": wanted.platform}.get(name)
    if shown is not None:
        return say(f"{name} 不能是“{shown[:40]}”", f'{name} can\'t be "{shown[:40]}"') + f" ({why})"
    return why


@dataclass(frozen=True, slots=True)
class SortedOut:
    """Which corrections are news to the topic."""

    new: tuple[Correction, ...]
    same: tuple[Correction, ...]
    """Stand there already, with the same labels."""
    withdrawn: tuple[Correction, ...]
    """Were withdrawn before; a file does not bring them back."""


def sort_out(
    corrections: Iterable[Correction], known: Mapping[str, Correction], *, revive: bool = False
) -> SortedOut:
    """Compare with what the topic holds; ``revive``: bring back what was withdrawn."""
    new, same, gone = [], [], []
    for one in corrections:
        before = known.get(one.id)
        if before is None or (before.deleted and revive):
            new.append(one)
        elif before.deleted:
            gone.append(one)
        elif (before.labels, before.text) == (one.labels, one.text):
            same.append(one)
        else:
            new.append(one)
    return SortedOut(tuple(new), tuple(same), tuple(gone))
