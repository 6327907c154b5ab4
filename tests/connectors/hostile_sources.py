"""Each connector that asks, and a small site of its kind for it to read.

A site holds ``items``: dicts with ``number``, ``written`` (when) and, where a test wants them
otherwise, ``text``, ``title``, ``name``, ``at``, ``id`` and ``more`` (what else the item holds),
given as the platform would give them, of whatever type. The site renders them as its platform does.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

from connectors import CONNECTORS
from connectors.base import Connector, Context
from tests.connectors.hostile_server import json_text, page
from tests.connectors.weibo_server import status as weibo_status

__all__ = ["SOURCES", "Item", "Site", "Source", "text_of"]

Item = dict[str, Any]
BEGIN = datetime(2024, 6, 1, 3, 0, tzinfo=UTC)
JSON = "application/json"
SECRET = "a secret of sixteen letters"


def text_of(number: int) -> str:
    """What an item says when nobody wants it otherwise."""
    return f"云帆第{number}条刹车异响"


def moment(item: Item) -> datetime:
    """When an item was written; no two at the same second."""
    written: datetime = item.get("written", BEGIN)
    return written + timedelta(seconds=int(item["number"]))


@dataclass
class Site:
    """What a server holds; ``revision`` grows with each change, as lists of topics tell it."""

    items: list[Item] = field(default_factory=list)
    revision: int = 1
    charset: str = "utf-8"
    """What the words are really encoded in."""
    label: str = ""
    """What the content type claims; empty: nothing."""


@dataclass(frozen=True)
class Source:
    """A connector with its settings, and how its platform answers."""

    name: str
    use: str
    paths: tuple[str, ...]
    """What it asks for, each of which may be hostile; the one with the items stands last."""
    options: Callable[[str], dict[str, Any]]
    """Its settings for a server's address."""
    answer: Callable[[str, Site], Any]
    """What a good site answers at a target: a JSON value, XML, or lines of a stream; None: 404."""
    has: frozenset[str] = frozenset({"text", "title", "name", "at", "id"})
    """What of an item it reads."""
    takes: tuple[str, ...] = ()
    """Hostile answers that it reads: they hold nothing new, and could be honest."""
    xml: bool = False
    passes_over: dict[str, int] = field(default_factory=dict)
    """How many of the bad items of a kind it neither tells nor sets aside: one with the id of
    another, or what is no item."""
    streams: bool = False
    """Whether it reads on for as long as there is something to read."""
    follows: bool = True
    """Whether it follows redirects (a POST is not sent elsewhere)."""

    def connect(self, url: str, context: Context, **more: Any) -> Connector:
        kind: Any = CONNECTORS[self.use]
        config = kind.Config.model_validate(self.options(url) | more)
        connector: Connector = kind(self.name, config, context)
        return connector

    def reply(self, target: str, site: Site) -> bytes:
        """The bytes of a good answer."""
        found = self.answer(target, site)
        if found is None:
            return page(b"nothing here", "404 Not Found")
        if isinstance(found, bytes):
            return b"HTTP/1.1 200 OK\r\n\r\n" + found  # ends with the connection
        is_xml = isinstance(found, str)
        words = found if is_xml else json_text(found)
        kind = "application/xml" if is_xml else JSON
        label = f"; charset={site.label}" if site.label else ""
        return page(words.encode(site.charset, "replace"), headers={"content-type": kind + label})


def _each(items: Iterable[Item], make: Callable[[Item], Any]) -> list[Any]:
    """The items as a platform tells them; one with ``raw`` is that and nothing else."""
    return [item["raw"] if "raw" in item else make(item) for item in items]


def _get(item: Item, name: str, usual: Any) -> Any:
    return item.get(name, usual)


def _said(item: Item) -> Any:
    return item.get("text", text_of(item["number"]))


def _more(item: Item) -> Item:
    more: Item = item.get("more", {})
    return more


def _xml(value: Any) -> str:
    return escape(str(value))


# --- Weibo and WeChat ---------------------------------------------------------------------------


def _weibo(target: str, site: Site) -> Any:
    path = urlsplit(target).path
    if path == "/oauth2/get_token_info":
        return {"uid": 1, "expire_in": 90 * 86_400}
    if path == "/2/statuses/show_batch.json":
        ids = parse_qs(urlsplit(target).query).get("ids", [""])[0].split(",")
        return {
            "statuses": [
                _status(item) | {"longText": {"content": text_of(item["number"])}}
                for item in site.items
                if str(item.get("id", item["number"])) in ids
            ]
        }
    return {"statuses": _each(reversed(site.items), _status), "total_number": 9}


def _status(item: Item) -> Item:
    number = item["number"]
    text = _get(item, "text", text_of(number) if number % 2 == 0 else "云帆……全文")
    made = weibo_status(number, moment(item), "x", isLongText=number % 2 == 1) | {"text": text}
    if "id" in item:
        made |= {"id": item["id"], "idstr": item["id"], "mid": item["id"]}
    if "at" in item:
        made["created_at"] = item["at"]
    if "name" in item:
        made["user"] = made["user"] | {"screen_name": item["name"]}
    return made | _more(item)


def _push(target: str, site: Site) -> bytes:
    lines = _each(
        site.items, lambda item: {"id": item["number"], "text": {"status": _pushed(item)}}
    )
    return b"".join(json_text(line).encode(site.charset) + b"\r\n" for line in lines)


def _pushed(item: Item) -> Item:
    return _status({"text": text_of(item["number"])} | item) | {"isLongText": False}


def _wechat(target: str, site: Site) -> Any:
    path = urlsplit(target).path
    if path == "/cgi-bin/stable_token":
        return {"access_token": "token-1", "expires_in": 7_200}
    if path == "/datacube/getarticletotal":
        return {"list": []}
    if path == "/cgi-bin/freepublish/batchget":
        return {"total_count": 1, "item_count": 1, "item": [_message({"number": 0})]}
    comments = _each(site.items, _wechat_comment)
    return {"errcode": 0, "errmsg": "ok", "total": len(comments), "comment": comments}


def _wechat_comment(item: Item) -> Item:
    return {
        "user_comment_id": _get(item, "id", item["number"]),
        "openid": _get(item, "name", f"oReader{item['number']}"),
        "create_time": _get(item, "at", int(moment(item).timestamp())),
        "content": _said(item),
        **_more(item),
    }


def _wechat_list(target: str, site: Site) -> Any:
    if urlsplit(target).path == "/cgi-bin/freepublish/batchget":
        return {"total_count": len(site.items), "item": _each(site.items, _message)}
    return _wechat(target, site)


def _message(item: Item) -> Item:
    number = item["number"]
    news = {
        "title": _get(item, "title", "云帆的文章"),
        "author": _get(item, "name", "云帆汽车"),
        "digest": _said(item),
        "url": f"https://mp.weixin.qq.com/s?__biz=MzA5&mid={number + 1}&idx=1",
        **_more(item),
    }
    if "id" in item:
        news |= {"article_id": item["id"], "url": ""}
    at = _get(item, "at", int(moment(item).timestamp()))
    return {"update_time": at, "content": {"create_time": at, "news_item": [news]}}


# --- forums -------------------------------------------------------------------------------------


def _discourse(target: str, site: Site) -> Any:
    path = urlsplit(target).path
    if path == "/posts.json":
        return {"latest_posts": _each(reversed(site.items), _discourse_post)}
    named = [item for item in site.items if path == f"/posts/{item['number']}.json"]
    return _discourse_post({"number": named[0]["number"]}) if named else None


def _discourse_post(item: Item) -> Item:
    return {
        "id": _get(item, "id", item["number"]),
        "topic_id": 1,
        "post_number": item["number"],
        "created_at": _get(item, "at", moment(item).isoformat()),
        "cooked": _said(item),
        "topic_title": _get(item, "title", "云帆"),
        "username": _get(item, "name", "reader"),
        **_more(item),
    }


def _latest(site: Site) -> datetime:
    return max((moment(item) for item in site.items), default=BEGIN)


def _misago(target: str, site: Site) -> Any:
    if urlsplit(target).path == "/api/threads/":
        at = _latest(site).isoformat()
        thread = {"id": 1, "replies": site.revision, "last_post": 1, "last_post_on": at}
        return {"results": [thread], "next": 0}
    posts = _each(site.items, _misago_post)
    title = next((item["title"] for item in site.items if "title" in item), "云帆")
    return {"title": title, "post_set": {"results": posts, "pages": 1}}


def _misago_post(item: Item) -> Item:
    return {
        "id": _get(item, "id", item["number"]),
        "posted_on": _get(item, "at", moment(item).isoformat()),
        "content": _said(item),
        "poster_name": _get(item, "name", "reader"),
        **_more(item),
    }


def _nodebb(target: str, site: Site) -> Any:
    if urlsplit(target).path == "/api/recent":
        at = int(_latest(site).timestamp() * 1000)
        topic = {"tid": 1, "lastposttime": at, "postcount": site.revision}
        return {"topics": [topic], "pagination": {"pageCount": 1}}
    posts = _each(site.items, _nodebb_post)
    title = next((item["title"] for item in site.items if "title" in item), "云帆")
    return {"mainPid": 1, "title": title, "posts": posts, "pagination": {"pageCount": 1}}


def _nodebb_post(item: Item) -> Item:
    return {
        "pid": _get(item, "id", item["number"]),
        "uid": 7,
        "timestampISO": _get(item, "at", moment(item).isoformat()),
        "content": _said(item),
        "user": {"username": _get(item, "name", "reader")},
        **_more(item),
    }


def _phpbb(target: str, site: Site) -> Any:
    entries = "".join(
        f"<entry><author><name>{_xml(_get(item, 'name', 'reader'))}</name></author>"
        f"<published>{_xml(_get(item, 'at', moment(item).isoformat()))}</published>"
        f"<id>{_xml(_link(item, 'http://b/viewtopic.php?p='))}</id>"
        f'<title type="html">{_xml(_get(item, "title", "Re: 云帆"))}</title>'
        f'<content type="html">{_xml(_said(item))}</content>'
        f"{item.get('more', '')}</entry>"
        for item in reversed(site.items)
    )
    return f'<feed xmlns="http://www.w3.org/2005/Atom"><title>b</title>{entries}</feed>'


def _link(item: Item, begin: str) -> str:
    return begin + str(_get(item, "id", item["number"]))


# --- feeds --------------------------------------------------------------------------------------


def _rss(item: Item, link: str) -> str:
    return (
        f"<item><link>{_xml(link)}</link>"
        f"<title>{_xml(_get(item, 'title', '云帆'))}</title>"
        f"<author>{_xml(_get(item, 'name', 'reader'))}</author>"
        f"<pubDate>{_xml(_get(item, 'at', format_datetime(moment(item))))}</pubDate>"
        f"<description>{_xml(_get(item, 'text', text_of(item['number'])))}</description>"
        f"{item.get('more', '')}</item>"
    )


def _channel(items: str) -> str:
    return f'<rss version="2.0"><channel><title>b</title>{items}</channel></rss>'


def _discuz(target: str, site: Site) -> Any:
    if "mod=rss" not in target:
        return "<html>a thread</html>"
    link = "http://b/forum.php?mod=viewthread&tid="
    return _channel("".join(_rss(item, _link(item, link)) for item in reversed(site.items)))


def _feed(target: str, site: Site) -> Any:
    if target == "/robots.txt":
        return None
    link = "http://b/posts/"
    return _channel("".join(_rss(item, _link(item, link)) for item in reversed(site.items)))


def _json_feed(target: str, site: Site) -> Any:
    if target == "/robots.txt":
        return None
    items = _each(site.items, _json_item)
    return {"version": "https://jsonfeed.org/version/1.1", "title": "b", "items": items}


def _json_item(item: Item) -> Item:
    return {
        "id": _get(item, "id", str(item["number"])),
        "title": _get(item, "title", "云帆"),
        "content_text": _said(item),
        "authors": [{"name": _get(item, "name", "reader")}],
        "date_published": _get(item, "at", moment(item).isoformat()),
        **_more(item),
    }


def _board(target: str, site: Site) -> Any:
    if target == "/robots.txt":
        return None
    items = _each(site.items, lambda item: {"title": _said(item), "heat": 7, **_more(item)})
    return {"items": items}


#: A pause so long that it can't be taken for one within a poll.
_PACE: dict[str, Any] = {"every_seconds": 20_000}
#: Two of the odd times are such, of 1970: before any history that is asked for.
_OLD = {"at": 2}


def _forum(url: str) -> dict[str, Any]:
    return _PACE | {"url": url, "requests_per_minute": 600, "history_days": 30}


def _account(url: str) -> dict[str, Any]:
    return _PACE | {"api": url, "app_id": "wx1", "app_secret": SECRET, "id_secret": SECRET}


#: Whatever is no record is a dead letter, or the beginning of a line that comes again whole.
_LINES = (
    *("login page", "empty", "half an object"),
    *("half an element", "null", "[]", "{}", "a text", "a number", "lists in lists", "NUL"),
    *("objects in objects", "elements in elements", "NUL in JSON", "an XML bomb"),
    "lists in lists under every name",
)

SOURCES = (
    Source(
        "weibo",
        "weibo",
        (
            "/oauth2/get_token_info",
            "/2/statuses/show_batch.json",
            "/2/statuses/user_timeline.json",
        ),
        lambda url: (
            _PACE
            | {
                "host": url,
                "access_token": "t",
                "calls_per_day": 0,
                "recheck_posts": 0,
                "watch": [{"what": "user", "of": "1000"}],
            }
        ),
        _weibo,
        has=frozenset({"text", "name", "at", "id"}),
        takes=("[]",),
    ),
    Source(
        "weibo-push",
        "weibo-push",
        ("/push",),
        lambda url: {"address": url + "/push", "subscription_id": "7"},
        _push,
        has=frozenset({"text", "name", "at", "id"}),
        takes=_LINES,
        streams=True,
        follows=False,
    ),
    Source(
        "wechat-articles, comments",
        "wechat-articles",
        (
            "/cgi-bin/stable_token",
            "/cgi-bin/freepublish/batchget",
            "/datacube/getarticletotal",
            "/cgi-bin/comment/list",
        ),
        _account,
        _wechat,
        has=frozenset({"text", "name", "at", "id"}),
        follows=False,
    ),
    Source(
        "wechat-articles, articles",
        "wechat-articles",
        ("/cgi-bin/freepublish/batchget",),
        lambda url: _account(url) | {"comments": False, "statistics": False},
        _wechat_list,
        passes_over=_OLD,
        follows=False,
    ),
    Source("discourse", "discourse", ("/posts.json",), _forum, _discourse, passes_over=_OLD),
    Source(
        "discuz", "discuz", ("/forum.php?mod=rss",), _forum, _discuz, xml=True, passes_over=_OLD
    ),
    Source(
        "feed, RSS",
        "feed",
        ("/robots.txt", "/rss"),
        lambda url: _PACE | {"urls": [url + "/rss"]},
        _feed,
        xml=True,
        takes=("half an element",),
    ),
    Source(
        "feed, JSON",
        "feed",
        ("/json",),
        lambda url: _PACE | {"urls": [url + "/json"]},
        _json_feed,
        takes=("half an element",),
    ),
    Source(
        "feed, hot list",
        "feed",
        ("/hot",),
        lambda url: _PACE | {"boards": {"weibo-hot": url + "/hot"}},
        _board,
        has=frozenset({"text"}),
        takes=("[]",),
    ),
    Source(
        "misago",
        "misago",
        ("/api/threads/?", "/api/threads/1/posts/"),
        lambda url: _forum(url) | {"operator_consents": True},
        _misago,
        passes_over=_OLD,
    ),
    Source("nodebb", "nodebb", ("/api/recent", "/api/topic/1"), _forum, _nodebb, passes_over=_OLD),
    Source("phpbb", "phpbb", ("/app.php/feed",), _forum, _phpbb, xml=True),
)
"""All that ask, by each kind of answer that they read."""
