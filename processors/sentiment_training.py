"""Training of the mood model: labelled texts in, a head per domain and honest figures out.

Run by hand, by ``tingchao train sentiment``; no worker imports this. How a fit, folds and figures
are made is in ``linear_training.py``.

A file is a set and belongs to a domain. Every head is trained on all sets, its own in full and the
others at a lower weight: they teach it words that its own rows are too few for. A head's biases
are then moved for the best macro-F1 of its own sets and its shares tempered, both by held-out
scores to which the marks (``mood_marks.py``) are added as they will be. A domain without a set gets
no head, but for ``general``, which then is of all sets.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processors.features import text_features
from processors.labelled import Labelled, need_folder, read_labelled, write_model
from processors.linear import Floats, Head, LinearModel, softmax
from processors.linear_training import (
    FOLDS,
    Flags,
    Places,
    Progress,
    Weights,
    balanced,
    best_offsets,
    best_temperature,
    calibration_error,
    counter,
    deal,
    distinct,
    fit,
    held_out,
    macro_f1,
)
from processors.mood_marks import mood_offsets
from processors.sentiment import DOMAINS, MOODS, Domain
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["LABELS", "SetReport", "Trained", "domain_of", "read_rows", "train", "train_files"]

LABELS = (-1, 0, 1)
"""Labels of the rows, in the order of ``MOODS``."""

#: Of the sets in the model card; any other set is ``general`` unless told otherwise.
DOMAIN_OF_SET: Mapping[str, Domain] = {
    "smp2020_usual": "general",
    "nlpcc2014_weibo": "general",
    "smp2020_virus": "crisis",
    "bdci_car": "cars",
    "shopping": "reviews",
    "waimai": "reviews",
}


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How a fit is made; by five-fold cross-validation on the sets of the card."""

    shares: Mapping[Domain, float]
    """What rows of another domain's sets weigh; those of a domain that is not named: nothing."""
    balance: float
    inverse_penalty: float


#: Where there are several, a head is their mean: alone each swings by a point on few rare rows.
_RECIPES: Mapping[Domain, tuple[_Recipe, ...]] = {
    "general": (_Recipe({"crisis": 0.8, "cars": 0.1, "reviews": 0.15}, 0.6, 0.7),),
    "crisis": (_Recipe({"general": 0.4, "cars": 0.05, "reviews": 0.05}, 0.6, 0.8),),
    "cars": (
        _Recipe({}, 0.75, 1.0),
        _Recipe({}, 0.95, 0.5),
        _Recipe({"general": 0.1, "crisis": 0.05}, 0.85, 0.6),
    ),
    "reviews": (_Recipe({"general": 0.03, "cars": 0.03}, 0.5, 1.0),),
}
_MIN_ROWS_PER_CLASS = 5


@dataclass(frozen=True, slots=True)
class SetReport:
    """What one set brought, and how well its rows are judged by models that never saw them."""

    name: str
    domain: Domain
    rows: int
    """Distinct texts that were used, those that no other set has brought."""
    repeated: int
    """Rows left out because their text stands in another row."""
    macro_f1: float
    """Mean of the F1 of the classes that the set has, 0 to 1."""
    calibration_error: float
    """How far shares are from how often they are right, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its figures."""

    model: LinearModel
    sets: tuple[SetReport, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Judged:
    """A head, its columns, and what it says of its domain's rows that it was not trained on."""

    head: Head
    weights: Floats
    bias: Floats
    answers: Places
    shares: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Distinct rows as arrays, a place for each."""

    texts: tuple[str, ...]
    classes: Places
    """Index into ``LABELS`` and ``MOODS``."""
    sets: Places
    domains: Places
    """Index into ``DOMAINS``."""
    folds: Places
    weights: Floats
    """As given with the rows."""
    marks: Floats
    """What ``mood_marks.py`` adds to the scores of each text."""


def train_files(
    paths: Sequence[Path],
    out: Path,
    domains: Mapping[str, Domain] | None = None,
    progress: Progress | None = None,
    corrected: Sequence[Labelled] = (),
) -> Trained:
    """Train on JSONL files of ``{"text": str, "label": -1 | 0 | 1}`` and write the weights.

    Args:
        paths: a set each.
        out: the model file; it appears whole or not at all.
        domains: by the set's name, where it is not as in ``DOMAIN_OF_SET``.
        progress: told of each fit.
        corrected: rows of what people corrected, heavier than others.

    Raises:
        FatalError: scikit-learn is missing, a row is wrong, too few rows, ``out`` can't be written.
    """
    need_folder(out)
    rows = [*corrected, *(row for path in paths for row in read_rows(path))]
    trained = train(rows, domains, progress)
    write_model(trained.model, out)
    return trained


def read_rows(path: Path) -> list[Labelled]:
    """Read one set; see ``labelled.py``."""
    return read_labelled(path, LABELS)


def train(
    rows: Iterable[Labelled],
    domains: Mapping[str, Domain] | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Cross-validate, then train on all rows; deterministic.

    Raises:
        FatalError: scikit-learn is missing, or too few rows.
    """
    given = list(rows)
    names = list(dict.fromkeys(row.set for row in given))
    by_set = {name: domain_of(name, domains) for name in names}
    used = [given[place] for place in distinct(given)]
    _check_enough(used)
    arrays = _arrays(used, names, by_set)
    heads = [one for one in DOMAINS if one == "general" or one in by_set.values()]
    fits = sum(len(_RECIPES[domain]) for domain in heads)
    step = counter((FOLDS + 1) * fits, progress)

    judged = {domain: _head(domain, arrays, step) for domain in heads}
    model = LinearModel(
        heads=tuple(one.head for one in judged.values()),
        weights=np.hstack([one.weights for one in judged.values()]).astype(np.float32),
        bias=np.hstack([one.bias for one in judged.values()]).astype(np.float32),
    )
    reports = []
    for index, name in enumerate(names):
        mine, by = arrays.sets == index, judged[by_set[name]]
        reports.append(
            SetReport(
                name=name,
                domain=by_set[name],
                rows=int(mine.sum()),
                repeated=sum(row.set == name for row in given) - int(mine.sum()),
                macro_f1=macro_f1(arrays.classes[mine], by.answers[mine]),
                calibration_error=calibration_error(by.shares[mine], arrays.classes[mine]),
            )
        )
    return Trained(model, tuple(reports))


def domain_of(name: str, domains: Mapping[str, Domain] | None = None) -> Domain:
    """The domain of a set: as the user says, else that of the card's sets, else ``general``."""
    return (domains or {}).get(name) or DOMAIN_OF_SET.get(name, "general")


def _head(domain: Domain, rows: _Rows, step: Callable[[], None]) -> _Judged:
    own = rows.domains == DOMAINS.index(domain)
    if not own.any():  # general, where every set is of some other domain
        own = np.ones(len(own), np.bool_)
    parts = [_part(recipe, rows, own, step) for recipe in _RECIPES[domain]]
    scores, weights, bias = (np.mean(one, axis=0) for one in zip(*parts, strict=True))
    scores = scores + rows.marks

    moved = scores + _held_out_offsets(scores, rows, own)
    offsets = _offsets(scores, rows, own)
    temperature = best_temperature((scores + offsets)[own], rows.classes[own], rows.sets[own])
    return _Judged(
        head=Head(domain, MOODS, "one", temperature),
        weights=weights,
        bias=bias + offsets,
        answers=_answers(moved, rows),
        shares=softmax(moved / temperature),
    )


def _part(
    recipe: _Recipe, rows: _Rows, own: Flags, step: Callable[[], None]
) -> tuple[Floats, Weights, Weights]:
    """Held-out scores, and weights and biases of all rows."""
    shares = np.array([recipe.shares.get(domain, 0.0) for domain in DOMAINS])[rows.domains]
    importance = balanced(rows.classes, rows.sets, recipe.balance)
    importance = np.where(own, importance, shares * importance)
    heavy = rows.weights > 1
    if heavy.any() and not heavy.all():
        # What a person corrected counts in every domain. Balanced as a set of its own, a row of a
        # small set would weigh hundreds of times as much as one of a large set.
        others = importance[~heavy & (importance > 0)]
        importance[heavy] = rows.weights[heavy] * others.mean()
    importance = importance / importance[importance > 0].mean()
    features, penalty = text_features(rows.texts), recipe.inverse_penalty
    scores = held_out(features, rows.classes, importance, rows.folds, own, penalty, step)
    weights, bias = fit(features, rows.classes, importance, penalty)
    step()
    return scores, weights, bias


def _offsets(scores: Floats, rows: _Rows, chosen: Flags) -> Floats:
    """By the sets that have all classes; the others know nothing of neutral texts."""
    whole = [one for one in np.unique(rows.sets) if len(_classes_of(rows, one)) == len(LABELS)]
    chosen = chosen & np.isin(rows.sets, whole)
    return best_offsets(scores[chosen], rows.classes[chosen], rows.sets[chosen])


def _held_out_offsets(scores: Floats, rows: _Rows, own: Flags) -> Floats:
    """Of each row, chosen on the other folds."""
    offsets = np.zeros_like(scores)
    for fold in range(FOLDS):
        offsets[rows.folds == fold] = _offsets(scores, rows, own & (rows.folds != fold))
    return offsets


def _answers(scores: Floats, rows: _Rows) -> Places:
    """The likeliest class of those that a row's set has."""
    answers = np.zeros(len(scores), np.intp)
    for one in np.unique(rows.sets):
        mine, classes = rows.sets == one, _classes_of(rows, one)
        answers[mine] = classes[scores[mine][:, classes].argmax(axis=1)]
    return answers


def _classes_of(rows: _Rows, index: int) -> Places:
    return np.unique(rows.classes[rows.sets == index])


def _check_enough(rows: Sequence[Labelled]) -> None:
    for label in LABELS:
        found = sum(row.label == label for row in rows)
        if found < _MIN_ROWS_PER_CLASS:
            raise FatalError(
                say(
                    f"训练需要每类至少 {_MIN_ROWS_PER_CLASS} 条不同的文字；label 为 {label} 的"
                    f"只有 {found} 条。请补充训练数据。",
                    f"Training needs at least {_MIN_ROWS_PER_CLASS} distinct texts of each class; "
                    f"there are {found} with label {label}. Add rows.",
                )
            )


def _arrays(rows: Sequence[Labelled], names: Sequence[str], by_set: Mapping[str, Domain]) -> _Rows:
    texts = tuple(row.text for row in rows)
    classes = np.array([LABELS.index(int(row.label)) for row in rows], np.intp)
    return _Rows(
        texts=texts,
        classes=classes,
        sets=np.array([names.index(row.set) for row in rows], np.intp),
        domains=np.array([DOMAINS.index(by_set[row.set]) for row in rows], np.intp),
        folds=deal(texts, classes),
        weights=np.array([row.weight for row in rows]),
        marks=np.array([mood_offsets(text) or (0.0, 0.0, 0.0) for text in texts]),
    )
