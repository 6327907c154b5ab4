"""The reference page of the query language: every example is true."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from processors.query_advice import advice
from processors.query_parser import parse_query
from processors.query_reference import judge
from processors.query_set import QuerySet
from schemas.enriched import EnrichedPost
from schemas.post import Author

PAGE = Path(__file__).parents[2] / "deploy" / "queries.md"
AT = datetime(2026, 1, 1, tzinfo=UTC)


def rows(header: str) -> Iterator[list[str]]:
    """The cells of every row of the tables with this header."""
    inside = False
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [
            cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip("|"))
        ]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == header:
            inside = True
        elif inside and not cells[0].startswith("---"):
            yield cells


def examples() -> Iterator[tuple[str, str, bool]]:
    for query, matching, others in rows("查询"):
        for text in matching.split("⏎"):
            yield query.strip("`"), text.strip(" "), True
        for text in others.split("⏎"):
            yield query.strip("`"), text.strip(" "), False


def post(text: str) -> EnrichedPost:
    title, _, body = text.rpartition("｜")
    return EnrichedPost(
        id="weibo:1",
        platform="weibo",
        kind="post",
        title=title or None,
        text=body,
        author=Author(id="1"),
        published_at=AT,
        observed_at=AT,
        source="demo",
    )


def test_the_page_has_examples_of_everything() -> None:
    found = list(examples())

    assert len(found) > 90
    assert sum(holds for *_, holds in found) > 45


@pytest.mark.parametrize(("query", "text", "holds"), list(examples()))
def test_an_example_is_true(query: str, text: str, holds: bool) -> None:
    tree = parse_query(query)
    candidate = post(text)

    assert judge(tree, candidate).holds is holds
    assert bool(QuerySet([tree]).match(candidate)) is holds


@pytest.mark.parametrize("query", sorted({query for query, *_ in examples()}))
def test_an_example_is_a_good_query(query: str) -> None:
    shown_for_what_it_warns_of = {"H&M", "(召回 OR NOT 谣言) 电池", "😡"}

    warned = bool(advice(query, parse_query(query)))

    assert not warned or query.startswith("/") or query in shown_for_what_it_warns_of


@pytest.mark.parametrize("cell", [cell for cell, _ in rows("写法")])
def test_a_field_can_be_written_as_the_page_says(cell: str) -> None:
    written = re.findall("`([^`]+)`", cell)

    trees = [parse_query(query) for query in written]

    assert len(trees) == 2
