"""One connection to one folder of a mailbox, which is never changed: EXAMINE and BODY.PEEK only."""

import imaplib
import re
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr

from connectors.trouble import SourceError
from schemas.component import ComponentConfig
from schemas.errors import FatalError, RejectedError
from schemas.language import say

__all__ = ["HEAD_BYTES", "Arrival", "Imap", "ImapConfig", "Place"]

HEAD_BYTES = 1024 * 1024
"""So much is fetched of a mail: its text stands there, its attachments may lie beyond."""
_MOST_ANSWER = 2 * HEAD_BYTES
_MOST_SAID = 200
_CONNECT_SECONDS = 10.0
_UNSEEN = re.compile(r"[^\x20-\x7e\u00a1-\u2027\u2030-\u2065\u2070-\ud7ff\uf900-\uffef]")
_FOREIGN = re.compile(r"&|[^\x20-\x7e]+")
_UID, _SIZE = re.compile(rb"\bUID (\d{1,10})"), re.compile(rb"\bRFC822\.SIZE (\d{1,18})")
_ARRIVED = re.compile(rb'\bINTERNALDATE "([^"]{1,40})"')
#: RFC 5530: the server is busy, and the login may be right.
_BUSY = re.compile(r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG)\b", re.IGNORECASE)


def _checked_password(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\x20-\x7e]{1,1000}", value.get_secret_value()):
        raise ValueError(
            say(
                "密码（授权码）只能含 ASCII 字符，且不能为空",
                "a password has ASCII characters only, and at least one",
            )
        )
    return value


class ImapConfig(ComponentConfig):
    """Options of a connection to a mailbox."""

    host: str = Field(pattern=r"^[0-9A-Za-z.:-]{1,255}$", description="The IMAP server's name.")
    port: int = Field(993, ge=1, le=65_535, description="Its port; 143 without TLS.")
    security: Literal["tls", "starttls", "plain"] = Field(
        "tls",
        description="tls, starttls, or plain, which sends the password readable: for a server on "
        "this machine.",
    )
    ca_file: Path | None = Field(
        None, description="Authority (PEM) of the server's certificate; none: the system's."
    )
    user: str = Field(
        pattern=r"^[!#$&'+,./0-9:;<=>?@A-Z\[\]^_`a-z|~-]{1,320}$",
        description="Login name, mostly the mail address.",
    )
    password: Annotated[SecretStr, AfterValidator(_checked_password)] = Field(
        description="Password; QQ, 163, 126 and others want the authorisation code (授权码)."
    )
    folder: str = Field("INBOX", min_length=1, max_length=500, description="The folder to read.")
    timeout_seconds: float = Field(
        60, ge=1, le=600, description="Seconds to wait for an answer of the server."
    )


@dataclass(frozen=True, slots=True)
class Place:
    """What a folder's numbers mean today."""

    validity: int
    """UIDVALIDITY: with another one, all numbers are void."""
    newest: int
    """All mails so far have this number or a lower one."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A mail that is there, unread as yet."""

    uid: int
    size: int
    at: datetime | None
    """When the server received it, if it says so."""


class _Bounded(imaplib.IMAP4):
    """Reads no more than ``left`` bytes."""

    left = _MOST_ANSWER

    def read(self, size: int) -> bytes:
        self._spend(size)
        return super().read(size)

    def readline(self) -> bytes:
        line = super().readline()
        self._spend(len(line))
        return line

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self.error(f"an answer of more than {_MOST_ANSWER} bytes")


class _BoundedTls(_Bounded, imaplib.IMAP4_SSL):
    pass


class Imap:
    """A connection that blocks: call it in a thread, one call at a time; ``cut`` from anywhere.

    Every method raises:
        SourceError: no connection, no answer in time, a login or folder that is refused.
    """

    def __init__(self, config: ImapConfig) -> None:
        self._config = config
        self._imap: _Bounded | None = None
        self._is_cut = False

    def open(self) -> Place:
        """Connect, log in and look into the folder.

        Raises:
            FatalError: the ``ca_file`` can't be used.
        """
        context = self._context()
        with self._our_words():
            try:
                self._imap = imap = self._connect(context)
            except imaplib.IMAP4.error as error:  # it greets us with goodbye, or with nonsense
                raise imaplib.IMAP4.abort(_why(error)) from error
            imap.sock.settimeout(self._config.timeout_seconds)
            if self._is_cut:
                self.cut()
            self._log_in(imap)
            kind, told = imap.select(_quoted(self._config.folder), readonly=True)
            if kind != "OK":
                raise self._no_folder(_said(told))
            validity = _number(imap.response("UIDVALIDITY"))
            if not validity:
                raise imap.error("no UIDVALIDITY")
            newest = _number(imap.response("UIDNEXT")) - 1
        return Place(validity, newest if newest >= 0 else max(self._search("UID", "*"), default=0))

    def after(self, uid: int) -> list[int]:
        """Numbers of the mails behind one, in order."""
        # The star is the newest mail, however old: the range may run backwards.
        return [one for one in self._search("UID", f"{uid + 1}:*") if one > uid]

    def since(self, day: date) -> list[int]:
        """Numbers of the mails that the server received on a day or later, in order."""
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return self._search("SINCE", format_datetime(at)[5:16].replace(" ", "-"))

    def arrivals(self, uids: list[int]) -> list[Arrival]:
        """Size and time of those mails that are still there, in order."""
        wanted = "(UID RFC822.SIZE INTERNALDATE)"
        found: dict[int, Arrival] = {}
        for item in self._command("FETCH", ",".join(map(str, uids)), wanted):
            line = item[0] if isinstance(item, tuple) else item or b""
            uid, size, at = _UID.search(line), _SIZE.search(line), _ARRIVED.search(line)
            number = int(uid[1]) if uid else 0
            if size or number not in found:  # else it only tells of a flag that was set meanwhile
                of, when = int(size[1]) if size else 0, _time(at[1]) if at else None
                found[number] = Arrival(number, of, when)
        return [found[uid] for uid in uids if uid in found]

    def head(self, uid: int) -> bytes | None:
        """A mail's first ``HEAD_BYTES``; ``None`` when it is not there any more.

        Raises:
            RejectedError: the server can't give this one.
        """
        try:
            told = self._command("FETCH", str(uid), f"(UID BODY.PEEK[]<0.{HEAD_BYTES}>)")
        except _RefusedError as error:
            raise RejectedError("schema", str(error)) from error
        for item in told:
            if isinstance(item, tuple) and b"BODY[" in item[0].upper():
                return bytes(item[1])
        return None if told in ([], [None]) else b""

    def log_out(self) -> None:
        """Say goodbye, if anybody listens."""
        if self._imap is not None:
            self._imap.left = _MOST_ANSWER
            with suppress(imaplib.IMAP4.error, OSError):
                self._imap.logout()

    def cut(self) -> None:
        """End the connection at once; whoever waits for an answer gets an error."""
        self._is_cut = True
        if self._imap is not None:
            with suppress(OSError):  # past TLS, whose state belongs to the thread that reads
                socket.socket.shutdown(self._imap.sock, socket.SHUT_RDWR)
            with suppress(OSError):
                self._imap.shutdown()

    def _context(self) -> ssl.SSLContext | None:
        if self._config.security == "plain":
            return None
        try:
            return ssl.create_default_context(cafile=self._config.ca_file)
        except OSError as error:  # ssl.SSLError too
            raise FatalError(
                say(
                    f"ca_file {self._config.ca_file} 不能用：{error}；请检查路径，格式应为 PEM。",
                    f"the ca_file {self._config.ca_file} can't be used: {error}; check the path "
                    "and that it is PEM.",
                )
            ) from error

    def _connect(self, context: ssl.SSLContext | None) -> _Bounded:
        config = self._config
        # Nobody can cut what is not connected yet: it must not hold up a stop for long.
        host, port, seconds = (
            config.host,
            config.port,
            min(_CONNECT_SECONDS, config.timeout_seconds),
        )
        if config.security == "tls":
            return _BoundedTls(host, port, ssl_context=context, timeout=seconds)
        imap = _Bounded(host, port, timeout=seconds)
        if context is not None:
            try:
                imap.starttls(context)
            except BaseException:
                with suppress(OSError):  # the handshake may have closed it
                    imap.shutdown()
                raise
        return imap

    def _log_in(self, imap: _Bounded) -> None:
        try:
            imap.login(self._config.user, self._config.password.get_secret_value())
        except imap.abort:
            raise
        except imap.error as error:
            raise self._refused(_why(error)) from error
        _, told = imap.capability()
        if b"ID" in bytes(told[0] or b"").upper().split():
            # NetEase (163, 126) opens no folder for a client without a name.
            imap.xatom("ID", '("name" "tingchao" "vendor" "tingchao" "version" "1")')

    def _search(self, *criteria: str) -> list[int]:
        told = self._command("SEARCH", *criteria)
        return sorted({int(word) for line in told if line for word in line.split()})

    def _command(self, *words: str) -> list[Any]:
        with self._our_words():
            assert self._imap is not None
            self._imap.left = _MOST_ANSWER
            kind, told = self._imap.uid(*words)
            if kind == "OK":
                return list(told)
        said, host = _said(told), self._config.host
        kinds = SourceError if _BUSY.search(said) else _RefusedError
        raise kinds(
            "server",
            say(f"{host} 拒绝 {words[0]}：{said}。", f"{host} refuses {words[0]}: {said}."),
        )

    def _refused(self, said: str) -> SourceError:
        host = self._config.host
        if _BUSY.search(said):
            return SourceError("server", say(f"{host} 正忙：{said}", f"{host} is busy: {said}"))
        return SourceError(
            "login",
            say(
                f"{host} 拒绝登录：{said}。请检查 user 和 password；QQ、163、126 等邮箱要先在网页"
                "设置里开启 IMAP，并用授权码代替登录密码。",
                f"{host} refuses the login: {said}. Check user and password; QQ, 163, 126 and "
                "others want IMAP switched on in their web settings, and the authorisation code "
                "(授权码) as the password.",
            ),
        )

    def _no_folder(self, said: str) -> SourceError:
        if "unsafe login" in said.lower():
            return self._refused(said)
        folder = self._config.folder
        return SourceError(
            "gone",
            say(
                f"打不开邮箱文件夹 {folder}：{said}。请检查 folder。",
                f"the folder {folder} can't be opened: {said}. Check folder.",
            ),
        )

    @contextmanager
    def _our_words(self) -> Iterator[None]:
        """The library's errors become ours."""
        host = f"{self._config.host}:{self._config.port}"
        try:
            yield
        except TimeoutError as error:
            raise SourceError(
                "unreachable", say(f"{host} 没有及时回答。", f"{host} did not answer in time.")
            ) from error
        except ssl.SSLCertVerificationError as error:
            why = error.verify_message
            raise SourceError(
                "unreachable",
                say(
                    f"{host} 的证书不可信：{why}。请检查 host；自签证书请设置 ca_file。",
                    f"the certificate of {host} can't be trusted: {why}. Check host; for an "
                    "authority of your own set ca_file.",
                ),
            ) from error
        except (imaplib.IMAP4.abort, OSError) as error:
            why = _why(error)
            raise SourceError(
                "unreachable",
                say(
                    f"与 {host} 的连接失败或中断：{why}。请检查 host、port 和 security。",
                    f"no connection to {host}: {why}. Check host, port and security.",
                ),
            ) from error
        except imaplib.IMAP4.error as error:
            why = _why(error)
            raise SourceError(
                "format", say(f"{host} 的回答不合 IMAP：{why}。", f"{host} speaks no IMAP: {why}.")
            ) from error


class _RefusedError(SourceError):
    """The server said NO to one command."""


def _quoted(folder: str) -> str:
    """A folder's name as IMAP writes it: modified UTF-7 (RFC 3501, 5.1.3), in quotes."""

    def packed(match: re.Match[str]) -> str:
        if match[0] == "&":
            return "&-"
        letters = b64encode(match[0].encode("utf-16-be")).rstrip(b"=").replace(b"/", b",")
        return f"&{letters.decode()}-"

    name = _FOREIGN.sub(packed, folder).replace("\\", r"\\").replace('"', r"\"")
    return f'"{name}"'


def _number(response: tuple[str, list[Any]]) -> int:
    word = bytes((response[1] or [b""])[0] or b"")
    return int(word) if word.isdigit() and len(word) <= 10 else 0


def _time(told: bytes) -> datetime | None:
    try:
        return parsedate_to_datetime(told.decode("latin-1")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _said(told: list[Any]) -> str:
    return _shown(bytes((told or [b""])[-1] or b"").decode(errors="replace"))


def _why(error: Exception) -> str:
    told = error.args[0] if len(error.args) == 1 else str(error)
    text = told.decode(errors="replace") if isinstance(told, bytes) else str(told)
    return _shown(text) or type(error).__name__


def _shown(text: str) -> str:
    """A stranger's words, short and without signs that do something."""
    return _UNSEEN.sub(" ", text)[:_MOST_SAID].strip(" .。")
