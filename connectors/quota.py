"""How often a platform may be asked: several limits at once, kept before the platform minds."""

import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.language import say

__all__ = ["Limit", "Quota", "span", "used_up"]

_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls in any stretch of so many seconds."""

    calls: int
    seconds: float


class Quota:
    """Sliding windows over the calls of one token or address.

    Not shared between processes and forgotten at a restart: the platform's own answer has the last
    word, and ``empty`` tells the quota of it.
    """

    def __init__(
        self,
        limits: Sequence[Limit],
        now: Callable[[], datetime],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._now = now
        self._sleep = sleep
        self._calls: list[tuple[Limit, deque[datetime]]] = [(one, deque()) for one in limits]
        self._empty_until: datetime | None = None
        self._last = now()

    async def take(self) -> None:
        """Wait until one more call is allowed, and count it."""
        while (wait := self.wait_seconds()) > 0:
            await self._sleep(wait)
        self.spend()

    def spend(self) -> None:
        """Count one call, of whoever asked ``wait_seconds`` before."""
        now = self._time()
        for _, calls in self._calls:
            calls.append(now)

    def left(self) -> int | None:
        """Calls that are allowed at once; None without limits."""
        now = self._time()
        if self._empty_until is not None and now < self._empty_until:
            return 0
        return min(
            (limit.calls - _within(limit, calls, now) for limit, calls in self._calls), default=None
        )

    def wait_seconds(self, wanted: int = 1) -> float:
        """How long until so many calls are allowed, or all that ever are; 0: at once."""
        now = self._time()
        waits = [timedelta(0)]
        if self._empty_until is not None:
            waits.append(self._empty_until - now)
        for limit, calls in self._calls:
            too_many = _within(limit, calls, now) + min(wanted, limit.calls) - limit.calls
            if too_many > 0:
                waits.append(timedelta(seconds=limit.seconds) - (now - calls[too_many - 1]))
        return max(waits).total_seconds()

    def empty(self, seconds: float) -> None:
        """The platform says that nothing is left for so long; at most a day is believed."""
        self._empty_until = self._time() + timedelta(seconds=min(max(seconds, 0.0), _DAY_SECONDS))

    def _time(self) -> datetime:
        """Now; a clock that is set back must not stop the source, so all is set back with it."""
        now = self._now()
        if now < self._last:
            ahead = self._last - now
            self._calls = [(one, deque(at - ahead for at in calls)) for one, calls in self._calls]
            if self._empty_until is not None:
                self._empty_until -= ahead
        self._last = now
        return now


def span(seconds: float) -> str:
    """A wait in words, rounded up: nobody reckons with 858 minutes."""
    for size, most, zh, en in ((1, 90, "秒", "s"), (60, 90, "分钟", "min")):
        if (count := math.ceil(seconds / size)) <= most:
            return say(f"{count} {zh}", f"{count} {en}")
    return say(f"{math.ceil(seconds / 3_600)} 小时", f"{math.ceil(seconds / 3_600)} h")


def used_up(wait_seconds: float) -> str:
    """The sentence for a source whose calls, as the settings count them, are used up."""
    wait = span(wait_seconds)
    return say(
        f"设置的调用次数已用完，{wait}后自动继续，不用处理；常出现请调大 every_seconds。",
        f"the calls in the settings are used up; it goes on by itself in {wait}. If that comes "
        "often, raise every_seconds.",
    )


def _within(limit: Limit, calls: "deque[datetime]", now: datetime) -> int:
    """Calls in the last stretch; older ones are forgotten."""
    since = now - timedelta(seconds=limit.seconds)
    while calls and calls[0] <= since:
        calls.popleft()
    return len(calls)
