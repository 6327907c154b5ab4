"""What other people's servers answered, and what that means for whoever asked."""

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import orjson

from connectors.feed_text import as_utf8, repaired
from connectors.trouble import SourceError
from schemas.language import say

__all__ = [
    "Answer",
    "asks_for_human",
    "host_of",
    "json_of",
    "raw_bytes",
    "retry_after_seconds",
    "shown",
]

_MOST_RAW = 256 * 1024
_MOST_SHOWN = 200
#: Statuses that platforms use for "you look like a robot" beside 403.
_BLOCKED = (403, 418, 432, 451)
#: Those with which a page comes that wants proof of a human.
_CHALLENGES = (*_BLOCKED, 429, 503)
_CAPTCHA = re.compile(
    "验证码|人机验证|安全验证|滑块验证|captcha|verify (?:that )?you are (?:a )?human"
    "|checking your browser|/cdn-cgi/challenge-platform/",
    re.IGNORECASE,
)
_CAPTCHA_BYTES = 16 * 1024
#: An escape in JSON: half of a pair without the other half stands for no sign.
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|u[dD][89a-fA-F]..|.)", re.DOTALL)


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
    moved_to: str | None = None
    """Where the server says that it is from now on: it redirected, and only permanently."""

    def json(self) -> Any:
        """The body as JSON, as ``json_of`` reads it.

        Raises:
            SourceError: ``format``: it is none, or nested beyond reason; ``captcha``: it is a page
                that wants proof of a human.
        """
        try:
            return json_of(self.body)
        except orjson.JSONDecodeError as error:
            if asks_for_human(self.body):
                raise self._captcha() from error
            start = self.body[:80].decode(errors="replace")
            raise SourceError(
                "format",
                say(
                    f"{host_of(self.url)} 的回答不是 JSON：{start!r}；"
                    "平台可能改了接口或要求登录，请检查地址和登录信息。",
                    f"{host_of(self.url)} answered no JSON: {start!r}; the platform may have "
                    "changed or wants a login: check the address and the login.",
                ),
            ) from error

    def checked(self) -> "Answer":
        """Itself, when it is a 2xx or a 304.

        Raises:
            SourceError: anything else, with what it means; ``Retry-After`` is kept.
        """
        if self.status < 300 or self.status == 304:
            return self
        host, status = host_of(self.url), self.status
        wait = retry_after_seconds(self.headers, self.at)
        if status in _CHALLENGES and asks_for_human(self.body):
            raise self._captcha()
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
                    f"{_shown(self.url)} 不存在（{status}）；请检查地址。",
                    f"there is nothing at {_shown(self.url)} ({status}); check the address.",
                ),
                retry_after_seconds=wait,
            )
        if status == 429:
            raise SourceError(
                "quota",
                say(
                    f"{host} 说请求太频繁（429）；会自动等待后继续，常出现请调大 every_seconds。",
                    f"{host} says that it is asked too often (429); it goes on by itself. If that "
                    "comes often, raise every_seconds.",
                ),
                retry_after_seconds=wait,
            )
        if status >= 500 or status in (408, 425):  # we were too slow, or too early
            raise SourceError(
                "server",
                say(
                    f"{host} 出错（{status}），是对方的问题；听潮会自动重试，暂时不用处理。",
                    f"{host} has an error of its own ({status}); it is asked again by itself, "
                    "nothing to do for now.",
                ),
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

    def _captcha(self) -> SourceError:
        host = host_of(self.url)
        return SourceError(
            "captcha",
            say(
                f"{host} 要求人机验证（{self.status}），没有给出内容；请降低频率，"
                "或联系对方改用正式接口。",
                f"{host} wants proof of a human ({self.status}) instead of answering; ask less "
                "often, or agree with it on an official way in.",
            ),
            retry_after_seconds=retry_after_seconds(self.headers, self.at),
        )


def asks_for_human(body: bytes) -> bool:
    """Whether a page, in whatever encoding, is one that wants proof of a human."""
    start = repaired(body[:_CAPTCHA_BYTES], "")[0].decode(errors="replace")
    return _CAPTCHA.search(start) is not None


def retry_after_seconds(headers: httpx.Headers, now: datetime) -> float | None:
    """What ``Retry-After`` asks for, as seconds or as a date; None when it says nothing usable."""
    given = headers.get("retry-after", "").strip()
    if given.isascii() and given.isdigit():
        return min(float(given), 86_400.0)
    try:
        until = parsedate_to_datetime(given)
    except (ValueError, OverflowError, IndexError):  # whatever the parser trips over
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return min(max(0.0, (until - now).total_seconds()), 86_400.0)


def json_of(body: bytes) -> Any:
    """Bytes as JSON; a byte order mark, or half a sign in one text, doesn't spoil the rest.

    JSON is UTF-8; that of a site which sends GBK all the same is read as such.

    Raises:
        ValueError: they are none, or nested beyond reason.
    """
    with suppress(orjson.JSONDecodeError):
        return orjson.loads(body)
    return orjson.loads(_ESCAPE.sub(_whole_sign, as_utf8(body).decode("utf-8-sig")))


def raw_bytes(item: Any) -> bytes:
    """An item of an answer as the bytes of a dead letter."""
    try:
        return orjson.dumps(item)[:_MOST_RAW]
    except orjson.JSONEncodeError:  # nested deeper than it writes, though not than it reads
        given = item.items() if isinstance(item, dict) else ()
        flat = {key: value for key, value in given if not isinstance(value, dict | list)}
        return b"(too deeply nested) " + json.dumps(flat).encode()[:_MOST_RAW]


def shown(value: Any) -> str:
    """A value of an answer as it may stand in a message.

    Never by way of ``str`` or ``repr``: a list of a thousand lists has none.
    """
    plain = isinstance(value, str | int | float)
    return str(value)[:_MOST_SHOWN] if plain else type(value).__name__


def _whole_sign(escape: re.Match[str]) -> str:
    found = escape[0]
    return r"\ufffd" if len(found) == 6 else found


def _shown(url: str) -> str:
    """An address without what may be secret in it: a password, a query."""
    try:
        parsed = httpx.URL(url)
        return f"{parsed.scheme}://{parsed.netloc.decode('ascii')}{parsed.path}"[:200]
    except httpx.InvalidURL:
        return host_of(url)


def host_of(url: str) -> str:
    """The host alone: addresses carry tokens."""
    start = re.split(r"[?#@]", url, maxsplit=1)[0][:80]
    try:
        return httpx.URL(url).host or start
    except (httpx.InvalidURL, UnicodeError):
        return start
