"""The picture of a spread: everybody is in it, within its bounds, and named where they matter."""

import math
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from defusedxml import ElementTree

from pipeline.spread_layout import layout, rings
from pipeline.spread_svg import picture
from processors.spread import measure
from processors.spread_thread import SpreadPost
from processors.spread_tree import Tree, build_tree
from schemas.language import use_language
from tests.processors.spread_cases import NOON, post, thread

SHANGHAI = ZoneInfo("Asia/Shanghai")
SVG = "{http://www.w3.org/2000/svg}"
TWO_AUDIENCES = [0, 0, 0, *[1] * 6, 1, *[10] * 6]
SHAPES = {
    "one post": [],
    "star": [0] * 400,
    "chain": range(60),
    "two audiences": TWO_AUDIENCES,
    "binary": [(number - 1) // 2 for number in range(1, 300)],
}


def tree_of(parents: Sequence[int]) -> Tree:
    return build_tree(thread(parents), "weibo:0")


def drawn(posts: list[SpreadPost]) -> ElementTree:
    tree = build_tree(posts, "weibo:0")
    return ElementTree.fromstring(picture(tree, measure(tree), SHANGHAI))


@pytest.mark.parametrize("parents", SHAPES.values(), ids=SHAPES)
def test_every_node_has_a_place_of_its_own(parents: Sequence[int]) -> None:
    tree = tree_of(parents)

    points = layout(tree, 500, 400, 300)

    assert points.keys() == tree.nodes.keys()
    places = {(round(point.x, 3), round(point.y, 3)) for point in points.values()}
    assert len(places) == len(tree.nodes)
    for node in tree.nodes.values():
        point = points[node.id]
        assert math.hypot(point.x - 500, point.y - 400) <= 300.001
        if node.parent is not None:
            assert point.radius > points[node.parent].radius


@pytest.mark.parametrize("parents", SHAPES.values(), ids=SHAPES)
def test_everybody_is_drawn_and_nothing_lies_outside(parents: Sequence[int]) -> None:
    picture_of = drawn(thread(parents))

    circles = [
        one for one in picture_of.iter(f"{SVG}circle") if one.find(f"{SVG}title") is not None
    ]
    dots = sum(path.get("d", "").count("h0") for path in picture_of.iter(f"{SVG}path"))
    assert len(circles) + dots == len(parents) + 1
    height = float(picture_of.get("height"))
    for text in picture_of.iter(f"{SVG}text"):
        assert 0 < float(text.get("y")) < height


def test_names_stand_apart() -> None:
    parents = [0] * 20 + [number for number in range(1, 21) for _ in range(3)]
    texts = list(drawn(thread(parents)).iter(f"{SVG}text"))
    for side in ("start", "end"):
        heights = [float(one.get("y")) for one in texts if one.get("text-anchor") == side]
        gaps = [second - first for first, second in pairwise(sorted(heights))]
        assert all(gap >= 16 for gap in gaps), gaps
    assert sum(one.get("font-weight") == "bold" for one in texts) == 2 + 10


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("zh", ["传播图：网友0", "其后 13 条 · 81 %", "第 1 层 3 条", "网友1 的圈子 → 网友10"]),
        ("en", ["Spread: 网友0", "13 below · 81 %", "level 1: 3", "circle of 网友1 → circle of"]),
    ],
)
def test_it_says_who_carried_it_on(language: str, words: list[str]) -> None:
    use_language(language)  # type: ignore[arg-type]
    try:
        texts = "\n".join(drawn(thread(TWO_AUDIENCES)).itertext())
    finally:
        use_language(None)

    for word in words:
        assert word in texts


def test_what_is_not_known_looks_different() -> None:
    posts = [post(0), post(1, None, names=("阿楠",)), post(2, None, names=("阿楠",))]

    picture_of = drawn(posts)

    [hollow] = [one for one in picture_of.iter(f"{SVG}circle") if one.get("fill") == "#fff"]
    assert "阿楠" in hollow.find(f"{SVG}title").text
    assert "未采到 · 其后 2 条 · 100 %" in "".join(picture_of.itertext())
    dashed = [one for one in picture_of.iter(f"{SVG}path") if one.get("stroke-dasharray")]
    assert sum(one.get("d", "").count("M") for one in dashed) == 3


def test_a_root_that_was_never_collected_can_be_drawn() -> None:
    posts = [post(number, at=NOON + timedelta(hours=number)) for number in range(1, 9)]

    assert "weibo:0" in "".join(drawn(posts).itertext())


def test_rings_grow_outwards_and_full_ones_are_wider() -> None:
    reached = rings(tree_of([0, 1, *[2] * 50]), 300)

    assert reached[0] == 0 and reached[-1] == pytest.approx(300)
    assert reached[3] - reached[2] > reached[2] - reached[1] > 0
