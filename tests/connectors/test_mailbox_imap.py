"""``mailbox`` against servers that are odd, broken or mean, each following a short script."""

import asyncio
import re
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from connectors.base import Batch, Context
from connectors.mailbox import Mailbox
from connectors.mailbox_imap import HEAD_BYTES
from connectors.trouble import SourceError
from schemas.language import use_language
from tests.connectors.conftest import FakeClock
from tests.connectors.imap_script import Script, serving
from tests.connectors.polls import parts


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


def mailbox(port: int, context: Context, **options: Any) -> Mailbox:
    given = {
        "host": "127.0.0.1",
        "port": port,
        "security": "plain",
        "user": "a@b.example",
        "password": "geheim",
        "id_secret": "a long random text of ours",
        "history_days": 3_650,
    }
    return Mailbox("投诉", Mailbox.Config.model_validate(given | options), context)


async def first(mailbox: Mailbox, cursor: dict[str, Any] | None = None) -> Batch:
    async with aclosing(mailbox.batches(cursor or {})) as batches:  # type: ignore[type-var]
        return await anext(batches)


async def trouble(script: Script, context: Context, **options: Any) -> SourceError:
    with serving(script) as port:
        with pytest.raises(SourceError) as caught:
            await first(mailbox(port, context, **options))
        return caught.value


async def test_a_server_that_answers_in_its_own_order_is_understood(context: Context) -> None:
    script = Script()
    with serving(script) as port:
        batch = await first(mailbox(port, context))
        again = await first(mailbox(port, context), dict(batch.cursor))

    assert [seen.draft.text for seen in batch.seen] == ["broken 1", "broken 2", "broken 3"]
    assert (batch.cursor["validity"], batch.cursor["uid"]) == (7, 3)
    assert again.seen == []
    assert again.cursor["uid"] == 3
    commands = {command.split()[0] for command in script.told}
    assert commands == {"LOGIN", "CAPABILITY", "ID", "EXAMINE", "UID", "LOGOUT"}
    assert not any(re.search(r"BODY\[|STORE|COPY|MOVE|EXPUNGE", line) for line in script.told)


async def test_netease_lets_in_who_says_its_name(context: Context) -> None:
    def answer(command: str) -> bytes:
        named = any(line.startswith("ID ") for line in script.told)
        unnamed = b"TAG NO EXAMINE Unsafe Login. Please contact kefu@188.com for help\r\n"
        return b"" if named or not command.startswith("EXAMINE") else unnamed

    script = Script(answer)
    with serving(script) as port:
        assert len((await first(mailbox(port, context))).seen) == 3

    def mute(command: str) -> bytes:
        if command.startswith("CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1\r\n"
        return b"TAG NO Unsafe Login\r\n" if command.startswith("EXAMINE") else b""

    error = await trouble(Script(mute), context)
    assert error.trouble == "login"
    assert "Unsafe Login" in str(error)


@pytest.mark.parametrize(
    ("when", "said", "kind", "words"),
    [
        ("LOGIN", b"TAG NO LOGIN Login error\x1b[2J password error\r\n", "login", "授权码"),
        ("LOGIN", b"TAG NO [UNAVAILABLE] come again\r\n", "server", "busy: [UNAVAILABLE]"),
        ("LOGIN", "TAG NO 登录过于频繁\r\n".encode(), "login", "登录过于频繁"),
        ("EXAMINE", b"TAG NO no such folder\r\n", "gone", "INBOX"),
        ("EXAMINE", b"* 0 EXISTS\r\nTAG OK done\r\n", "format", "UIDVALIDITY"),
        ("UID SEARCH", b"TAG BAD what?\r\n", "format", "what?"),
        ("UID SEARCH", b"TAG NO [SERVERBUG]\r\n", "server", "SERVERBUG"),
        ("UID SEARCH", b"* SEARCH " + b"1 " * 3_000_000 + b"\r\n", "format", "bytes"),
        ("UID SEARCH", b"* OK still here\r\n" * 200_000, "format", "bytes"),
        ("UID FETCH", b"* 1 FETCH (UID 1 BODY[] {3000000}\r\n", "format", "bytes"),
        ("UID FETCH 2 (UID BODY", b"TAG NO [INUSE] wait\r\n", "server", "INUSE"),
        ("UID FETCH 2 (UID BODY", None, "unreachable", "no connection"),
        ("LOGIN", None, "unreachable", "no connection"),
    ],
)
async def test_what_goes_wrong_is_one_sentence(
    when: str, said: bytes | None, kind: str, words: str, context: Context
) -> None:
    script = Script(lambda command: said if command.startswith(when) else b"")

    error = await trouble(script, context)

    assert error.trouble == kind
    assert words in str(error)
    assert str(error).isprintable()
    assert len(str(error)) < 500
    assert "geheim" not in str(error)


async def test_what_a_broken_connection_leaves_out_comes_from_the_last_cursor(
    context: Context,
) -> None:
    breaks = iter([30, 77, 78, 110])
    breaking = [next(breaks)]

    def answer(command: str) -> bytes | None:
        if f"FETCH {breaking[0]} (UID BODY" not in command:
            return b""
        breaking[0] = next(breaks, 0)
        return None

    told: list[str] = []
    cursor: dict[str, Any] = {}
    broken = 0
    with serving(Script(answer, mails=120)) as port:
        while cursor.get("uid") != 120:
            assert broken < 10
            try:
                async with aclosing(mailbox(port, context).batches(cursor)) as batches:  # type: ignore[type-var]
                    async for batch in parts(batches):
                        cursor = dict(batch.cursor)
                        told += [seen.draft.text for seen in batch.seen]
                        if cursor["uid"] == 120:
                            break
            except SourceError as error:
                assert error.trouble == "unreachable"
                broken += 1

    assert broken == 4
    assert told == [f"broken {uid}" for uid in range(1, 121)]


async def test_after_new_numbers_the_days_before_the_last_poll_are_read(
    context: Context, clock: FakeClock
) -> None:
    until = int((clock.at - timedelta(days=20)).timestamp())
    script = Script(mails=60)
    with serving(script) as port:
        known = {"validity": 6, "uid": 900, "until": until}
        again = await first(mailbox(port, context, history_days=3), known)
        anew = await first(mailbox(port, context, history_days=3))

    assert [line for line in script.told if "SINCE" in line] == [
        "UID SEARCH SINCE 08-May-2024",  # 1 June, 20 days and 3, and one for the server's zone
        "UID SEARCH SINCE 28-May-2024",
    ]
    # Half-way the last poll is still the one before; at the very first there is none but this
    assert again.cursor == {"validity": 7, "uid": 50, "until": until}
    assert anew.cursor["until"] == int(clock.at.timestamp())


async def test_a_text_that_goes_on_beyond_what_is_fetched_is_set_aside(context: Context) -> None:
    mail = b"Content-Type: text/html\r\n\r\nbroken<!--".ljust(HEAD_BYTES, b"-")

    def answer(command: str) -> bytes:
        if "FETCH 2 (UID BODY" not in command:
            return b""
        return b"* 2 FETCH (UID 2 BODY[]<0> {%d}\r\n%s)\r\n" % (len(mail), mail)

    script = Script(answer)
    with serving(script) as port:
        batch = await first(mailbox(port, context))

    assert [(one.line, one.kind) for one in batch.unreadable] == [(2, "too_large")]
    assert f"UID FETCH 2 (UID BODY.PEEK[]<0.{HEAD_BYTES}>)" in script.told


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request", b"* BYE too many", b""])
async def test_what_is_no_imap_server_is_unreachable(greeting: bytes, context: Context) -> None:
    error = await trouble(Script(greeting=greeting), context)

    assert error.trouble == "unreachable"
    assert "host, port and security" in str(error)


async def test_a_mail_that_the_server_cannot_give_is_set_aside(context: Context) -> None:
    def answer(command: str) -> bytes:
        return b"TAG NO message 2 is corrupt\r\n" if "FETCH 2 (UID BODY" in command else b""

    with serving(Script(answer)) as port:
        batch = await first(mailbox(port, context))

    assert [seen.draft.text for seen in batch.seen] == ["broken 1", "broken 3"]
    [letter] = batch.unreadable
    assert (letter.line, letter.kind) == (2, "schema")
    assert "message 2 is corrupt" in letter.message


async def test_a_mail_that_vanishes_meanwhile_is_no_mail(context: Context) -> None:
    def answer(command: str) -> bytes:
        return b"TAG OK nothing\r\n" if "FETCH 2 (UID BODY" in command else b""

    with serving(Script(answer)) as port:
        batch = await first(mailbox(port, context))

    assert [seen.draft.text for seen in batch.seen] == ["broken 1", "broken 3"]
    assert batch.unreadable == []


async def test_a_server_without_uidnext_does_not_bring_old_mails_later(context: Context) -> None:
    def answer(command: str) -> bytes:
        if command.startswith("EXAMINE"):
            return b"* OK [UIDVALIDITY 7] a\r\n"
        return b"TAG OK none\r\n" if "SINCE" in command else b""

    with serving(Script(answer)) as port:
        batch = await first(mailbox(port, context))

    assert (batch.seen, batch.cursor["uid"]) == ([], 3)


async def test_automatic_mails_are_counted_in_the_cursor(context: Context) -> None:
    mail = b"Auto-Submitted: auto-replied\r\n\r\naway"

    def answer(command: str) -> bytes:
        if "FETCH 2 (UID BODY" not in command:
            return b""
        return b"* 2 FETCH (UID 2 BODY[]<0> {%d}\r\n%s)\r\n" % (len(mail), mail)

    with serving(Script(answer)) as port:
        batch = await first(mailbox(port, context), {"count.auto-reply": 4, "count.bounce": 1})

    assert len(batch.seen) == 2
    assert batch.cursor["count.auto-reply"] == 5
    assert batch.cursor["count.bounce"] == 1


async def test_a_server_that_hangs_is_given_up_and_hung_up_on(context: Context) -> None:
    release = threading.Event()

    def hang(command: str) -> bytes:
        if command.startswith("UID SEARCH"):
            release.wait(20)
        return b""

    script = Script(hang)
    try:
        error = await trouble(script, context, timeout_seconds=1)
    finally:
        release.set()

    assert await asyncio.to_thread(script.gone.wait, 10)
    assert error.trouble == "unreachable"
    assert "in time" in str(error)


async def test_a_stop_ends_the_connection_at_once(context: Context) -> None:
    waiting, release = threading.Event(), threading.Event()

    def hang(command: str) -> bytes:
        if command.startswith("UID SEARCH"):
            waiting.set()
            release.wait(20)
        return b""

    script = Script(hang)
    with serving(script) as port:
        reading = asyncio.create_task(first(mailbox(port, context)))
        await asyncio.to_thread(waiting.wait, 10)
        began = time.monotonic()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert time.monotonic() - began < 5
        release.set()
        assert await asyncio.to_thread(script.gone.wait, 10)


@pytest.mark.parametrize(
    "options",
    [
        {"password": "geheim\r\nA1 LOGOUT"},
        {"password": "密码"},
        {"password": ""},
        {"user": 'a" b'},
        {"user": "a\r\nb"},
        {"host": "imap.example.com/x"},
        {"id_secret": "short"},
        {"every_seconds": 5},
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], context: Context) -> None:
    with pytest.raises(ValidationError) as caught:
        mailbox(993, context, **options)

    assert next(iter(options)) in str(caught.value)


def test_the_password_is_not_shown(context: Context) -> None:
    config = Mailbox.Config.model_validate(
        {"host": "h", "user": "u", "password": "geheim", "id_secret": "s" * 16}
    )

    assert "geheim" not in repr(config)
    assert (config.port, config.security, config.folder) == (993, "tls", "INBOX")
