"""The tree of a thread: the same whatever the order, and honest about what is not known."""

import gzip
import random
from collections import defaultdict
from datetime import timedelta
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.spread_thread import SpreadPost, spread_post, thread_of
from processors.spread_tree import Link, Tree, build_tree
from schemas.post import PostDraft
from tests.bounds import examples
from tests.processors.spread_cases import NOON, post, raw, thread

ROOT = "weibo:0"


def edges(tree: Tree) -> dict[str, tuple[str | None, Link | None]]:
    short = {node.id: node.id.removeprefix("weibo:") for node in tree.nodes.values()}
    return {
        short[node.id]: (short[node.parent] if node.parent else None, node.link)
        for node in tree.nodes.values()
    }


# --- order of arrival -------------------------------------------------------------------------

NAMES = [f"网友{number}" for number in range(6)]


@st.composite
def anything(draw: st.DrawFn) -> list[SpreadPost]:
    """Posts that name each other, themselves and strangers; some twice, some at equal times."""
    numbers = st.integers(0, 14)
    return [
        post(
            number,
            draw(st.none() | numbers),
            minute=draw(st.integers(0, 5)),
            revision=draw(st.integers(0, 2)),
            kind=draw(st.sampled_from(["repost", "comment"])),
            author_name=draw(st.sampled_from(["", *NAMES])),
            names=tuple(draw(st.lists(st.sampled_from([*NAMES, "外人"]), max_size=3))),
        )
        for number in draw(st.lists(numbers, max_size=14))
    ]


@examples(300)
@given(posts=anything(), seed=st.integers())
def test_any_order_of_any_posts_gives_the_same_tree(posts: list[SpreadPost], seed: int) -> None:
    shuffled = posts * 2
    random.Random(seed).shuffle(shuffled)

    tree = build_tree(posts, ROOT)
    again = build_tree(shuffled, ROOT)

    assert list(again.nodes.items()) == list(tree.nodes.items())
    # And it is a tree: each post once, below its parent, all below the root.
    assert {node.id for node in tree.seen()} == {one.id for one in posts}
    assert next(iter(tree.nodes)) == ROOT
    for node in tree.nodes.values():
        assert (node.parent is None) == (node.id == ROOT)
        if node.parent is not None:
            assert node.id in tree.nodes[node.parent].children
            assert node.depth == tree.nodes[node.parent].depth + 1
            assert node.post is not None or node.children, "nobody named it"
    assert sum(len(node.children) for node in tree.nodes.values()) == len(tree.nodes) - 1


@examples(100)
@given(posts=anything(), seed=st.integers())
def test_any_order_finds_the_same_thread(posts: list[SpreadPost], seed: int) -> None:
    others = [one._replace(id=f"{one.id}x", root_id="weibo:else", parent_id="") for one in posts]
    shuffled = posts + others
    random.Random(seed).shuffle(shuffled)

    top, members = thread_of(shuffled, ROOT)

    assert top == ROOT
    assert (top, members) == thread_of(posts + others, ROOT)
    assert not {one.id for one in members} & {one.id for one in others}
    assert {one.id for one in members} >= {one.id for one in posts if one.root_id == ROOT}


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_newest_revision_counts(order: tuple[int, ...]) -> None:
    states = [
        post(2, 1, revision=1),
        post(2, 0, revision=3),
        post(2, 1, revision=2, deleted=True),
    ]

    tree = build_tree([post(0), post(1), *(states[place] for place in order)], ROOT)

    assert edges(tree) == {"0": (None, None), "1": ("0", "given"), "2": ("0", "given")}
    assert tree.nodes["weibo:2"].post == states[1]


def test_siblings_stand_by_time_then_id() -> None:
    posts = [post(0), post(3, minute=1), post(1, minute=2), post(2, minute=1)]

    assert build_tree(posts, ROOT).nodes[ROOT].children == ("weibo:2", "weibo:3", "weibo:1")


# --- parents that are not there ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("posts", "expected"),
    [
        pytest.param(
            [post(0), post(1, 9), post(2, 9)],
            {"0": (None, None), "9": ("0", "assumed"), "1": ("9", "given"), "2": ("9", "given")},
            id="a parent that was never collected is one node",
        ),
        pytest.param(
            [post(1), post(2, 1)],
            {"0": (None, None), "1": ("0", "given"), "2": ("1", "given")},
            id="so is the root",
        ),
        pytest.param(
            [post(0), post(1, None)],
            {"0": (None, None), "1": ("0", "assumed")},
            id="nothing tells the parent",
        ),
        pytest.param(
            [post(0), post(1), post(2, None, root_id="weibo:1", kind="comment")],
            {"0": (None, None), "1": ("0", "given"), "2": ("1", "assumed")},
            id="a comment on a repost",
        ),
        pytest.param(
            [post(0), post(1, 2), post(2, 3), post(3, 1), post(4, 3)],
            {
                "0": (None, None),
                "1": ("0", "cut"),
                "2": ("3", "given"),
                "3": ("1", "given"),
                "4": ("3", "given"),
            },
            id="a circle is cut at its earliest post",
        ),
        pytest.param(
            [post(0), post(1, 1)],
            {"0": (None, None), "1": ("0", "cut")},
            id="a circle of one",
        ),
        pytest.param(
            [post(0, parent_id="weibo:1"), post(1)],
            {"0": (None, None), "1": ("0", "given")},
            id="the root has no parent",
        ),
    ],
)
def test_parents_that_are_missing_or_go_round(
    posts: list[SpreadPost], expected: dict[str, tuple[str | None, Link | None]]
) -> None:
    assert edges(build_tree(posts, ROOT)) == expected


def test_an_unseen_node_stands_where_its_first_answer_would() -> None:
    tree = build_tree([post(0), post(1), post(2, 9), post(3), post(4, 8, minute=1)], ROOT)

    assert tree.nodes[ROOT].children == ("weibo:1", "weibo:8", "weibo:9", "weibo:3")


# --- parents that the text tells --------------------------------------------------------------


@pytest.mark.parametrize(
    ("posts", "expected"),
    [
        pytest.param(
            [post(0), post(1), post(2, None, names=("网友1",))],
            {"1": ("0", "given"), "2": ("1", "inferred")},
            id="by name",
        ),
        pytest.param(
            [post(0), post(1), post(2, 0, names=("网友1",))],
            {"1": ("0", "given"), "2": ("1", "inferred")},
            id="a connector wrote the root for want of a parent",
        ),
        pytest.param(
            [post(0), post(1), post(2, 1), post(3, 1, names=("网友2", "网友1"))],
            {"1": ("0", "given"), "2": ("1", "given"), "3": ("1", "given")},
            id="the platform's word counts more",
        ),
        pytest.param(
            [
                post(0),
                post(1),
                post(2, author_name="网友1"),
                post(3, None, names=("网友1",)),
                post(4, author_name="网友1"),
            ],
            {
                "1": ("0", "given"),
                "2": ("0", "given"),
                "3": ("2", "inferred"),
                "4": ("0", "given"),
            },
            id="the last that is not later",
        ),
        pytest.param(
            [
                post(0),
                post(1, author_name="阿楠"),
                post(2, kind="comment", author_name="阿楠"),
                post(3, None, names=("阿楠",)),
                post(4, None, kind="reply", names=("阿楠",)),
            ],
            {
                "1": ("0", "given"),
                "2": ("0", "given"),
                "3": ("1", "inferred"),
                "4": ("2", "inferred"),
            },
            id="reposts hang on reposts, replies on comments",
        ),
        pytest.param(
            [post(0), post(1, None, names=("网友0",))],
            {"1": ("0", "inferred")},
            id="the root's author",
        ),
        pytest.param(
            [post(0), post(1, None, names=("网友0",), minute=-5)],
            {"1": ("0", "inferred")},
            id="the root came first, whatever the clocks say",
        ),
        pytest.param(
            [post(0), post(1, None, names=("阿楠",)), post(2, None, names=("阿楠",))],
            {"@阿楠": ("0", "assumed"), "1": ("@阿楠", "inferred"), "2": ("@阿楠", "inferred")},
            id="one node for a name that was never collected",
        ),
        pytest.param(
            [post(0), post(1), post(2, None, names=("阿楠", "大刘", "网友1"))],
            {
                "1": ("0", "given"),
                "@大刘": ("1", "inferred"),
                "@阿楠": ("@大刘", "inferred"),
                "2": ("@阿楠", "inferred"),
            },
            id="a chain of them, down to one that was",
        ),
        pytest.param(
            [post(0), post(1), post(2, 9, names=("阿楠", "网友1")), post(3, 0, names=("阿楠",))],
            {
                "1": ("0", "given"),
                "9": ("1", "inferred"),
                "2": ("9", "given"),
                "3": ("9", "inferred"),
            },
            id="the same repost by id and by name",
        ),
        pytest.param(
            [post(0), post(1, None, names=("网友1",))],
            {"@网友1": ("0", "assumed"), "1": ("@网友1", "inferred")},
            id="an earlier post of their own that was not collected",
        ),
        pytest.param(
            [post(0), post(1, None, names=("甲", "乙", "甲"))],
            {"@甲": ("0", "assumed"), "1": ("@甲", "inferred")},
            id="a name twice in one chain is one node",
        ),
        pytest.param(
            [post(0), post(1, None, names=("甲", "乙")), post(2, None, names=("乙", "甲"))],
            {
                "@乙": ("0", "cut"),  # as early as the other, and the smaller sign
                "@甲": ("@乙", "inferred"),
                "1": ("@甲", "inferred"),
                "2": ("@乙", "inferred"),
            },
            id="names that go round",
        ),
        pytest.param(
            [
                post(0),
                post(1, None, names=("甲", "乙")),
                post(2, None, names=("乙", "甲", "丙", "丁")),
            ],
            {
                "@丁": ("0", "assumed"),
                "@丙": ("@丁", "inferred"),
                "@甲": ("@丙", "inferred"),
                "@乙": ("@甲", "inferred"),
                "1": ("@甲", "inferred"),
                "2": ("@乙", "inferred"),
            },
            id="the longest chain behind a name",
        ),
    ],
)
def test_parents_out_of_the_text(
    posts: list[SpreadPost], expected: dict[str, tuple[str | None, Link | None]]
) -> None:
    assert edges(build_tree(posts, ROOT)) == {"0": (None, None)} | expected


def test_names_alone_give_back_the_parents_of_the_demo() -> None:
    recording = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "recording.jsonl.gz"
    threads: dict[str, list[SpreadPost]] = defaultdict(list)
    with gzip.open(recording) as lines:
        for line in lines:
            taken = spread_post(PostDraft.from_line(line))
            threads[taken.root_id or taken.id].append(taken)
    passed_on = {root: posts for root, posts in threads.items() if any(p.names for p in posts)}

    found = {}
    for root, posts in passed_on.items():
        hidden = [one._replace(parent_id="") if one.names else one for one in posts]
        nodes = build_tree(hidden, root).nodes
        found |= {one.id: nodes[one.id].parent for one in posts if one.names}

    assert len(found) == 280
    assert found == {p.id: p.parent_id for posts in passed_on.values() for p in posts if p.names}


def test_an_unseen_parent_is_called_as_the_text_calls_it() -> None:
    tree = build_tree([post(0), post(1, 9), post(2, 9, names=("阿楠",))], ROOT)

    assert (tree.nodes["weibo:9"].name, tree.nodes["weibo:9"].post) == ("阿楠", None)


# --- parts, threads, fields -------------------------------------------------------------------


def test_a_part_of_a_tree_is_a_tree() -> None:
    tree = build_tree(thread([0, 1, 2, 0, 1]), ROOT)

    part = tree.below("weibo:1")

    assert part.root == "weibo:1"
    assert {node.id: node.depth for node in part.nodes.values()} == {
        "weibo:1": 0,
        "weibo:2": 1,
        "weibo:3": 2,
        "weibo:5": 1,
    }
    assert part.nodes["weibo:1"].parent is None
    assert (
        part.nodes["weibo:3"]
        == build_tree(thread([0, 1, 2, 0, 1])[1:4], "weibo:1").nodes["weibo:3"]
    )


def test_a_chain_of_thousands_is_no_problem() -> None:
    tree = build_tree(thread(range(5_000)), ROOT)

    assert max(node.depth for node in tree.nodes.values()) == 5_000
    assert len(tree.below("weibo:4000").nodes) == 1_001


@pytest.mark.parametrize("start", ["weibo:0", "weibo:1", "weibo:5", "weibo:6"])
def test_a_thread_reaches_over_comments_on_reposts_and_deleted_parents(start: str) -> None:
    posts = [
        *thread([0, 1]),
        post(5, 1, root_id="weibo:1", kind="comment"),
        post(6, 5, root_id="weibo:1", kind="reply"),
        post(7, None, root_id="", deleted=True),  # what a deletion leaves: no root, no parent
        post(8, 7),
        post(20, None, root_id=""),
        post(21, 20, root_id="weibo:20"),
    ]

    top, members = thread_of(posts, start)

    assert top == ROOT
    assert [one.id for one in members] == [f"weibo:{one}" for one in (0, 1, 2, 5, 6, 7, 8)]


@pytest.mark.parametrize("start", ["weibo:1", "weibo:2", "weibo:3"])
def test_threads_whose_roots_go_round_end(start: str) -> None:
    posts = [post(one, None, root_id=f"weibo:{one % 3 + 1}") for one in (1, 2, 3)]

    top, members = thread_of(posts, start)

    assert [one.id for one in members] == ["weibo:1", "weibo:2", "weibo:3"]
    assert len(build_tree(members, top).nodes) == 3


def test_nothing_is_known_of_a_stranger() -> None:
    assert thread_of(thread([0]), "weibo:404") == ("weibo:404", [])


def test_what_the_tree_takes_of_a_post() -> None:
    taken = spread_post(
        raw(
            "同意//@老周:看",
            parent_id="weibo:0",
            root_id="weibo:0",
            author={"id": "u7", "name": "小林", "followers": 12, "verified": True},
        )
    )

    assert (taken.names, taken.excerpt) == (("老周",), "同意")
    assert (taken.parent_id, taken.root_id, taken.followers) == ("weibo:0", "weibo:0", 12)
    assert (taken.verified, taken.deleted, taken.at) == (True, False, NOON)
    assert taken.revision == (NOON + timedelta(seconds=9)).timestamp() * 1000
    bare = spread_post(raw("题目在前", title="标题", author={"id": "u7"}))
    assert (bare.followers, bare.author_name, bare.excerpt) == (-1, "", "标题")
