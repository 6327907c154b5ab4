from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.known import MAX_KNOWN, Known
from schemas.post import Author, Engagement, PostDraft
from tests.bounds import examples


def draft(number: int = 1, **changes: Any) -> PostDraft:
    values: dict[str, Any] = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": "云帆刹车失灵",
        "author": Author(id="u"),
        "published_at": datetime(2024, 3, 1, tzinfo=UTC),
        "source": "s",
    }
    return PostDraft(**values | changes)


def test_a_post_is_news_once() -> None:
    known = Known()

    assert known.news(draft())
    assert not known.news(draft())
    assert known.news(draft(2))


def test_what_was_told_is_known_after_a_restart() -> None:
    before = Known()
    for number in range(5):
        before.news(draft(number))

    after = Known(before.kept())

    assert [after.news(draft(number)) for number in range(6)] == [False] * 5 + [True]


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "云帆刹车失灵，已更正"},
        {"title": "更正"},
        {"deleted": True},
        {"root_text": "原帖"},
        {"published_at": datetime(2024, 3, 1, tzinfo=UTC) + timedelta(seconds=1)},
        {"engagement": Engagement(likes=0)},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_change_is_news_and_so_is_its_taking_back(changes: dict[str, Any]) -> None:
    known = Known()
    known.news(draft())

    assert [known.news(draft(**changes)) for _ in range(2)] == [True, False]
    assert known.news(draft())


@pytest.mark.parametrize("counter", ["reposts", "comments", "likes", "reads"])
def test_a_counter_is_news_when_it_passes_a_power_of_two(counter: str) -> None:
    known = Known()

    told = [n for n in range(1_025) if known.news(draft(engagement=Engagement(**{counter: n})))]

    assert told == [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024]


def test_the_largest_counter_is_no_trouble() -> None:
    assert Known().news(draft(engagement=Engagement(likes=2**53)))


def test_every_rank_is_news_and_the_heat_alone_is_none() -> None:
    known = Known()

    told = [
        known.news(draft(engagement=Engagement(rank=rank, heat=heat)))
        for rank, heat in [(1, 10.0), (1, 11.0), (2, 11.0), (1, 11.0)]
    ]

    assert told == [True, False, True, True]


def test_only_the_last_are_kept() -> None:
    known = Known(most=3)
    for number in (1, 2, 3, 1, 4):  # 1 was seen again and is younger than 2
        known.news(draft(number))

    assert [known.news(draft(number)) for number in (1, 3, 4)] == [False] * 3
    assert known.news(draft(2))


def test_the_string_stays_small() -> None:
    known = Known()
    for number in range(2 * MAX_KNOWN):
        known.news(draft(number))

    assert len(known.kept()) == 20 * MAX_KNOWN
    assert Known(known.kept(), most=10).kept() == known.kept()[-200:]


@pytest.mark.parametrize("cut", range(1, 21))
def test_a_string_that_was_cut_forgets_one_post_and_no_more(cut: int) -> None:
    # Given the string of ten posts, its end cut off
    before = Known()
    for number in range(10):
        before.news(draft(number))
    known = Known(before.kept()[:-cut])

    # Then the last is told again, once
    assert [known.news(draft(number)) for number in range(10)] == [False] * 9 + [True]
    again = Known(known.kept())
    assert not any(again.news(draft(number)) for number in range(10))


def test_asking_for_a_post_tells_nothing() -> None:
    known = Known()
    assert not known.has(draft(1).id)
    known.news(draft(1))

    assert known.has(draft(1).id)
    assert not known.has(draft(2).id)


def test_an_unreadable_item_is_unheard_once() -> None:
    known = Known()
    assert known.unheard(b"\xff{")
    assert not Known(known.kept()).unheard(b"\xff{")
    assert known.unheard(b"\xff[")


@examples(100)
@given(st.text(max_size=100), st.integers(1, 4))
def test_no_string_does_harm(kept: str, most: int) -> None:
    known = Known(kept, most)
    known.news(draft())

    assert not known.news(draft())
    assert not Known(known.kept(), most).news(draft())
