"""Draws a spread in the terminal: the tree with its long branches folded, and the amplifiers."""

from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from rich.table import Table
from rich.text import Text

from pipeline.spread_words import (
    ROLES,
    after,
    author_of,
    compact,
    marks_of,
    noun,
    percent,
    short_name,
)
from processors.spread import Spread
from processors.spread_circles import sizes_of
from processors.spread_roles import role_of
from processors.spread_tree import Node, Tree
from schemas.language import say
from sinks.wording import clean

__all__ = ["amplifier_table", "tree_lines"]

_LONGEST_PREFIX = 60
_EXCERPT = 36


def amplifier_table(spread: Spread) -> Table:
    """Who carried it on, the largest first."""
    table = Table(
        say("关键放大者", "Key amplifiers"),
        say("角色", "Role"),
        say("粉丝", "Followers"),
        say("层", "Level"),
        say("何时", "When"),
        say("直接", "Direct"),
        say("其后", "Below"),
        say("占全部", "Share"),
        "id",
    )
    for one in spread.amplifiers:
        table.add_row(
            short_name(one.name),
            say(*ROLES[one.role]),
            "–" if one.followers is None else compact(one.followers),
            str(one.depth),
            "–" if one.after_seconds is None else after(one.after_seconds),
            str(one.direct),
            str(one.descendants),
            percent(one.share),
            one.id,
        )
    return table


@dataclass(frozen=True, slots=True)
class _Folded:
    """Siblings that are not shown, with all below them."""

    count: int
    noun: str


def tree_lines(tree: Tree, lines: int, zone: ZoneInfo, asked: str) -> Iterator[Text]:
    """The tree, in at most so many lines: the largest branches, the rest folded.

    A third of the lines goes to posts that others hang on, by how many, as much to what is folded
    below them; the rest to single posts there, by followers.
    """
    sizes = sizes_of(tree)
    shown = _chosen(tree, sizes, lines)
    open_lines: list[tuple[Node | _Folded, str, str]] = [(tree.nodes[tree.root], "", "")]
    while open_lines:
        one, prefix, branch = open_lines.pop()
        head = _prefix(prefix) + branch
        if isinstance(one, _Folded):
            folded = say(f"… 另有 {one.count} {one.noun}", f"… {one.count} more {one.noun}")
            yield Text(head + folded, style="dim")
            continue
        yield _line(tree, one, sizes[one.id], head, zone, asked)
        below = prefix + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch]
        parts = _parts(tree, one, shown, sizes)
        open_lines += [
            (part, below, "└─ " if place == len(parts) - 1 else "├─ ")
            for place, part in reversed(list(enumerate(parts)))
        ]


def _parts(tree: Tree, node: Node, shown: set[str], sizes: dict[str, int]) -> list[Node | _Folded]:
    children = [tree.nodes[child] for child in node.children]
    parts: list[Node | _Folded] = [child for child in children if child.id in shown]
    hidden = [child for child in children if child.id not in shown]
    if hidden:
        parts.append(_Folded(sum(sizes[child.id] for child in hidden), noun(hidden)))
    return parts


def _chosen(tree: Tree, sizes: dict[str, int], lines: int) -> set[str]:
    # Stable, and a node stands behind its parent, which is no smaller: no branch lacks its stem.
    nodes = sorted(tree.nodes.values(), key=lambda node: -sizes[node.id])
    inner = [node for node in nodes if node.children or node.id == tree.root]
    inner = inner[: max(1, lines // 3)]
    shown = {node.id for node in inner}
    leaves = [
        child
        for node in inner
        for child in (tree.nodes[one] for one in node.children)
        if not child.children
    ]
    leaves.sort(key=lambda leaf: -(leaf.post.followers if leaf.post else -1))
    return shown | {leaf.id for leaf in leaves[: max(0, lines - 2 * len(inner))]}


def _prefix(prefix: str) -> str:
    return prefix if len(prefix) <= _LONGEST_PREFIX else "⋯" + prefix[1 - _LONGEST_PREFIX :]


def _line(tree: Tree, node: Node, size: int, head: str, zone: ZoneInfo, asked: str) -> Text:
    line = Text(head, style="dim")
    post = node.post
    line.append(author_of(node), style="bold" if node.children else "")
    role = role_of(tree, node)
    if post is not None and role not in ("outsider", "person"):
        line.append("  " + say(*ROLES[role]), style="magenta")
    if post is not None and post.followers >= 0:
        fans = compact(post.followers)
        line.append("  " + say(f"粉丝 {fans}", f"{fans} followers"), style="dim")
    if post is not None:
        line.append("  " + _when(tree, node, zone), style="cyan")
    below = size - (post is not None)
    if below:
        line.append("  " + say(f"其后 {below} 条", f"{below} below"), style="yellow")
    for mark in marks_of(node):
        line.append(f"  [{mark}]", style="red")
    if node.id == asked and asked != tree.root:
        line.append(say("  ◀ 所问", "  ◀ asked for"), style="bold green")
    if post is not None and not post.deleted and (words := clean(post.excerpt)):
        line.append("  " + words[:_EXCERPT] + ("…" if len(words) > _EXCERPT else ""), style="dim")
    return line


def _when(tree: Tree, node: Node, zone: ZoneInfo) -> str:
    root = tree.nodes[tree.root].post
    if node.post is None:
        return ""
    if root is None or node.id == tree.root:
        return f"{node.post.at.astimezone(zone):%Y-%m-%d %H:%M}"
    return after((node.post.at - root.at).total_seconds())
