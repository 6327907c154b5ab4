"""Who somebody is to a thread."""

from processors.spread_tree import Node, Tree

__all__ = ["BIG_FOLLOWERS", "ROLES", "role_of"]

BIG_FOLLOWERS = 100_000

ROLES = (
    "origin",
    "brand",
    "staff",
    "official",
    "media",
    "industry",
    "dealer",
    "person",
    "bot",
    "big",
    "outsider",
)


def role_of(tree: Tree, node: Node) -> str:
    """Who this is to the thread: its author, else the kind of author that enrich found.

    Without a kind only simple facts are left: verified with 100,000 followers is ``big``, anyone
    else an ``outsider``.
    """
    post = node.post
    if post is None:
        return "outsider"
    kind = post.author_kind if post.author_kind in ROLES else ""
    if kind not in ("", "person"):
        return kind
    root = tree.nodes[tree.root].post
    if root is not None and root.author_id == post.author_id and root.platform == post.platform:
        return "origin"
    if post.verified and post.followers >= BIG_FOLLOWERS:
        return "big"
    return kind or "outsider"
