"""Feishu (飞书) and Lark: a notice to a group, by its custom bot, as a rich text ("post").

Delivery: at least once; the bot has no idempotency key, so every message ends with the notice's own
key, by which people tell a repeat.
Limits: 5 messages a second and 100 a minute a bot, kept here; a body has at most 20 KB. The service
advises against full and half hours, when everybody's timers send.
Safety: the texts of a post are shown as they are, without markup. The three ways to secure a bot
all work: a signature (``secret``), a word (``keyword``) or a list of addresses.
"""

import base64
import hashlib
import hmac
from datetime import datetime
from typing import Any

import orjson
from pydantic import Field, HttpUrl

from schemas.language import say
from sinks.base import Notice
from sinks.notice_markup import MAX_LINE_BYTES, MAX_TITLE_BYTES, cut, harmless, link_of, told
from sinks.notice_text import title
from sinks.posting import Answer
from sinks.rate_limit import RateLimit
from sinks.robot import Code, Robot, SecuredConfig, ServiceUrl, Token

__all__ = ["Feishu", "sign"]

MAX_BYTES = 20_000
LIMITS = (RateLimit(5, 1), RateLimit(100, 60))

_SECURED = Code(
    "broken",
    "拒绝了签名、关键词或来源地址，请核对机器人的安全设置",
    "refuses signature, keyword or address: compare with the bot's safety settings",
)
CODES: dict[int | str, Code] = {
    9499: Code("refused", "拒绝了内容", "refuses the content"),
    11232: Code("later", "被限流，稍后再发", "is held back for sending too fast", 60),
    19001: Code("broken", "机器人不可用，请检查令牌", "has no such bot: look at its token"),
    19021: _SECURED,
    19022: _SECURED,
    19024: _SECURED,
}

Element = dict[str, Any]


class Feishu(Robot["Feishu.Config"]):
    """Tells a Feishu or Lark group."""

    class Config(SecuredConfig):
        """Which bot, and how it is secured."""

        token: Token = Field(description="The last part of the bot's address, behind /hook/.")
        url: ServiceUrl = Field(
            HttpUrl("https://open.feishu.cn/open-apis/bot/v2/hook"),
            description="Address of the service; Lark: "
            "https://open.larksuite.com/open-apis/bot/v2/hook.",
        )

    LIMITS = LIMITS
    CODES = CODES

    def _address(self) -> str:
        return f"{self._url}/{self._token.get_secret_value()}"

    def _body(self, notice: Notice) -> bytes:
        message: dict[str, Any] = {}
        if self._config.secret is not None:
            message |= sign(self._config.secret.get_secret_value(), self._now())
        shown, kept = self._rows(notice)
        post = {"title": cut(harmless(title(notice)), MAX_TITLE_BYTES), "content": [*shown, *kept]}
        message |= {"msg_type": "post", "content": {"post": {"zh_cn": post}}}
        body = orjson.dumps(message)
        while len(body) > MAX_BYTES and shown:
            shown.pop()
            post["content"] = [*shown, [{"tag": "text", "text": "…"}], *kept]
            body = orjson.dumps(message)
        return body

    def _rows(self, notice: Notice) -> tuple[list[list[Element]], list[list[Element]]]:
        """The lines, and those that are never left out."""
        shown: list[list[Element]] = []
        kept: list[list[Element]] = []
        for one in told(notice, self._zone):
            text = {"tag": "text", "text": cut(harmless(one.text), MAX_LINE_BYTES)}
            if one.kind == "pointer":
                kept.append([{"tag": "text", "text": cut(one.text, MAX_LINE_BYTES)}])
            elif one.kind == "link" and (found := link_of(one.text)) is not None:
                words = say(f"查看原帖 {found[0]}", f"see the post {found[0]}")
                shown.append([{"tag": "a", "text": words, "href": found[1]}])
            elif one.kind == "heading":
                shown.append([{**text, "style": ["bold"]}])
            else:
                shown.append([text])
        if self._config.keyword:
            kept.append([{"tag": "text", "text": self._config.keyword}])
        if people := self._mentioned(notice):
            kept.append([{"tag": "at", "user_id": person} for person in people])
        return shown, kept

    def _verdict(self, answer: Answer) -> tuple[Any, str]:
        reply = answer.json()
        code = reply.get("code", reply.get("StatusCode"))  # the older form of a success
        return code, str(reply.get("msg", reply.get("StatusMessage", "")))


def sign(secret: str, at: datetime) -> dict[str, str]:
    """``timestamp`` and ``sign`` of a body: the key holds both, the message is empty."""
    stamp = str(int(at.timestamp()))
    digest = hmac.digest(f"{stamp}\n{secret}".encode(), b"", hashlib.sha256)
    return {"timestamp": stamp, "sign": base64.b64encode(digest).decode()}
