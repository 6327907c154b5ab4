"""Writes today's matches onto posts of the past.

Delivery: at least once, idempotent. A post goes through ``posts.enriched`` again, under its id and
revision: the index replaces the document by one of the same version and never a newer one, so
there are no duplicates, and a post that was seen again meanwhile, or whose root came meanwhile,
keeps its newer state. Nothing goes to ``signals``: history raises no alarm. Only matches change;
brands and mood stay as they were found. Limit: a post that a worker judges by old rules while this
runs is not written again; a second run does that, and writes nothing else.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from pipeline.kafka import Entry, Kafka, LineWriter
from processors.rule_trial import RuleJudge
from schemas.enriched import EnrichedPost
from schemas.topics import partition_of

__all__ = ["Retagged", "retag"]


@dataclass
class Retagged:
    """How much there was to do."""

    looked_at: int = 0
    written: int = 0


async def retag(
    kafka: Kafka, judge: RuleJudge, pages: AsyncIterator[Sequence[EnrichedPost]]
) -> Retagged:
    """Write every post again whose matches are not those that the rules find now.

    Raises:
        RetryableError, FatalError: Kafka or the index is away; what was written stays, do it again.
    """
    done = Retagged()
    writer = LineWriter(kafka)
    await writer.start()
    try:
        partitions = await writer.partitions("posts.enriched")
        async for posts in pages:
            entries = []
            for before, after in zip(posts, judge.judge(posts), strict=True):
                if after.matches != before.matches:
                    line = after.replaced(models=before.models | judge.models).to_line()
                    key = after.id.encode()
                    entries.append(Entry(partition_of(key, partitions), line, key))
            await writer.write({"posts.enriched": entries})
            done.looked_at += len(posts)
            done.written += len(entries)
    finally:
        await writer.stop()
    return done
