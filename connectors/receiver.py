"""Being told by other people's servers: an HTTP endpoint whose answer waits for the broker.

A connector that is pushed to puts what it was sent into a ``Receiver`` and waits; the batch goes to
ingest, and when ingest asks for the next one, the one before is acknowledged by the broker: only
then the sender gets its 2xx. When ingest can't write, the sender gets 503 and sends again.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import Field

from connectors.base import Batch, Cursor, Seen, Unreadable
from connectors.proofs import Proofs
from schemas.component import ComponentConfig
from schemas.customer_event import CustomerEvent
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["Busy", "ReceiveConfig", "Receiver"]

MAX_BATCH_ITEMS = 500
MAX_BATCH_BYTES = 8 * 1024 * 1024
MAX_WAITING = 2_000
"""Deliveries that may wait for the broker at a time; more are asked to come later."""
MAX_WAITING_BYTES = 64 * 1024 * 1024
MAX_CONNECTIONS = 800
"""Open at a time; more are closed at once. A process may have 1,024 files on many systems."""
HEAD_SECONDS = 15.0
"""Until the head of a request has come to its end; by default that may take an hour."""
CLOSE_SECONDS = 5.0
LIFE_SIGN_SECONDS = 30.0
MAX_TOLD = 10_000
MAX_TOLD_KEPT = 500
"""Keys that the cursor keeps over a restart; senders repeat within seconds."""
_COUNT = "count."


class ReceiveConfig(ComponentConfig):
    """Options of every connector that is pushed to."""

    host: str = Field("127.0.0.1", description="Address to listen on; a proxy stands in front.")
    port: int = Field(ge=1, le=65_535, description="Port to listen on.")
    path: str = Field("/", pattern=r"^/\S*$", description="Path of the endpoint.")
    max_body_kib: int = Field(
        1_024, ge=1, le=65_536, description="Largest request body taken, in KiB; more gets 413."
    )


class Busy(Exception):
    """Nothing was promised: ask the sender to come again in so many seconds.

    ``too_much``: because too much waits already; else nothing can be written, or ingest ends.
    """

    def __init__(self, retry_after_seconds: int, *, too_much: bool = False) -> None:
        super().__init__(f"come again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds
        self.too_much = too_much


class _Full(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


@dataclass(slots=True)
class _Delivery:
    seen: Sequence[Seen]
    unreadable: Sequence[Unreadable]
    events: Sequence[CustomerEvent]
    key: str
    counted: str
    done: "asyncio.Future[bool]" = field(repr=False)
    """Whether the broker has it."""

    @property
    def items(self) -> int:
        return len(self.seen) + len(self.unreadable) + len(self.events)

    @property
    def size(self) -> int:
        return sum(len(one.draft.text) for one in self.seen) + sum(
            len(one.raw) for one in self.unreadable
        )


class Receiver:
    """Collects deliveries into batches; ``deliver`` returns when the broker has acknowledged."""

    def __init__(self, config: ReceiveConfig) -> None:
        self._config = config
        self._waiting: asyncio.Queue[_Delivery] = asyncio.Queue(MAX_WAITING)
        self._waiting_bytes = 0
        self._closed = False
        self._told: OrderedDict[str, None] = OrderedDict()
        self._pending: dict[str, asyncio.Future[bool]] = {}
        self._counts: Counter[str] = Counter()
        self.proofs = Proofs()
        """Whoever serves tells it which requests were the sender's own."""

    async def deliver(
        self,
        seen: Sequence[Seen],
        unreadable: Sequence[Unreadable] = (),
        events: Sequence[CustomerEvent] = (),
        *,
        key: str = "",
        counted: str = "",
    ) -> None:
        """Hand items on and wait until the broker has them.

        A delivery with the ``key`` of one before is not handed on again: it waits for the first, or
        returns at once when the broker has that. ``counted`` names what is not carried on but
        counted, in the cursor. Whoever stops waiting takes nothing back.

        Raises:
            Busy: too many deliveries wait already, or ingest ends; nothing is promised.
        """
        if key and key in self._told:
            return
        done = self._pending.get(key) if key else None
        if done is None:
            done = self._put(seen, unreadable, events, key, counted)
        # Shielded: a sender that hangs up must not take the delivery from one that repeats it.
        if not await asyncio.shield(done):
            raise Busy(5)

    def note(self, name: str) -> None:
        """Count something that is not handed on; the cursor of the next batch tells of it."""
        self._counts[name] += 1

    def _put(
        self,
        seen: Sequence[Seen],
        unreadable: Sequence[Unreadable],
        events: Sequence[CustomerEvent],
        key: str,
        counted: str,
    ) -> "asyncio.Future[bool]":
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        one = _Delivery(seen, unreadable, events, key, counted, done)
        if self._closed:
            raise Busy(5)
        if self._waiting_bytes + one.size > MAX_WAITING_BYTES:
            raise Busy(5, too_much=True)
        try:
            self._waiting.put_nowait(one)
        except asyncio.QueueFull:
            raise Busy(5, too_much=True) from None
        self._waiting_bytes += one.size
        if key:
            self._pending[key] = done
        return done

    async def batches(
        self,
        handle: Callable[[web.Request], Awaitable[web.StreamResponse]],
        cursor: Cursor | None = None,
    ) -> AsyncGenerator[Batch, None]:
        """Serve ``handle`` at the configured address for as long as batches are asked for.

        The first batch is empty, as others are while nobody sends: it listens. When ``proofs`` has
        a trouble, every batch tells of it. From the ``cursor`` come the keys and counts of an
        earlier run.

        Raises:
            FatalError: the port can't be listened on.
        """
        self._resume(cursor or {})

        application = web.Application(client_max_size=self._config.max_body_kib * 1024)
        application.router.add_route("*", self._config.path, handle)
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,  # signatures are of what was sent, limits of what it holds
            shutdown_timeout=CLOSE_SECONDS,
            keepalive_timeout=HEAD_SECONDS,
        )
        await runner.setup()
        server: asyncio.Server | None = None
        try:
            server = await self._listen(runner)
            taken: list[_Delivery] = []
            while True:
                try:
                    yield Batch(
                        [seen for one in taken for seen in one.seen],
                        self._cursor(taken),
                        [item for one in taken for item in one.unreadable],
                        events=[event for one in taken for event in one.events],
                        trouble=self.proofs.trouble(),
                    )
                except BaseException:  # ingest gives up: the senders have to send again
                    self._end(taken, written=False)
                    raise
                self._end(taken, written=True)
                taken = await self._take()
        finally:
            self._closed = True
            while not self._waiting.empty():
                self._end([self._get()], written=False)
            if server is not None:
                server.close()
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> asyncio.Server:
        host, port = self._config.host, self._config.port

        def accept() -> asyncio.BaseProtocol:
            assert runner.server is not None  # it is set up
            if len(runner.server.connections) >= MAX_CONNECTIONS:
                return _Full()
            return runner.server()

        try:
            return await asyncio.get_running_loop().create_server(accept, host, port)
        except OSError as error:
            raise FatalError(
                say(
                    f"无法监听 {host}:{port}：{error.strerror or error}；请换一个端口。",
                    f"{host}:{port} can't be listened on: {error.strerror or error}; choose "
                    "another port.",
                )
            ) from error

    def _resume(self, cursor: Cursor) -> None:
        self._closed = False
        for key in str(cursor.get("told", "")).split():
            self._told[key] = None
        for name, count in cursor.items():
            if name.startswith(_COUNT) and isinstance(count, int):
                self._counts[name.removeprefix(_COUNT)] = count

    def _cursor(self, taken: Sequence[_Delivery]) -> Cursor:
        """Where to resume when the batch is acknowledged: as if it were already."""
        keys = [*self._told, *(one.key for one in taken if one.key)][-MAX_TOLD_KEPT:]
        counts = self._counts + Counter(one.counted for one in taken if one.counted)
        told: dict[str, str | int] = {"told": " ".join(keys)} if keys else {}
        return told | {_COUNT + name: count for name, count in sorted(counts.items())}

    async def _take(self) -> list[_Delivery]:
        """One delivery and what waits behind it, or none when none comes for a while."""
        try:
            async with asyncio.timeout(LIFE_SIGN_SECONDS):
                first = await self._waiting.get()
        except TimeoutError:
            return []
        self._waiting_bytes -= first.size
        taken = [first]
        items, size = first.items, first.size
        while items < MAX_BATCH_ITEMS and size < MAX_BATCH_BYTES:
            with suppress(asyncio.QueueEmpty):
                one = self._get()
                taken.append(one)
                items += one.items
                size += one.size
                continue
            break
        return taken

    def _get(self) -> _Delivery:
        one = self._waiting.get_nowait()
        self._waiting_bytes -= one.size
        return one

    def _end(self, deliveries: Iterable[_Delivery], *, written: bool) -> None:
        for one in deliveries:
            self._pending.pop(one.key, None)
            if written and one.key:
                self._told[one.key] = None
                if len(self._told) > MAX_TOLD:
                    self._told.popitem(last=False)
            if written and one.counted:
                self._counts[one.counted] += 1
            if not one.done.done():
                one.done.set_result(written)
