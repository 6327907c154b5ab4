"""The fast matcher says what the obvious one says: which queries match, and where."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.query_parser import parse_query
from processors.query_reference import judge
from processors.query_set import QuerySet
from schemas.enriched import EnrichedPost
from schemas.post import Author
from tests.processors.query_cases import posts, queries

AT = datetime(2026, 1, 1, tzinfo=UTC)

#: 800 examples of 8 queries and 5 posts are 32,000 pairs; `make fuzz` asks for 200,000.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "800"))


def post(text: str) -> EnrichedPost:
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=text,
        author=Author(id="1"),
        published_at=AT,
        observed_at=AT,
        source="demo",
    )


SPAM = "啊" * 100_000
BLOB = "a" * 90_000


@pytest.mark.parametrize(
    ("queries", "text", "matching"),
    [
        (["*a*z", "*a*b", "*phone"], BLOB + " phone", [2]),
        (["啊*啊*啊*呀", "啊????????呀", "啊*呀"], SPAM, []),
        (["啊" + " NEAR/1000 啊" * 8, "啊 SENTENCE 啊", "啊 NEAR/5 呀"], SPAM, [0, 1]),
        (["/(.*)(a|b|啊).{500}c/", "/(啊+)+$/"], SPAM, []),
        ([f"刹车 NEAR/{most} 失灵" for most in range(300)], "刹车失灵" * 24_000, range(300)),
        ([f"刹车 -词{number}" for number in range(1_000)], "刹车失灵" * 24_000, range(1_000)),
    ],
)
def test_a_text_made_to_hurt_costs_little(
    queries: list[str], text: str, matching: Sequence[int]
) -> None:
    """Each took minutes once; the time limit of a test would end it."""
    found = QuerySet([parse_query(query) for query in queries]).match(post(text))

    assert list(found) == list(matching)
    assert all(len(places) <= 1_800 for places in found.values())


def test_the_words_of_one_team_do_not_use_up_what_another_needs() -> None:
    greedy = " OR ".join("啊" * number for number in range(1, 60))

    found = QuerySet([parse_query(query) for query in (greedy, "漏水", "啊 -漏水")])

    assert list(found.match(post("啊" * 2_000 + "漏水"))) == [0, 1]


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.lists(queries, min_size=8, max_size=8), st.lists(posts(), min_size=5, max_size=5))
def test_it_agrees_with_the_obvious_matcher(written: list[str], some: list[EnrichedPost]) -> None:
    trees = [parse_query(query) for query in written]
    fast = QuerySet(trees)
    for post in some:
        found = fast.match(post)
        for number, tree in enumerate(trees):
            verdict = judge(tree, post)
            assert (number in found) == verdict.holds, written[number]
            if verdict.holds:
                assert found[number] == verdict.found, written[number]
