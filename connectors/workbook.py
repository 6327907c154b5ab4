"""How much a workbook holds, found out before anything of it is kept in memory."""

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO
from xml.parsers import expat

from connectors.rows import unusable
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["DAMAGE", "check_size", "short"]

MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_TEXTS_BYTES = 64 * 1024 * 1024
MAX_PARTS = 2_000
#: XML of honest sheets packs to a twentieth; a bomb to a thousandth.
_MAX_RATIO = 200
_SMALL_BYTES = 8 * 1024 * 1024
MAX_ROWS = 1_048_576
"""As many as a spreadsheet program takes."""
MAX_STRETCH_BYTES = 16 * 1024 * 1024
"""From the start of a row to that of the next: so much XML is a tree in memory at a time."""
_PIECE_BYTES = 64 * 1024
_OLD_EXCEL = b"\xd0\xcf\x11\xe0"
#: What openpyxl and the parsers below it raise on a workbook that is damaged or made up.
DAMAGE = (
    zipfile.BadZipFile,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    IndexError,
    SyntaxError,  # of XML
    EOFError,
    NotImplementedError,
    RuntimeError,
    OverflowError,
    AssertionError,
    zlib.error,
    expat.ExpatError,
)


def check_size(path: Path) -> None:
    """Refuse, before it is unpacked, what would fill the memory; zipfile holds it to its word."""
    try:
        with path.open("rb") as stream:
            old = stream.read(4) == _OLD_EXCEL
        if old:
            raise FatalError(
                say(
                    f"{path} 是旧的 .xls 或加密的工作簿；请另存为不加密的 .xlsx。",
                    f"{path} is an old .xls or an encrypted workbook; save it as plain .xlsx",
                )
            )
        with zipfile.ZipFile(path) as parts:
            found = parts.infolist()
            if not _is_too_much(found):
                for part in found:
                    if _is_sheet(part):
                        with parts.open(part) as stream:
                            _check_rows(stream)
                return
    except OSError as error:
        raise unusable(path, error) from error
    except DAMAGE as error:
        raise FatalError(
            say(
                f"{path} 不是 XLSX 工作簿（{short(error)}）。",
                f"{path} is no XLSX workbook ({short(error)})",
            )
        ) from error
    unpacked = sum(part.file_size for part in found)
    raise FatalError(
        say(
            f"{path} 解开后有 {unpacked // 2**20} MiB，太大；请分成几个文件，或另存为 CSV UTF-8。",
            f"{path} unpacks to {unpacked // 2**20} MiB, which is too much; split it, or save "
            "it as CSV UTF-8",
        )
    )


def _is_too_much(parts: Sequence[zipfile.ZipInfo]) -> bool:
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    # All but the sheets is read into memory as a whole.
    others = sum(part.file_size for part in parts if not _is_sheet(part))
    return (
        len(parts) > MAX_PARTS
        or unpacked > MAX_UNPACKED_BYTES
        or others > MAX_TEXTS_BYTES
        or unpacked > max(_SMALL_BYTES, packed * _MAX_RATIO)
    )


def _is_sheet(part: zipfile.ZipInfo) -> bool:
    return "worksheets/" in part.filename.lower() and part.filename.lower().endswith(".xml")


def _check_rows(stream: IO[bytes]) -> None:
    """Look through a sheet without keeping it.

    Raises:
        ValueError: too many rows, or too much of something else between two of them.
    """
    parser = expat.ParserCreate()
    rows = begun = fed = 0

    def start(name: str, _: object) -> None:
        nonlocal rows, begun
        if name.rpartition(":")[2] == "row":
            rows += 1
            begun = parser.CurrentByteIndex

    def entity(*_: object) -> None:
        raise ValueError(say("含有 XML 实体", "it holds XML entities"))

    parser.StartElementHandler = start
    parser.EntityDeclHandler = entity
    while piece := stream.read(_PIECE_BYTES):
        parser.Parse(piece)
        fed += len(piece)
        if rows > MAX_ROWS or fed - begun > MAX_STRETCH_BYTES:
            raise ValueError(say("行数太多，或一行太大", "too many rows, or too large a one"))
    parser.Parse(b"", True)


def short(error: BaseException) -> str:
    """The kind of an error and the start of its message."""
    return f"{type(error).__name__}: {error}"[:120]
