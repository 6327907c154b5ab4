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
from processors.threads import awaits_root, run_threads
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.post import Post
from schemas.thread import Place

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
        partitions = {item.record.partition for item in items}
        threads = {number: await self._threads.of(number) for number in partitions}
        results, news = run_threads(
            chain,
            [item.value for item in items],
            [threads[item.record.partition] for item in items],
            [(item.record.offset, item.line) for item in items],
        )
        return Judged(results, [(items[number], places) for number, places in news.items()])

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
