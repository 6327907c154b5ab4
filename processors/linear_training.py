"""Training of linear models: labelled texts in, columns of weights and honest figures out.

What the commands under ``tingchao train`` share; no worker imports this. Needs scikit-learn (the
extra ``train``), imported only when a fit starts. The same rows, in the same order and with the
same library versions, give the same bytes.

Rows
    Equal texts (but for case and signs) count once across all sets: the heaviest row, else the
    first. So a user's correction, which weighs more, wins over the row that it corrects.
Fit
    Logistic regression on hashed n-grams; those that tell the classes apart are regularised less
    (after Wang and Manning 2012, "Baselines and Bigrams").
Figures
    Five-fold: the texts of each class are dealt out in the order of their hash, so copies never
    stand on both sides. Thresholds, offsets and temperatures come from held-out scores.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, diags

from processors.labelled import Labelled
from processors.linear import Floats, softmax
from schemas.errors import FatalError
from schemas.language import say

__all__ = [
    "FOLDS",
    "Flags",
    "Places",
    "Progress",
    "Weights",
    "balanced",
    "best_offsets",
    "best_temperature",
    "calibration_error",
    "counter",
    "deal",
    "distinct",
    "fit",
    "held_out",
    "macro_f1",
    "micro_f1",
    "scikit_learn",
    "telling",
]

FOLDS = 5

Places = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Weights = npt.NDArray[np.float32]
Progress = Callable[[int, int], None]
"""Called with fits done and fits in all."""

_SMOOTHING = 3.0
_MAX_STEPS = 500
_OFFSET_STEPS = (0.4, 0.2, 0.1, 0.05)
_MOST_OFFSET = 2.0
_ECE_BINS = 10


def distinct(rows: Sequence[Labelled]) -> list[int]:
    """Places of one row of every text, in order: the heaviest, of equals the first."""
    kept: dict[str, int] = {}
    for place, row in enumerate(rows):
        before = kept.setdefault(_plain(row.text), place)
        if row.weight > rows[before].weight:
            kept[_plain(row.text)] = place
    return sorted(kept.values())


def deal(texts: Sequence[str], classes: Places) -> Places:
    """The fold of each text: every class is dealt out by hash, so every fold has some of it."""
    digests = [hashlib.sha256(_plain(text).encode("utf-8", "surrogatepass")) for text in texts]
    order = np.array(
        sorted(range(len(texts)), key=lambda place: digests[place].digest()), dtype=np.intp
    )
    folds = np.zeros(len(texts), np.intp)
    for one in np.unique(classes):
        mine = order[classes[order] == one]
        folds[mine] = np.arange(len(mine)) % FOLDS
    return folds


def balanced(classes: Places, sets: Places, power: float) -> Floats:
    """Weights by which rare classes of a set count more, mean 1; ``power`` 0: as they come,
    1: every class of every set counts the same."""
    groups = sets * (classes.max(initial=0) + 1) + classes
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    weights = sizes[group].astype(float) ** -power
    normal: Floats = weights / weights.mean()
    return normal


def fit(
    features: csr_matrix, classes: Places, importance: Floats, inverse_penalty: float = 1.0
) -> tuple[Weights, Weights]:
    """Weights (a row per bucket) and biases; a column per class, or one where there are two.

    Rows without importance are left out. Rounded as a model file keeps them, so that figures made
    with these are those of the file.
    """
    linear_model, threadpoolctl = scikit_learn()
    taken = importance > 0
    features, classes, importance = features[taken], classes[taken], importance[taken]
    buckets = features.shape[1]
    used = np.unique(features.indices)  # a bucket that no text has keeps the weight 0
    features = features[:, used]
    tells = telling(features, classes, importance)
    regression = linear_model.LogisticRegression(C=inverse_penalty, max_iter=_MAX_STEPS, tol=1e-3)
    # one thread: the order of additions, and so the last digit, would depend on the machine's cores
    with threadpoolctl.threadpool_limits(1):
        regression.fit((features @ diags(tells)).tocsr(), classes, sample_weight=importance)
    weights = np.zeros((buckets, len(regression.intercept_)), np.float16)
    weights[used] = regression.coef_.T * tells[:, None]
    return weights.astype(np.float32), regression.intercept_.astype(np.float32)


def held_out(
    features: csr_matrix,
    classes: Places,
    importance: Floats,
    folds: Places,
    judged: Flags | None = None,
    inverse_penalty: float = 1.0,
    step: Callable[[], None] = lambda: None,
) -> Floats:
    """Scores of every row (or the ``judged`` ones) by models that never saw it."""
    scores: Floats | None = None
    for fold in range(FOLDS):
        inside = folds == fold
        weights, bias = fit(features, classes, np.where(inside, 0, importance), inverse_penalty)
        if scores is None:
            scores = np.zeros((len(classes), len(bias)))
        asked = inside if judged is None else inside & judged
        scores[asked] = features[asked] @ weights + bias
        step()
    assert scores is not None
    return scores


def best_offsets(
    scores: Floats, classes: Places, sets: Places, importance: Floats | None = None
) -> Floats:
    """What to add to each class's score for the best macro-F1, the mean over the sets.

    Training balances classes, live text does not: one offset a class moves the borders between
    them. Sought in halving steps from zero, in a fixed order; the first class stays.
    """
    offsets = np.zeros(scores.shape[1])
    if not len(scores):
        return offsets

    chosen = [sets == one for one in np.unique(sets)]
    counted = np.ones(len(scores)) if importance is None else importance

    def figure(tried: Floats) -> float:
        answers = (scores + tried).argmax(axis=1)
        return float(
            np.mean([macro_f1(classes[mine], answers[mine], counted[mine]) for mine in chosen])
        )

    best = figure(offsets)
    for size in _OFFSET_STEPS:
        moved = True
        while moved:
            moved = False
            for column in range(1, len(offsets)):
                for change in (size, -size):
                    tried = offsets.copy()
                    tried[column] += change
                    found = figure(tried) if abs(tried[column]) <= _MOST_OFFSET else 0.0
                    if found > best + 1e-9:
                        best, offsets, moved = found, tried, True
    return offsets


def best_temperature(scores: Floats, classes: Places, sets: Places) -> float:
    """The divisor of held-out scores that makes their shares likeliest; every set counts alike."""
    places = np.arange(len(scores))
    _, group, sizes = np.unique(sets, return_inverse=True, return_counts=True)
    importance = 1 / sizes[group]

    def surprise(log_temperature: float) -> float:
        shares = softmax(scores / np.exp(log_temperature))[places, classes]
        return float(-(importance * np.log(np.maximum(shares, 1e-12))).sum())

    best = minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded")
    return round(float(np.exp(best.x)), 4)


def macro_f1(
    classes: npt.NDArray[Any], answers: npt.NDArray[Any], importance: Floats | None = None
) -> float:
    """Mean F1 of the classes that occur; ``importance``: how many rows each stands for."""
    counted = np.ones(len(classes)) if importance is None else importance
    figures = []
    for one in np.unique(classes):
        said, true = answers == one, classes == one
        of_both = counted[said].sum() + counted[true].sum()
        figures.append(2 * counted[said & true].sum() / of_both)
    return float(np.mean(figures)) if figures else 0.0


def micro_f1(said: Flags, true: Flags, right: Any = True) -> float:
    """F1 of all places together; ``right``: where what is said besides is right too."""
    return float(2 * (said & true & right).sum() / max(1, said.sum() + true.sum()))


def calibration_error(shares: Floats, classes: Places) -> float:
    """Expected calibration error: how far the largest share is from how often it is right, the
    mean over ten bins of equal width."""
    sure = shares.max(axis=1)
    right = shares.argmax(axis=1) == classes
    bins = np.minimum((sure * _ECE_BINS).astype(int), _ECE_BINS - 1)
    errors = [abs(float((sure - right)[bins == one].sum())) for one in range(_ECE_BINS)]
    return sum(errors) / max(len(sure), 1)


def counter(total: int, progress: Progress | None) -> Callable[[], None]:
    """To be called behind each of ``total`` fits."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return step


def _plain(text: str) -> str:
    return re.sub(r"\W+", "", text.lower()) or text.strip()


def telling(
    features: csr_matrix, classes: npt.NDArray[Any], importance: Floats | None = None
) -> Floats:
    """How well each n-gram tells the classes apart: root of its mean absolute log count ratio."""
    present = features.copy()
    present.data = np.ones_like(present.data, dtype=np.float64)
    counted = np.ones(len(classes)) if importance is None else importance
    ratios = []
    for one in np.unique(classes):
        inside = present.T @ (counted * (classes == one)) + _SMOOTHING
        outside = present.T @ (counted * (classes != one)) + _SMOOTHING
        ratios.append(np.abs(np.log(inside / inside.sum()) - np.log(outside / outside.sum())))
    tells = np.sqrt(np.mean(ratios, axis=0))
    texts_with = np.asarray(present.sum(axis=0)).ravel()
    mean_square = (tells**2 * texts_with).sum() / texts_with.sum()
    scaled: Floats = tells / np.sqrt(mean_square)
    return scaled


def scikit_learn() -> tuple[Any, Any]:
    """``sklearn.linear_model`` and ``threadpoolctl``, imported when a fit starts.

    Raises:
        FatalError: they are not installed.
    """
    try:
        import threadpoolctl  # type: ignore[import-untyped]
        from sklearn import linear_model
    except ImportError as error:
        raise FatalError(
            say(
                "训练需要 scikit-learn。请在项目目录运行 pip install '.[train]' 后再试。",
                "Training needs scikit-learn. Run pip install '.[train]' in the project, "
                "then try again.",
            )
        ) from error
    return linear_model, threadpoolctl
