"""PagerDuty, by its Events API v2: an incident triggers, its end resolves.

Delivery: at least once and idempotent: the incident's id is the ``dedup_key``, so each further
notice of it joins the alert that is open.
Limits: 120 events a minute an integration, kept here; a summary has 1,024 characters, an event
512 KB, far more than a notice. What is acknowledged here is not acknowledged there.
"""

import hashlib
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import orjson
from pydantic import Field, HttpUrl, SecretStr

from schemas.component import ComponentConfig
from schemas.zone import ZoneName
from sinks.base import Notice
from sinks.notice_markup import link_of
from sinks.notice_text import body, title
from sinks.posting import SYSTEM, Answer, Clock, Poster
from sinks.rate_limit import RateLimit
from sinks.robot import ServiceUrl

__all__ = ["PagerDuty"]

MAX_SUMMARY = 1_024
MAX_DEDUP_KEY = 255
MAX_BODY = 20_000
LIMITS = (RateLimit(120, 60),)
SEVERITIES = {1: "info", 2: "warning", 3: "error", 4: "critical", 5: "critical"}


class PagerDuty:
    """Triggers and resolves alerts of one service."""

    class Config(ComponentConfig):
        """Which integration."""

        routing_key: SecretStr = Field(
            min_length=32, max_length=32, description="Integration key, 32 signs. No default."
        )
        url: ServiceUrl = Field(
            HttpUrl("https://events.pagerduty.com/v2/enqueue"),
            description="Address of the service; EU: https://events.eu.pagerduty.com/v2/enqueue.",
        )
        time_zone: ZoneName = Field("Asia/Shanghai", description="Time zone of the times shown.")
        timeout_seconds: float = Field(10, gt=0, le=60, description="Wait for the answer.")

    def __init__(
        self, name: str, config: Config, client: httpx.AsyncClient, *, clock: Clock = SYSTEM
    ) -> None:
        self.name = name
        self._url = str(config.url)
        self._key = config.routing_key
        self._zone = ZoneInfo(config.time_zone)
        self._poster = Poster(
            name,
            config.url.host or "",
            client,
            timeout_seconds=config.timeout_seconds,
            limits=LIMITS,
            hidden=[self._key],
            clock=clock,
        )

    async def deliver(self, notice: Notice) -> None:
        """Send the event and return when it was queued; a trial is resolved at once.

        Raises:
            RetryableError: too fast, overloaded, or no answer.
            FatalError: the integration key is refused.
            RejectedError: the event itself is refused.
        """
        if notice.reason != "closed":
            await self._send(self._trigger(notice))
        if notice.reason == "closed" or notice.trial:
            await self._send(self._event(notice, "resolve"))

    async def _send(self, event: dict[str, Any]) -> None:
        answer = await self._poster.post(self._url, orjson.dumps(event))
        said = answer.json()
        detail = " ".join(str(part) for part in (said.get("message", ""), said.get("errors", "")))
        if answer.status == 400 and _is_about_the_key(detail):
            raise self._poster.broken("不认识 routing_key", "doesn't know the routing_key", detail)
        self._poster.check(answer, detail=detail)
        if _is_refused(answer):
            raise self._poster.later("没有收下", "didn't take the event", detail)

    def _event(self, notice: Notice, action: str) -> dict[str, Any]:
        key = notice.incident.id
        if len(key) > MAX_DEDUP_KEY:
            key = hashlib.sha256(key.encode()).hexdigest()
        return {
            "routing_key": self._key.get_secret_value(),
            "event_action": action,
            "dedup_key": key,
        }

    def _trigger(self, notice: Notice) -> dict[str, Any]:
        incident = notice.incident
        details: dict[str, Any] = {
            "notice": notice.key,
            "text": body(notice, zone=self._zone)[:MAX_BODY],
        }
        links = []
        if incident.kind != "source":
            totals = incident.totals
            details |= {
                "voices": totals.voices,
                "negative": totals.negative,
                "mentions": totals.mentions,
                "copies": totals.copies,
            }
            if (found := link_of(incident.first_post.url or "")) is not None:
                links = [{"href": found[1], "text": found[0]}]
        return {
            **self._event(notice, "trigger"),
            "client": "Tingchao",
            "links": links,
            "payload": {
                "summary": title(notice)[:MAX_SUMMARY],
                "source": "tingchao",
                "severity": "info" if notice.trial else SEVERITIES[incident.severity],
                "timestamp": incident.updated_at.astimezone(UTC).isoformat(),
                "component": notice.brand_name[:MAX_SUMMARY],
                "group": incident.source if incident.kind == "source" else incident.brand,
                "class": incident.kind,
                "custom_details": details,
            },
        }


def _is_about_the_key(detail: str) -> bool:
    return "routing key" in detail.lower().replace("_", " ")


def _is_refused(answer: Answer) -> bool:
    """A 200 of a proxy or a login page is no queued event."""
    return answer.json().get("status") != "success"
