"""Runs a connector of a forum as ingest does, and lets people, faults and kills happen to it."""

import random
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import orjson

from connectors.base import Batch, Connector, Cursor
from connectors.trouble import SourceError
from tests.connectors.forum_server import ForumServer, PollOver
from tests.connectors.polls import parts

__all__ = ["Listener", "live_through", "said"]


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
                    async for batch in parts(batches):
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


def said(draft: Any) -> str:
    return f"{draft.title or ''}|{draft.root_text or ''}|{draft.text}"


async def live_through(listener: Listener, server: ForumServer, seed: int) -> None:
    """People write, edit and delete; the server fails; the connector is killed anywhere."""
    chance, board = random.Random(seed), server.board

    def people(_: int = 0) -> None:
        for _ in range(chance.randrange(4)):
            posts = [post for post in board.public() if post.number not in board.kept]
            act = chance.random()
            if act < 0.5 or len(posts) < 5:
                topic = chance.choice(posts).topic if posts and chance.random() < 0.8 else None
                board.write(f"<p>{chance.random()}</p>", topic)
            elif act < 0.7:
                board.edit(chance.choice(posts), f"<p>改{chance.random()}</p>")
            elif act < 0.8:
                hidden = [post for post in board.posts.values() if post.deleted]
                post = chance.choice(hidden or posts)
                post.deleted = not post.deleted
            elif act < 0.95:
                board.purge(chance.choice(posts))
            else:
                board.purge_topic(chance.choice(posts).topic)

    await listener.poll()
    for _ in range(25):
        people()
        server.meanwhile = people if chance.random() < 0.3 else lambda number: None
        faults = ["", "", "", "429", "500", "503-date", "timeout", "cut", "short", "page"]
        server.faults.extend(chance.choice(faults) for _ in range(chance.randrange(4)))
        kill = chance.choice([None, None, 1, 2])
        await listener.poll(kill_after=kill, lose_last=chance.random() < 0.5)
    server.meanwhile = lambda number: None
    for _ in range(3):
        await listener.poll()
