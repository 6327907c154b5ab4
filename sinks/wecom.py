"""WeCom (企业微信): a notice to a group, by its robot, as Markdown.

Delivery: at least once; the robot has no idempotency key, so every message ends with the notice's
own key, by which people tell a repeat.
Limits: 20 messages a minute a robot, kept here; a text has at most 4,096 bytes, and what exceeds
them is left out, the least important first. Markdown can't call everybody: ``mention`` takes user
ids only.
Safety: the robot's key is its only secret; it stands in the address and in no message of ours.
"""

from urllib.parse import quote

import orjson
from pydantic import Field, HttpUrl

from sinks.base import Notice
from sinks.notice_markup import Markup, marked
from sinks.rate_limit import RateLimit
from sinks.robot import Code, Robot, RobotConfig, ServiceUrl, Token

__all__ = ["WeCom"]

MAX_BYTES = 4_096
LIMITS = (RateLimit(20, 60),)

_TOO_FAST = Code("later", "发送太快，稍后再发", "is sent to too fast", 60)
_WRONG_ROBOT = Code("broken", "机器人不可用，请检查 key", "has no such robot: look at its key")
_REFUSED = Code("refused", "拒绝了内容", "refuses the content")
#: 45009 and 93000 are certain; the others are those of the public list.
CODES: dict[int | str, Code] = {
    -1: Code("later", "系统繁忙", "is busy", 30),
    45009: _TOO_FAST,
    45033: _TOO_FAST,
    93000: _WRONG_ROBOT,
    93004: _WRONG_ROBOT,
    93008: _WRONG_ROBOT,
    40008: _REFUSED,
    40058: _REFUSED,
    45002: _REFUSED,
}
MARKUP = Markup(
    title=lambda text: f"**{text}**",
    heading=lambda text: f"**{text}**",
    quote=lambda text: f"> {text}",
    link=lambda words, address: f"[{words}]({address})",
)


class WeCom(Robot["WeCom.Config"]):
    """Tells a WeCom group."""

    class Config(RobotConfig):
        """Which robot."""

        token: Token = Field(description="What follows key= in the robot's address.")
        url: ServiceUrl = Field(
            HttpUrl("https://qyapi.weixin.qq.com/cgi-bin/webhook/send"),
            description="Address of the service.",
        )

    LIMITS = LIMITS
    CODES = CODES

    def _address(self) -> str:
        return f"{self._url}?key={quote(self._token.get_secret_value())}"

    def _body(self, notice: Notice) -> bytes:
        end = " ".join(f"<@{person}>" for person in self._mentioned(notice))
        text = marked(notice, MARKUP, zone=self._zone, most_bytes=MAX_BYTES, end=end)
        return orjson.dumps({"msgtype": "markdown", "markdown": {"content": text}})
