"""A gate before Elasticsearch that speaks TLS and lets nobody pass without the right header.

The bare server of the tests cannot keep API keys (its index of keys needs an analyser that it has
not), so the gate asks for them instead and answers a wrong one as Elasticsearch does.
"""

import http.client
import json
import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["Gate"]

_REFUSED = {
    "error": {
        "type": "security_exception",
        "reason": "unable to authenticate with provided credentials",
        "root_cause": [],
    },
    "status": 401,
}


class Gate:
    """Passes requests with ``authorization`` on to the server at ``target``; set it to change it.

    Keeps what it was shown, so that a test can tell which credentials arrived.
    """

    def __init__(self, target: str, authorization: str, certificate: Path, key: Path) -> None:
        host, _, port = target.removeprefix("http://").rpartition(":")
        self.authorization = authorization
        self.passed = self.refused = 0
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _pass(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.headers.get("authorization") != gate.authorization:
                    gate.refused += 1
                    self._answer(401, {"content-type": "application/json"}, _refused())
                    return
                gate.passed += 1
                headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() not in ("authorization", "host", "content-length")
                }
                behind = http.client.HTTPConnection(host, int(port), timeout=60)
                try:
                    behind.request(self.command, self.path, body or None, headers)
                    answer = behind.getresponse()
                    kept = {
                        name: value
                        for name, value in answer.getheaders()
                        if name.lower() not in ("content-length", "transfer-encoding")
                    }
                    self._answer(answer.status, kept, answer.read())
                finally:
                    behind.close()

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass

            def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
                with suppress(OSError):  # the client may be gone by now
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("content-length", str(len(body)))
                    self.end_headers()
                    if self.command != "HEAD":
                        self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """A client that mistrusts the certificate hangs up: that is what tests are for."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = Server(("127.0.0.1", 0), Handler)
        # Shaken hands in the thread of the connection, not in the one that accepts.
        self._server.socket = context.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _refused() -> bytes:
    return json.dumps(_REFUSED).encode()
