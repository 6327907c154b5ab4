"""The linear model of aspects: which are spoken of, and the mood towards each.

One head ``presence`` asks for all aspects; for each of them a head ``mood:ASPECT`` asks how. An
aspect counts where its share is clear, or where it is the likeliest and not far-fetched.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

from processors.features import ngram_buckets
from processors.linear import Floats, Head, LinearModel
from schemas.enriched import Mood

__all__ = ["MOODS", "PRESENCE", "AspectModel", "heads_of", "present"]

MOODS: tuple[Mood, ...] = get_args(Mood)
PRESENCE = "presence"
_MOOD_HEAD = "mood:"
_COMMAND = "tingchao train aspects"

# Scores, as logits of the share. Chosen out of fold (aspects.md): micro-F1 is flat around both.
_CLEAR = -0.6
_LIKELIEST = -1.5


class AspectModel(NamedTuple):
    """A model and where its outputs stand."""

    model: LinearModel
    aspects: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> "AspectModel":
        """Read a file of ``tingchao train aspects``.

        Raises:
            FatalError: no such file, or another kind of model.
        """
        model = LinearModel.load(path, _COMMAND, (PRESENCE,))
        aspects = model.head(PRESENCE).labels
        if model.heads != heads_of(aspects):
            LinearModel.load(path, _COMMAND, [head.name for head in heads_of(aspects)])
        return cls(model, aspects)

    def judge(self, features: csr_matrix) -> list[list[tuple[int, int]]]:
        """Of each row the aspects that are spoken of, and the mood: places in the two lists."""
        scores = self.model.scores(features)
        count = len(self.aspects)
        rows, found = np.nonzero(present(scores[:, :count]))
        moods = (
            scores[:, count:].reshape(len(scores), count, len(MOODS))[rows, found].argmax(axis=1)
        )
        judged: list[list[tuple[int, int]]] = [[] for _ in range(len(scores))]
        for row, aspect, mood in zip(rows.tolist(), found.tolist(), moods.tolist(), strict=True):
            judged[row].append((aspect, mood))
        return judged

    def weightiest(self, texts: Sequence[str], aspects: Sequence[int]) -> list[str]:
        """Of each text the three characters that speak most for its aspect; "" where none do."""
        codes, (ones, twos, threes) = ngram_buckets(texts, self.model.bits)
        border = codes == 0
        aspect = np.asarray(aspects)[(np.cumsum(border) - border).clip(max=len(texts) - 1)]
        weights = self.model.weights
        alone, pair = weights[ones, aspect], weights[twos, aspect[1:]]
        windows = weights[threes, aspect[2:]] + pair[1:] + pair[:-1]
        windows += alone[2:] + alone[1:-1] + alone[:-2]
        windows[border[2:] | border[1:-1] | border[:-2]] = -np.inf
        shown, start = [], 0
        for end in np.flatnonzero(border).tolist():
            best = windows[start : max(start, end - 2)]
            place = start + int(best.argmax()) if len(best) else end
            shown.append("".join(map(chr, codes[place : min(place + 3, end)].tolist())).strip())
            start = end + 1
        return shown


def heads_of(aspects: Sequence[str]) -> tuple[Head, ...]:
    """The heads of such a model, in order."""
    moods = (Head(f"{_MOOD_HEAD}{aspect}", MOODS) for aspect in aspects)
    return (Head(PRESENCE, tuple(aspects), "many"), *moods)


def present(scores: Floats) -> npt.NDArray[np.bool_]:
    """Which aspects count, of rows of presence scores."""
    likeliest = scores == scores.max(axis=1, keepdims=True, initial=-np.inf)
    found: npt.NDArray[np.bool_] = (scores > _CLEAR) | (likeliest & (scores > _LIKELIEST))
    return found
