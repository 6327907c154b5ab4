"""Training of the aspect model: texts with their aspects in, weights and honest figures out.

Run by hand, by ``tingchao train aspects``; no worker imports this. Needs scikit-learn (the extra
``train``), which is imported only when training starts. The same rows, in the same order and with
the same library versions, give the same bytes.

How it is trained
    Presence: a logistic regression per aspect. Mood: one regression over (text, aspect) pairs,
    whose n-grams count once for all aspects and once more for their own (after Daumé 2007,
    "Frustratingly Easy Domain Adaptation"): "good" is good everywhere, "high" is not. N-grams that
    tell the classes apart are regularised less (Wang and Manning 2012, "Baselines and Bigrams").
How it is judged
    Five-fold, by the hash of the text without signs: the figures are of models that never saw the
    judged row; the weights that are kept are then trained on all rows.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix, diags, hstack

from processors.aspect_lists import id_of
from processors.aspect_model import MOODS, heads_of, present
from processors.corrections import CORRECTION_WEIGHT
from processors.features import fewer_bits, text_features
from processors.labelled import need_folder, write_model
from processors.linear import Floats, LinearModel
from processors.linear_training import FOLDS, Progress, micro_f1, scikit_learn, telling
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["AspectReport", "Trained", "read_rows", "train", "train_files"]

_LABELS = (-1, 0, 1)  # in the order of MOODS

Row = tuple[str, Mapping[str, int]]
"""Text, and the mood towards each aspect that it speaks of."""

# Chosen out of fold on the set of the model card; each is flat around its value.
_BITS = 16
_PRESENCE_INVERSE_PENALTY = 3.0
_MOOD_INVERSE_PENALTY = 1.0
_OWN_SCALE = 0.5  # of an aspect's own n-grams beside those of all
_MIN_TEXTS = 3  # of an n-gram, and of an aspect in every fold
_MAX_STEPS = 300
_TOLERANCE = 7e-4


@dataclass(frozen=True, slots=True)
class AspectReport:
    """How well one aspect is found by models that never saw the judged texts, 0 to 1."""

    aspect: str
    texts: int
    f1: float
    """Of the aspect alone."""
    pair_f1: float
    """Of the aspect with the right mood."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its out-of-fold figures."""

    model: LinearModel
    texts: int
    """Distinct ones that were used."""
    f1: float
    """Micro-F1 of the aspects alone."""
    pair_f1: float
    """Micro-F1 of (aspect, mood)."""
    aspects: tuple[AspectReport, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Distinct rows as arrays."""

    features: csr_matrix
    columns: npt.NDArray[np.intp]
    """The hash bucket of each column of ``features``."""
    spoken: npt.NDArray[np.bool_]
    """Texts by aspects."""
    moods: npt.NDArray[np.intp]
    """Place in ``MOODS``, where spoken of."""
    folds: npt.NDArray[np.intp]
    importance: Floats
    """As how many rows each counts."""


def train_files(
    paths: Sequence[Path],
    out: Path,
    progress: Progress | None = None,
    corrected: Sequence[Row] = (),
) -> Trained:
    """Train on JSONL files of ``{"text": str, "aspects": {name: -1 | 0 | 1}}``; write the weights.

    The file appears whole or not at all. ``corrected``: rows of what people corrected, which win
    over equal texts of the files and count as several.

    Raises:
        FatalError: scikit-learn is missing, a row is wrong, too few rows, ``out`` can't be written.
    """
    need_folder(out)
    trained = train([row for path in paths for row in read_rows(path)], progress, corrected)
    write_model(trained.model, out)
    return trained


def read_rows(path: Path) -> list[Row]:
    """Read a file of labelled texts.

    Raises:
        FatalError: not readable, or a line is no such row; names the file and the line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FatalError(
            say(
                f"读不了训练文件 {path}：{error}。请检查路径和编码（UTF-8）。",
                f"Cannot read the training file {path}: {error}. Check the path, and that it is "
                "UTF-8.",
            )
        ) from error
    return [_row(line, path, number) for number, line in enumerate(lines, 1) if line.strip()]


def train(
    rows: Iterable[Row], progress: Progress | None = None, corrected: Sequence[Row] = ()
) -> Trained:
    """Cross-validate, then train on all rows; deterministic.

    Corrections teach the aspects of ``rows`` alone: a handful is no sample of a new one.

    Raises:
        FatalError: scikit-learn is missing, or too few rows.
    """
    given = list(rows)
    aspects = sorted({aspect for _, moods in given for aspect in moods})
    right = {_plain(text): (text, moods) for text, moods in _renamed(corrected, aspects)}
    distinct = {_plain(text): (text, moods) for text, moods in reversed(given)}
    kept = [row for row in reversed(distinct.values()) if _plain(row[0]) not in right]
    arrays = _arrays(kept, list(right.values()), aspects)
    _check_enough(arrays, aspects)

    scores = np.zeros((len(arrays.folds), len(aspects) * (1 + len(MOODS))))
    for fold in range(FOLDS):
        weights, bias = _fit(arrays, arrays.folds != fold)
        held_out = arrays.folds == fold
        scores[held_out] = arrays.features[held_out] @ weights + bias
        if progress is not None:
            progress(fold + 1, FOLDS + 1)
    weights, bias = _fit(arrays, np.ones(len(arrays.folds), np.bool_))
    if progress is not None:
        progress(FOLDS + 1, FOLDS + 1)
    everywhere = np.zeros((2**_BITS, weights.shape[1]), np.float32)
    everywhere[arrays.columns] = weights
    return _judged(LinearModel(heads_of(aspects), everywhere, bias), scores, arrays, aspects)


def _judged(model: LinearModel, scores: Floats, rows: _Rows, aspects: Sequence[str]) -> Trained:
    count = len(aspects)
    said = present(scores[:, :count])
    moods = scores[:, count:].reshape(len(scores), count, len(MOODS)).argmax(axis=2)
    right = moods == rows.moods
    reports = tuple(
        AspectReport(
            aspect,
            int(rows.spoken[:, place].sum()),
            micro_f1(said[:, place], rows.spoken[:, place]),
            micro_f1(said[:, place], rows.spoken[:, place], right[:, place]),
        )
        for place, aspect in enumerate(aspects)
    )
    f1, pair_f1 = micro_f1(said, rows.spoken), micro_f1(said, rows.spoken, right)
    return Trained(model, len(scores), f1, pair_f1, reports)


def _row(line: str, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
        text, aspects = row["text"], row["aspects"]
        if not isinstance(text, str) or any(mood not in _LABELS for mood in aspects.values()):
            raise ValueError
        return text, aspects
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise FatalError(
            say(
                f'{path} 第 {number} 行不是 {{"text": 文字, "aspects": {{名称: -1、0 或 1}}}}。',
                f'{path}, line {number}: not {{"text": text, "aspects": {{name: -1, 0 or 1}}}}.',
            )
        ) from error


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))


def _renamed(corrected: Sequence[Row], aspects: Sequence[str]) -> list[Row]:
    """The corrections with the names that the files give the aspects."""
    names = {id_of(aspect): aspect for aspect in aspects}
    return [
        (text, {names[id_of(one)]: mood for one, mood in moods.items() if id_of(one) in names})
        for text, moods in corrected
    ]


def _arrays(given: Sequence[Row], corrected: Sequence[Row], aspects: Sequence[str]) -> _Rows:
    rows = [*given, *corrected]
    features = fewer_bits(text_features([text for text, _ in rows]), _BITS)
    features.sum_duplicates()
    seen = np.bincount(features.indices, minlength=features.shape[1])
    columns = np.nonzero(seen >= _MIN_TEXTS)[0]
    moods = [[row.get(aspect) for aspect in aspects] for _, row in rows]
    digests = (hashlib.sha256(_plain(text).encode("utf-8", "surrogatepass")) for text, _ in rows)
    return _Rows(
        features=features[:, columns],
        columns=columns,
        spoken=np.array([[mood is not None for mood in row] for row in moods], np.bool_),
        moods=np.array([[_LABELS.index(mood or 0) for mood in row] for row in moods], np.intp),
        folds=np.array([digest.digest()[0] % FOLDS for digest in digests], np.intp),
        importance=np.repeat([1.0, CORRECTION_WEIGHT], [len(given), len(corrected)]),
    )


def _check_enough(rows: _Rows, aspects: Sequence[str]) -> None:
    """Every aspect needs texts with and without it in each fold, and all moods must occur."""
    for place, aspect in enumerate(aspects):
        with_it = np.bincount(rows.folds[rows.spoken[:, place]], minlength=FOLDS)
        without = np.bincount(rows.folds[~rows.spoken[:, place]], minlength=FOLDS)
        if min(with_it.min(), without.min()) < _MIN_TEXTS:
            raise FatalError(
                say(
                    f"方面“{aspect}”的样本太少：五折中每折至少要有 {_MIN_TEXTS} 条提到、"
                    f"{_MIN_TEXTS} 条没提到它的文本。请补充，或去掉这个方面。",
                    f"Too few texts for the aspect {aspect}: each of the five folds needs "
                    f"{_MIN_TEXTS} with it and {_MIN_TEXTS} without. Add some, or leave it out.",
                )
            )
    if not aspects or len(np.unique(rows.moods[rows.spoken])) < len(MOODS):
        raise FatalError(
            say(
                "训练文件里要有方面，并且 -1、0、1 三种态度都要出现。",
                "The training files must have aspects, and all of the moods -1, 0 and 1.",
            )
        )


def _fit(
    rows: _Rows, chosen: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Weights and biases of all heads, rounded as the file keeps them."""
    linear_model, threadpoolctl = scikit_learn()
    features, spoken = rows.features[chosen], rows.spoken[chosen]
    importance = rows.importance[chosen]
    # one thread: the order of additions, and so the last digit, would depend on the machine's cores
    with threadpoolctl.threadpool_limits(1):
        presence = [_presence(linear_model, features, here, importance) for here in spoken.T]
        moods = _moods(linear_model, features, spoken, rows.moods[chosen], importance)
    weights = np.stack([*(weights for weights, _ in presence), *moods[0].T], axis=1)
    bias = np.concatenate([[bias for _, bias in presence], moods[1]])
    return weights.astype(np.float16).astype(np.float32), bias.astype(np.float32)


def _presence(
    linear_model: Any, features: csr_matrix, spoken: npt.NDArray[np.bool_], importance: Floats
) -> tuple[Floats, float]:
    tells = telling(features, spoken, importance)
    regression = linear_model.LogisticRegression(
        C=_PRESENCE_INVERSE_PENALTY, max_iter=_MAX_STEPS, tol=_TOLERANCE
    )
    regression.fit((features @ diags(tells)).tocsr(), spoken, sample_weight=importance)
    return regression.coef_[0] * tells, float(regression.intercept_[0])


def _moods(
    linear_model: Any,
    features: csr_matrix,
    spoken: npt.NDArray[np.bool_],
    moods: npt.NDArray[np.intp],
    importance: Floats,
) -> tuple[Floats, Floats]:
    """Weights (n-grams by aspects and moods) and biases."""
    texts, aspects = np.nonzero(spoken)
    classes = moods[texts, aspects]
    tells = telling(features[texts], classes, importance[texts])
    shared = (features[texts] @ diags(tells)).tocsr()
    width, count = shared.shape[1], spoken.shape[1]
    places = aspects.repeat(np.diff(shared.indptr)) * width + shared.indices
    own = csr_matrix((_OWN_SCALE * shared.data, places, shared.indptr), (len(texts), count * width))
    which = csr_matrix((np.ones(len(texts)), (np.arange(len(texts)), aspects)))
    pairs = hstack([shared, own, which], format="csr")
    # An n-gram seen once with an aspect keeps its shared weight only.
    used = np.nonzero(np.bincount(pairs.indices, minlength=pairs.shape[1]) > 1)[0]
    regression = linear_model.LogisticRegression(
        C=_MOOD_INVERSE_PENALTY, max_iter=_MAX_STEPS, tol=_TOLERANCE
    )
    regression.fit(pairs[:, used], classes, sample_weight=importance[texts])
    found = np.zeros((pairs.shape[1], len(MOODS)))
    found[used] = regression.coef_.T
    general, special = found[:width], found[width : width * (count + 1)]
    weights = general[:, None, :] + _OWN_SCALE * special.reshape(count, width, -1).swapaxes(0, 1)
    weights *= tells[:, None, None]
    bias = found[-count:] + regression.intercept_
    return weights.reshape(width, -1), bias.ravel()
