"""DingTalk (钉钉): a notice to a group, by its custom robot, as Markdown.

Delivery: at least once; the robot has no idempotency key, so every message ends with the notice's
own key, by which people tell a repeat.
Limits: 20 messages a minute a robot, kept here, because who exceeds them is shut out for some ten
minutes; a text has at most 15,000 bytes. A robot that others use too is not seen from here.
Safety: the three ways to secure a robot all work: a signature (``secret``), a word (``keyword``) or
a list of addresses. A refusal of these waits for a person, with its notices.
"""

import base64
import hashlib
import hmac
import re
from datetime import datetime
from urllib.parse import quote

import orjson
from pydantic import Field, HttpUrl

from sinks.base import Notice
from sinks.notice_markup import MAX_TITLE_BYTES, Markup, cut, harmless, marked
from sinks.notice_text import title
from sinks.rate_limit import RateLimit
from sinks.robot import Code, Robot, SecuredConfig, ServiceUrl, Token

__all__ = ["DingTalk", "sign"]

MAX_BYTES = 15_000
LIMITS = (RateLimit(20, 60),)

_BLOCKED = Code("later", "被限流，稍后再发", "is held back for sending too fast", 600)
_WRONG_ROBOT = Code("broken", "机器人不可用，请检查令牌", "has no such robot: look at its token")
_REFUSED = Code("refused", "拒绝了内容", "refuses the content")
#: 310000, 130101 and 90030 are certain or reported; the others are those of the public list.
CODES: dict[int | str, Code] = {
    -1: Code("later", "系统繁忙", "is busy", 30),
    90030: _BLOCKED,
    130101: _BLOCKED,
    410100: _BLOCKED,
    310000: Code(
        "broken",
        "拒绝了签名、关键词或来源地址，请核对机器人的安全设置",
        "refuses signature, keyword or address: compare with the robot's safety settings",
    ),
    300001: _WRONG_ROBOT,
    300005: _WRONG_ROBOT,
    400013: _WRONG_ROBOT,
    400101: _WRONG_ROBOT,
    400102: _WRONG_ROBOT,
    400106: _WRONG_ROBOT,
    430101: _REFUSED,
    430102: _REFUSED,
    430104: _REFUSED,
    460101: _REFUSED,
}
# A single line break is shown as one only between spaces.
MARKUP = Markup(
    title=lambda text: f"### {text}",
    heading=lambda text: f"**{text}**",
    quote=lambda text: f"> {text}",
    link=lambda words, address: f"[{words}]({address})",
    line_break="  \n  ",
)


class DingTalk(Robot["DingTalk.Config"]):
    """Tells a DingTalk group."""

    class Config(SecuredConfig):
        """Which robot, and how it is secured."""

        token: Token = Field(description="What follows access_token= in the robot's address.")
        url: ServiceUrl = Field(
            HttpUrl("https://oapi.dingtalk.com/robot/send"), description="Address of the service."
        )

    LIMITS = LIMITS
    CODES = CODES

    def _address(self) -> str:
        address = f"{self._url}?access_token={quote(self._token.get_secret_value())}"
        if self._config.secret is None:
            return address
        return address + "&" + sign(self._config.secret.get_secret_value(), self._now())

    def _body(self, notice: Notice) -> bytes:
        people = self._mentioned(notice)
        # Only a mention that also stands in the text is shown as one.
        end = " ".join([*(f"@{person}" for person in people), self._config.keyword]).strip()
        message = {
            "msgtype": "markdown",
            "markdown": {
                "title": cut(harmless(title(notice)), MAX_TITLE_BYTES),
                "text": marked(notice, MARKUP, zone=self._zone, most_bytes=MAX_BYTES, end=end),
            },
            "at": {
                "atMobiles": [person for person in people if _is_mobile(person)],
                "atUserIds": [
                    person for person in people if not _is_mobile(person) and person != "all"
                ],
                "isAtAll": "all" in people,
            },
        }
        return orjson.dumps(message)


def _is_mobile(person: str) -> bool:
    # User ids can be figures too, but not eleven with a 1 in front.
    return re.fullmatch(r"\+[\d-]+|1\d{10}", person) is not None


def sign(secret: str, at: datetime) -> str:
    """``timestamp`` and ``sign`` as they stand in the address, encoded once."""
    stamp = str(round(at.timestamp() * 1000))
    digest = hmac.digest(secret.encode(), f"{stamp}\n{secret}".encode(), hashlib.sha256)
    return f"timestamp={stamp}&sign={quote(base64.b64encode(digest).decode(), safe='')}"
