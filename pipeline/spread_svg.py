"""Draws a spread as a picture (SVG): the post in the middle, each generation on a ring around it.

Clockwise by time. A dot is as large as its share of what came after, and has the colour of its
circle; who carried it on is named at the sides. Our own writer: the file needs no script, no style
sheet and no font of ours, and what strangers wrote is escaped.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from math import ceil, sqrt
from zoneinfo import ZoneInfo

from pipeline.spread_layout import Point, layout, rings
from pipeline.spread_text import circles, figures
from pipeline.spread_words import ROLES, after, author_of, percent
from processors.spread import Spread
from processors.spread_circles import sizes_of
from processors.spread_roles import role_of
from processors.spread_tree import Node, Tree
from schemas.language import say
from sinks.wording import clean

__all__ = ["picture"]

WIDTH, PLOT = 1280, 730
MIDDLE, RADIUS = WIDTH / 2, 330.0
_FONT = "'Noto Sans CJK SC','Noto Sans SC','PingFang SC','Microsoft YaHei',sans-serif"
_INK, _FAINT = "#1f2933", "#7b8794"
#: Okabe and Ito's, which the colour-blind tell apart; the first is the root's circle.
_COLOURS = ("#5b7083", "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56b4e9", "#8c564b")
_OTHER = "#9aa5b1"
_MOST_LABELS = 12
_LABEL_HEIGHT = 44.0
_LABEL_WIDTH = 225.0
_LEAF = 2.2
_NOT_SEEN = ("未采到", "not seen")
# XML has no place for these, not even escaped.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def picture(tree: Tree, spread: Spread, zone: ZoneInfo) -> str:
    """The whole file."""
    return "\n".join(_Picture(tree, spread, zone).lines()) + "\n"


@dataclass(frozen=True, slots=True)
class _Label:
    node: Node
    at: Point
    y: float
    right: bool


class _Picture:
    def __init__(self, tree: Tree, spread: Spread, zone: ZoneInfo) -> None:
        self._tree, self._spread = tree, spread
        self._sizes = sizes_of(tree)
        self._head = [*_origin(tree.nodes[tree.root], zone), *figures(tree, spread, zone)]
        told = list(circles(tree, spread))  # the largest first, last the bridge
        self._foot = told[:5] + told[5:][-1:]
        self._top = 66.0 + 20 * len(self._head)
        self._middle = self._top + PLOT / 2
        self._points = layout(tree, MIDDLE, self._middle, RADIUS)
        self._colours = self._coloured()

    def lines(self) -> Iterator[str]:
        """From the back to the front."""
        height = self._top + PLOT + 20 * len(self._foot) + 50
        title = say("传播图：", "Spread: ") + author_of(self._tree.nodes[self._tree.root])
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
            f'width="{WIDTH}" height="{height:.0f}" role="img" font-family="{_FONT}" '
            f'fill="{_INK}">'
        )
        yield f"<title>{_text(title)}</title>"
        yield f'<rect width="{WIDTH}" height="{height:.0f}" fill="#fff"/>'
        yield _write(40, 42, title, size=22, more='font-weight="bold"')
        for place, line in enumerate(self._head):
            yield _write(40, 70 + 20 * place, line, size=13)
        yield from self._rings()
        yield from self._edges()
        yield from self._dots()
        yield from self._ring_names()
        yield from self._labels()
        below = self._top + PLOT + 8
        for place, line in enumerate(self._foot):
            yield _write(40, below + 20 * place, line, size=13)
        yield _write(40, below + 20 * len(self._foot) + 12, _legend(), size=12, colour=_FAINT)
        yield "</svg>"

    def _coloured(self) -> dict[str, str]:
        own = {
            circle.id: _COLOURS[place] if place < len(_COLOURS) else _OTHER
            for place, circle in enumerate(self._spread.circles)
        }
        colours: dict[str, str] = {}
        for node in self._tree.nodes.values():
            above = colours[node.parent] if node.parent is not None else _COLOURS[0]
            colours[node.id] = own.get(node.id, above)
        return colours

    def _rings(self) -> Iterator[str]:
        for _, radius in self._levels():
            yield (
                f'<circle cx="{MIDDLE:.0f}" cy="{self._middle:.1f}" r="{radius:.1f}" fill="none" '
                'stroke="#e4e7eb"/>'
            )

    def _ring_names(self) -> Iterator[str]:
        breadth = self._spread.shape.breadth
        for level, radius in self._levels():
            text = say(f"第 {level} 层 {breadth[level]} 条", f"level {level}: {breadth[level]}")
            y = self._middle - radius - 9
            yield _write(MIDDLE, y, text, size=11, colour=_FAINT, more=_MIDDLE_HALO)

    def _levels(self) -> Iterator[tuple[int, float]]:
        """Six rings at most, so that their names have room."""
        reached = rings(self._tree, RADIUS)
        step = max(1, ceil((len(reached) - 1) / 6))
        return ((level, reached[level]) for level in range(step, len(reached), step))

    def _edges(self) -> Iterator[str]:
        paths: dict[tuple[str, bool], list[str]] = defaultdict(list)
        for node in self._tree.nodes.values():
            if node.parent is not None:
                guessed = node.link != "given"
                curve = self._curve(node.parent, node.id)
                paths[self._colours[node.id], guessed].append(curve)
        for (colour, guessed), curves in paths.items():
            dashes = ' stroke-dasharray="3 3"' if guessed else ""
            yield (
                f'<path d="{"".join(curves)}" fill="none" stroke="{colour}" '
                f'stroke-opacity="0.38" stroke-width="0.9"{dashes}/>'
            )
        if (bridge := self._spread.bridge) is not None:
            curve = self._curve(bridge.parent, bridge.child)
            yield f'<path d="{curve}" fill="none" stroke="{_INK}" stroke-width="3"/>'

    def _curve(self, above: str, below: str) -> str:
        start, end = self._points[above], self._points[below]
        half = (start.radius + end.radius) / 2
        # From the middle every direction is the right one to start in.
        angle = start.angle if start.radius else end.angle
        first, second = start.moved(half, angle), end.moved(half, end.angle)
        return f"M{start}C{first} {second} {end}"

    def _dots(self) -> Iterator[str]:
        single: dict[str, list[str]] = defaultdict(list)
        largest = max(1, self._sizes[self._tree.root])
        for node in self._tree.nodes.values():
            at, colour = self._points[node.id], self._colours[node.id]
            if node.post is not None and not node.children and node.parent is not None:
                single[colour].append(f"M{at}h0")
                continue
            size = 3 + 15 * sqrt(self._sizes[node.id] / largest)
            fill = colour if node.post is not None else "#fff"
            yield (
                f'<circle cx="{at.x:.1f}" cy="{at.y:.1f}" r="{size:.1f}" fill="{fill}" '
                f'stroke="{"#fff" if node.post is not None else colour}" stroke-width="1.5">'
                f"<title>{_text(self._told(node))}</title></circle>"
            )
        for colour, dots in single.items():
            yield (
                f'<path d="{"".join(dots)}" stroke="{colour}" stroke-width="{2 * _LEAF}" '
                'stroke-linecap="round"/>'
            )

    def _told(self, node: Node) -> str:
        below = self._sizes[node.id] - (node.post is not None)
        return author_of(node) + say(f"：其后 {below} 条", f": {below} below")

    def _labels(self) -> Iterator[str]:
        opened = [circle.id for circle in self._spread.circles[1:]]
        # Who has one answer only passed it on to somebody who is named anyway.
        carried = [one.id for one in self._spread.amplifiers if one.direct > 1]
        wanted = list(dict.fromkeys([*opened, *carried]))[:_MOST_LABELS]
        nodes = [self._tree.nodes[node_id] for node_id in wanted]
        for right in (False, True):
            side = [node for node in nodes if (self._points[node.id].x >= MIDDLE) == right]
            for label in self._placed(side, right):
                yield from self._label(label)
        root = self._points[self._tree.root]
        name = author_of(self._tree.nodes[self._tree.root])
        yield _write(root.x, root.y + 34, name, size=14, more=f'font-weight="bold" {_MIDDLE_HALO}')

    def _placed(self, nodes: Iterable[Node], right: bool) -> Iterator[_Label]:
        """Labels in order of height, none over another, all within the plot."""
        ordered = sorted(nodes, key=lambda node: self._points[node.id].y)
        room = self._top + PLOT - 20
        y = self._top + 10.0
        for place, node in enumerate(ordered):
            last = room - _LABEL_HEIGHT * (len(ordered) - place - 1)
            y = min(max(y, self._points[node.id].y), last)
            yield _Label(node, self._points[node.id], y, right)
            y += _LABEL_HEIGHT

    def _label(self, label: _Label) -> Iterator[str]:
        node, at = label.node, label.at
        x = MIDDLE + RADIUS + 50 if label.right else MIDDLE - RADIUS - 50
        anchor = 'text-anchor="start"' if label.right else 'text-anchor="end"'
        inner = x - 6 if label.right else x + 6
        colour = self._colours[node.id]
        yield (
            f'<path d="M{at}L{inner:.1f} {label.y - 4:.1f}" fill="none" stroke="{_FAINT}" '
            'stroke-width="0.8" stroke-opacity="0.7"/>'
        )
        name = _cut(author_of(node), _LABEL_WIDTH / 14)
        more = f'font-weight="bold" {anchor}'
        yield _write(x, label.y, name, size=14, colour=colour, more=more)
        below = self._sizes[node.id] - (node.post is not None)
        root = self._tree.nodes[self._tree.root].post
        answers = self._sizes[self._tree.root] - (root is not None)
        role = ROLES[role_of(self._tree, node)] if node.post is not None else _NOT_SEEN
        parts = [say(*role)]
        parts.append(say(f"其后 {below} 条", f"{below} below"))
        parts.append(percent(below / max(1, answers)))
        if node.post is not None and root is not None:
            parts.append(after((node.post.at - root.at).total_seconds()))
        yield _write(x, label.y + 17, " · ".join(parts), size=12, colour=_FAINT, more=anchor)


_MIDDLE_HALO = (
    'text-anchor="middle" stroke="#fff" stroke-width="3" stroke-linejoin="round" '
    'paint-order="stroke"'
)


def _origin(root: Node, zone: ZoneInfo) -> Iterator[str]:
    """Which post this is the picture of."""
    if (post := root.post) is None:
        yield root.id
        return
    words = "" if post.deleted else f" · {_cut(clean(post.excerpt), 50)}"
    yield f"{post.at.astimezone(zone):%Y-%m-%d %H:%M} · {root.id}{words}"


def _legend() -> str:
    return say(
        "顺时针为先后；点越大，其后的帖子越多；颜色 = 圈子；空心 = 未采到；虚线 = 上级由文字推断或"
        "不详；粗线 = 最关键的一步",
        "Clockwise by time; larger dot = more below it; colour = circle; hollow = not seen; dashed "
        "= parent inferred or not known; bold line = the step that mattered most",
    )


def _write(x: float, y: float, text: str, *, size: int, colour: str = _INK, more: str = "") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}"'
        f"{' ' + more if more else ''}>{_text(text)}</text>"
    )


def _text(text: str) -> str:
    return escape(_NOT_XML.sub("", text))


def _cut(text: str, most_ems: float) -> str:
    """So much of a text as fits; Chinese signs are one em wide, others about half."""
    width = 0.0
    for place, sign in enumerate(text):
        width += 1.0 if ord(sign) > 0x2E7F else 0.56
        if width > most_ems:
            return text[: max(0, place - 1)] + "…"
    return text
