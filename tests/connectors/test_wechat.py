import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import connectors.receiver as receiver_module
import connectors.spool as spool_module
import connectors.wechat_push as push_module
from connectors.base import Context, Cursor
from connectors.wechat import Wechat
from connectors.wechat_crypto import Crypto, sign
from schemas.customer_event import CustomerEvent
from tests.connectors.pushing import Driver, free_port
from tests.connectors.wechat_server import APP_ID, KEY, TOKEN, Mode, Sender, xml

OPENID = "oFollower-of-yunfan_0001"


class Line:
    """A connector, the ingest that drives it and the WeChat that pushes to it."""

    def __init__(self, context: Context, **options: Any) -> None:
        given = {
            "app_id": APP_ID,
            "token": TOKEN,
            "encoding_aes_key": KEY,
            "id_secret": "a secret for the tests",
            "port": free_port(),
            "path": "/wechat",
        }
        self.config = Wechat.Config.model_validate(given | options)
        self._context = context
        self.driver = Driver(self.connector().batches)
        mode: Mode = self.config.mode
        url = f"http://127.0.0.1:{self.config.port}/wechat"
        self.sender = Sender(url, context.now, mode=mode)

    def connector(self) -> Wechat:
        return Wechat("公众号", self.config, self._context)

    async def restart(self, cursor: Cursor) -> None:
        """A new process goes on from what the old one kept."""
        await self.driver.stop()
        written = self.driver.written
        self.driver = Driver(self.connector().batches)
        self.driver.written, self.driver.cursor = written, cursor
        await self.driver.start(self.config.port)

    @property
    def texts(self) -> list[str]:
        return [one.draft.text for batch in self.driver.written for one in batch.seen]

    @property
    def events(self) -> list[CustomerEvent]:
        return [event for batch in self.driver.written for event in batch.events]

    @property
    def troubles(self) -> list[str | None]:
        """What each batch that told anything said of the source's trouble."""
        return [None if b.trouble is None else str(b.trouble) for b in self.driver.written]

    @property
    def parked(self) -> list[tuple[str, bytes]]:
        return [(one.kind, one.raw) for b in self.driver.written for one in b.unreadable]


@pytest.fixture
async def start(context: Context) -> AsyncIterator[Callable[..., Any]]:
    lines: list[Line] = []

    async def start(**options: Any) -> Line:
        line = Line(context, **options)
        lines.append(line)
        await line.driver.start(line.config.port)
        return line

    yield start
    for line in lines:
        await line.driver.stop()
        await line.sender.close()


MODES: list[Mode] = ["plain", "compatible", "encrypted"]


@pytest.mark.parametrize("mode", MODES)
async def test_the_address_is_verified(start: Callable[..., Any], mode: Mode) -> None:
    line = await start(mode=mode)

    answer = await line.sender.verify("5927782489442352469")

    assert (answer.status_code, answer.text) == (200, "5927782489442352469")


@pytest.mark.parametrize("mode", MODES)
async def test_messages_become_posts(start: Callable[..., Any], mode: Mode) -> None:
    line = await start(mode=mode)

    statuses = [await line.sender.push(line.sender.message(text)) for text in ("一", "二😡", "三")]

    assert statuses == [[200]] * 3
    assert line.texts == ["一", "二😡", "三"]
    lines = [one.draft.to_line() for batch in line.driver.written for one in batch.seen]
    assert not any(OPENID.encode() in one for one in lines)
    assert OPENID not in str(line.driver.cursor)
    assert {one.draft.source for batch in line.driver.written for one in batch.seen} == {"公众号"}


async def test_success_only_after_the_broker_acknowledged(start: Callable[..., Any]) -> None:
    # Given a broker that does not answer
    line = await start()
    line.driver.broker.clear()

    # When a message was yielded
    pushing = asyncio.create_task(line.sender.push(line.sender.message("一")))
    await line.driver.until(lambda: bool(line.driver.taken))
    await asyncio.sleep(0.05)

    # Then WeChat hears nothing before the acknowledgement
    assert not pushing.done()
    line.driver.broker.set()
    assert await pushing == [200]
    assert line.texts == ["一"]


async def test_a_broker_that_is_away_gives_503_in_time_and_nothing_is_lost_or_doubled(
    start: Callable[..., Any],
) -> None:
    # Given a broker that is away for longer than an answer may take
    line = await start(answer_seconds=0.1)
    line.driver.broker.clear()
    content = line.sender.message("一")

    # When WeChat gave up after its three attempts, and the broker comes back
    assert await line.sender.push(content) == [503, 503, 503]
    line.driver.broker.set()
    await line.driver.until(lambda: bool(line.texts))

    # Then the message was written once, and a late repetition is answered at once
    assert await line.sender.push(content) == [200]
    assert line.texts == ["一"]


@pytest.mark.parametrize("room", [True, False])
async def test_a_slow_body_takes_its_time_from_the_broker(
    context: Context, tmp_path: Path, room: bool
) -> None:
    # Given a broker that is away, and a message whose body comes in the last moment
    line = Line(
        replace(context, folder=tmp_path) if room else context, answer_seconds=3.0 if room else 1.5
    )
    await line.driver.start(line.config.port)
    line.driver.broker.clear()
    query, body = line.sender.request(line.sender.message("一"))

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:10].encode()
        await asyncio.sleep(1.6 if room else 1.3)
        yield body[10:].encode()

    began = time.monotonic()
    answer = await line.sender.post(query, slowly())

    # Then the answer comes in time all the same: both together are not longer than one
    assert answer.status_code == (200 if room else 503)
    assert time.monotonic() - began < (3.0 if room else 2.2)
    line.driver.broker.set()
    await line.driver.until(lambda: line.texts == ["一"])
    await line.driver.stop()
    await line.sender.close()


async def test_repetitions_are_answered_and_written_once(start: Callable[..., Any]) -> None:
    line = await start()
    content = line.sender.message("一")
    request = line.sender.request(content)
    event = line.sender.event("CLICK", EventKey="菜单一")

    # The same request again; and the same message signed anew
    identical = [await line.sender.post(*request) for _ in range(3)]
    anew = [await line.sender.push(one) for one in (content, event, event)]

    assert [(one.status_code, one.text) for one in identical] == [(200, "success")] * 3
    assert anew == [[200]] * 3
    assert line.texts == ["一"]
    assert [one.act for one in line.events] == ["tapped"]


async def test_duplicates_at_once_are_written_once(start: Callable[..., Any]) -> None:
    line = await start()
    line.driver.broker.clear()
    content = line.sender.message("一")
    pushes = [asyncio.create_task(line.sender.push(content)) for _ in range(5)]
    await line.driver.until(lambda: bool(line.driver.taken))

    line.driver.broker.set()

    assert await asyncio.gather(*pushes) == [[200]] * 5
    assert line.texts == ["一"]


@pytest.mark.parametrize("acknowledged", [False, True])
async def test_a_killed_connector_loses_and_doubles_nothing(
    start: Callable[..., Any], acknowledged: bool
) -> None:
    # Given messages that were written, and one on its way when the process dies: either the
    # broker had it and WeChat was not told, or not
    line = await start()
    for number in range(3):
        assert await line.sender.push(line.sender.message(str(number))) == [200]
    line.driver.broker.clear()
    content = line.sender.message("半路")
    query, body = line.sender.request(content)
    first = asyncio.create_task(line.sender.post(query, body))
    await line.driver.until(lambda: len(line.driver.taken) == 4)
    cursor = line.driver.cursor
    if acknowledged:
        line.driver.written.append(line.driver.taken[-1])
        cursor = line.driver.taken[-1].cursor

    # When another process takes over and WeChat sends again
    await line.restart(cursor)
    assert (await first).status_code == 503
    assert (await line.sender.post(query, body)).status_code == 200
    assert await line.sender.push(line.sender.message("之后")) == [200]

    # Then each is there once
    assert line.texts == ["0", "1", "2", "半路", "之后"]


async def test_many_pushes_through_kills_and_an_absent_broker(start: Callable[..., Any]) -> None:
    # Given 60 messages, each sent until WeChat hears success or gives up
    line = await start(answer_seconds=0.3)
    contents = [line.sender.message(str(number)) for number in range(60)]
    answered: dict[int, list[int]] = {}

    async def push(number: int) -> None:
        await asyncio.sleep(number * 0.01)
        statuses = await line.sender.push(contents[number])
        while statuses[-1] != 200:  # WeChat's pauses, shortened: the process is away meanwhile
            await asyncio.sleep(0.05)
            statuses += await line.sender.push(contents[number])
        answered[number] = statuses

    pushes = asyncio.gather(*(push(number) for number in range(60)))
    # When the process is killed three times, once while the broker is away
    for kill in range(3):
        await asyncio.sleep(0.15)
        if kill == 1:
            line.driver.broker.clear()
            await asyncio.sleep(0.1)
        await line.restart(line.driver.cursor)
    await pushes

    # Then every message was answered, and each was written once
    assert len(answered) == 60
    assert sorted(line.texts, key=int) == [str(number) for number in range(60)]


@pytest.fixture
def spooling(context: Context, tmp_path: Path) -> Context:
    return replace(context, folder=tmp_path)


async def test_what_the_broker_does_not_take_in_time_is_kept_on_the_disk(
    spooling: Context, tmp_path: Path
) -> None:
    # Given a broker that is away for longer than WeChat tries, and a process that dies meanwhile
    line = Line(spooling, answer_seconds=2)  # of it, the disk has a share
    await line.driver.start(line.config.port)
    line.driver.broker.clear()
    contents = [line.sender.message(str(n)) for n in range(20)]
    contents += [line.sender.event("unsubscribe"), line.sender.message("?", MsgType="hologram")]

    answers = await asyncio.gather(*(line.sender.push(one) for one in contents))

    assert [statuses[-1] for statuses in answers] == [200] * 22
    assert line.driver.written == []
    await line.restart({})

    # Then the next process hands all on, and nothing stays on the disk
    await line.driver.until(lambda: not [one for one in tmp_path.rglob("*") if one.is_file()])
    assert sorted(line.texts, key=int) == [str(n) for n in range(20)]
    assert [one.act for one in line.events] == ["unfollowed"]
    assert [kind for kind, _ in line.parked] == ["mapping"]
    await line.driver.stop()
    await line.sender.close()


async def test_what_was_kept_and_got_through_all_the_same_comes_once(
    spooling: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "LOOK_SECONDS", 0.05)
    line = Line(spooling, answer_seconds=0.2)
    await line.driver.start(line.config.port)
    line.driver.broker.clear()
    await line.sender.push(line.sender.message("一"))
    assert any(one.is_file() for one in tmp_path.rglob("*"))

    line.driver.broker.set()

    await line.driver.until(lambda: not [one for one in tmp_path.rglob("*") if one.is_file()])
    assert line.texts == ["一"]
    await line.driver.stop()
    await line.sender.close()


async def test_without_room_wechat_is_asked_to_come_again(
    spooling: Context, tmp_path: Path
) -> None:
    tmp_path.joinpath("%E5%85%AC%E4%BC%97%E5%8F%B7.spool").write_text("no folder")
    line = Line(spooling, answer_seconds=0.2)
    await line.driver.start(line.config.port)
    line.driver.broker.clear()

    assert await line.sender.push(line.sender.message("一")) == [503] * 3

    line.driver.broker.set()
    await line.driver.until(lambda: line.texts == ["一"])
    assert await line.sender.push(line.sender.message("二")) == [200]
    assert line.driver.cursor["count.not_kept"] == 3
    await line.driver.stop()
    await line.sender.close()


async def test_what_followers_do_becomes_events(start: Callable[..., Any]) -> None:
    line = await start()
    sender = line.sender
    events = [
        sender.event("subscribe"),
        sender.event("subscribe", EventKey="qrscene_1", Ticket="t"),
        sender.event("unsubscribe"),
        sender.event("SCAN", EventKey="1", Ticket="t"),
        sender.event("LOCATION", Latitude="23.1", Longitude="113.3", Precision="1"),
        sender.event("VIEW", EventKey="https://a.cn"),
        sender.event("TEMPLATESENDJOBFINISH", Status="success"),
    ]

    assert [await sender.push(event) for event in events] == [[200]] * 7

    # What a person did is handed on, what a job or a phone told is counted
    assert [(event.act, event.native, event.about) for event in line.events] == [
        ("followed", "subscribe", None),
        ("followed", "subscribe", "1"),
        ("unfollowed", "unsubscribe", None),
        ("scanned", "scan", "1"),
        ("opened", "view", "https://a.cn"),
    ]
    counts = {name: n for name, n in line.driver.cursor.items() if name.startswith("count.")}
    assert counts == {"count.location": 1, "count.templatesendjobfinish": 1}
    assert (line.texts, line.parked) == ([], [])


async def test_an_event_names_its_follower_as_messages_do(start: Callable[..., Any]) -> None:
    line = await start()
    await line.sender.push(line.sender.message("你好"))
    await line.sender.push(line.sender.event("unsubscribe"))

    [message] = [one.draft for batch in line.driver.written for one in batch.seen]
    [event] = line.events
    assert event.customer == message.author.id
    assert OPENID not in event.model_dump_json()
    assert (event.platform, event.source, event.staff) == ("wechat", "公众号", None)
    assert event.happened_at == message.published_at


async def test_an_event_comes_once_though_pushed_again(start: Callable[..., Any]) -> None:
    # Given one event pushed thrice, once after a restart, and another of the same second
    line = await start()
    event = line.sender.event("CLICK", EventKey="报修")
    other = line.sender.event("CLICK", EventKey="投诉")
    await line.sender.push(event)
    await line.sender.push(event)
    await line.restart(line.driver.cursor)
    await line.sender.push(event)
    await line.sender.push(other)

    # Then each came once; and what comes twice all the same (a cursor was lost) has the same id
    assert [(one.act, one.about) for one in line.events] == [("tapped", "报修"), ("tapped", "投诉")]
    await line.restart({})
    await line.sender.push(event)
    first, _, again = line.events
    assert again.id == first.id


async def test_an_event_of_nobody_is_parked(start: Callable[..., Any]) -> None:
    line = await start()
    event = line.sender.event("subscribe", FromUserName="")

    assert await line.sender.push(event) == [200]

    assert (line.events, [kind for kind, _ in line.parked]) == ([], ["schema"])


@pytest.mark.parametrize("mode", MODES)
async def test_unknown_types_are_accepted_and_parked_without_the_openid(
    start: Callable[..., Any], mode: Mode
) -> None:
    line = await start(mode=mode)
    content = line.sender.message("?", MsgType="hologram")

    assert [await line.sender.push(content) for _ in range(2)] == [[200]] * 2
    assert await line.sender.push(line.sender.event("from_the_future")) == [200]

    assert [kind for kind, _ in line.parked] == ["mapping", "mapping"]
    assert b"hologram" in line.parked[0][1]
    assert not any(OPENID.encode() in raw for _, raw in line.parked)


async def test_a_signed_body_that_is_no_xml_is_parked(start: Callable[..., Any]) -> None:
    line = await start(mode="plain")

    for body in ("不是XML", f"<xml><FromUserName>{OPENID}"):
        query = line.sender.query() | {"openid": OPENID}
        assert (await line.sender.post(query, body)).text == "success"

    assert [kind for kind, _ in line.parked] == ["schema", "schema"]
    assert not any(OPENID.encode() in raw for _, raw in line.parked)


@pytest.mark.parametrize(
    ("key", "app_id", "says"),
    [("Z" * 42 + "Y", APP_ID, "encoding_aes_key"), (KEY, "wx-of-another", "app_id")],
)
async def test_what_cannot_be_decrypted_is_parked_and_says_which_setting(
    start: Callable[..., Any], key: str, app_id: str, says: str
) -> None:
    line = await start()
    sender = Sender(line.sender.url, line.sender.now, key=key, app_id=app_id)

    assert await sender.push(sender.message()) == [200]

    [item] = [item for batch in line.driver.written for item in batch.unreadable]
    assert says in item.message
    await sender.close()


async def test_an_encrypted_push_to_a_plain_endpoint_says_what_to_set(
    start: Callable[..., Any],
) -> None:
    line = await start(mode="plain", encoding_aes_key=None)
    line.sender.mode = "encrypted"

    assert await line.sender.push(line.sender.message()) == [200]

    [item] = [item for batch in line.driver.written for item in batch.unreadable]
    assert 'mode = "encrypted"' in item.message


# --- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["signature", "timestamp", "nonce"])
@pytest.mark.parametrize("value", [None, "", "0" * 40, "签名", "9" * 400, "1717214400.5"])
async def test_a_wrong_query_is_refused(
    start: Callable[..., Any], mode: Mode, name: str, value: str | None
) -> None:
    line = await start(mode=mode)
    query, body = line.sender.request(line.sender.message())
    if value is None:
        del query[name]
    else:
        query[name] = value
    verify = line.sender.query() | {"echostr": "1"} | {name: value or ""}

    answers = [await line.sender.post(query, body), await line.sender.ask("GET", verify)]

    # Encrypted, the other signature covers the content: the plain one may be left out
    left_out = mode != "plain" and name == "signature" and value is None
    assert [one.status_code for one in answers] == [200 if left_out else 403, 403]
    assert len(line.texts) == left_out


@pytest.mark.parametrize("name", ["msg_signature", "nonce"])
async def test_a_wrong_message_signature_is_refused(start: Callable[..., Any], name: str) -> None:
    line = await start()
    query, body = line.sender.request(line.sender.message())
    del query["signature"]

    answer = await line.sender.post(query | {name: "0" * 40}, body)

    assert answer.status_code == 403
    assert line.texts == []


@pytest.mark.parametrize("seconds", [-3_600, -301, 301, 3_600])
async def test_an_old_or_early_push_is_refused(
    start: Callable[..., Any], clock: Any, seconds: int
) -> None:
    line = await start()
    query, body = line.sender.request(line.sender.message())
    clock.at += timedelta(seconds=seconds)

    assert (await line.sender.post(query, body)).status_code == 403


async def test_a_nonce_is_good_for_one_message(start: Callable[..., Any], clock: Any) -> None:
    # Given somebody who overheard a push in plain mode
    line = await start(mode="plain")
    query, body = line.sender.request(line.sender.message("真的"))
    assert (await line.sender.post(query, body)).status_code == 200

    # When they put a message of their own under its signature
    forged = await line.sender.post(query, line.sender.message("假的"))

    # Then it is refused, also later; the true one may still be repeated
    assert forged.status_code == 403
    assert (await line.sender.post(query, body)).status_code == 200
    clock.at += timedelta(seconds=299)
    assert await line.sender.push(line.sender.message("之后")) == [200]
    assert (await line.sender.post(query, line.sender.message("假的"))).status_code == 403
    assert line.texts == ["真的", "之后"]
    assert line.driver.cursor["count.refused"] == 1  # the second stands in the next one


async def test_in_encrypted_mode_nothing_plain_passes(start: Callable[..., Any]) -> None:
    line = await start()

    for body in (line.sender.message(), "不是XML", "<xml/>"):
        answer = await line.sender.post(line.sender.query(), body)
        assert answer.status_code in (400, 403)

    assert (line.texts, line.parked) == ([], [])


async def test_in_compatible_mode_the_encrypted_part_counts(start: Callable[..., Any]) -> None:
    # Given a push whose plain part was changed on its way
    line = await start(mode="compatible")
    query, body = line.sender.request(line.sender.message("原话"))

    answer = await line.sender.post(query, body.replace("原话", "假话"))

    assert answer.status_code == 200
    assert line.texts == ["原话"]


BOMBS = [
    '<!DOCTYPE x [<!ENTITY a "哈哈哈哈哈哈哈哈哈哈">'
    + "".join(
        f'<!ENTITY {n} "{f"&{p};" * 10}">' for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    + "]><xml><Content>&i;</Content></xml>",
    '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><xml><Content>&a;</Content></xml>',
    '<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd"><xml/>',
]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bomb", BOMBS)
async def test_bombs_are_refused_and_the_server_lives_on(
    start: Callable[..., Any], mode: Mode, bomb: str
) -> None:
    line = await start(mode=mode)
    outside = await line.sender.post(line.sender.query(), bomb)
    inside = await line.sender.post(*line.sender.request(bomb))

    assert (outside.status_code, inside.status_code) == (400, 400)
    assert await line.sender.push(line.sender.message("还在")) == [200]
    assert (line.texts, line.parked) == (["还在"], [])


async def test_huge_and_odd_requests_are_refused_and_the_server_lives_on(
    start: Callable[..., Any],
) -> None:
    line = await start(max_body_kib=64)
    query = line.sender.query()

    huge = await line.sender.post(query, b"<xml>" + b"x" * 50_000_000)
    put = await line.sender.ask("PUT", query)
    deep = await line.sender.post(query, "<a>" * 15_000)
    elsewhere = await line.sender.ask("GET", query, path="/../etc/passwd")

    assert [one.status_code for one in (huge, put, deep, elsewhere)] == [413, 405, 400, 404]
    assert await line.sender.push(line.sender.message("还在")) == [200]


async def test_a_body_that_drips_is_given_up(start: Callable[..., Any]) -> None:
    line = await start(answer_seconds=0.1)
    forever = asyncio.Event()

    async def drip() -> AsyncIterator[bytes]:
        yield b"<xml>"
        await forever.wait()

    sending = asyncio.create_task(line.sender.post(line.sender.query(), drip()))
    await asyncio.sleep(0.3)
    forever.set()

    assert (await sending).status_code == 408
    assert await line.sender.push(line.sender.message("还在")) == [200]


async def test_remembered_nonces_are_bounded(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given room for two nonces
    monkeypatch.setattr(push_module, "MAX_NONCES", 2)
    line = await start(mode="plain")
    first = line.sender.request(line.sender.message("一"))

    # When more come, then the oldest is forgotten and no harm done
    await line.sender.post(*first)
    for text in ("二", "三"):
        assert await line.sender.push(line.sender.message(text)) == [200]
    assert (await line.sender.post(*first)).status_code == 200
    assert line.texts == ["一", "二", "三"]


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoding_aes_key": None}, "encoding_aes_key"),
        ({"encoding_aes_key": "short"}, "43"),
        ({"id_secret": "short"}, "16"),
        ({"answer_seconds": 6}, "answer_seconds"),
        ({"mode": "safe"}, "mode"),
    ],
)
def test_wrong_settings_say_which(context: Context, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Line(context, **options)


# --- when nothing comes in any more --------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"token": "another"}, "token"),
        ({"key": "Z" * 42 + "Y"}, "encoding_aes_key"),
        ({"app_id": "wx-of-another"}, "app_id"),
        ({"mode": "plain"}, 'mode = "encrypted"'),
        ({"late": timedelta(seconds=720)}, "本机时钟快 720 秒"),
        ({"late": timedelta(seconds=-720)}, "本机时钟慢 720 秒"),
    ],
)
async def test_what_keeps_every_push_out_says_which_setting_to_check(
    start: Callable[..., Any],
    context: Context,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    says: str,
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    late = options.pop("late", timedelta())
    line = await start()
    sender = Sender(line.sender.url, lambda: context.now() - late, **options)

    # When WeChat gave up on one message
    for _ in range(3):
        await sender.post(*sender.request(sender.message()))
        line.sender.query()  # takes a nonce: those of both senders begin alike

    # Then the source says so, and its next good push ends it
    await line.driver.until(lambda: line.troubles[-1:] not in ([], [None]))
    assert says in line.troubles[-1]
    assert line.texts == []
    assert await line.sender.push(line.sender.message("好了")) == [200]
    await line.driver.until(lambda: line.texts == ["好了"])
    assert line.troubles[-1] is None
    await sender.close()


async def test_an_encrypted_account_read_as_plain_says_what_to_set(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    line = await start(mode="plain", encoding_aes_key=None)
    line.sender.mode = "encrypted"
    for _ in range(3):
        assert await line.sender.push(line.sender.message()) == [200]

    await line.driver.until(lambda: line.troubles[-1] is not None)

    assert 'mode = "encrypted"' in line.troubles[-1]
    assert len(line.parked) == 3


@pytest.mark.parametrize("left_out", ["signature", "timestamp", "nonce"])
async def test_what_has_not_the_form_of_a_push_raises_no_alarm(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, left_out: str
) -> None:
    monkeypatch.setattr(receiver_module, "LIFE_SIGN_SECONDS", 0.01)
    line = await start(mode="plain")
    query = {"signature": "0" * 40, "timestamp": line.sender.query()["timestamp"], "nonce": "1"}
    query[left_out] = "1' OR '1'='1" if left_out == "signature" else ""

    for _ in range(20):
        assert (await line.sender.post(query, "<xml/>")).status_code == 403

    # Then they are counted, and the next push comes in as if nothing had been
    await line.driver.until(lambda: line.driver.cursor.get("count.refused") == 20)
    assert await line.sender.push(line.sender.message("一")) == [200]
    assert set(line.troubles) == {None}


def test_no_secret_is_shown(context: Context) -> None:
    shown = repr(Line(context).config)

    assert not any(secret in shown for secret in (TOKEN, KEY, "a secret for the tests"))


# --- the vectors of other projects' test suites, skipped where they are absent -------------------


async def test_the_recorded_requests_pass_the_whole_way(
    context: Context, clock: Any, start: Callable[..., Any], shared_data: Path
) -> None:
    file = shared_data / "wechat/vectors.json"
    vectors = json.loads(file.read_text(encoding="utf-8"))
    message = next(one for one in vectors["encrypted"] if one["kind"] == "message")
    clock.at = datetime.fromtimestamp(int(message["timestamp"]), UTC)
    line = await start(
        app_id=message["appid"],
        token=message["token"],
        encoding_aes_key=message["encoding_aes_key"],
    )
    query = {name: message[name] for name in ("timestamp", "nonce", "msg_signature")}

    assert (await line.sender.post(query, message["body"])).text == "success"

    assert line.texts == ["test"]
    crypto = Crypto(message["encoding_aes_key"], message["appid"])
    for number, one in enumerate(vectors["messages"]):
        # The recorded ids are all the same; a made-up one tells them apart
        content = one["xml"].replace("1234567890123456", str(10**15 + number))
        sealed = crypto.encrypt(content.encode())
        query = {"timestamp": message["timestamp"], "nonce": f"n{number}"}
        query["msg_signature"] = sign(message["token"], *query.values(), sealed)
        answer = await line.sender.post(query, xml(Encrypt=sealed))
        assert answer.text == "success", one["xml"]
    assert len(line.texts) == 1 + 11
