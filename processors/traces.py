"""Which posts stand for a wave, and where it began.

Two small memories: ``Sample`` keeps five posts of any number, ``Thread`` the first known post of a
conversation. Both are bounded. Which posts a sample keeps depends on the posts alone and not on
their order, except between equal times or numbers of followers, where the first to arrive stays.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated

from processors.canonical import by_key
from processors.trail import Trail
from schemas.incident import Quote
from schemas.signals import Mention

__all__ = ["MAX_THREADS", "THREAD_AGE", "Sample", "Thread", "forget_threads", "quote", "trace"]

MAX_THREADS = 64
"""Threads remembered for one brand."""
CALM_THREADS = MAX_THREADS // 4
"""Room that complaints can't take from threads nobody complained in yet: the root of a crisis may
be a calm news item."""
THREAD_AGE = timedelta(hours=48)
"""A thread without a mention for that long is forgotten."""
_LOUDEST = 2
_TYPICAL = 2


def quote(mention: Mention) -> Quote:
    """The mention as evidence."""
    return Quote(
        post_id=mention.post_id,
        platform=mention.platform,
        kind=mention.kind,
        at=mention.event_at,
        author_name=mention.author_name,
        followers=mention.followers,
        mood=mention.mood,
        excerpt=mention.excerpt,
        url=mention.url,
    )


@dataclass(slots=True)
class Sample:
    """The first post, the two with most followers, and two typical ones.

    Typical are those with the smallest hash: a random sample (bottom-k), yet always the same one.
    Samples of parts merge to the sample of the whole.
    """

    first: Quote | None = None
    loudest: list[Quote] = field(default_factory=list)
    typical: list[tuple[int, Quote]] = field(default_factory=list)
    trail: Trail = field(default_factory=Trail)

    def offer(self, mention: Mention, post: int) -> None:
        """Keep the mention where it belongs; ``post`` is the hash of its id."""
        self.trail.speak(mention)
        self.trail.take_up(mention)
        # Most posts enter nothing, so the quote is made only when it is kept.
        if (
            self.first is None
            or mention.event_at < self.first.at
            or (mention.followers or 0) > (self.loudest[-1].followers or 0)
            or len(self.loudest) < _LOUDEST
            or post < self.typical[-1][0]
            or len(self.typical) < _TYPICAL
        ):
            self._keep(quote(mention), post)

    def merge(self, other: "Sample") -> None:
        """Take the other sample's posts in."""
        if other.first is not None:
            self._take_first(other.first)
        self._take_loud(*other.loudest)
        self._take_typical(*other.typical)
        self.trail.merge(other.trail)

    def quotes(self) -> tuple[Quote, ...]:
        """At most five different posts: the first, the loudest, the typical."""
        first = [self.first] if self.first is not None else []
        posts = [*first, *self.loudest, *(kept for _, kept in self.typical)]
        return tuple({kept.post_id: kept for kept in posts}.values())

    def _keep(self, new: Quote, post: int) -> None:
        self._take_first(new)
        self._take_loud(new)
        self._take_typical((post, new))

    def _take_first(self, new: Quote) -> None:
        if self.first is None or (new.at, new.post_id) < (self.first.at, self.first.post_id):
            self.first = new

    def _take_loud(self, *more: Quote) -> None:
        ranked = sorted(
            (*self.loudest, *more), key=lambda kept: (-(kept.followers or 0), kept.at, kept.post_id)
        )
        self.loudest = ranked[:_LOUDEST]

    def _take_typical(self, *more: tuple[int, Quote]) -> None:
        self.typical = sorted((*self.typical, *more), key=lambda kept: kept[0])[:_TYPICAL]


@dataclass(slots=True)
class Thread:
    """A conversation: the root if it was seen, else the earliest post known of it."""

    first: Quote
    last_at: datetime
    complained: bool = False
    """It holds a negative voice."""
    windows: Annotated[dict[int, tuple[int, int, int]], by_key] = field(default_factory=dict)
    """Open bucket to mentions, voices and negative voices of the thread in it."""
    trail: Trail = field(default_factory=Trail)
    """The root, and who spoke after it."""


def trace(threads: dict[str, Thread], mention: Mention, bucket: int, *, voice: bool) -> None:
    """Remember the mention's thread; when there is no room, the longest silent one is forgotten."""
    root = mention.root_id
    thread = threads.get(root)
    if thread is None:
        thread = Thread(first=quote(mention), last_at=mention.event_at)
        if len(threads) >= MAX_THREADS:
            _make_room(threads)
        threads[root] = thread
    elif _is_earlier(mention, thread.first, root):
        thread.first = quote(mention)
    if voice or mention.post_id == root:
        thread.trail.speak(mention)
    if mention.post_id != root:
        thread.trail.take_up(mention)
    thread.last_at = max(thread.last_at, mention.event_at)
    complaint = voice and mention.mood == "negative"
    thread.complained = thread.complained or complaint
    mentions, voices, negative = thread.windows.get(bucket, (0, 0, 0))
    thread.windows[bucket] = (mentions + 1, voices + voice, negative + complaint)


def forget_threads(threads: dict[str, Thread], bucket: int, now: datetime) -> None:
    """The bucket was closed at ``now``: drop its counts, and threads that fell silent."""
    for root in [root for root, thread in threads.items() if now - thread.last_at > THREAD_AGE]:
        del threads[root]
    for thread in threads.values():
        thread.windows.pop(bucket, None)


def _is_earlier(mention: Mention, first: Quote, root: str) -> bool:
    """The root is the first post, whatever its clock says."""
    if first.post_id == root:
        return False
    return mention.post_id == root or mention.event_at < first.at


def _make_room(threads: dict[str, Thread]) -> None:
    calm = [root for root, thread in threads.items() if not thread.complained]
    pool = calm if len(calm) > CALM_THREADS else [r for r in threads if threads[r].complained]
    del threads[min(pool, key=lambda root: (threads[root].last_at, root))]
