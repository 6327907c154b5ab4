"""How often a channel may be used: several limits at once, kept before the other side minds."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["RateLimit", "RateLimiter"]


@dataclass(frozen=True, slots=True)
class RateLimit:
    """So many calls in any stretch of so many seconds."""

    calls: int
    seconds: float


class RateLimiter:
    """Sliding windows over the calls of one robot.

    Forgotten at a restart and not shared with others who use the same robot: its own answer has
    the last word.
    """

    def __init__(self, limits: Sequence[RateLimit], monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._windows = [(limit, deque[float](maxlen=limit.calls)) for limit in limits]

    def take(self) -> float:
        """Count one call and return 0; or return how long to wait, and count nothing."""
        now = self._monotonic()
        wait = max(
            (
                calls[0] + limit.seconds - now
                for limit, calls in self._windows
                if len(calls) == limit.calls
            ),
            default=0.0,
        )
        if wait > 0:
            return wait
        for _, calls in self._windows:
            calls.append(now)
        return 0.0
