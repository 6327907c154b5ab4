"""Training of the emotion model from texts that are only called negative, neutral or positive.

Run by hand, by ``tingchao train emotions``; no worker imports this. How a fit, folds and figures
are made is in ``linear_training.py``.

A row's label is a feeling, or a mood that leaves some: negative texts are angry, afraid, sad or
disappointed, positive ones glad, neutral ones neither. Which of them a negative text is, is asked
of a model of the negative rows that do have a feeling, and of the words of ``cues_emotions.toml``:
the shares of both together are its labels when the kept weights are fitted. In these texts the
words stand once as they are and once blanked, so that their surroundings are learnt too. Our own
sentences (``emotion_seeds.toml``) and words are rows of their own.

Held-out scores are of models that saw neither the text nor any of its chain of reposts, nor shares
that were learnt from them. Offsets of the feelings are chosen on them for the best macro-F1, the
mean over the sets that have negative rows with a feeling and our own sentences; an answer for the
figures uses offsets that the other folds chose.
"""

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, vstack

from processors.cues import find_cues, groups_of
from processors.emotions import EMOTIONS, HEAD, word_scores
from processors.features import fewer_bits, text_features
from processors.fold import fold
from processors.labelled import Label, Labelled, need_folder, read_labelled, write_model
from processors.linear import Floats, Head, LinearModel, softmax
from processors.linear_training import (
    FOLDS,
    Flags,
    Places,
    Progress,
    Weights,
    best_offsets,
    best_temperature,
    counter,
    distinct,
    fit,
    macro_f1,
)
from processors.repost_folds import deal_chains

__all__ = ["LABELS", "OWN", "Trained", "read_rows", "seeds", "train", "train_files"]

LABELS: tuple[Label, ...] = (-1, 0, 1, *EMOTIONS)

_SEEDS = Path(__file__).with_name("emotion_seeds.toml")
_OF_MOOD: dict[int, tuple[str, ...]] = {
    -1: ("anger", "fear", "sadness", "disappointment"),
    0: ("none",),
    1: ("joy",),
}
# Chosen on CHOSEN of the tests' emotion cases.
_BITS = 17
_INVERSE_PENALTY = 1.5
_BALANCE = 0.5
_SEED_WEIGHT = 3.0
_WORD_WEIGHT = 0.5
_BLANKED_WEIGHT = 0.5
_LEAST_SHARE = 0.25
_SHARPNESS = 1.5
OWN = "own"
"""Name of the set of our own sentences and words."""
_NEGATIVE = np.array([EMOTIONS.index(name) for name in _OF_MOOD[-1]])


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its figures."""

    model: LinearModel
    rows: int
    """Distinct texts, our own among them."""
    mood_f1: float
    """Macro-F1 of negative, neutral and positive, on texts that the judging model never saw."""
    seed_f1: float
    """Macro-F1 of the feelings, on texts labelled with one that the model never saw; the mean over
    the sets."""
    held_out: tuple[tuple[Labelled, str], ...]
    """Each row that counts as one or more, with what a model says that never saw its text."""


def train_files(
    paths: Sequence[Path],
    out: Path,
    progress: Progress | None = None,
    corrected: Sequence[Labelled] = (),
) -> Trained:
    """Train on JSONL files of ``{"text": str, "label": -1 | 0 | 1 or a feeling}``.

    ``corrected``: rows of what people corrected, heavier than others.

    Raises:
        FatalError: scikit-learn is missing, a row is wrong, or ``out`` can't be written.
    """
    need_folder(out)
    rows = [*corrected, *(row for path in paths for row in read_rows(path))]
    trained = train(rows, progress)
    write_model(trained.model, out)
    return trained


def read_rows(path: Path) -> list[Labelled]:
    """Read one set; see ``labelled.py``."""
    return read_labelled(path, LABELS)


def seeds() -> list[Labelled]:
    """Our own sentences and words, each with its feeling."""
    tree = tomllib.loads(_SEEDS.read_text(encoding="utf-8"))
    rows = [
        Labelled(text, name, OWN, _SEED_WEIGHT)
        for name, table in tree.items()
        for text in table["texts"]
    ]
    words = groups_of("emotions")
    rows += [
        Labelled(word, name, OWN, _WORD_WEIGHT)
        for name in EMOTIONS
        if name != "none"
        for word in words[name]
    ]
    return rows


def train(rows: Iterable[Labelled], progress: Progress | None = None) -> Trained:
    """Label, cross-validate, then train on all rows; deterministic.

    Raises:
        FatalError: scikit-learn is missing.
    """
    given = [*seeds(), *rows]
    used = [given[place] for place in distinct(given)]
    table = _Table(used)
    step = counter(FOLDS + 1, progress)
    folds = deal_chains([row.text for row in used], table.allowed.argmax(axis=1))
    scores = np.zeros(table.allowed.shape)
    for fold_ in range(FOLDS):
        inside = folds == fold_
        weights, bias = table.fit(~inside)
        scores[inside] = table.plain[inside] @ weights + bias
        step()
    scores += table.words
    weights, bias = table.fit(np.ones(len(used), np.bool_))
    step()

    offsets = _offsets(table, scores, np.ones(len(used), np.bool_))
    moved = scores.copy()
    for fold_ in range(FOLDS):
        moved[folds == fold_] += _offsets(table, scores, folds != fold_)
    heavy = np.flatnonzero([row.weight >= 1 for row in used])
    named = heavy[[isinstance(used[place].label, str) for place in heavy]]
    foreign = heavy[[used[place].set != OWN for place in heavy]]
    truths, answers = table.allowed.argmax(axis=1), moved.argmax(axis=1)
    alone = heavy[table.allowed[heavy].sum(axis=1) == 1]
    own = np.array([used[place].set == OWN for place in alone], np.intp)
    temperature = best_temperature((scores + offsets)[alone], truths[alone], own)
    true, said = _to_moods(table.allowed[foreign], softmax(moved[foreign]))
    of_sets = [named[table.sets[named] == one] for one in np.unique(table.sets[named])]
    by_set = [macro_f1(truths[mine], answers[mine]) for mine in of_sets]
    return Trained(
        model=LinearModel(
            (Head(HEAD, EMOTIONS, "one", temperature),), weights, (bias + offsets).astype("<f4")
        ),
        rows=len(used),
        mood_f1=macro_f1(true, said),
        seed_f1=float(np.mean(by_set)),
        held_out=tuple((used[place], EMOTIONS[answers[place]]) for place in heavy),
    )


def _offsets(table: "_Table", scores: Floats, inside: Flags) -> Floats:
    """What to add to each feeling's score, chosen on the rows ``inside``.

    Negative rows with a feeling stand for those of their set that have none, so that the shares of
    the feelings are the set's. A set without such rows has no say; without any there is no offset.
    """
    negative = (table.allowed[:, _NEGATIVE].sum(axis=1) > 0) & inside
    alone = (table.allowed.sum(axis=1) == 1) & inside & table.heavy
    importance = np.ones(len(scores))
    asked = np.zeros(len(scores), np.bool_)
    for one in np.unique(table.sets):
        mine = table.sets == one
        with_one = mine & negative & alone
        if with_one.any():
            importance[with_one] = (mine & negative).sum() / with_one.sum()
            asked |= mine & alone
    if len(np.unique(table.sets[asked])) < 2:  # our own sentences alone
        return np.zeros(len(EMOTIONS))
    truths = table.allowed.argmax(axis=1)
    return best_offsets(scores[asked], truths[asked], table.sets[asked], importance[asked])


class _Table:
    """Texts as rows of a fit: once as they are, the open ones (of several feelings) also with the
    listed words blanked, and each as often as it may be of several."""

    def __init__(self, rows: Sequence[Labelled]) -> None:
        texts = [row.text for row in rows]
        self.allowed: Floats = np.array([_allowed(row.label) for row in rows])
        self.words: Floats = np.array(
            [word_scores(text) or [0.0] * len(EMOTIONS) for text in texts]
        )
        self.sets = np.unique([row.set for row in rows], return_inverse=True)[1].astype(np.intp)
        weights = np.array([row.weight for row in rows])
        self.heavy: Flags = weights >= 1
        self._open: Flags = self.allowed.sum(axis=1) > 1
        blanked = [
            _blanked(text) if may else None for text, may in zip(texts, self._open, strict=True)
        ]
        places = [place for place, text in enumerate(blanked) if text is not None]
        self.plain = fewer_bits(text_features(texts), _BITS)
        masked = fewer_bits(text_features([text for text in blanked if text is not None]), _BITS)
        self._features: csr_matrix = vstack([self.plain, masked]).tocsr()
        self._features.sum_duplicates()
        self._row = np.concatenate([np.arange(len(texts)), places]).astype(np.intp)
        factor = np.where(np.arange(len(self._row)) < len(texts), 1.0, _BLANKED_WEIGHT)
        self._weights: Floats = weights[self._row] * factor

    def fit(self, inside: Flags) -> tuple[Weights, Weights]:
        """Weights and biases by the texts ``inside`` alone."""
        places, classes, importance = self._copies(self._shares(inside))
        taken = inside[self._row[places]]
        places, classes, importance = places[taken], classes[taken], importance[taken]
        return fit(self._features[places], classes, importance, _INVERSE_PENALTY)

    def _shares(self, inside: Flags) -> Floats:
        """How likely each text is of each feeling that it may be of."""
        negative = inside & ~self._open & (self.allowed[:, _NEGATIVE].sum(axis=1) > 0)
        importance = np.where(negative, self._weights[: len(inside)], 0)
        truths = self.allowed.argmax(axis=1)
        weights, bias = fit(self._features[: len(inside)], truths, importance)
        scores = _SHARPNESS * self.words
        scores[:, _NEGATIVE] += self.plain @ weights + bias
        return _normal(softmax(scores) * self.allowed)

    def _copies(self, shares: Floats) -> tuple[Places, Places, Floats]:
        """Rows of a fit: place, class and weight of every text and feeling that it may be of."""
        mine = shares[self._row]
        places, classes = np.nonzero(mine >= _LEAST_SHARE)
        importance = mine[places, classes] * self._weights[places]
        sizes = np.bincount(classes, importance, minlength=len(EMOTIONS))
        importance = importance * sizes[classes] ** -_BALANCE
        return places, classes, importance / importance.mean()


def _allowed(label: Label) -> list[float]:
    names = (label,) if isinstance(label, str) else _OF_MOOD[label]
    return [float(name in names) for name in EMOTIONS]


def _normal(shares: Floats) -> Floats:
    normal: Floats = shares / shares.sum(axis=1, keepdims=True)
    return normal


def _blanked(text: str) -> str | None:
    """The text without its listed words; none where it has none or little else."""
    cues = [cue for cue in find_cues("emotions", fold(text)) if cue.group != "none"]
    letters = list(text)
    for cue in cues:
        letters[cue.start : cue.end] = " " * (cue.end - cue.start)
    left = "".join(letters)
    return left if cues and len(left.replace(" ", "")) >= 4 else None


def _to_moods(allowed: Floats, shares: Floats) -> tuple[Places, Places]:
    """True and said mood, as places of ``_OF_MOOD``; surprise is said to be neutral."""
    columns = [[EMOTIONS.index(name) for name in names] for names in _OF_MOOD.values()]
    columns[1].append(EMOTIONS.index("surprise"))

    def mood(table: Floats) -> Places:
        sums = np.stack([table[:, mine].sum(axis=1) for mine in columns], axis=1)
        found: Places = sums.argmax(axis=1)
        return found

    return mood(allowed), mood(shares)
