"""Drives a connector that is pushed to, as ingest does: a cursor counts once acknowledged."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from connectors.base import Batch, Cursor

#: Every client would read the authorities anew, which takes 27 ms: half of most tests here.
TLS = ssl.create_default_context()


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Driver:
    """Takes batches and acknowledges each when it is let; ``stop`` kills the connector."""

    def __init__(self, batches: Callable[[Cursor], AsyncIterator[Batch]]) -> None:
        self._batches = batches
        self.written: list[Batch] = []
        self.taken: list[Batch] = []
        self.life_signs = 0
        """Batches that tell nothing but that somebody listens."""
        self.cursor: Cursor = {}
        self.broker = asyncio.Event()
        self.broker.set()
        self._task: asyncio.Task[None] | None = None

    async def start(self, port: int) -> None:
        """Serve, and return when the port answers."""
        self._task = asyncio.create_task(self._run())
        for _ in range(500):
            if self._task.done():
                await self._task
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"nobody listens on {port}")

    async def stop(self) -> None:
        """End it as ingest ends: cancelled, and the generator closed."""
        if self._task is None:
            return
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def until(self, ready: Callable[[], bool]) -> None:
        """Give the others their turns until something has happened."""
        async with asyncio.timeout(10):
            while not ready():
                await asyncio.sleep(0.005)

    async def _run(self) -> None:
        batches = self._batches(self.cursor)
        try:
            async for batch in batches:
                if batch == Batch([], self.cursor):  # it listens, and nobody came yet
                    self.life_signs += 1
                    continue
                self.taken.append(batch)
                await self.broker.wait()
                self.written.append(batch)
                self.cursor = batch.cursor
        finally:
            await batches.aclose()  # type: ignore[attr-defined]
