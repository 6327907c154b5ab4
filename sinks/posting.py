"""One POST to a service that reaches people: its limits, and what the answer means.

Every channel over HTTP sends through a ``Poster``. No message of its errors holds an address
beyond the host, because path and query of such addresses are often the secret itself.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

import httpx
import orjson
from pydantic import SecretStr

from schemas.errors import (
    FatalError,
    RejectedError,
    RetryableError,
    TingchaoError,
    TooSoonError,
)
from schemas.language import say
from sinks.rate_limit import RateLimit, RateLimiter
from sinks.wording import clean

__all__ = ["BROKEN", "MASK", "SYSTEM", "Answer", "Clock", "Poster", "asked_wait"]

#: Answers are a code and a sentence; of one without end no more is read.
MAX_ANSWER_BYTES = 16 * 1024
MOST_DETAIL = 200
MASK = "**********"

BROKEN = frozenset({401, 403, 404, 410})
"""Statuses by which a service refuses the address or the key, whatever the notice says."""


@dataclass(frozen=True, slots=True)
class Clock:
    """Both ways to read the time: of day for signatures, monotonic for limits."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


SYSTEM = Clock()


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status < 300

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            found = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return {}
        return found if isinstance(found, dict) else {}


class Poster:
    """Posts for one channel and turns whatever goes wrong into the three kinds of error."""

    def __init__(
        self,
        name: str,
        host: str,
        client: httpx.AsyncClient,
        *,
        timeout_seconds: float,
        limits: Sequence[RateLimit] = (),
        hidden: Sequence[SecretStr] = (),
        clock: Clock = SYSTEM,
    ) -> None:
        self._name = name
        self._host = host
        self._client = client
        self._timeout_seconds = timeout_seconds
        self._limiter = RateLimiter(limits, clock.monotonic)
        self._hidden = tuple(hidden)
        self._now = clock.now

    async def post(
        self,
        url: str,
        content: bytes,
        headers: Mapping[str, str] = {},
        *,
        auth: tuple[str, str] | None = None,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Post JSON and return the answer, whatever its status; redirects are not followed.

        Raises:
            TooSoonError: the channel's own limit is reached.
            RetryableError: nobody answered.
        """
        if (wait := self._limiter.take()) > 0:
            zh, en = "已到发送频率上限，稍后再发", "waits for its rate limit"
            raise TooSoonError(str(self.later(zh, en)), retry_after_seconds=wait)
        try:
            async with self._client.stream(
                "POST",
                url,
                content=content,
                headers={"content-type": "application/json; charset=utf-8", **headers},
                timeout=self._timeout_seconds,
                follow_redirects=False,
                auth=auth or httpx.USE_CLIENT_DEFAULT,
            ) as answer:
                body = b""
                if most_bytes:
                    async for chunk in answer.aiter_bytes():
                        body += chunk
                        if len(body) >= most_bytes:
                            break
                return Answer(answer.status_code, answer.headers, body[:most_bytes])
        except httpx.HTTPError as failure:
            raise self.later(
                "没有送达", "not delivered", str(failure) or type(failure).__name__
            ) from failure

    def check(self, answer: Answer, *, broken: Collection[int] = BROKEN, detail: str = "") -> None:
        """Return on a 2xx.

        Raises:
            RetryableError: 3xx, 408, 425, 429, 5xx, with the wait that was asked for.
            FatalError: one of ``broken``.
            RejectedError: another 4xx.
        """
        if (error := self._error(answer, broken, detail)) is not None:
            raise error

    def _error(self, answer: Answer, broken: Collection[int], detail: str) -> TingchaoError | None:
        status = answer.status
        if answer.is_success:
            return None
        if status in broken:
            return self.broken(
                f"不再接受通知（{status}），要有人处理", f"wants a person ({status})", detail
            )
        if 300 <= status < 400:
            return self.later(
                f"对方要求转到别处（{status}），不跟随；请把 url 改成最终地址",
                f"answers with a redirect ({status}), which is not followed: set url to the "
                "final address",
            )
        if status in (408, 425, 429) or status >= 500 or status < 200:
            return self.later(
                f"暂时失败（{status}）",
                f"failed for now ({status})",
                detail,
                after=asked_wait(answer.headers.get("retry-after"), self._now()),
            )
        return self.refused(
            f"http_{status}", f"拒绝了通知（{status}）", f"refuses the notice ({status})", detail
        )

    def later(
        self, zh: str, en: str, detail: str = "", *, after: float | None = None
    ) -> RetryableError:
        """It may pass later."""
        return RetryableError(self._say(zh, en, detail), retry_after_seconds=after)

    def broken(self, zh: str, en: str, detail: str = "") -> FatalError:
        """Nothing passes until a person acts."""
        return FatalError(self._say(zh, en, detail))

    def refused(self, kind: str, zh: str, en: str, detail: str = "") -> RejectedError:
        """This notice can never pass."""
        return RejectedError(kind, self._say(zh, en, detail))

    def _say(self, zh: str, en: str, detail: str) -> str:
        more = clean(detail)
        for one in self._hidden:
            secret = one.get_secret_value()
            for form in (quote(secret, safe=""), quote(secret), secret):
                more = more.replace(form, MASK) if form else more
        more = f": {more[:MOST_DETAIL]}" if more else ""
        return say(
            f"通道 {self._name}（{self._host}）{zh}{more}",
            f"channel {self._name} ({self._host}) {en}{more}",
        )


def asked_wait(value: str | None, at: datetime) -> float | None:
    """The seconds that a ``Retry-After`` asks for, written as a number or as a date."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return max(0.0, (aware - at).total_seconds())
