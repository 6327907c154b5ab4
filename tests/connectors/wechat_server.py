"""WeChat as far as connectors see it: a sender of pushes, and the API of one account.

The sender signs and encrypts as WeChat does, and sends again, three times in all, when the answer
is late or no ``success``. The API is a handler for ``httpx.MockTransport``: tokens of both kinds
that expire, articles, comments in pages below 50, statistics by the day, and errors on demand.
"""

import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Literal

import httpx

from connectors.wechat_crypto import Crypto, sign

TOKEN = "云帆的令牌"
KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
APP_ID = "wx1234567890abcdef"
ATTEMPTS = 3

Mode = Literal["plain", "compatible", "encrypted"]


def xml(**fields: str | int) -> str:
    """A push of WeChat's: texts in CDATA, numbers bare."""
    elements = (
        f"<{name}>{value}</{name}>"
        if isinstance(value, int)
        else f"<{name}><![CDATA[{value}]]></{name}>"
        for name, value in fields.items()
    )
    return "<xml>" + "\n".join(elements) + "</xml>"


class Sender:
    """Pushes to one callback address."""

    def __init__(
        self,
        url: str,
        now: Callable[[], datetime],
        *,
        mode: Mode = "encrypted",
        app_id: str = APP_ID,
        token: str = TOKEN,
        key: str = KEY,
        wecom: bool = False,
    ) -> None:
        self.url = url
        self.mode = mode
        self.wecom = wecom
        self.now = now
        self._token = token
        self._crypto = Crypto(key, app_id)
        self._ids = itertools.count(4_000_000_000_000_000_001)
        self._nonces = itertools.count(100_000)
        self._client = httpx.AsyncClient(trust_env=False)

    async def close(self) -> None:
        await self._client.aclose()

    def message(self, content: str = "空调不制冷", **fields: str | int) -> str:
        """A message of a follower; each has an id of its own."""
        common: dict[str, str | int] = {
            "ToUserName": "gh_0123456789ab",
            "FromUserName": "oFollower-of-yunfan_0001",
            "CreateTime": int(self.now().timestamp()),
            "MsgType": "text",
            "Content": content,
            "MsgId": next(self._ids),
        }
        return xml(**common | fields)

    def event(self, event: str, **fields: str | int) -> str:
        """Something that a follower did."""
        common: dict[str, str | int] = {
            "ToUserName": "gh_0123456789ab",
            "FromUserName": "oFollower-of-yunfan_0001",
            "CreateTime": int(self.now().timestamp()),
            "MsgType": "event",
            "Event": event,
        }
        return xml(**common | fields)

    def query(self) -> dict[str, str]:
        """A signed query."""
        timestamp, nonce = str(int(self.now().timestamp())), str(next(self._nonces))
        query = {"timestamp": timestamp, "nonce": nonce}
        if not self.wecom:
            query["signature"] = sign(self._token, timestamp, nonce)
        return query

    def request(self, content: str) -> tuple[dict[str, str], str]:
        """Query and body of a push, signed and encrypted by the mode."""
        query = self.query()
        if self.mode == "plain":
            return query, content
        sealed = self._crypto.encrypt(content.encode())
        query["encrypt_type"] = "aes"
        query["msg_signature"] = sign(self._token, query["timestamp"], query["nonce"], sealed)
        element = f"<Encrypt><![CDATA[{sealed}]]></Encrypt>"
        if self.mode == "compatible":
            return query, content.replace("</xml>", element + "</xml>")
        return query, f"<xml><ToUserName><![CDATA[gh_0123456789ab]]></ToUserName>{element}</xml>"

    async def verify(self, echo: str = "5927782489442352469") -> httpx.Response:
        """The check of the address, as when its settings are saved."""
        query = self.query()
        if self.wecom:
            echo = self._crypto.encrypt(echo.encode())
            signature = sign(self._token, query["timestamp"], query["nonce"], echo)
            query["msg_signature"] = signature
        return await self._client.get(self.url, params=query | {"echostr": echo})

    async def post(self, query: dict[str, str], body: str | bytes) -> httpx.Response:
        """One request as it is given, good or bad."""
        return await self._client.post(self.url, params=query, content=body, timeout=10)

    async def ask(self, method: str, query: dict[str, str], path: str = "") -> httpx.Response:
        """A request without a body."""
        return await self._client.request(method, self.url + path, params=query)

    async def push(self, content: str, *, wait_seconds: float = 5.0) -> list[int]:
        """Send, and send again; the statuses of all attempts, 0 for none in time."""
        query, body = self.request(content)
        statuses: list[int] = []
        for _ in range(ATTEMPTS):
            try:
                answer = await self._client.post(
                    self.url, params=query, content=body, timeout=wait_seconds
                )
            except httpx.TransportError:
                statuses.append(0)
                continue
            statuses.append(answer.status_code)
            if answer.status_code == 200 and answer.text in ("", "success"):
                break
        return statuses
