"""Folding: one spelling for what people write in many, without moving a single character.

``fold`` maps every code point to exactly one code point, so a span found in the folded text is the
span in the text as received:

- lower case, where it is one character (``İ`` is not);
- full width to half width and other compatibility forms, by NFKC, where it is one character
  (``Ｂ`` and ``𝐁`` become ``b``; ``㎏`` stays);
- traditional to simplified Chinese, by character, without regard to context (``乾`` is always
  ``干``): words and texts are folded alike, so they still meet;
- whatever is invisible (zero-width characters, soft hyphen, direction marks, variation selectors)
  to ``INVISIBLE``, so that a reader can leave it out with one test.

The pairs of traditional and simplified characters stand in ``traditional_to_simplified.txt``, one
line of old, new, old, new, ...; they come from Open Chinese Convert (OpenCC) 1.4.2, Apache-2.0,
by ``python -m processors.traditional_to_simplified``.
"""

import sys
import unicodedata
from collections.abc import Iterable
from functools import cache
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["FOLD_VERSION", "INVISIBLE", "fold", "fold_ahead"]

#: Raised when any text folds differently; part of the version of every enricher that folds.
FOLD_VERSION = 1

#: Zero width space: what every invisible character folds to.
INVISIBLE = "\u200b"

_INVISIBLE_RANGES = (
    *((0x00AD, 0x00AD), (0x034F, 0x034F), (0x061C, 0x061C), (0x180B, 0x180F), (0x200B, 0x200F)),
    *((0x202A, 0x202E), (0x2060, 0x206F), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    (0xE0000, 0xE0FFF),
)

# All blocks that hold a character with a lower case or a one-character NFKC form: the Han and
# Hangul blocks in between hold none, and leaving them out makes the table in 20 ms, not 300.
_FOLDED_RANGES = ((0x80, 0x3400), (0xA000, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20))


# Enrichers fold the same text one after another, over batches of at most 200 posts with up to
# three texts: remembering them saves a tenth of the chain. Long texts would fill the memory.
_REMEMBERED_TEXTS = 2_048
_REMEMBERED_LENGTH = 2_000
_remembered: dict[str, str] = {}


def fold(text: str) -> str:
    """The folded text: as many code points as ``text``, and ``fold(fold(x)) == fold(x)``."""
    folded = _remembered.get(text)
    if folded is None:
        folded = _folded(text)
        if len(text) <= _REMEMBERED_LENGTH:
            _make_room(1)
            _remembered[text] = folded
    return folded


def fold_ahead(texts: Iterable[str]) -> None:
    """Fold texts that will be asked for soon: together, which takes a third of the time."""
    short = [text for text in texts if len(text) <= _REMEMBERED_LENGTH]
    folded = _folded("".join(short))
    _make_room(len(short))
    end = 0
    for text in short:
        start, end = end, end + len(text)
        _remembered[text] = folded[start:end]


def _make_room(texts: int) -> None:
    if len(_remembered) + texts > _REMEMBERED_TEXTS:
        _remembered.clear()


def _folded(text: str) -> str:
    if text.isascii():
        return text.lower()
    # UTF-32 is one array item a code point: 1.8 us for 100 characters, where str.translate takes
    # 4.8. A lone surrogate passes through as it came.
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    return _table().take(points).tobytes().decode("utf-32-le", "surrogatepass")


@cache
def _table() -> NDArray[np.uint32]:
    simplified = _pairs()
    table = np.arange(sys.maxunicode + 1, dtype="<u4")
    table[ord("A") : ord("Z") + 1] += ord("a") - ord("A")
    for old, new in simplified.items():
        table[ord(old)] = ord(new)
    for point in chain.from_iterable(range(*ends) for ends in _FOLDED_RANGES):
        character = chr(point)
        plain = unicodedata.normalize("NFKC", character).lower()
        if plain != character and len(plain) == 1:
            table[point] = ord(simplified.get(plain, plain))
    for first, last in _INVISIBLE_RANGES:
        table[first : last + 1] = ord(INVISIBLE)
    table.flags.writeable = False
    return table


def _pairs() -> dict[str, str]:
    path = Path(__file__).with_name("traditional_to_simplified.txt")
    line = path.read_text(encoding="utf-8").strip()
    return dict(zip(line[::2], line[1::2], strict=True))
