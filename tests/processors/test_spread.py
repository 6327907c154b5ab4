"""Measures of a spread, against counting by hand and by brute force."""

import gzip
import json
import random
from collections import Counter, defaultdict
from datetime import timedelta
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.spread import Spread, measure
from processors.spread_circles import sizes_of
from processors.spread_roles import role_of
from processors.spread_thread import SpreadPost, spread_post
from processors.spread_tree import Tree, build_tree
from schemas.post import PostDraft
from tests.bounds import examples
from tests.processors.spread_cases import NOON, post, thread

ROOT = "weibo:0"

# 0 ─┬ 1 ─┬ 4 … 9
#    ├ 2  └ 10 ─ 11 … 16
#    └ 3
TWO_AUDIENCES = [0, 0, 0, *[1] * 6, 1, *[10] * 6]


def spread(posts: list[SpreadPost]) -> Spread:
    return measure(build_tree(posts, ROOT))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Trees of up to 30 posts, some parents never collected, perhaps without the root's post."""
    count = draw(st.integers(1, 30))
    parents = [draw(st.integers(0, number)) for number in range(count)]
    times = draw(st.lists(st.integers(-10, 300), min_size=count + 1, max_size=count + 1))
    missing = draw(st.sets(st.integers(0, count - 1), max_size=5))
    everyone = [
        one._replace(at=NOON + timedelta(minutes=minute))
        for one, minute in zip(thread(parents), times, strict=True)
    ]
    return build_tree([one for number, one in enumerate(everyone) if number not in missing], ROOT)


# --- against brute force ----------------------------------------------------------------------


def path_up(tree: Tree, node_id: str) -> list[str]:
    path = [node_id]
    while (above := tree.nodes[path[-1]].parent) is not None:
        path.append(above)
    return path


def distance(tree: Tree, one: str, other: str) -> int:
    up, down = path_up(tree, one), path_up(tree, other)
    return len(set(up) ^ set(down))


@examples(100)
@given(tree=trees())
def test_shape_is_what_counting_gives(tree: Tree) -> None:
    shape = measure(tree).shape
    seen = [node.id for node in tree.seen()]

    assert shape.posts == len(seen)
    assert shape.unseen == len(tree.nodes) - len(seen)
    assert Counter(len(path_up(tree, one)) - 1 for one in seen) == Counter(
        {level: count for level, count in enumerate(shape.breadth) if count}
    )
    assert shape.levels == max(len(path_up(tree, one)) - 1 for one in tree.nodes)
    distances = [distance(tree, one, other) for one, other in combinations(seen, 2)]
    if distances:
        assert shape.virality == pytest.approx(sum(distances) / len(distances))
    else:
        assert shape.virality is None


@examples(100)
@given(tree=trees())
def test_amplifiers_are_those_with_the_most_below(tree: Tree) -> None:
    below = Counter(
        above for node in tree.seen() for above in path_up(tree, node.id)[1:] if above != ROOT
    )
    found = measure(tree, most_amplifiers=100).amplifiers

    assert {one.id: one.descendants for one in found} == dict(below)
    assert [one.descendants for one in found] == sorted(below.values(), reverse=True)
    answers = sum(node.id != ROOT for node in tree.seen())
    for one in found:
        children = tree.nodes[one.id].children
        assert one.direct == sum(tree.nodes[child].post is not None for child in children)
        assert one.share == pytest.approx(one.descendants / answers)


@examples(100)
@given(tree=trees())
def test_the_bridge_lies_between_the_most_pairs(tree: Tree) -> None:
    seen = [node.id for node in tree.seen()]
    crossed: Counter[str] = Counter()
    for one, other in combinations(seen, 2):
        crossed.update(set(path_up(tree, one)) ^ set(path_up(tree, other)))
    inner = {node.id: crossed[node.id] for node in tree.nodes.values() if node.children}
    inner.pop(ROOT, None)
    bridge = measure(tree).bridge

    assert (bridge is None) == (not inner)
    if bridge is not None:
        assert bridge.pairs == max(inner.values()) == inner[bridge.child]
        assert bridge.parent == tree.nodes[bridge.child].parent
        assert bridge.beyond == sizes_of(tree)[bridge.child]


@examples(100)
@given(tree=trees())
def test_speed_is_what_counting_gives(tree: Tree) -> None:
    times = sorted(node.post.at for node in tree.seen() if node.post and node.id != ROOT)
    speed = measure(tree).speed
    if speed is None:
        assert not list(tree.seen())
        return

    for share, seconds in (
        (0.1, speed.to_10_seconds),
        (0.5, speed.to_50_seconds),
        (0.9, speed.to_90_seconds),
    ):
        if not times:
            assert seconds is None
            continue
        enough = [
            at for at in times if sum(other <= at for other in times) >= share * len(times) - 1e-9
        ]
        assert seconds == max(0.0, (enough[0] - speed.start).total_seconds())
    hours = [sum(0 <= (at - first).total_seconds() < 3600 for at in times) for first in times]
    assert speed.busiest_hour_posts == max(hours, default=0)
    if hours:
        assert speed.busiest_hour == times[hours.index(max(hours))]
    early = sum((at - speed.start).total_seconds() < 3600 for at in times)
    assert speed.first_hour_per_minute == pytest.approx(early / 60)


@examples(100)
@given(tree=trees())
def test_circles_part_the_tree(tree: Tree) -> None:
    circles = measure(tree).circles
    total = sum(1 for _ in tree.seen())

    assert sum(circle.posts for circle in circles) == total
    assert (circles[0].id, circles[0].came_from) == (ROOT, None)
    assert {circle.came_from for circle in circles[1:]} <= {circle.id for circle in circles}
    for circle in circles[1:]:
        followers = circle.posts - (tree.nodes[circle.id].post is not None)
        assert followers >= max(5, 0.05 * total)


# --- by hand ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parents", "virality"),
    [
        pytest.param([0] * 9, 2 * 9 / 10, id="a star: 2 (n - 1) / n"),
        pytest.param(range(9), 11 / 3, id="a chain: (n + 1) / 3"),
        pytest.param([0], 1.0, id="two posts"),
    ],
)
def test_virality_of_the_shapes_of_the_paper(parents: list[int], virality: float) -> None:
    assert spread(thread(parents)).shape.virality == pytest.approx(virality)


def test_from_one_circle_to_another() -> None:
    found = spread(thread(TWO_AUDIENCES))

    assert [(circle.id, circle.posts, circle.came_from) for circle in found.circles] == [
        ("weibo:0", 3, None),
        ("weibo:1", 7, "weibo:0"),
        ("weibo:10", 7, "weibo:1"),
    ]
    assert [(one.id, one.direct, one.descendants) for one in found.amplifiers] == [
        ("weibo:1", 7, 13),
        ("weibo:10", 6, 6),
    ]
    assert found.amplifiers[0].share == pytest.approx(13 / 16)
    assert found.bridge is not None
    assert (found.bridge.parent, found.bridge.child) == ("weibo:1", "weibo:10")
    assert (found.bridge.beyond, found.bridge.pairs) == (7, 70)
    assert found.circles[2].after_seconds == 600
    assert found.shape.breadth == (1, 3, 7, 6)


def test_speed_by_hand() -> None:
    posts = [post(0), *(post(number, minute=10 * number) for number in range(1, 11))]

    speed = spread(posts).speed

    assert speed is not None
    assert (speed.to_10_seconds, speed.to_50_seconds, speed.to_90_seconds) == (600, 3000, 5400)
    assert (speed.busiest_hour_posts, speed.busiest_hour) == (6, NOON + timedelta(minutes=10))
    assert speed.first_hour_per_minute == 5 / 60


def test_ranks_are_exact() -> None:
    speed = spread([post(0), *(post(number) for number in range(1, 71))]).speed

    assert speed is not None
    assert speed.to_10_seconds == 7 * 60, "0.1 * 70 is more than 7 in floats"


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"author_kind": "media"}, "media"),
        ({"author_kind": "staff", "author_id": "u0"}, "staff"),  # the author, and staff
        ({"author_kind": "person", "author_id": "u0"}, "origin"),
        ({"author_kind": "person"}, "person"),
        ({"author_kind": "person", "verified": True, "followers": 200_000}, "big"),
        ({"author_kind": "bot"}, "bot"),
        ({"verified": True, "followers": 100_000}, "big"),
        ({"verified": False, "followers": 100_000}, "outsider"),
        ({"verified": True, "followers": 99_999}, "outsider"),
        ({"verified": True, "followers": -1}, "outsider"),
        ({"author_kind": "a kind of a later version"}, "outsider"),
        ({"author_id": "u0", "platform": "lunji"}, "outsider"),  # ids are a platform's own
        ({}, "outsider"),
    ],
)
def test_roles(changes: dict[str, Any], role: str) -> None:
    tree = build_tree([post(0), post(1, **changes)], ROOT)

    assert role_of(tree, tree.nodes["weibo:1"]) == role
    assert measure(tree).roles[role] == (2 if role == "origin" else 1)


def test_what_was_never_collected_is_counted_apart() -> None:
    posts = [post(1, 9, names=("阿楠",)), post(2, 9, deleted=True), post(3, None), post(4, 4)]

    found = spread(posts)

    shape = found.shape
    assert (shape.posts, shape.unseen, shape.deleted) == (4, 2, 1)
    assert (shape.inferred, shape.assumed, shape.cut) == (0, 1, 1)
    [amplifier] = found.amplifiers
    assert (amplifier.name, amplifier.followers, amplifier.after_seconds) == ("阿楠", None, None)
    assert (amplifier.direct, amplifier.share) == (2, 0.5)
    assert found.speed is not None
    assert found.speed.start == NOON + timedelta(minutes=1)  # of the first that is known


def test_nothing_but_a_name_has_no_speed() -> None:
    found = measure(build_tree([], ROOT))

    assert found.speed is None
    assert (found.shape.posts, found.shape.unseen, found.bridge) == (0, 1, None)


# --- real cascades ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cascades(shared_data: Path) -> dict[str, list[SpreadPost]]:
    path = shared_data / "cascade" / "ced_brand_replay_dev.jsonl.gz"
    if not path.is_file():
        pytest.skip("the real cascades are not on this machine")
    found: dict[str, list[SpreadPost]] = defaultdict(list)
    with gzip.open(path) as lines:
        for row in map(json.loads, lines):
            is_root = row["type"] == "root"
            draft = PostDraft.model_validate(
                {
                    "id": f"weibo:{row['mid']}",
                    "platform": "weibo",
                    "kind": "post" if is_root else "repost",
                    "text": row["text"],
                    "author": {"id": row["author"]},
                    "published_at": row["time"],
                    "parent_id": None if is_root else f"weibo:{row['parent']}",
                    "root_id": None if is_root else f"weibo:{row['root']}",
                    "source": "test",
                },
                strict=False,
            )
            found[draft.root_id or draft.id].append(spread_post(draft))
    return found


def test_real_cascades_lose_nobody_in_any_order(cascades: dict[str, list[SpreadPost]]) -> None:
    assert len(cascades) == 108
    for place, (root, posts) in enumerate(cascades.items()):
        shuffled = posts[:]
        random.Random(place).shuffle(shuffled)
        tree = build_tree(posts, root)
        found = measure(tree)

        assert list(build_tree(shuffled, root).nodes.items()) == list(tree.nodes.items())
        # Twelve ids are in the file twice, one of them with another parent.
        assert {node.id for node in tree.seen()} == {one.id for one in posts}
        named = {(one.id, one.parent_id) for one in posts if one.id != root}
        assert {(node.id, node.parent) for node in tree.seen() if node.id != root} <= named
        assert all(node.link == "given" for node in tree.seen() if node.id != root)
        assert found.shape.posts == len({one.id for one in posts}) == sum(found.shape.breadth)
        assert sum(circle.posts for circle in found.circles) == found.shape.posts
        if found.bridge is not None:
            assert found.bridge.pairs <= comb(found.shape.posts, 2)
