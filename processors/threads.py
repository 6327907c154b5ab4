"""Threads: a reply is about what its root is about, whichever of the two arrives first.

A reply that does not quote its root names at most half of what it speaks of: 我的也是. It inherits
the brands that the root names, as a repost inherits those of the text that it quotes
(``processors/brands.py``). Platforms deliver comments before posts and posts before comments, so
both are remembered: what a root names, for the replies to come, and where the replies lie that are
there already, so that they can be judged again.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from processors.chain import Chain
from schemas.dead_letter import Drop
from schemas.enriched import BrandRole, BrandTag, EnrichedPost
from schemas.post import Post
from schemas.thread import MAX_REPLIES, Place, Root, Thread

__all__ = ["MAX_REMEMBERED", "Threads", "awaits_root", "run_threads"]

MAX_REMEMBERED = 50_000
"""Roots and places of replies that are remembered of one partition: some 17 MiB."""


def awaits_root(post: Post) -> bool:
    """Whether a post says less than its root, which it does not quote."""
    return post.root_id is not None and post.root_id != post.id and not post.root_text


@dataclass(slots=True)
class _Known:
    """A thread in memory; 50,000 of them must be cheap."""

    revision: int | None = None
    brands: tuple[BrandTag, ...] = ()
    news: int = 0
    replies: list[Place] = field(default_factory=list)


class Threads:
    """The threads of one partition of ``posts.raw`` that were touched last.

    What it knows is the same whatever the order in which roots and replies were heard; a root's
    newest revision counts, and a deleted one keeps what it named. When there are too many, the
    threads that were touched longest ago are forgotten.

    Limits: a root that names nothing is not remembered, so an older state of it that names
    something, and that comes later, is believed. A repost is nobody's root here: its thread is that
    of what it reposts, and comments on it that name the repost as their root inherit nothing.
    """

    def __init__(self, most: int = MAX_REMEMBERED) -> None:
        self._most = most
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._size = 0
        self._touched: dict[str, None] = {}

    def __len__(self) -> int:
        return len(self._known)

    def restore(self, root_id: str, thread: Thread | None) -> None:
        """Take over what was kept, in the order in which it was written."""
        if (before := self._known.pop(root_id, None)) is not None:
            self._size -= _size(before)
        if thread is None:
            return
        brands = tuple(_inherited(tag.brand, tag.role, tag.confidence) for tag in thread.brands)
        known = _Known(thread.revision, brands, thread.news, list(thread.replies))
        self._known[root_id] = known
        self._size += _size(known)
        self._forget_oldest()

    def root(self, root_id: str) -> Root:
        """What a reply to this root inherits."""
        known = self._known.get(root_id)
        return Root(known.brands, known.news) if known is not None else Root()

    def hear_root(self, post: Post, tags: Sequence[BrandTag]) -> tuple[Place, ...]:
        """Remember what a root names; the places of all replies that are to be judged again."""
        known = self._known.get(post.id)
        if post.deleted or (known is None and not tags):
            return ()
        if known is not None and known.revision is not None and post.revision <= known.revision:
            return ()
        known = self._touch(post.id)
        known.revision = post.revision
        brands = tuple(_inherited(tag.brand, tag.role, tag.confidence) for tag in tags)
        if brands == known.brands:
            return ()
        known.brands = brands
        known.news += 1
        return tuple(known.replies)

    def hear_reply(self, root_id: str, place: Place) -> None:
        """Remember where a reply lies."""
        known = self._known.get(root_id)
        if known is not None and place in known.replies:
            return
        known = self._touch(root_id)
        known.replies.append(place)
        self._size += 1
        if len(known.replies) > MAX_REPLIES:
            del known.replies[0]
            self._size -= 1

    def changes(self) -> Iterator[tuple[str, Thread | None]]:
        """What is to be kept since the last call; ``None``: forgotten."""
        self._forget_oldest()
        for root_id in self._touched:
            yield root_id, self._thread(root_id)
        self._touched = {}

    def _thread(self, root_id: str) -> Thread | None:
        known = self._known.get(root_id)
        if known is None:
            return None
        return Thread.unchecked(
            revision=known.revision,
            brands=known.brands,
            news=known.news,
            replies=tuple(known.replies),
        )

    def _touch(self, root_id: str) -> _Known:
        known = self._known.get(root_id)
        if known is None:
            known = self._known[root_id] = _Known()
            self._size += 1
        else:
            self._known.move_to_end(root_id)
        self._touched[root_id] = None
        return known

    def _forget_oldest(self) -> None:
        while self._size > self._most:
            root_id, known = self._known.popitem(last=False)
            self._size -= _size(known)
            self._touched[root_id] = None


def run_threads(
    chain: Chain,
    posts: Sequence[Post],
    threads: Sequence[Threads],
    places: Sequence[Place] | None = None,
) -> tuple[list[EnrichedPost | Drop], dict[int, tuple[Place, ...]]]:
    """The chain over posts: roots first, so that replies beside them know them.

    ``threads``: for each post the memory that it belongs to, which learns what the roots name.
    ``places``: where each post lies; without them replies are not remembered. Gives one result per
    post, in order, and by the number of a root with news where the replies lie that lack them.
    """
    replies = [number for number, post in enumerate(posts) if awaits_root(post)]
    others = [number for number, post in enumerate(posts) if not awaits_root(post)]
    results: dict[int, EnrichedPost | Drop] = {}
    news: dict[int, tuple[Place, ...]] = {}
    for number, found in zip(others, chain.run([posts[n] for n in others]), strict=True):
        results[number] = found
        post = posts[number]
        if post.thread == post.id:
            brands = found.brands if isinstance(found, EnrichedPost) else ()
            if waiting := threads[number].hear_root(post, brands):
                news[number] = waiting
    roots = {}
    for number in replies:
        root_id = posts[number].thread
        if places is not None:
            threads[number].hear_reply(root_id, places[number])
        roots[root_id] = threads[number].root(root_id)
    found_replies = chain.run([posts[n] for n in replies], roots)
    results.update(zip(replies, found_replies, strict=True))
    return [results[number] for number in range(len(posts))], news


def _size(known: _Known) -> int:
    return 1 + len(known.replies)


@lru_cache(maxsize=10_000)  # one object for all roots that name the same
def _inherited(brand: str, role: BrandRole, confidence: float) -> BrandTag:
    return BrandTag.unchecked(
        brand=brand, role=role, inherited=True, confidence=confidence, reason="root"
    )
