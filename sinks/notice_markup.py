"""A notice as a chat shows it: with markup of ours, and none of a stranger's.

Posts are quoted in a chat whose markup can link, mention everybody and paint. Whether a chat
honours a backslash differs from chat to chat and version to version, so what could be markup is
replaced by its full-width twin instead: it looks alike and means nothing anywhere. Addresses within
a text lose their colon and dots the same way; only a post's own address becomes a link, behind its
host's name.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

from schemas.language import say
from sinks.base import Notice
from sinks.notice_text import lines, title
from sinks.wording import Line, line

__all__ = ["Markup", "cut", "fit", "harmless", "link_of", "marked", "told"]

MAX_LINE_BYTES = 900
MAX_TITLE_BYTES = 300
MAX_LINK = 500

_TWINS = str.maketrans("*_~`[]<>&@\\|", "＊＿～｀［］＜＞＆＠＼｜")
_SCHEME = re.compile(r":(?=//)")
_DOMAIN_DOT = re.compile(r"(?<=[^\W_])\.(?=[A-Za-z]{2})")


@dataclass(frozen=True, slots=True)
class Markup:
    """How one chat writes each kind of line."""

    title: Callable[[str], str]
    heading: Callable[[str], str]
    quote: Callable[[str], str]
    link: Callable[[str, str], str]
    """From the words that stand for it and the address."""
    line_break: str = "\n"


def told(notice: Notice, zone: ZoneInfo) -> Iterator[Line]:
    """The lines for a chat: also the notice's key, by which a repeat is recognised."""
    yield from lines(notice, zone=zone)
    yield line(f"通知编号：{notice.key}", f"notice: {notice.key}", "pointer")


def marked(
    notice: Notice, markup: Markup, *, zone: ZoneInfo, most_bytes: int, end: str = ""
) -> str:
    """The whole text, cut to its limit from the least important end; ``end`` is kept."""
    shown: list[str] = [markup.title(cut(harmless(title(notice)), MAX_TITLE_BYTES))]
    kept: list[str] = []
    for one in told(notice, zone):
        if one.kind == "pointer":
            kept.append(cut(one.text.translate(_TWINS), MAX_LINE_BYTES))
        else:
            shown.append(_marked(one, markup))
    return fit(shown, [*kept, *([end] if end else [])], markup.line_break, most_bytes)


def _marked(one: Line, markup: Markup) -> str:
    text = cut(harmless(one.text), MAX_LINE_BYTES)
    if one.kind == "link" and (found := link_of(one.text)) is not None:
        host, address = found
        return markup.link(say(f"查看原帖 {host}", f"see the post {host}"), address)
    if one.kind == "heading":
        return markup.heading(text)
    return markup.quote(text) if one.kind == "quote" else text


def harmless(text: str) -> str:
    """A stranger's text without anything that a chat could take for markup, mention or link."""
    return _DOMAIN_DOT.sub("．", _SCHEME.sub("：", text.translate(_TWINS)))


def link_of(text: str) -> tuple[str, str] | None:
    """Host and address, where the text is one that may be linked to; None otherwise."""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or "@" in parts.netloc:
        return None
    if not re.fullmatch(r"[a-z0-9.:-]+", host) or not re.fullmatch(r"[\w.:-]+", parts.netloc):
        return None
    # Brackets and signs that end a link in one of the markups become percent codes.
    address = quote(text, safe=":/?#=&%+,;@!$-._~")
    return (host, address) if len(address) <= MAX_LINK else None


def fit(shown: Iterable[str], kept: Iterable[str], line_break: str, most_bytes: int) -> str:
    """The lines ``shown``, as many as fit in front of those that are ``kept``.

    Whole lines are left out, so that no markup stays open; the first is always there.
    """
    first, *more = shown
    last = list(kept)
    pieces = [first, *more, *last]
    if _size(pieces, line_break) <= most_bytes:
        return line_break.join(pieces)
    pieces = [first]
    for one in more:
        if _size([*pieces, one, "…", *last], line_break) > most_bytes:
            break
        pieces.append(one)
    return line_break.join([*pieces, "…", *last])


def _size(pieces: list[str], line_break: str) -> int:
    return len(line_break.join(pieces).encode())


def cut(text: str, most_bytes: int) -> str:
    """At most so many bytes of UTF-8, cut between two characters, with an ellipsis."""
    raw = text.encode()
    if len(raw) <= most_bytes:
        return text
    return raw[: most_bytes - len("…".encode())].decode(errors="ignore") + "…"
