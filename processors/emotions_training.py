"""Training of the emotion model from texts that are only called negative, neutral or positive.

Run by hand, by ``tingchao train emotions``; no worker imports this. How a fit, folds and figures
are made is in ``linear_training.py``.

A row's label is a feeling, or a mood that leaves some: negative texts are angry, afraid, sad or
disappointed, positive ones glad, neutral ones neither. Which of them a negative text is starts from
the words of ``cues_emotions.toml`` and is then asked of models that did not see the text: the
shares of both together are its labels when the kept weights are fitted. In these texts the words
stand once as they are and once blanked, so that their surroundings are learnt too. Our own
sentences (``emotion_seeds.toml``) and words are rows of their own.
"""

import tomllib
from collections.abc import Callable, Iterable, Sequence
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
    best_temperature,
    counter,
    deal,
    distinct,
    fit,
    held_out,
    macro_f1,
)

__all__ = ["LABELS", "Trained", "read_rows", "seeds", "train", "train_files"]

LABELS: tuple[Label, ...] = (-1, 0, 1, *EMOTIONS)

_SEEDS = Path(__file__).with_name("emotion_seeds.toml")
_OF_MOOD: dict[int, tuple[str, ...]] = {
    -1: ("anger", "fear", "sadness", "disappointment"),
    0: ("none",),
    1: ("joy",),
}
# Chosen on CHOSEN of the tests' emotion cases.
_BITS = 17
_INVERSE_PENALTY = 0.7
_BALANCE = 0.5
_SEED_WEIGHT = 3.0
_WORD_WEIGHT = 0.5
_BLANKED_WEIGHT = 0.5
_LEAST_SHARE = 0.25
_SHARPNESS = 1.5
_PRIOR = {"anger": 0.4, "fear": 0.1, "sadness": 0.4, "disappointment": 0.1}
_OWN = "own"


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained model and its figures."""

    model: LinearModel
    rows: int
    """Distinct texts, our own among them."""
    mood_f1: float
    """Macro-F1 of negative, neutral and positive, on texts that the judging model never saw."""
    seed_f1: float
    """Macro-F1 of the feelings, on texts labelled with one that the model never saw."""


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
        Labelled(text, name, _OWN, _SEED_WEIGHT)
        for name, table in tree.items()
        for text in table["texts"]
    ]
    words = groups_of("emotions")
    rows += [
        Labelled(word, name, _OWN, _WORD_WEIGHT)
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
    texts = [row.text for row in used]
    allowed = np.array([_allowed(row.label) for row in used])
    shares = _normal(_from_words(texts) * allowed)
    folds = deal(texts, allowed.argmax(axis=1))
    step = counter(FOLDS + 1, progress)

    table = _Table(texts, np.array([row.weight for row in used]), allowed.sum(axis=1) > 1)
    scores = table.held_out(shares, folds, step)
    shares = _normal(softmax(_SHARPNESS * scores) * _from_words(texts) * allowed)
    weights, bias = table.fit(shares)
    step()

    heavy = np.array([row.weight >= 1 for row in used])
    named = np.array([isinstance(row.label, str) for row in used]) & heavy
    words = np.array([word_scores(text) or [0.0] * len(EMOTIONS) for text in texts])
    temperature = best_temperature(
        (scores + words)[heavy], shares.argmax(axis=1)[heavy], named[heavy].astype(np.intp)
    )
    moods = _to_moods(allowed, softmax(scores + words))
    answers = (scores + words).argmax(axis=1)
    return Trained(
        model=LinearModel((Head(HEAD, EMOTIONS, "one", temperature),), weights, bias),
        rows=len(used),
        mood_f1=macro_f1(moods[0][~named & heavy], moods[1][~named & heavy]),
        seed_f1=macro_f1(allowed.argmax(axis=1)[named], answers[named]),
    )


class _Table:
    """Texts as rows of a fit: once as they are, the open ones (of several feelings) also with the
    listed words blanked, and each as often as it may be of several."""

    def __init__(self, texts: Sequence[str], weights: Floats, open_: Flags) -> None:
        blanked = [_blanked(text) if may else None for text, may in zip(texts, open_, strict=True)]
        places = [place for place, text in enumerate(blanked) if text is not None]
        plain = fewer_bits(text_features(texts), _BITS)
        masked = fewer_bits(text_features([text for text in blanked if text is not None]), _BITS)
        self._features: csr_matrix = vstack([plain, masked]).tocsr()
        self._features.sum_duplicates()
        self._plain = plain
        self._row = np.concatenate([np.arange(len(texts)), places]).astype(np.intp)
        factor = np.where(np.arange(len(self._row)) < len(texts), 1.0, _BLANKED_WEIGHT)
        self._weights: Floats = weights[self._row] * factor

    def fit(self, shares: Floats) -> tuple[Weights, Weights]:
        """Weights and biases by all texts."""
        places, classes, importance = self._copies(shares)
        return fit(self._features[places], classes, importance, _INVERSE_PENALTY)

    def held_out(self, shares: Floats, folds: Places, step: Callable[[], None]) -> Floats:
        """Scores of each text by models that never saw it, blanked or not."""
        places, classes, importance = self._copies(shares)
        first = np.zeros(len(places), np.bool_)
        first[np.unique(places, return_index=True)[1]] = True
        first &= places < len(shares)
        scores = held_out(
            self._features[places],
            classes,
            importance,
            folds[self._row[places]],
            first,
            _INVERSE_PENALTY,
            step,
        )
        found = np.zeros((len(shares), len(EMOTIONS)))
        found[places[first]] = scores[first]
        return found

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


def _from_words(texts: Sequence[str]) -> Floats:
    """How likely each feeling is by the listed words alone."""
    prior = np.log([_PRIOR.get(name, 0.25) for name in EMOTIONS])
    scores = np.array([word_scores(text) or [0.0] * len(EMOTIONS) for text in texts])
    return softmax(prior + _SHARPNESS * scores)


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
