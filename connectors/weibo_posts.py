"""Weibo's JSON objects become drafts: statuses, reposts, comments, and what deletions leave.

Shared by ``weibo`` and ``weibo-push``. Nothing is taken for granted: numbers come as strings, users
and times are missing where a post was deleted or limited, the long text is a string or an object.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from html import unescape
from typing import Any

from pydantic import ValidationError

from connectors.html_text import html_to_text
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import MAX_TEXT, Author, Engagement, PostDraft
from schemas.record import explain

__all__ = [
    "UNKNOWN_AUTHOR",
    "Remembered",
    "base62",
    "is_deleted",
    "is_public",
    "native_id",
    "needs_long_text",
    "read_comment",
    "read_count",
    "read_status",
    "read_time",
]

UNKNOWN_AUTHOR = "unknown"
"""Author of a post whose user the platform no longer tells."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")
_TIME = re.compile(
    r"[A-Za-z]{3} ([A-Za-z]{3}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2}) (\d{4})"
)
# Not strptime: its names of months follow the locale of the process.
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_COUNT = re.compile(r"(\d{1,16})(\.\d{1,8})?(万|亿)?\+?")
_UNITS = {None: 1, "万": 10_000, "亿": 100_000_000}
_MOST_COUNT = 2**53
_GONE = re.compile(r"(?:抱歉，)?[此该]条?(?:微博|评论)已被(?:原?作者)?删除.{0,60}", re.DOTALL)
_HTML = re.compile(r"<(?:a|br|img|span|p|div|i)\b[^<>]*>", re.IGNORECASE)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_FROM = re.compile(r"(?:发布于|来自)\s*")
_PLAIN_REGION = re.compile(r"来自\s*([\u4e00-\u9fff ]{2,20})")
_PICTURES = ("pic_ids", "pic_urls", "thumbnail_pic", "original_pic")
_PICTURES_ONLY = "分享图片"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a post that the platform may tell nothing about once it is deleted."""

    author_id: str
    published_at: datetime
    root_id: str | None = None
    """Native id of the root of a repost; None for an original."""


def read_status(
    item: Any, source: str, at: datetime, *, known: Remembered | None = None, deleted: bool = False
) -> PostDraft:
    """A status as a draft; ``at`` and ``known`` stand in for what a deleted one lacks.

    Raises:
        RejectedError: no such status; ``mapping``, ``schema`` or ``too_large``.
    """
    status = _object(item)
    native = _need_id(status)
    gone = deleted or is_deleted(status)
    user = status.get("user")
    author = _author(user, known)
    root = status.get("retweeted_status")
    root_id = native_id(root) if isinstance(root, dict) else (known and known.root_id)
    parent_id = _first_id(status, "pidstr", "pid") or root_id
    return _draft(
        {
            "id": f"weibo:{native}",
            "platform": "weibo",
            "kind": "repost" if root_id else "post",
            "text": _text(status, gone),
            "author": author,
            "published_at": _published(status, gone, at, known),
            "parent_id": f"weibo:{parent_id}" if root_id else None,
            "root_id": f"weibo:{root_id}" if root_id else None,
            "root_text": _root_text(root),
            "engagement": _engagement(status, "attitudes_count"),
            "region": _region(status, user),
            "media": ("image",) if any(status.get(name) for name in _PICTURES) else None,
            "url": _address(author.id, status, native),
            "source": source,
            "deleted": gone,
        }
    )


def read_comment(
    item: Any, source: str, at: datetime, *, status_id: str = "", deleted: bool = False
) -> PostDraft:
    """A comment as a draft; ``status_id`` is what it comments where the answer does not repeat it.

    Raises:
        RejectedError: no such comment; ``mapping``, ``schema`` or ``too_large``.
    """
    comment = _object(item)
    native = _need_id(comment)
    gone = deleted or is_deleted(comment)
    status = comment.get("status")
    user = comment.get("user")
    root_id = (native_id(status) if isinstance(status, dict) else "") or status_id
    if not root_id and not gone:
        raise RejectedError(
            "mapping", say("评论没有说明所评论的微博", "the comment does not say what it comments")
        )
    target = comment.get("reply_comment")
    target_id = native_id(target) if isinstance(target, dict) else ""
    if not target_id:
        target_id = _first_id(comment, "rootidstr", "rootid")
    if target_id == native:
        target_id = ""
    parent_id = target_id or root_id
    return _draft(
        {
            "id": f"weibo:{native}",
            "platform": "weibo",
            "kind": "reply" if target_id else "comment",
            "text": _text(comment, gone),
            "author": _author(user, None),
            "published_at": _published(comment, gone, at, None),
            "parent_id": f"weibo:{parent_id}" if parent_id else None,
            "root_id": f"weibo:{root_id}" if root_id else None,
            "root_text": _root_text(status),
            "engagement": _engagement(comment, "like_count", "like_counts"),
            "region": _region(comment, user),
            "url": _status_address(status),
            "source": source,
            "deleted": gone,
        }
    )


def native_id(item: Mapping[str, Any]) -> str:
    """The platform's id as a string; empty where there is none."""
    return _first_id(item, "idstr", "id", "mid")


def base62(mid: str) -> str:
    """The short form of an id that addresses use (``z0JH2lOMb``); empty for what is no number."""
    if not (mid.isascii() and mid.isdigit()):
        return ""
    groups = []
    while mid:
        mid, group = mid[:-7], int(mid[-7:])
        short = ""
        while group:
            group, digit = divmod(group, 62)
            short = _DIGITS[digit] + short
        groups.append(short.rjust(4, "0") if mid else short or "0")
    return "".join(reversed(groups))


def read_time(value: Any) -> datetime:
    """``Tue May 31 17:46:55 +0800 2011``, whatever the locale.

    Raises:
        ValueError: not such a time.
    """
    parts = _TIME.fullmatch(value) if isinstance(value, str) else None
    if parts is None or parts[1] not in _MONTHS:
        raise ValueError(say("不是微博的时间格式", "not a time as Weibo writes it"))
    month = _MONTHS.index(parts[1]) + 1
    day, hour, minute, second = (int(parts[at]) for at in (2, 3, 4, 5))
    offset = timedelta(hours=int(parts[7]), minutes=int(parts[8]))
    try:
        zone = timezone(-offset if parts[6] == "-" else offset)
        local = datetime(int(parts[9]), month, day, hour, minute, second, tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(say("没有这个时间", "there is no such time")) from error


def read_count(value: Any) -> int | None:
    """A counter: ``12``, ``"12"``, ``"1.2万"``, ``"100万+"``; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value <= _MOST_COUNT else None
    parts = _COUNT.fullmatch(value.strip().replace(",", "")) if isinstance(value, str) else None
    if parts is None:
        return None
    count = round(float(parts[1] + (parts[2] or "")) * _UNITS[parts[3]])
    return count if count <= _MOST_COUNT else None


def is_deleted(item: Mapping[str, Any]) -> bool:
    """Whether only a notice is left of it."""
    if _is_yes(item.get("deleted")):
        return True
    text = item.get("text")
    return isinstance(text, str) and _GONE.fullmatch(text.strip()[:200]) is not None


def is_public(item: Any) -> bool:
    """False for a post that its author shows to friends or a group only."""
    visible = item.get("visible") if isinstance(item, dict) else None
    kind = visible.get("type") if isinstance(visible, dict) else None
    return not isinstance(kind, str | int) or kind in (0, "0", "")


def needs_long_text(item: Any) -> bool:
    """Whether the text is cut and the whole one has to be asked for."""
    if not isinstance(item, dict) or is_deleted(item):
        return False
    return _is_yes(item.get("isLongText")) and not _long_text(item)


def _is_yes(value: Any) -> bool:
    # Never by way of str(): a list of a thousand lists has no representation.
    return value in (1, "1", "true", "True") if isinstance(value, str | int) else False


def _object(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise RejectedError("schema", say("不是 JSON 对象", "not a JSON object"))
    return item


def _need_id(item: Mapping[str, Any]) -> str:
    native = native_id(item)
    if not native:
        raise RejectedError("mapping", say("没有可用的 id", "no usable id"))
    return native


def _first_id(item: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = item.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            # Every honest id has at most 20 digits; writing out a giant number takes long.
            return str(value) if value < 10**64 else ""
        if isinstance(value, str) and value != "0" and _ID.fullmatch(value):
            return value
    return ""


def _draft(fields: dict[str, Any]) -> PostDraft:
    try:
        return PostDraft(**fields)
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error


def _author(user: Any, known: Remembered | None) -> Author:
    if isinstance(user, dict) and (user_id := native_id(user)):
        verified = user.get("verified")
        name = user.get("screen_name") or user.get("name")
        return Author(
            id=user_id,
            name=_clean(name)[:200] or None if isinstance(name, str) else None,
            followers=read_count(user.get("followers_count")),
            verified=verified if isinstance(verified, bool) else None,
        )
    user_id = _first_id({"id": user}, "id")  # as trim_user=1 gives it
    return Author(id=user_id or (known.author_id if known else UNKNOWN_AUTHOR))


def _published(
    item: Mapping[str, Any], gone: bool, at: datetime, known: Remembered | None
) -> datetime:
    value = item.get("created_at")
    try:
        return read_time(value)
    except ValueError as error:
        if gone:
            return known.published_at if known else at
        shown = repr(value[:60]) if isinstance(value, str) else type(value).__name__
        raise RejectedError("mapping", f"created_at {shown}: {error}") from error


def _text(item: Mapping[str, Any], gone: bool) -> str:
    text = "" if gone else _long_text(item)
    given = item.get("text")
    if not text and isinstance(given, str):
        text = given
    elif not text and not gone and not isinstance(given, str):
        raise RejectedError("mapping", say("没有正文 text", "no text"))
    if len(text) > MAX_TEXT:
        raise RejectedError(
            "too_large",
            say(f"正文超过 {MAX_TEXT} 个字符", f"the text has more than {MAX_TEXT} characters"),
        )
    text = _readable(text)
    if not text.strip() and any(item.get(name) for name in _PICTURES):
        return _PICTURES_ONLY  # the platform's own words for it
    return text


def _long_text(item: Mapping[str, Any]) -> str:
    given = item.get("longText")
    if isinstance(given, dict):
        named = (given.get(name) for name in ("longTextContent", "content", "text"))
        given = next((text for text in named if isinstance(text, str) and text), "")
    return given if isinstance(given, str) else ""


def _root_text(root: Any) -> str | None:
    if not isinstance(root, dict) or is_deleted(root):
        return None
    text = _long_text(root) or root.get("text")
    return _readable(text[:MAX_TEXT])[:MAX_TEXT] or None if isinstance(text, str) else None


def _readable(text: str) -> str:
    """Plain text stays as it is ("a<b" is no tag); what is HTML becomes plain text."""
    text = _clean(text)
    if _HTML.search(text):
        return html_to_text(text)
    return _clean(unescape(text)) if "&" in text else text


def _clean(text: str) -> str:
    """Without NUL, and with halves of characters that were cut in two replaced."""
    if _SURROGATE.search(text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\x00", "")


def _engagement(item: Mapping[str, Any], *likes: str) -> Engagement | None:
    found = Engagement(
        reposts=read_count(item.get("reposts_count")),
        comments=read_count(item.get("comments_count")),
        likes=next(
            (count for name in likes if (count := read_count(item.get(name))) is not None), None
        ),
        reads=read_count(item.get("reads_count", item.get("reads"))),
    )
    return None if found == Engagement() else found


def _region(item: Mapping[str, Any], user: Any) -> str | None:
    name = item.get("region_name")
    if isinstance(name, str) and name.strip():
        return _FROM.sub("", _clean(name).strip(), count=1)[:100] or None
    source = item.get("source")
    if isinstance(source, str) and (found := _PLAIN_REGION.fullmatch(source.strip())):
        return found[1].strip() or None
    location = user.get("location") if isinstance(user, dict) else None
    return _clean(location).strip()[:100] or None if isinstance(location, str) else None


def _address(author_id: str, status: Mapping[str, Any], native: str) -> str | None:
    short = base62(_first_id(status, "mid") or native) or base62(native)
    return f"https://weibo.com/{author_id}/{short}" if author_id.isdigit() and short else None


def _status_address(status: Any) -> str | None:
    if not isinstance(status, dict):
        return None
    return _address(_author(status.get("user"), None).id, status, native_id(status))
