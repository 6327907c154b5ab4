"""``feed`` against a real server: the comments of Isso through its Atom feeds.

Its tag is the newest comment's number, so an edit or a deletion further down changes neither tag
nor date: the look without validators has to find them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connectors.base import Batch, Context, Cursor
from connectors.feed import Feed
from connectors.trouble import SourceError
from schemas.post import PostDraft
from tests.connectors.isso_server import Isso, NotInstalledError, install
from tests.connectors.polls import parts

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("/yunfan/", "/chixiao/")

pytestmark = pytest.mark.own_servers


@pytest.fixture
def isso(tmp_path: Path) -> Iterator[Isso]:
    try:
        command = install(ROOT / ".tingchao" / "isso")
    except NotInstalledError as error:
        # Also in CI: a stranger's package that can't be had says nothing about ours.
        pytest.skip(f"Isso can't be installed here: {error}")
    server = Isso(command, tmp_path)
    server.start()
    try:
        yield server
    finally:
        server.close()


class Listener:
    """A source on the feeds of both pages, and everything that it told."""

    def __init__(self, isso: Isso, context: Context) -> None:
        self.statuses: Counter[int] = Counter()

        async def count(response: httpx.Response) -> None:
            if "/feed" in str(response.url):
                self.statuses[response.status_code] += 1

        client = httpx.AsyncClient(event_hooks={"response": [count]})
        self._context = replace(context, client=client)
        self._config = Feed.Config(
            urls=tuple(isso.feed(page) for page in PAGES), platform="isso", kind="comment"
        )
        self.cursor: Cursor = {}
        self.told: list[PostDraft] = []
        self.restart()

    def restart(self) -> None:
        self.feed = Feed("评论", self._config, self._context)
        self.resume()

    def resume(self) -> None:
        self._running = parts(self.feed.batches(self.cursor))

    async def poll(self) -> list[PostDraft]:
        """One look at both pages; what it told."""
        news = [draft for _ in PAGES for draft in await self._batch()]
        self.told += news
        return news

    async def _batch(self) -> list[PostDraft]:
        batch: Batch = await anext(self._running)
        assert batch.unreadable == []
        self.cursor = batch.cursor
        return [seen.draft for seen in batch.seen]

    async def close(self) -> None:
        await self._context.client.aclose()


def number_of(draft: PostDraft) -> int:
    return int(draft.id.rpartition("/")[2])


async def test_two_hundred_comments_arrive_once_each_and_nothing_else(
    isso: Isso, context: Context, clock: Any
) -> None:
    listener = Listener(isso, context)
    alive: dict[int, str] = {}
    unseen: set[int] = set()

    def write(count: int) -> list[int]:
        numbers = []
        for place in range(count):
            text = f"第{len(alive)}条：云帆屏幕碎了 & <b>客服</b>不理"
            number = isso.write(PAGES[place % 2], text, f"用户{place % 7}")
            alive[number] = text
            numbers.append(number)
        return numbers

    def edit(number: int) -> None:
        alive[number] = f"{number} 号改了：已经退货"
        isso.edit(number, alive[number], "用户")

    def delete(number: int) -> None:
        isso.delete(number)
        del alive[number]

    try:
        # Given empty pages, then 100 comments, some edited and some deleted before they were seen
        assert await listener.poll() == []
        first = write(100)
        for number in first[10:15]:
            edit(number)
        for number in first[20:30]:
            delete(number)
            unseen.add(number)
        assert {number_of(draft) for draft in await listener.poll()} == set(alive)

        # When nothing happens, then both feeds answer 304
        for _ in range(3):
            assert await listener.poll() == []
        assert listener.statuses == {200: 4, 304: 6}

        # When the connector restarts, 50 more come, a few of them answers
        listener.restart()
        more = write(48)
        for parent in more[:2]:
            page = PAGES[more.index(parent) % 2]
            number = isso.write(page, "楼上说得对", "路人", parent)
            alive[number] = "楼上说得对"
            more.append(number)
        news = await listener.poll()
        assert {number_of(draft) for draft in news} == set(more)
        answers = {number_of(draft): draft for draft in news if draft.kind == "reply"}
        assert {
            number: int(str(answer.parent_id).rpartition("/")[2])
            for number, answer in answers.items()
        } == dict(zip(more[-2:], more[:2], strict=True))

        # When old ones are edited and deleted, then the tags say 304 and the look an hour later not
        for number in first[:5]:
            edit(number)
        gone = more[5:10]
        for number in gone:
            delete(number)
        assert await listener.poll() == []
        clock.at += timedelta(hours=1)
        assert {number_of(draft) for draft in await listener.poll()} == set(first[:5])

        # When the server is away, and comes back with 50 more
        isso.stop()
        with pytest.raises(SourceError) as caught:
            await listener.poll()
            await listener.poll()
        assert caught.value.trouble == "unreachable"
        isso.start()
        last = write(50)
        clock.at += timedelta(minutes=10)
        listener.resume()
        assert {number_of(draft) for draft in await listener.poll()} == set(last)
        assert await listener.poll() == []
    finally:
        await listener.close()

    # Then all and only those arrived, each state of each once, the newest state last
    told = {number_of(draft) for draft in listener.told}
    assert len(first + more + last) == 200
    assert told == set(alive) | set(gone)
    assert not told & unseen
    assert len(listener.told) == len(told) + 5
    newest = {number_of(draft): draft.text for draft in listener.told}
    assert {number: newest[number] for number in alive} == alive
    assert listener.statuses[304] >= 8
