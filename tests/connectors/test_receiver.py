import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web

import connectors.receiver as receiver_module
from connectors.base import Batch, Cursor, Seen, Unreadable
from connectors.receiver import Busy, ReceiveConfig, Receiver
from schemas.errors import FatalError
from schemas.post import Author, PostDraft
from tests.connectors.pushing import TLS, Driver, free_port

NOW = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
Start = Callable[..., Awaitable[Driver]]


def seen(text: str) -> Seen:
    draft = PostDraft(
        id=f"inbox:{text}",
        platform="inbox",
        kind="message",
        text=text,
        author=Author(id="1"),
        published_at=NOW,
        source="收件",
    )
    return Seen(draft, NOW)


def texts(batches: list[Batch]) -> list[str]:
    return [one.draft.text for batch in batches for one in batch.seen]


class Inbox:
    """The smallest connector: a body is a text, the query may name a key."""

    def __init__(self, config: ReceiveConfig) -> None:
        self.receiver = Receiver(config)
        self.asked = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = await request.read()
        try:
            await self.receiver.deliver(
                [] if "count" in request.query else [seen(body.decode())],
                [Unreadable(1, body, "json", "bad")] if "bad" in request.query else (),
                key=request.query.get("key", ""),
                counted=request.query.get("count", ""),
            )
        except Busy as busy:
            headers = {"Retry-After": str(busy.retry_after_seconds)}
            return web.Response(status=429 if busy.too_much else 503, headers=headers)
        return web.Response(text="ok")

    def batches(self, cursor: Cursor) -> AsyncIterator[Batch]:
        return self.receiver.batches(self.handle, cursor)


@pytest.fixture
def config() -> ReceiveConfig:
    return ReceiveConfig(port=free_port(), path="/in", max_body_kib=64)


@pytest.fixture
def inbox(config: ReceiveConfig) -> Inbox:
    return Inbox(config)


@pytest.fixture
async def driver(inbox: Inbox, config: ReceiveConfig) -> AsyncIterator[Driver]:
    driver = Driver(inbox.batches)
    await driver.start(config.port)
    yield driver
    await driver.stop()


@pytest.fixture
async def client(config: ReceiveConfig) -> AsyncIterator[httpx.AsyncClient]:
    base = f"http://127.0.0.1:{config.port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=10, verify=TLS) as client:
        yield client


async def test_the_answer_waits_for_the_broker(driver: Driver, client: httpx.AsyncClient) -> None:
    # Given a broker that does not acknowledge
    driver.broker.clear()

    # When a delivery was yielded
    asked = asyncio.create_task(client.post("/in", content="刹车异响"))
    await driver.until(lambda: bool(driver.taken))
    await asyncio.sleep(0.05)

    # Then there is no answer before the acknowledgement
    assert not asked.done()
    driver.broker.set()
    assert (await asked).status_code == 200
    assert texts(driver.written) == ["刹车异响"]


async def test_what_comes_while_the_broker_writes_is_one_batch(
    driver: Driver, client: httpx.AsyncClient, inbox: Inbox
) -> None:
    driver.broker.clear()
    sends = [asyncio.create_task(client.post("/in", content=str(n))) for n in range(20)]
    await driver.until(lambda: inbox.asked == 20)

    driver.broker.set()

    assert {answer.status_code for answer in await asyncio.gather(*sends)} == {200}
    assert sorted(texts(driver.written), key=int) == [str(n) for n in range(20)]
    assert len(driver.written) <= 3


async def test_when_ingest_ends_every_sender_is_asked_to_come_again(
    driver: Driver, client: httpx.AsyncClient, inbox: Inbox
) -> None:
    # Given one delivery that is being written and one that waits
    driver.broker.clear()
    first = asyncio.create_task(client.post("/in", content="一"))
    await driver.until(lambda: bool(driver.taken))
    second = asyncio.create_task(client.post("/in", content="二"))
    await driver.until(lambda: inbox.asked == 2)

    # When ingest ends
    await driver.stop()

    # Then both are told so, and the port is free
    answers = await asyncio.gather(first, second)
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].headers["retry-after"] == "5"
    with pytest.raises(httpx.ConnectError):
        await client.post("/in", content="三")
    with pytest.raises(Busy):
        await inbox.receiver.deliver([seen("四")])


async def test_it_tells_that_it_listens_while_nobody_writes(
    driver: Driver, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given one that told at once that it listens
    await driver.until(lambda: driver.life_signs == 1)
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    await client.post("/in", content="一")

    # When nobody writes for a while
    await driver.until(lambda: driver.life_signs == 4)

    # Then it told so again and again, and takes what comes
    assert (await client.post("/in", content="二")).status_code == 200
    assert texts(driver.written) == ["一", "二"]


async def test_it_can_serve_again(
    driver: Driver, client: httpx.AsyncClient, config: ReceiveConfig
) -> None:
    await client.post("/in", content="一")
    await driver.stop()

    await driver.start(config.port)

    assert (await client.post("/in", content="二")).status_code == 200
    assert texts(driver.written) == ["一", "二"]


async def test_a_repetition_is_handed_on_once(
    driver: Driver, client: httpx.AsyncClient, inbox: Inbox
) -> None:
    # Given a delivery that is being written, and its repetitions
    driver.broker.clear()
    sends = [
        asyncio.create_task(client.post("/in", params={"key": "a"}, content="一")) for _ in range(3)
    ]
    await driver.until(lambda: inbox.asked == 3)

    # When the broker acknowledges, and one more comes later
    driver.broker.set()
    answers = [
        *await asyncio.gather(*sends),
        await client.post("/in", params={"key": "a"}, content="一"),
    ]

    # Then all are answered, and it was written once
    assert [answer.status_code for answer in answers] == [200] * 4
    assert texts(driver.written) == ["一"]


async def test_a_sender_that_hung_up_takes_nothing_from_its_repetition(
    driver: Driver, client: httpx.AsyncClient, inbox: Inbox
) -> None:
    driver.broker.clear()
    with pytest.raises(httpx.ReadTimeout):
        await client.post("/in", params={"key": "a"}, content="一", timeout=0.1)
    again = asyncio.create_task(client.post("/in", params={"key": "a"}, content="一"))
    await driver.until(lambda: inbox.asked == 2)

    driver.broker.set()

    assert (await again).status_code == 200
    assert texts(driver.written) == ["一"]


async def test_keys_and_counts_survive_a_restart(
    driver: Driver, client: httpx.AsyncClient, config: ReceiveConfig
) -> None:
    # Given deliveries, one of which is only counted, of an earlier process
    await client.post("/in", params={"key": "a"}, content="一")
    await client.post("/in", params={"key": "b", "count": "subscribe"})
    await driver.stop()
    assert driver.cursor == {"told": "a b", "count.subscribe": 1}

    # When the sender, who heard nothing, repeats them to the next one
    later = Driver(Inbox(config).batches)
    later.cursor = driver.cursor
    await later.start(config.port)
    try:
        for query in ({"key": "a"}, {"key": "b", "count": "subscribe"}):
            assert (await client.post("/in", params=query, content="一")).status_code == 200
        await client.post("/in", params={"key": "c", "count": "subscribe"})
    finally:
        await later.stop()

    # Then nothing is doubled, and counting goes on
    assert texts(later.written) == []
    assert later.cursor == {"told": "a b c", "count.subscribe": 2}


async def test_what_is_noted_stands_in_the_next_cursor(
    driver: Driver, client: httpx.AsyncClient, inbox: Inbox
) -> None:
    inbox.receiver.note("refused")
    inbox.receiver.note("refused")
    assert driver.cursor == {}

    await client.post("/in", content="一")

    assert driver.cursor == {"count.refused": 2}


async def test_what_was_not_acknowledged_is_not_in_the_cursor(
    driver: Driver, client: httpx.AsyncClient, inbox: Inbox, config: ReceiveConfig
) -> None:
    driver.broker.clear()
    lost = asyncio.create_task(client.post("/in", params={"key": "a"}, content="一"))
    await driver.until(lambda: bool(driver.taken))
    await driver.stop()
    assert (await lost).status_code == 503

    # When the same connector serves again and the sender repeats
    driver.broker.set()
    await driver.start(config.port)
    again = await client.post("/in", params={"key": "a"}, content="一")

    assert again.status_code == 200
    assert texts(driver.written) == ["一"]


async def test_without_keys_the_cursor_stays_empty(
    driver: Driver, client: httpx.AsyncClient
) -> None:
    await client.post("/in", params={"bad": 1}, content="一")

    assert driver.cursor == {}
    assert [item.raw for batch in driver.written for item in batch.unreadable] == ["一".encode()]


async def test_too_much_waiting_is_asked_to_come_later(
    driver: Driver,
    client: httpx.AsyncClient,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given room for 100 letters that wait
    monkeypatch.setattr(receiver_module, "MAX_WAITING_BYTES", 100)
    driver.broker.clear()
    first = asyncio.create_task(client.post("/in", content="一"))
    await driver.until(lambda: bool(driver.taken))

    # When 60 wait and 60 more come
    waiting = asyncio.create_task(client.post("/in", content="二" * 60))
    await driver.until(lambda: inbox.asked == 2)
    refused = await client.post("/in", content="三" * 60)

    # Then the latter are sent away, and there is room again when the former are written
    assert refused.status_code == 429
    driver.broker.set()
    assert [(await one).status_code for one in (first, waiting)] == [200, 200]
    assert (await client.post("/in", content="三" * 60)).status_code == 200


async def test_a_full_queue_is_busy(config: ReceiveConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver_module, "MAX_WAITING", 1)
    receiver = Receiver(config)
    waiting = asyncio.create_task(receiver.deliver([seen("一")]))
    await asyncio.sleep(0)

    with pytest.raises(Busy) as caught:
        await receiver.deliver([seen("二")])

    assert caught.value.too_much
    waiting.cancel()


async def test_requests_that_prove_nothing_are_told_until_one_does(
    driver: Driver,
    client: httpx.AsyncClient,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    await client.post("/in", content="一")  # the next wait is short

    # When some requests failed for one reason, then life signs tell of it, without end
    for _ in range(3):
        inbox.receiver.proofs.failed("token", "请检查 token")
    await driver.until(lambda: len(driver.written) > 3)
    assert {str(batch.trouble) for batch in driver.written[1:]} == {"请检查 token"}

    # And when one succeeds, they tell of it no more
    inbox.receiver.proofs.succeeded()
    await client.post("/in", content="二")
    assert driver.written[-1].trouble is None
    signs = driver.life_signs
    await driver.until(lambda: driver.life_signs > signs + 2)
    assert texts(driver.written) == ["一", "二"]


async def test_huge_bodies_are_refused_and_the_server_lives_on(
    driver: Driver, client: httpx.AsyncClient
) -> None:
    assert (await client.post("/in", content=b"x" * 10_000_000)).status_code == 413
    assert (await client.post("/elsewhere")).status_code == 404
    assert (await client.post("/in", content="还在")).status_code == 200
    assert texts(driver.written) == ["还在"]


async def test_a_body_is_seen_as_it_was_sent(driver: Driver, client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b"x" * 10_000_000)

    await client.post(
        "/in", params={"bad": 1, "count": "x"}, content=bomb, headers={"content-encoding": "gzip"}
    )

    assert [item.raw for batch in driver.written for item in batch.unreadable] == [bomb]


async def test_a_handler_that_fails_does_not_end_the_server(
    driver: Driver, client: httpx.AsyncClient
) -> None:
    assert (await client.post("/in", content=b"\xff")).status_code == 500
    assert (await client.post("/in", content="还在")).status_code == 200


async def test_a_taken_port_is_one_sentence(config: ReceiveConfig, inbox: Inbox) -> None:
    with socket.create_server(("127.0.0.1", config.port)):
        with pytest.raises(FatalError, match=f"无法监听 127.0.0.1:{config.port}"):
            async for _ in inbox.batches({}):
                pass
