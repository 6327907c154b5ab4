import sys
from collections.abc import Sequence

import numpy as np
import pytest

from processors.features import text_features
from processors.labelled import Labelled
from processors.linear import softmax
from processors.linear_training import (
    FOLDS,
    balanced,
    best_offsets,
    best_temperature,
    calibration_error,
    deal,
    distinct,
    fit,
    held_out,
    macro_f1,
)
from schemas.errors import FatalError

TEXTS = tuple(f"{thing}{end}" for thing in "车座屏灯窗门轮锁" for end in ("很好", "太差", "多少钱"))
CLASSES = np.array([place % 3 for place in range(len(TEXTS))])
EVEN = np.ones(len(TEXTS))


@pytest.fixture
def scikit_learn() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([("好车", 1.0), ("好 车！", 1.0), ("差车", 1.0)], [0, 2]),
        ([("好车", 1.0), ("差车", 1.0), ("好车", 5.0)], [1, 2]),
        ([("好车", 5.0), ("好车", 1.0)], [0]),
        ([("Good", 1.0), ("good", 1.0)], [0]),
        ([("！！", 1.0), ("？？", 1.0)], [0, 1]),
        ([], []),
    ],
    ids=["first of equals", "heaviest", "heaviest first", "case", "signs alone", "none"],
)
def test_equal_texts_count_once(rows: list[tuple[str, float]], kept: list[int]) -> None:
    assert distinct([Labelled(text, 1, "s", weight) for text, weight in rows]) == kept


def test_every_fold_has_every_class_and_copies_stand_in_one() -> None:
    folds = deal(TEXTS, CLASSES)
    counts = [
        int(((folds == fold) & (CLASSES == one)).sum()) for fold in range(5) for one in range(3)
    ]
    assert set(counts) <= {1, 2}
    again = deal([f"{text}。" for text in TEXTS], CLASSES)
    assert again.tolist() == folds.tolist()


def test_rare_classes_of_a_set_weigh_more() -> None:
    classes, sets = np.array([0, 0, 0, 1]), np.zeros(4, np.intp)
    assert balanced(classes, sets, 0) == pytest.approx(np.ones(4))
    assert balanced(classes, sets, 1) == pytest.approx(np.array([2, 2, 2, 6]) / 3)


@pytest.mark.usefixtures("scikit_learn")
def test_held_out_scores_are_of_models_that_never_saw_the_row() -> None:
    # Given one row that its class mates say nothing about
    texts = (*TEXTS, "独一无二")
    classes = np.append(CLASSES, 2)
    folds, features = deal(texts, classes), text_features(texts)

    # When it is judged held out, and by a model of all rows
    importance = np.ones(len(texts))
    scores = held_out(features, classes, importance, folds)
    weights, bias = fit(features, classes, importance)

    # Then only the second knows its class for sure
    assert scores.argmax(axis=1)[:-1].tolist() == CLASSES.tolist()
    known = softmax((features @ weights + bias).astype(float))[-1, 2]
    assert known > softmax(scores)[-1, 2] + 0.1


@pytest.mark.usefixtures("scikit_learn")
def test_two_classes_have_one_column_and_light_rows_say_little() -> None:
    features, flags = text_features(TEXTS), (CLASSES == 0).astype(np.intp)
    weights, _ = fit(features, flags, EVEN)
    without = np.where(np.arange(len(TEXTS)) < 12, 0.0, 1.0)
    fewer, _ = fit(features, flags, without)
    assert weights.shape == (features.shape[1], 1)
    assert np.count_nonzero(fewer) < np.count_nonzero(weights)


@pytest.mark.usefixtures("scikit_learn")
def test_the_judged_rows_alone_are_scored_and_each_fit_is_told() -> None:
    steps: list[int] = []
    judged = np.arange(len(TEXTS)) < 6
    scores = held_out(
        text_features(TEXTS),
        CLASSES,
        EVEN,
        deal(TEXTS, CLASSES),
        judged,
        1.0,
        lambda: steps.append(1),
    )
    assert (scores != 0).any(axis=1).tolist() == judged.tolist()
    assert len(steps) == FOLDS


def test_offsets_bring_back_a_class_that_scores_never_name() -> None:
    # Given scores whose second class is always a little behind
    scores = np.array([[1.0, 0.5, 0.0], [1.0, 0.8, 0.0], [1.0, 0.4, 0.0], [0.0, 0.0, 1.0]])
    classes, sets = np.array([0, 1, 0, 2]), np.zeros(4, np.intp)

    # When offsets are sought
    offsets = best_offsets(scores, classes, sets)

    # Then all are right
    assert (scores + offsets).argmax(axis=1).tolist() == classes.tolist()
    assert offsets[0] == 0


@pytest.mark.parametrize(("right", "over_one"), [(1.0, False), (0.6, True)])
def test_the_temperature_fits_how_often_scores_are_right(right: float, over_one: bool) -> None:
    # Given 100 scores that are 88 % sure, and right so often
    classes = np.array([int(place >= 100 * right) for place in range(100)])
    scores = np.tile([2.0, 0.0], (100, 1))
    temperature = best_temperature(scores, classes, np.zeros(100, np.intp))
    assert (temperature > 1) is over_one


@pytest.mark.parametrize(
    ("truth", "said", "figure"),
    [
        ([0, 1, 2], [0, 1, 2], 1),
        # 0: 1 of 1 found, said twice: 2/3; 1: never said: 0; 2: 1
        ([0, 1, 2], [0, 0, 2], (2 / 3 + 0 + 1) / 3),
        ([0, 2], [0, 2], 1),
        ([], [], 0),
    ],
)
def test_macro_f1(truth: Sequence[int], said: Sequence[int], figure: float) -> None:
    assert macro_f1(np.array(truth), np.array(said)) == pytest.approx(figure)


def test_a_row_may_stand_for_several() -> None:
    truth, said = np.array([0, 0, 1]), np.array([0, 1, 1])
    twice = macro_f1(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]))
    assert macro_f1(truth, said, np.array([1.0, 1.0, 2.0])) == pytest.approx(twice)

    # The offset serves the row that stands for nine
    scores, classes = np.array([[1.0, 0.9], [1.0, 0.9]]), np.array([0, 1])
    for weights, answer in (([9.0, 1.0], 0), ([1.0, 9.0], 1)):
        offsets = best_offsets(scores, classes, np.zeros(2, np.intp), np.array(weights))
        assert ((scores + offsets).argmax(axis=1) == answer).all()


def test_the_calibration_error_is_the_gap_between_sure_and_right() -> None:
    shares = np.array([[0.75, 0.25]] * 4)
    assert calibration_error(shares, np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert calibration_error(shares, np.array([0, 1, 1, 1])) == pytest.approx(0.5)


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(FatalError, match="scikit-learn"):
        fit(text_features(TEXTS), CLASSES, EVEN)
