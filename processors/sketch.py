"""Sketches: 64 bytes by which two texts are compared without having either.

Purpose: tell near copies (a repost with words before it, a cut text, a template with other names)
where the exact ``signature`` differs. Method: MinHash (Broder, *On the resemblance and containment
of documents*, 1997) of the letters' 3-grams, by one permutation (Li, Owen and Zhang, *One
Permutation Hashing*, 2012): a hash falls in one of 64 bins, each bin keeps its least, and of that
one byte (b-bit minwise hashing, Li and König, 2010), 1 to 254. A bin without a 3-gram stays 0, so
that a short text is not sampled but listed. The share of equal bins among those not empty in both
estimates the Jaccard similarity J, with a deviation of sqrt(J(1-J)/64) at most; with the two
sizes it gives the containment, the part of the shorter text that stands in the longer.

All texts of a batch are hashed at once. Any change here makes old and new sketches incomparable:
raise ``SKETCH_VERSION``.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from processors.letters import BORDER, Codes, Mask

__all__ = [
    "BINS",
    "MIN_LETTERS",
    "SKETCH_LENGTH",
    "SKETCH_VERSION",
    "Sketch",
    "read_sketches",
    "sketches",
]

SKETCH_VERSION = 1

BINS = 64
_BIN_BITS = 6
_BYTES = BINS + 2  # a multiple of 3: sketches in base64 can be put one behind the other

#: Characters of a written sketch.
SKETCH_LENGTH = _BYTES // 3 * 4

#: Ten 3-grams: of fewer, the name of a product is half.
MIN_LETTERS = 12

#: So few bins hold a text of a repeated word: 哈哈哈哈.
_MIN_FILLED = 8

#: One article of 100,000 letters is compared by its beginning.
_MAX_LETTERS = 2_000

_GRAM = 3
_QUOTES = 1 << 15
_EMPTY = np.uint32(0xFFFFFFFF)
_STEP, _LETTER, _MIX_A, _MIX_B = (  # odd 32-bit constants of well-known hashes (xxHash, Murmur)
    np.uint32(value) for value in (0x85EBCA77, 0x9E3779B1, 0xC2B2AE3D, 0x27D4EB2F)
)

Bins = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Sketch:
    """A sketch as it is compared."""

    bins: Bins
    size: int
    """How many different 3-grams, about."""
    quotes: bool
    """Behind the writer's own words stands what others wrote (``//@``), and is in it."""


def sketches(codes: Codes, quotes: list[bool]) -> list[str | None]:
    """One sketch a text: 88 characters of base64; ``None`` for a text too short to compare.

    ``codes``: letters with a border behind each text (``processors/letters.py``).
    """
    count = len(quotes)
    border = codes == BORDER
    ends = np.flatnonzero(border)
    lengths: NDArray[np.intp] = np.diff(ends, prepend=-1) - 1
    least = _minima(codes, border, ends, lengths)
    bins = np.where(least == _EMPTY, 0, 1 + least % 254).astype(np.uint8).reshape(count, BINS)
    sizes = np.clip(lengths, 0, _MAX_LETTERS) - (_GRAM - 1)
    fit = (lengths >= MIN_LETTERS) & (np.count_nonzero(bins, axis=1) >= _MIN_FILLED)
    heads = (sizes.astype(np.uint16) | np.where(quotes, _QUOTES, 0).astype(np.uint16)).astype("<u2")
    rows = np.hstack((heads.view(np.uint8).reshape(count, 2), bins))
    return [
        b64encode(row.tobytes()).decode("ascii") if usable else None
        for row, usable in zip(rows, fit.tolist(), strict=True)
    ]


def read_sketches(text: str) -> list[Sketch]:
    """The sketches that were written one behind the other; none of what is no sketch."""
    try:
        raw = b64decode(text, validate=True)
    except ValueError:
        return []
    if len(raw) % _BYTES:
        return []
    return [_read(raw[start : start + _BYTES]) for start in range(0, len(raw), _BYTES)]


def _read(raw: bytes) -> Sketch:
    head, bins = int.from_bytes(raw[:2], "little"), np.frombuffer(raw, np.uint8, offset=2)
    return Sketch(bins, _different(head & (_QUOTES - 1), bins), bool(head & _QUOTES))


def _minima(codes: Codes, border: Mask, ends: NDArray[np.intp], lengths: NDArray[np.intp]) -> Codes:
    """The least hash in each bin of each text."""
    row = np.cumsum(border, dtype=np.int32) - border
    places = max(len(codes) - _GRAM + 1, 0)
    inside = ~border[:places]
    rolling = np.zeros(places, np.uint32)
    for offset in range(_GRAM):
        inside &= ~border[offset : places + offset]
        rolling ^= rolling >> np.uint32(15)
        rolling *= _STEP
        rolling += codes[offset : places + offset] * _LETTER
    if len(lengths) and lengths.max() > _MAX_LETTERS:
        place = np.arange(places) - (ends - lengths)[row[:places]]
        inside &= place <= _MAX_LETTERS - _GRAM
    hashed = rolling[inside]
    hashed = (hashed ^ (hashed >> np.uint32(16))) * _MIX_A
    hashed = (hashed ^ (hashed >> np.uint32(13))) * _MIX_B
    hashed ^= hashed >> np.uint32(16)
    place = (row[:places][inside] << _BIN_BITS) | (hashed >> np.uint32(32 - _BIN_BITS))
    least = np.full(len(ends) * BINS, _EMPTY)
    np.minimum.at(least, place, hashed & np.uint32((1 << (32 - _BIN_BITS)) - 1))
    return least


def _different(size: int, bins: Bins) -> int:
    """The number of 3-grams, less where the filled bins show that they repeat themselves.

    Linear counting (Whang and others, 1990), with room for three deviations.
    """
    filled = int(np.count_nonzero(bins))
    if filled >= BINS:
        return size
    return min(size, ceil(1.5 * BINS * log(BINS / (BINS - filled))))
