"""Stands between the workers and the real Elasticsearch and does to bulk requests what networks and
overloaded clusters do.

Everything but ``_bulk`` passes unharmed (unless the proxy refuses or hangs altogether). A fault can
be changed at any time; it holds for requests that begin afterwards.
"""

import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Bulk", "Fault", "FaultProxy"]

_ANSWER_SECONDS = 60.0


@dataclass(frozen=True)
class Bulk:
    """One bulk request on its way."""

    lines: list[bytes]
    """Action and document, one after the other."""
    forward: Callable[[list[bytes]], tuple[int, bytes]]
    """Ask the real server; status and body of its answer."""

    @property
    def documents(self) -> int:
        return len(self.lines) // 2


class Closed(Exception):
    """The connection ends without (the rest of) an answer; ``part`` is what was still said."""

    def __init__(self, part: bytes = b"") -> None:
        self.part = part


Fault = Callable[[Bulk], tuple[int, bytes]]


@dataclass
class FaultProxy:
    """A loopback server in front of Elasticsearch; ``fault`` decides each bulk request."""

    target: tuple[str, int]
    seed: int = 0
    faulted: int = 0
    """Bulk requests that met a fault."""
    sent_documents: int = 0
    """Documents that the real server took in, repeats included."""
    largest: int = 0
    """Documents in the largest bulk request since it was last set to 0."""
    _fault: Fault | None = None
    _hanging: threading.Event = field(default_factory=threading.Event)
    _open: set[socket.socket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._choose = random.Random(self.seed)
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.listen()

    @classmethod
    def before(cls, url: str, seed: int = 0) -> "FaultProxy":
        """In front of the Elasticsearch at this address."""
        host, _, port = url.removeprefix("http://").rpartition(":")
        return cls((host, int(port)), seed=seed)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # -- faults

    @contextmanager
    def doing(self, fault: Fault) -> Iterator[None]:
        """This fault, for as long as the block runs."""
        self._fault = fault
        try:
            yield
        finally:
            self._fault = None

    def status(self, status: int, *, share: float = 1.0, kind: str = "fault") -> Fault:
        """The whole request is refused."""

        def refuse(bulk: Bulk) -> tuple[int, bytes]:
            if self._choose.random() >= share:
                return bulk.forward(bulk.lines)
            self._count()
            return status, _error(status, kind)

        return refuse

    def items(self, status: int, kind: str, *, share: float) -> Fault:
        """A share of the documents is refused, the others are written."""

        def refuse(bulk: Bulk) -> tuple[int, bytes]:
            out = [self._choose.random() < share for _ in range(bulk.documents)]
            if not any(out):
                return bulk.forward(bulk.lines)
            self._count()
            kept = [line for number, line in enumerate(bulk.lines) if not out[number // 2]]
            items: list[Any] = []
            if kept:
                answered, body = bulk.forward(kept)
                if answered != 200:
                    return answered, body
                items = json.loads(body)["items"]
            refused = {"index": {"status": status, "error": {"type": kind, "reason": "a fault"}}}
            rest = iter(items)
            return 200, json.dumps(
                {"items": [refused if no else next(rest) for no in out]}
            ).encode()

        return refuse

    def too_large(self, most: int, never: str) -> Fault:
        """413 for more than so many documents, and for any that hold this one."""
        named = json.dumps(never).encode()

        def refuse(bulk: Bulk) -> tuple[int, bytes]:
            if bulk.documents <= most and not any(named in action for action in bulk.lines[::2]):
                return bulk.forward(bulk.lines)
            self._count()
            return 413, _error(413, "content_too_long")

        return refuse

    def written_but_unanswered(self, bulk: Bulk) -> tuple[int, bytes]:
        """The server wrote it, the answer is lost on the way."""
        bulk.forward(bulk.lines)
        self._count()
        raise Closed

    def cut_in_half(self, bulk: Bulk) -> tuple[int, bytes]:
        """The server wrote it, half of the answer arrives."""
        _, body = bulk.forward(bulk.lines)
        self._count()
        raise Closed(body[: len(body) // 2])

    def slow(self, seconds: float, *, after: bool = False) -> Fault:
        """Latency before the request, or between the write and its answer."""

        def wait(bulk: Bulk) -> tuple[int, bytes]:
            self._count()
            if not after:
                time.sleep(seconds)
            answer = bulk.forward(bulk.lines)
            if after:
                time.sleep(seconds)
            return answer

        return wait

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """Requests of every kind are taken and not answered while the block runs."""
        self._hanging.set()
        try:
            yield
        finally:
            self._hanging.clear()

    def refuse(self) -> None:
        """Connections are refused, open ones cut, until ``listen``."""
        if self._server is None:
            return
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._server = None
        with self._lock:
            for one in self._open:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)

    def listen(self) -> None:
        """Take connections (again), on the same port."""
        if self._server is not None:
            return
        self._server = _server(self)
        self.port = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._hanging.clear()
        self.refuse()

    def _count(self) -> None:
        with self._lock:
            self.faulted += 1

    # -- one request

    def handle(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        """Status, content type and body to answer with."""
        while self._hanging.is_set():
            time.sleep(0.05)

        def forward(lines: list[bytes]) -> tuple[int, bytes]:
            status, _, answer = self._pass(method, path, headers, b"\n".join(lines) + b"\n")
            if status == 200:
                with self._lock:
                    self.sent_documents += len(lines) // 2
            return status, answer

        if "/_bulk" not in path:
            return self._pass(method, path, headers, body)
        bulk = Bulk(body.rstrip(b"\n").split(b"\n"), forward)
        with self._lock:
            self.largest = max(self.largest, bulk.documents)
        fault = self._fault
        status, answer = fault(bulk) if fault else forward(bulk.lines)
        return status, "application/json", answer

    def _pass(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Any:
        connection = http.client.HTTPConnection(*self.target, timeout=_ANSWER_SECONDS)
        try:
            connection.request(method, path, body or None, headers)
            answer = connection.getresponse()
            content = answer.headers.get("content-type", "application/json")
            return answer.status, content, answer.read()
        finally:
            connection.close()


def _error(status: int, kind: str) -> bytes:
    return json.dumps({"error": {"type": kind, "reason": "a fault"}, "status": status}).encode()


def _server(proxy: FaultProxy) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            with proxy._lock:
                proxy._open.add(self.connection)

        def finish(self) -> None:
            with proxy._lock:
                proxy._open.discard(self.connection)
            with suppress(OSError):
                super().finish()

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            passed = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "connection", "content-length", "accept-encoding")
            }
            try:
                status, content, answer = proxy.handle(self.command, self.path, passed, body)
            except Closed as closed:
                self._cut(closed.part)
                return
            except (OSError, http.client.HTTPException):
                self.close_connection = True  # Elasticsearch itself is away: so are we
                return
            with suppress(OSError):
                self.send_response(status)
                self.send_header("content-type", content)
                self.send_header("x-elastic-product", "Elasticsearch")
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

        do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = answer

        def _cut(self, part: bytes) -> None:
            self.close_connection = True
            if part:
                with suppress(OSError):
                    self.send_response(200)
                    self.send_header("content-type", "application/json")
                    self.send_header("x-elastic-product", "Elasticsearch")
                    self.send_header("content-length", str(2 * len(part)))
                    self.end_headers()
                    self.wfile.write(part)
                    self.wfile.flush()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: Any, address: Any) -> None:
            """A connection that ended early is what this is made for."""

    return Server(("127.0.0.1", proxy.port), Handler)
