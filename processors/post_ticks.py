"""Time for posts that come without one: the ticks that a line would have had.

Posts in order of event time become one lane of ``signals`` whose clock is the posts' own: before
the first post of a minute stands a tick of that minute. Through a silence it goes on minute by
minute, for as long as any incident may last; behind that it jumps.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from schemas.signals import Tick

__all__ = ["PostTicks"]

MINUTE = timedelta(minutes=1)
LONGEST_SILENCE = timedelta(days=8)
"""Longer than an incident stays open without a post, and closed ones can be named."""


class PostTicks:
    """The clock of one replay."""

    def __init__(self) -> None:
        self._last: datetime | None = None

    def before(self, event_at: datetime) -> Iterator[Tick]:
        """The ticks that stand before a post of this time; none where it is not later."""
        minute = event_at.replace(second=0, microsecond=0)
        if self._last is None:
            self._last = minute - MINUTE
        elif minute - self._last > LONGEST_SILENCE:
            end = self._last + LONGEST_SILENCE
            while self._last < end:
                yield self._next()
            self._last = minute - MINUTE
        while self._last < minute:
            yield self._next()

    def _next(self) -> Tick:
        assert self._last is not None
        self._last += MINUTE
        return Tick.unchecked(type="tick", at=self._last, lane=0, lanes=1)
