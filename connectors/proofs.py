"""Whether those who push to us can still prove who they are.

A wrong token, or a clock that is off, refuses everything, and a source that refuses everything
looks like a calm one. So it is told as trouble when within ten minutes three requests failed for
one reason, and for ten minutes none succeeded. It ends with one that succeeds, or an hour after the
last that failed.

Anybody may knock at an address on the internet: a connector counts here only what has the form of
its platform's requests. Whoever forges that form can raise a false alarm where real requests are
rare; a real one ends it, and from then on it takes an hour without any.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from connectors.trouble import SourceError
from schemas.language import say

__all__ = ["AT_LEAST", "HOLD_SECONDS", "WINDOW_SECONDS", "Proofs", "wrong_clock"]

AT_LEAST = 3
"""WeChat tries a message three times."""
WINDOW_SECONDS = 600.0
HOLD_SECONDS = 3_600.0


@dataclass(slots=True)
class _Failures:
    """Of one reason, since a request succeeded."""

    message: str
    last: deque[float] = field(default_factory=lambda: deque(maxlen=AT_LEAST))
    many: bool = False
    """Once there were enough of them within the window."""

    def add(self, message: str, now: float) -> None:
        if self.last and now - self.last[-1] > HOLD_SECONDS:
            self.last.clear()
            self.many = False
        self.message = message
        self.last.append(now)
        self.many |= len(self.last) == AT_LEAST and now - self.last[0] <= WINDOW_SECONDS


class Proofs:
    """Which requests succeeded and which failed to prove who sends them."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: dict[str, _Failures] = {}
        self._succeeded_at: float | None = None
        self._patience = WINDOW_SECONDS
        self._told = False

    def succeeded(self) -> None:
        """A request was its platform's own, and could be read: no setting is wrong."""
        if self._told:
            self._told, self._patience = False, HOLD_SECONDS
        self._failures.clear()
        self._succeeded_at = self._now()

    def failed(self, reason: str, message: str) -> None:
        """A request had the form of the platform's; the message says which setting to check."""
        self._failures.setdefault(reason, _Failures(message)).add(message, self._now())

    def trouble(self) -> SourceError | None:
        """What is to be told now: the reason that failed last."""
        now = self._now()
        if self._succeeded_at is not None and now - self._succeeded_at < self._patience:
            return None
        standing = [
            (one.last[-1], one.message)
            for one in self._failures.values()
            if one.many and now - one.last[-1] < HOLD_SECONDS
        ]
        if not standing:
            return None
        self._told = True
        return SourceError("login", max(standing)[1])


def wrong_clock(off: float) -> str:
    """What to say when times of requests are refused; so many seconds is our clock ahead."""
    seconds = f"{abs(off):.0f}"
    return say(
        "请求的时间与本机时钟相差太大，已拒收；请校准时钟："
        f"本机时钟{'快' if off > 0 else '慢'} {seconds} 秒（也可能有外人重放旧请求）。",
        "requests are refused because their times are too far from this machine's clock; set it: "
        f"it is {seconds} s {'ahead' if off > 0 else 'behind'} (or strangers repeat old requests).",
    )
