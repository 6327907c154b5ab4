"""Times as forums show them to readers: relative, without a year, in the site's own zone."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from email.utils import parsedate_to_datetime

from connectors.cells import time_reader
from schemas.language import say

__all__ = ["read_local_time"]

_MOST_LETTERS = 100
_NOW = ("刚刚", "刚才", "剛剛", "剛才")
_UNITS = {
    "秒": 1,
    "秒钟": 1,
    "分": 60,
    "分钟": 60,
    "小时": 3_600,
    "个小时": 3_600,
    "天": 86_400,
    "周": 604_800,
}
_AGO = re.compile(r"(\d{1,4}|半)\s*(秒钟?|分钟?|个?小时|天|周)\s*前")
_DAYS = {"今天": 0, "昨天": 1, "前天": 2}
_DAY = re.compile(r"(?:(今天|昨天|前天)\s*)?(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?")
_NO_YEAR = re.compile(r"(\d{1,2})[-/月](\d{1,2})日?\s*(\d{1,2})[:：](\d{2})(?:[:：](\d{2}))?")


def read_local_time(text: str, now: datetime, zone: tzinfo) -> datetime:
    """The instant that a forum's time means, in UTC, read at ``now``.

    Takes ``刚刚``, ``半小时前``, ``3 分钟前``, ``昨天 22:05``, ``08:00``, ``11-23 08:00``,
    ``2026-11-23 08:00`` and what feeds write; ``zone`` is that of times that name none. What is
    relative is as exact as it was written: the same words a minute later mean another time.

    Raises:
        ValueError: no such time.
    """
    written = " ".join(text.split())
    if not written or len(written) > _MOST_LETTERS:
        raise ValueError(_no_time())
    local = now.astimezone(zone).replace(microsecond=0)
    try:
        found = _relative(written, local) or _dated(written, local)
        if found is None:
            found = _of_a_feed(written) or time_reader("auto", zone)(written)
        return (found if found.tzinfo is not None else found.replace(tzinfo=zone)).astimezone(UTC)
    except (OverflowError, ValueError) as error:
        raise ValueError(_no_time()) from error


def _relative(written: str, local: datetime) -> datetime | None:
    if written in _NOW:
        return local
    if ago := _AGO.fullmatch(written):
        amount = 0.5 if ago[1] == "半" else int(ago[1])
        return local - timedelta(seconds=amount * _UNITS[ago[2]])
    if (day := _DAY.fullmatch(written)) is None:
        return None
    date = local.date() - timedelta(days=_DAYS[day[1] or "今天"])
    hour, minute, second = (int(part or 0) for part in day.groups()[1:])
    return datetime(date.year, date.month, date.day, hour, minute, second, tzinfo=local.tzinfo)


def _dated(written: str, local: datetime) -> datetime | None:
    """A date without a year: the last such day; a clock that runs a day ahead is forgiven."""
    if (day := _NO_YEAR.fullmatch(written)) is None:
        return None
    month, date, hour, minute, second = (int(part or 0) for part in day.groups())
    for year in (local.year + 1, local.year, local.year - 1):
        try:
            found = datetime(year, month, date, hour, minute, second, tzinfo=local.tzinfo)
        except ValueError:  # 29 February, of a year that has none
            continue
        if found <= local + timedelta(days=1):
            return found
    raise ValueError(_no_time())


def _of_a_feed(written: str) -> datetime | None:
    """As RSS has them (``Mon, 23 Nov 2026 08:00:00 +0800``)."""
    try:
        return parsedate_to_datetime(written) if written[:1].isalpha() else None
    except ValueError:
        return None


def _no_time() -> str:
    return say("不是认得的时间", "not a time that is known")
