"""What a statement did is told with an interval, or not at all."""

import random
from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.statement_effect import MAX_QUARTERS, Effect, effect

WAVES = {"dying": -0.05, "lasting": 0.0, "growing": 0.05}


def quarters(
    chance: random.Random, trend: float, times: range, part: float = 1.0
) -> list[tuple[int, int]]:
    """Voices of a wave of 40 a quarter at time 0, scattered by chance; half of them negative."""
    means = [40 * exp(trend * time) * part for time in times]
    counts = [round(max(0.0, chance.gauss(mean, mean**0.5))) for mean in means]
    return [(count, count // 2) for count in counts]


def judged(trend: float, part: float, runs: int = 60) -> list[str]:
    chance = random.Random(11)
    found = [
        effect(quarters(chance, trend, range(-23, 1)), quarters(chance, trend, range(1, 25), part))
        for _ in range(runs)
    ]
    return [one.voices.verdict for one in found if isinstance(one, Effect)]


@pytest.mark.parametrize("wave", WAVES)
def test_a_wave_that_goes_its_way_is_no_effect(wave: str) -> None:
    verdicts = judged(WAVES[wave], 1.0)

    assert len(verdicts) == 60
    assert verdicts.count("open") >= 54, "95 % intervals"


@pytest.mark.parametrize(("part", "verdict"), [(0.35, "less"), (3.0, "more")])
def test_a_change_is_found(part: float, verdict: str) -> None:
    assert judged(0.0, part).count(verdict) >= 57


def test_the_figures_are_those_of_the_posts() -> None:
    found = effect([(20, 15)] * 8, [(10, 5)] * 6)

    assert isinstance(found, Effect)
    assert (found.quarters_before, found.quarters_after) == (8, 6)
    assert (found.voices.before, found.voices.after) == (160, 60)
    assert found.voices.expected == pytest.approx(120, rel=0.02)
    assert found.voices.low < 0.5 < found.voices.high < 1
    assert found.negative is not None and found.negative.after == 30
    assert (found.share.before, found.share.after) == (0.75, 0.5)
    assert found.share.verdict == "less"


def test_a_night_is_no_effect() -> None:
    # Given a lasting wave at an hour when four times as much is said as at the next
    day, night = [(40, 20)] * 12, [(10, 5)] * 12

    taken, known = effect(day, night), effect(day, night, ([4.0] * 12, [1.0] * 12))

    assert isinstance(taken, Effect) and isinstance(known, Effect)
    assert (taken.voices.verdict, known.voices.verdict) == ("less", "open")
    assert known.voices.expected == pytest.approx(120, rel=0.02)


def test_calm_praise_says_nothing_of_blame() -> None:
    found = effect([(20, 0)] * 8, [(20, 1), *[(20, 0)] * 7])

    assert isinstance(found, Effect)
    assert found.negative is None
    assert found.share.verdict == "open"


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ([(20, 5)] * 3, [(20, 5)] * 8, "too_short"),
        ([(20, 5)] * 8, [], "too_short"),
        ([(2, 1)] * 8, [(20, 5)] * 8, "few_posts"),
        ([(20, 5)] * 8, [(2, 1)] * 8, "few_posts"),
        ([(0, 0)] * 8, [(0, 0)] * 8, "few_posts"),
    ],
)
def test_too_little_is_said_so(
    before: list[tuple[int, int]], after: list[tuple[int, int]], why: str
) -> None:
    assert effect(before, after) == why


count = st.tuples(st.integers(0, 5_000), st.integers(0, 5_000)).map(
    lambda pair: (max(pair), min(pair))
)


@given(st.lists(count, max_size=40), st.lists(count, max_size=40))
def test_any_counts_have_an_answer(
    before: list[tuple[int, int]], after: list[tuple[int, int]]
) -> None:
    found = effect(before, after)

    if isinstance(found, Effect):
        assert 0 <= found.voices.low <= found.voices.high
        assert -1 <= found.share.low <= found.share.high <= 1
        assert found.quarters_after <= found.quarters_before <= MAX_QUARTERS
