"""``mailbox`` against a real IMAP server: all and only what was written arrives, once."""

import asyncio
import contextlib
import re
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from pydantic import SecretStr

from connectors.base import Batch, Context
from connectors.mailbox import BATCH_MAILS, Mailbox
from connectors.trouble import SourceError
from connectors.wechat_crypto import keyed_hash
from schemas.errors import FatalError
from schemas.language import use_language
from tests.connectors.conftest import FakeClock
from tests.connectors.forum_listener import Listener
from tests.connectors.forum_server import PollOver
from tests.connectors.imap_server import PASSWORD, USER, ImapServer, NotInstalledError, install
from tests.faults.certificates import Authority

ROOT = Path(__file__).resolve().parents[2]
MAILS = 200
SECRET = "a long random text of ours"


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "mail")


@pytest.fixture
def server(tmp_path: Path, authority: Authority) -> Iterator[ImapServer]:
    try:
        commands = install(ROOT / ".tingchao" / "pymap")
    except NotInstalledError as error:
        # Also in CI: a stranger's package that can't be had says nothing about ours.
        pytest.skip(f"pymap can't be installed here: {error}")
    server = ImapServer(commands, tmp_path, *authority.sign("localhost"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
async def surroundings() -> AsyncIterator[tuple[Context, FakeClock]]:
    """A clock that stands still; a pause between two polls ends the poll."""
    clock = FakeClock(datetime.now(UTC))

    async def sleep(seconds: float) -> None:
        raise PollOver

    async with httpx.AsyncClient() as client:
        yield Context(client, clock.now, sleep), clock


def config(port: int, **options: Any) -> Mailbox.Config:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "security": "plain",
        "user": USER,
        "password": PASSWORD,
        "id_secret": SECRET,
        "timeout_seconds": 20,
    }
    return Mailbox.Config.model_validate(given | options)


@dataclass
class Customers:
    """They write, somebody deletes, and they remember what stands there."""

    server: ImapServer
    texts: dict[str, str] = field(default_factory=dict)
    """By Message-ID, of the mails that are not deleted."""
    written: int = 0

    def write(self, mails: int) -> list[str]:
        names = []
        for _ in range(mails):
            self.written += 1
            name, text = f"m{self.written}@a.example", f"第 {self.written} 封：屏幕又碎了"
            mail = EmailMessage()
            mail["From"] = f"张三 <zhang{self.written % 7}@a.example>"
            mail["Subject"] = "投诉"
            mail["Message-ID"] = f"<{name}>"
            if self.written % 5 == 0:
                mail["In-Reply-To"] = f"<m{self.written - 1}@a.example>"
            mail.set_content(text, charset="gb18030" if self.written % 2 else "utf-8")
            self.server.deliver(bytes(mail))
            self.texts[name] = text
            names.append(name)
        return names

    def delete(self, names: list[str]) -> None:
        with self.server.client() as client:
            heads = client.fetch("1:*", "(BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1]
            numbers = [
                head[0].split()[0].decode()
                for head in heads
                if isinstance(head, tuple) and head[1].split()[1].decode().strip("<>") in names
            ]
            assert len(numbers) == len(names)
            client.store(",".join(numbers), "+FLAGS", r"(\Deleted)")
            client.expunge()
        for name in names:
            del self.texts[name]

    def truth(self) -> dict[str, str]:
        return {id_of(name): f"投诉||{text}" for name, text in self.texts.items()}


def id_of(name: str) -> str:
    return f"mail:{keyed_hash(SecretStr(SECRET), name)}"


@pytest.mark.own_servers
async def test_all_and_only_the_mails_that_stay_arrive_once(
    server: ImapServer, surroundings: tuple[Context, FakeClock]
) -> None:
    context, clock = surroundings
    options = config(server.port)
    listener = Listener(lambda: Mailbox("投诉", options, context), clock)
    customers = Customers(server)

    # Given an empty mailbox, then mails of which some go before they were seen
    await listener.poll()
    customers.write(80)
    customers.delete([f"m{number}@a.example" for number in range(11, 31)])
    await listener.poll()
    assert listener.index() == customers.truth()

    # When the connector is killed between two batches, and once before its last one was written
    customers.write(70)
    await listener.poll(kill_after=1, lose_last=True)
    assert len(listener.index()) == 60 + BATCH_MAILS
    await listener.poll(kill_after=1)
    assert listener.index() == customers.truth()

    # And the server is killed in between, and comes back
    customers.write(20)
    server.stop()
    with pytest.raises(SourceError) as caught:
        await anext(Mailbox("投诉", options, context).batches(listener.cursor))
    assert caught.value.trouble == "unreachable"
    server.start()
    customers.write(MAILS - customers.written)
    await listener.poll()
    await listener.poll()

    # Then all and only those arrived, each once, and nobody can tell that they were read
    assert customers.written == MAILS
    assert len(customers.texts) == 180
    assert listener.index() == customers.truth()
    assert len(listener.told) == len({one for one, _, _ in listener.told}) == 180
    assert listener.dead == []
    assert not any(b"Seen" in line for line in server.flags())

    # When the server numbers its mails anew, then they come again under the same ids
    server.stop()
    server.number_anew()
    server.start()
    customers.write(1)
    await listener.poll()
    assert listener.index() == customers.truth()
    assert {one for one, _, _ in listener.told} == set(customers.truth())
    drafts = {draft.id: draft for draft in listener.drafts()}
    assert drafts[id_of("m5@a.example")].parent_id == id_of("m4@a.example")
    assert len({draft.author.id for draft in drafts.values()}) == 7
    everything = orjson.dumps([draft.to_line().decode() for draft in drafts.values()]).decode()
    assert "@" not in everything
    assert "张三" not in everything


@pytest.mark.own_servers
async def test_a_first_look_takes_the_last_days_only_and_no_mail_that_is_too_large(
    server: ImapServer, surroundings: tuple[Context, FakeClock]
) -> None:
    context, clock = surroundings
    now = time.time()
    large = b"Subject: photos\r\n\r\n" + b"x" * (1024 * 1024 + 1) + b"\r\n"
    with server.client() as client:
        for days, subject in ((40, "old"), (9, "older"), (1, "yesterday"), (0, "today")):
            mail = f"Subject: {subject}\r\nDate: nonsense\r\n\r\nbroken again\r\n".encode()
            client.append("INBOX", "", now - 86_400 * days, mail)
        client.append("INBOX", "", now, large)
    listener = Listener(
        lambda: Mailbox("a", config(server.port, history_days=3, max_mail_mib=1), context), clock
    )

    await listener.poll()
    await listener.poll()

    drafts = {draft.title: draft for draft in listener.drafts()}
    assert set(drafts) == {"yesterday", "today"}
    # A date that can't be read is the server's
    assert abs(drafts["yesterday"].published_at.timestamp() - (now - 86_400)) < 2
    [letter] = listener.dead
    assert (letter.kind, letter.line) == ("too_large", 5)
    assert "max_mail_mib = 1" in letter.message
    where = orjson.loads(letter.raw)
    assert (where["folder"], where["uid"]) == ("INBOX", 5)
    assert where["size"] > 1024 * 1024
    fetched = re.findall(r"UID FETCH (\S+) \(UID BODY", server.said())
    assert fetched == ["3", "4"]


@pytest.mark.own_servers
async def test_a_login_or_a_folder_that_is_refused_says_what_to_do(
    server: ImapServer, surroundings: tuple[Context, FakeClock]
) -> None:
    context, _ = surroundings

    async def trouble(**options: Any) -> SourceError:
        with pytest.raises(SourceError) as caught:
            await anext(Mailbox("a", config(server.port, **options), context).batches({}))
        return caught.value

    refused = await trouble(password="something else")
    assert refused.trouble == "login"
    assert "授权码" in str(refused)
    assert "something else" not in str(refused)
    gone = await trouble(folder="R&D 台北 日本語")
    assert gone.trouble == "gone"
    assert "R&D 台北 日本語" in str(gone)
    with server.client() as client:
        client.create('"R&-D &U,BTFw- &ZeVnLIqe-"')  # as RFC 3501 writes them
    there = config(server.port, folder="R&D 台北 日本語")
    assert [batch.seen async for batch in _one(there, context)] == [[]]


async def _one(options: Mailbox.Config, context: Context) -> AsyncIterator[Batch]:
    async with aclosing(Mailbox("a", options, context).batches({})) as batches:  # type: ignore[type-var]
        yield await anext(batches)


@pytest.mark.own_servers
@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_certificates_are_checked(
    security: str,
    server: ImapServer,
    authority: Authority,
    surroundings: tuple[Context, FakeClock],
    tmp_path: Path,
) -> None:
    context, _ = surroundings
    customers = Customers(server)
    customers.write(1)
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    async with gate(server.port, authority) as port:
        here = config(
            port if security == "tls" else server.port, security=security, ca_file=authority.file
        )

        # With our authority its mails come
        [batch] = [batch async for batch in _one(here, context)]
        assert [seen.draft.id for seen in batch.seen] == [id_of("m1@a.example")]

        # With the system's, or one of somebody else, there is no login
        before = server.said().count(" LOGIN ")
        for file in (None, Authority(strangers, "stranger").file):
            other = here.model_copy(update={"ca_file": file})
            with pytest.raises(SourceError) as caught:
                await anext(Mailbox("a", other, context).batches({}))
            assert caught.value.trouble == "unreachable"
            assert "ca_file" in str(caught.value)
        assert server.said().count(" LOGIN ") == before
        with pytest.raises(FatalError, match="nowhere"):
            missing = here.model_copy(update={"ca_file": tmp_path / "nowhere.pem"})
            await anext(Mailbox("a", missing, context).batches({}))


@asynccontextmanager
async def gate(target: int, authority: Authority) -> AsyncIterator[int]:
    """TLS from the first byte on, which pymap does not do itself."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(*authority.sign("gate"))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(65_536):
                writer.write(piece)
                await writer.drain()
        writer.close()

    async def passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", target)
        await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))

    listening = await asyncio.start_server(passed, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
