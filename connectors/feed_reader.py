"""Bytes of a feed become entries: RSS 0.9x to 2.0, RSS 1.0, Atom, JSON Feed.

Limits: an XML feed must show its first element within 64 KiB, and has at most ``MAX_TAGS`` tags,
``MAX_DEPTH`` of them one inside the other.
"""

import io
import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import feedparser
import orjson

from connectors.answer import asks_for_human
from connectors.cells import time_reader
from connectors.feed_entry import Entry, FeedPage, Text
from connectors.feed_json import read_json_feed
from connectors.feed_text import repaired
from connectors.trouble import SourceError
from schemas.language import say

__all__ = ["MAX_DEPTH", "MAX_TAGS", "read_feed", "read_xml_feed"]

MAX_TAGS = 400_000
"""A feed of 2,000 long articles has fewer; each costs the reader about 20 microseconds."""

MAX_DEPTH = 30_000
"""Elements one inside the other; HTML that closes nothing counts as such."""

_HEAD_BYTES = 64 * 1024
_TAG = re.compile(rb"<(/?)\w[^<>]*?(/?)>")
_SPACES = re.compile(rb"\s{2,}")
_FIRST_ELEMENT = re.compile(rb"<\w")
_SHORT_ENTITY = re.compile(rb"<!ENTITY\s+\w{1,40}\s+\"([^\"&%<]{0,200})\"\s*>")
_WEB_PAGE = re.compile(rb"<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_LOGIN = re.compile("请先?登录|请登陆|需要登录|please log ?in|sign in to continue", re.I)
#: What Discuz! answers, with status 200, instead of a feed.
_REFUSALS = ("RSS Disabled", "Specified forum not found")
_MOST_UNFOLDED = 1024 * 1024
_MOST_TTL_MINUTES = 24 * 60
#: What feedparser takes for other days than it means: 2024年6月1日 for 1 November.
_OURS = re.compile(
    r"\d{4}\s*[年/.]\s*\d.*|\d{4}-\d{1,2}-\d{1,2}[T ]\s*\d.*|\d{9,}"
    r"|[A-Za-z]{3} [A-Za-z]{3} \d{1,2} [\d:]{8} [+-]\d{4} \d{4}"
)
_CHINA, _CENTRAL = timedelta(hours=8), timedelta(hours=-6)
#: A time that says where it counts from; without one it is local time.
_ZONED = re.compile(r"(?:[A-Za-z]|[+-]\d{1,2}:?\d{2})\)?\s*$")


def read_feed(body: bytes, content_type: str, url: str, host: str, zone: tzinfo) -> FeedPage:
    """Read any feed; ``url`` is what relative addresses are relative to.

    Raises:
        SourceError: it is no feed; the message says what came instead.
    """
    start = body.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"{":
        return read_json_feed(body, host, time_reader("auto", zone))
    wide = body.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in body[:4]
    if start != b"<" and not wide and not body.startswith(b"\x4c\x6f\xa7\x94"):
        raise _no_feed(body, host)
    return read_xml_feed(body, {"content-type": content_type, "content-location": url}, host, zone)


def read_xml_feed(body: bytes, headers: dict[str, str], host: str, zone: tzinfo) -> FeedPage:
    """Read RSS or Atom.

    Raises:
        SourceError: it is none, or larger than any honest feed.
    """
    _check_size(body, host)
    fixed, content_type = repaired(body, headers.get("content-type", ""))
    if (first := _FIRST_ELEMENT.search(fixed)) is not None:
        # The reader's patterns need quadratic time for empty lines there.
        before, rest = _SPACES.sub(b"\n", fixed[: first.start()]), fixed[first.start() :]
        fixed = before + rest
        if b"<!DOCTYPE" in before and not _may_unfold(fixed):
            fixed = fixed.replace(b"<!ENTITY", b"<!-ENTITY")  # none is defined then
    headers = headers | {"content-type": content_type}
    try:
        # As a stream: a mere string could be taken for an address or a file name.
        found = feedparser.parse(io.BytesIO(fixed), response_headers=headers)
    except Exception as error:  # it meets input of strangers, and has its own bugs
        raise SourceError(
            "format",
            say(
                f"{host} 的 feed 读不懂（{type(error).__name__}）；请在浏览器里打开地址看看，"
                "若内容正常，请报告给听潮的开发者。",
                f"the feed of {host} can't be read ({type(error).__name__}); open the address in "
                "a browser, and report this if it looks right there.",
            ),
        ) from error
    if not found.entries and not found.get("version"):
        raise _no_feed(body, host)
    return FeedPage(
        [_entry(item, zone) for item in found.entries],
        ttl_seconds=_ttl(dict.get(found.feed, "ttl")),
        next_url=_link(found.feed, "next"),
    )


def _check_size(body: bytes, host: str) -> None:
    wide = b"\x00" in body[:4]
    if not wide and not _FIRST_ELEMENT.search(body, 0, _HEAD_BYTES) and len(body) > _HEAD_BYTES:
        raise _no_feed(body, host)
    too_many = body.count(b"<") > MAX_TAGS or body.count(b"&lt;") > MAX_TAGS
    if too_many or _depth(body) > MAX_DEPTH:
        raise SourceError(
            "format",
            say(
                f"{host} 的 feed 有超过 {MAX_TAGS} 个标签或 {MAX_DEPTH} 层嵌套，不读取；"
                "请检查地址，或联系站长。",
                f"the feed of {host} has more than {MAX_TAGS} tags, or {MAX_DEPTH} of them one "
                "inside the other, and is not read; check the address, or talk to the site's "
                "owner.",
            ),
        )


def _may_unfold(body: bytes) -> bool:
    """Whether entities are such that the reader may put their values where they are named.

    It does so whatever comes of it: 900 KB became 60 MB.
    """
    values = _SHORT_ENTITY.findall(body)
    if len(values) < body.count(b"<!ENTITY"):
        return False  # long ones, outer ones, or some of others
    return max(map(len, values), default=0) * body.count(b"&") <= _MOST_UNFOLDED


def _depth(body: bytes) -> int:
    if body.count(b"<") <= MAX_DEPTH:
        return 0
    if b"\x00" in body[:4]:  # UTF-16, which the pattern can't read
        return body.count(b"<")
    deepest = depth = 0
    for tag in _TAG.finditer(body):
        if tag.group(1):
            depth = max(0, depth - 1)
        elif not tag.group(2):
            depth += 1
            deepest = max(deepest, depth)
    return deepest


def _no_feed(body: bytes, host: str) -> SourceError:
    text = repaired(body[: 16 * 1024], "")[0].decode(errors="replace").strip()
    start = text[:80]
    if text.startswith(_REFUSALS):
        return SourceError(
            "gone",
            say(
                f"{host} 说：{start!r}；该版块不存在或未开放 RSS，请检查 fid 或询问站长。",
                f"{host} says {start!r}: no such forum or no feed of it; check fid or ask the "
                "site's owner.",
            ),
        )
    if asks_for_human(body):
        return SourceError(
            "captcha",
            say(
                f"{host} 要求人机验证，没有给出 feed；请降低频率或联系站长。",
                f"{host} wants proof of a human instead of giving the feed; ask less often or "
                "talk to the site's owner.",
            ),
        )
    if _WEB_PAGE.search(body[:4096]) and _LOGIN.search(text):
        return SourceError(
            "login",
            say(
                f"{host} 要求登录，没有给出 feed；请使用公开或带 auth 的地址。",
                f"{host} wants a login instead of giving the feed; use a public address or one "
                "with an auth code.",
            ),
        )
    what = say("网页", "a web page") if _WEB_PAGE.search(body[:4096]) else repr(start)
    return SourceError(
        "format",
        say(
            f"{host} 给的不是 feed，而是{what}；请检查地址。",
            f"{host} gave no feed but {what}; check the address.",
        ),
    )


def _entry(item: Any, zone: tzinfo) -> Entry:
    # Plain dict access: the library's own maps one field to another, with warnings.
    published, updated = dict.get(item, "published"), dict.get(item, "updated")
    contents = [_text(one) for one in dict.get(item, "content") or []]
    author = dict.get(item, "author_detail") or {}
    reply = dict.get(item, "thr_in-reply-to") or dict.get(item, "in-reply-to")
    comments = dict.get(item, "slash_comments")
    return Entry(
        id=dict.get(item, "id"),
        link=dict.get(item, "link"),
        title=_text(dict.get(item, "title_detail"), dict.get(item, "title")),
        summary=_text(dict.get(item, "summary_detail"), dict.get(item, "summary")),
        content=max((one for one in contents if one), key=lambda one: len(one.value), default=None),
        author=dict.get(item, "author") or dict.get(author, "name"),
        author_link=dict.get(author, "href"),
        published=published,
        updated=updated,
        published_at=_time(published, dict.get(item, "published_parsed"), zone),
        updated_at=_time(updated, dict.get(item, "updated_parsed"), zone),
        parent=reply.get("ref") if isinstance(reply, dict) else None,
        comments=_count(comments),
        raw=orjson.dumps(
            {key: value for key, value in dict.items(item) if isinstance(value, str)},
            default=str,
        ),
    )


def _count(value: object) -> int | None:
    honest = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10
    return int(str(value)) if honest else None


def _text(detail: Any, value: str | None = None) -> Text | None:
    if not detail:
        return Text(value, html=True) if value else None
    said = dict.get(detail, "value") or ""
    return Text(said, html=dict.get(detail, "type") != "text/plain")


def _time(said: str | None, parsed: Any, zone: tzinfo) -> datetime | None:
    if not said:
        return None
    try:
        if _OURS.fullmatch(said.strip()):
            return time_reader("auto", zone)(said)
    except ValueError:
        if said.strip().isdigit():
            return None  # a number, which feedparser takes for a year and more
    if parsed is None:
        return None
    try:
        year, month, day, hour, minute, second = parsed[:6]
        where = UTC if _ZONED.search(said) else zone
        # A leap second is one that ``datetime`` doesn't know.
        time = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=where)
        if said.rstrip().endswith("CST") and zone.utcoffset(time) == _CHINA:
            time -= _CHINA - _CENTRAL  # it was taken for the one in America
        return time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _ttl(minutes: object) -> float:
    return 60.0 * min(_count(minutes) or 0, _MOST_TTL_MINUTES)


def _link(feed: Any, rel: str) -> str | None:
    for link in dict.get(feed, "links") or []:
        if link.get("rel") == rel and link.get("href"):
            return str(link["href"])
    return None
