"""Every connector's source at once: its settings, and a stand-in that people go on writing to.

A ``StandIn`` knows the ids of all posts that its platform holds, which is what must arrive.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from connectors.wechat_crypto import keyed_hash
from schemas.post import Author, PostDraft
from tests.connectors.conftest import FakeClock
from tests.connectors.feed_server import FeedServer, Page, item, rss
from tests.connectors.forum_server import (
    Board,
    DiscourseServer,
    DiscuzServer,
    ForumServer,
    MisagoServer,
    NodeBbServer,
    PhpBbServer,
)
from tests.connectors.imap_script import Script, message_id, serving
from tests.connectors.pushing import free_port
from tests.connectors.wechat_server import APP_ID, KEY, TOKEN, Account, Sender
from tests.connectors.weibo_server import PushServer, WeiboServer, comment, status
from tests.pipeline.loopback import Front, Loop

__all__ = ["Outbox", "StandIn", "StandIns", "stand_ins"]

ID_SECRET = "a secret for the tests"
CORP_ID = "ww1234567890abcdef"
HOT = "云帆水壶漏电"
BEARER = "a token that is long enough"

#: What a test can't wait for: the default pace, and the quotas of real platforms.
QUICK = {"every_seconds": 5}
FORUM = QUICK | {"requests_per_minute": 600}


@dataclass
class Outbox:
    """What a platform has to push: each message again until it was taken."""

    push: Callable[[Any, float], bool]
    """Whether a message was taken within so many seconds."""
    waiting: list[Any] = field(default_factory=list)

    def deliver(self, seconds: float) -> None:
        self.waiting = [one for one in self.waiting if not self.push(one, seconds)]


@dataclass
class StandIn:
    """A source."""

    settings: dict[str, Any]
    write: Callable[[], None]
    """People write something new there."""
    ids: Callable[[], set[str]]
    """Of all posts that are there."""
    front: Front | None = None
    outbox: Outbox | None = None
    """Of a platform that pushes."""


@dataclass
class StandIns:
    """All of them, by the name of their source: that of the connector."""

    all: dict[str, StandIn]

    @property
    def settings(self) -> dict[str, dict[str, Any]]:
        return {name: {"use": name} | one.settings for name, one in self.all.items()}

    @property
    def outboxes(self) -> list[Outbox]:
        return [one.outbox for one in self.all.values() if one.outbox is not None]

    def ids(self) -> dict[str, set[str]]:
        return {name: one.ids() for name, one in self.all.items()}

    def write(self) -> None:
        for one in self.all.values():
            one.write()

    def deliver(self, seconds: float = 5.0) -> None:
        for outbox in self.outboxes:
            outbox.deliver(seconds)

    def errors(self) -> list[Exception]:
        """Requests that no platform would get."""
        return [error for one in self.all.values() if one.front for error in one.front.errors]


@contextmanager
def stand_ins(folder: Path) -> Iterator[StandIns]:
    """A stand-in for the source of every connector; files and secrets stand in the folder."""
    with ExitStack() as stack:
        loop = stack.enter_context(closing(Loop()))

        def front(answer: Callable[[httpx.Request], httpx.Response]) -> Front:
            return stack.enter_context(closing(Front(answer)))

        def secret(name: str, value: str) -> dict[str, str]:
            (folder / name).write_text(value, encoding="utf-8")
            return {"file": str(folder / name)}

        id_secret = {"id_secret": secret("id_secret", ID_SECRET)}
        callback = id_secret | {
            "token": secret("callback_token", TOKEN),
            "encoding_aes_key": secret("aes_key", KEY),
        }
        account = Account(now)
        api = secret("app_secret", account.secret)
        weibo = WeiboServer(now)
        yield StandIns(
            {
                "discourse": _forum(front, DiscourseServer),
                "discuz": _forum(front, DiscuzServer, every_seconds=60),
                "feed": _feed(front),
                "file": _file(folder / "posts.jsonl", "file"),
                "mailbox": _mailbox(
                    stack, id_secret | {"password": secret("mail_password", "geheim")}
                ),
                "misago": _forum(front, MisagoServer, operator_consents=True),
                "nodebb": _forum(front, NodeBbServer),
                "phpbb": _forum(front, PhpBbServer),
                "replay": _file(folder / "recording.jsonl", "replay", speed=0),
                "webhook": _webhook(secret("bearer", BEARER)),
                "wechat": _wechat(stack, loop, callback),
                "wechat-articles": _wechat_articles(
                    front, account, id_secret | {"app_secret": api}
                ),
                "wecom": _wecom(stack, loop, callback),
                "weibo": _weibo(front, weibo, secret("weibo_token", weibo.token)),
                "weibo-push": _weibo_push(stack, loop),
            }
        )


def now() -> datetime:
    return datetime.now(UTC)


MakeFront = Callable[[Callable[[httpx.Request], httpx.Response]], Front]


# --- asked ------------------------------------------------------------------------------------


def _forum(make_front: MakeFront, kind: type[ForumServer], **settings: Any) -> StandIn:
    clock = FakeClock(now() - timedelta(hours=1))
    board = Board(clock)
    server = kind(board, clock)
    front = make_front(server.served)
    server.site = front.site

    def write() -> None:
        with front.lock:
            first = board.write("<p>云帆 X1 的刹车异响</p>")
            board.write("<p>我的也是</p>", first.topic, answers=1)
            board.write("<p>提车了</p>", title="提车作业")

    def ids() -> set[str]:
        return set(server.truth())

    return StandIn({"url": front.url} | FORUM | settings, write, ids, front)


def _feed(make_front: MakeFront) -> StandIn:
    """A feed, a route of an RSSHub, and a hot list that stays as it is."""
    server = FeedServer()
    front = make_front(server)
    looked_at = int(now().timestamp()) - 60
    board = {"updatedTime": looked_at * 1_000, "items": [{"title": HOT}]}
    server.pages[f"{front.url}/hot"] = Page(json.dumps(board).encode(), "application/json")
    known = {f"weibo-hot:{looked_at}-1-{hashlib.sha256(HOT.encode()).hexdigest()[:12]}"}
    written = 0

    def write() -> None:
        nonlocal written
        written += 1
        numbers = range(1, 3 * written + 1)
        page = Page(rss(*(item(number) for number in reversed(numbers))), etag=f'"{written}"')
        with front.lock:
            server.pages[f"{front.url}/feed"] = page
            server.pages[f"{front.url}/bilibili/user/dynamic/7"] = page
        for platform in ("web", "bilibili"):
            known.update(f"{platform}:https://bbs.example/t/{number}" for number in numbers)

    settings = {
        "urls": [f"{front.url}/feed"],
        "rsshub": {"base": front.url, "routes": ["bilibili user 7"]},
        "boards": {"weibo-hot": f"{front.url}/hot"},
    }
    return StandIn(settings | QUICK, write, lambda: set(known), front)


def _weibo(make_front: MakeFront, server: WeiboServer, token: dict[str, str]) -> StandIn:
    front = make_front(server.handle)
    first = 5_100_000_000_000_000

    def write() -> None:
        nonlocal first
        first += 1_000
        mention, own = status(first, now()), status(first + 1, now(), uid=1234567890)
        with front.lock:
            server.add("statuses/mentions", mention)
            server.add("statuses/user_timeline", own)
            server.add("comments/show", comment(first + 2, now(), own))

    def ids() -> set[str]:
        return {f"weibo:{one['id']}" for items in server.lists.values() for one in items}

    lists = [{"what": "mentions"}, {"what": "user", "of": "1234567890", "comments": True}]
    settings = {"host": front.url, "access_token": token, "watch": lists, "calls_per_day": 0}
    return StandIn(settings | QUICK, write, ids, front)


def _weibo_push(stack: ExitStack, loop: Loop) -> StandIn:
    server = PushServer([])
    server.always = ["live"]
    loop.run(server.__aenter__())
    stack.callback(lambda: loop.run(server.__aexit__()))
    first = 5_200_000_000_000_000

    def write() -> None:
        for _ in range(5):
            number = len(server.records) + 1
            text = {"type": "status", "event": "add", "status": status(first + number, now())}
            line = json.dumps({"id": number, "text": text}, ensure_ascii=False).encode()
            server.records.append((number, line))

    def ids() -> set[str]:
        return {f"weibo:{first + number}" for number, _ in server.records}

    return StandIn({"subscription_id": "10001", "address": server.url}, write, ids)


def _wechat_articles(
    make_front: MakeFront, account: Account, secrets: dict[str, dict[str, str]]
) -> StandIn:
    front = make_front(account.handle)
    written = 0

    def write() -> None:
        nonlocal written
        written += 1
        with front.lock:
            account.publish(written, "云帆S7上市", "保养指南")
            for article in range(1, written + 1):
                account.comment(article, 2, "刹车异响怎么办")

    def ids() -> set[str]:
        articles = {f"article-{n}_{place}" for n in range(1, written + 1) for place in (1, 2)}
        comments = {
            f"comment-{data_id}_{place + 1}-{one['user_comment_id']}"
            for (data_id, place), below in account.comments.items()
            for one in below
        }
        return {f"wechat:{native}" for native in articles | comments}

    settings = {"app_id": APP_ID, "api": front.url, "every_seconds": 60, "calls_per_minute": 600}
    return StandIn(settings | secrets, write, ids, front)


# --- recorded ---------------------------------------------------------------------------------


def _file(path: Path, platform: str, **settings: Any) -> StandIn:
    path.touch()
    known: list[str] = []

    def write() -> None:
        with path.open("ab") as file:
            for _ in range(3):
                known.append(f"{platform}:{len(known) + 1}")
                draft = PostDraft(
                    id=known[-1],
                    platform=platform,
                    kind="post",
                    text="刹车异响",
                    author=Author(id="1"),
                    published_at=now() - timedelta(hours=1),
                    source=platform,
                )
                file.write(draft.to_line() + b"\n")

    return StandIn({"path": str(path)} | settings, write, lambda: set(known))


# --- pushed -----------------------------------------------------------------------------------


def _webhook(token: dict[str, str]) -> StandIn:
    port = free_port()
    known: set[str] = set()

    def push(post: dict[str, Any], seconds: float) -> bool:
        with suppress(httpx.TransportError):
            answer = httpx.post(
                f"http://127.0.0.1:{port}/posts",
                json=post,
                headers={"Authorization": f"Bearer {BEARER}"},
                timeout=seconds,
                trust_env=False,
            )
            return answer.status_code == 202
        return False

    outbox = Outbox(push)

    def write() -> None:
        native = f"{len(known) + 1}"
        known.add(f"crm:{native}")
        outbox.waiting.append(
            {
                "platform": "crm",
                "id": native,
                "kind": "message",
                "text": "刹车失灵",
                "author": {"id": "u1"},
                "published_at": now().isoformat(),
            }
        )

    settings = {"port": port, "path": "/posts", "token": token}
    return StandIn(settings, write, lambda: set(known), outbox=outbox)


def _mailbox(stack: ExitStack, secrets: dict[str, dict[str, str]]) -> StandIn:
    script = Script(mails=0)
    port = stack.enter_context(serving(script))
    id_secret = SecretStr(ID_SECRET)

    def write() -> None:
        script.mails += 1

    def ids() -> set[str]:
        mails = range(1, script.mails + 1)
        return {f"mail:{keyed_hash(id_secret, message_id(number))}" for number in mails}

    settings = {
        "host": "127.0.0.1",
        "port": port,
        "security": "plain",
        "user": "service@yunfan.example",
        "every_seconds": 30,
    }
    return StandIn(settings | secrets, write, ids)


def _wechat(stack: ExitStack, loop: Loop, secrets: dict[str, dict[str, str]]) -> StandIn:
    port = free_port()
    sender = Sender(f"http://127.0.0.1:{port}/wechat", now)
    stack.callback(lambda: loop.run(sender.close()))
    known: set[str] = set()
    outbox = _callbacks(loop, sender)

    def write() -> None:
        number = len(known) + 1
        known.add(f"wechat:message-{number}")
        outbox.waiting.append(sender.message(MsgId=number))

    settings = {"app_id": APP_ID, "port": port, "path": "/wechat"} | secrets
    return StandIn(settings, write, lambda: set(known), outbox=outbox)


def _wecom(stack: ExitStack, loop: Loop, secrets: dict[str, dict[str, str]]) -> StandIn:
    """It tells of contacts that come; there are no posts."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/wecom"
    sender = Sender(url, now, app_id=CORP_ID, wecom=True)
    stack.callback(lambda: loop.run(sender.close()))
    outbox = _callbacks(loop, sender)
    written = 0

    def write() -> None:
        nonlocal written
        written += 1
        contact = {"FromUserName": "sys", "UserID": "zhang", "ExternalUserID": f"wm{written}"}
        change = {"ChangeType": "add_external_contact"}
        outbox.waiting.append(sender.event("change_external_contact", **change, **contact))

    settings = {"corp_id": CORP_ID, "port": port, "path": "/wecom"} | secrets
    return StandIn(settings, write, set, outbox=outbox)


def _callbacks(loop: Loop, sender: Sender) -> Outbox:
    def push(message: str, seconds: float) -> bool:
        statuses = loop.run(sender.push(message, wait_seconds=seconds))
        return statuses[-1] == 200

    return Outbox(push)
