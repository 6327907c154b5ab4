"""The chain over a batch of posts, with replies that know what their roots are about.

A reply inherits the brands of its root. When the root comes later, or says something else since,
the replies that came before are read from ``posts.raw`` and judged again.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import structlog

from pipeline import metrics
from pipeline.record import Item
from pipeline.thread_log import ThreadLog
from processors.chain import Chain
from processors.threads import awaits_root
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.post import Post
from schemas.thread import Place, Root

__all__ = ["Judge", "Judged"]

#: Replies that are read, judged and written at a time: a hot root has hundreds.
AGAIN_TOGETHER = 500

log = structlog.get_logger()

Result = EnrichedPost | Drop


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in a batch."""

    results: list[Result]
    """One for each item, in order."""
    earlier: list[tuple[Item[Post], tuple[Place, ...]]]
    """Roots with news, and where the replies lie that were judged without them."""


class Judge:
    """Judges posts by the newest rules.

    ``chain`` is asked for before every batch, so a new rule set takes effect between two batches
    and never inside one.
    """

    def __init__(self, chain: Callable[[], Chain], threads: ThreadLog) -> None:
        self._chain = chain
        self._threads = threads

    async def judge(self, items: Sequence[Item[Post]]) -> Judged:
        """Judge a batch; what was learned of threads waits in ``threads``.

        Raises:
            RetryableError: Kafka is away.
        """
        chain = self._chain()
        if "brands" not in chain.models:  # nothing to inherit
            return Judged(chain.run([item.value for item in items]), [])
        # Roots first, so that replies of the same batch know them.
        others = [place for place, item in enumerate(items) if not awaits_root(item.value)]
        replies = [place for place, item in enumerate(items) if awaits_root(item.value)]
        results: dict[int, Result] = {}
        earlier = []
        for place, result in zip(
            others, chain.run([items[place].value for place in others]), strict=True
        ):
            results[place] = result
            if places := await self._hear(items[place], result):
                earlier.append((items[place], places))
        roots = await self._roots_of([items[place] for place in replies])
        results.update(
            zip(replies, chain.run([items[place].value for place in replies], roots), strict=True)
        )
        return Judged([results[place] for place in range(len(items))], earlier)

    async def judge_again(
        self, earlier: Iterable[tuple[Item[Post], tuple[Place, ...]]]
    ) -> AsyncIterator[tuple[Item[Post], list[Result]]]:
        """The replies to roots with news, some at a time, each with its root.

        A reply that cannot be judged any more keeps what was found in it before: its root is not to
        blame.

        Raises:
            RetryableError: Kafka is away.
        """
        chain = self._chain()
        for root, places in earlier:
            threads = await self._threads.of(root.record.partition)
            roots = {root.value.id: threads.root(root.value.id)}
            for some in _in_parts(places):
                replies = await self._read(root, some)
                try:
                    results = chain.run(replies, roots)
                except Exception:
                    log.exception("replies keep what was found before", root=root.value.id)
                    metrics.REPLIES.labels("failed").inc(len(replies))
                    continue
                yield root, results

    async def _hear(self, item: Item[Post], result: Result) -> tuple[Place, ...]:
        """Where the replies lie that this root's news concern."""
        if item.value.thread != item.value.id:
            return ()
        threads = await self._threads.of(item.record.partition)
        brands = result.brands if isinstance(result, EnrichedPost) else ()
        return threads.hear_root(item.value, brands)

    async def _roots_of(self, items: Iterable[Item[Post]]) -> dict[str, Root]:
        """What the roots of these replies name; the replies are remembered."""
        roots = {}
        for item in items:
            threads = await self._threads.of(item.record.partition)
            threads.hear_reply(item.value.thread, (item.record.offset, item.line))
            roots[item.value.thread] = threads.root(item.value.thread)
        return roots

    async def _read(self, root: Item[Post], places: Sequence[Place]) -> list[Post]:
        """The replies that lie there: each once, in its newest state."""
        newest: dict[str, Post] = {}
        for reply in await self._threads.posts_at(root.record.partition, places):
            # A place of an older topic of this name may hold anything.
            if awaits_root(reply) and reply.thread == root.value.id:
                before = newest.get(reply.id)
                if before is None or reply.revision >= before.revision:
                    newest[reply.id] = reply
        return list(newest.values())


def _in_parts(places: Sequence[Place]) -> Iterator[Sequence[Place]]:
    in_order = sorted(places)
    for start in range(0, len(in_order), AGAIN_TOGETHER):
        yield in_order[start : start + AGAIN_TOGETHER]
