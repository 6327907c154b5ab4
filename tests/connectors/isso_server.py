"""Isso, a real comment server, installed once and run as a child process on loopback."""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

__all__ = ["PINS", "Isso", "NotInstalledError", "install"]

PINS = (
    "isso==0.14.0",
    "bleach==6.4.0",
    "cffi==2.1.1",
    "html5lib==1.1",
    "itsdangerous==2.2.0",
    "Jinja2==3.1.6",
    "MarkupSafe==3.0.4",
    "misaka==2.1.1",
    "mistune==3.4.0",
    "pycparser==3.12",
    "six==1.17.0",
    "webencodings==0.6.1",
    "Werkzeug==3.1.9",
)
_START_SECONDS = 30.0
_INSTALL_SECONDS = 240.0


class NotInstalledError(Exception):
    """The package index can't be reached, or has no such packages for this machine."""


def install(folder: Path) -> Path:
    """The ``isso`` command of a virtual environment that holds nothing else; made if absent.

    Raises:
        NotInstalledError: it can't be made here.
    """
    done, command = folder / "installed", folder / "bin" / "isso"
    if done.is_file() and done.read_text() == "\n".join(PINS):
        return command
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *PINS]
    for step in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip):
        try:
            subprocess.run(step, check=True, capture_output=True, timeout=_INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or b""
            raise NotInstalledError(said.decode(errors="replace")[-300:] or str(error)) from error
    done.write_text("\n".join(PINS))
    return command


class Isso:
    """One Isso with its database; started and stopped as often as a test likes."""

    def __init__(self, command: Path, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.base = f"http://127.0.0.1:{probe.getsockname()[1]}"
        self._command = command
        self._settings = folder / "isso.cfg"
        self._log = folder / "isso.log"
        self._settings.write_text(
            f"[general]\ndbpath = {folder}/comments.db\nhost = {self.base}/\n"
            f"[server]\nlisten = {self.base}\n"
            f"[rss]\nbase = {self.base}\nlimit = 1000\n"
            "[guard]\nenabled = false\n"
        )
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(timeout=10)
        self._cookies: dict[int, str] = {}

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._command), "-c", str(self._settings), "run"], stdout=log, stderr=log
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                httpx.get(f"{self.base}/config", timeout=5)
                return
            except httpx.TransportError:
                if time.monotonic() > until or self._process.poll() is not None:
                    self.stop()
                    raise AssertionError(self._log.read_text()[-2_000:]) from None
                time.sleep(0.1)

    def stop(self) -> None:
        """As in a power cut; what was written stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._client.close()

    def feed(self, uri: str) -> str:
        return f"{self.base}/feed?uri={uri}"

    def write(self, uri: str, text: str, author: str, parent: int | None = None) -> int:
        body = {"text": text, "author": author, "title": "云帆", "parent": parent}
        answer = self._ask("POST", f"/new?uri={uri}", body)
        number = int(answer.json()["id"])
        self._cookies[number] = answer.cookies[str(number)]
        return number

    def edit(self, number: int, text: str, author: str) -> None:
        answer = self._ask("PUT", f"/id/{number}", {"text": text, "author": author}, number)
        self._cookies[number] = answer.cookies[str(number)]

    def delete(self, number: int) -> None:
        self._ask("DELETE", f"/id/{number}", None, number)

    def _ask(self, method: str, path: str, body: Any, number: int | None = None) -> httpx.Response:
        cookie = {"cookie": f"{number}={self._cookies[number]}"} if number is not None else {}
        answer = self._client.request(
            method,
            self.base + path,
            content=json.dumps(body),
            headers={"content-type": "application/json", "origin": self.base} | cookie,
        )
        self._client.cookies.clear()  # there is one for each comment: too much for one request
        answer.raise_for_status()
        return answer
