"""The fast matcher says what the obvious one says: which queries match, and where."""

import os

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.query_parser import parse_query
from processors.query_reference import judge
from processors.query_set import QuerySet
from schemas.enriched import EnrichedPost
from tests.processors.query_cases import posts, queries

#: 2,500 examples of 8 queries and 5 posts are 100,000 pairs.
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2500"))


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
