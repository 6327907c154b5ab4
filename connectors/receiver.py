"""Being told by other people's servers: an HTTP endpoint whose answer waits for the broker.

A connector that is pushed to puts what it was sent into a ``Receiver`` and waits; the batch goes to
ingest, and when ingest asks for the next one, the one before is acknowledged by the broker: only
then the sender gets its 2xx. When ingest can't write, the sender gets 503 and sends again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web
from pydantic import Field

from connectors.base import Batch, Seen, Unreadable
from schemas.component import ComponentConfig
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["Busy", "ReceiveConfig", "Receiver"]

MAX_BATCH_ITEMS = 500
MAX_WAITING = 2_000
"""Deliveries that may wait for the broker at a time; more are asked to come later."""


class ReceiveConfig(ComponentConfig):
    """Options of every connector that is pushed to."""

    host: str = Field("127.0.0.1", description="Address to listen on; a proxy stands in front.")
    port: int = Field(ge=1, le=65_535, description="Port to listen on.")
    path: str = Field("/", pattern=r"^/\S*$", description="Path of the endpoint.")
    max_body_kib: int = Field(
        1_024, ge=1, le=65_536, description="Largest request body taken, in KiB; more gets 413."
    )


class Busy(Exception):
    """Too much waits for the broker: ask the sender to come again in so many seconds."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"come again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


@dataclass(slots=True)
class _Delivery:
    seen: Sequence[Seen]
    unreadable: Sequence[Unreadable]
    done: "asyncio.Future[None]" = field(repr=False)


class Receiver:
    """Collects deliveries into batches; ``deliver`` returns when the broker has acknowledged."""

    def __init__(self, config: ReceiveConfig) -> None:
        self._config = config
        self._waiting: asyncio.Queue[_Delivery] = asyncio.Queue(MAX_WAITING)

    async def deliver(self, seen: Sequence[Seen], unreadable: Sequence[Unreadable] = ()) -> None:
        """Hand items on and wait until the broker has them.

        Raises:
            Busy: too many deliveries wait already; this one was not taken.
            asyncio.CancelledError: ingest ends; nothing is promised about this delivery.
        """
        done = asyncio.get_running_loop().create_future()
        try:
            self._waiting.put_nowait(_Delivery(seen, unreadable, done))
        except asyncio.QueueFull:
            raise Busy(5) from None
        await done

    async def batches(
        self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> AsyncIterator[Batch]:
        """Serve ``handle`` at the configured address for as long as batches are asked for.

        Raises:
            FatalError: the port can't be listened on.
        """
        application = web.Application(client_max_size=self._config.max_body_kib * 1024)
        application.router.add_route("*", self._config.path, handle)
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,  # signatures are of what was sent, limits of what it holds
        )
        await runner.setup()
        try:
            await self._listen(runner)
            while True:
                taken = await self._take()
                try:
                    yield Batch(
                        [seen for one in taken for seen in one.seen],
                        {},
                        [item for one in taken for item in one.unreadable],
                    )
                except BaseException:  # ingest gives up: the senders have to send again
                    _end(taken, cancelled=True)
                    raise
                _end(taken)
        finally:
            while not self._waiting.empty():
                _end([self._waiting.get_nowait()], cancelled=True)
            await runner.cleanup()

    async def _listen(self, runner: web.AppRunner) -> None:
        host, port = self._config.host, self._config.port
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise FatalError(
                say(
                    f"无法监听 {host}:{port}：{error.strerror or error}；请换一个端口。",
                    f"{host}:{port} can't be listened on: {error.strerror or error}; choose "
                    "another port.",
                )
            ) from error

    async def _take(self) -> list[_Delivery]:
        """At least one delivery, and what waits behind it."""
        taken = [await self._waiting.get()]
        items = len(taken[0].seen) + len(taken[0].unreadable)
        while items < MAX_BATCH_ITEMS:
            with suppress(asyncio.QueueEmpty):
                one = self._waiting.get_nowait()
                taken.append(one)
                items += len(one.seen) + len(one.unreadable)
                continue
            break
        return taken


def _end(deliveries: Sequence[_Delivery], *, cancelled: bool = False) -> None:
    for one in deliveries:
        if one.done.done():  # its sender hung up
            continue
        if cancelled:
            one.done.cancel()
        else:
            one.done.set_result(None)
