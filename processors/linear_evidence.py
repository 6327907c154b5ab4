"""Which words made a linear model on hashed n-grams give a label.

What a label's weights add up to over a text is a sum over the n-grams that stand in it, so each
n-gram has an exact part in it: value of the feature times weight. The n-grams with the largest
parts, joined where they overlap, are the words that decided. An n-gram that stands there several
times shares its part among its places.

Limit: an n-gram that shares its bucket with another shares its part too; features without a place
in the text are not shown.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processors.explained import Clue
from processors.features import MOST_BITS, fewer_bits, placed_ngrams, text_features
from schemas.enriched import EnrichedPost
from schemas.language import say

__all__ = ["Decisive", "clues_of", "decisive", "for_label", "parts_in"]

Weights = npt.NDArray[np.float32]

#: N-grams that are looked at: of a long text the others weigh next to nothing.
_MOST_NGRAMS = 12
#: Of what the strongest n-gram brings; weaker ones would be noise around it.
_WEAKEST = 0.15
_MOST_WORDS = 4
_LEAST_SHARE = 0.03
#: One character alone (了, 点) tells a reader little, unless it weighs much.
_LEAST_SHARE_ALONE = 0.1
_MARKS = " \t\n，。、；：,.;:…“”\"'（）()"


class Decisive(NamedTuple):
    """A piece of the text: [start, end) in code points as received."""

    start: int
    end: int
    share: float
    """Of all that spoke for the label, 0 to 1."""


def for_label(weights: Weights, label: int) -> Weights:
    """What each bucket adds to a label over the mean of the others: of heads with one answer.

    Heads whose labels hold each by itself take ``weights[:, label]`` as it stands.
    """
    others = np.delete(weights, label, axis=1).mean(axis=1)
    column: Weights = weights[:, label] - others
    return column


def parts_in(text: str, column: Weights) -> list[tuple[int, int, float]]:
    """Start, end and part of each n-gram of the text; they add up to ``features @ column``."""
    bits = len(column).bit_length() - 1
    features = fewer_bits(text_features([text]), bits)
    values = np.bincount(features.indices, features.data, minlength=len(column))
    ngrams = placed_ngrams(text)
    spare = MOST_BITS - bits
    buckets = [ngram.bucket >> spare for ngram in ngrams]
    times = Counter(buckets)
    return [
        (ngram.start, ngram.end, float(values[bucket] * column[bucket]) / times[bucket])
        for ngram, bucket in zip(ngrams, buckets, strict=True)
    ]


def decisive(text: str, column: Weights, most: int = _MOST_WORDS) -> list[Decisive]:
    """The pieces that speak for a label, the strongest first; none where nothing does."""
    parts = parts_in(text, column)
    total = sum(part for _, _, part in parts if part > 0)
    if total <= 0:
        return []
    strongest = sorted(parts, key=lambda one: (-one[2], one[0]))[:_MOST_NGRAMS]
    enough = _WEAKEST * strongest[0][2]
    pieces = [
        Decisive(*_without_marks(text, start, end), _inside(parts, start, end) / total)
        for start, end in _joined([one[:2] for one in strongest if one[2] >= enough])
    ]
    pieces.sort(key=lambda piece: (-piece.share, piece.start))
    return [piece for piece in pieces if _is_telling(piece)][:most]


def clues_of(
    post: EnrichedPost, text: str, column: Weights, most: int = _MOST_WORDS
) -> tuple[Clue, ...]:
    """The decisive pieces of the text that was judged, at their places in the post's fields.

    ``text`` is the post's text, or its title, a line break and its text, as enrichers judge it;
    also one that was folded or blanked in place. Of any other there is nothing to point at.
    """
    title = post.title or ""
    offset = len(text) - len(post.text)
    if offset not in (0, len(title) + 1):
        return ()
    clues = []
    for start, end, share in decisive(text, column, most):
        note = say(f"占 {100 * share:.0f} %", f"{100 * share:.0f} %")
        if start >= offset:
            clues.append(Clue("text", start - offset, end - offset, note))
        elif end <= len(title):
            clues.append(Clue("title", start, end, note))
    return tuple(clues)


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those that overlap as one."""
    found: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _without_marks(text: str, start: int, end: int) -> tuple[int, int]:
    """The piece without punctuation at its ends; empty where there is nothing else."""
    piece = text[start:end].rstrip(_MARKS)
    return end - len(text[start:end].lstrip(_MARKS)) if piece else start, start + len(piece)


def _is_telling(piece: Decisive) -> bool:
    length = piece.end - piece.start
    return length > 0 and piece.share >= (_LEAST_SHARE if length > 1 else _LEAST_SHARE_ALONE)


def _inside(parts: Sequence[tuple[int, int, float]], start: int, end: int) -> float:
    return max(0.0, sum(part for a, b, part in parts if start <= a and b <= end))
