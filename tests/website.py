"""A real web server on the loopback, whose pages a test sets and changes while it is asked."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

__all__ = ["Page", "Website"]

Page = tuple[int, bytes]
"""Status and body."""


class Website:
    """Serves what ``pages`` holds for a path, else 404; with ``down`` set, 503 for everything.

    A page may be a function of the whole target (path and query).
    """

    def __init__(self) -> None:
        self.pages: dict[str, Page | Callable[[str], Page]] = {}
        self.down = False
        self.asked: list[str] = []
        """Targets in the order of the requests."""
        website = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                website.asked.append(self.path)
                status, body = website.answer(self.path)
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def answer(self, target: str) -> Page:
        """What a request for a target gets."""
        if self.down:
            return 503, b"down"
        page = self.pages.get(target.partition("?")[0], (404, b"nothing here"))
        return page(target) if callable(page) else page

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
