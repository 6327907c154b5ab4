"""The other side of a channel: answers as told, as the real services do, and keeps what came."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from sinks.base import Channel
from sinks.posting import Clock

NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)  # 1700000000
#: What a stranger would write to link, to call everybody and to paint.
NASTY = (
    "[点我领奖](https://evil.example/x) ![](http://evil.example/p.png) <@all> @所有人 @13800000000 "
    "<!channel> <at user_id='all'></at> <font color='warning'>真的</font> **加粗** `码` ~删~ "
    "https://evil.example/y www.evil.example &lt;@all&gt; \\[转义\\] |表格|\n# 标题\n> 引用"
)
#: None of it may reach a chat.
ACTIVE = (
    "](",
    "![",
    "<@all",
    "@所有人",
    "@138",
    "<!",
    "<at",
    "<font",
    "**加",
    "`码",
    "https://evil",
)


@dataclass
class Time:
    """A clock that only tests move."""

    at: datetime = NOW
    seconds: float = 1_000.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.at, lambda: self.seconds)

    def go(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)
        self.seconds += seconds


@dataclass
class Service:
    """A scripted service."""

    usual: Any = None
    """Its answer when it is content: a JSON value, or text."""
    status: int = 200
    requests: list[httpx.Request] = field(default_factory=list)
    time: Time = field(default_factory=Time)
    fault: Exception | None = None
    _next: list[httpx.Response] = field(default_factory=list)

    def answers(
        self, content: Any, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        """The next answer."""
        self._next.append(_response(content, status, headers))

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.fault:
            raise self.fault
        return self._next.pop(0) if self._next else _response(self.usual, self.status, None)

    def channel(self, kind: Callable[..., Channel], **options: Any) -> Any:
        """A channel of this kind that talks to it."""
        config = kind.Config.model_validate(options)  # type: ignore[attr-defined]
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        return kind("duty", config, client, clock=self.time.clock)

    @property
    def messages(self) -> list[Any]:
        """The bodies that came."""
        return [orjson.loads(request.content) for request in self.requests]


def _response(content: Any, status: int, headers: dict[str, str] | None) -> httpx.Response:
    raw = content if isinstance(content, str) else orjson.dumps(content)
    return httpx.Response(status, content=raw, headers=headers)
