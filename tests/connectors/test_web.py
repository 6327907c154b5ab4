import asyncio
import gzip
import random
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.base import Context
from connectors.quota import Limit, Quota
from connectors.trouble import SourceError
from connectors.web import MAX_BODY_BYTES, MAX_REDIRECTS, Answer, Web, retry_after_seconds
from tests.bounds import examples

NOW = datetime(2024, 6, 1, 4, 0, tzinfo=UTC)
START = "https://feeds.example/start?token=geheim"
Handle = Callable[[httpx.Request], httpx.Response]
Names = Mapping[str, list[str]]


class Pieces(httpx.AsyncByteStream):
    """A body that comes piece by piece, as from a socket."""

    def __init__(self, *pieces: bytes, times: int = 1) -> None:
        self._pieces = pieces
        self._times = times
        self.read = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._times):
            for piece in self._pieces:
                self.read += 1
                yield piece


def make(handle: Handle, names: Names | None = None, **options: Any) -> Web:
    async def sleep(seconds: float) -> None:
        raise AssertionError(f"slept {seconds} s")

    async def resolve(host: str, port: int) -> list[str]:
        found = (names or {}).get(host)
        if found is None:
            raise OSError("Name or service not known")
        return found

    client = httpx.AsyncClient(transport=httpx.MockTransport(handle))
    return Web(Context(client, lambda: NOW, sleep), resolve=resolve, **options)


async def refused(work: Any) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await work
    assert str(caught.value)
    assert "geheim" not in str(caught.value)
    return caught.value


def packed(body: bytes | httpx.AsyncByteStream, encoding: str) -> Handle:
    stream = Pieces(body) if isinstance(body, bytes) else body
    return lambda _: httpx.Response(200, stream=stream, headers={"content-encoding": encoding})


# --- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", lambda body: gzip.compress(body[:5]) + gzip.compress(body[5:])),
        ("gzip", lambda body: gzip.compress(body) + b"\0" * 512),
        ("deflate", zlib.compress),
        ("deflate", lambda body: zlib.compress(body)[2:-4]),
    ],
)
@pytest.mark.parametrize("cut", [1, 7, 100_000])
async def test_a_packed_body_is_unpacked_however_it_is_cut(
    encoding: str, pack: Callable[[bytes], bytes], cut: int
) -> None:
    text = "云帆刹车失灵，厂家不管。" * 400
    sent = pack(text.encode())
    pieces = Pieces(*(sent[at : at + cut] for at in range(0, len(sent), cut)))

    answer = await make(packed(pieces, encoding)).get(START)

    assert answer.body.decode() == text


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_an_empty_body_is_empty_whatever_its_label(encoding: str) -> None:
    assert (await make(packed(b"", encoding)).get(START)).body == b""


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        (b"\x1f\x8b but no gzip", "gzip"),
        (gzip.compress(random.Random(1).randbytes(5_000), mtime=0)[:-9], "gzip"),
        (gzip.compress(b"a") + gzip.compress(random.Random(1).randbytes(900))[:400], "gzip"),
        (b"<html>", "deflate"),
        (b"x", "deflate"),
        (gzip.compress(b"a", mtime=0), "br"),
        (gzip.compress(gzip.compress(b"a", mtime=0), mtime=0), "gzip, gzip"),
    ],
)
async def test_a_damaged_or_unknown_packing_is_told(sent: bytes, encoding: str) -> None:
    # A feed that was cut short must not pass for a whole one
    assert (await refused(make(packed(sent, encoding)).get(START))).trouble == "format"


def bomb() -> bytes:
    pack = zlib.compressobj(9, wbits=31)
    return b"".join(pack.compress(bytes(2**20)) for _ in range(200)) + pack.flush()


async def test_a_gzip_bomb_is_bounded() -> None:
    # Given 200 MiB of zeros in 200 KB
    sent = bomb()
    assert len(sent) < 300_000
    web = make(packed(sent, "gzip"))

    # When it is fetched
    tracemalloc.start()
    try:
        error = await refused(web.get(START))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    # Then it ends at the limit, and little more than the limit was ever held
    assert error.trouble == "format"
    assert "KiB" in str(error)
    assert peak < 2.5 * MAX_BODY_BYTES


async def test_what_follows_a_packed_body_is_not_kept() -> None:
    # Given a gzip of 22 bytes with 64 MiB behind it
    tail = Pieces(gzip.compress(b"hi"), *([b"\0" * 65_536] * 1_024))
    web = make(packed(tail, "gzip"))

    tracemalloc.start()
    try:
        answer = await web.get(START)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert answer.body == b"hi"
    assert peak < 2 * 2**20


@pytest.mark.parametrize(("size", "fits"), [(1_000, True), (1_001, False)])
async def test_the_limit_of_a_body_is_exact(size: int, fits: bool) -> None:
    web = make(lambda _: httpx.Response(200, content=bytes(size)), max_bytes=1_000)

    if fits:
        assert len((await web.get(START)).body) == size
    else:
        assert (await refused(web.get(START))).trouble == "format"


async def test_an_endless_body_is_not_read_to_its_end() -> None:
    endless = Pieces(bytes(10_000), times=10_000)

    await refused(make(packed(endless, ""), max_bytes=50_000).get(START))

    assert endless.read <= 7


# --- JSON ---------------------------------------------------------------------------------------


def answer(body: bytes = b"", status: int = 200, **headers: str) -> Answer:
    named = httpx.Headers({name.replace("_", "-"): value for name, value in headers.items()})
    return Answer(status, named, body, START, NOW)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ('{"a": "云帆"}'.encode(), {"a": "云帆"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (rb'["\ud83d", "ok", "\ude00x"]', ["\ufffd", "ok", "\ufffdx"]),
        (rb'["\ud83d\ude00", "\ud83d"]', ["😀", "\ufffd"]),
        (rb'["\\ud83d", "\ud83d"]', [r"\ud83d", "\ufffd"]),
        (b'["\xe4\xba", "ok"]', ["\ufffd", "ok"]),
    ],
)
def test_half_a_sign_in_one_text_does_not_spoil_the_others(body: bytes, value: object) -> None:
    assert answer(body).json() == value


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{", b'{"a":NaN}', b"[" * 100_000, b'{"a":' * 100_000, b"\x00", b"\xff" * 99],
    ids=repr,
)
def test_what_is_no_json_is_told(body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        answer(body).json()

    assert caught.value.trouble == "format"
    assert "feeds.example" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert len(str(caught.value)) < 500


# --- statuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (401, "login"),
        *((status, "forbidden") for status in (403, 418, 432, 451)),
        (404, "gone"),
        (410, "gone"),
        (429, "quota"),
        *((status, "server") for status in (408, 425, 500, 502, 503, 504, 599)),
        *((status, "format") for status in (300, 302, 400, 405, 406, 422)),
    ],
)
def test_a_status_becomes_a_trouble(status: int, trouble: str) -> None:
    with pytest.raises(SourceError) as caught:
        answer(status=status, retry_after="17").checked()

    assert caught.value.trouble == trouble
    assert caught.value.retry_after_seconds == 17
    assert "feeds.example" in str(caught.value)
    assert "geheim" not in str(caught.value)


CHALLENGES = [
    "<html><title>安全验证</title></html>".encode("gbk"),
    "<html>请输入验证码</html>".encode(),
    "<html>拖动完成人机验证</html>".encode("utf-16"),
    b"<html><title>Just a moment...</title><script src='/cdn-cgi/challenge-platform/x'></script>",
    b'{"error": "captcha required"}',
]


@pytest.mark.parametrize("status", [403, 418, 429, 503])
@pytest.mark.parametrize("body", CHALLENGES, ids=range(len(CHALLENGES)))
def test_a_page_that_wants_proof_of_a_human_is_a_captcha(status: int, body: bytes) -> None:
    with pytest.raises(SourceError, match="人机验证") as caught:
        answer(body, status, retry_after="17").checked()

    assert caught.value.trouble == "captcha"
    assert caught.value.retry_after_seconds == 17
    assert "feeds.example" in str(caught.value)


@pytest.mark.parametrize("body", CHALLENGES[:4], ids=range(4))
def test_such_a_page_instead_of_json_is_a_captcha(body: bytes) -> None:
    with pytest.raises(SourceError) as caught:
        answer(body).checked().json()

    assert caught.value.trouble == "captcha"


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_word_on_another_page_is_no_captcha(status: int) -> None:
    with pytest.raises(SourceError) as caught:
        answer("<form>用户名 密码 验证码</form>".encode(), status).checked()

    assert caught.value.trouble != "captcha"


@pytest.mark.parametrize("status", [200, 201, 204, 206, 304])
def test_a_good_status_passes(status: int) -> None:
    assert answer(status=status).checked().status == status


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 5 ", 5),
        ("9" * 5_000, 86_400),
        (format_datetime(NOW + timedelta(minutes=2), usegmt=True), 120),
        (format_datetime(NOW - timedelta(minutes=2), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=40), usegmt=True), 86_400),
        ("Sat, 01 Jun 2024 12:00:30 +0800", 30),
        ("Sat, 01 Jun 2024 04:00:30", 30),
        ("Saturday, 01-Jun-24 04:00:30 GMT", 30),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("inf", None),
        ("Sat, 01 Jun 99999999999999999999 04:00:30 GMT", None),
        ("Sat, 99 Jun 2024 04:00:30 GMT", None),
    ],
)
def test_retry_after_in_all_its_forms(given: str, seconds: float | None) -> None:
    headers = httpx.Headers([(b"retry-after", given.encode())])

    assert retry_after_seconds(headers, NOW) == seconds


@examples(300)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(
            st.sampled_from(
                ["Sat", ",", "01", "Jun", "2024", "04:00:30", "GMT", "-", ":", "9" * 30]
            )
        ).map(" ".join),
    )
)
def test_no_retry_after_is_a_crash(given: str) -> None:
    headers = httpx.Headers([(b"retry-after", given.encode(errors="replace"))])

    seconds = retry_after_seconds(headers, NOW)

    assert seconds is None or 0 <= seconds <= 86_400


# --- redirects ----------------------------------------------------------------------------------


def redirecting(locations: Mapping[str, str], seen: list[httpx.Request] | None = None) -> Handle:
    """Each address of the mapping leads to another; all others answer."""

    def handle(request: httpx.Request) -> httpx.Response:
        if seen is not None:
            seen.append(request)
        location = locations.get(str(request.url))
        if location is None:
            return httpx.Response(200, content=b"hi")
        return httpx.Response(302, headers=[(b"location", location.encode())])

    return handle


def to(location: str, seen: list[httpx.Request] | None = None) -> Handle:
    return redirecting({START: location}, seen)


@pytest.mark.parametrize("location", [START, "/start?token=geheim", "", "?token=geheim"])
async def test_a_redirect_loop_ends(location: str) -> None:
    seen: list[httpx.Request] = []

    error = await refused(make(to(location, seen)).get(START))

    assert error.trouble == "format"
    assert len(seen) == MAX_REDIRECTS + 1


async def test_a_loop_over_two_hosts_ends() -> None:
    other = "https://other.example/"
    web = make(redirecting({START: other, other: START}), {"other.example": ["93.184.215.14"]})

    assert (await refused(web.get(START))).trouble == "format"


@pytest.mark.parametrize(
    ("codes", "told"), [((301, 308), True), ((301, 302), False), ((307,), False), ((), False)]
)
async def test_a_move_for_good_is_told(codes: tuple[int, ...], told: bool) -> None:
    # Given a chain of redirects within one site
    steps = [f"https://feeds.example/{number}" for number in range(len(codes) + 1)]

    def handle(request: httpx.Request) -> httpx.Response:
        place = steps.index(str(request.url))
        if place == len(codes):
            return httpx.Response(200)
        return httpx.Response(codes[place], headers={"location": steps[place + 1]})

    # When it is followed, then its end is the new address if every step is for good
    answer = await make(handle).get(steps[0])
    assert answer.moved_to == (steps[-1] if told else None)


async def test_so_many_redirects_are_followed() -> None:
    steps = [START, *(f"https://feeds.example/{n}" for n in range(MAX_REDIRECTS))]
    web = make(redirecting(dict(pairwise(steps))))

    found = await web.get(START)

    assert (found.status, found.url) == (200, steps[-1])


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:a9fe:a9fe",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
]
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07::1", "::ffff:93.184.215.14", "64:ff9b::5db8:d70e"]


def literal(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", PRIVATE)
async def test_a_redirect_to_a_private_address_is_refused(address: str) -> None:
    # Given redirects to it: as it stands, by name, by a name of two addresses
    seen: list[httpx.Request] = []
    names = {"by-name.example": [address], "mixed.example": ["93.184.215.14", address]}

    for host in (literal(address), "by-name.example", "mixed.example"):
        error = await refused(make(to(f"http://{host}:8080/", seen), names).get(START))
        assert error.trouble == "forbidden"
        assert "allow_private" in str(error)

    # Then nobody was asked but the host that was named
    assert {request.url.host for request in seen} == {"feeds.example"}


@pytest.mark.parametrize(
    "host", ["127.1", "2130706433", "0x7f.0.0.1", "localhost", "[fe80::1%25lo]"]
)
async def test_other_spellings_of_the_own_machine_are_refused(host: str) -> None:
    # Resolved as the system does; none of these asks a name server
    client = httpx.AsyncClient(transport=httpx.MockTransport(to(f"http://{host}/")))
    web = Web(Context(client, lambda: NOW, asyncio.sleep))

    assert (await refused(web.get(START))).trouble == "forbidden"


@pytest.mark.parametrize("address", PUBLIC)
async def test_a_redirect_to_a_public_address_is_followed(address: str) -> None:
    for host in (literal(address), "by-name.example"):
        web = make(to(f"http://{host}/"), {"by-name.example": [address]})
        assert (await web.get(START)).body == b"hi"


async def test_private_redirects_can_be_allowed() -> None:
    assert (await make(to("http://10.0.0.7/feed"), allow_private=True).get(START)).body == b"hi"


async def test_the_host_of_the_settings_may_be_private() -> None:
    inside = "http://rsshub.internal/a"
    web = make(redirecting({inside: "http://rsshub.internal/b"}))

    assert (await web.get(inside)).url == "http://rsshub.internal/b"


@pytest.mark.parametrize(
    "location",
    [
        "ftp://a.example/x",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:text/html,hi",
        "http://",
        "http://user@",
        "http://[::1",
        "//[",
        "http://a:99999/",
        "http://xn--0/",
        "http://xn--a.example/",
        "http://a..b/",
        f"http://{'a' * 70}.example/",
        "http://nobody.example/",
        "http://\x7f/",
        "http://\u202e.example/",
        "https://" + "a/" * 40_000,
    ],
    ids=lambda location: repr(location[:30]),
)
async def test_a_redirect_to_nowhere_is_told(location: str) -> None:
    assert (await refused(make(to(location)).get(START))).trouble in ("format", "unreachable")


@examples(150)
@given(
    st.lists(
        st.sampled_from(
            [*"/:@[]?#%. \\", "http:", "//", "127.0.0.1", "::1", "xn--", "云帆", "a", "9"]
        )
        | st.characters(exclude_categories=["Cs", "Cc"])
    ).map("".join)
)
def test_whatever_a_location_holds(location: str) -> None:
    async def ask() -> None:
        web = make(to(location), {})
        try:
            await web.get(START)
        except SourceError:
            return

    asyncio.run(ask())


async def test_a_host_without_addresses_is_no_host() -> None:
    web = make(to("http://empty.example/"), {"empty.example": []})

    assert (await refused(web.get(START))).trouble == "unreachable"


async def test_the_body_of_a_redirect_is_not_read() -> None:
    endless = Pieces(bytes(10_000), times=10_000)

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/start":
            return httpx.Response(302, headers={"location": "/b"}, stream=endless)
        return httpx.Response(200, content=b"hi")

    assert (await make(handle).get(START)).body == b"hi"
    assert endless.read <= 1


# --- secrets ------------------------------------------------------------------------------------

SECRETS = {"Authorization": "Bearer geheim", "Cookie": "sid=geheim", "X-Api-Key": "geheim"}


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("/elsewhere", True),
        ("https://feeds.example:443/elsewhere", True),
        ("https://other.example/", False),
        ("https://sub.feeds.example/", False),
        ("https://feeds.example.evil.example/", False),
        ("https://feeds.example:8443/", False),
        ("http://feeds.example/", False),
        ("https://feeds.example@other.example/", False),
    ],
)
async def test_credentials_stay_with_the_host_they_are_for(location: str, kept: bool) -> None:
    seen: list[httpx.Request] = []
    hosts = ("other.example", "sub.feeds.example", "feeds.example.evil.example")
    web = make(to(location, seen), {host: ["93.184.215.14"] for host in hosts})

    await web.get(START, headers=SECRETS)

    first, second = seen
    assert all(first.headers[name] == value for name, value in SECRETS.items())
    assert [second.headers.get(name) == value for name, value in SECRETS.items()] == [kept] * 3
    if not kept:
        assert "geheim" not in repr((second.url, second.headers.multi_items()))


async def test_a_password_in_the_address_goes_to_its_host_only() -> None:
    seen: list[httpx.Request] = []
    start = "https://me:geheim@feeds.example/"
    web = make(
        redirecting(
            {"https://feeds.example/": "https://other.example/", start: "//other.example/"}, seen
        ),
        {"other.example": ["93.184.215.14"]},
    )

    await web.get(start)

    assert "authorization" in seen[0].headers
    assert "authorization" not in seen[-1].headers
    assert seen[-1].url.host == "other.example"


async def test_a_cookie_of_one_host_is_not_told_to_another() -> None:
    seen: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if request.url.host == "feeds.example":
            headers = {"location": "https://other.example/", "set-cookie": "sid=geheim"}
            return httpx.Response(302, headers=headers)
        return httpx.Response(200)

    await make(handle, {"other.example": ["93.184.215.14"]}).get(START)

    assert "cookie" not in seen[1].headers


async def test_a_post_is_not_redirected() -> None:
    # Its form may hold a secret
    seen: list[httpx.Request] = []

    found = await make(to("https://feeds.example/b", seen)).post(START, form={"secret": "geheim"})

    assert found.status == 302
    assert len(seen) == 1


async def test_parameters_are_not_sent_again_after_a_redirect() -> None:
    seen: list[httpx.Request] = []
    web = make(redirecting({"https://feeds.example/?key=geheim": "/b"}, seen))

    await web.get("https://feeds.example/", params={"key": "geheim"})

    assert str(seen[1].url) == "https://feeds.example/b"


@pytest.mark.parametrize(
    "bad",
    ["", "feeds.example/x?key=geheim", "ftp://me:geheim@a.example/", "https://:b:c/?k=geheim"],
)
async def test_a_bad_address_is_told_without_its_secrets(bad: str) -> None:
    assert (await refused(make(to("/")).get(bad))).trouble == "format"


async def test_who_asks_is_told_once() -> None:
    seen: list[httpx.Request] = []

    await make(to("/b", seen), contact="mail@yunfan.example").get(
        START, headers={"USER-AGENT": "own/1"}
    )
    await make(to("/b", seen), contact="mail@yunfan.example").get(START)

    assert [request.headers.get_list("user-agent") for request in seen[::2]] == [
        ["own/1"],
        ["Tingchao/0.1 (social listening for one company; mail@yunfan.example)"],
    ]


# --- connections and waiting --------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadTimeout("too slow"),
        httpx.ConnectTimeout(""),
        httpx.RemoteProtocolError("Server disconnected"),
        httpx.ReadError(""),
        httpx.ProxyError("no"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_no_answer_is_unreachable(error: httpx.HTTPError) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise error

    told = await refused(make(handle).get(START))

    assert told.trouble == "unreachable"
    assert "feeds.example" in str(told)
    assert "自动重试" in str(told)
    assert str(error) == "" or str(error) not in str(told)  # words for programmers


@pytest.mark.parametrize(
    ("cause", "says"),
    [
        (socket.gaierror(-2, "Name or service not known"), "找不到这个主机"),
        (ssl.SSLCertVerificationError("certificate has expired"), "证书"),
        (ConnectionRefusedError(111, "Connection refused"), "拒绝连接"),
        (OSError("?"), "检查网络"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_why_nobody_answers_is_told_in_our_words(cause: Exception, says: str) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("All connection attempts failed") from cause

    assert says in str(await refused(make(handle).get(START)))


async def test_a_body_that_drips_ends_some_time() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)

    web = make(packed(Dripping(), ""), timeout_seconds=0.01)

    assert (await refused(web.get(START))).trouble == "unreachable"


async def test_waiting_for_the_quota_is_no_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given one call an hour, and a clock (the event loop's too) that passes by sleeping
    passed = 0.0
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + passed)

    async def sleep(seconds: float) -> None:
        nonlocal passed
        passed += seconds
        for _ in range(3):  # a time-out that is due gets its chance
            await asyncio.sleep(0)

    def now() -> datetime:
        return NOW + timedelta(seconds=passed)

    client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: httpx.Response(200)))
    quota = Quota([Limit(1, 3_600)], now, sleep)
    web = Web(Context(client, now, sleep), quota=quota)

    # When two calls are made
    await web.get(START)
    await web.get(START)

    # Then the second waited an hour, and that was no time-out
    assert passed == 3_600


async def test_every_request_counts_for_the_quota() -> None:
    quota = Quota([Limit(10, 60)], lambda: NOW, asyncio.sleep)
    web = make(to("/b"), quota=quota)

    await web.get(START)
    await web.post("https://feeds.example/", body={"a": 1})

    assert quota.left() == 7
