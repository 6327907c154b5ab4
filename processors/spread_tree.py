"""The repost and reply tree of a thread: the same tree whatever the order of arrival.

Everything follows from the set of posts: of an id that comes twice the newest revision counts,
equal times are told apart by id, and every post hangs on exactly one parent. How sure that is, the
link says:

* ``given``: the platform names the parent.
* ``inferred``: the parent is who stands first in the chain of names in the text
  (``spread_names.py``): the last repost (of a reply: the last comment) by that name that is not
  later. A parent equal to the root counts as not given when there is such a chain, because
  connectors write the root where the platform tells no parent.
* ``assumed``: nothing tells it; it hangs on the root.
* ``cut``: parents went round in a circle; the earliest post of the circle hangs on the root.

A parent that was named but never collected is a node without a post: with the platform's id where
that is known, else ``@name``, one for each name. It hangs where the rest of the longest chain
behind its name says.
"""

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

from processors.spread_thread import SpreadPost, newest_of

__all__ = ["Link", "Node", "Tree", "build_tree"]

Link = Literal["given", "inferred", "assumed", "cut"]

_COMMENTS = ("comment", "reply")
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Node:
    """A place in the tree; without a post it was named but never collected."""

    id: str
    post: SpreadPost | None
    name: str
    """Who wrote it, as far as known."""
    parent: str | None
    """None: the tree's root."""
    link: Link | None
    depth: int
    children: tuple[str, ...]
    """By time, then id."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Nodes by id, each after its parent, children in order."""

    root: str
    nodes: dict[str, Node]

    def seen(self) -> Iterator[Node]:
        """The nodes that were collected."""
        return (node for node in self.nodes.values() if node.post is not None)

    def below(self, node_id: str) -> "Tree":
        """The part of the tree from a node on."""
        top = self.nodes[node_id]
        nodes = {node_id: replace(top, parent=None, link=None, depth=0)}
        for inner in _walk(node_id, {key: node.children for key, node in self.nodes.items()}):
            if inner != node_id:
                node = self.nodes[inner]
                nodes[inner] = replace(node, depth=node.depth - top.depth)
        return Tree(node_id, nodes)


def build_tree(posts: Iterable[SpreadPost], root: str) -> Tree:
    """The tree of one thread; every post is in it, the root even when no post has its id."""
    return _Builder(newest_of(posts), root).tree()


class _Builder:
    """Finds every node's parent, then breaks circles, then puts all in order."""

    def __init__(self, posts: dict[str, SpreadPost], root: str) -> None:
        self._posts = posts
        self._root = root
        self._parents: dict[str, tuple[str, Link]] = {}
        self._names: dict[str, str] = {}
        """Names of authors of posts that were not collected."""
        self._by_name: dict[tuple[str, bool], list[tuple[datetime, str]]] = defaultdict(list)
        for post in posts.values():
            if post.author_name:
                said = post.author_name, post.kind in _COMMENTS
                self._by_name[said].append((post.at, post.id))
        for written in self._by_name.values():
            written.sort()
        self._rests = self._longest_rests()

    def tree(self) -> Tree:
        unseen: dict[str, list[SpreadPost]] = defaultdict(list)
        for post in self._posts.values():
            if post.id == self._root:
                continue
            given = post.parent_id
            if given in (self._root, post.root_id) and post.names:
                given = ""
            if given and given != self._root and given not in self._posts:
                unseen[given].append(post)
            self._parents[post.id] = (given, "given") if given else self._inferred(post, post.names)
        self._place_unseen(unseen)
        times = self._times()
        self._cut_circles(times)
        self._drop_idle()
        return self._ordered(times)

    def _inferred(self, post: SpreadPost, names: Sequence[str], own: str = "") -> tuple[str, Link]:
        """Who stands first in the names; without names, the root."""
        if names:
            found = self._written_before(post, names[0]) or f"@{names[0]}"
            if found != own:
                return found, "inferred"
        own_root = post.root_id if post.root_id in self._posts else self._root
        return own_root if own_root not in (post.id, own) else self._root, "assumed"

    def _written_before(self, post: SpreadPost, name: str) -> str:
        """The last by that name that is not later, else the root; not the post itself.

        Comments answer comments, and what is reposted is none.
        """
        written = self._by_name.get((name, post.kind in _COMMENTS), [])
        for place in range(bisect_right(written, (post.at, "\U0010ffff")) - 1, -1, -1):
            if written[place][1] != post.id:
                return written[place][1]
        root = self._posts.get(self._root)
        return root.id if root and root.author_name == name else ""

    def _longest_rests(self) -> dict[str, tuple[SpreadPost, tuple[str, ...]]]:
        """For each name whose post was not collected the longest chain behind it."""
        rests: dict[str, tuple[SpreadPost, tuple[str, ...]]] = {}
        for post in sorted(self._posts.values(), key=_by_time):
            for place, name in enumerate(post.names):
                if name in post.names[place + 1 :]:
                    continue  # two reposts of one author; a name has one node, the earlier
                rest = post.names[place + 1 :]
                if name in rests and len(rests[name][1]) >= len(rest):
                    continue
                if not self._written_before(post, name):
                    rests[name] = (post, rest)
        return rests

    def _place_unseen(self, unseen: dict[str, list[SpreadPost]]) -> None:
        """Parents of the nodes without post: first those with an id, then those with a name."""
        for node_id, children in unseen.items():
            children.sort(key=_by_time)
            best = max(children, key=lambda child: len(child.names))  # the first of equals
            self._names[node_id] = best.names[0] if best.names else ""
            self._parents[node_id] = self._inferred(best, best.names[1:], node_id)
        known = {self._names[node_id]: node_id for node_id in sorted(unseen, reverse=True)}
        open_ids = [parent for parent, _ in self._parents.values()]
        while open_ids:
            node_id = open_ids.pop()
            if node_id in self._parents or not node_id.startswith("@"):
                continue
            name = self._names[node_id] = node_id[1:]
            if name in known:  # one repost, whose id some of those who took it from there told
                continue
            self._parents[node_id] = self._inferred(*self._rests[name], node_id)
            open_ids.append(self._parents[node_id][0])
        same = {f"@{name}": node_id for name, node_id in known.items() if name}
        for node_id, (parent, link) in self._parents.items():
            if parent in same:
                known_id = same[parent]
                own = known_id == node_id  # who reposted an own repost
                self._parents[node_id] = (self._root, "assumed") if own else (known_id, link)

    def _times(self) -> dict[str, datetime]:
        """When; of what was not collected, when its first answer was written."""
        times = {post.id: post.at for post in self._posts.values()}
        for post in self._posts.values():
            above = self._parents[post.id][0] if post.id in self._parents else ""
            while above and above not in self._posts and post.at < times.get(above, _LAST):
                times[above] = post.at
                above = self._parents[above][0] if above in self._parents else ""
        return times

    def _cut_circles(self, times: dict[str, datetime]) -> None:
        done = {self._root}
        for start in self._parents:
            path: dict[str, None] = {}
            node_id = start
            while node_id not in done and node_id not in path:
                path[node_id] = None
                node_id = self._parents[node_id][0]
            if node_id in path:
                ids = list(path)
                circle = ids[ids.index(node_id) :]
                first = min(circle, key=lambda one: (times.get(one, _LAST), one))
                self._parents[first] = self._root, "cut"
            done.update(path)

    def _drop_idle(self) -> None:
        """Take out nodes without a post that after a cut nothing hangs on."""
        hanging = Counter(parent for parent, _ in self._parents.values())
        idle = [one for one in self._parents if one not in self._posts and not hanging[one]]
        while idle:
            above, _ = self._parents.pop(idle.pop())
            hanging[above] -= 1
            if above in self._parents and above not in self._posts and not hanging[above]:
                idle.append(above)

    def _ordered(self, times: dict[str, datetime]) -> Tree:
        children: dict[str, list[str]] = defaultdict(list)
        for node_id, (above, _) in self._parents.items():
            children[above].append(node_id)
        for siblings in children.values():
            siblings.sort(key=lambda one: (times.get(one, _LAST), one))
        nodes: dict[str, Node] = {}
        for node_id in _walk(self._root, children):
            parent, link = self._parents[node_id] if node_id in self._parents else (None, None)
            post = self._posts.get(node_id)
            nodes[node_id] = Node(
                id=node_id,
                post=post,
                name=(post.author_name or post.author_id) if post else self._names.get(node_id, ""),
                parent=parent,
                link=link,
                depth=nodes[parent].depth + 1 if parent is not None else 0,
                children=tuple(children.get(node_id, ())),
            )
        return Tree(self._root, nodes)


def _by_time(post: SpreadPost) -> tuple[datetime, str]:
    return post.at, post.id


def _walk(root: str, children: dict[str, tuple[str, ...]] | dict[str, list[str]]) -> Iterator[str]:
    """Depth first, without recursion: a chain of reposts may be thousands long."""
    open_ids = [root]
    while open_ids:
        node_id = open_ids.pop()
        yield node_id
        open_ids += reversed(children.get(node_id, ()))
