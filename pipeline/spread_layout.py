"""Where the nodes of a tree stand in a radial picture.

Each leaf gets the same angle, each generation a ring (the radial drawing of Eades, "Drawing free
trees", Bulletin of the ICA 5, 1992); a parent stands in the middle of its leaves.
Full generations get wider rings, and where one is too full still, neighbours step inwards in turn,
so that single dots stay visible.
"""

from itertools import accumulate
from math import ceil, cos, pi, sin, sqrt
from typing import NamedTuple

from processors.spread_tree import Tree

__all__ = ["Point", "layout", "rings"]

_SPACING = 5.0
_MOST_ROWS = 6


class Point(NamedTuple):
    """A place, by angle and radius around the middle."""

    middle_x: float
    middle_y: float
    radius: float
    angle: float

    @property
    def x(self) -> float:
        """To the right."""
        return self.middle_x + self.radius * cos(self.angle)

    @property
    def y(self) -> float:
        """Downwards."""
        return self.middle_y + self.radius * sin(self.angle)

    def moved(self, radius: float, angle: float) -> "Point":
        """Elsewhere around the same middle."""
        return Point(self.middle_x, self.middle_y, radius, angle)

    def __str__(self) -> str:
        return f"{self.x:.1f} {self.y:.1f}"


def rings(tree: Tree, radius: float) -> list[float]:
    """The radius of each generation's ring: 0 for the root's, the whole for the deepest."""
    counts = [0] * (1 + max(node.depth for node in tree.nodes.values()))
    for node in tree.nodes.values():
        counts[node.depth] += 1
    # Half of the room alike for all, half by how full they are; more around the root's name.
    widths = [sqrt(count) for count in counts[1:]]
    even = sum(widths) / max(1, len(widths))
    widths = [width + even * (2 if place == 0 else 1) for place, width in enumerate(widths)]
    total = sum(widths) or 1.0
    return [radius * reached / total for reached in accumulate(widths, initial=0.0)]


def layout(tree: Tree, x: float, y: float, radius: float) -> dict[str, Point]:
    """A place for each node, the root's in the middle, the deepest on the outer ring."""
    reached = rings(tree, radius)
    leaves = [node.id for node in tree.nodes.values() if not node.children]
    turn = 2 * pi / max(1, len(leaves))
    number = {node_id: place for place, node_id in enumerate(leaves)}
    span: dict[str, tuple[float, float]] = {}
    points: dict[str, Point] = {}
    for node in reversed(tree.nodes.values()):  # children before their parents
        if not node.children:
            place = float(number[node.id])
            span[node.id] = place, place
        else:
            span[node.id] = span[node.children[0]][0], span[node.children[-1]][1]
        first, last = span[node.id]
        ring = reached[node.depth]
        if not node.children and node.depth:
            gap = ring - reached[node.depth - 1]
            rows = min(_MOST_ROWS, ceil(_SPACING / (turn * ring)))
            ring -= (number[node.id] % rows) * min(_SPACING, gap * 0.6 / rows)
        points[node.id] = Point(x, y, ring, turn * ((first + last) / 2 + 0.5) - pi / 2)
    return points
