"""Two counts of equal stretches: what differs, and what chance alone may do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.changes import FEW, change, is_chance


@pytest.mark.parametrize(
    ("now", "before", "percent", "by_chance"),
    [
        (150, 100, 50.0, False),
        (110, 100, 10.0, True),
        (0, 100, -100.0, False),
        (9, 3, None, True),  # three times as many, and still nothing
        (30, 3, None, False),
        (0, 0, None, True),
    ],
)
def test_a_difference_is_told_with_its_worth(
    now: int, before: int, percent: float | None, by_chance: bool
) -> None:
    found = change(now, before)

    assert (found.percent, found.by_chance) == (percent, by_chance)


def test_what_is_not_known_is_not_compared() -> None:
    assert change(5, None).percent is change(5, None).by_chance is None


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_chance_has_no_direction(one: int, other: int) -> None:
    assert is_chance(one, other) == is_chance(other, one)
    assert (change(one, other).percent is None) == (other < FEW)
