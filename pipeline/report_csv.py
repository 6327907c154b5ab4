"""Tables of a report as CSV files that spreadsheet programs open as they are.

UTF-8 with a byte order mark, without which Excel shows Chinese as noise; times in the zone given.
A cell that begins like a formula gets an apostrophe in front: what strangers wrote must not be
computed on the reader's machine.
"""

import csv
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from zoneinfo import ZoneInfo

from pipeline.report_tables import Cell, Column, Table
from processors.changes import Change
from schemas.language import say

__all__ = ["csv_bytes"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def csv_bytes(table: Table, zone: ZoneInfo) -> bytes:
    """The whole file."""
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow([title for column in table.columns for title in _titles(column)])
    for row in table.rows:
        cells = zip(table.columns, row, strict=True)
        writer.writerow([value for column, cell in cells for value in _values(column, cell, zone)])
    return out.getvalue().encode("utf-8-sig")


def _titles(column: Column) -> Iterator[str]:
    yield column.title
    if column.kind == "change":
        yield column.title + say("（上期）", " (before)")
        yield column.title + say("（变化 %）", " (change %)")
        yield column.title + say("（可能是偶然）", " (may be chance)")


def _values(column: Column, cell: Cell, zone: ZoneInfo) -> Iterator[str]:
    if isinstance(cell, Change):
        yield str(cell.now)
        yield "" if cell.before is None else str(cell.before)
        yield "" if cell.percent is None else f"{cell.percent:.1f}"
        yield say("是", "yes") if cell.by_chance else ""
    elif cell is None:
        yield from [""] * len(list(_titles(column)))
    elif isinstance(cell, datetime):
        yield f"{cell.astimezone(zone):%Y-%m-%d %H:%M}"
    elif isinstance(cell, str):
        yield "'" + cell if cell.startswith(_FORMULA) else cell
    else:
        yield f"{cell:.4f}" if column.kind == "share" else str(cell)
