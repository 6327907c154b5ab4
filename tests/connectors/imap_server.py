"""pymap, a real IMAP server, installed once and run as a child process on loopback."""

import imaplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["PASSWORD", "PINS", "USER", "ImapServer", "NotInstalledError", "install"]

PINS = (
    "pymap==0.36.7",
    "proxy-protocol==0.11.3",
    "pysasl==1.2.0",
    "typing_extensions==4.16.0",
)
USER = "service@yunfan.example"
PASSWORD = 'zwei "Worte" \\ 7'
_INSTALL_SECONDS = 240.0
_START_SECONDS = 30.0
_DONE = "installed"
_LET_IN = """\
import sys
from pysasl.hashing import BuiltinHash
print(BuiltinHash(rounds=1).hash(sys.argv[1]))
"""


class NotInstalledError(Exception):
    """The package index can't be reached, or has no such packages for this machine."""


def install(folder: Path) -> Path:
    """The folder of commands of a virtual environment that holds nothing else; made if absent.

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


class ImapServer:
    """One server with one user's mailbox; started and stopped as often as a test likes."""

    def __init__(self, commands: Path, folder: Path, certificate: Path, key: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._commands, self._folder = commands, folder
        self._tls = ["--cert", str(certificate), "--key", str(key)]
        self._log = folder / "pymap.log"
        self._users = folder / "users"
        self._users.mkdir()
        made = [str(commands / "python"), "-c", _LET_IN, PASSWORD]
        word = subprocess.run(made, check=True, capture_output=True, text=True).stdout.strip()
        escaped = word.replace(":", "\\:")
        (self._users / "pymap-etc-passwd").write_text(f"{USER}:x::::box:\r\n")
        (self._users / "pymap-etc-shadow").write_text(f"{USER}:{escaped}:::::::\r\n")
        self._delivered = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [str(self._commands / "pymap"), "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, *self._tls, "--debug", "maildir", str(self._users)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                with self.client():
                    return
            except (OSError, imaplib.IMAP4.error) as error:
                if time.monotonic() > until or self._process.poll() is not None:
                    self.stop()
                    raise AssertionError(f"{error}: {self.said()[-2_000:]}") from None
                time.sleep(0.1)

    def stop(self) -> None:
        """As in a power cut; what was written stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def deliver(self, mail: bytes) -> None:
        """As a mail system does: a file of the Maildir's."""
        self._delivered += 1
        name = f"{self._delivered:09}.M0P1.tests"
        (self._users / "box" / "tmp" / name).write_bytes(mail)
        (self._users / "box" / "tmp" / name).rename(self._users / "box" / "new" / name)

    def number_anew(self) -> None:
        """As after a move to another machine: other UIDs, another UIDVALIDITY. While stopped."""
        assert self._process is None
        (self._users / "box" / "dovecot-uidlist").unlink()

    def said(self) -> str:
        """The server's log, with every command that it was told."""
        return self._log.read_text(errors="replace")

    @contextmanager
    def client(self) -> Iterator[imaplib.IMAP4]:
        with imaplib.IMAP4("127.0.0.1", self.port, timeout=10) as client:
            client.login(USER, PASSWORD)
            client.select("INBOX")
            yield client

    def flags(self) -> list[bytes]:
        with self.client() as client:
            return [bytes(line) for line in client.fetch("1:*", "(FLAGS)")[1] if line]
