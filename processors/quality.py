"""How good answers are beside what people said is right: figures with their intervals.

Shares of a count (precision, recall, accuracy) have Wilson intervals; F1, which is no share of one
count, has those of 1,000 samples drawn again from the same rows, by a generator with a fixed start:
the same rows give the same figures. All intervals hold 95 %.

Figures are of the rows as they are given: rows that a model was trained on flatter it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = [
    "Case",
    "Figure",
    "LabelScore",
    "Report",
    "TagCase",
    "calibration_error",
    "judge_single",
    "judge_tags",
    "wilson",
]

_Z = 1.959964  # of 95 %
_SAMPLES = 1_000
_SEED = 20_260_101
_BINS = 15

Floats = npt.NDArray[np.float64]


class Figure(NamedTuple):
    """A figure and its interval of 95 %, 0 to 1."""

    value: float
    low: float
    high: float


class Case(NamedTuple):
    """A row with one right label."""

    line: int
    text: str
    truth: str
    answer: str
    shares: Mapping[str, float]
    """Of each label, where the model tells."""

    @property
    def sure(self) -> float:
        """The share of the answer."""
        return self.shares.get(self.answer, 0.0)


class TagCase(NamedTuple):
    """A row with any number of right labels."""

    line: int
    text: str
    truth: frozenset[str]
    answers: Mapping[str, float]
    """Each label that was given, and how sure it was."""


class LabelScore(NamedTuple):
    """One label."""

    label: str
    rows: int
    """That have it."""
    answers: int
    """That got it."""
    precision: Figure
    recall: Figure
    f1: Figure


@dataclass(frozen=True)
class Report:
    """What a question's answers are worth on some rows."""

    rows: int
    accuracy: Figure
    """Rows that are right; where there may be several labels: in all of them."""
    macro_f1: Figure
    """Mean of the F1 of the labels that the rows have."""
    micro_f1: Figure
    """Of all labels together; with one label a row the accuracy."""
    labels: tuple[LabelScore, ...]
    confusion: Mapping[tuple[str, str], int]
    """Right label and answer to rows; of questions with one label."""
    calibration_error: float | None
    """Where there are shares."""
    macro_f1_among: float | None
    """With answers chosen among the labels that the rows have, where a model may give others."""
    micro_f1_among: Figure | None
    """Likewise, without the answers whose label no row has; of questions with several labels."""
    never_given: tuple[str, ...]
    """Labels of the rows that no answer has."""
    errors: Sequence[Case | TagCase]
    """The most confident first."""


def judge_single(cases: Sequence[Case]) -> Report:
    """Figures of a question with one right label a row."""
    confusion = Counter((case.truth, case.answer) for case in cases)
    present = sorted({case.truth for case in cases})
    names = sorted({*present, *(case.answer for case in cases)})
    table = np.zeros((len(names), len(names)))
    for (truth, answer), count in confusion.items():
        table[names.index(truth), names.index(answer)] = count
    flat = _resampled(table.ravel())
    samples = flat.reshape(len(flat), *table.shape)
    kept = [names.index(name) for name in present]
    drawn, point = _f1_of_tables(samples), _f1_of_tables(table[None])[0]
    right = int(np.trace(table))
    scores = [
        _score(
            name,
            (int(table[n, n]), int(table[n].sum()), int(table[:, n].sum())),
            _interval(point[n], drawn[:, n]),
        )
        for n, name in enumerate(names)
    ]
    wrong = [case for case in cases if case.truth != case.answer]
    wrong.sort(key=lambda case: (-case.sure, case.line))
    return Report(
        rows=len(cases),
        accuracy=wilson(right, len(cases)),
        macro_f1=_interval(_mean(point[kept]), drawn[:, kept].mean(axis=1) if kept else drawn),
        micro_f1=wilson(right, len(cases)),
        labels=tuple(scores),
        confusion=dict(confusion),
        calibration_error=calibration_error(cases),
        macro_f1_among=_among(cases, present),
        micro_f1_among=None,
        never_given=_never_given(scores),
        errors=wrong,
    )


def judge_tags(cases: Sequence[TagCase]) -> Report:
    """Figures of a question with any number of right labels a row."""
    names = sorted({name for case in cases for name in (*case.truth, *case.answers)})
    scores = []
    for name in names:
        both = sum(name in case.truth and name in case.answers for case in cases)
        rows = sum(name in case.truth for case in cases)
        answers = sum(name in case.answers for case in cases)
        counts = np.array([both, rows - both, answers - both, len(cases) - rows - answers + both])
        drawn = _resampled(counts)
        f1 = _interval(_f1(both, rows, answers), _f1_of(drawn[:, 0], drawn[:, 1], drawn[:, 2]))
        scores.append(_score(name, (both, rows, answers), f1))
    present = [score for score in scores if score.rows]
    exact = sum(case.truth == case.answers.keys() for case in cases)
    macro = _mean(np.array([score.f1.value for score in present]))
    return Report(
        rows=len(cases),
        accuracy=wilson(exact, len(cases)),
        macro_f1=_interval(macro, _macro_samples(cases, [score.label for score in present])),
        micro_f1=_micro(cases),
        labels=tuple(scores),
        confusion={},
        calibration_error=None,
        macro_f1_among=None,
        micro_f1_among=_micro_among(cases, {score.label for score in present}),
        never_given=_never_given(scores),
        errors=_tag_errors(cases),
    )


def wilson(right: int, rows: int) -> Figure:
    """A share with Wilson's interval; of no rows nothing is known."""
    if rows == 0:
        return Figure(0.0, 0.0, 1.0)
    share, square = right / rows, _Z**2
    middle = (share + square / (2 * rows)) / (1 + square / rows)
    half = _Z * math.sqrt(share * (1 - share) / rows + square / (4 * rows**2)) / (1 + square / rows)
    # Rounding may leave a share of 0 or 1 just outside.
    return Figure(share, max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share)))


def calibration_error(cases: Iterable[Case]) -> float | None:
    """How far shares are from how often they are right (ECE, 15 bins of equal width)."""
    told = [(case.sure, case.truth == case.answer) for case in cases if case.shares]
    if not told:
        return None
    sure, right = np.array(told, np.float64).T
    bins = np.minimum((sure * _BINS).astype(np.intp), _BINS - 1)
    gaps = np.abs(np.bincount(bins, right - sure, minlength=_BINS))
    return float(gaps.sum() / len(told))


# --- figures of counts ----------------------------------------------------------------------------


def _score(name: str, counts: tuple[int, int, int], f1: Figure) -> LabelScore:
    both, rows, answers = counts
    return LabelScore(name, rows, answers, wilson(both, answers), wilson(both, rows), f1)


def _f1(both: int, rows: int, answers: int) -> float:
    return 2 * both / (rows + answers) if both else 0.0


def _f1_of(both: Floats, missed: Floats, false: Floats) -> Floats:
    found: Floats = 2 * both / np.maximum(2 * both + missed + false, 1)
    return found


def _f1_of_tables(tables: Floats) -> Floats:
    """A row per table, a column per label."""
    both = np.diagonal(tables, axis1=1, axis2=2)
    return _f1_of(both, tables.sum(axis=2) - both, tables.sum(axis=1) - both)


def _resampled(counts: npt.NDArray[Any]) -> Floats:
    """Rows drawn again and again: of kinds that come ``counts`` times, a row per sample."""
    total = int(counts.sum())
    if total == 0:
        return np.zeros((1, len(counts)))
    generator = np.random.default_rng(_SEED)
    return generator.multinomial(total, counts / total, _SAMPLES).astype(np.float64)


def _interval(value: float, samples: Floats) -> Figure:
    if not samples.size:
        return Figure(float(value), 0.0, 1.0)
    low, high = np.quantile(samples, [0.025, 0.975])
    # A figure at the edge of its samples still lies in its interval.
    return Figure(float(value), float(min(low, value)), float(max(high, value)))


def _micro(cases: Sequence[TagCase]) -> Figure:
    """All labels together; rows are drawn again as a whole, since labels of one hang together."""
    kinds = Counter(_counts(case) for case in cases)
    if not kinds:
        return Figure(0.0, 0.0, 1.0)
    each = np.array(list(kinds), np.float64)
    times = np.array(list(kinds.values()))
    both, missed, false = times @ each
    drawn = _resampled(times) @ each
    value = float(_f1_of(both, missed, false))
    return _interval(value, _f1_of(drawn[:, 0], drawn[:, 1], drawn[:, 2]))


def _micro_among(cases: Sequence[TagCase], labels: set[str]) -> Figure | None:
    """Who labelled the rows may not have asked for all that the chain knows."""
    if all(case.answers.keys() <= labels for case in cases):
        return None
    return _micro(
        [
            case._replace(answers={one: case.answers[one] for one in case.answers if one in labels})
            for case in cases
        ]
    )


def _counts(case: TagCase) -> tuple[int, int, int]:
    both = len(case.truth & case.answers.keys())
    return both, len(case.truth) - both, len(case.answers) - both


def _macro_samples(cases: Sequence[TagCase], names: Sequence[str]) -> Floats:
    """Equal rows are one kind, so that a sample is drawn at once."""
    kinds = Counter((case.truth, frozenset(case.answers)) for case in cases)
    if not names or not kinds:
        return np.zeros(0)
    drawn = _resampled(np.array(list(kinds.values())))
    means = np.zeros(len(drawn))
    for name in names:
        true = np.array([name in truth for truth, _ in kinds])
        said = np.array([name in answers for _, answers in kinds])
        parts = (drawn[:, true & said], drawn[:, true & ~said], drawn[:, ~true & said])
        means += _f1_of(*(part.sum(axis=1) for part in parts))
    return means / len(names)


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else 0.0


def _among(cases: Sequence[Case], present: Sequence[str]) -> float | None:
    """Macro-F1 where the answer is the likeliest of the labels that the rows have at all."""
    if not any(label not in present for case in cases for label in case.shares):
        return None
    f1 = []
    said = [
        max(present, key=lambda label: case.shares.get(label, 0.0)) if case.shares else case.answer
        for case in cases
    ]
    for name in present:
        both = sum(case.truth == name == one for case, one in zip(cases, said, strict=True))
        f1.append(_f1(both, sum(case.truth == name for case in cases), said.count(name)))
    return _mean(np.array(f1))


def _never_given(scores: Iterable[LabelScore]) -> tuple[str, ...]:
    return tuple(score.label for score in scores if score.rows and not score.answers)


def _tag_errors(cases: Sequence[TagCase]) -> list[TagCase]:
    """Rows with a label too many, the surest first, in turn with rows that only lack one.

    How sure it was that a label is not there nobody knows, so the two are not comparable.
    """
    wrong = [case for case in cases if case.truth != case.answers.keys()]
    false = [case for case in wrong if case.answers.keys() - case.truth]
    false.sort(key=lambda case: (-_surest(case), case.line))
    missed = [case for case in wrong if not case.answers.keys() - case.truth]
    pairs = zip(false, missed, strict=False)
    shorter = min(len(false), len(missed))
    return [case for pair in pairs for case in pair] + false[shorter:] + missed[shorter:]


def _surest(case: TagCase) -> float:
    return max(share for label, share in case.answers.items() if label not in case.truth)
