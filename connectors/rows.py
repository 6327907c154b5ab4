"""Rows of a file, one at a time, each with its place and its original bytes.

Reads CSV (quoted line breaks included), TSV (no quoting) and JSON Lines, plain or gzip, in UTF-8
(with or without a byte order mark) or GB18030 (which holds GBK and GB2312).

Limits: memory stays bounded whatever the file: a row of more than ``MAX_ROW_BYTES`` is skipped with
the first ``KEPT_BYTES`` of it kept. A bad row is that row's fault only; even behind a quote that is
never closed the reader goes on with the next line. UTF-16 is refused with a sentence.
"""

import codecs
import csv
import gzip
import hashlib
import zlib
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, cast

import orjson

from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.small_file import unread

__all__ = [
    "KEPT_BYTES",
    "MAX_BLANK_LINES",
    "MAX_COLUMNS",
    "MAX_ROW_BYTES",
    "START",
    "Cells",
    "Encoding",
    "Fingerprint",
    "Format",
    "Place",
    "Row",
    "RowReader",
    "column_names",
    "open_unpacked",
    "too_large",
    "too_many_columns",
    "unusable",
]

MAX_ROW_BYTES = 4 * 1024 * 1024
KEPT_BYTES = 256 * 1024
MAX_COLUMNS = 10_000
MAX_LINE_BYTES = 64 * 1024 * 1024
"""A line that goes on behind that is no line of a recording, but an unpacked bomb."""
MAX_BLANK_LINES = 100_000
"""Of the same kind: so many in a row."""
_SAMPLE_PIECES = 32
_SAMPLE_PIECE_BYTES = 8192
_HEAD_BYTES = 4096
_DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
"""What reading a gzip raises that is damaged or cut short."""

Cells = Mapping[str, object]
Encoding = Literal["auto", "utf-8", "gb18030"]


@dataclass(frozen=True, slots=True)
class Format:
    """How a file's bytes become rows."""

    type: Literal["csv", "tsv", "jsonl", "xlsx", "auto"]
    """``xlsx`` is read by ``connectors/sheet.py``, which also finds out what ``auto`` is."""
    header: bool | tuple[str, ...] = True
    """The first row names the columns; or the names; or ``False``: they are "1", "2", ..."""
    encoding: Encoding = "auto"
    delimiter: str = ","
    """Of CSV."""
    sheet: str | None = None
    """Of XLSX; none: the first."""


class Place(NamedTuple):
    """How much of a file lies behind: physical lines, and bytes (unpacked ones of a gzip)."""

    line: int = 0
    byte: int = 0


START = Place()


class Row(NamedTuple):
    """One row; without a format ``cells`` is ``None`` and the bytes are all there is."""

    line: int
    """Its first physical line, from 1."""
    raw: bytes
    behind: Place
    """Where to go on once this row is dealt with."""
    cells: Cells | None
    fault: RejectedError | None


class Fingerprint(NamedTuple):
    """What a cursor remembers of its file, to notice that it stands in another one."""

    digest: str
    head: int
    """How many of the first bytes the digest covers, so that a file may grow."""
    size: int

    @classmethod
    def of(cls, path: Path, salt: bytes, head: int | None = None) -> "Fingerprint":
        """Take it; ``salt`` is whatever else a changed reading should begin anew for.

        Raises:
            FatalError: the file can't be read.
        """
        try:
            with path.open("rb") as stream:
                first = stream.read(_HEAD_BYTES if head is None else min(head, _HEAD_BYTES))
            size = path.stat().st_size
        except OSError as error:
            raise unusable(path, error) from error
        return cls(hashlib.sha256(salt + first).hexdigest()[:16], len(first), size)


class _EndlessError(Exception):
    """Nothing that is a row for too long, at this line."""


class _Line(NamedTuple):
    raw: bytes
    number: int
    end: int
    whole: bool


class RowReader:
    """Reads one file from a place on. Opens it at once; ``close`` it when done.

    Raises:
        FatalError: no such file, no right to read it, an encoding that is not supported, or a
            header that can't be read.
    """

    columns: tuple[str, ...] | None = None
    """Names of the columns, where the format knows them before the first row."""

    def __init__(self, path: Path, format: Format | None, start: Place = START) -> None:
        self._path = path
        self._format = format
        self._last = start
        self._damage: Exception | None = None
        try:
            self._stream = open_unpacked(path)
        except OSError as error:
            raise unusable(path, error) from error
        try:
            self._begin(start)
        except (*_DAMAGE, _EndlessError) as error:
            self._damage = error  # told as a row, when the rows are asked for
        except OSError as error:
            self.close()
            raise unusable(path, error) from error
        except FatalError:
            self.close()
            raise

    def close(self) -> None:
        """Give the file back."""
        self._stream.close()

    def __iter__(self) -> Iterator[Row]:
        if self._damage is None:
            try:
                for row in self._rows():
                    self._last = row.behind
                    yield row
            except (*_DAMAGE, _EndlessError) as error:
                self._damage = error
            except OSError as error:
                raise unusable(self._path, error) from error
        if isinstance(self._damage, _EndlessError):
            yield Row(
                self._last.line + 1, b"", self._last, None, _endless(self._path, self._damage)
            )
        elif self._damage is not None:
            fault = RejectedError(
                "truncated",
                say(
                    f"压缩文件 {self._path} 从第 {self._last.line + 1} 行起已损坏或不完整"
                    f"（{self._damage}），请重新取得这个文件。",
                    f"the gzip file {self._path} is damaged or cut short from line "
                    f"{self._last.line + 1} on ({self._damage}); fetch it again",
                ),
            )
            yield Row(self._last.line + 1, b"", self._last, None, fault)

    def _begin(self, start: Place) -> None:
        self.encoding, mark = _encoding(self._path, _sample(self._stream), self._format)
        begin = Place(0, mark)
        self._stream.seek(mark)
        if self._format is not None and self._format.type != "jsonl":
            begin = self._read_header(begin)
        if start > begin:
            self._stream.seek(start.byte)
            begin = start
        self._lines = _lines(self._stream, begin)

    def _read_header(self, begin: Place) -> Place:
        assert self._format is not None
        if self._format.header is False:
            return begin
        if self._format.header is not True:
            self.columns = self._format.header
            return begin
        self._lines = _lines(self._stream, begin)
        for row in self._records(None):
            if row.fault is not None or row.cells is None:
                raise FatalError(
                    say(
                        f"{self._path} 的表头（第 {row.line} 行）读不出来：{row.fault}。"
                        "请检查映射文件 [format] 的 type、delimiter 和 encoding。",
                        f"the header of {self._path} (line {row.line}) can't be read: {row.fault}; "
                        "check type, delimiter and encoding under [format] of the mapping",
                    )
                )
            self.columns = column_names([str(cell) for cell in row.cells.values()])
            # The lines were read ahead of the header only as far as the header goes.
            self._stream.seek(row.behind.byte)
            return row.behind
        return begin

    def _rows(self) -> Iterator[Row]:
        if self._format is None:
            return self._bare()
        return self._json() if self._format.type == "jsonl" else self._records(self.columns)

    def _bare(self) -> Iterator[Row]:
        for raw, number, end, whole in self._lines:
            fault = None if whole else too_large()
            if fault is not None or not raw.isspace():
                yield Row(number, raw.rstrip(b"\r\n"), Place(number, end), None, fault)

    def _json(self) -> Iterator[Row]:
        for row in self._bare():
            if row.fault is not None:
                yield row
                continue
            try:
                yield row._replace(cells=_json_object(row.raw, self.encoding))
            except RejectedError as fault:
                yield row._replace(fault=fault)

    def _records(self, columns: tuple[str, ...] | None) -> Iterator[Row]:
        assert self._format is not None
        quoted = self._format.type == "csv"
        records = _Records(self._lines, self.encoding, self._format.delimiter if quoted else None)
        while (record := records.next(len(columns) if columns else None)) is not None:
            lines, cells, fault = record
            if not cells and fault is None:
                continue  # a blank line
            raw = b"".join(line.raw for line in lines).rstrip(b"\r\n")
            behind = Place(lines[-1].number, lines[-1].end)
            names = columns or [str(place) for place in range(1, len(cells) + 1)]
            named = dict(zip(names, cells, strict=True)) if fault is None else None
            yield Row(lines[0].number, raw, behind, named, fault)


class _Records:
    """Joins physical lines to records of CSV (``delimiter``) or TSV (none)."""

    def __init__(self, lines: Iterator[_Line], encoding: str, delimiter: str | None) -> None:
        self._lines = lines
        self._returned: deque[_Line] = deque()
        self._encoding = encoding
        self._delimiter = delimiter
        # Of the whole process, and by default 128 KiB: less than a row may have.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_BYTES))

    def next(self, width: int | None) -> tuple[list[_Line], list[str], RejectedError | None] | None:
        """The next record, with its lines and what is wrong with it."""
        lines: list[_Line] = []
        undecodable: list[UnicodeDecodeError] = []
        texts = self._texts(lines, undecodable)
        fault: RejectedError | None = None
        cells: list[str] = []
        try:
            if self._delimiter is None:
                text = next(texts).rstrip("\r\n")
                cells = text.split("\t") if text.strip() else []
            else:
                cells = next(csv.reader(texts, delimiter=self._delimiter, strict=True))
        except StopIteration:
            return None
        except csv.Error as error:
            fault = RejectedError("schema", say(f"不是有效的 CSV：{error}", f"not CSV: {error}"))
        if fault is None and len(cells) > MAX_COLUMNS:
            cells, fault = [], too_many_columns(len(cells))
        if fault is None and width is not None and cells and len(cells) != width:
            fault = RejectedError(
                "schema",
                say(
                    f"这一行有 {len(cells)} 列，表头有 {width} 列",
                    f"the row has {len(cells)} columns, the header has {width}",
                ),
            )
        if not all(line.whole for line in lines):
            fault = too_large()
        if fault is not None and len(lines) > 1:
            # Perhaps a quote that was never closed swallowed good rows: give them back.
            self._returned.extendleft(reversed(lines[1:]))
            del lines[1:]
            fault = RejectedError(
                "schema",
                say("引号没有闭合，或列数不对", "an open quote, or a wrong number of columns"),
            )
        elif fault is None and undecodable:
            fault = _not_encoded(self._encoding, undecodable[0])
        return lines, cells, fault

    def _texts(self, lines: list[_Line], undecodable: list[UnicodeDecodeError]) -> Iterator[str]:
        size = 0
        while size <= MAX_ROW_BYTES:
            line = self._returned.popleft() if self._returned else next(self._lines, None)
            if line is None:
                return
            lines.append(line)
            size += len(line.raw)
            try:
                yield line.raw.decode(self._encoding)
            except UnicodeDecodeError as error:
                undecodable.append(error)
                # Where the quotes stand is needed all the same, to know where the record ends.
                yield line.raw.decode(self._encoding, "replace")


def open_unpacked(path: Path) -> BinaryIO:
    """Open a file, plain or gzip."""
    with path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if packed else path.open("rb")


def _sample(stream: BinaryIO) -> bytes:
    pieces: list[bytes] = []
    try:
        while len(pieces) < _SAMPLE_PIECES and (piece := stream.read(_SAMPLE_PIECE_BYTES)):
            pieces.append(piece)
    except _DAMAGE:
        pass  # a gzip cut short: its rows come first, then it is told
    return b"".join(pieces)


def _lines(stream: BinaryIO, start: Place = START) -> Iterator[_Line]:
    number, end = start
    blank = 0
    while raw := stream.readline(MAX_ROW_BYTES + 1):
        number += 1
        end += len(raw)
        whole = len(raw) <= MAX_ROW_BYTES or raw.endswith(b"\n")
        if not whole:
            raw = raw[:KEPT_BYTES]
            skipped = 0
            while piece := stream.readline(1024 * 1024):
                end += len(piece)
                skipped += len(piece)
                if skipped > MAX_LINE_BYTES:
                    raise _EndlessError(number)
                if piece.endswith(b"\n"):
                    break
        blank = blank + 1 if len(raw) <= 2 and raw.isspace() else 0
        if blank > MAX_BLANK_LINES:
            raise _EndlessError(number)
        yield _Line(raw, number, end, whole)


def _json_object(raw: bytes, encoding: str) -> Cells:
    try:
        cells = orjson.loads(raw if encoding == "utf-8" else raw.decode(encoding))
    except UnicodeDecodeError as error:
        raise _not_encoded(encoding, error) from error
    except orjson.JSONDecodeError as error:
        try:
            raw.decode(encoding)
        except UnicodeDecodeError as undecodable:
            raise _not_encoded(encoding, undecodable) from error
        raise RejectedError(
            "json", say(f"不是有效的 JSON：{error}", f"not valid JSON: {error}")
        ) from error
    if not isinstance(cells, dict):
        raise RejectedError(
            "schema",
            say(
                f"这一行是 {type(cells).__name__}，不是 JSON 对象",
                f"the row is a {type(cells).__name__}, not a JSON object",
            ),
        )
    return cells


def _encoding(path: Path, sample: bytes, format: Format | None) -> tuple[str, int]:
    """The encoding, and how many bytes its byte order mark takes."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise FatalError(
            say(
                f"{path} 是 UTF-16 编码，暂不支持；请另存为 UTF-8 或 GB18030。",
                f"{path} is UTF-16, which is not supported; save it as UTF-8 or GB18030",
            )
        )
    if sample.startswith(codecs.BOM_UTF8):
        return "utf-8", len(codecs.BOM_UTF8)
    if format is None:
        return "utf-8", 0
    if format.encoding != "auto":
        return format.encoding, 0
    # By majority of lines: one broken line must not turn a UTF-8 file into a GB18030 one, and one
    # short GB18030 line that happens to be valid UTF-8 must not do the opposite. UTF-8 is asked
    # first, because most UTF-8 is also valid (nonsensical) GB18030.
    votes = 0
    for line in sample.split(b"\n"):
        if not line.isascii():
            votes += 1 if _decodes(line, "utf-8") else -1 if _decodes(line, "gb18030") else 0
    return ("utf-8" if votes >= 0 else "gb18030"), 0


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(line)  # the sample's end may cut a sign
    except UnicodeDecodeError:
        return False
    return True


def column_names(header: list[str]) -> tuple[str, ...]:
    """Without spaces around; the second ``name`` is called ``name#2``."""
    names: dict[str, None] = {}
    times: Counter[str] = Counter()
    for cell in header:
        name = unused = cell.strip()
        times[name] += 1
        while unused in names:
            times[name] += unused != name  # "name#2" may stand in the header itself
            unused = f"{name}#{max(2, times[name])}"
        names[unused] = None
    return tuple(names)


def _not_encoded(encoding: str, error: UnicodeDecodeError) -> RejectedError:
    name = encoding.upper()
    return RejectedError(
        "encoding",
        say(
            f"第 {error.start + 1} 个字节起不是有效的 {name}",
            f"not valid {name} from byte {error.start + 1} on",
        ),
    )


def too_many_columns(found: int) -> RejectedError:
    """The fault of a row of so many columns."""
    return RejectedError(
        "schema",
        say(
            f"这一行有 {found} 列，最多 {MAX_COLUMNS} 列",
            f"the row has {found} columns, at most {MAX_COLUMNS} are read",
        ),
    )


def too_large() -> RejectedError:
    """The fault of a row beyond ``MAX_ROW_BYTES``."""
    return RejectedError(
        "too_large",
        say(
            f"这一行超过 {MAX_ROW_BYTES // 2**20} MiB，只保留了前 {KEPT_BYTES // 1024} KiB",
            f"the row is larger than {MAX_ROW_BYTES // 2**20} MiB; "
            f"its first {KEPT_BYTES // 1024} KiB are kept",
        ),
    )


def _endless(path: Path, error: _EndlessError) -> RejectedError:
    return RejectedError(
        "too_large",
        say(
            f"文件 {path} 第 {error} 行起不再是数据（一行超过 {MAX_LINE_BYTES // 2**20} MiB，或连续"
            f"超过 {MAX_BLANK_LINES} 个空行），后面的没有读；请检查这个文件。",
            f"from line {error} on the file {path} holds no rows (a line of more than "
            f"{MAX_LINE_BYTES // 2**20} MiB, or more than {MAX_BLANK_LINES} blank lines); what "
            "follows was not read: check the file",
        ),
    )


def unusable(path: Path, error: OSError) -> FatalError:
    """What to say of a file that can't be read."""
    if isinstance(error, FileNotFoundError):
        return FatalError(
            say(
                f"没有文件 {path}，请检查路径。",
                f"there is no file {path}; check the path",
            )
        )
    why = unread(error)
    return FatalError(say(f"无法读取文件 {path}：{why}。", f"the file {path} can't be read: {why}"))
