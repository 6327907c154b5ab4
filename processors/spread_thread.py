"""What the tree of a thread is made of: its posts, without what the tree does not need."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from processors.spread_names import chain_of_names
from schemas.post import PostDraft

__all__ = ["SpreadPost", "newest_of", "spread_post", "thread_of"]

_EXCERPT = 60


class SpreadPost(NamedTuple):
    """What the tree needs of a post; a quarter of its size."""

    id: str
    revision: int
    at: datetime
    """``published_at``: all posts of a thread stand under one platform's clock, and the event time
    of posts that were found late is clamped to one moment."""
    platform: str
    kind: str
    parent_id: str
    root_id: str
    author_id: str
    author_name: str
    followers: int
    """-1: not known."""
    verified: bool
    author_kind: str
    deleted: bool
    names: tuple[str, ...]
    excerpt: str


def spread_post(post: PostDraft) -> SpreadPost:
    """The part of a post that the tree needs."""
    author = post.author
    names = chain_of_names(post.platform, post.kind, post.text)
    # What others wrote stands in the tree already.
    own = post.text.partition("//@")[0] if names else post.text
    return SpreadPost(
        id=post.id,
        revision=getattr(post, "revision", 0),
        at=post.published_at,
        platform=post.platform,
        kind=post.kind,
        parent_id=post.parent_id or "",
        root_id=post.root_id or "",
        author_id=author.id,
        author_name=author.name or "",
        followers=-1 if author.followers is None else author.followers,
        verified=author.verified is True,
        author_kind=getattr(post, "author_kind", None) or "",
        deleted=post.deleted,
        names=names,
        excerpt=(post.title or own)[:_EXCERPT],
    )


def thread_of(posts: Iterable[SpreadPost], start: str) -> tuple[str, list[SpreadPost]]:
    """The root of a post's thread among the posts, and all posts that belong to it.

    They belong by what they name as root or parent, over any number of steps: a comment on a
    repost names the repost as its root. The root may be none of the posts.
    """
    newest = newest_of(posts)
    top, passed = start, {start}
    while (post := newest.get(top)) and (up := post.root_id or post.parent_id):
        if up in passed:
            break
        passed.add(up)
        top = up
    answers: dict[str, list[str]] = defaultdict(list)
    for post in newest.values():
        for above in {post.root_id, post.parent_id} - {"", post.id}:
            answers[above].append(post.id)
    members, open_ids = {top}, [top]
    while open_ids:
        node_id = open_ids.pop()
        near = set(answers[node_id])
        # A deleted post may name no root any more; who answered it still names it.
        if (member := newest.get(node_id)) and member.parent_id in newest:
            near.add(member.parent_id)
        open_ids += near - members
        members |= near
    return top, [newest[one] for one in sorted(members) if one in newest]


def newest_of(posts: Iterable[SpreadPost]) -> dict[str, SpreadPost]:
    """One state for each id, by id: the newest revision; of equal ones always the same."""
    newest: dict[str, SpreadPost] = {}
    for post in posts:
        before = newest.get(post.id)
        if before is None or post > before:  # id is equal, so revision decides, then the rest
            newest[post.id] = post
    return dict(sorted(newest.items()))
