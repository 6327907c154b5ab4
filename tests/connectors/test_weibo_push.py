import json
import random
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from connectors import weibo_push
from connectors.base import Batch, Context, Cursor, Unreadable
from connectors.trouble import SourceError
from connectors.weibo_push import WeiboPush
from schemas.post import PostDraft
from tests.connectors.conftest import FakeClock
from tests.connectors.weibo_server import PushServer, comment, status

AT = datetime(2024, 6, 1, 3, 0, tzinfo=UTC)
FIRST = 5_000_000_000_000_000


def record(number: int, item: dict[str, Any] | None = None, **text: Any) -> bytes:
    kind = text.pop("type", "status")
    body = {"type": kind, "event": "add", kind: item or status(FIRST + number, AT), **text}
    line = {"id": number, "text": body, "match_info": {"keyword": "云帆"}}
    return json.dumps(line, ensure_ascii=number % 2 == 0).encode()


def records(count: int) -> list[tuple[int, bytes]]:
    return [(number, record(number)) for number in range(1, count + 1)]


def push(context: Context, **options: Any) -> WeiboPush:
    config = WeiboPush.Config.model_validate({"subscription_id": "7"} | options)
    return WeiboPush("推送", config, context)


def answering(clock: FakeClock, *pieces: bytes, status: int = 200, **headers: str) -> Context:
    """One connection that sends these pieces and ends."""

    class Pieces(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for piece in pieces:
                yield piece

    def handle(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, stream=Pieces(), headers=headers)

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return Context(client, clock.now, clock.sleep)


class Heard:
    """What was read, as ingest reads: the cursor of each acknowledged batch is kept."""

    def __init__(self) -> None:
        self.cursor: Cursor = {}
        self.drafts: list[PostDraft] = []
        self.unreadable: list[Unreadable] = []
        self.batches: list[Batch] = []

    @property
    def ids(self) -> list[str]:
        return [draft.id.removeprefix("weibo:") for draft in self.drafts]

    async def listen(self, connector: WeiboPush, most: int = 10**9) -> SourceError | None:
        """Until the connection ends, or for some batches."""
        async with aclosing(connector.batches(self.cursor)) as batches:
            try:
                async for batch in batches:
                    self.batches.append(batch)
                    self.drafts += [seen.draft for seen in batch.seen]
                    self.unreadable += batch.unreadable
                    self.cursor = json.loads(json.dumps(dict(batch.cursor)))
                    most -= 1
                    if most == 0:
                        return None
            except SourceError as error:
                return error
        return None


@pytest.mark.parametrize("size", [1, 2, 7, 4_096, 10**9])
async def test_records_are_cut_at_crlf_wherever_the_pieces_end(clock: FakeClock, size: int) -> None:
    body = b"\r\n\r\n" + b"\r\n".join([record(1), b"  ", record(2), record(3)]) + b"\r\n\r\n"
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    heard = Heard()

    trouble = await heard.listen(push(answering(clock, *pieces)))

    assert heard.ids == [str(FIRST + n) for n in (1, 2, 3)]
    assert heard.drafts[0].text == f"云帆水壶 第{FIRST + 1}条"
    assert heard.unreadable == []
    assert heard.cursor["since_id"] == "3"
    assert trouble is not None
    assert trouble.trouble == "unreachable"


async def test_a_line_feed_alone_and_a_packed_answer_are_no_obstacle(clock: FakeClock) -> None:
    import gzip

    pretty = json.dumps(json.loads(record(1)), indent=1).encode()
    packed = gzip.compress(pretty + b"\r\n")
    heard = Heard()

    await heard.listen(push(answering(clock, packed, **{"content-encoding": "gzip"})))

    assert heard.ids == [str(FIRST + 1)]


async def test_what_is_not_a_record_is_a_dead_letter_once_and_its_neighbours_pass(
    clock: FakeClock,
) -> None:
    deep = b'{"id": 4, "text": {"event": %s}}' % (b"[" * 900 + b"]" * 900)
    bad = [b"{broken", b"[1]", deep, b'{"id": 9}', b"\xff\xfe", b'{"id": 5, "text": {"status": 3}}']
    body = b"\r\n".join([record(1), *bad, *bad, record(2), b""])
    heard = Heard()

    await heard.listen(push(answering(clock, body)))

    assert heard.ids == [str(FIRST + 1), str(FIRST + 2)]
    kinds = [item.kind for item in heard.unreadable]
    assert kinds == ["json", "schema", "schema", "schema", "json", "schema"]
    assert [item.raw for item in heard.unreadable] == bad
    assert [item.line for item in heard.unreadable] == [2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("size", [1_000, 10**9])
async def test_a_line_that_is_too_long_is_let_go(clock: FakeClock, size: int) -> None:
    body = b"\r\n".join([record(1), b"x" * 3_000_000, record(2), b""])
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    heard = Heard()

    await heard.listen(push(answering(clock, *pieces), max_line_kib=16))

    assert heard.ids == [str(FIRST + 1), str(FIRST + 2)]
    assert [item.kind for item in heard.unreadable] == ["too_large"]
    assert len(heard.unreadable[0].raw) <= 64 * 1024


async def test_comments_deletions_and_odd_records_become_what_they_are(clock: FakeClock) -> None:
    post = status(FIRST, AT)
    answer = comment(FIRST + 2, AT, post, reply_comment={"id": FIRST + 1, "text": "哪里买"})
    lines = [
        record(1, comment(FIRST + 1, AT, post), type="comment"),
        record(2, answer, type="comment"),
        record(3, {"id": FIRST + 3}, event="delete"),
        record(4, status(FIRST + 4, AT, visible={"type": 1})),
        json.dumps({"id": "5", "text": json.dumps({"status": status(FIRST + 5, AT)})}).encode(),
    ]
    heard = Heard()

    await heard.listen(push(answering(clock, b"\r\n".join([*lines, b""]))))

    told = [(draft.kind, draft.parent_id, draft.deleted) for draft in heard.drafts]
    assert told == [
        ("comment", f"weibo:{FIRST}", False),
        ("reply", f"weibo:{FIRST + 1}", False),
        ("post", None, True),
        ("post", None, False),
    ]
    assert {draft.root_id for draft in heard.drafts[:2]} == {f"weibo:{FIRST}"}
    assert heard.cursor["since_id"] == "5"


@pytest.mark.parametrize(
    ("code", "body", "trouble"),
    [
        (403, b'{"error": "Ip is limited", "error_code": 10004}', "forbidden"),
        (403, b"Ip is limited", "forbidden"),
        (200, b'{"error": "Ip is limited"}', "forbidden"),
        (200, b"Ip is limited\r\n", "forbidden"),
        (200, b'{"error": "expired_token", "error_code": "21327"}\r\n', "login"),
        (400, b'{"error": "expired_token", "error_code": 21327}', "login"),
        (403, b'{"error": "limit", "error_code": 10023}', "quota"),
        (500, b"<html>", "server"),
        (503, b'{"error": "x", "error_code": 1}', "server"),
        (404, b"", "gone"),
        (302, b"", "format"),
        (204, b"", "format"),
    ],
)
async def test_a_refusal_is_told_as_what_it_is(
    clock: FakeClock, code: int, body: bytes, trouble: str
) -> None:
    heard = Heard()

    told = await heard.listen(push(answering(clock, body, status=code), access_token="s3cret"))

    assert told is not None
    assert told.trouble == trouble
    assert "s3cret" not in str(told)
    assert heard.drafts == []


async def test_heartbeats_are_a_sign_of_life_now_and_then(clock: FakeClock) -> None:
    class Beating(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            for _ in range(100):
                await clock.sleep(10)
                yield b"\r\n"

    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, stream=Beating()))
    )
    heard = Heard()

    await heard.listen(push(Context(client, clock.now, clock.sleep)))

    assert 30 <= len(heard.batches) <= 40
    assert heard.unreadable == []


async def test_it_reads_no_further_than_the_broker_has_acknowledged(clock: FakeClock) -> None:
    sent = 0

    class Counting(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            nonlocal sent
            for number in range(1, 1_000):
                sent = number
                yield record(number) + b"\r\n"

    client = httpx.AsyncClient(
        transport=httpx.MockTransport(lambda request: httpx.Response(200, stream=Counting()))
    )
    heard = Heard()

    await heard.listen(push(Context(client, clock.now, clock.sleep)), most=5)

    assert heard.ids == [str(FIRST + n) for n in range(1, 6)]
    assert sent == 5


# --- with a real server ---------------------------------------------------------------------------


@pytest.fixture
async def real(clock: FakeClock) -> AsyncIterator[Context]:
    async with httpx.AsyncClient() as client:
        yield Context(client, clock.now, clock.sleep)


async def test_behind_a_cut_it_goes_on_with_the_last_acknowledged_record(real: Context) -> None:
    async with PushServer(records(5)) as server:
        server.scripts = [[b"\r\n", record(6)[:40], "cut"], ["end"]]
        heard = Heard()

        first = await heard.listen(push(real, address=server.url))
        server.records = records(8)
        await heard.listen(push(real, address=server.url))

    assert first is not None
    assert first.trouble == "unreachable"
    assert heard.ids == [str(FIRST + n) for n in range(1, 9)]
    assert heard.unreadable == []
    assert [call.get("since_id") for call in server.asked] == [None, "5"]
    assert {call["subid"] for call in server.asked} == {"7"}


async def test_silence_is_no_trouble_and_ends_the_connection_only(real: Context) -> None:
    async with PushServer(records(1)) as server:
        server.scripts = [[0.05, record(2) + b"\r\n", 20.0], [20.0]]
        heard = Heard()
        connector = push(real, address=server.url, silence_seconds=1)

        told = await heard.listen(connector)

    assert told is not None
    assert "ended" in str(told) or "断开" in str(told)  # by the server, at last
    assert heard.ids == [str(FIRST + 1), str(FIRST + 2)]
    assert [call.get("since_id") for call in server.asked] == [None, "2", "2"]
    assert [batch.seen for batch in heard.batches[-2:]] == [[], []]  # a sign of life for each


async def test_a_server_that_is_gone_behind_a_silence_is_trouble(real: Context) -> None:
    server = PushServer([])
    server.scripts = [[20.0]]
    async with server:
        connector = push(real, address=server.url, silence_seconds=1)
        heard = Heard()
        assert await heard.listen(connector, most=1) is None
        server.refusal = (503, b"")

        told = await heard.listen(connector)

    assert told is not None
    assert told.trouble == "server"


@pytest.mark.parametrize("begun", [b"", b"\r\n", record(2)[:60]])
async def test_an_open_stream_is_a_sign_of_life_before_anything_happens(
    real: Context, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(weibo_push, "_LIFE_SIGN_SECONDS", 0.05)
    async with PushServer([]) as server:
        server.scripts = [[begun, 20.0] if begun else [20.0]]
        heard = Heard()

        told = await heard.listen(push(real, address=server.url), most=2)

    assert told is None
    assert [batch.seen for batch in heard.batches] == [[], []]
    assert len(server.asked) == 1


async def test_a_refusal_without_an_end_is_no_sign_of_life(
    real: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weibo_push, "_LIFE_SIGN_SECONDS", 0.05)
    async with PushServer([]) as server:
        server.scripts = [[b"Ip is limited", 20.0]]
        heard = Heard()

        told = await heard.listen(push(real, address=server.url))

    assert told is not None
    assert told.trouble == "forbidden"
    assert heard.batches == []


async def test_half_a_record_about_addresses_is_no_refusal(clock: FakeClock) -> None:
    half = json.dumps({"id": 1, "text": {"event": "add", "words": "the ip is limited"}}).encode()

    told = await Heard().listen(push(answering(clock, half[:-3])))

    assert told is not None
    assert told.trouble == "unreachable"


async def test_an_address_that_is_not_registered_is_told(real: Context) -> None:
    async with PushServer([]) as server:
        server.refusal = (403, b'{"error":"Ip is limited","error_code":10004}')

        told = await Heard().listen(push(real, address=server.url))

    assert told is not None
    assert told.trouble == "forbidden"


async def test_killed_between_any_two_batches_it_loses_and_doubles_nothing(real: Context) -> None:
    chance = random.Random(3)
    heard = Heard()
    async with PushServer(records(400)) as server:
        for _ in range(60):
            server.per_connection = chance.randrange(1, 60)
            server.scripts = [[chance.choice(["cut", "end"])]]
            connector = push(real, address=server.url, connections_per_minute=600)
            await heard.listen(connector, most=chance.choice([1, 2, 3, 10**9]))
        server.per_connection = 10**9
        await heard.listen(push(real, address=server.url))

    assert heard.ids == [str(FIRST + n) for n in range(1, 401)]
    assert heard.unreadable == []


@pytest.mark.parametrize(
    "options",
    [
        {"subscription_id": "a b"},
        {"address": "ftp://x"},
        {"address": "https://x/?subid=1"},
        {"silence_seconds": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(context: Context, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        push(context, **options)
