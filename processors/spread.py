"""How a thread spread: its shape, speed, circles, and who carried it on.

Numbers count collected posts only, so that each can be recounted from named posts; nodes that were
named but never collected lengthen paths and are told apart (``Shape.unseen``). All in linear time,
but for sorting; without recursion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from processors.spread_circles import (
    Bridge,
    Circle,
    after_seconds,
    bridge_of,
    circles_of,
    sizes_of,
)
from processors.spread_roles import ROLES, role_of
from processors.spread_tree import Node, Tree

__all__ = ["Amplifier", "Shape", "Speed", "Spread", "measure"]

MOST_AMPLIFIERS = 10


@dataclass(frozen=True, slots=True)
class Shape:
    """What the tree looks like.

    ``virality`` is the structural virality of Goel, Anderson, Hofman and Watts, "The Structural
    Virality of Online Diffusion", Management Science 62 (1), 2016: the mean distance between all
    pairs of posts, 2 for a broadcast to very many, growing with every generation. Each edge lies on
    the path of s(n - s) pairs, s posts below it and n in all, so the distances add up in linear
    time (Wiener, J. Am. Chem. Soc. 69, 1947)::

        virality = sum over edges of s (n - s) / (n (n - 1) / 2)
    """

    posts: int
    authors: int
    deleted: int
    unseen: int
    """Named as somebody's parent, or the root, but never collected."""
    inferred: int
    """Posts whose parent was read out of their text."""
    assumed: int
    """Posts that hang on the root because nothing tells their parent."""
    cut: int
    """Posts whose parents went round in a circle."""
    levels: int
    """Generations below the root."""
    breadth: tuple[int, ...]
    """Posts on each level, the root's first."""
    virality: float | None
    """None below two posts."""


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast answers came, counted from the root, or the first post where it is not known.

    ``to_10_seconds`` and so on: the time after which that share of them was there (nearest
    rank: the ceil(p m)-th of m). An answer dated before the root counts as at once.
    """

    start: datetime
    end: datetime
    to_10_seconds: float | None
    to_50_seconds: float | None
    to_90_seconds: float | None
    busiest_hour: datetime | None
    """The first post of the 60 minutes, of all, that hold the most answers; the earliest such."""
    busiest_hour_posts: int
    first_hour_per_minute: float
    """Answers of the first 60 minutes, a minute."""


@dataclass(frozen=True, slots=True)
class Amplifier:
    """Whose post the most others hang on, directly or not. Shares of amplifiers overlap."""

    id: str
    name: str
    role: str
    followers: int | None
    depth: int
    direct: int
    descendants: int
    share: float
    """Of all answers to the root."""
    after_seconds: float | None


@dataclass(frozen=True, slots=True)
class Spread:
    """Everything that was measured of one tree."""

    shape: Shape
    speed: Speed | None
    """None when no post was collected."""
    roles: dict[str, int]
    """Posts by the role of who wrote them."""
    amplifiers: tuple[Amplifier, ...]
    circles: tuple[Circle, ...]
    """The root's own first, then the largest."""
    bridge: Bridge | None
    """None when nothing was passed on."""


def measure(tree: Tree, most_amplifiers: int = MOST_AMPLIFIERS) -> Spread:
    """All measures of one tree."""
    sizes = sizes_of(tree)
    start = _start(tree)
    times = sorted(node.post.at for node in tree.seen() if node.id != tree.root and node.post)
    roles: dict[str, int] = {}
    for node in tree.seen():
        role = role_of(tree, node)
        roles[role] = roles.get(role, 0) + 1
    return Spread(
        shape=_shape(tree, sizes),
        speed=_speed(start, times) if start is not None else None,
        roles={role: roles[role] for role in ROLES if role in roles},
        amplifiers=tuple(_amplifiers(tree, sizes, start, most_amplifiers)),
        circles=circles_of(tree, sizes, start),
        bridge=bridge_of(tree, sizes),
    )


def _start(tree: Tree) -> datetime | None:
    root = tree.nodes[tree.root].post
    if root is not None:
        return root.at
    return min((node.post.at for node in tree.seen() if node.post), default=None)


def _shape(tree: Tree, sizes: dict[str, int]) -> Shape:
    seen = [(node, node.post) for node in tree.nodes.values() if node.post is not None]
    breadth = [0] * (1 + max(node.depth for node in tree.nodes.values()))
    for node, _ in seen:
        breadth[node.depth] += 1
    links = [node.link for node, _ in seen]
    total = sizes[tree.root]
    pairs = total * (total - 1) // 2
    distances = sum(sizes[node.id] * (total - sizes[node.id]) for node in _below_root(tree))
    return Shape(
        posts=total,
        authors=len({(post.platform, post.author_id) for _, post in seen}),
        deleted=sum(post.deleted for _, post in seen),
        unseen=len(tree.nodes) - total,
        inferred=links.count("inferred"),
        assumed=links.count("assumed"),
        cut=links.count("cut"),
        levels=len(breadth) - 1,
        breadth=tuple(breadth),
        virality=distances / pairs if pairs else None,
    )


def _speed(start: datetime, times: Sequence[datetime]) -> Speed:
    hour = timedelta(hours=1)
    best, begin = 0, 0
    busiest: datetime | None = None
    for end, at in enumerate(times):
        while at - times[begin] >= hour:
            begin += 1
        if end - begin + 1 > best:
            best, busiest = end - begin + 1, times[begin]

    def to(percent: int) -> float | None:
        if not times:
            return None
        rank = -(-percent * len(times) // 100)  # rounded up; in floats 0.1 * 70 is more than 7
        return max(0.0, (times[rank - 1] - start).total_seconds())

    return Speed(
        start=start,
        end=max(start, times[-1]) if times else start,
        to_10_seconds=to(10),
        to_50_seconds=to(50),
        to_90_seconds=to(90),
        busiest_hour=busiest,
        busiest_hour_posts=best,
        first_hour_per_minute=sum(at - start < hour for at in times) / 60,
    )


def _amplifiers(
    tree: Tree, sizes: dict[str, int], start: datetime | None, most: int
) -> list[Amplifier]:
    below = {node.id: sizes[node.id] - (node.post is not None) for node in _below_root(tree)}
    # Stable: of equals the one that stands first in the tree.
    ranked = sorted((one for one in below if below[one]), key=lambda one: -below[one])
    first = ranked[:most]
    answers = _answers(tree, sizes)
    return [_amplifier(tree, tree.nodes[one], below[one], answers, start) for one in first]


def _amplifier(
    tree: Tree, node: Node, descendants: int, answers: int, start: datetime | None
) -> Amplifier:
    post = node.post
    return Amplifier(
        id=node.id,
        name=node.name,
        role=role_of(tree, node),
        followers=post.followers if post is not None and post.followers >= 0 else None,
        depth=node.depth,
        direct=sum(tree.nodes[child].post is not None for child in node.children),
        descendants=descendants,
        share=descendants / answers,
        after_seconds=after_seconds(node, start),
    )


def _below_root(tree: Tree) -> list[Node]:
    return [node for node in tree.nodes.values() if node.parent is not None]


def _answers(tree: Tree, sizes: dict[str, int]) -> int:
    return sizes[tree.root] - (tree.nodes[tree.root].post is not None)
