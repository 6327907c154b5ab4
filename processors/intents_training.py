"""Training of the model that tells complaints and praise of customers, from rated texts.

Run by hand, by ``tingchao train intents``; no worker imports this. How a fit, folds and figures
are made is in ``linear_training.py``.

Nobody labelled these texts with intents. But a bad review of a shop, a meal or a car is what a
complaint looks like, and a good one what praise looks like, while people who talk of their lives
do neither, however angry or glad they are. So sets about ``cars`` and ``reviews`` give examples of
both, and sets of other domains of what is none of them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from processors.corrections import CORRECTION_WEIGHT, CORRECTIONS
from processors.features import fewer_bits, text_features
from processors.intents import HEAD, LEARNT
from processors.labelled import Labelled, need_folder, read_labelled, write_model
from processors.linear import Head, LinearModel
from processors.linear_training import (
    FOLDS,
    Progress,
    counter,
    deal,
    distinct,
    fit,
    held_out,
    micro_f1,
)
from processors.sentiment import Domain
from processors.sentiment_training import LABELS, domain_of
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["Intended", "Trained", "train", "train_files"]

#: Domains in which writers speak as customers.
_CUSTOMERS: frozenset[Domain] = frozenset({"cars", "reviews"})
Intended = tuple[str, Sequence[str]]
"""A text and all that its writer wants."""

_LABEL_OF: Mapping[str, int] = {"complaint": -1, "praise": 1}
_BITS = 15
_INVERSE_PENALTY = 1.0


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its figures."""

    model: LinearModel
    rows: int
    """Distinct texts."""
    f1: Mapping[str, float]
    """Of each label, on texts that the judging model never saw."""


def train_files(
    paths: Sequence[Path],
    out: Path,
    domains: Mapping[str, Domain] | None = None,
    progress: Progress | None = None,
    corrected: Sequence[Intended] = (),
) -> Trained:
    """Train on JSONL files of ``{"text": str, "label": -1 | 0 | 1}``, a file a set.

    ``domains``: of sets that are not those of the model card; others are ``general``.
    ``corrected``: texts with all their intents as people corrected them; they win over equal
    texts of the files and count as several.

    Raises:
        FatalError: scikit-learn is missing, a row is wrong, or ``out`` can't be written.
    """
    need_folder(out)
    trained = train(
        (row for path in paths for row in read_labelled(path, LABELS)), domains, progress, corrected
    )
    write_model(trained.model, out)
    return trained


def train(
    rows: Iterable[Labelled],
    domains: Mapping[str, Domain] | None = None,
    progress: Progress | None = None,
    corrected: Sequence[Intended] = (),
) -> Trained:
    """Cross-validate, then train on all rows; deterministic.

    Raises:
        FatalError: scikit-learn is missing, or too few rows of customers.
    """
    right = [Labelled(text, 0, CORRECTIONS, CORRECTION_WEIGHT) for text, _ in corrected]
    given = [*right, *rows]
    used = [given[place] for place in distinct(given)]
    texts = [row.text for row in used]
    customers = np.array([domain_of(row.set, domains) in _CUSTOMERS for row in used])
    labels = np.array([row.label for row in used])
    intended = dict(corrected)
    said = {
        name: (customers & (labels == _LABEL_OF[name]))
        | [row.set == CORRECTIONS and name in intended[row.text] for row in used]
        for name in LEARNT
    }
    for name in LEARNT:
        _check_enough(name, int(said[name].sum()), len(used))
    importance = np.array([row.weight for row in used])
    features = fewer_bits(text_features(texts), _BITS)
    features.sum_duplicates()
    step = counter(len(LEARNT) * (FOLDS + 1), progress)
    fitted, f1 = [], {}
    for name in LEARNT:
        classes = said[name].astype(np.intp)
        folds = deal(texts, classes)
        every = np.ones(len(texts), np.bool_)
        scores = held_out(features, classes, importance, folds, every, _INVERSE_PENALTY, step)
        f1[name] = micro_f1(scores[:, -1] >= 0, classes > 0)
        fitted.append(fit(features, classes, importance, _INVERSE_PENALTY))
        step()
    weights = np.hstack([column for column, _ in fitted])
    bias = np.concatenate([one for _, one in fitted])
    return Trained(LinearModel((Head(HEAD, LEARNT, "many"),), weights, bias), len(used), f1)


def _check_enough(name: str, examples: int, rows: int) -> None:
    if FOLDS <= examples <= rows - FOLDS:
        return
    label = _LABEL_OF[name]
    raise FatalError(
        say(
            f"标签 {label} 的顾客文字有 {examples} 条，共 {rows} 条；两边都至少要 {FOLDS} 条。"
            "请补充，或用 --domain 集合=reviews 说明哪些集合是顾客写的。",
            f"{examples} of {rows} texts are customers' with label {label}; {FOLDS} of them and "
            f"{FOLDS} others are needed. Add some, or say which sets customers wrote with "
            "--domain SET=reviews.",
        )
    )
