"""A web server on the loopback that answers byte for byte what a test wants, good or hostile."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress

__all__ = [
    "NESTED",
    "Reply",
    "Server",
    "as_json",
    "chunked",
    "cut",
    "dripping",
    "gzip_bomb",
    "json_text",
    "listening",
    "page",
    "streamed",
]

Reply = bytes | Callable[[], AsyncIterator[bytes]]
"""A whole answer, head and body, or its pieces; one that ends early closes the connection."""

NESTED = "(lists in lists)"
"""Stands in JSON for a thousand of them: within what readers allow, beyond what writers do."""

_PIECE = b" " * 65_536


class Server:
    """Answers with ``good(target)``, but for targets that begin with ``at``: those get ``bad``."""

    def __init__(self, good: Callable[[str], Reply]) -> None:
        self.good = good
        self.at = ""
        self.bad: Reply | None = None
        self.port = 0
        self.asked: list[str] = []
        """Targets in the order of the requests."""
        self.sent = 0
        """Bytes that went out, or into the buffers on the way."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request, one answer."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            target = head.split(b" ", 2)[1].decode()
            self.asked.append(target)
            bad = self.bad if target.startswith(self.at) else None
            await self._send(writer, self.good(target) if bad is None else bad)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        async for piece in _pieces(reply):
            writer.write(piece)
            await writer.drain()
            self.sent += len(piece)


@asynccontextmanager
async def listening(server: Server, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    """Serve at a free port until the end; connections that are still open are cut."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(asyncio.CancelledError):
            await server.serve(reader, writer)
        tasks.discard(task)
        writer.close()

    running = await asyncio.start_server(serve, host, 0)
    server.port = running.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        running.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def page(body: bytes, status: str = "200 OK", headers: Mapping[str, str] | None = None) -> bytes:
    """An answer that is whole."""
    given = {"content-length": str(len(body)), "connection": "close"} | dict(headers or {})
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in given.items())]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def cut(whole: bytes) -> bytes:
    """An answer that ends in the middle of its body."""
    head, _, body = whole.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n" + body[: len(body) // 2]


def chunked(size: int) -> Reply:
    """So many bytes in chunks, which tell nobody how many there will be."""

    async def pieces() -> AsyncIterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        for _ in range(size // len(_PIECE)):
            yield b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE)
        yield b"0\r\n\r\n"

    return pieces


def streamed(size: int) -> Reply:
    """So many bytes, announced and sent."""

    async def pieces() -> AsyncIterator[bytes]:
        yield page(b"", headers={"content-length": str(size)})
        for _ in range(size // len(_PIECE)):
            yield _PIECE

    return pieces


def dripping(whole: bytes, keep: int) -> Reply:
    """An answer whose bytes behind the first ``keep`` come one by one, and never end."""

    async def pieces() -> AsyncIterator[bytes]:
        yield whole[:keep]
        while True:
            await asyncio.sleep(0.02)
            yield b" " if b"\r\n\r\n" in whole[:keep] else b"x"

    return pieces


def gzip_bomb(size: int) -> bytes:
    """A body of some kilobytes that says it is JSON and holds ``size`` bytes."""
    packed = gzip.compress(b" " * size, 9)
    return page(packed, headers={"content-encoding": "gzip", "content-type": "application/json"})


def as_json(value: object) -> bytes:
    """As platforms send it."""
    return page(json_text(value).encode(), headers={"content-type": "application/json"})


def json_text(value: object) -> str:
    """As JSON, its nested parts unfolded."""
    return json.dumps(value, ensure_ascii=False).replace(f'"{NESTED}"', "[" * 1_000 + "]" * 1_000)


async def _pieces(reply: Reply) -> AsyncIterator[bytes]:
    if isinstance(reply, bytes):
        yield reply
        return
    async for piece in reply():
        yield piece
