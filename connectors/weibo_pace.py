"""How often Weibo may be looked at, so that the calls of a day last the day."""

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.weibo_lists import ENDPOINTS, Watch

__all__ = ["Pace", "seconds_of"]

DAY_SECONDS = 86_400.0
SPARE = 0.1
"""Part of a day's calls that is kept back, so that a look finds those that it may need."""


@dataclass(frozen=True, slots=True)
class Pace:
    """What looks cost, in calls."""

    each_look: int
    """Every look takes these: one per list, and two for those whose end only a page below shows."""
    most: int
    """No look takes more, but for further pages."""
    seldom: tuple[float, ...] = ()
    """Pauses, in seconds, of what takes one more call now and then: re-checks, token checks."""

    @classmethod
    def of(
        cls,
        watch: Sequence[Watch],
        *,
        comments_of_posts: int,
        long_texts: bool,
        seldom: Sequence[float],
    ) -> "Pace":
        """The pace for some lists."""
        each_look = sum(2 if ENDPOINTS[one.what].down == "page" else 1 for one in watch)
        each_look += comments_of_posts * sum(one.comments for one in watch)
        posts = sum(ENDPOINTS[one.what].key != "comments" for one in watch)
        most = each_look + len(seldom) + (posts if long_texts else 0)
        return cls(each_look, most, tuple(sorted(seldom)))

    def seconds(self, calls_per_day: int) -> float:
        """The shortest pause between two looks with which a day's calls last the day.

        Further pages and long texts come on top: they are paid for by a longer pause.
        """
        price = seconds_of(1, calls_per_day)
        paces = []
        for count in range(len(self.seldom) + 1):
            # The most frequent ones with every look, the others by the clock, whatever is less.
            left = 1 - sum(price / one for one in self.seldom[count:])
            if left > 0:
                paces.append(price * (self.each_look + count) / left)
        return min(paces)


def seconds_of(calls: int, calls_per_day: int) -> float:
    """The part of the day that so many calls are worth."""
    return calls * DAY_SECONDS / (calls_per_day * (1 - SPARE)) if calls_per_day else 0.0
