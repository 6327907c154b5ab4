"""From whose circle to whose: where in a tree new audiences begin, and its weightiest step."""

from dataclasses import dataclass
from datetime import datetime
from math import ceil

from processors.spread_roles import role_of
from processors.spread_tree import Node, Tree

__all__ = ["Bridge", "Circle", "after_seconds", "bridge_of", "circles_of", "sizes_of"]

CIRCLE_SHARE = 0.05
CIRCLE_LEAST = 5


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


def sizes_of(tree: Tree) -> dict[str, int]:
    """How many collected posts stand in each node's part of the tree, itself included."""
    sizes = {node_id: int(node.post is not None) for node_id, node in tree.nodes.items()}
    for node in reversed(tree.nodes.values()):  # children stand behind their parents
        if node.parent is not None:
            sizes[node.parent] += sizes[node.id]
    return sizes


def circles_of(tree: Tree, sizes: dict[str, int], start: datetime | None) -> tuple[Circle, ...]:
    """All circles: the root's own, then the largest first."""
    total = sizes[tree.root]
    own = _openers(tree, max(CIRCLE_LEAST, ceil(CIRCLE_SHARE * total)))
    circle_of: dict[str, str] = {}
    circles = []
    for node in tree.nodes.values():
        above = circle_of[node.parent] if node.parent is not None else None
        circle_of[node.id] = node.id if node.id in own or above is None else above
        if node.id in own:
            circles.append(
                Circle(
                    id=node.id,
                    name=node.name,
                    role=role_of(tree, node),
                    depth=node.depth,
                    posts=own[node.id],
                    share=own[node.id] / total if total else 0.0,
                    came_from=above,
                    after_seconds=after_seconds(node, start),
                )
            )
    return (*circles[:1], *sorted(circles[1:], key=lambda circle: -circle.posts))


def _openers(tree: Tree, least: int) -> dict[str, int]:
    """Who opens a circle, and how many posts are in it."""
    left = {node_id: int(node.post is not None) for node_id, node in tree.nodes.items()}
    opened = {}
    for node in reversed(tree.nodes.values()):
        if node.parent is None or left[node.id] - (node.post is not None) >= least:
            opened[node.id] = left[node.id]
        else:
            left[node.parent] += left[node.id]
    return opened


def bridge_of(tree: Tree, sizes: dict[str, int]) -> Bridge | None:
    """The step that separates most, if anything was passed on; of equals the first in the tree."""
    total = sizes[tree.root]
    # An edge to a leaf cuts off one post: nobody passed it on there.
    inner = [node for node in tree.nodes.values() if node.children and node.parent is not None]
    best = max(inner, key=lambda node: sizes[node.id] * (total - sizes[node.id]), default=None)
    if best is None or best.parent is None:
        return None
    beyond = sizes[best.id]
    return Bridge(best.parent, best.id, beyond, beyond / total, beyond * (total - beyond))


def after_seconds(node: Node, start: datetime | None) -> float | None:
    """How long after the start it was written; a clock before the start counts as at once."""
    if node.post is None or start is None:
        return None
    return max(0.0, (node.post.at - start).total_seconds())
