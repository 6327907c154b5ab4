"""An IMAP server of a few mails that follows a short script."""

import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["Script", "message_id", "serving"]

MAIL = b"Message-ID: <%s>\r\n\r\nbroken %d\r\n"

Answer = Callable[[str], bytes | None]


def message_id(number: int) -> str:
    """Of the mail with a number, from 1."""
    return f"{number}@x"


class Script:
    """Answers as a server with a few mails would; ``answer`` may say something else first."""

    def __init__(
        self,
        answer: Answer = lambda command: b"",
        greeting: bytes = b"* OK hi",
        mails: int = 3,
    ) -> None:
        self.answer = answer
        self.mails = mails
        self.greeting = greeting
        self.told: list[str] = []
        self.gone = threading.Event()
        """The client has hung up."""

    def usual(self, command: str) -> bytes:
        if command.startswith("CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1 ID\r\n"
        if command.startswith("EXAMINE"):
            return b"* OK [UIDVALIDITY 7] a\r\n* OK [UIDNEXT %d] b\r\n" % (self.mails + 1)
        if command.startswith("UID SEARCH"):
            first = re.search(r"UID (\d+):", command)
            uids = range(min(int(first[1]) if first else 1, self.mails), self.mails + 1)
            return b"* SEARCH %s\r\n" % " ".join(map(str, uids)).encode()
        if "RFC822.SIZE" in command:
            return b"".join(
                b'* %d FETCH (RFC822.SIZE 40 INTERNALDATE " 1-Jun-2024 12:00:00 +0800" UID %d)\r\n'
                % (uid, uid)
                for uid in map(int, command.split()[2].split(","))
            )
        if "BODY.PEEK" in command:
            uid = int(command.split()[2])
            mail = MAIL % (message_id(uid).encode(), uid)
            # Somebody reads another mail meanwhile, and the number comes last
            other = b"* 2 FETCH (FLAGS (\\Seen))\r\n"
            return other + b"* 1 FETCH (BODY[]<0> {%d}\r\n%s UID %d)\r\n" % (len(mail), mail, uid)
        return b"* BYE\r\n" if command.startswith("LOGOUT") else b""


@contextmanager
def serving(script: Script) -> Iterator[int]:
    class Door(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(script.greeting + b"\r\n")
            for line in self.rfile:
                tag, _, command = line.decode().strip().partition(" ")
                script.told.append(command)
                said = script.answer(command)
                if said is None:
                    return
                if not re.search(rb"^TAG ", said, re.MULTILINE):
                    said += (script.usual(command) if not said else b"") + b"TAG OK done\r\n"
                self.wfile.write(re.sub(rb"(?m)^TAG", tag.encode(), said))
            script.gone.set()

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            script.gone.set()

    with Server(("127.0.0.1", 0), Door) as server:
        threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
