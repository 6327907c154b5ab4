"""Training of the linear sentiment model: labelled texts in, weights and honest figures out.

Run by hand, by ``tingchao train sentiment``; no worker imports this. Needs scikit-learn (the extra
``train``), which is imported only when training starts. The same rows, in the same order and with
the same library versions, give the same bytes.

How it is trained
    One multinomial logistic regression on all sets (a file is a set). Equal texts count once,
    across all sets. Rare classes of a set weigh more, and a set without a neutral class weighs
    little: it would teach that nobody is neutral. The set ``corrections`` wins over equal texts of
    other sets, and each of its rows counts as five. N-grams that tell the classes apart are
    regularised less than others (after Wang and Manning 2012, "Baselines and Bigrams").
How it is judged
    Five-fold: the texts of each class are dealt out in the order of their hash. The figures are of
    models that never saw the judged row; the weights that are kept are then trained on all rows.
"""

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix, diags

from processors.corrections import CORRECTION_WEIGHT, CORRECTIONS
from processors.features import hashed_ngrams, parts_of
from processors.sentiment import MOODS, Floats, MoodModel, softmax
from schemas.errors import FatalError
from schemas.language import say

__all__ = [
    "FOLDS",
    "LABELS",
    "SetReport",
    "Trained",
    "macro_f1",
    "out_of_fold",
    "read_rows",
    "train",
    "train_files",
]

FOLDS = 5
LABELS = (-1, 0, 1)
"""Labels of the rows, in the order of ``MOODS``."""

Row = tuple[str, int, str]
"""Text, label, name of its set."""
Progress = Callable[[int, int], None]
"""Called with fits done and fits in all."""

# Chosen by five-fold cross-validation on the sets of the model card; each is flat around its value.
_BITS = 18
_INVERSE_PENALTY = 1.0
_CLASS_BALANCE = 0.75  # 0: as they come, 1: every class of every set counts the same
_SET_WITHOUT_NEUTRAL = 0.2
_SMOOTHING = 3.0
_MIN_ROWS_PER_CLASS = 5
_MAX_STEPS = 500


@dataclass(frozen=True, slots=True)
class SetReport:
    """What one set brought, and how well its rows are judged by models that never saw them."""

    name: str
    rows: int
    """Distinct texts that were used, those that an earlier set has not brought."""
    repeated: int
    """Rows left out because their text came before."""
    macro_f1: float
    """Mean of the F1 of the classes that the set has, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its figures."""

    model: MoodModel
    sets: tuple[SetReport, ...]


@dataclass(frozen=True, slots=True)
class _Rows:
    """Distinct rows as arrays, a place for each."""

    features: csr_matrix
    classes: npt.NDArray[np.intp]
    """Index into ``LABELS`` and ``MOODS``."""
    sets: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp]
    weights: Floats


def train_files(
    paths: Sequence[Path],
    out: Path,
    progress: Progress | None = None,
    corrected: Sequence[Row] = (),
) -> Trained:
    """Train on JSONL files of ``{"text": str, "label": -1 | 0 | 1}`` and write the weights.

    ``corrected``: rows of the set ``corrections``. The file appears whole or not at all.

    Raises:
        FatalError: scikit-learn is missing, a row is wrong, too few rows, ``out`` can't be written.
    """
    if not out.parent.is_dir():  # said before minutes of work, not after
        raise FatalError(
            say(
                f"目录 {out.parent} 不存在，模型没有地方保存。请先建立它。",
                f"There is no directory {out.parent} to keep the model in. Make it first.",
            )
        )
    read = [row for path in paths for row in read_rows(path)]
    trained = train([*corrected, *read], progress)
    part = out.with_name(out.name + ".part")
    try:
        part.write_bytes(trained.model.to_bytes())
        os.replace(part, out)
    except OSError as error:
        raise FatalError(
            say(
                f"模型写不到 {out}：{error.strerror or error}。",
                f"Cannot write the model to {out}: {error.strerror or error}.",
            )
        ) from error
    return trained


def read_rows(path: Path) -> list[Row]:
    """Read one set; its name is the file's name without the ending.

    Raises:
        FatalError: not readable, or a line is no labelled text; names the file and the line.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    rows.append(_row(line, path, number))
    except OSError as error:
        raise FatalError(
            say(
                f"读不到训练文件 {path}：{error.strerror or error}。请检查路径。",
                f"Cannot read the training file {path}: {error.strerror or error}. Check the path.",
            )
        ) from error
    except UnicodeDecodeError as error:
        raise FatalError(
            say(
                f"训练文件 {path} 不是 UTF-8 编码。请先转成 UTF-8。",
                f"The training file {path} is not UTF-8. Convert it first.",
            )
        ) from error
    return rows


def train(rows: Iterable[Row], progress: Progress | None = None) -> Trained:
    """Cross-validate, then train on all rows; deterministic.

    Raises:
        FatalError: scikit-learn is missing, or too few rows.
    """
    given = list(rows)
    names = list(dict.fromkeys(name for _, _, name in given))
    kept = _distinct(given)
    used = [given[place] for place in kept]
    _check_enough(used)
    arrays = _arrays(used, names)
    step = _counter(FOLDS + 1, progress)

    scores = _held_out_scores(arrays, step)
    temperature = _temperature(scores, arrays)
    weights, bias = _fit(arrays, np.ones(len(used), np.bool_))
    step()

    shares = softmax(scores / temperature)
    labels = np.array(LABELS)[arrays.classes]
    reports = []
    for index, name in enumerate(names):
        mine = arrays.sets == index
        total = sum(row[2] == name for row in given)
        figure = macro_f1(labels[mine], shares[mine])
        reports.append(SetReport(name, int(mine.sum()), total - int(mine.sum()), figure))
    return Trained(MoodModel(weights, bias, temperature), tuple(reports))


def out_of_fold(rows: Sequence[Row]) -> tuple[list[int], Floats]:
    """For scoring from outside: places of the distinct rows, and their held-out shares."""
    kept = _distinct(rows)
    names = list(dict.fromkeys(name for _, _, name in rows))
    arrays = _arrays([rows[place] for place in kept], names)
    scores = _held_out_scores(arrays, lambda: None)
    return kept, softmax(scores / _temperature(scores, arrays))


def macro_f1(labels: npt.NDArray[np.int_], shares: Floats) -> float:
    """Mean F1 of the classes that occur in ``labels``; answers are chosen among those."""
    if not len(labels):
        return 0.0
    present = [index for index, label in enumerate(LABELS) if (labels == label).any()]
    answers = np.array(LABELS)[present][shares[:, present].argmax(axis=1)]
    figures = []
    for index in present:
        said, true = answers == LABELS[index], labels == LABELS[index]
        figures.append(2 * (said & true).sum() / (said.sum() + true.sum()))
    return float(np.mean(figures))


def _row(line: str, path: Path, number: int) -> Row:
    wrong_zh = wrong_en = ""
    try:
        row = json.loads(line)
    except ValueError:
        row = None
        wrong_zh, wrong_en = "不是 JSON", "is no JSON"
    else:
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            wrong_zh, wrong_en = "没有文字字段 text", "has no string 'text'"
        elif type(row.get("label")) is not int or row["label"] not in LABELS:
            wrong_zh, wrong_en = "的 label 不是 -1、0 或 1", "has a label other than -1, 0, 1"
    if wrong_zh:
        raise FatalError(
            say(
                f'{path} 第 {number} 行{wrong_zh}。每行应为 {{"text": "……", "label": -1}}。',
                f"{path}, line {number} {wrong_en}. "
                'Each line must read {"text": "...", "label": -1}.',
            )
        )
    return row["text"], row["label"], path.stem


def _distinct(rows: Sequence[Row]) -> list[int]:
    """Places of one row of every text: copies on both sides of a split would flatter.

    It is the first one, but for a correction: what a person corrected is right.
    """
    chosen: dict[str, int] = {}
    for place, (text, _, name) in enumerate(rows):
        before = chosen.setdefault(_plain(text), place)
        if name == CORRECTIONS != rows[before][2]:
            chosen[_plain(text)] = place
    return list(chosen.values())


def _plain(text: str) -> str:
    return re.sub(r"\W+", "", text.lower()) or text.strip()


def _check_enough(rows: Sequence[Row]) -> None:
    for label in LABELS:
        found = sum(row[1] == label for row in rows)
        if found < _MIN_ROWS_PER_CLASS:
            raise FatalError(
                say(
                    f"训练需要每类至少 {_MIN_ROWS_PER_CLASS} 条不同的文字；label 为 {label} 的"
                    f"只有 {found} 条。请补充训练数据。",
                    f"Training needs at least {_MIN_ROWS_PER_CLASS} distinct texts of each class; "
                    f"there are {found} with label {label}. Add rows.",
                )
            )


def _arrays(rows: Sequence[Row], names: Sequence[str]) -> _Rows:
    texts = [text for text, _, _ in rows]
    parts, mix = parts_of(texts)
    sets = np.array([names.index(name) for _, _, name in rows])
    classes = np.array([LABELS.index(label) for _, label, _ in rows])
    return _Rows(
        features=(mix @ hashed_ngrams(parts, _BITS)).tocsr(),
        classes=classes,
        sets=sets,
        folds=_folds(texts, classes),
        weights=_row_weights(classes, sets, np.array([n == CORRECTIONS for _, _, n in rows])),
    )


def _folds(texts: Sequence[str], classes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Deal out each class by hash, so that every fold has rows of every class."""
    digests = [hashlib.sha256(_plain(text).encode("utf-8", "surrogatepass")) for text in texts]
    order = sorted(range(len(texts)), key=lambda place: digests[place].digest())
    folds = np.zeros(len(texts), np.intp)
    for index in range(len(LABELS)):
        mine = [place for place in order if classes[place] == index]
        folds[mine] = np.arange(len(mine)) % FOLDS
    return folds


def _row_weights(
    classes: npt.NDArray[np.intp], sets: npt.NDArray[np.intp], corrected: npt.NDArray[np.bool_]
) -> Floats:
    """Rare classes of a set weigh more, and what a person corrected; mean 1."""
    _, group, sizes = np.unique(
        sets * len(LABELS) + classes, return_inverse=True, return_counts=True
    )
    weights = sizes[group] ** -_CLASS_BALANCE
    with_neutral = np.isin(sets, sets[classes == LABELS.index(0)])
    weights = np.where(with_neutral, weights, _SET_WITHOUT_NEUTRAL * weights)
    if corrected.any() and not corrected.all():
        # Of a small set each row would weigh hundreds of times as much as one of a large set.
        weights[corrected] = CORRECTION_WEIGHT * weights[~corrected].mean()
    normal: Floats = weights / weights.mean()
    return normal


def _held_out_scores(rows: _Rows, step: Callable[[], None]) -> Floats:
    scores = np.zeros((len(rows.classes), len(MOODS)))
    for fold in range(FOLDS):
        held_out = rows.folds == fold
        weights, bias = _fit(rows, ~held_out)
        scores[held_out] = rows.features[held_out] @ weights + bias
        step()
    return scores


def _fit(
    rows: _Rows, chosen: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    linear_model, threadpoolctl = _scikit_learn()
    classes, importance = rows.classes[chosen], rows.weights[chosen]
    features = rows.features[chosen]
    buckets = features.shape[1]
    used = np.unique(features.indices)  # a bucket that no text has keeps the weight 0
    features = features[:, used]
    telling = _telling(features, classes, importance)
    regression = linear_model.LogisticRegression(C=_INVERSE_PENALTY, max_iter=_MAX_STEPS, tol=1e-3)
    # one thread: the order of additions, and so the last digit, would depend on the machine's cores
    with threadpoolctl.threadpool_limits(1):
        regression.fit((features @ diags(telling)).tocsr(), classes, sample_weight=importance)
    # rounded as the file keeps them, so that the figures are those of the file
    weights = np.zeros((buckets, len(MOODS)), np.float16)
    weights[used] = regression.coef_.T * telling[:, None]
    return weights.astype(np.float32), regression.intercept_.astype(np.float32)


def _telling(
    features: csr_matrix, classes: npt.NDArray[np.intp], importance: Floats
) -> npt.NDArray[np.float64]:
    """How well each n-gram tells the classes apart: root of its mean absolute log count ratio."""
    present = features.copy()
    present.data = np.ones_like(present.data, dtype=np.float64)
    ratios = []
    for index in range(len(LABELS)):
        inside = present.T @ (importance * (classes == index)) + _SMOOTHING
        outside = present.T @ (importance * (classes != index)) + _SMOOTHING
        ratios.append(np.abs(np.log(inside / inside.sum()) - np.log(outside / outside.sum())))
    telling = np.sqrt(np.mean(ratios, axis=0))
    texts_with = np.asarray(present.sum(axis=0)).ravel()
    mean_square = (telling**2 * texts_with).sum() / texts_with.sum()
    scaled: npt.NDArray[np.float64] = telling / np.sqrt(mean_square)
    return scaled


def _temperature(scores: Floats, rows: _Rows) -> float:
    """The divisor of held-out scores that makes their shares likeliest."""
    places = np.arange(len(scores))

    def surprise(log_temperature: float) -> float:
        shares = softmax(scores / np.exp(log_temperature))[places, rows.classes]
        return float(-(rows.weights * np.log(np.maximum(shares, 1e-12))).sum())

    best = minimize_scalar(surprise, bounds=(-2.0, 2.0), method="bounded")
    return round(float(np.exp(best.x)), 4)


def _counter(total: int, progress: Progress | None) -> Callable[[], None]:
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    return step


def _scikit_learn() -> tuple[Any, Any]:
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
