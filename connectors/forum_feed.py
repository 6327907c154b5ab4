"""Feeds of forums: whole or not at all, and which of the watched posts one lacks."""

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from html import escape
from urllib.parse import parse_qs, urlsplit

from connectors.answer import Answer
from connectors.feed_entry import FeedPage, Text
from connectors.feed_reader import read_xml_feed
from connectors.forum_watch import Found, Told, Watch
from connectors.trouble import SourceError
from schemas.language import say

__all__ = ["as_html", "missing_from", "query_of", "read_forum_feed"]

_MOST_UNLISTED = 2
_ENDS = (b"</rss>", b"</feed>", b"</rdf:RDF>")


def read_forum_feed(answer: Answer, host: str, zone: tzinfo) -> FeedPage:
    """The entries of an answer.

    Raises:
        SourceError: it is no feed, or one that ends in the middle: its last entry would be told
            half, and those behind it would be taken for deleted.
    """
    headers = {
        "content-type": answer.headers.get("content-type", ""),
        "content-location": answer.url,
    }
    page = read_xml_feed(answer.body, headers, host, zone)
    if not answer.body.rstrip(b" \t\r\n\x00").endswith(_ENDS):
        raise SourceError(
            "format",
            say(f"{host} 的 feed 不完整，中途断了。", f"the feed of {host} ends in the middle."),
        )
    return page


def as_html(text: Text | None) -> str:
    """Words of a feed as HTML."""
    if text is None:
        return ""
    return text.value if text.html else escape(text.value)


def query_of(address: str) -> Mapping[str, str]:
    """The query of an address, the first value of each name; empty when it is none."""
    try:
        query = parse_qs(urlsplit(address.replace("&amp;", "&")).query, max_num_fields=50)
    except ValueError:
        return {}
    return {name: values[0] for name, values in query.items()}


def missing_from(watch: Watch, feed: str, found: Iterable[Found]) -> list[Told]:
    """Watched posts that stood in a feed, and should stand there between others, but don't."""
    numbers = {one.number for one in found}
    lowest = min((number for number in numbers if number), default=None)
    if lowest is None:
        return []
    unlisted = list(watch.told("unlisted"))[:_MOST_UNLISTED]
    return [
        told
        for told in [*unlisted, *watch.told()]
        if told.topic == feed and told.number > lowest and told.number not in numbers
    ]
