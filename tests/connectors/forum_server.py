"""Stand-ins for forums: one board in memory, served as each forum software would.

``Board`` is what people do (write, edit, delete); a ``ForumServer`` answers requests about it with
the faults of real servers.
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from html import escape
from typing import Any

import httpx

from connectors.base import Context

__all__ = [
    "Board",
    "DiscourseServer",
    "DiscuzServer",
    "ForumServer",
    "MisagoServer",
    "NodeBbServer",
    "PhpBbServer",
    "PollOver",
    "Topic",
    "Written",
    "plain",
]

PAGE = 20


@dataclass
class Written:
    """A post of the board."""

    number: int
    topic: "Topic"
    place: int
    author: int
    html: str
    at: datetime
    edited_at: datetime
    version: int = 1
    deleted: bool = False
    """The software keeps it and shows that it was deleted."""
    answers: int | None = None
    """Place of the post that it answers."""


@dataclass
class Topic:
    number: int
    title: str
    posts: list[Written] = field(default_factory=list)
    deleted: bool = False
    pinned: bool = False


class Board:
    """What people wrote."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.topics: dict[int, Topic] = {}
        self.posts: dict[int, Written] = {}
        self._next = 1
        self._next_topic = 1
        self.kept: set[int] = set()
        """Posts that nobody deletes."""

    def write(
        self,
        html: str,
        topic: Topic | None = None,
        *,
        title: str = "云帆 X1 提车",
        answers: int | None = None,
        author: int = 7,
    ) -> Written:
        """A new topic, or a reply to one."""
        if topic is None:
            topic = Topic(self._next_topic, title)
            self.topics[topic.number] = topic
            self._next_topic += 1
        self._clock.at += timedelta(seconds=1)
        now = self._clock.now()
        place = topic.posts[-1].place + 1 if topic.posts else 1
        post = Written(self._next, topic, place, author, html, now, now, answers=answers)
        self._next += 1
        topic.posts.append(post)
        self.posts[post.number] = post
        return post

    def skip(self, numbers: int) -> None:
        """Numbers used for something that is not public."""
        self._next += numbers

    def edit(self, post: Written, html: str) -> None:
        post.html, post.edited_at = html, self._clock.now()
        post.version += 1

    def purge(self, post: Written) -> None:
        """Without a trace; a first post takes its topic along."""
        if post.place == 1 and len(post.topic.posts) > 1:
            self.purge_topic(post.topic)
            return
        post.topic.posts.remove(post)
        del self.posts[post.number]
        if not post.topic.posts:
            del self.topics[post.topic.number]

    def purge_topic(self, topic: Topic) -> None:
        for post in topic.posts:
            del self.posts[post.number]
        topic.posts.clear()
        del self.topics[topic.number]

    def public(self) -> list[Written]:
        """Newest first."""
        return [
            post
            for _, post in sorted(self.posts.items(), reverse=True)
            if not post.deleted and not post.topic.deleted
        ]


class ForumServer:
    """Answers requests; ``faults`` are used up one a request, ``""`` being none.

    ``429`` and ``503`` say when to come again, ``503-date`` as a date; ``cut`` ends in the middle
    of the body, ``short`` without saying so; ``timeout``; ``page``: an error page as a 200.
    """

    site = "forum.example.com"
    robots: str | None = None
    """Its robots.txt; a request for it has no faults and is not counted."""
    robots_asked = 0
    refused: Mapping[int, int] = {}
    """Status of the pages of topics, by their numbers: the list shows them all the same."""

    def __init__(self, board: Board, clock: Any) -> None:
        self.board = board
        self.clock = clock
        self.requests: list[httpx.Request] = []
        self.faults: deque[str] = deque()
        self.meanwhile: Callable[[int], None] = lambda number: None
        """Called before each answer with the number of requests so far: pages shift."""

    def context(self) -> Context:
        """A connector's surroundings, in which a poll's pause ends ``Listener.poll``."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._answer))
        return Context(client, self.clock.now, self._sleep)

    async def _sleep(self, seconds: float) -> None:
        if seconds > 100:
            self.clock.at += timedelta(seconds=seconds)
            raise PollOver
        await self.clock.sleep(seconds)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = self._answer_whole(request)
        # As a stream that nobody has read yet, like one from a socket.
        stream = httpx.ByteStream(answer.content)
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    def _answer_whole(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/robots.txt":
            return self.served(request)
        self.requests.append(request)
        self.meanwhile(len(self.requests))
        fault = self.faults.popleft() if self.faults else ""
        if fault in ("429", "500", "503"):
            return httpx.Response(int(fault), headers={"retry-after": "17"}, text="slow down")
        if fault == "503-date":
            until = format_datetime(self.clock.now() + timedelta(seconds=23))
            return httpx.Response(503, headers={"retry-after": until})
        if fault == "timeout":
            raise httpx.ReadTimeout("no answer", request=request)
        if fault == "cut":
            raise httpx.RemoteProtocolError("peer closed connection", request=request)
        if fault == "page":
            return httpx.Response(200, html="<html><body>维护中</body></html>")
        response = self.served(request)
        if fault == "short":
            return httpx.Response(200, headers=response.headers, content=response.content[:-40])
        return response

    def served(self, request: httpx.Request) -> httpx.Response:
        """Without faults: robots.txt, and what the software answers."""
        if request.url.path != "/robots.txt":
            return self.answer(request)
        self.robots_asked += 1
        return httpx.Response(404) if self.robots is None else httpx.Response(200, text=self.robots)

    def answer(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    def truth(self) -> dict[str, str]:
        """What every reader must know in the end: id to text."""
        raise NotImplementedError


def plain(html: str) -> str:
    """What a reader sees of the posts of these tests."""
    return re.sub("<[^>]*>", "", html)


class PollOver(Exception):
    """The connector pauses."""


class DiscourseServer(ForumServer):
    """``/posts.json`` and ``/posts/N.json``, as an anonymous reader sees them."""

    key: str | None = None
    """The Api-Key that is asked for."""
    broken: set[int]
    unlisted: set[int]

    def __init__(self, board: Board, clock: Any) -> None:
        super().__init__(board, clock)
        self.broken, self.unlisted = set(), set()

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.key is not None and request.headers.get("api-key") != self.key:
            return httpx.Response(403, json={"errors": ["not allowed"], "error_type": "x"})
        path = request.url.path
        if path == "/posts.json":
            before = int(request.url.params.get("before", "0")) or 2**60
            posts = [
                post
                for post in self.board.public()
                if post.number < before and post.topic.number not in self.unlisted
            ]
            return httpx.Response(200, json={"latest_posts": [self.post(p) for p in posts[:50]]})
        number = int(path.removeprefix("/posts/").removesuffix(".json"))
        post = self.board.posts.get(number)
        if post is not None and post.topic.number in self.refused:
            return httpx.Response(self.refused[post.topic.number], json={"errors": ["no"]})
        if number not in self.board.posts or self.board.posts[number].deleted:
            return httpx.Response(404, json={"errors": ["not found"]})
        return httpx.Response(200, json=self.post(self.board.posts[number]))

    def post(self, post: Written) -> dict[str, Any]:
        if post.number in self.broken:
            return {"id": post.number, "topic_id": "?", "cooked": post.html}
        return {
            "id": post.number,
            "username": f"user{post.author}",
            "user_id": post.author,
            "created_at": post.at.isoformat(),
            "updated_at": post.edited_at.isoformat(),
            "cooked": post.html,
            "post_number": post.place,
            "reply_to_post_number": post.answers,
            "topic_id": post.topic.number,
            "topic_title": post.topic.title,
            "version": post.version,
            "reply_count": 0,
            "reads": 1,
            "hidden": False,
            "deleted_at": None,
            "user_deleted": False,
        }

    def truth(self) -> dict[str, str]:
        return {
            f"discourse:{self.site}/{post.topic.number}/{post.place}": (
                f"{post.topic.title}||{plain(post.html)}"
                if post.place == 1
                else f"|{post.topic.title}|{plain(post.html)}"
            )
            for post in self.board.public()
        }


class NodeBbServer(ForumServer):
    """``/api/recent`` and ``/api/topic/N``, as a guest sees them."""

    token: str | None = None
    private: frozenset[int] = frozenset()
    """Topics that the list doesn't show."""
    broken: frozenset[int] = frozenset()
    """Topics that the server fails at."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.token and request.headers.get("authorization") != f"Bearer {self.token}":
            return httpx.Response(401, json={"status": {"code": "not-authorised"}})
        page = int(request.url.params.get("page", "1"))
        path = request.url.path
        if path == "/api/recent":
            topics = [
                topic
                for topic in by_activity(self.board)
                if not topic.deleted and topic.number not in self.private
            ]
            part, pages = paged(topics, page)
            listed = [self.topic(topic) for topic in part]
            return httpx.Response(200, json={"topics": listed, "pagination": {"pageCount": pages}})
        assert request.url.params["sort"] == "oldest_to_newest"
        number = int(path.removeprefix("/api/topic/"))
        if number in self.refused:
            return httpx.Response(self.refused[number], json={})
        topic = self.board.topics.get(number)
        if topic is None or topic.deleted:
            return httpx.Response(404, json={})
        if topic.number in self.broken:
            return httpx.Response(500, json={"error": "internal"})
        posts, pages = paged(topic.posts, page)
        shown = [self.post(post) for post in posts]
        return httpx.Response(
            200, json=self.topic(topic) | {"posts": shown, "pagination": {"pageCount": pages}}
        )

    def topic(self, topic: Topic) -> dict[str, Any]:
        return {
            "tid": topic.number,
            "title": topic.title,
            "titleRaw": topic.title,
            "mainPid": topic.posts[0].number,
            "postcount": len(topic.posts),
            "lastposttime": milliseconds(topic.posts[-1].at),
            "lastposttimeISO": topic.posts[-1].at.isoformat(),
            "teaserPid": topic.posts[-1].number,
            "deleted": 0,
        }

    def post(self, post: Written) -> dict[str, Any]:
        return {
            "pid": post.number,
            "tid": post.topic.number,
            "uid": post.author,
            "content": "[[topic:post_is_deleted]]" if post.deleted else post.html,
            "timestamp": milliseconds(post.at),
            "timestampISO": post.at.isoformat(),
            "edited": 0 if post.version == 1 else milliseconds(post.edited_at),
            "deleted": int(post.deleted),
            "upvotes": 0,
            "votes": 0,
            "user": {"uid": post.author, "username": f"user{post.author}"},
            "replies": {"count": 0},
        } | ({"toPid": post.topic.posts[post.answers - 1].number} if post.answers else {})

    def truth(self) -> dict[str, str]:
        return {
            f"nodebb:{self.site}/{post.number}": (
                f"{post.topic.title}||{plain(post.html)}"
                if post is post.topic.posts[0]
                else f"|{post.topic.title}|{plain(post.html)}"
            )
            for post in self.board.public()
        }


class MisagoServer(ForumServer):
    """``/api/threads/`` and their posts, as an anonymous reader sees them."""

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/threads/":
            return self._threads(int(request.url.params.get("start", "0")))
        number = int(path.split("/")[3])
        if number in self.refused:
            return httpx.Response(self.refused[number], json={"detail": "no"})
        topic = self.board.topics.get(number)
        page = int(request.url.params.get("page", "1"))
        if topic is None:
            return httpx.Response(404, json={"detail": "Not found"})
        # The last post of a page is the first of the next.
        size = PAGE - 1
        pages = max(1, -(-(len(topic.posts) - 1) // size))
        if page > pages:
            return httpx.Response(404, json={"detail": "Not found"})
        posts = topic.posts[(page - 1) * size : page * size + 1]
        found = {"results": [self.post(post) for post in posts], "page": page, "pages": pages}
        return httpx.Response(200, json=self.thread(topic) | {"post_set": found})

    def _threads(self, start: int) -> httpx.Response:
        pinned = [topic for topic in by_activity(self.board) if topic.pinned]
        others = [topic for topic in by_activity(self.board) if not topic.pinned]
        rest = [one for one in others if not start or one.posts[-1].number <= start]
        if start and not rest:
            return httpx.Response(404, json={"detail": "Not found"})
        following = rest[PAGE].posts[-1].number if len(rest) > PAGE else None
        shown = ([] if start else pinned) + rest[:PAGE]
        return httpx.Response(
            200,
            json={
                "results": [self.thread(topic) for topic in shown],
                "subcategories": [],
                "next": following,
            },
        )

    def thread(self, topic: Topic) -> dict[str, Any]:
        return {
            "id": topic.number,
            "title": topic.title,
            "category": 3,
            "replies": len(topic.posts) - 1,
            "started_on": topic.posts[0].at.isoformat(),
            "last_post": topic.posts[-1].number,
            "last_post_on": topic.posts[-1].at.isoformat(),
            "weight": 2 if topic.pinned else 0,
            "is_hidden": False,
        }

    def post(self, post: Written) -> dict[str, Any]:
        return {
            "id": post.number,
            "poster": {"id": post.author, "username": f"user{post.author}"}
            if post.author
            else None,
            "poster_name": f"user{post.author}" if post.author else "已注销",
            "content": None if post.deleted else post.html,
            "posted_on": post.at.isoformat(),
            "updated_on": post.edited_at.isoformat(),
            "edits": post.version - 1,
            "is_hidden": post.deleted,
            "is_event": post.html == "",
            "is_unapproved": False,
            "likes": 0,
            "url": {"index": f"/t/slug/{post.topic.number}/post/{post.number}/"},
        }

    def truth(self) -> dict[str, str]:
        return {
            f"misago:{self.site}/t/{post.topic.number}"
            if post is post.topic.posts[0]
            else f"misago:{self.site}/p/{post.number}": (
                f"{post.topic.title}||{plain(post.html)}"
                if post is post.topic.posts[0]
                else f"|{post.topic.title}|{plain(post.html)}"
            )
            for post in self.board.public()
        }


class PhpBbServer(ForumServer):
    """Atom of ``/app.php/feed``, newest first, with phpBB's line of statistics."""

    limit = 15
    status = 200
    honours_conditions = True

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path.startswith("/app.php/feed")
        if self.status != 200:
            return httpx.Response(self.status, html="<html>FEATURE_NOT_AVAILABLE</html>")
        posts = self.board.public()[: self.limit]
        newest = max((post.edited_at for post in posts), default=self.clock.now())
        modified = format_datetime(newest, usegmt=True)
        if self.honours_conditions and request.headers.get("if-modified-since") == modified:
            return httpx.Response(304)
        headers = {"content-type": "application/atom+xml; charset=UTF-8", "last-modified": modified}
        entries = "".join(self.entry(post) for post in posts)
        feed = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom" '
            f'xml:lang="zh-cmn-hans">\n<title>云帆车友会</title>\n{entries}</feed>\n'
        )
        return httpx.Response(200, headers=headers, content=feed.encode())

    def entry(self, post: Written) -> str:
        link = escape(
            f"https://{self.site}/viewtopic.php?t={post.topic.number}&p={post.number}"
            f"#p{post.number}"
        )
        title = f"{'' if post is post.topic.posts[0] else 'Re: '}{post.topic.title}"
        minutes = (self.clock.now() - post.at).seconds // 60
        return (
            f"<entry><author><name><![CDATA[user{post.author}]]></name></author>"
            f"<updated>{post.edited_at.isoformat()}</updated>"
            f"<published>{post.at.isoformat()}</published>"
            f'<id>{link}</id><link href="{link}"/>'
            f'<title type="html"><![CDATA[闲聊 • {escape(title)}]]></title>'
            f'<content type="html" xml:base="{link}"><![CDATA[\n{post.html}'
            f'<p>统计信息: 由 <a href="https://{self.site}/x">user{post.author}</a> 发表 — '
            f"{minutes} 分钟前</p><hr />\n]]></content></entry>\n"
        )

    def truth(self) -> dict[str, str]:
        return {
            f"phpbb:{self.site}/p{post.number}": (
                f"{post.topic.title}||{plain(post.html)}"
                if post is post.topic.posts[0]
                else f"|{post.topic.title}|{plain(post.html)}"
            )
            for post in self.board.public()[: self.limit]
        }


class DiscuzServer(ForumServer):
    """RSS of threads, without guid, and the pages of threads."""

    limit = 20
    charset = "gbk"
    says = ""
    """Plain text instead of a feed."""
    empty = 0
    """So many feeds are empty, since the cache is being rebuilt."""
    gated = False
    """Guests see no thread."""
    moved: frozenset[int] = frozenset()
    """Threads in no feed, but still there."""
    link = "forum.php?mod=viewthread&tid={}"
    fids: dict[int, int]
    """Boards of threads, where it matters."""

    def __init__(self, board: Board, clock: Any) -> None:
        super().__init__(board, clock)
        self.fids = {}

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/forum.php"
        asked = request.url.params
        if asked["mod"] == "viewthread":
            return self._page(int(asked["tid"]))
        if self.says:
            return httpx.Response(200, text=self.says)
        fid = int(asked.get("fid", "0"))
        topics = [
            topic
            for number, topic in sorted(self.board.topics.items(), reverse=True)
            if not topic.posts[0].deleted
            and number not in self.moved
            and self.fids.get(number, fid) == fid
        ][: self.limit]
        if self.empty:
            self.empty -= 1
            topics = []
        feed = (
            f'<?xml version="1.0" encoding="{self.charset}"?>\n<rss version="2.0">\n<channel>\n'
            f"<title>云帆论坛</title><link>https://{self.site}/forum.php</link>"
            f"<lastBuildDate>{format_datetime(self.clock.now())}</lastBuildDate><ttl>30</ttl>\n"
            f"{''.join(self.item(topic) for topic in topics)}</channel>\n</rss>"
        )
        return httpx.Response(
            200,
            headers={"content-type": "application/xml"},
            content=feed.encode(self.charset, errors="xmlcharrefreplace"),
        )

    def item(self, topic: Topic) -> str:
        post = topic.posts[0]
        return (
            f"<item><title>{escape(topic.title)}</title>"
            f"<link>https://{self.site}/{escape(self.link.format(topic.number))}</link>"
            f"<description><![CDATA[{escape(plain(post.html))[:250]}]]></description>"
            f"<category>闲聊</category><author>user{post.author}</author>"
            f"<pubDate>{self.time(post)}</pubDate></item>\n"
        )

    def time(self, post: Written) -> str:
        return format_datetime(post.at, usegmt=True)

    def _page(self, number: int) -> httpx.Response:
        if number in self.refused:
            return httpx.Response(self.refused[number])
        topic = self.board.topics.get(number)
        shown = "<html><body>第一页</body></html>"
        if topic is None or topic.posts[0].deleted or self.gated:
            shown = (
                "<div id='messagetext'><p>抱歉，指定的主题不存在或已被删除或正在被审核</p></div>"
            )
        return httpx.Response(
            200, headers={"content-type": "text/html"}, content=shown.encode(self.charset)
        )

    def truth(self) -> dict[str, str]:
        return {
            f"discuz:{self.site}/{topic.number}": (
                f"{topic.title}||{plain(topic.posts[0].html)[:250]}"
            )
            for topic in self.board.topics.values()
            if not topic.posts[0].deleted
        }


def by_activity(board: Board) -> list[Topic]:
    return sorted(board.topics.values(), key=lambda one: one.posts[-1].number, reverse=True)


def paged(items: list[Any], page: int) -> tuple[list[Any], int]:
    return items[(page - 1) * PAGE : page * PAGE], max(1, -(-len(items) // PAGE))


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)
