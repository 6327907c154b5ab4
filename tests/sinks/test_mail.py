"""Mail through a real mail server of the tests' own, and the mails themselves."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError
from structlog.testing import capture_logs

from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incident import Incident
from sinks.base import Notice
from sinks.mail import PATIENCE_SECONDS, Mail, message
from tests.faults.certificates import Authority
from tests.sinks.service import NASTY, Time

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]

PASSWORD = "pa55word-绝密"
ZONE = ZoneInfo("Asia/Shanghai")


@dataclass
class Server:
    """Takes mail, but what it was told to refuse."""

    port: int = 0
    refuse_from: str = ""
    refuse_to: dict[str, str] = field(default_factory=dict)
    refuse_data: str = ""
    got: list[tuple[list[str], EmailMessage]] = field(default_factory=list)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.refuse_from:
            return self.refuse_from
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse_to:
            return self.refuse_to[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.refuse_data:
            return self.refuse_data
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.got.append((list(envelope.rcpt_tos), mail))
        return "250 OK"

    def channel(self, time: Time | None = None, **options: Any) -> Mail:
        config = {
            "host": "127.0.0.1",
            "port": self.port,
            "security": "none",
            "sender": "tingchao@qilan.example",
            "recipients": ["wang@qilan.example", "li@qilan.example"],
            "timeout_seconds": 5,
        }
        return Mail(
            "pr", Mail.Config.model_validate(config | options), clock=(time or Time()).clock
        )


def check_login(
    server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any
) -> AuthResult:
    assert isinstance(login, LoginPassword)
    return AuthResult(success=login.password.decode() == PASSWORD, handled=False)


async def serving(**options: Any) -> AsyncIterator[Server]:
    mails = Server()
    loop = asyncio.get_running_loop()
    made = await loop.create_server(
        lambda: SMTP(mails, hostname="mail.example", loop=loop, **options), "127.0.0.1", 0
    )
    mails.port = made.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        made.close()
        await made.wait_closed()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async for one in serving():
        yield one


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@pytest.fixture
async def safe_server(authority: Authority) -> AsyncIterator[Server]:
    """Wants STARTTLS and a login."""
    certificate, key = authority.sign("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    async for one in serving(
        tls_context=context, require_starttls=True, auth_required=True, authenticator=check_login
    ):
        yield one


async def test_everybody_gets_one_mail_in_text_and_html(
    server: Server, make_notice: MakeNotice
) -> None:
    await server.channel().deliver(make_notice())

    [(to, mail)] = server.got
    assert to == ["wang@qilan.example", "li@qilan.example"]
    assert mail["From"] == "tingchao@qilan.example"
    assert mail["Subject"].startswith("【危机·已确认】海鸥：鼓包、着火（严重 4/5")
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Tue, 14 Nov 2023 22:13:20 +0000"
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in mail.iter_parts())
    for part in (text, html):
        assert "88 条提及 = 52 个独立声音 + 36 条转抄或重复；声音中 85% 负面" in part
        assert "海鸥手机充电时鼓包，差点着火" in part
        assert "tingchao incidents show seagull-20240305T0400-1" in part
    assert '<a href="https://weibo.example/1">weibo.example</a>' in html


async def test_a_repeat_has_the_same_id_and_steps_stand_in_one_thread(
    server: Server, make_notice: MakeNotice
) -> None:
    channel = server.channel()
    for key in ("i-1", "i-1", "i-2"):
        await channel.deliver(make_notice(key=key))

    first, again, later = (mail for _, mail in server.got)
    assert first["Message-ID"] == again["Message-ID"] != later["Message-ID"]
    assert first["Message-ID"].endswith("@qilan.example>")
    assert first["References"] == later["References"] == later["In-Reply-To"]


async def test_it_logs_in_over_starttls_with_a_certificate_that_it_knows(
    safe_server: Server, authority: Authority, make_notice: MakeNotice
) -> None:
    channel = safe_server.channel(
        host="localhost",
        security="starttls",
        ca_file=str(authority.file),
        username="tingchao",
        password=PASSWORD,
    )

    await channel.deliver(make_notice())

    assert len(safe_server.got) == 1


async def test_a_wrong_login_waits_for_a_person_and_is_not_shown(
    safe_server: Server, authority: Authority, make_notice: MakeNotice
) -> None:
    channel = safe_server.channel(
        host="localhost",
        security="starttls",
        ca_file=str(authority.file),
        username="tingchao",
        password="wrong-pa55word",
    )

    with pytest.raises(FatalError, match="535") as caught:
        await channel.deliver(make_notice())

    assert "pa55word" not in str(caught.value)
    assert safe_server.got == []


async def test_a_certificate_of_strangers_gets_no_mail(
    safe_server: Server, make_notice: MakeNotice
) -> None:
    channel = safe_server.channel(
        host="localhost", security="starttls", username="tingchao", password=PASSWORD
    )
    with pytest.raises(RetryableError, match=r"(?i)certificate"):
        await channel.deliver(make_notice())
    assert safe_server.got == []


async def test_a_server_without_encryption_gets_no_mail(
    server: Server, make_notice: MakeNotice
) -> None:
    with pytest.raises(RetryableError, match="STARTTLS"):
        await server.channel(security="starttls").deliver(make_notice())
    assert server.got == []


async def test_a_missing_certificate_file_is_named(server: Server, make_notice: MakeNotice) -> None:
    with pytest.raises(FatalError, match=r"/none/ca\.pem"):
        await server.channel(ca_file="/none/ca.pem").deliver(make_notice())


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        ({"refuse_from": "451 busy"}, RetryableError),
        ({"refuse_from": "550 not you"}, FatalError),
        ({"refuse_data": "452 disk full"}, RetryableError),
        ({"refuse_data": "554 looks like spam"}, RejectedError),
        (
            {"refuse_to": {"wang@qilan.example": "550 who?", "li@qilan.example": "550 who?"}},
            FatalError,
        ),
        (
            {"refuse_to": {"wang@qilan.example": "550 who?", "li@qilan.example": "450 full"}},
            RetryableError,
        ),
    ],
)
async def test_4xx_is_tried_again_and_5xx_is_not(
    server: Server, make_notice: MakeNotice, refusal: dict[str, Any], error: type[Exception]
) -> None:
    for name, value in refusal.items():
        setattr(server, name, value)
    with pytest.raises(error, match=r"4\d\d|5\d\d"):
        await server.channel().deliver(make_notice())


async def test_who_was_refused_for_now_is_tried_again_alone(
    server: Server, make_notice: MakeNotice
) -> None:
    channel = server.channel()
    server.refuse_to = {"li@qilan.example": "450 come back"}
    with pytest.raises(RetryableError, match=r"li@qilan\.example: 450"):
        await channel.deliver(make_notice())
    server.refuse_to = {}

    await channel.deliver(make_notice())

    assert [to for to, _ in server.got] == [["wang@qilan.example"], ["li@qilan.example"]]


@pytest.mark.parametrize(("answer", "patience"), [("550 who?", 0), ("452 full", PATIENCE_SECONDS)])
async def test_one_bad_inbox_does_not_keep_the_news_from_the_others(
    server: Server, make_notice: MakeNotice, answer: str, patience: float
) -> None:
    time = Time()
    channel = server.channel(time)
    server.refuse_to = {"li@qilan.example": answer}
    if patience:
        with pytest.raises(RetryableError):
            await channel.deliver(make_notice())
        time.go(patience)

    with capture_logs() as logs:
        await channel.deliver(make_notice())

    assert [one["log_level"] for one in logs] == ["error"]
    assert "li@qilan.example" in logs[0]["reason"]
    assert [to for to, _ in server.got] == [["wang@qilan.example"]]


async def test_no_server_is_tried_again(server: Server, make_notice: MakeNotice) -> None:
    with pytest.raises(RetryableError, match="pr"):
        await server.channel(port=1).deliver(make_notice())


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_of_a_stranger_s_words_the_html_holds_only_text(
    make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    incident = make_incident()
    nasty = NASTY + "<script>alert(1)</script><img src=x onerror=y>\r\nBcc: all@qilan.example"
    quote = incident.first_post.model_copy(
        update={"excerpt": nasty, "author_name": nasty, "url": 'https://a.example/"><script>'}
    )
    changed = incident.model_copy(update={"first_post": quote, "quotes": (), "statement": nasty})

    mail = message(
        make_notice(incident=changed, brand_name=nasty), "a@b.example", ["c@d.example"], ZONE
    )

    read = message_from_bytes(mail.as_bytes(), policy=default)
    assert isinstance(read, EmailMessage)
    assert read["Bcc"] is None
    html = read.get_body(("html",))
    assert html is not None
    tags = Tags()
    tags.feed(html.get_content())
    names = {tag for tag, _ in tags.found}
    assert names == {"html", "head", "meta", "body", "h2", "h3", "div", "a"} | {"blockquote"}
    links = [attrs["href"] for tag, attrs in tags.found if tag == "a"]
    assert links == ["https://a.example/%22%3E%3Cscript%3E"]
    assert not any(name.startswith("on") for _, attrs in tags.found for name in attrs)


@pytest.mark.parametrize(
    "options",
    [
        {"username": "me"},
        {"password": PASSWORD},
        {"username": "me", "password": PASSWORD, "security": "none"},
        {"sender": "nobody"},
        {"sender": "a@b.example\r\nBcc: c@d.example"},
        {"recipients": []},
        {"recipients": ["Wang <wang@qilan.example>"]},
    ],
)
def test_wrong_options_are_refused_and_the_password_is_not_shown(options: dict[str, Any]) -> None:
    good = {"host": "mail.example", "sender": "a@b.example", "recipients": ["c@d.example"]}
    Mail.Config.model_validate(good)
    with pytest.raises(ValidationError) as caught:
        Mail.Config.model_validate(good | options)
    shown = caught.value.errors(include_input=False, include_context=False)[0]["msg"]
    assert PASSWORD not in shown


def test_the_password_does_not_show() -> None:
    config = Mail.Config.model_validate(
        {
            "host": "mail.example",
            "sender": "a@b.example",
            "recipients": ["c@d.example"],
            "username": "me",
            "password": PASSWORD,
        }
    )
    assert PASSWORD not in repr(config) + str(config)
    assert "绝密" not in config.model_dump_json()
