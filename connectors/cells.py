"""Cells of a row become values of a post: ids, counts, times.

Every function takes what a CSV or JSON cell can hold and raises ``ValueError`` with half a sentence
for a person ("不是整数") when that is no such value. Nothing is guessed.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from schemas.language import say

__all__ = [
    "as_count",
    "as_flag",
    "as_media",
    "as_number",
    "as_text",
    "as_word",
    "time_reader",
    "time_zone",
]

# With the plus sign that spreadsheets write: without it, 1e234567 may be an honest hexadecimal id.
_SCIENTIFIC = re.compile(r"\d(?:\.\d+)?[eE]\+\d+")
# What platforms show instead of a large number.
_SHORT_COUNT = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([千万亿])\+?|(\d{1,9})\+", re.ASCII)
_SHORT_UNITS = {"千": 1_000, "万": 10_000, "亿": 100_000_000}
_FLAGS = {
    **dict.fromkeys(("1", "true", "yes", "y", "t", "是", "真"), True),
    **dict.fromkeys(("0", "false", "no", "n", "f", "否", "假"), False),
}
_DATE = re.compile(
    r"(\d{4})\s*[-/.年]\s*(\d{1,2})\s*[-/.月]\s*(\d{1,2})\s*日?"
    r"(?:[T ]?\s*(\d{1,2})[:：时](\d{1,2})(?:[:：分](\d{1,2})秒?|分)?)?"
)
_WEIBO_TIME = "%a %b %d %H:%M:%S %z %Y"
# Beyond this many seconds (the year 5138) a bare number must be milliseconds.
_MOST_SECONDS = 100_000_000_000
_MOST_TIME_LETTERS = 100


def as_text(value: object) -> str:
    """Text, exactly as it stands."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError(say("不是文字", "not a text"))


def as_word(value: object) -> str:
    """An id, a name of a kind, an address: text without spaces around.

    A number in scientific notation is refused: a spreadsheet rounded the id.
    """
    if isinstance(value, float):
        if value.is_integer() and abs(value) <= 2**53:
            return str(int(value))
        raise ValueError(
            say("是小数或位数过多的数字，请以文字导出", "a fraction or rounded; export it as text")
        )
    word = as_text(value).strip()
    if "+" in word and _SCIENTIFIC.fullmatch(word):
        raise ValueError(
            say(
                "是科学计数法，数字已被舍入，请以文字导出", "scientific notation; export it as text"
            )
        )
    return word


def as_count(value: object) -> int:
    """A whole number; ``1,234`` and ``12.0`` are whole numbers too, and so is ``1.2万+``."""
    if isinstance(value, str) and (short := _SHORT_COUNT.fullmatch(value.strip())):
        return int(short[3] or round(float(short[1]) * _SHORT_UNITS[short[2]]))
    number = value if isinstance(value, int) and not isinstance(value, bool) else as_number(value)
    if number != int(number):
        raise ValueError(say("不是整数", "not a whole number"))
    return int(number)


def as_number(value: object) -> float:
    """A finite number."""
    try:
        number = float(value.replace(",", "") if isinstance(value, str) else as_text(value))
    except ValueError as error:
        raise ValueError(say("不是数字", "not a number")) from error
    if not abs(number) < float("inf"):
        raise ValueError(say("不是有限的数字", "not a finite number"))
    return number


def as_flag(value: object) -> bool:
    """Yes or no, in the usual spellings."""
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word not in _FLAGS:
        raise ValueError(say("不是“是/否”", "not a yes or no"))
    return _FLAGS[word]


_MEDIA = {
    **dict.fromkeys(("image", "picture", "photo", "图片"), "image"),
    **dict.fromkeys(("video", "视频"), "video"),
    **dict.fromkeys(("audio", "voice", "音频", "语音"), "audio"),
    **dict.fromkeys(("file", "attachment", "附件", "文件"), "file"),
}


def as_media(value: object) -> tuple[str, ...]:
    """What a post shows besides text, as one word or several with commas between."""
    words = [word for word in re.split(r"[,，、;；|\s]+", as_text(value).strip().lower()) if word]
    unknown = [word for word in words if word not in _MEDIA]
    if unknown or not words:
        raise ValueError(
            say(
                "不是 image、video、audio 或 file（图片、视频、音频、附件）",
                "none of image, video, audio, file",
            )
        )
    return tuple(dict.fromkeys(_MEDIA[word] for word in words))


def time_zone(name: str) -> tzinfo:
    """The zone of times that name none: ``Asia/Shanghai``, ``UTC``, ``+08:00``, ...

    Raises:
        ValueError: no such zone.
    """
    if name == "Asia/Shanghai":
        # Exact since 1992, and needs no time zone database (slim images have none).
        return timezone(timedelta(hours=8), name)
    if offset := re.fullmatch(r"([+-])([01]\d|2[0-3]):([0-5]\d)", name):
        sign, hours, minutes = offset.groups()
        span = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-span if sign == "-" else span)
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (OSError, LookupError, ValueError) as error:
        raise ValueError(
            say(f"没有时区 {name!r}，例如 Asia/Shanghai 或 +08:00", f"no time zone {name!r}")
        ) from error


def time_reader(format: str, zone: tzinfo) -> Callable[[object], datetime]:
    """A function from a cell to UTC, for a format of the mapping.

    ``auto`` takes ISO 8601, dates that are not padded or written with 年月日, Weibo's
    ``Wed Apr 18 14:00:30 +0800 2012``, and Unix seconds or milliseconds.

    Raises:
        ValueError: no such format.
    """
    if format == "auto":
        return lambda value: _utc(_guess(value, zone), zone)
    if format == "iso":
        return lambda value: _utc(_iso(_short(as_word(value))), zone)
    if format in ("unix", "unix_ms"):
        scale = 1 if format == "unix" else 1000
        return lambda value: _unix(as_number(value) / scale)
    if "%" in format:
        return lambda value: _utc(_pattern(_short(as_word(value)), format), zone)
    raise ValueError(
        say(
            f"时间格式 {format!r} 不认识，可用 auto、iso、unix、unix_ms 或 %Y-%m-%d 这样的格式",
            f"time format {format!r} is unknown; use auto, iso, unix, unix_ms or one like %Y-%m-%d",
        )
    )


def _guess(value: object, zone: tzinfo) -> datetime:
    if isinstance(value, int | float):
        return _unix_guess(as_number(value))
    text = _short(as_word(value))
    digits = text.replace(".", "", 1).removeprefix("-")
    if digits.isascii() and digits.isdigit():
        if len(text) == 8 and digits == text:
            return _pattern(text, "%Y%m%d")
        if len(text) == 14 and digits == text:
            return _pattern(text, "%Y%m%d%H%M%S")
        return _unix_guess(float(text))
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    if parts := _DATE.fullmatch(text):
        numbers = [int(part or 0) for part in parts.groups()]
        try:
            return datetime(*numbers, tzinfo=zone)  # type: ignore[arg-type,misc]
        except ValueError as error:
            raise ValueError(_no_time()) from error
    return _pattern(text, _WEIBO_TIME)


def _short(text: str) -> str:
    """No time is that long, and the patterns would try every way to split its spaces."""
    if len(text) > _MOST_TIME_LETTERS:
        raise ValueError(_no_time())
    return text


def _unix_guess(number: float) -> datetime:
    return _unix(number if abs(number) < _MOST_SECONDS else number / 1000)


def _unix(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(_no_time()) from error


def _iso(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(_no_time()) from error


def _pattern(text: str, format: str) -> datetime:
    try:
        return datetime.strptime(text, format)  # noqa: DTZ007 - _utc gives it the mapping's zone
    except (ValueError, re.error) as error:
        raise ValueError(_no_time()) from error


def _utc(time: datetime, zone: tzinfo) -> datetime:
    try:
        return (time if time.tzinfo is not None else time.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError as error:  # within hours of the years 1 and 9999
        raise ValueError(_no_time()) from error


def _no_time() -> str:
    return say("不是认得的时间", "not a time in the mapping's format")
