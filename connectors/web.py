"""Asking other people's servers: bounded, polite, and with an error that says what to do.

Every connector that fetches does it through a ``Web``. It takes nothing on trust: bodies are
unpacked piece by piece up to a limit (a gzip of 50 KB may hold 50 MB), redirects are counted and
never lead to a private address that nobody named, and secrets go to the host they are meant for
and no further.
"""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from connectors.base import Context
from connectors.quota import Quota
from connectors.trouble import SourceError
from schemas.language import say

__all__ = ["MAX_BODY_BYTES", "Answer", "Resolve", "Web"]

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_REDIRECTS = 5
TIMEOUT_SECONDS = 30.0
USER_AGENT = "Tingchao/0.1 (social listening for one company; {contact})"
_PIECE_BYTES = 64 * 1024
_REDIRECTS = (301, 302, 303, 307, 308)
#: Statuses that platforms use for "you look like a robot" beside 403.
_BLOCKED = (403, 418, 432, 451)

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host name."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered, its body whole and unpacked."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str
    """Where it came from in the end."""
    at: datetime
    """When it was received, by our clock."""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            SourceError: ``format``: it is none, or nested beyond reason.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            start = self.body[:80].decode(errors="replace")
            raise SourceError(
                "format",
                say(
                    f"{_host(self.url)} 的回答不是 JSON：{start!r}；平台可能改了接口或要求登录。",
                    f"{_host(self.url)} answered no JSON: {start!r}; the platform may have changed "
                    "or wants a login.",
                ),
            ) from error

    def checked(self) -> "Answer":
        """Itself, when it is a 2xx or a 304.

        Raises:
            SourceError: anything else, with what it means; ``Retry-After`` is kept.
        """
        if self.status < 300 or self.status == 304:
            return self
        host, status = _host(self.url), self.status
        wait = retry_after_seconds(self.headers, self.at)
        if status == 401:
            raise SourceError(
                "login",
                say(
                    f"{host} 不接受登录信息（401）；请更新令牌或密钥。",
                    f"{host} refuses the login (401); renew the token or key.",
                ),
                retry_after_seconds=wait,
            )
        if status in _BLOCKED:
            raise SourceError(
                "forbidden",
                say(
                    f"{host} 拒绝访问（{status}）；请检查账号权限、来源 IP 和使用条款。",
                    f"{host} refuses access ({status}); check the account's rights, the address we "
                    "call from and the terms of use.",
                ),
                retry_after_seconds=wait,
            )
        if status in (404, 410):
            raise SourceError(
                "gone",
                say(
                    f"{self.url} 不存在（{status}）；请检查地址。",
                    f"there is nothing at {self.url} ({status}); check the address.",
                ),
                retry_after_seconds=wait,
            )
        if status == 429:
            raise SourceError(
                "quota",
                say(
                    f"{host} 说请求太频繁（429）；会自动等待后继续。",
                    f"{host} says that it is asked too often (429); it goes on by itself.",
                ),
                retry_after_seconds=wait,
            )
        if status >= 500:
            raise SourceError(
                "server",
                say(f"{host} 出错（{status}）。", f"{host} has an error of its own ({status})."),
                retry_after_seconds=wait,
            )
        raise SourceError(
            "format",
            say(
                f"{host} 回答 {status}，不接受这个请求；请检查设置。",
                f"{host} answered {status} and does not accept the request; check the settings.",
            ),
            retry_after_seconds=wait,
        )


def retry_after_seconds(headers: httpx.Headers, now: datetime) -> float | None:
    """What ``Retry-After`` asks for, as seconds or as a date; None when it says nothing usable."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return min(float(given), 86_400.0)
    try:
        until = parsedate_to_datetime(given)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), 86_400.0)


async def _system_resolve(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class Web:
    """Fetches for one source; every request waits for the source's quota first.

    The hosts that the settings name may be private (an RSSHub in the own network); whatever a
    redirect leads to may not, unless ``allow_private``.
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
        try:
            # Also as a whole: a body that drips never meets the time-out between two pieces.
            async with asyncio.timeout(self._total_seconds):
                return await self._follow(method, url, params, dict(headers or {}), form, body)
        except (httpx.TimeoutException, TimeoutError) as error:
            raise SourceError(
                "unreachable",
                say(f"{_host(url)} 没有及时回答。", f"{_host(url)} did not answer in time."),
            ) from error
        except httpx.InvalidURL as error:
            raise SourceError("format", _bad_address(url)) from error
        except httpx.HTTPError as error:
            raise SourceError(
                "unreachable",
                say(
                    f"连不上 {_host(url)}：{error or type(error).__name__}。",
                    f"{_host(url)} can't be reached: {error or type(error).__name__}.",
                ),
            ) from error

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
        for _ in range(MAX_REDIRECTS + 1):
            await self.quota.take()
            request = self._context.client.build_request(
                method,
                target,
                params=sent,
                # Our own words for the host in the settings; strangers get none of them.
                headers=self._headers | (headers if origin == own else {}),
                data=dict(form) if form is not None else None,
                json=body,
                timeout=self._timeout,
            )
            response = await self._context.client.send(request, stream=True, follow_redirects=False)
            try:
                if method != "GET" or response.status_code not in _REDIRECTS:
                    return Answer(
                        response.status_code,
                        response.headers,
                        await self._body(response),
                        str(response.url),
                        self._context.now(),
                    )
                target = response.url.join(response.headers.get("location", ""))
            finally:
                await response.aclose()
            sent = None  # they are part of the new address, if the server wants them
            origin = (target.scheme, target.host, target.port)
            if target.scheme not in ("http", "https"):
                raise SourceError("format", _bad_address(str(target)))
            if target.host != own[1]:
                await self._refuse_private(target)
        raise SourceError(
            "format",
            say(
                f"{_host(url)} 转来转去超过 {MAX_REDIRECTS} 次；请检查地址。",
                f"{_host(url)} redirects more than {MAX_REDIRECTS} times; check the address.",
            ),
        )

    async def _refuse_private(self, target: httpx.URL) -> None:
        if self._allow_private:
            return
        port = target.port or {"http": 80, "https": 443}[target.scheme]
        try:
            addresses = [str(ipaddress.ip_address(target.host))]
        except ValueError:
            try:
                addresses = await self._resolve(target.host, port)
            except OSError as error:
                raise SourceError(
                    "unreachable",
                    say(f"找不到主机 {target.host}。", f"there is no host {target.host}."),
                ) from error
        for address in addresses:
            # A scope ("%eth0") is no part of the address.
            if not ipaddress.ip_address(address.partition("%")[0]).is_global:
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
                        f"{response.url.host} 的回答超过 {self._max_bytes // 1024} KiB。",
                        f"{response.url.host} answered more than {self._max_bytes // 1024} KiB.",
                    ),
                )
        return bytes(body)


async def _unpacked(response: httpx.Response) -> AsyncIterator[bytes]:
    """The body in small pieces: httpx would unpack each received piece as a whole."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        async for piece in response.aiter_raw(_PIECE_BYTES):
            yield piece
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise SourceError(
            "format",
            say(
                f"{response.url.host} 用了没有请求的压缩方式 {encoding}。",
                f"{response.url.host} packed its answer as {encoding}, which nobody asked for.",
            ),
        )
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # gzip or zlib, by its first bytes
    try:
        async for packed in response.aiter_raw(_PIECE_BYTES):
            while packed:
                yield unpack.decompress(packed, _PIECE_BYTES)
                packed = unpack.unconsumed_tail
        yield unpack.flush()
    except zlib.error as error:
        raise SourceError(
            "format",
            say(
                f"{response.url.host} 的压缩数据已损坏。",
                f"{response.url.host} sent packed data that is damaged.",
            ),
        ) from error


def _host(url: str) -> str:
    """The host alone: addresses carry tokens."""
    try:
        return httpx.URL(url).host or url[:80]
    except httpx.InvalidURL:
        return url[:80]


def _bad_address(url: str) -> str:
    shown = _host(url)
    return say(f"{shown} 不是 http(s) 地址。", f"{shown} is no http(s) address.")
