"""Webhook: a signed POST to any system, after Standard Webhooks 1.0.

Delivery: at least once; ``webhook-id`` is the notice's key, so the receiver can tell repeats.
Limits: a body is at most 20 KB; what was left out of it is named in ``data.truncated``, and the
whole incident stands in the ``incidents`` topic and index.
Safety: redirects are not followed. An address in a private network (where an address in the
settings could reach machines that were never meant to be reached) needs ``allow_private``; a
loopback address must be written literally. The check resolves the name at each delivery; it is a
guard against mistakes and re-pointed names, not a firewall.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import quote

import httpx
import orjson
from pydantic import Field, HttpUrl, SecretStr, field_validator, model_validator

from schemas.component import ComponentConfig
from schemas.errors import RejectedError
from schemas.language import say
from sinks.base import Notice
from sinks.posting import Clock, Poster

__all__ = ["Webhook", "payload", "sign"]

MAX_BYTES = 20_000
_PREFIX = "whsec_"

Resolve = Callable[[str], Awaitable[list[str]]]


class Webhook:
    """Posts every notice to one address and waits for its 2xx."""

    class Config(ComponentConfig):
        """Where to, and how it is signed."""

        url: HttpUrl = Field(description="Address that accepts the POST; no default: it is yours.")
        secrets: tuple[SecretStr, ...] = Field(
            min_length=1,
            description="Signing secrets, 'whsec_' and base64 of 24 to 64 bytes; several during a "
            "rotation, each signs. No default: a secret is not invented.",
        )
        timeout_seconds: float = Field(15, gt=0, le=60, description="Wait for the answer.")
        allow_private: bool = Field(
            False, description="Allow addresses in private networks, and plain http://."
        )

        @field_validator("secrets")
        @classmethod
        def _readable(cls, secrets: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
            for secret in secrets:
                _key(secret)
            return secrets

        @model_validator(mode="after")
        def _check(self) -> Self:
            plain = self.url.scheme == "http"
            if plain and not self.allow_private and not _is_loopback(self.url.host or ""):
                raise ValueError(
                    say(
                        "url 必须以 https:// 开头；内网地址可设置 allow_private = true",
                        "url must begin with https://; for an address in your own network set "
                        "allow_private = true",
                    )
                )
            return self

    def __init__(
        self,
        name: str,
        config: Config,
        client: httpx.AsyncClient,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        resolve: Resolve | None = None,
    ) -> None:
        self.name = name
        self._config = config
        # The host only: path and query of such addresses often hold a token.
        self._poster = Poster(
            name,
            config.url.host or "",
            client,
            timeout_seconds=config.timeout_seconds,
            clock=Clock(now=now),
        )
        self._now = now
        self._resolve = resolve or _resolve
        self._keys = [_key(secret) for secret in config.secrets]

    async def deliver(self, notice: Notice) -> None:
        """Post the notice and return on a 2xx.

        Raises:
            RetryableError: no answer, 3xx, 408, 425, 429, 5xx.
            RejectedError: another 4xx, or a notice that can't be cut to 20 KB.
            FatalError: 410, the receiver wants no more; or a forbidden address.
        """
        await self._check_address()
        body = payload(notice)
        at = self._now()
        message_id = quote(notice.key, safe=":-_~@+=,;!*()/")
        headers = {
            "webhook-id": message_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": sign(self._keys, message_id, int(at.timestamp()), body),
        }
        # Only the status counts: a body without end is never read.
        answer = await self._poster.post(str(self._config.url), body, headers, most_bytes=0)
        self._poster.check(answer, broken={410})

    async def _check_address(self) -> None:
        host = (self._config.url.host or "").strip("[]")
        if self._config.allow_private or _is_loopback(host):
            return
        try:
            addresses = await self._resolve(host)
        except OSError as error:
            raise self._poster.later(
                "域名无法解析", "name can't be resolved", str(error)
            ) from error
        if any(not ipaddress.ip_address(address).is_global for address in addresses):
            raise self._poster.broken(
                "指向内网地址，已拒绝；如确是你的系统，请设置 allow_private = true",
                "is an address in a private network, refused: if it is yours, set "
                "allow_private = true",
            )


def sign(keys: list[bytes], message_id: str, timestamp: int, body: bytes) -> str:
    """The ``webhook-signature`` header: one ``v1`` signature a key, separated by spaces."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    digests = (hmac.new(key, signed, hashlib.sha256).digest() for key in keys)
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def payload(notice: Notice) -> bytes:
    """The body ``{type, timestamp, data}``, cut to 20 KB from its least important end.

    Raises:
        RejectedError: what must not be left out is longer than that.
    """
    incident: dict[str, Any] = orjson.loads(notice.incident.to_line())
    data: dict[str, Any] = {
        "reason": notice.reason,
        "brand_name": notice.brand_name,
        "incident": incident,
        "truncated": [],
    }
    if notice.instead_of:
        data["instead_of"] = notice.instead_of
    if notice.trial:
        data["trial"] = True
    whole = {
        "type": f"incident.{notice.reason}",
        "timestamp": incident["updated_at"],
        "data": data,
    }
    body = orjson.dumps(whole)
    # The oldest step goes first; the other lists are ranked and lose their end.
    for holder, field, end in (
        (incident, "quotes", -1),
        (incident, "timeline", 0),
        (incident, "words", -1),
        (incident.get("evidence", {}), "posts", -1),
    ):
        items = holder.get(field, [])
        while len(body) > MAX_BYTES and items:
            items.pop(end)
            if field not in data["truncated"]:
                data["truncated"].append(field)
            body = orjson.dumps(whole)
    for holder, field in ((incident, "statement"), (incident.get("first_post", {}), "excerpt")):
        if len(body) > MAX_BYTES and len(holder.get(field, "")) > 500:
            holder[field] = holder[field][:500] + "…"
            data["truncated"].append(field)
            body = orjson.dumps(whole)
    if len(body) > MAX_BYTES:
        raise RejectedError("too_large", f"the notice has {len(body)} bytes, at most {MAX_BYTES}")
    return body


def _key(secret: SecretStr) -> bytes:
    text = secret.get_secret_value()
    try:
        key = base64.b64decode(text.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not text.startswith(_PREFIX) or not 24 <= len(key) <= 64:
        # No word of the secret itself: this message goes to logs and terminals.
        raise ValueError(
            say(
                "密钥必须是 'whsec_' 加 24 到 64 字节的 base64",
                "a secret must be 'whsec_' and the base64 of 24 to 64 bytes",
            )
        )
    return key


def _is_loopback(host: str) -> bool:
    host = host.strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


async def _resolve(host: str) -> list[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for _, _, _, _, address in found]
