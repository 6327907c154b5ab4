"""Rows of an XLSX workbook, read as those of a CSV file are; and which reader a file needs.

A workbook is a ZIP of XML: what it unpacks to is bounded before anything is unpacked, and rows are
read one at a time. Dates become ISO text, true and false ``TRUE`` and ``FALSE``, a formula the
value that was last calculated for it.

Limits: the texts of all cells (``sharedStrings.xml``) are held in memory, at most 64 MiB of XML. A
spreadsheet keeps 15 digits of a number: longer ids have to be texts in it. ``.xls`` is refused.
"""

import datetime as dt
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from connectors.rows import (
    KEPT_BYTES,
    MAX_BLANK_LINES,
    MAX_COLUMNS,
    MAX_ROW_BYTES,
    START,
    Cells,
    Format,
    Place,
    Row,
    RowReader,
    column_names,
    open_unpacked,
    too_large,
    too_many_columns,
    unusable,
)
from connectors.workbook import DAMAGE, check_size, short
from schemas.errors import FatalError, RejectedError
from schemas.language import say

__all__ = ["SheetReader", "is_workbook", "open_rows"]

_ZIP = b"PK\x03\x04"
_ERRORS = frozenset(("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"))


def open_rows(path: Path, format: Format | None, start: Place = START) -> "RowReader | SheetReader":
    """The reader that a file needs.

    Raises:
        FatalError: the file can't be read, or it is a workbook where none is expected.
    """
    workbook = is_workbook(path)
    if format is not None and format.type == "auto":
        format = replace(format, type="xlsx" if workbook else _type_of(path))
    if format is not None and format.type == "xlsx":
        return SheetReader(path, format, start)
    if workbook:
        raise FatalError(
            say(
                f'{path} 是 XLSX 工作簿；请用映射，并在 [format] 写 type = "xlsx"。',
                f'{path} is an XLSX workbook; it needs a mapping with type = "xlsx" in [format]',
            )
        )
    return RowReader(path, format, start)


def is_workbook(path: Path) -> bool:
    """Whether a file is a ZIP, as XLSX is; no when it can't be read."""
    with suppress(OSError), path.open("rb") as stream:
        return stream.read(4) == _ZIP
    return False


def _type_of(path: Path) -> Any:
    try:
        with open_unpacked(path) as stream:
            begins = stream.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    except (OSError, EOFError, zlib.error):
        begins = b""  # the reader tells it
    if begins.startswith(b"{"):
        return "jsonl"
    return "tsv" if ".tsv" in path.suffixes else "csv"


class SheetReader:
    """Reads one sheet of a workbook from a row on. Opens it at once; ``close`` it when done.

    Raises:
        FatalError: no such file, no XLSX, no such sheet, or beyond the limits.
    """

    columns: tuple[str, ...] | None = None
    """Names of the columns, where the format knows them before the first row."""

    def __init__(self, path: Path, format: Format, start: Place = START) -> None:
        self._path = path
        self._start = start.line
        self._last = START
        self._book: Any = None
        check_size(path)
        try:
            self._stream = path.open("rb")  # openpyxl opens by itself only what is called .xlsx
        except OSError as error:
            raise unusable(path, error) from error
        import openpyxl  # a fifth of a second, for those who read workbooks

        try:
            self._book = openpyxl.load_workbook(self._stream, read_only=True, data_only=True)
            self._rows = self._values(format.sheet)
            self._read_header(format)
        except DAMAGE as error:
            self.close()
            raise self._damaged(error) from error
        except FatalError:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        if self._book is not None:
            self._book.close()
        self._stream.close()

    def __iter__(self) -> Iterator[Row]:
        try:
            for number, values in self._rows:
                if number > self._start:
                    self._last = Place(number)
                    yield self._row(number, values)
        except DAMAGE as error:
            line = self._last.line + 1
            fault = RejectedError(
                "truncated",
                say(
                    f"工作簿 {self._path} 从第 {line} 行起已损坏（{short(error)}），请重新导出。",
                    f"the workbook {self._path} is damaged from row {line} on ({short(error)}); "
                    "export it again",
                ),
            )
            yield Row(line, b"", self._last, None, fault)

    def _values(self, sheet: str | None) -> Iterator[tuple[int, list[object]]]:
        """The rows that are not blank, with their numbers."""
        names = [one.title for one in self._book.worksheets]
        if not names or (sheet is not None and sheet not in names):
            raise FatalError(
                say(
                    f"{self._path} 里没有工作表 {sheet or ''}，有的是：{'、'.join(names)}。",
                    f"{self._path} has no sheet {sheet or ''}; there are: {', '.join(names)}",
                )
            )
        found: Any = self._book[sheet] if sheet else self._book.worksheets[0]
        found.reset_dimensions()  # what the file says of its own size is not believed
        return self._not_blank(found)

    def _not_blank(self, sheet: Any) -> Iterator[tuple[int, list[object]]]:
        blank = 0
        for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
            row = [_plain(value) for value in values]
            while row and row[-1] is None:
                row.pop()
            blank = 0 if row else blank + 1
            if blank > MAX_BLANK_LINES:
                raise ValueError(say("空行太多", "too many blank rows"))
            if row:
                yield number, row

    def _read_header(self, format: Format) -> None:
        if format.header is False:
            return
        if format.header is not True:
            self.columns = format.header
            return
        for number, values in self._rows:
            if len(values) > MAX_COLUMNS:
                raise FatalError(f"{self._path}: {too_many_columns(len(values))}")
            self.columns = column_names(["" if one is None else str(one) for one in values])
            self._start = max(self._start, number)
            return

    def _row(self, number: int, values: list[object]) -> Row:
        if len(values) > MAX_COLUMNS:
            return Row(number, b"", self._last, None, too_many_columns(len(values)))
        fault = None
        if self.columns is None:
            names = tuple(str(place) for place in range(1, len(values) + 1))
        else:
            names = self.columns
            values += [None] * (len(names) - len(values))
            if len(values) > len(names):
                fault = RejectedError(
                    "schema",
                    say(
                        f"这一行有 {len(values)} 列，表头有 {len(names)} 列",
                        f"the row has {len(values)} columns, the header has {len(names)}",
                    ),
                )
        cells: Cells = dict(zip(names, values, strict=False))
        raw = orjson.dumps(cells if fault is None else values)
        if len(raw) > MAX_ROW_BYTES:
            raw, fault = raw[:KEPT_BYTES], too_large()
        return Row(number, raw, self._last, cells if fault is None else None, fault)

    def _damaged(self, error: BaseException) -> FatalError:
        return FatalError(
            say(
                f"{self._path} 不是能读的 XLSX 工作簿（{short(error)}）；请重新导出，"
                "或另存为 CSV UTF-8。",
                f"{self._path} is no readable XLSX workbook ({short(error)}); export it again, or "
                "save it as CSV UTF-8",
            )
        )


def _plain(value: Any) -> object:
    """A cell as a CSV file would hold it; numbers stay numbers."""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, str):
        return None if value in _ERRORS else value
    if isinstance(value, dt.datetime | dt.date | dt.time):
        return value.isoformat(" ") if isinstance(value, dt.datetime) else value.isoformat()
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    return value if value is None or isinstance(value, float) else str(value)
