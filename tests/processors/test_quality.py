"""Figures against counts made by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.quality import Case, TagCase, calibration_error, judge_single, judge_tags, wilson


def case(truth: str, answer: str, share: float = 0.0, line: int = 1, **shares: float) -> Case:
    told = {answer: share, **shares} if share or shares else {}
    return Case(line, f"{truth}{answer}", truth, answer, told)


def tagged(truth: str, answers: str, line: int = 1, share: float = 0.5) -> TagCase:
    """Labels are letters."""
    return TagCase(line, truth, frozenset(truth), {letter: share for letter in answers})


#: 3 negative of which 2 found, 2 positive of which 1 found, 1 answer neutral.
SIX = [
    case("neg", "neg"),
    case("neg", "neg"),
    case("neg", "pos"),
    case("pos", "pos"),
    case("pos", "neu"),
]


# --- one label ------------------------------------------------------------------------------------


def test_figures_of_labels_are_those_of_the_counts() -> None:
    report = judge_single(SIX)

    labels = {one.label: one for one in report.labels}
    assert (labels["neg"].rows, labels["neg"].answers) == (3, 2)
    assert labels["neg"].precision.value == 1 and labels["neg"].recall.value == pytest.approx(2 / 3)
    assert labels["neg"].f1.value == pytest.approx(0.8)
    assert labels["pos"].f1.value == pytest.approx(0.5)
    assert labels["neu"].rows == 0 and labels["neu"].precision.value == 0
    assert report.macro_f1.value == pytest.approx(0.65)  # of the labels that the rows have
    assert report.accuracy.value == report.micro_f1.value == pytest.approx(0.6)
    assert report.confusion == {
        ("neg", "neg"): 2,
        ("neg", "pos"): 1,
        ("pos", "pos"): 1,
        ("pos", "neu"): 1,
    }
    assert report.never_given == ()


def test_a_label_that_is_never_given_is_named() -> None:
    report = judge_single([case("a", "b"), case("b", "b")])

    assert report.never_given == ("a",)
    assert report.macro_f1.value == pytest.approx((0 + 2 / 3) / 2)


def test_answers_can_be_chosen_among_the_labels_that_there_are() -> None:
    cases = [
        case("neg", "neu", 0.6, neg=0.3, pos=0.1),
        case("pos", "neu", 0.5, neg=0.3, pos=0.2),
        case("pos", "pos", 0.9, neg=0.1),
    ]

    report = judge_single(cases)

    assert report.macro_f1.value == pytest.approx((0 + 2 / 3) / 2)
    assert report.macro_f1_among == pytest.approx(2 / 3)  # neg, neg, pos
    assert judge_single(SIX).macro_f1_among is None


def test_errors_come_by_how_sure_they_were_then_by_line() -> None:
    cases = [
        case("a", "b", 0.6, line=1),
        case("a", "a", 0.9, line=2),
        case("a", "b", 0.8, line=4),
        case("a", "b", 0.8, line=3),
    ]

    assert [one.line for one in judge_single(cases).errors] == [3, 4, 1]


@pytest.mark.parametrize(
    ("cases", "error"),
    [
        ([], None),
        ([case("a", "a")], None),
        ([case("a", "a", 0.8)], 0.2),
        ([case("a", "b", 0.8)], 0.8),
        ([case("a", "a", 0.8), case("a", "b", 0.8)], 0.3),
        # bins apart do not make up for each other
        ([case("a", "a", 0.5), case("a", "b", 0.9)], (0.5 + 0.9) / 2),
        ([case("a", "a", 1.0)], 0.0),
    ],
)
def test_calibration(cases: list[Case], error: float | None) -> None:
    assert calibration_error(cases) == (None if error is None else pytest.approx(error))


# --- any number of labels -------------------------------------------------------------------------


def test_figures_of_tags_are_those_of_the_counts() -> None:
    report = judge_tags([tagged("ab", "a"), tagged("a", "ac"), tagged("", ""), tagged("b", "a")])

    labels = {one.label: one for one in report.labels}
    assert (labels["a"].precision.value, labels["a"].recall.value) == (pytest.approx(2 / 3), 1)
    assert labels["b"].f1.value == 0 and labels["c"].rows == 0
    assert report.macro_f1.value == pytest.approx(0.4)
    assert report.micro_f1.value == pytest.approx(2 * 2 / (2 * 2 + 2 + 2))
    assert report.accuracy.value == 0.25
    assert report.micro_f1_among is not None  # without c, which no row has
    assert report.micro_f1_among.value == pytest.approx(2 * 2 / (2 * 2 + 2 + 1))
    assert report.never_given == ("b",)
    assert report.calibration_error is None and report.confusion == {}


def test_false_labels_stand_in_turn_with_missed_ones() -> None:
    cases = [
        tagged("a", "", line=1),
        tagged("", "a", line=2, share=0.6),
        tagged("b", "", line=3),
        tagged("", "a", line=4, share=0.9),
        tagged("", "a", line=5, share=0.1),
        tagged("a", "a", line=6),
    ]

    assert [one.line for one in judge_tags(cases).errors] == [4, 1, 2, 3, 5]


# --- intervals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "rows", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)],
)
def test_wilson_s_interval(right: int, rows: int, low: float, high: float) -> None:
    figure = wilson(right, rows)

    assert figure[1:] == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


def test_the_same_rows_give_the_same_intervals_and_more_rows_narrower_ones() -> None:
    few, again, many = judge_single(SIX), judge_single(SIX), judge_single(SIX * 40)

    assert few == again
    assert many.macro_f1.value == pytest.approx(few.macro_f1.value)
    assert many.macro_f1.high - many.macro_f1.low < 0.4 * (few.macro_f1.high - few.macro_f1.low)


def test_the_interval_of_f1_covers_what_other_samples_give() -> None:
    generator = np.random.default_rng(5)
    covered = 0
    truth = 2 * 0.4 / (2 * 0.4 + 0.1 + 0.1)
    for _ in range(50):
        drawn = generator.choice(4, size=200, p=[0.4, 0.1, 0.1, 0.4])
        kinds = [tagged("a", "a"), tagged("a", ""), tagged("", "a"), tagged("", "")]
        figure = judge_tags([kinds[kind] for kind in drawn]).micro_f1
        covered += figure.low <= truth <= figure.high

    assert 43 <= covered


LETTERS = st.text("abc", max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LETTERS, LETTERS), max_size=12))
def test_every_figure_lies_in_its_interval(rows: list[tuple[str, str]]) -> None:
    report = judge_tags([tagged(truth, answers) for truth, answers in rows])

    figures = [report.accuracy, report.macro_f1, report.micro_f1]
    figures += [figure for one in report.labels for figure in (one.precision, one.recall, one.f1)]
    for figure in figures:
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


def test_no_rows_are_no_figures() -> None:
    assert judge_single([]).rows == judge_tags([]).rows == 0
