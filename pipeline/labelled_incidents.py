"""Incidents that people know of, from a CSV file: ``brand,start,end`` and, if wanted, ``kind``.

::

    brand,start,end,kind
    qilan,2026-10-15 09:41,2026-10-17 23:35,crisis

A time without an offset is the settings' zone's; ``end`` may be empty (a day after the start), and
a date alone is its midnight. An empty kind fits any alarm.
"""

import csv
from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import get_args

from processors.alarms import Labelled
from schemas.errors import FatalError
from schemas.incident import IncidentKind
from schemas.language import say
from schemas.small_file import read_small, unread

__all__ = ["read_labelled"]

USUAL_LENGTH = timedelta(days=1)
_COLUMNS = ("brand", "start", "end", "kind")


def read_labelled(path: Path, zone: tzinfo) -> list[Labelled]:
    """The incidents of a file, in its order.

    Raises:
        FatalError: it can't be read, lacks a column, or a row says nothing; names the line.
    """
    try:
        text = read_small(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _refused(path, say("不是 UTF-8", "it is no UTF-8")) from None
    except OSError as error:
        raise _refused(path, unread(error)) from None
    except ValueError as error:
        raise _refused(path, str(error)) from None
    rows = csv.DictReader(text.splitlines())
    names = rows.fieldnames or []
    unknown = [name for name in names if name not in _COLUMNS]
    if unknown or not {"brand", "start"} <= set(names):
        is_now = ",".join(names) or say("空的", "empty")
        raise _refused(
            path,
            say(
                f"第一行要写列名 brand,start,end,kind（后两个可省），现在是 {is_now}",
                "its first line must name the columns brand,start,end,kind (the last two may be "
                f"left out), but is {is_now}",
            ),
        )
    found = []
    for row in rows:
        try:
            found.append(_labelled(row, zone))
        except ValueError as error:
            line = rows.line_num
            raise _refused(path, say(f"第 {line} 行：{error}", f"line {line}: {error}")) from None
    if not found:
        raise _refused(path, say("里面没有事件", "it holds no incident"))
    return found


def _labelled(row: Mapping[str | None, str | None], zone: tzinfo) -> Labelled:
    if None in row:
        raise ValueError(say("列太多", "it has too many columns"))
    brand = (row.get("brand") or "").strip()
    if not brand:
        raise ValueError(say("缺 brand", "brand is missing"))
    start = _time("start", row.get("start"), zone)
    if start is None:
        raise ValueError(say("缺 start", "start is missing"))
    end = _time("end", row.get("end"), zone) or start + USUAL_LENGTH
    if end < start:
        raise ValueError(say("end 早于 start", "end is before start"))
    kind = (row.get("kind") or "").strip() or None
    if kind is not None and kind not in get_args(IncidentKind):
        known = ", ".join(get_args(IncidentKind))
        raise ValueError(
            say(f"没有 {kind} 这种事件；可用：{known}", f"there is no kind {kind}; known: {known}")
        )
    return Labelled(brand, start, end, kind)


def _time(column: str, value: str | None, zone: tzinfo) -> datetime | None:
    if not (value or "").strip():
        return None
    try:
        at = datetime.fromisoformat((value or "").strip())
    except ValueError:
        raise ValueError(
            say(
                f"{column} 看不懂 {value}，请写成 2026-10-15 09:41",
                f"{column} cannot read {value}; write 2026-10-15 09:41",
            )
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _refused(path: Path, why: str) -> FatalError:
    return FatalError(
        say(f"标注文件 {path} 用不了：{why}。", f"Labels {path} cannot be used: {why}.")
    )
