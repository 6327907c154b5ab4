"""What a statement of one's own did: what was said after it, against what was to be expected.

A wave dies away by itself, so "less than before" says nothing. What was to be expected without the
statement is a quasi-Poisson regression on the quarters of an hour before it,

    log(mean count) = log(usual share of the hour) + level + trend * time,

where the hour's usual share keeps a night from being taken for an effect,
carried on behind it, as in an interrupted time series (J. Lopez Bernal, S. Cummins, A. Gasparrini,
Interrupted time series regression for the evaluation of public health interventions, International
Journal of Epidemiology 46, 2017). Nobody knows how long a trend would have lasted, so it is carried
on twice: as it was, and damped by ``DAMPING`` a quarter (E. S. Gardner and E. McKenzie, Management
Science 31, 1985). The interval of the ratio spans both, the uncertainty of the fit, and the scatter
of the counts, whose variance is the mean times a dispersion that the quarters themselves show, at
least 1 (its value under a Poisson law).

The share of negative voices is compared as it stood in the same stretch before; the interval of the
difference is Newcombe's hybrid score (R. G. Newcombe, Statistics in Medicine 17, 1998, method 10).

Limits: whatever else happened at the same time is credited to the statement too. Where fewer than
``MIN_VOICES`` voices stand before or after, or the time before is shorter than ``MIN_QUARTERS``,
nothing is said. Pure: no clock, no I/O.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from typing import Literal

__all__ = ["Effect", "Measure", "Share", "Volume", "effect"]

MIN_QUARTERS = 4
"""An hour: of less no trend can be told."""
MAX_QUARTERS = 24
"""Six hours before it, and as long after it: further off, other things decide."""
MIN_VOICES = 30
DAMPING = 0.9
_Z = 1.959964  # two-sided 95 %
_STEPS = 25
_SURE = 1e-9

Measure = Literal["volume", "negative"]


@dataclass(frozen=True, slots=True)
class Volume:
    """Voices (or negative voices) after a statement against those to be expected."""

    before: int
    """In the stretch before."""
    after: int
    """In the stretch behind it, which may be shorter while it lasts."""
    expected: float
    """After it, had nobody stated anything; the geometric mean of the two ways to carry on."""
    ratio: float
    """``after`` over ``expected``: 0.6 means two fifths less than was to be expected."""
    low: float
    high: float
    """The 95 % interval of ``ratio``."""

    @property
    def verdict(self) -> Literal["less", "more", "open"]:
        """``open``: the interval holds 1, so nothing can be said."""
        if self.high < 1:
            return "less"
        return "more" if self.low > 1 else "open"


@dataclass(frozen=True, slots=True)
class Share:
    """The share of negative voices, 0 to 1."""

    before: float
    after: float
    low: float
    high: float
    """The 95 % interval of ``after - before``."""

    @property
    def verdict(self) -> Literal["less", "more", "open"]:
        """``open``: the interval holds 0, so nothing can be said."""
        if self.high < 0:
            return "less"
        return "more" if self.low > 0 else "open"


@dataclass(frozen=True, slots=True)
class Effect:
    """What followed a statement."""

    quarters_before: int
    quarters_after: int
    voices: Volume
    negative: Volume | None
    """None where there were too few negative voices before it."""
    share: Share


def effect(
    before: Sequence[tuple[int, int]],
    after: Sequence[tuple[int, int]],
    usual: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Effect | Literal["few_posts", "too_short"]:
    """Compare the quarters of an hour after a statement with those before it.

    Args:
        before: voices and negative voices of each quarter before it, oldest first; the newest
            ``MAX_QUARTERS`` count.
        after: the same of the quarters behind it; the first so many count as there are before.
        usual: how much is usually said in each of these quarters against others, more than 0 and
            as long as ``before`` and ``after``; None: all hours are alike.

    Returns:
        The effect, or why there is none: too few posts for a figure, or too short a time.
    """
    first = list(before[-MAX_QUARTERS:])
    then = list(after[: len(first)])
    was, will = usual if usual is not None else ([1.0] * len(before), [1.0] * len(after))
    hours = was[len(before) - len(first) :], will[: len(then)]
    if len(first) < MIN_QUARTERS or not then:
        return "too_short"
    voices, negative = [one for one, _ in first], [one for _, one in first]
    if min(sum(voices), sum(one for one, _ in then)) < MIN_VOICES:
        return "few_posts"
    return Effect(
        quarters_before=len(first),
        quarters_after=len(then),
        voices=_volume(voices, [one for one, _ in then], *hours),
        negative=_volume(negative, [one for _, one in then], *hours)
        if sum(negative) >= MIN_VOICES
        else None,
        share=_share(first, then),
    )


def _volume(
    before: Sequence[int], after: Sequence[int], was: Sequence[float], will: Sequence[float]
) -> Volume:
    """Fit what was before, carry it on, compare."""
    count = len(before)
    times = [place - (count - 1) for place in range(count)]  # 0: the last quarter before it
    level, trend, spread = _fit(times, before, was)
    fit = [share * exp(level + trend * time) for time, share in zip(times, was, strict=True)]
    dispersion = _dispersion(before, fit)
    # Nothing at all after it still has an interval.
    said = max(sum(after), 0.5)
    expected, edges = [], []
    for damping in (1.0, DAMPING):
        ahead = _ahead(len(after), damping)
        means = [share * exp(level + trend * time) for time, share in zip(ahead, will, strict=True)]
        total = sum(means)
        # Delta method: how the sum moves with level and trend.
        by_trend = sum(mean * time for mean, time in zip(means, ahead, strict=True))
        fitted = total * total * spread[0]
        fitted += 2 * total * by_trend * spread[1] + by_trend * by_trend * spread[2]
        error = sqrt(dispersion * (fitted + total)) / total
        expected.append(total)
        edges += [said / total * exp(sign * _Z * error) for sign in (-1, 1)]
    usual = sqrt(expected[0] * expected[1])
    return Volume(
        before=sum(before),
        after=sum(after),
        expected=usual,
        ratio=sum(after) / usual,
        low=min(edges),
        high=max(edges),
    )


def _ahead(count: int, damping: float) -> list[float]:
    """How far ahead each quarter lies on a trend that fades: damped by 0.9: 0.9, 1.71, ..."""
    times, reached, step = [], 0.0, 1.0
    for _ in range(count):
        step *= damping
        reached += step
        times.append(reached)
    return times


def _fit(
    times: Sequence[int], counts: Sequence[int], usual: Sequence[float]
) -> tuple[float, float, tuple[float, float, float]]:
    """Level, trend, and the covariance (level, both, trend) at dispersion 1.

    Poisson regression by Newton's method; half a voice is added to the level's prior so that a
    stretch of nothing has a fit.
    """
    level, trend = log((sum(counts) + 0.5) / sum(usual)), 0.0
    spread = (0.0, 0.0, 0.0)
    for _ in range(_STEPS):
        means = [
            share * exp(level + trend * time) for time, share in zip(times, usual, strict=True)
        ]
        rest = [count - mean for count, mean in zip(counts, means, strict=True)]
        # A weak prior on the trend (no change, deviation 0.5 a quarter) keeps two silent quarters
        # in a row from a trend without end.
        by_level, by_trend = (
            sum(rest),
            sum(one * time for one, time in zip(rest, times, strict=True)) - trend / 0.25,
        )
        own = sum(means)
        both = sum(mean * time for mean, time in zip(means, times, strict=True))
        far = sum(mean * time * time for mean, time in zip(means, times, strict=True)) + 1 / 0.25
        size = own * far - both * both
        spread = (far / size, -both / size, own / size)
        step = spread[0] * by_level + spread[1] * by_trend
        turn = spread[1] * by_level + spread[2] * by_trend
        level, trend = level + step, trend + turn
        if abs(step) + abs(turn) < _SURE:
            break
    return level, trend, spread


def _dispersion(counts: Sequence[int], means: Sequence[float]) -> float:
    """Pearson's: how much more the counts scatter than Poisson's do; at least 1."""
    parts = [(count - mean) ** 2 / mean for count, mean in zip(counts, means, strict=True)]
    return max(1.0, sum(parts) / max(1, len(counts) - 2))


def _share(before: Sequence[tuple[int, int]], after: Sequence[tuple[int, int]]) -> Share:
    said, blamed = (sum(one[place] for one in before) for place in (0, 1))
    said_then, blamed_then = (sum(one[place] for one in after) for place in (0, 1))
    was, now = blamed / said, blamed_then / said_then
    was_low, was_high = _wilson(blamed, said)
    now_low, now_high = _wilson(blamed_then, said_then)
    change = now - was
    return Share(
        before=was,
        after=now,
        low=change - sqrt((now - now_low) ** 2 + (was_high - was) ** 2),
        high=change + sqrt((now_high - now) ** 2 + (was - was_low) ** 2),
    )


def _wilson(count: int, of: int) -> tuple[float, float]:
    share, square = count / of, _Z * _Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    reach = _Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - reach), min(1.0, middle + reach)
