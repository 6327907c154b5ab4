"""JSON Feed 1.0 and 1.1 (https://jsonfeed.org/version/1.1).

Feeds in the wild give numbers as ids and null for what is missing; both are taken.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from connectors.answer import json_of, raw_bytes, shown
from connectors.base import Unreadable
from connectors.feed_entry import Entry, FeedPage, Text
from connectors.trouble import SourceError
from schemas.language import say
from schemas.record import explain

__all__ = ["read_json_feed"]

_VERSION = "jsonfeed.org/version/"


def _word(value: Any) -> Any:
    """A number where a text belongs is the text of it."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return str(value) if is_number else value


_Word = Annotated[str | None, BeforeValidator(_word)]


class _Lenient(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Author(_Lenient):
    name: _Word = None
    url: _Word = None


class _Item(_Lenient):
    id: _Word = None
    url: _Word = None
    external_url: _Word = None
    title: _Word = None
    content_html: _Word = None
    content_text: _Word = None
    summary: _Word = None
    date_published: _Word = None
    date_modified: _Word = None
    authors: list[_Author] | None = None
    author: _Author | None = None  # of version 1.0


class _Top(_Lenient):
    items: list[Any]
    next_url: _Word = None
    authors: list[_Author] | None = None
    author: _Author | None = None
    expired: bool | None = None


def read_json_feed(body: bytes, host: str, read_time: Callable[[object], datetime]) -> FeedPage:
    """Read a JSON Feed; an item that is none is unreadable, its neighbours pass.

    Raises:
        SourceError: it is no JSON Feed.
    """
    try:
        top = json_of(body)
        if not isinstance(top, dict) or _VERSION not in shown(top.get("version")):
            raise ValueError("no version")
        feed = _Top.model_validate(top)
    except ValueError as error:  # orjson's and pydantic's errors are such
        raise SourceError(
            "format",
            say(
                f"{host} 给的 JSON 不是 JSON Feed；请检查地址（热榜请用 boards）。",
                f"{host} gave JSON that is no JSON Feed; check the address (hot lists belong in "
                "boards).",
            ),
        ) from error
    entries: list[Entry] = []
    unreadable: list[Unreadable] = []
    for place, raw in enumerate(feed.items, 1):
        line = raw_bytes(raw)
        try:
            entries.append(_entry(_Item.model_validate(raw), feed, line, read_time))
        except ValidationError as error:
            unreadable.append(Unreadable(place, line, *explain(error)))
    expired = feed.expired is True
    return FeedPage(entries, unreadable, next_url=feed.next_url, expired=expired)


def _entry(item: _Item, feed: _Top, raw: bytes, read_time: Callable[[object], datetime]) -> Entry:
    authors = [*(item.authors or ()), *_one(item.author), *(feed.authors or ()), *_one(feed.author)]
    author = authors[0] if authors else _Author()
    content = Text(item.content_html, html=True) if item.content_html else None
    if content is None and item.content_text:
        content = Text(item.content_text, html=False)
    return Entry(
        id=item.id,
        link=item.url or item.external_url,
        title=Text(item.title, html=False) if item.title else None,
        summary=Text(item.summary, html=False) if item.summary else None,
        content=content,
        author=author.name,
        author_link=author.url,
        published=item.date_published,
        updated=item.date_modified,
        published_at=_time(item.date_published, read_time),
        updated_at=_time(item.date_modified, read_time),
        raw=raw,
    )


def _one(author: _Author | None) -> tuple[_Author, ...]:
    return (author,) if author is not None else ()


def _time(said: str | None, read_time: Callable[[object], datetime]) -> datetime | None:
    try:
        return read_time(said) if said else None
    except ValueError:
        return None
