"""Alertmanager, by its API v2: incidents as alerts, with its routes, silences and inhibition.

Delivery: at least once and idempotent: an alert is its labels, which are the incident's own.
Limits: an alert lives by being sent again, but a notice is sent once a step; so each carries its
own end, ``hold_hours`` away, which the notice of the incident's end brings forward. An incident
that lasts longer without a step is shown as resolved before it is.
Labels: ``alertname`` (TingchaoIncident or TingchaoSource), ``incident``, ``kind``, ``brand`` and
``role`` or ``source``, and ``severity``: ``critical`` from 4 on, else ``warning``. When that
changes, the alert with the other one ends.
"""

from datetime import datetime, timedelta
from typing import Any, Self
from urllib.parse import quote
from zoneinfo import ZoneInfo

import httpx
import orjson
from pydantic import Field, HttpUrl, SecretStr, model_validator

from schemas.component import ComponentConfig
from schemas.language import say
from schemas.zone import ZoneName
from sinks.base import Notice
from sinks.notice_markup import link_of
from sinks.notice_text import body, title
from sinks.posting import SYSTEM, Clock, Poster
from sinks.robot import is_loopback
from sinks.wording import clean

__all__ = ["Alertmanager", "alerts"]

CRITICAL_FROM = 4
TRIAL = timedelta(minutes=1)
_PATH = "/api/v2/alerts"


class Alertmanager:
    """Fires and resolves alerts in one Alertmanager."""

    class Config(ComponentConfig):
        """Where it is, and how to log in."""

        url: HttpUrl = Field(
            description="Its address, e.g. http://alertmanager:9093; of a cluster, one channel for "
            "each member. No default: it is yours."
        )
        username: str | None = Field(None, description="User, where a proxy in front asks.")
        password: SecretStr | None = Field(None, description="Password of that user.")
        hold_hours: float = Field(
            24, gt=0, le=720, description="How long an alert stays without news of its incident."
        )
        time_zone: ZoneName = Field("Asia/Shanghai", description="Time zone of the times shown.")
        timeout_seconds: float = Field(10, gt=0, le=60, description="Wait for the answer.")

        @model_validator(mode="after")
        def _check(self) -> Self:
            if (self.username is None) != (self.password is None):
                raise ValueError(
                    say("username 和 password 要一起填", "give username and password together")
                )
            if self.password and self.url.scheme != "https" and not is_loopback(self.url.host):
                raise ValueError(
                    say(
                        "有密码时 url 必须以 https:// 开头",
                        "with a password, url must begin with https://",
                    )
                )
            return self

    def __init__(
        self, name: str, config: Config, client: httpx.AsyncClient, *, clock: Clock = SYSTEM
    ) -> None:
        self.name = name
        self._url = str(config.url).rstrip("/") + _PATH
        self._zone = ZoneInfo(config.time_zone)
        self._hold = timedelta(hours=config.hold_hours)
        self._now = clock.now
        self._user, self._password = config.username, config.password
        self._poster = Poster(
            name,
            config.url.host or "",
            client,
            timeout_seconds=config.timeout_seconds,
            hidden=[config.password] if config.password else (),
            clock=clock,
        )

    async def deliver(self, notice: Notice) -> None:
        """Post the alert and return when it was taken.

        Raises:
            RetryableError: overloaded, or no answer.
            FatalError: wrong address or login.
            RejectedError: the alert itself is refused.
        """
        told = alerts(notice, self._now(), self._hold, self._zone)
        login = None
        if self._user is not None and self._password is not None:
            login = (self._user, self._password.get_secret_value())
        answer = await self._poster.post(self._url, orjson.dumps(told), auth=login)
        # An object when a field is missing, a bare sentence when its content is wrong.
        self._poster.check(answer, detail=str(answer.json().get("message") or answer.text))


def alerts(notice: Notice, at: datetime, hold: timedelta, zone: ZoneInfo) -> list[dict[str, Any]]:
    """The alert of a notice and, from the second step on, the end of its other severity."""
    incident = notice.incident
    labels = _labels(notice)
    ends_at = at if notice.reason == "closed" else at + (TRIAL if notice.trial else hold)
    own: dict[str, Any] = {
        "labels": labels,
        "annotations": {
            "summary": title(notice),
            "description": body(notice, zone=zone),
            "brand_name": clean(notice.brand_name),
            "severity": str(incident.severity),
            "notice": notice.key,
        },
        "startsAt": min(incident.opened_at, at).isoformat(),
        "endsAt": ends_at.isoformat(),
        "generatorURL": _origin(notice),
    }
    if notice.trial or incident.revision == 1:
        return [own]
    other = "warning" if labels["severity"] == "critical" else "critical"
    return [own, {**own, "labels": {**labels, "severity": other}, "endsAt": at.isoformat()}]


def _labels(notice: Notice) -> dict[str, str]:
    incident = notice.incident
    labels = {
        "alertname": "TingchaoIncident",
        "incident": incident.id,
        "kind": incident.kind,
        "severity": "critical" if incident.severity >= CRITICAL_FROM else "warning",
    }
    if notice.trial:
        return {**labels, "alertname": "TingchaoTrial", "severity": "info"}
    if incident.kind == "source":
        return {**labels, "alertname": "TingchaoSource", "source": clean(incident.source)}
    return {**labels, "brand": incident.brand, "role": incident.role}


def _origin(notice: Notice) -> str:
    """An address, since Alertmanager asks for one: the first post, else our own name of it."""
    incident = notice.incident
    if incident.kind != "source" and (found := link_of(incident.first_post.url or "")) is not None:
        return found[1]
    return f"tingchao:incident/{quote(incident.id)}"
