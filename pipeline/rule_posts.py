"""Posts of the past, for rules to be tried on: from the index, or from a recording."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import timedelta
from itertools import islice
from pathlib import Path

from connectors.base import Unreadable
from connectors.drafts import DraftReader
from connectors.mapping_file import read_mapping
from pipeline.clock import now
from pipeline.endpoints import elasticsearch_client
from pipeline.settings import Settings
from processors.chain import Chain, build_chain
from processors.rule_trial import RULE_STEPS
from processors.threads import Threads, run_threads
from schemas.enriched import EnrichedPost
from schemas.post import Post
from schemas.rules import RuleSet

__all__ = ["all_but_rules", "enriched", "indexed_posts", "recorded_posts"]

_TOGETHER = 500


async def indexed_posts(settings: Settings, days: float) -> AsyncIterator[list[EnrichedPost]]:
    """What the index holds of the last days, as it was enriched then.

    Raises:
        FatalError, RetryableError: the index can't be read.
    """
    from sinks.search import Search

    index = elasticsearch_client(settings)
    try:
        since = now() - timedelta(days=days)
        async for posts in Search(index).every_post(since=since, page=_TOGETHER):
            yield posts
    finally:
        await index.close()


def recorded_posts(
    path: Path, mapping: Path | None, settings: Settings, rules: RuleSet
) -> Iterator[tuple[list[EnrichedPost], list[Unreadable]]]:
    """The posts of a file as the settings' chain enriches them, and the rows that are none.

    Brands are those of ``rules``. A post counts at the time that it claims.

    Raises:
        FatalError: the file or the mapping can't be used.
    """
    columns = read_mapping(mapping) if mapping is not None else None
    chain = all_but_rules(settings, rules)
    threads = Threads()
    with closing(DraftReader(path, columns, "try")) as items:
        drafts = (draft for _, draft in items if draft is not None)
        while some := list(islice(drafts, _TOGETHER)):
            bad = [draft for draft in some if isinstance(draft, Unreadable)]
            good = [draft for draft in some if not isinstance(draft, Unreadable)]
            posts = [Post(**dict(draft), observed_at=draft.published_at) for draft in good]
            yield enriched(chain, posts, threads), bad


def all_but_rules(settings: Settings, rules: RuleSet) -> Chain:
    """The settings' chain without the steps that ask rules or leave posts out."""
    enrich = settings.enrich
    steps = [name for name in enrich.chain if name not in (*RULE_STEPS, "relevance")]
    return build_chain(steps, enrich.options, rules)


def enriched(chain: Chain, posts: Sequence[Post], threads: Threads) -> list[EnrichedPost]:
    """What such a chain finds; ``threads``: of the posts before these."""
    found, _ = run_threads(chain, posts, [threads] * len(posts))
    return [post for post in found if isinstance(post, EnrichedPost)]
