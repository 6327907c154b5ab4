"""One recording, read as drafts: through a mapping, or as our own recordings stand.

What ``file`` and ``replay`` share: rows to drafts, the text of a thread's root for its reposts,
how a cursor tells whether the recording is still the same, and which times are to be believed.
"""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from connectors.base import Cursor, Unreadable
from connectors.mapping import RowMapping
from connectors.mapping_file import check_columns
from connectors.rows import START, Cells, Fingerprint, Place, Row
from connectors.sheet import is_workbook, open_rows
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft

__all__ = [
    "EARLIEST",
    "MAX_BATCH_BYTES",
    "MAX_ROOTS",
    "DraftReader",
    "Item",
    "identify",
    "plausible",
]

MAX_BATCH_BYTES = 8 * 1024 * 1024
"""A batch ends when its rows have this size, however few they are."""
MAX_ROOTS = 50_000
"""Roots whose text is kept for the reposts that follow."""

EARLIEST = datetime(2005, 1, 1, tzinfo=UTC)
"""Older than any platform that is listened to."""


def plausible(published_at: datetime, now: datetime) -> bool:
    """Whether a recording's clock may believe this time: one of 1970 or 2099 must not move it."""
    return EARLIEST <= published_at <= now


def identify(
    connector: str, path: Path, mapping: RowMapping | None, cursor: Cursor, *, may_grow: bool
) -> tuple[dict[str, str | int], bool]:
    """What a cursor must say of this recording, and whether the given cursor does.

    Another connector, path or mapping, other first bytes or a shorter file: another recording.

    Raises:
        FatalError: the file can't be read.
    """
    salt = connector.encode() + (mapping.digest if mapping is not None else b"")
    head, size = cursor.get("head"), cursor.get("size")
    then = Fingerprint.of(path, salt, head if isinstance(head, int) else None)
    same = (
        isinstance(head, int)
        and cursor.get("path") == str(path)
        and cursor.get("fingerprint") == then.digest
        and isinstance(size, int)
        # A workbook that grew was packed anew.
        and (then.size >= size if may_grow and not is_workbook(path) else then.size == size)
    )
    now = Fingerprint.of(path, salt)
    fields: dict[str, str | int] = {
        "path": str(path),
        "fingerprint": now.digest,
        "head": now.head,
        "size": now.size,
    }
    return fields, same


class Item(NamedTuple):
    """A row and what it became; ``None`` for one that lies before the start."""

    row: Row
    draft: PostDraft | Unreadable | None


class DraftReader:
    """Reads the drafts of one recording, in order, from a place on; ``close`` it when done.

    Without a mapping each line is the JSON line of a draft.

    Raises:
        FatalError: the file can't be read or lacks a column that the mapping names.
    """

    def __init__(
        self, path: Path, mapping: RowMapping | None, source: str, start: Place = START
    ) -> None:
        self._mapping = mapping
        self._join = mapping.join if mapping is not None else None
        self._source = source
        self._start = start
        self._roots: OrderedDict[str, str] = OrderedDict()
        # Roots stand before the start too: a restart must join the same texts.
        begin = START if self._join is not None else start
        self._rows = open_rows(path, mapping.format if mapping is not None else None, begin)
        if mapping is not None and self._rows.columns is not None:
            try:
                check_columns(mapping, self._rows.columns, path)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """Give the file back."""
        self._rows.close()

    def __iter__(self) -> Iterator[Item]:
        for row in self._rows:
            root_text = self._root_text(row.cells) if row.cells is not None else None
            if row.line <= self._start.line:
                yield Item(row, None)
                continue
            try:
                yield Item(row, self._draft(row, root_text))
            except RejectedError as error:
                yield Item(row, Unreadable(row.line, row.raw, error.kind, str(error)))

    def _draft(self, row: Row, root_text: str | None) -> PostDraft:
        if row.fault is not None:
            raise row.fault
        if self._mapping is None:
            return _recorded(row.raw)
        assert row.cells is not None
        return self._mapping.draft(row.cells, self._source, root_text)

    def _root_text(self, cells: Cells) -> str | None:
        join = self._join
        if join is None:
            return None
        root = cells.get(join.by)
        if root:
            return self._roots.get(str(root))
        text = cells.get(join.text)
        if isinstance(text, str):
            self._roots[str(cells.get(join.key))] = text
            if len(self._roots) > MAX_ROOTS:
                self._roots.popitem(last=False)
        return None


def _recorded(line: bytes) -> PostDraft:
    try:
        return PostDraft.from_line(line)
    except RejectedError as error:
        try:
            line.decode()
        except UnicodeDecodeError as undecodable:
            at = undecodable.start + 1
            raise RejectedError(
                "encoding",
                say(f"第 {at} 个字节起不是有效的 UTF-8", f"not valid UTF-8 from byte {at} on"),
            ) from error
        raise
