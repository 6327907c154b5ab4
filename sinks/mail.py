"""Mail: a notice to people's inboxes, as text and as HTML.

Delivery: at least once; the ``Message-ID`` is made from the notice's key, so that a mail program
shows a repeat once, and all steps of an incident stand in one thread. Who was refused for now is
tried again alone, for two minutes: the others get no second copy while this process lives.
Limits: an accepted mail is one that the server took; what becomes of it later comes back as a
bounce to ``sender``. There is no limit of our own to mails a minute.
Safety: login only over TLS. The HTML holds no picture and no script, and of a stranger's words
nothing but text; ``Auto-Submitted`` keeps holiday notices from answering.
"""

import hashlib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

import aiosmtplib
import httpx
import structlog
from pydantic import Field, SecretStr, model_validator

from schemas.component import ComponentConfig
from schemas.errors import FatalError, RejectedError, RetryableError, TingchaoError
from schemas.language import language, say
from schemas.zone import ZoneName
from sinks.base import Notice
from sinks.notice_markup import link_of
from sinks.notice_text import body, lines, title
from sinks.posting import MASK, SYSTEM, Clock
from sinks.robot import is_loopback
from sinks.wording import Line, clean

__all__ = ["Mail", "message"]

Address = Annotated[
    str, Field(pattern=r"^[^\s@<>,;\"()\[\]\\:]+@[^\s@<>,;\"()\[\]\\:]+$", max_length=254)
]
MOST_DETAIL = 200

#: How long a refusal for now, of some recipients only, holds up the next notice.
#: Notices under way at once: a stage each, and a few that were left.
_MOST_PARTS = 8
PATIENCE_SECONDS = 120.0

log = structlog.get_logger()


@dataclass(slots=True)
class _Part:
    """How far a notice has come."""

    took: set[str] = field(default_factory=set)
    """Who has it already."""
    since: float | None = None
    """Since when only a part of them has it."""


class Mail:
    """Sends each notice as one mail to all recipients."""

    class Config(ComponentConfig):
        """Which server, from whom, to whom."""

        host: str = Field(min_length=1, description="Mail server. No default: it is yours.")
        port: int = Field(587, ge=1, le=65_535, description="587 with starttls, 465 with tls.")
        security: Literal["starttls", "tls", "none"] = Field(
            "starttls", description="How the line is encrypted; none only without a login."
        )
        ca_file: str | None = Field(
            None, description="Authority of the server's certificate; else those of the system."
        )
        username: str | None = Field(None, description="User, where the server asks for a login.")
        password: SecretStr | None = Field(None, description="Password of that user.")
        sender: Address = Field(description="From whom mails come. No default: it is yours.")
        recipients: tuple[Address, ...] = Field(
            min_length=1, max_length=100, description="Addresses of the people to be told."
        )
        time_zone: ZoneName = Field("Asia/Shanghai", description="Time zone of the times shown.")
        timeout_seconds: float = Field(20, gt=0, le=60, description="Wait for each answer.")

        @model_validator(mode="after")
        def _check(self) -> Self:
            if (self.username is None) != (self.password is None):
                raise ValueError(
                    say("username 和 password 要一起填", "give username and password together")
                )
            if self.password and self.security == "none" and not is_loopback(self.host):
                raise ValueError(
                    say(
                        "有密码时 security 不能是 none：密码不能明文传送",
                        "with a password, security must not be none: it would travel in the clear",
                    )
                )
            return self

    def __init__(
        self,
        name: str,
        config: Config,
        client: httpx.AsyncClient | None = None,
        *,
        clock: Clock = SYSTEM,
    ) -> None:
        self.name = name
        self._config = config
        self._zone = ZoneInfo(config.time_zone)
        self._now = clock.now
        self._monotonic = clock.monotonic
        self._parts: dict[str, _Part] = {}
        """By the key of a notice under way; stages that share the channel take turns."""

    async def deliver(self, notice: Notice) -> None:
        """Send the mail and return when the server took it for everybody it can be for.

        Raises:
            RetryableError: no answer, or a refusal for now (4xx), of somebody or of all.
            FatalError: login, sender or every recipient is refused (5xx).
            RejectedError: the mail itself is refused (5xx).
        """
        part = self._parts.setdefault(notice.key, _Part())
        if len(self._parts) > _MOST_PARTS:
            del self._parts[next(iter(self._parts))]
        took = part.took
        wanted = [one for one in self._config.recipients if one not in took]
        refused = await self._send(notice, wanted)
        took.update(one for one in wanted if one not in refused)
        may_pass = any(code < 500 for code, _ in refused.values())
        if not took:
            raise self._later(_sentence(refused)) if may_pass else self._broken(_sentence(refused))
        if may_pass and self._is_patient(part):
            raise self._later(_sentence(refused))
        if refused:
            # The others know; to wait longer for a full inbox would keep the next notice from them.
            log.error("recipients refused", channel=self.name, reason=_sentence(refused))
        self._parts.pop(notice.key, None)

    def _is_patient(self, part: "_Part") -> bool:
        now = self._monotonic()
        if part.since is None:
            part.since = now
        return now - part.since < PATIENCE_SECONDS

    async def _send(self, notice: Notice, wanted: list[str]) -> dict[str, tuple[int, str]]:
        """Who did not get it, and why."""
        mail = message(notice, self._config.sender, self._config.recipients, self._zone)
        mail["Date"] = format_datetime(self._now())
        try:
            async with self._server() as server:
                await self._log_in(server)
                refused, _ = await server.sendmail(
                    self._config.sender, wanted, mail.as_bytes(policy=SMTP)
                )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return {one.recipient: (one.code, one.message) for one in error.recipients}
        except aiosmtplib.SMTPResponseException as error:
            raise self._error(error) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._later(str(error) or type(error).__name__) from error
        return {name: (one.code, one.message) for name, one in refused.items()}

    def _server(self) -> aiosmtplib.SMTP:
        config = self._config
        try:
            context = ssl.create_default_context(cafile=config.ca_file)
        except OSError as error:
            where = f"ca_file {config.ca_file}: {error.strerror or error}"
            raise FatalError(self._say("读不了证书", "can't read", where)) from error
        return aiosmtplib.SMTP(
            hostname=config.host,
            port=config.port,
            use_tls=config.security == "tls",
            start_tls=config.security == "starttls",
            tls_context=None if config.security == "none" else context,
            timeout=config.timeout_seconds,
        )

    async def _log_in(self, server: aiosmtplib.SMTP) -> None:
        config = self._config
        if config.username is not None and config.password is not None:
            await server.login(config.username, config.password.get_secret_value())

    def _error(self, error: aiosmtplib.SMTPResponseException) -> TingchaoError:
        detail = f"{error.code} {error.message}"
        if error.code < 500:
            return self._later(detail)
        if isinstance(error, aiosmtplib.SMTPDataError):
            zh, en = "拒绝了邮件", "refuses the mail"
            return RejectedError("refused", self._say(zh, en, detail))
        return self._broken(detail)

    def _later(self, detail: str) -> RetryableError:
        return RetryableError(self._say("没有送达", "not delivered", detail))

    def _broken(self, detail: str) -> FatalError:
        zh, en = (
            "拒绝了登录、加密、发件人或收件人",
            "refuses login, encryption, sender or recipients",
        )
        return FatalError(self._say(zh, en, detail))

    def _say(self, zh: str, en: str, detail: str) -> str:
        more = clean(detail)
        if self._config.password:
            more = more.replace(self._config.password.get_secret_value(), MASK)
        host = self._config.host
        return say(
            f"通道 {self.name}（{host}）{zh}: {more[:MOST_DETAIL]}",
            f"channel {self.name} ({host}) {en}: {more[:MOST_DETAIL]}",
        )


def _sentence(refused: dict[str, tuple[int, str]]) -> str:
    return "; ".join(f"{name}: {code} {text}" for name, (code, text) in refused.items())


def message(notice: Notice, sender: str, recipients: Iterable[str], zone: ZoneInfo) -> EmailMessage:
    """The mail without its date: the same notice gives the same headers and texts."""
    mail = EmailMessage(policy=SMTP)
    domain = sender.rpartition("@")[2]
    thread = f"<{_digest(notice.incident.id)}@{domain}>"
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Subject"] = title(notice)
    mail["Message-ID"] = f"<{_digest(notice.key)}@{domain}>"
    mail["In-Reply-To"] = thread
    mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(body(notice, zone=zone))
    mail.add_alternative(_html(notice, zone), subtype="html")
    return mail


def _html(notice: Notice, zone: ZoneInfo) -> str:
    rows = "\n".join(_row(one) for one in lines(notice, zone=zone))
    return (
        f'<!DOCTYPE html>\n<html lang="{language()}"><head><meta charset="utf-8"></head>'
        '<body style="font-family:sans-serif;line-height:1.5;max-width:44em">\n'
        f"<h2>{escape(title(notice))}</h2>\n{rows}\n</body></html>\n"
    )


def _row(one: Line) -> str:
    text = escape(one.text)
    if one.kind == "heading":
        return f"<h3>{text}</h3>"
    if one.kind == "quote":
        return f'<blockquote style="margin:0 1em">{text}</blockquote>'
    if one.kind == "link" and (found := link_of(one.text)) is not None:
        return (
            f'<div style="margin:0 1em"><a href="{escape(found[1])}">{escape(found[0])}</a></div>'
        )
    return f"<div>{text or '&nbsp;'}</div>"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
