"""The chain over a batch of posts, with replies that know what their roots are about.

A reply inherits the brands of its root. When the root comes later, or says something else since,
the replies that came before are read from ``posts.raw`` and judged again.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pipeline.record import Item
from pipeline.thread_log import ThreadLog
from processors.chain import Chain
from processors.threads import awaits_root
from schemas.dead_letter import Drop
from schemas.enriched import BrandTag, EnrichedPost
from schemas.post import Post
from schemas.thread import Place

__all__ = ["Judge", "Judged"]


@dataclass(slots=True)
class Judged:
    """What was found in a post and, when it is a root with news, in the replies before it."""

    result: EnrichedPost | Drop
    replies: Sequence[EnrichedPost | Drop] = field(default=())


class Judge:
    """Judges posts by the newest rules.

    ``chain`` is asked for before every batch, so a new rule set takes effect between two batches
    and never inside one.
    """

    def __init__(self, chain: Callable[[], Chain], threads: ThreadLog) -> None:
        self._chain = chain
        self._threads = threads

    async def judge(self, items: Sequence[Item[Post]]) -> list[Judged]:
        """One result per item, in order; what was learned of threads waits in ``threads``.

        Raises:
            RetryableError: Kafka is away.
        """
        chain = self._chain()
        if "brands" not in chain.models:  # nothing to inherit
            return [Judged(result) for result in chain.run([item.value for item in items])]
        judged: dict[int, Judged] = {}
        # Roots first, so that replies of the same batch know them.
        replies = [place for place, item in enumerate(items) if awaits_root(item.value)]
        others = [place for place, item in enumerate(items) if not awaits_root(item.value)]
        for place, result in zip(
            others, chain.run([items[place].value for place in others]), strict=True
        ):
            judged[place] = Judged(result)
        earlier = await self._hear_roots(items, {place: judged[place].result for place in others})
        roots = await self._hear_replies([items[place] for place in replies])
        for place, result in zip(
            replies, chain.run([items[place].value for place in replies], roots), strict=True
        ):
            judged[place] = Judged(result)
        for place, posts in (await self._read(items, earlier)).items():
            root = items[place].value.id
            brands = (await self._threads.of(items[place].record.partition)).brands_of(root)
            judged[place].replies = chain.run(posts, {root: brands})
        return [judged[place] for place in range(len(items))]

    async def _hear_roots(
        self, items: Sequence[Item[Post]], results: Mapping[int, EnrichedPost | Drop]
    ) -> dict[int, tuple[Place, ...]]:
        """The places of the replies that each root's news concern, by the root's own."""
        earlier = {}
        for place, result in results.items():
            if isinstance(result, EnrichedPost) and result.thread == result.id:
                threads = await self._threads.of(items[place].record.partition)
                if places := threads.hear_root(result):
                    earlier[place] = places
        return earlier

    async def _hear_replies(self, items: Iterable[Item[Post]]) -> dict[str, tuple[BrandTag, ...]]:
        """What the roots of these replies name."""
        roots = {}
        for item in items:
            threads = await self._threads.of(item.record.partition)
            threads.hear_reply(item.value.thread, (item.record.offset, item.line))
            roots[item.value.thread] = threads.brands_of(item.value.thread)
        return roots

    async def _read(
        self, items: Sequence[Item[Post]], earlier: Mapping[int, Iterable[Place]]
    ) -> dict[int, list[Post]]:
        """The replies that lie there: each once, in its newest state."""
        wanted: dict[int, set[Place]] = defaultdict(set)
        for place, places in earlier.items():
            wanted[items[place].record.partition].update(places)
        # One after another: they share a reader.
        there = {
            partition: await self._threads.posts_at(partition, places)
            for partition, places in wanted.items()
        }
        replies = {}
        for place, places in earlier.items():
            item = items[place]
            newest: dict[str, Post] = {}
            for reply in map(there[item.record.partition].get, places):
                # A place of an older topic of this name may hold anything.
                if reply is not None and awaits_root(reply) and reply.thread == item.value.id:
                    before = newest.get(reply.id)
                    if before is None or reply.revision >= before.revision:
                        newest[reply.id] = reply
            replies[place] = list(newest.values())
        return replies
