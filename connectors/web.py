"""Asking other people's servers: bounded, polite, and with an error that says what to do.

Every connector that fetches does it through a ``Web``. It takes nothing on trust: bodies are
unpacked piece by piece up to a limit (a gzip of 50 KB may hold 50 MB), redirects are counted and
never lead to a private address that nobody named, and secrets go to the host they are meant for
and no further.
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from connectors.answer import Answer, host_of, retry_after_seconds
from connectors.base import Context
from connectors.quota import Quota
from connectors.trouble import SourceError
from connectors.unpack import DamagedError, Unpacker
from schemas.language import say

__all__ = ["MAX_BODY_BYTES", "Answer", "Resolve", "Stream", "Web", "retry_after_seconds"]

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0
USER_AGENT = "Tingchao/0.1 (social listening for one company; {contact})"
_REDIRECTS = (301, 302, 303, 307, 308)
_FOR_GOOD = (301, 308)
#: The IPv6 addresses that are given out; the others reach the own network or nobody.
_GIVEN_OUT = ipaddress.IPv6Network("2000::/3")
#: What networks without IPv4 put in front of an IPv4 address (RFC 6052).
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host name."""


async def _system_resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that never ends."""

    pieces: AsyncIterator[bytes]
    """Unpacked, as they arrive, each of them small."""
    url: str


class Web:
    """Fetches for one source; every request waits for the source's quota first.

    The hosts that the settings name may be private (an RSSHub in the own network); whatever a
    redirect leads to may not, unless ``allow_private``. The name is looked up here and again when
    it is connected to: against a name server that changes its answer in between, a firewall helps.
    """

    def __init__(
        self,
        context: Context,
        *,
        contact: str = "no contact given",
        quota: Quota | None = None,
        allow_private: bool = False,
        max_bytes: int = MAX_BODY_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        resolve: Resolve = _system_resolve,
    ) -> None:
        self._context = context
        self._headers = {
            "user-agent": USER_AGENT.format(contact=contact),
            "accept-encoding": "gzip, deflate",
        }
        self.quota = quota or Quota([], context.now, context.sleep)
        self._allow_private = allow_private
        self._max_bytes = max_bytes
        self._timeout = httpx.Timeout(timeout_seconds)
        self._total_seconds = 4 * timeout_seconds
        self._resolve = resolve

    async def get(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Fetch; whatever the status is.

        Raises:
            SourceError: no answer, too many or forbidden redirects, or a body beyond the limit.
        """
        return await self._ask("GET", url, params=params, headers=headers)

    async def post(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        """Send a form or a JSON body; redirects are not followed.

        Raises:
            SourceError: as ``get``.
        """
        return await self._ask("POST", url, params=params, headers=headers, form=form, body=body)

    @asynccontextmanager
    async def stream(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
        silence_seconds: float,
    ) -> AsyncIterator[Stream | Answer]:
        """Open an endless answer; redirects are not followed.

        Whoever reads slowly holds the sender up and fills no memory. Anything but a 200 comes as an
        ``Answer`` with its whole body.

        Raises:
            SourceError: no answer; while reading: the connection broke, or ``silence_seconds``
                went by without a byte.
        """
        with _in_our_words(url):
            target = httpx.URL(url)
            if target.scheme not in ("http", "https") or not target.host:
                raise SourceError("format", _bad_address(url))
            await self.quota.take()
            request = self._context.client.build_request(
                "GET",
                target,
                params=dict(params) if params else None,
                headers=self._headers_for(headers or {}),
                timeout=httpx.Timeout(self._timeout.connect, read=silence_seconds),
            )
            # The answer's head, too, may drip.
            async with asyncio.timeout(self._total_seconds):
                response = await self._context.client.send(
                    request, stream=True, follow_redirects=False
                )
        try:
            if response.status_code == 200:
                async with aclosing(_arriving(response, url)) as pieces:
                    yield Stream(pieces, str(response.url))
                return
            with _in_our_words(url):
                async with asyncio.timeout(self._total_seconds):
                    body = await self._body(response)
            yield Answer(
                response.status_code,
                response.headers,
                body,
                str(response.url),
                self._context.now(),
            )
        finally:
            await response.aclose()

    async def _ask(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str] | None,
        form: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Answer:
        with _in_our_words(url):
            return await self._follow(method, url, params, dict(headers or {}), form, body)

    async def _follow(
        self,
        method: str,
        url: str,
        params: Mapping[str, str | int] | None,
        headers: dict[str, str],
        form: Mapping[str, str] | None,
        body: Any,
    ) -> Answer:
        target = httpx.URL(url)
        if target.scheme not in ("http", "https") or not target.host:
            raise SourceError("format", _bad_address(url))
        own = origin = (target.scheme, target.host, target.port)
        sent: Any = dict(params) if params else None
        permanent, moved_to = True, None
        for _ in range(MAX_REDIRECTS + 1):
            await self.quota.take()
            request = self._context.client.build_request(
                method,
                target,
                params=sent,
                # Our own words for the host in the settings; strangers get none of them.
                headers=self._headers_for(headers if origin == own else {}),
                data=dict(form) if form is not None else None,
                json=body,
                timeout=self._timeout,
            )
            # Also as a whole: a body that drips never meets the time-out between two pieces.
            async with asyncio.timeout(self._total_seconds):
                answer, target, for_good = await self._send(request)
            if answer is not None:
                return replace(answer, moved_to=moved_to)
            permanent = permanent and for_good
            moved_to = str(target) if permanent else None
            sent = None  # they are part of the new address, if the server wants them
            origin = (target.scheme, target.host, target.port)
            if target.scheme not in ("http", "https") or not target.host:
                raise SourceError("format", _bad_address(str(target)))
            if target.host != own[1]:
                async with asyncio.timeout(self._total_seconds):
                    await self._refuse_private(target)
        raise SourceError(
            "format",
            say(
                f"{host_of(url)} 转来转去超过 {MAX_REDIRECTS} 次，没有给出内容；"
                "请在浏览器里打开设置中的地址，改成最后到达的那个。",
                f"{host_of(url)} redirects more than {MAX_REDIRECTS} times and answers nothing; "
                "open the address of the settings in a browser, and set the one it ends at.",
            ),
        )

    def _headers_for(self, own: Mapping[str, str]) -> httpx.Headers:
        headers = httpx.Headers(self._headers)
        headers.update(own)  # whatever the case of their names
        return headers

    async def _send(self, request: httpx.Request) -> tuple[Answer | None, httpx.URL, bool]:
        """The answer, or None and where to ask instead, and whether from now on."""
        response = await self._context.client.send(request, stream=True, follow_redirects=False)
        try:
            if request.method == "GET" and response.status_code in _REDIRECTS:
                target = response.url.join(response.headers.get("location", ""))
                return None, target, response.status_code in _FOR_GOOD
            answer = Answer(
                response.status_code,
                response.headers,
                await self._body(response),
                str(response.url),
                self._context.now(),
            )
            return answer, response.url, False
        finally:
            await response.aclose()

    async def _refuse_private(self, target: httpx.URL) -> None:
        if self._allow_private:
            return
        port = target.port or {"http": 80, "https": 443}[target.scheme]
        try:
            addresses = [str(ipaddress.ip_address(target.host))]
        except ValueError:
            try:
                addresses = await self._resolve(target.host, port)
            except (OSError, UnicodeError) as error:
                raise SourceError("unreachable", _no_host(target.host)) from error
        if not addresses:
            raise SourceError("unreachable", _no_host(target.host))
        for address in addresses:
            if not _is_public(address):
                raise SourceError(
                    "forbidden",
                    say(
                        f"拒绝跳转到内网地址 {target.host}；若确实需要，请设置 "
                        "allow_private = true。",
                        f"a redirect to the private address {target.host} was refused; if it is "
                        "meant, set allow_private = true.",
                    ),
                )

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for piece in _unpacked(response):
            body += piece
            if len(body) > self._max_bytes:
                raise SourceError(
                    "format",
                    say(
                        f"{response.url.host} 的回答超过 {self._max_bytes // 1024} KiB，不读取；"
                        "请检查地址，它多半不是列表而是文件下载。",
                        f"{response.url.host} answered more than {self._max_bytes // 1024} KiB, "
                        "which is not read; check the address, it is probably a download and no "
                        "list.",
                    ),
                )
        return bytes(body)


@contextmanager
def _in_our_words(url: str) -> Iterator[None]:
    """The client's errors become ours."""
    try:
        yield
    except (httpx.TimeoutException, TimeoutError) as error:
        raise SourceError(
            "unreachable",
            say(
                f"{host_of(url)} 没有及时回答；听潮会自动重试，若一直如此，请检查网络或代理。",
                f"{host_of(url)} did not answer in time; it is asked again by itself. If that "
                "lasts, check the network or proxy.",
            ),
        ) from error
    except (httpx.InvalidURL, UnicodeError) as error:  # ours, or one that it redirects to
        raise SourceError("format", _bad_address(url)) from error
    except httpx.HTTPError as error:
        why = _why(error)
        raise SourceError(
            "unreachable",
            say(
                f"连不上 {host_of(url)}：{why[0]}。听潮会自动重试。",
                f"{host_of(url)} can't be reached: {why[1]}. It is asked again by itself.",
            ),
        ) from error


def _why(error: httpx.HTTPError) -> tuple[str, str]:
    """Why there is no answer, and what to look at, in both languages.

    The client's own words are for programmers; they stay in the chain of causes.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, socket.gaierror):
            return (
                "找不到这个主机，请检查地址的拼写和 DNS",
                "there is no such host; check how the address is spelt, and DNS",
            )
        if isinstance(cause, ssl.SSLCertVerificationError):
            return (
                "对方的 TLS 证书无效或已过期，请联系对方更新",
                "its TLS certificate is not valid; have its owner renew it",
            )
        if isinstance(cause, ConnectionRefusedError):
            return (
                "对方拒绝连接，请检查端口，以及对方服务是否在运行",
                "it refuses the connection; check the port, and whether the service runs",
            )
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ProxyError):
        return "代理不可用，请检查代理设置", "the proxy does not work; check its settings"
    if isinstance(error, httpx.ConnectError):
        return "无法建立连接，请检查网络、代理和防火墙", (
            "no connection comes about; check network, proxy and firewall"
        )
    return (
        "连接中断或回答不完整，若一直如此请检查网络或代理",
        "the connection broke, or the answer is not whole; if that lasts, check network and proxy",
    )


async def _arriving(response: httpx.Response, url: str) -> AsyncGenerator[bytes, None]:
    with _in_our_words(url):
        async with aclosing(_unpacked(response)) as pieces:
            async for piece in pieces:
                yield piece


async def _unpacked(response: httpx.Response) -> AsyncGenerator[bytes, None]:
    """The body in small pieces: httpx would unpack each received piece as a whole."""
    # Not aiter_raw: it refuses what a MockTransport has already read.
    assert isinstance(response.stream, httpx.AsyncByteStream)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        async for piece in response.stream:
            yield piece
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(
            "format",
            say(
                f"{response.url.host} 用了没有请求的压缩方式 {encoding[:40]}，读不了；"
                "请联系对方，或检查中间的代理。",
                f"{response.url.host} packed its answer as {encoding[:40]}, which nobody asked "
                "for; tell its owner, or check the proxy in between.",
            ),
        )
    unpacker = Unpacker()
    try:
        async for packed in response.stream:
            for piece in unpacker.pieces(packed):
                yield piece
        for piece in unpacker.end():
            yield piece
    except DamagedError as error:
        raise SourceError(
            "format",
            say(
                f"{response.url.host} 的压缩数据已损坏；听潮会自动重试，"
                "若一直如此，请联系对方或检查中间的代理。",
                f"{response.url.host} sent packed data that is damaged; it is asked again by "
                "itself. If that lasts, tell its owner, or check the proxy in between.",
            ),
        ) from error


def _is_public(address: str) -> bool:
    """Whether an address lies outside of every private network, whatever it is wrapped in."""
    found = ipaddress.ip_address(address.partition("%")[0])  # a scope ("%eth0") is no part of it
    if isinstance(found, ipaddress.IPv6Address):
        if found in _NAT64:
            found = ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)
        else:
            found = found.ipv4_mapped or found.sixtofour or found
    if isinstance(found, ipaddress.IPv6Address) and found not in _GIVEN_OUT:
        return False
    return found.is_global and not found.is_multicast


def _no_host(host: str) -> str:
    return say(
        f"找不到主机 {host}；请检查地址的拼写和 DNS。",
        f"there is no host {host}; check how the address is spelt, and DNS.",
    )


def _bad_address(url: str) -> str:
    shown = host_of(url)
    return say(
        f"{shown} 不是 http(s) 地址；请检查设置，或对方跳转到的地址。",
        f"{shown} is no http(s) address; check the settings, or where the site redirects to.",
    )
