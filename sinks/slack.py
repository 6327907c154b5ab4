"""Slack: a notice to a channel, by an incoming webhook.

Delivery: at least once; a webhook has no idempotency key, so every message ends with the notice's
own key, by which people tell a repeat.
Limits: one message a second, kept here; a section has at most 3,000 characters, so what exceeds
them is left out, the least important first.
Safety: what could be markup is shown by its full-width twin, and ``verbatim`` keeps Slack from
finding links and names by itself.
"""

from typing import Any

import orjson
from pydantic import Field, HttpUrl

from sinks.base import Notice
from sinks.notice_markup import MAX_TITLE_BYTES, Markup, cut, harmless, marked
from sinks.notice_text import title
from sinks.posting import Answer
from sinks.rate_limit import RateLimit
from sinks.robot import Code, Robot, RobotConfig, ServiceUrl, Token

__all__ = ["Slack"]

MAX_BYTES = 3_000
MAX_ERROR = 100
LIMITS = (RateLimit(1, 1),)

_GONE = Code("broken", "地址不可用，请检查", "has no such webhook or channel any more")
_REFUSED = Code("refused", "拒绝了内容", "refuses the content")
#: Errors are plain text.
CODES: dict[int | str, Code] = {
    "invalid_token": _GONE,
    "action_prohibited": _GONE,
    "no_service": _GONE,
    "no_service_id": _GONE,
    "channel_not_found": _GONE,
    "channel_is_archived": _GONE,
    "no_team": _GONE,
    "team_disabled": _GONE,
    "invalid_payload": _REFUSED,
    "invalid_blocks": _REFUSED,
    "no_text": _REFUSED,
}
MARKUP = Markup(
    title=lambda text: f"*{text}*",
    heading=lambda text: f"*{text}*",
    quote=lambda text: f"> {text}",
    link=lambda words, address: f"<{address.replace('&', '&amp;')}|{words}>",
)
_EVERYBODY = {"all": "<!channel>", "channel": "<!channel>", "here": "<!here>"}


class Slack(Robot["Slack.Config"]):
    """Tells a Slack channel."""

    class Config(RobotConfig):
        """Which webhook."""

        token: Token = Field(
            description="The part of the webhook's address behind /services/, with its slashes."
        )
        url: ServiceUrl = Field(
            HttpUrl("https://hooks.slack.com/services"), description="Address of the service."
        )

    LIMITS = LIMITS
    CODES = CODES
    OK = "ok"

    def _address(self) -> str:
        return f"{self._url}/{self._token.get_secret_value()}"

    def _body(self, notice: Notice) -> bytes:
        people = self._mentioned(notice)
        end = " ".join(_EVERYBODY.get(person, f"<@{person}>") for person in people)
        text = marked(notice, MARKUP, zone=self._zone, most_bytes=MAX_BYTES, end=end)
        message = {
            "text": cut(harmless(title(notice)), MAX_TITLE_BYTES),
            "blocks": [
                {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
            ],
        }
        return orjson.dumps(message)

    def _verdict(self, answer: Answer) -> tuple[Any, str]:
        return answer.text.strip()[:MAX_ERROR], ""
