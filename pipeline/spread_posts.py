"""The posts of one thread, out of the index or a recording; in both the same thread."""

from contextlib import aclosing, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from connectors.base import Unreadable
from connectors.drafts import DraftReader
from connectors.mapping_file import read_mapping
from pipeline.endpoints import elasticsearch_client
from pipeline.settings import Settings
from processors.spread_thread import SpreadPost, spread_post, thread_of
from schemas.errors import FatalError
from schemas.language import say

if TYPE_CHECKING:
    from sinks.search import Search

__all__ = ["FoundThread", "indexed_thread", "recorded_thread"]

MOST_RECORDED = 1_000_000
"""Posts of a recording that are kept in memory, some 700 bytes each."""
_TOGETHER = 1_000
_MOST_STEPS = 50
"""Up to the root; a platform has two or three."""


@dataclass(frozen=True, slots=True)
class FoundThread:
    """A thread as far as it was collected."""

    root: str
    posts: list[SpreadPost]
    unreadable: int = 0
    """Rows of the recording that are no posts."""


async def indexed_thread(settings: Settings, post_id: str, most: int) -> FoundThread:
    """The thread of a post, from the index.

    Raises:
        FatalError: nothing is known of the post, or the thread has more posts than ``most``.
        RetryableError: the index is away.
    """
    from sinks.search import Search

    index = elasticsearch_client(settings)
    try:
        return await _found(Search(index), post_id, most)
    finally:
        await index.close()


async def _found(search: "Search", post_id: str, most: int) -> FoundThread:
    open_ids = await _upwards(search, post_id)
    posts: dict[str, SpreadPost] = {}
    asked: set[str] = set()
    # Comments on a repost name the repost as their root, so what was found is asked for in turn.
    while open_ids:
        some = set(sorted(open_ids)[:_TOGETHER])
        open_ids -= some
        asked |= some
        async with aclosing(search.relatives(some)) as pages:
            async for page in pages:
                for found in page:
                    post = spread_post(found)
                    posts[post.id] = max(post, posts.get(post.id, post))
                    open_ids |= {post.id, post.parent_id} - asked - {""}
                if len(posts) > most:
                    raise _too_many(most)
    return _thread(list(posts.values()), post_id, most)


async def _upwards(search: "Search", post_id: str) -> set[str]:
    """The post and what stands above it."""
    ids = [post_id]
    for _ in range(_MOST_STEPS):
        post = await search.post(ids[-1])
        above = post and (post.root_id or post.parent_id)
        if not above or above in ids:
            break
        ids.append(above)
    return set(ids)


def recorded_thread(path: Path, mapping: Path | None, post_id: str, most: int) -> FoundThread:
    """The thread of a post, from a recording.

    Raises:
        FatalError: the file can't be used or is too long, it does not know the post, or the thread
            has more posts than ``most``.
    """
    columns = read_mapping(mapping) if mapping is not None else None
    posts: list[SpreadPost] = []
    unreadable = 0
    with closing(DraftReader(path, columns, "spread")) as items:
        for _, draft in items:
            if isinstance(draft, Unreadable):
                unreadable += 1
            elif draft is not None:
                posts.append(spread_post(draft))
            if len(posts) > MOST_RECORDED:
                raise FatalError(
                    say(
                        f"{path} 有 {MOST_RECORDED:,} 条以上的帖子，放不进内存；请先导入，再从"
                        "索引里查（不加 --file）。",
                        f"{path} has more than {MOST_RECORDED:,} posts, too many for memory; "
                        "import it and ask the index (without --file).",
                    )
                )
    return _thread(posts, post_id, most, unreadable)


def _thread(posts: list[SpreadPost], post_id: str, most: int, unreadable: int = 0) -> FoundThread:
    root, members = thread_of(posts, post_id)
    if not members:
        raise FatalError(
            say(
                f"没有帖子 {post_id}，也没有接在它后面的帖子；用 tingchao search --json 查 id。",
                f"There is no post {post_id} and none that answers it; find ids with "
                "`tingchao search --json`.",
            )
        )
    if len(members) > most:
        raise _too_many(most)
    return FoundThread(root, members, unreadable)


def _too_many(most: int) -> FatalError:
    return FatalError(
        say(
            f"这个话题串有 {most:,} 条以上的帖子；只看一部分，树和数字都会是错的。请用 --limit 提高"
            "上限。",
            f"This thread has more than {most:,} posts; a part of them would give a wrong tree and "
            "wrong numbers. Raise the bound with --limit.",
        )
    )
