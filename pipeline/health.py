"""Tells over HTTP how a worker is: ``/live``, ``/ready`` and ``/metrics``.

- ``/live``: 200 while the watchdog looks and finds nothing that hangs, else 503. For who restarts.
- ``/ready``: 200 ``{"status": "ready"}`` when partitions are assigned and states loaded, or sources
  run; 200 ``{"status": "degraded", "reason": ...}`` while Elasticsearch, Kafka or a channel is away
  and the worker waits; 503 while it starts, is halted or stops. For who looks on.
- ``/metrics``: Prometheus text.

A thread of its own serves, on 127.0.0.1 unless the settings say otherwise: nobody is asked for a
password. Where it listens stands in ``<work folder>/run/<role>-<pid>.json``.
"""

import json
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from socket import AF_INET6
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from pipeline.folders import replace_note, unwritable
from pipeline.settings import HealthSettings
from pipeline.vitals import Vitals
from pipeline.watchdog import Watchdog
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["PORT_ORDER", "HealthServer", "port_of"]

PORT_ORDER = ("ingest", "enrich", "index", "watch", "notify")
PORTS_PER_ROLE = 100
#: The watchdog looks every second; without a look for so long nobody watches.
UNWATCHED_SECONDS = 30.0
READY = {"ready", "degraded"}

Environment = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]


def port_of(settings: HealthSettings, role: str, instance: int) -> int:
    """Where a worker listens; 0 for any free port."""
    if not settings.port:
        return 0
    return settings.port + PORTS_PER_ROLE * PORT_ORDER.index(role) + instance - 1


class HealthServer:
    """Serves one process's vitals."""

    def __init__(self, vitals: Vitals, watchdog: Watchdog) -> None:
        self._vitals = vitals
        self._watchdog = watchdog
        self._metrics = make_wsgi_app()
        self._server: WSGIServer | None = None

    def start(self, settings: HealthSettings, instance: int, folder: Path) -> int:
        """Listen and note where; returns the port.

        Raises:
            FatalError: the port is taken, or the note can't be written.
        """
        role, host = self._vitals.role, settings.host
        port = port_of(settings, role, instance)
        kind = _ServerV6 if ":" in host else _Server
        try:
            server = make_server(host, port, self._answer, kind, _Handler)
        except OSError as error:
            raise FatalError(
                say(
                    f"{role} 无法在 {host}:{port} 提供健康检查（{error.strerror}）；请改 [health] "
                    "的 host 或 port（0 为任意空闲端口）；"
                    "同一角色的第二个进程要设 TINGCHAO_INSTANCE。",
                    f"{role} cannot serve its health at {host}:{port} ({error.strerror}); change "
                    "host or port of [health] (0: any free port); a second process of a role needs "
                    "its own TINGCHAO_INSTANCE.",
                )
            ) from None
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, name="health", daemon=True)
        self._thread.start()
        _note(folder, role, host, server.server_port)
        return server.server_port

    def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _answer(self, environment: Environment, start: StartResponse) -> Iterable[bytes]:
        path = environment["PATH_INFO"]
        if path == "/metrics":
            answer: Iterable[bytes] = self._metrics(environment, start)
            return answer
        found = {"/live": self._live, "/ready": self._ready}.get(path)
        code, content = found() if found else ("404 Not Found", {"status": "unknown"})
        start(code, [("Content-Type", "application/json; charset=utf-8")])
        return [json.dumps(content, ensure_ascii=False).encode() + b"\n"]

    def _live(self) -> tuple[str, dict[str, str]]:
        if self._watchdog.verdict is not None:
            return _UNAVAILABLE, {"status": "hanging", "reason": self._watchdog.verdict}
        silent = self._vitals.clock() - self._watchdog.looked_at
        if silent > UNWATCHED_SECONDS:
            return _UNAVAILABLE, {
                "status": "unwatched",
                "reason": say(
                    f"看门狗已有 {silent:.0f} 秒没有巡视。",
                    f"The watchdog has not looked for {silent:.0f} s.",
                ),
            }
        return _OK, {"status": "live"}

    def _ready(self) -> tuple[str, dict[str, str]]:
        found = self._vitals.status()
        content = {"status": found.state} | ({"reason": found.reason} if found.reason else {})
        return (_OK if found.state in READY else _UNAVAILABLE), content


_OK = "200 OK"
_UNAVAILABLE = "503 Service Unavailable"


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _ServerV6(_Server):
    address_family = AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10  # of a client that connects and says nothing

    def log_message(self, format: str, *args: Any) -> None:
        """A scrape every few seconds is no news."""


def _note(folder: Path, role: str, host: str, port: int) -> None:
    note = folder / "run" / f"{role}-{os.getpid()}.json"
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    content = {
        "role": role,
        "pid": os.getpid(),
        "metrics_port": port,
        "host": everywhere.get(host, host),
    }
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        # Whoever looks removes a note that can't be read, so half a one must never stand there.
        replace_note(note, json.dumps(content))
    except OSError as error:
        raise unwritable(folder, error) from None
