import pytest

from processors.influence import influence, spread
from schemas.enriched import AuthorKind


@pytest.mark.parametrize(
    ("followers", "reaches"),
    [(0, 0.0), (99, 25.0), (9_999, 50.0), (99_999_999, 100.0), (2**53, 100.0)],
)
def test_followers_reach_by_powers_of_ten(followers: int, reaches: float) -> None:
    assert influence(followers, None, "person", None) == reaches


@pytest.mark.parametrize(
    ("counters", "went"),
    [
        ((None, None, None, None), None),
        ((0, 0, 0, None), 0.0),
        ((1_000_000, 1_000_000, 1_000_000, None), 1.0),
        ((2**53, 2**53, 2**53, None), 1.0),
        ((1_000_000, 0, 0, None), 0.4),
        ((0, 1_000_000, 0, None), 0.4),
        ((0, 0, 1_000_000, None), 0.2),
        ((None, None, 1_000_000, None), 1.0),
        ((None, None, None, 100_000_000), 1.0),
        ((None, None, 0, 100_000_000), 0.0),
    ],
)
def test_a_repost_counts_twice_a_like(
    counters: tuple[int | None, int | None, int | None, int | None], went: float | None
) -> None:
    assert spread(*counters) == (None if went is None else pytest.approx(went))


@pytest.mark.parametrize("kind", ["person", "bot", "staff", "dealer", None])
def test_nothing_is_known_of_an_author_without_numbers(kind: AuthorKind | None) -> None:
    assert influence(None, None, kind, None) is None
    assert influence(None, False, kind, None) is None


def test_a_medium_reaches_as_media_do_until_its_followers_are_known() -> None:
    assert influence(None, None, "media", None) == 50.0
    assert influence(99, None, "media", None) == 25.0


@pytest.mark.parametrize("past", [None, 0.0, 0.5])
def test_every_part_adds_and_none_takes_away(past: float | None) -> None:
    parts = [(None, None), (None, 0.0), (0, 0.3), (500, 0.3), (500, 0.9), (80_000, 0.9)]

    found = [influence(followers, True, "person", went, past) for followers, went in parts]

    assert None not in found
    assert found == sorted(found, key=lambda value: value or 0.0)
    assert 0 < (found[0] or 0) <= (found[-1] or 0) < 100


def test_a_bot_counts_half() -> None:
    assert influence(9_999, None, "bot", None) == 25.0


def test_what_spread_before_speaks_for_the_author() -> None:
    assert influence(None, None, "person", None, past=0.5) == 50.0
