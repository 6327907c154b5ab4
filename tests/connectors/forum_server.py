"""Stand-ins for forums: one board in memory, served as each forum software would.

``Board`` is what people do (write, edit, delete); a ``ForumServer`` answers requests about it with
the faults of real servers; ``Listener`` runs a connector against one as ingest does, and can be
killed between two batches.
"""

import re
from collections import deque
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import httpx
import orjson

from connectors.base import Batch, Connector, Context, Cursor
from connectors.trouble import SourceError

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)


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
        """Without a trace."""
        post.topic.posts.remove(post)
        del self.posts[post.number]

    def purge_topic(self, topic: Topic) -> None:
        for post in list(topic.posts):
            self.purge(post)
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
        response = self.answer(request)
        if fault == "short":
            return httpx.Response(200, headers=response.headers, content=response.content[:-40])
        return response

    def answer(self, request: httpx.Request) -> httpx.Response:
        raise NotImplementedError

    def truth(self) -> dict[str, str]:
        """What every reader must know in the end: id to text."""
        raise NotImplementedError


class PollOver(Exception):
    """The connector pauses."""


class Listener:
    """Runs a connector as ingest does: a batch is acknowledged before the next is asked for."""

    def __init__(self, connect: Callable[[], Connector], clock: Any) -> None:
        self._connect = connect
        self._clock = clock
        self.cursor: Cursor = {}
        self.batches: list[Batch] = []
        self.troubles: list[SourceError] = []
        self.told: list[tuple[str, str, bool]] = []
        self.dead: list[Any] = []

    async def poll(self, *, kill_after: int | None = None, lose_last: bool = False) -> None:
        """One poll to its end; or killed after some batches, the last one perhaps unwritten."""
        taken = 0
        while True:
            try:
                async with aclosing(self._connect().batches(self.cursor)) as batches:  # type: ignore[type-var]
                    async for batch in batches:
                        taken += 1
                        if kill_after is not None and taken > kill_after and lose_last:
                            return
                        self._acknowledge(batch)
                        if kill_after is not None and taken >= kill_after and not lose_last:
                            return
                raise AssertionError("a forum never ends")
            except PollOver:
                return
            except SourceError as error:
                self.troubles.append(error)
                assert len(self.troubles) < 1_000
                self._clock.at += timedelta(seconds=error.retry_after_seconds or 1)

    def _acknowledge(self, batch: Batch) -> None:
        self.cursor = orjson.loads(orjson.dumps(dict(batch.cursor)))
        assert len(orjson.dumps(self.cursor)) < 500_000
        self.batches.append(batch)
        self.dead += batch.unreadable
        for seen in batch.seen:
            self.told.append((seen.draft.id, said(seen.draft), seen.draft.deleted))

    def index(self) -> dict[str, str]:
        """What a reader has in the end: of each id the last revision, deleted ones left out."""
        last = {one: (text, deleted) for one, text, deleted in self.told}
        return {one: text for one, (text, deleted) in last.items() if not deleted}

    def doubled(self) -> list[tuple[str, str, bool]]:
        """What was told twice in a row of one post, unchanged."""
        last: dict[str, tuple[str, str, bool]] = {}
        doubled = []
        for one in self.told:
            if last.get(one[0]) == one:
                doubled.append(one)
            last[one[0]] = one
        return doubled

    def drafts(self) -> list[Any]:
        return [seen.draft for batch in self.batches for seen in batch.seen]


def plain(html: str) -> str:
    return re.sub("<[^>]*>", "", html)


def said(draft: Any) -> str:
    return f"{draft.title or ''}|{draft.root_text or ''}|{draft.text}"


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
            f"discourse:forum.example.com/{post.topic.number}/{post.place}": (
                f"{post.topic.title}||{plain(post.html)}"
                if post.place == 1
                else f"|{post.topic.title}|{plain(post.html)}"
            )
            for post in self.board.public()
        }


__all__ = [
    "BEGIN",
    "Board",
    "DiscourseServer",
    "ForumServer",
    "Listener",
    "PollOver",
    "Topic",
    "Written",
    "plain",
    "said",
]
