"""How a thread spread: its shape, speed, circles, and who carried it on.

Numbers count collected posts only, so that each can be recounted from named posts; nodes that were
named but never collected lengthen paths and are told apart (``Shape.unseen``). All in linear time,
but for sorting; without recursion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import ceil

from processors.spread_tree import Node, Tree

__all__ = [
    "ROLES",
    "Amplifier",
    "Bridge",
    "Circle",
    "Shape",
    "Speed",
    "Spread",
    "measure",
    "role_of",
    "sizes_of",
]

MOST_AMPLIFIERS = 10
CIRCLE_SHARE = 0.05
CIRCLE_LEAST = 5
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
class Circle:
    """An audience that somebody opened; each post of the tree is in exactly one.

    From the leaves up, a node opens a circle of its own when at least 5 % of all posts, and five,
    hang on it without standing in a circle opened further down. Our own definition: it cuts the
    tree where a new audience begins, and the parts add up to the whole.
    """

    id: str
    name: str
    role: str
    depth: int
    posts: int
    share: float
    came_from: str | None
    """The circle that it was opened from; None: the root's own."""
    after_seconds: float | None


@dataclass(frozen=True, slots=True)
class Bridge:
    """The step that separates most: of all edges the one that lies between the most pairs of posts.

    Its s(n - s) is the edge's betweenness in a tree (Girvan and Newman, PNAS 99 (12), 2002).
    """

    parent: str
    child: str
    beyond: int
    """Posts on the far side."""
    share: float
    pairs: int


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
        circles=_circles(tree, sizes, start),
        bridge=_bridge(tree, sizes),
    )


def sizes_of(tree: Tree) -> dict[str, int]:
    """How many collected posts stand in each node's part of the tree, itself included."""
    sizes = {node_id: int(node.post is not None) for node_id, node in tree.nodes.items()}
    for node in reversed(tree.nodes.values()):  # children stand behind their parents
        if node.parent is not None:
            sizes[node.parent] += sizes[node.id]
    return sizes


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

    def to(share: float) -> float | None:
        if not times:
            return None
        return max(0.0, (times[ceil(share * len(times)) - 1] - start).total_seconds())

    return Speed(
        start=start,
        end=max(start, times[-1]) if times else start,
        to_10_seconds=to(0.1),
        to_50_seconds=to(0.5),
        to_90_seconds=to(0.9),
        busiest_hour=busiest,
        busiest_hour_posts=best,
        first_hour_per_minute=sum(at - start < hour for at in times) / 60,
    )


def _amplifiers(
    tree: Tree, sizes: dict[str, int], start: datetime | None, most: int
) -> list[Amplifier]:
    below = {node.id: sizes[node.id] - (node.post is not None) for node in _below_root(tree)}
    # Stable: of equals the one that stands first in the tree.
    first = islice(sorted(below, key=lambda one: -below[one]), most)
    answers = _answers(tree, sizes)
    return [
        Amplifier(
            id=node_id,
            name=node.name,
            role=role_of(tree, node),
            followers=_followers(node),
            depth=node.depth,
            direct=sum(tree.nodes[child].post is not None for child in node.children),
            descendants=below[node_id],
            share=below[node_id] / answers,
            after_seconds=_after(node, start),
        )
        for node_id in first
        if below[node_id]
        for node in (tree.nodes[node_id],)
    ]


def _circles(tree: Tree, sizes: dict[str, int], start: datetime | None) -> tuple[Circle, ...]:
    total = sizes[tree.root]
    least = max(CIRCLE_LEAST, ceil(CIRCLE_SHARE * total))
    left = {node_id: int(node.post is not None) for node_id, node in tree.nodes.items()}
    opened = {tree.root}
    for node in reversed(tree.nodes.values()):
        if node.parent is None:
            continue
        if left[node.id] - (node.post is not None) >= least:
            opened.add(node.id)
        else:
            left[node.parent] += left[node.id]
    circle_of: dict[str, str] = {}
    circles = []
    for node in tree.nodes.values():
        above = circle_of[node.parent] if node.parent is not None else None
        circle_of[node.id] = node.id if node.id in opened or above is None else above
        if node.id in opened:
            circles.append(
                Circle(
                    id=node.id,
                    name=node.name,
                    role=role_of(tree, node),
                    depth=node.depth,
                    posts=left[node.id],
                    share=left[node.id] / total if total else 0.0,
                    came_from=above,
                    after_seconds=_after(node, start),
                )
            )
    return (*circles[:1], *sorted(circles[1:], key=lambda circle: -circle.posts))


def _bridge(tree: Tree, sizes: dict[str, int]) -> Bridge | None:
    total = sizes[tree.root]
    # An edge to a leaf cuts off one post: nobody passed it on there.
    inner = [node for node in _below_root(tree) if node.children]
    best = max(inner, key=lambda node: sizes[node.id] * (total - sizes[node.id]), default=None)
    if best is None or best.parent is None:
        return None
    beyond = sizes[best.id]
    return Bridge(best.parent, best.id, beyond, beyond / total, beyond * (total - beyond))


def _below_root(tree: Tree) -> list[Node]:
    return [node for node in tree.nodes.values() if node.parent is not None]


def _answers(tree: Tree, sizes: dict[str, int]) -> int:
    return sizes[tree.root] - (tree.nodes[tree.root].post is not None)


def _followers(node: Node) -> int | None:
    return node.post.followers if node.post is not None and node.post.followers >= 0 else None


def _after(node: Node, start: datetime | None) -> float | None:
    if node.post is None or start is None:
        return None
    return max(0.0, (node.post.at - start).total_seconds())
