"""Waiting between tries."""

import asyncio
import random
from collections.abc import Awaitable, Callable

__all__ = ["MOST_ASKED_OF_A_SOURCE_SECONDS", "MOST_ASKED_SECONDS", "Backoff"]


MOST_ASKED_SECONDS = 3_600.0
"""The longest wait that another side may ask for: a wrong header must not stop a role for ever."""
MOST_ASKED_OF_A_SOURCE_SECONDS = 86_400.0
"""Platforms count by the day, and who asks before its end may be shut out for longer."""


class Backoff:
    """Full-jitter exponential waits: random between 0 and 0.2 s, 0.4 s, ... up to 30 s."""

    def __init__(
        self,
        first_seconds: float = 0.2,
        most_seconds: float = 30.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._first = first_seconds
        self._most = most_seconds
        self._sleep = sleep
        self._tries = 0

    async def wait(
        self,
        at_least_seconds: float | None = None,
        *,
        most_asked_seconds: float = MOST_ASKED_SECONDS,
    ) -> None:
        """Wait before the next try; no shorter than the other side asked for, within reason."""
        span = min(self._most, self._first * 2 ** min(self._tries, 20))
        self._tries += 1
        await self._sleep(
            max(random.uniform(0, span), min(at_least_seconds or 0.0, most_asked_seconds))
        )
