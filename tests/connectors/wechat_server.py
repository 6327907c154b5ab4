"""WeChat as far as connectors see it: a sender of pushes, and the API of one account.

The sender signs and encrypts as WeChat does, and sends again, three times in all, when the answer
is late or no ``success``. The API is a handler for ``httpx.MockTransport``: tokens of both kinds
that expire, articles, comments in pages below 50, statistics by the day, and errors on demand.
"""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, Literal

import httpx

from connectors.wechat_crypto import Crypto, sign
from tests.connectors.pushing import TLS

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
        self._client = httpx.AsyncClient(trust_env=False, verify=TLS)

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

    async def post(
        self, query: dict[str, str], body: str | bytes | AsyncIterator[bytes]
    ) -> httpx.Response:
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


class Account:
    """The API of one account: ``httpx.MockTransport(account.handle)``."""

    SPANS: ClassVar[dict[str, int]] = {
        "getarticlesummary": 1,
        "getarticletotal": 1,
        "getuserread": 3,
        "getuserreadhour": 1,
        "getusershare": 7,
        "getusersharehour": 1,
    }

    def __init__(self, now: Callable[[], datetime], *, lifetime_seconds: int = 7_200) -> None:
        self.now = now
        self.lifetime_seconds = lifetime_seconds
        self.secret = "the account's secret"
        self.published: list[dict[str, Any]] = []
        self.comments: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self.totals: dict[str, list[dict[str, Any]]] = {}
        self.failing: dict[str, list[int]] = {}
        """Error numbers to answer at a path, one after the other."""
        self.refused_for_ever: dict[str, int] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._tokens: dict[str, datetime] = {}
        self._stable = ""
        self._made = itertools.count(1)

    def expire(self) -> None:
        """End all tokens, as a forced refresh elsewhere does."""
        self._tokens.clear()
        self._stable = ""

    def asked(self, path: str) -> list[dict[str, Any]]:
        """The bodies of all calls of a path."""
        return [body for called, body in self.calls if called == path]

    def publish(self, data_id: int, *titles: str, short: bool = False) -> None:
        """A message of some articles, published now."""
        at = int(self.now().timestamp())
        long = "https://mp.weixin.qq.com/s?__biz=MzA5&mid={0}&idx={1}&sn=abc#rd"
        news = [
            {
                "title": title,
                "author": "云帆汽车",
                "digest": f"{title}的摘要",
                "url": f"https://mp.weixin.qq.com/s/short{data_id}-{number}"
                if short
                else long.format(data_id, number),
                "is_deleted": False,
                "need_open_comment": 1,
            }
            for number, title in enumerate(titles, 1)
        ]
        content = {"news_item": news, "create_time": at, "update_time": at}
        self.published.insert(
            0, {"article_id": f"art-{data_id}", "update_time": at, "content": content}
        )

    def comment(self, data_id: int, number: int, content: str, **fields: Any) -> dict[str, Any]:
        """A new comment below an article, counted from 1; the newest stands first."""
        comments = self.comments.setdefault((data_id, number - 1), [])
        one = {
            "user_comment_id": len(comments) + 1,
            "openid": f"oReader-of-yunfan-{len(comments) % 7:04}",
            "create_time": int(self.now().timestamp()),
            "content": content,
            "comment_type": 0,
            "reply": {"content": "谢谢", "create_time": int(self.now().timestamp())},
        } | fields
        comments.insert(0, one)
        return one

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        body = json.loads(request.content) if request.content else {}
        self.calls.append((path, body))
        queue = self.failing.get(path, [])
        if queue or path in self.refused_for_ever:
            return _error(queue.pop(0) if queue else self.refused_for_ever[path])
        if path == "/cgi-bin/stable_token":
            return self._stable_token(body)
        if path == "/cgi-bin/token":
            query = request.url.params
            if request.method != "GET" or query.get("grant_type") != "client_credential":
                return _error(40002)
            return self._token_for(query.get("appid"), query.get("secret")) or self._new_token()
        if request.method != "POST":
            return _error(43002)
        until = self._tokens.get(request.url.params.get("access_token", ""))
        if until is None:
            return _error(40001)
        if self.now() >= until:
            return _error(42001)
        if path == "/cgi-bin/freepublish/batchget":
            return self._batchget(body)
        if path == "/cgi-bin/comment/list":
            return self._comment_list(body)
        if path.startswith("/datacube/"):
            return self._datacube(path.removeprefix("/datacube/"), body)
        return answer(b"", 404)

    def _token_for(self, app_id: Any, secret: Any) -> httpx.Response | None:
        if app_id != APP_ID:
            return _error(40013)
        return _error(40125) if secret != self.secret else None

    def _new_token(self) -> httpx.Response:
        token = f"token-{next(self._made)}-" + "x" * 100
        self._tokens[token] = self.now() + timedelta(seconds=self.lifetime_seconds)
        return answer({"access_token": token, "expires_in": self.lifetime_seconds})

    def _stable_token(self, body: dict[str, Any]) -> httpx.Response:
        if body.get("grant_type") != "client_credential":
            return _error(40002)
        refused = self._token_for(body.get("appid"), body.get("secret"))
        if refused is not None:
            return refused
        until = self._tokens.get(self._stable)
        last_minutes = timedelta(seconds=min(300, self.lifetime_seconds / 20))
        if until is not None and until - self.now() > last_minutes and not body["force_refresh"]:
            left = int((until - self.now()).total_seconds())
            return answer({"access_token": self._stable, "expires_in": left})
        if body["force_refresh"]:
            self._tokens.pop(self._stable, None)
        self._new_token()
        self._stable = next(reversed(self._tokens))
        return answer({"access_token": self._stable, "expires_in": self.lifetime_seconds})

    def _batchget(self, body: dict[str, Any]) -> httpx.Response:
        offset, count = body["offset"], body["count"]
        if not 1 <= count <= 20:
            return _error(40007)
        page = self.published[offset : offset + count]
        return answer(
            {"total_count": len(self.published), "item_count": len(page), "item": page},
        )

    def _comment_list(self, body: dict[str, Any]) -> httpx.Response:
        begin, count = body["begin"], body["count"]
        if count >= 50:
            return _error(88010)
        if not isinstance(body["msg_data_id"], int):
            return _error(47001)
        found = self.comments.get((body["msg_data_id"], body["index"]), [])
        return answer(
            {
                "errcode": 0,
                "errmsg": "ok",
                "total": len(found),
                "comment": found[begin : begin + count],
            },
        )

    def _datacube(self, name: str, body: dict[str, Any]) -> httpx.Response:
        begin = date.fromisoformat(body["begin_date"])
        end = date.fromisoformat(body["end_date"])
        here = self.now() + timedelta(hours=8)
        ready = here.date() - timedelta(days=1 if here.hour >= 8 else 2)
        if end > ready or begin > end:
            return _error(61501)
        if (end - begin).days >= self.SPANS[name]:
            return _error(61500)
        days = [(begin + timedelta(days=n)).isoformat() for n in range((end - begin).days + 1)]
        items = [item for day in days for item in self.totals.get(day, [])]
        return answer({"list": items if name == "getarticletotal" else []})


def answer(content: Any, status: int = 200) -> httpx.Response:
    """JSON that is streamed, as from a real connection."""
    packed = content if isinstance(content, bytes) else json.dumps(content).encode()
    return httpx.Response(status, stream=httpx.ByteStream(packed))


def _error(number: int) -> httpx.Response:
    return answer({"errcode": number, "errmsg": f"refused, rid: {number}"})
