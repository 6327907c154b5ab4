"""Misago, a real forum, installed once and run with a PostgreSQL of its own on loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

__all__ = ["Misago", "NotInstalledError", "install", "postgres_folder"]

PINS = ("misago==0.39.6",)
"""Its own requirements are pinned by its package."""
_INSTALL_SECONDS = 400.0
_STEP_SECONDS = 240.0
_START_SECONDS = 90.0
_DONE = "installed"
_PASSWORD = "ein-langes-Passwort-7"
_SETTINGS = """\
from devproject.settings import *
SECRET_KEY = "only-for-tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
DATABASES = {{"default": {{
    "ENGINE": "django.db.backends.postgresql", "NAME": "postgres", "USER": "postgres",
    "HOST": "127.0.0.1", "PORT": {port},
}}}}
CELERY_TASK_ALWAYS_EAGER = True
CELERY_BROKER_URL = "memory://"
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MEDIA_ROOT = {media!r}
"""


class NotInstalledError(Exception):
    """This machine lacks a part, and it can't be had here."""


def postgres_folder() -> Path:
    """Where PostgreSQL's programs are.

    Raises:
        NotInstalledError: nowhere; Debian's package is ``postgresql``.
    """
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").is_file():
            return folder
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise NotInstalledError("no PostgreSQL server (initdb) on this machine")


def install(folder: Path) -> Path:
    """The folder of commands of a virtual environment with Misago alone; made if absent.

    Raises:
        NotInstalledError: it can't be made here.
    """
    done, commands = folder / _DONE, folder / "bin"
    if done.is_file() and done.read_text() == "\n".join(PINS):
        return commands
    pip = [str(commands / "python"), "-m", "pip", "install", "--quiet", *PINS]
    for step in ([sys.executable, "-m", "venv", "--clear", str(folder)], pip):
        try:
            subprocess.run(step, check=True, capture_output=True, timeout=_INSTALL_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or b""
            raise NotInstalledError(said.decode(errors="replace")[-300:] or str(error)) from error
    done.write_text("\n".join(PINS))
    return commands


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Postgres:
    """A cluster in a temporary folder, run by somebody who is not root."""

    def __init__(self, programs: Path) -> None:
        # Not pytest's folder: only its owner may enter that.
        self.folder = Path(tempfile.mkdtemp(prefix="tingchao-postgres-"))
        self.port = free_port()
        self._programs = programs
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            somebody = pwd.getpwnam("nobody")
            os.chown(self.folder, somebody.pw_uid, somebody.pw_gid)
            self._as = {"user": somebody.pw_uid, "group": somebody.pw_gid, "extra_groups": []}
        self._data = self.folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        make = ["initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "-E", "UTF8"]
        self._run([*make, "--locale=C", "--no-sync"])
        server = [str(self._programs / "postgres"), "-D", str(self._data), "-p", str(self.port)]
        options = ["-k", str(self.folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*server, *options], stdout=log, stderr=log, cwd=self.folder, **self._as
            )
        ready = ["pg_isready", "-h", "127.0.0.1", "-p", str(self.port), "-t", "30"]
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._run(ready)
                return
            except subprocess.CalledProcessError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise AssertionError((self.folder / "log").read_text()[-2_000:]) from None
                time.sleep(0.2)

    def close(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # it ends its children and then itself
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, step: list[str]) -> None:
        command = [str(self._programs / step[0]), *step[1:]]
        subprocess.run(
            command, check=True, capture_output=True, cwd=self.folder, timeout=120, **self._as
        )


class Misago:
    """One forum with its database; started and stopped as often as a test likes."""

    def __init__(self, commands: Path, programs: Path, folder: Path) -> None:
        self._commands = commands
        self._folder = folder
        self._database = Postgres(programs)
        self._port = free_port()
        self.base = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(base_url=self.base, timeout=60)
        media = folder / "media"
        media.mkdir()
        (folder / "misago_of_tests.py").write_text(
            _SETTINGS.format(port=self._database.port, media=str(media))
        )
        keep = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
        self._environment = keep | {
            "DJANGO_SETTINGS_MODULE": "misago_of_tests",
            "PYTHONPATH": str(folder),
        }

    def prepare(self) -> None:
        """Make the database and its only user, who may do everything."""
        self._database.start()
        self._manage("migrate", "--verbosity", "0")
        who = ["--username", "tester", "--email", "tester@example.com", "--password", _PASSWORD]
        self._manage("createsuperuser", *who, "--noinput")

    def start(self) -> None:
        with (self._folder / "misago.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._django(), "runserver", "--noreload", f"127.0.0.1:{self._port}"],
                stdout=log,
                stderr=log,
                cwd=self._folder,
                env=self._environment,
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._client.get("/api/threads/?list=all&start=0").raise_for_status()
                break
            except httpx.HTTPError as error:
                if time.monotonic() > until or self._process.poll() is not None:
                    said = (self._folder / "misago.log").read_text()[-2_000:]
                    raise AssertionError(f"{error}: {said}") from None
                time.sleep(0.2)
        if "sessionid" not in self._client.cookies:
            self._client.get("/")
            self._ask("POST", "/api/auth/", {"username": "tester", "password": _PASSWORD})
            self._client.get("/")

    def stop(self) -> None:
        """As in a power cut of the forum; its database stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def close(self) -> None:
        self.stop()
        self._client.close()
        self._database.close()

    def thread(self, title: str, text: str) -> int:
        said = self._ask("POST", "/api/threads/", {"title": title, "category": 3, "post": text})
        return int(said["id"])

    def reply(self, thread: int, text: str) -> int:
        return int(self._ask("POST", f"/api/threads/{thread}/posts/", {"post": text})["id"])

    def edit(self, thread: int, post: int, text: str) -> None:
        self._ask("PUT", f"/api/threads/{thread}/posts/{post}/", {"post": text})

    def hide(self, thread: int, post: int) -> None:
        change = [{"op": "replace", "path": "is-hidden", "value": True}]
        self._ask("PATCH", f"/api/threads/{thread}/posts/{post}/", change)

    def delete(self, thread: int, post: int) -> None:
        self._ask("DELETE", f"/api/threads/{thread}/posts/{post}/")

    def delete_thread(self, thread: int) -> None:
        self._ask("DELETE", f"/api/threads/{thread}/")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        token = next((value for name, value in self._client.cookies.items() if "csrf" in name), "")
        answer = self._client.request(
            method,
            path,
            json=body,
            headers={"x-csrftoken": token, "referer": f"{self.base}/"},
        )
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer.json() if answer.content else None

    def _django(self) -> list[str]:
        return [str(self._commands / "python"), "-m", "django"]

    def _manage(self, *arguments: str) -> None:
        done = subprocess.run(
            [*self._django(), *arguments],
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            timeout=_STEP_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2_000:]
