"""Stand-ins for platforms, reached as the platforms are: by real HTTP, on the loopback."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

import httpx

__all__ = ["Front", "Loop", "Proxy"]

T = TypeVar("T")


class Front:
    """Serves what would else be a handler for ``httpx.MockTransport``.

    From ``hold`` to ``release`` nobody gets an answer, but for the first few. Take ``lock`` to
    change what the handler tells.
    """

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.lock = threading.Condition()
        self.errors: list[Exception] = []
        """What the handler raised: it was asked for what it has not."""
        self.held = 0
        """Requests that ever waited."""
        self._left: int | None = None
        """Requests that still get an answer; ``None``: all."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                url = f"http://{self.headers['host']}{self.path}"
                request = httpx.Request(
                    self.command, url, headers=self.headers.items(), content=body
                )
                answer = front.answered(request)
                with suppress(OSError):  # who asked may be gone by now
                    self.send_response(answer.status_code)
                    for name, value in answer.headers.items():
                        if name not in ("content-length", "transfer-encoding"):
                            self.send_header(name, value)
                    if answer.status_code != 304:
                        self.send_header("content-length", str(len(answer.content)))
                    self.end_headers()
                    self.wfile.write(answer.content)

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def site(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.site}"

    def hold(self, after: int = 0) -> None:
        with self.lock:
            self._left = after
            self.lock.notify_all()

    def release(self) -> None:
        with self.lock:
            self._left = None
            self.lock.notify_all()

    def answered(self, request: httpx.Request) -> httpx.Response:
        """The handler's answer, read whole."""
        with self.lock:
            self.held += self._left == 0
            self.lock.wait_for(lambda: self._left != 0)
            if self._left is not None:
                self._left -= 1
            try:
                answer = self.answer(request)
                answer.read()
                return answer
            except (AssertionError, LookupError, TypeError, ValueError) as error:
                self.errors.append(error)
                return httpx.Response(500)

    def close(self) -> None:
        self.release()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Proxy(Front):
    """A reverse proxy before a real server, where its answers can be held back.

    As every proxy does, it says 502 while the server is away.
    """

    def __init__(self, base: str) -> None:
        self._client = httpx.Client(base_url=base, timeout=60, trust_env=False)
        self.away = 0
        """Requests that found no server."""
        super().__init__(self._forward)

    def close(self) -> None:
        super().close()
        self._client.close()

    def _forward(self, request: httpx.Request) -> httpx.Response:
        asked = {name: value for name, value in request.headers.items() if name != "host"}
        try:
            found = self._client.get(request.url.raw_path.decode(), headers=asked)
        except httpx.TransportError:
            self.away += 1
            return httpx.Response(502)
        told = {name: value for name, value in found.headers.items() if name != "content-encoding"}
        return httpx.Response(found.status_code, headers=told, content=found.content)


class Loop:
    """An event loop in a thread of its own, for stand-ins that are coroutines."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self.run(_last_words())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _last_words() -> None:
    """Let the other coroutines end, and what they closed be closed."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=10)
    await asyncio.sleep(0)
