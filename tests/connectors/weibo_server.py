"""A stand-in for Weibo: the Open API as an httpx handler with state, the push as a real server."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl

import httpx

CHINA = timezone(timedelta(hours=8))
GONE = "此微博已被原作者删除。"
Item = dict[str, Any]


def weibo_time(at: datetime) -> str:
    return at.astimezone(CHINA).strftime("%a %b %d %H:%M:%S %z %Y")


def user(uid: int, **more: Any) -> Item:
    return {
        "id": uid,
        "idstr": str(uid),
        "screen_name": f"云帆{uid}",
        "location": "广东 广州",
        "followers_count": 12,
        "verified": False,
        **more,
    }


def status(native: int, at: datetime, text: str = "", uid: int = 1000, **more: Any) -> Item:
    return {
        "created_at": weibo_time(at),
        "id": native,
        "idstr": str(native),
        "mid": str(native),
        "text": text or f"云帆水壶 第{native}条",
        "source": '<a href="http://weibo.com/" rel="nofollow">微博网页版</a>',
        "reposts_count": 0,
        "comments_count": 0,
        "attitudes_count": 0,
        "visible": {"type": 0, "list_id": 0},
        "user": user(uid),
        **more,
    }


def comment(native: int, at: datetime, on: Item, text: str = "", **more: Any) -> Item:
    return {
        "created_at": weibo_time(at),
        "id": native,
        "idstr": str(native),
        "mid": f"9{native}",
        "text": text or f"评论{native}",
        "user": user(2000 + native % 7),
        "status": {key: value for key, value in on.items() if key != "status"},
        **more,
    }


class WeiboServer:
    """Lists by path; ``since_id`` exclusive, ``max_id`` inclusive, newest first.

    A pinned post stands above all others, whatever ``since_id`` says.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.token = "token-1"
        self.app = {
            "client_id": "77",
            "client_secret": "s3cret",
            "redirect_uri": "https://a.example/",
        }
        self.codes = {"code-1"}
        """Codes that were given out and not exchanged yet."""
        self.expires_at = datetime(2030, 1, 1, tzinfo=UTC)
        self.lists: dict[str, list[Item]] = defaultdict(list)
        self.whole_texts: dict[int, Any] = {}
        self.calls: list[tuple[str, dict[str, str]]] = []
        self.string_codes = False
        self.escaped = False
        self.calls_per_token = 10**9
        self.calls_per_client = 10**9
        self.faults: list[Any] = []
        """What the next calls meet: an exception, a response, or None for nothing."""
        self.errors: dict[str, int] = {}
        """Error code by path."""
        self.before_answer: Callable[[str], None] = lambda path: None
        self.most = 200

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.handle))

    def add(self, path: str, *items: Item) -> None:
        self.lists[path] += items

    def delete(self, native: int) -> None:
        for items in self.lists.values():
            for item in items:
                if item["id"] == native:
                    item.clear()
                    item.update(id=native, text=GONE, deleted="1")

    def asked(self, path: str) -> list[dict[str, str]]:
        return [params for called, params in self.calls if called == path]

    def handle(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/2/").removesuffix(".json").strip("/")
        params = dict(request.url.params)
        params |= dict(parse_qsl(request.content.decode()))
        self.calls.append((path, params))
        if self.faults and (fault := self.faults.pop(0)) is not None:
            if isinstance(fault, Exception):
                raise fault
            assert isinstance(fault, httpx.Response)
            return fault
        if path == "oauth2/access_token":
            return self.exchanged(params)
        if params.get("access_token") != self.token:
            return self.error(21332, "invalid_access_token", path)
        if self.now() >= self.expires_at:
            return self.error(21327, "expired_token", path)
        if len(self.calls) > self.calls_per_client:
            return self.error(10022, "IP requests out of rate limit!", path, status=403)
        if len(self.calls) > self.calls_per_token:
            return self.error(10023, "User requests out of rate limit!", path, status=403)
        if path in self.errors:
            return self.error(self.errors[path], "refused", path)
        if path == "oauth2/get_token_info":
            left = int((self.expires_at - self.now()).total_seconds())
            return self.answer({"uid": 1000, "appkey": 1, "create_at": 1, "expire_in": left})
        if path.startswith("statuses/show_batch"):
            return self.answer(self.shown(params["ids"].split(",")))
        self.before_answer(path)
        return self.answer(self.page(path, params))

    def exchanged(self, form: dict[str, str]) -> httpx.Response:
        if not self.app.items() <= form.items() or form["grant_type"] != "authorization_code":
            return self.error(21324, "invalid_client", "oauth2/access_token")
        if form["code"] not in self.codes:
            return self.error(21325, "invalid_grant", "oauth2/access_token")
        self.codes.remove(form["code"])
        left = int((self.expires_at - self.now()).total_seconds())
        told = {"access_token": self.token, "remind_in": str(left), "expires_in": left}
        return self.answer(told | {"uid": "1000"})

    def shown(self, ids: list[str]) -> list[Item]:
        assert len(ids) <= 50
        found = {item["id"]: item for items in self.lists.values() for item in items}
        shown = []
        for native in map(int, ids):
            if native in found:
                more = self.whole_texts.get(native)
                shown.append(found[native] | ({"longText": more} if more else {}))
        return shown

    def page(self, path: str, params: dict[str, str]) -> Item:
        items = self.lists[path]
        if "id" in params:
            items = [one for one in items if str(one.get("status", {}).get("id")) == params["id"]]
        since, most = int(params.get("since_id", 0)), int(params.get("max_id", 0))
        start, end = int(params.get("starttime", 0)), int(params.get("endtime", 0))
        found = [
            item
            for item in sorted(items, key=lambda item: -item["id"])
            if (item["id"] > since or item.get("pinned"))
            and (not most or item["id"] <= most)
            and (not start or stamp(item) >= start)
            and (not end or stamp(item) <= end)
            and not item.get("deleted")
        ]
        found.sort(key=lambda item: not item.get("pinned"))
        count, page = min(int(params.get("count", 20)), self.most), int(params.get("page", 1))
        key = "comments" if path.startswith("comments") else "statuses"
        key = "reposts" if "repost" in path else key
        return {
            key: found[(page - 1) * count : page * count],
            "previous_cursor": 0,
            "next_cursor": 0,
            "total_number": len(items) + 7,
        }

    def answer(self, payload: Any, status: int = 200) -> httpx.Response:
        body = json.dumps(payload, ensure_ascii=self.escaped).encode()
        return httpx.Response(status, content=body, headers={"content-type": "application/json"})

    def error(self, code: int, text: str, path: str, *, status: int = 400) -> httpx.Response:
        told = str(code) if self.string_codes else code
        body: Item = {"error": text, "error_code": told}
        request = {} if self.string_codes else {"request": f"/2/{path}.json"}
        return self.answer(body | request, status)


def stamp(item: Item) -> float:
    return datetime.strptime(item["created_at"], "%a %b %d %H:%M:%S %z %Y").timestamp()


class PushServer:
    """A chunked endless answer on the loopback address; replays by ``since_id``.

    ``script`` says what one connection sends behind the replay: bytes, seconds of silence, "live"
    (records as they are added, until somebody hangs up), "cut" (abrupt close) or "end".
    """

    def __init__(self, records: list[tuple[int, bytes]]) -> None:
        self.records = records
        self.scripts: list[list[bytes | float | str]] = []
        self.always: list[bytes | float | str] = ["end"]
        """Of connections that no script is left for."""
        self.asked: list[dict[str, str]] = []
        self.per_connection = 10**9
        self.refusal: tuple[int, bytes] | None = None
        self.port = 0
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "PushServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/commercial/push"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            url = httpx.URL("http://push" + head.split(b" ")[1].decode())
            params = dict(url.params)
            self.asked.append(params)
            if self.refusal is not None:
                code, body = self.refusal
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n" % (code, len(body)))
                writer.write(b"connection: close\r\n\r\n" + body)
                return
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            since = int(params.get("since_id", 0))
            for number, line in self._behind(since)[: self.per_connection]:
                await _chunk(writer, line + b"\r\n")
                since = number
            script = self.scripts.pop(0) if self.scripts else self.always
            for step in script:
                if isinstance(step, bytes):
                    await _chunk(writer, step)
                elif isinstance(step, float):
                    await asyncio.sleep(step)
                elif step == "live":
                    await self._live(writer, since)
                elif step == "cut":
                    writer.transport.abort()
                    return
            await _chunk(writer, b"")
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the reader hung up
        finally:
            writer.close()

    def _behind(self, since: int) -> list[tuple[int, bytes]]:
        return [one for one in self.records if one[0] > since]

    async def _live(self, writer: asyncio.StreamWriter, since: int) -> None:
        while self._server is not None and self._server.is_serving():
            for number, line in self._behind(since):
                await _chunk(writer, line + b"\r\n")
                since = number
            await _chunk(writer, b"\r\n")  # a heartbeat
            await asyncio.sleep(0.1)


async def _chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))
    await writer.drain()
