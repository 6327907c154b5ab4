"""The letters of many texts at once: what is left when everything but words is taken out.

Two people who pass on one text change its punctuation, its emoji, its figures, its address and
whom they call, so copies are told by letters alone (``signature``, ``sketch``). The texts of a
batch are joined, laid out as one array of code points and filtered by numpy: no Python statement
runs per character.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from processors.noise import without_noise

__all__ = ["BORDER", "LETTERS_VERSION", "Codes", "Mask", "letters", "split"]

#: Raised when any text keeps other letters.
LETTERS_VERSION = 1

#: Stands behind each text; white space, so that neither a name nor an emoticon code spans it.
BORDER = 0x1E
_BORDER_SIGN = chr(BORDER)
_HASH = ord("#")

#: A platform's tags are shorter; a lone # before a long sentence makes no tag of it.
_LONGEST_TAG = 40

#: The last block that holds letters ends at U+323AF; the table's last entry stands for all above.
_LAST = 0x32400

Codes = NDArray[np.uint32]
Mask = NDArray[np.bool_]


def letters(folded: Sequence[str]) -> tuple[Codes, Mask]:
    """The letters of folded texts, a ``BORDER`` behind each text, and which stand in a #tag#.

    Addresses, @names, emoticon codes, digits and signs are left out.
    """
    joined = "".join([text.replace(_BORDER_SIGN, " ") + _BORDER_SIGN for text in folded])
    points = np.frombuffer(without_noise(joined).encode("utf-32-le", "surrogatepass"), "<u4")
    kept = _kept().take(points, mode="clip")
    tagged = _tagged(points)
    return points[kept], tagged[kept]


def split(codes: Codes) -> list[str]:
    """The letters of each text as a string."""
    return codes.tobytes().decode("utf-32-le", "surrogatepass").split(_BORDER_SIGN)[:-1]


def _tagged(points: Codes) -> Mask:
    """Where ``#…#`` encloses; the signs of a text pair off from its beginning."""
    inside = np.zeros(len(points), np.bool_)
    signs = np.flatnonzero((points == _HASH) | (points == BORDER))
    border = points[signs] == BORDER
    if border.all():
        return inside
    # how many signs since the last border: the odd ones open a tag
    number = np.arange(len(signs))
    since = number - np.maximum.accumulate(np.where(border, number, -1))
    opens = (since[:-1] % 2 == 1) & ~border[1:]
    first, last = signs[:-1][opens], signs[1:][opens]
    short = last - first <= _LONGEST_TAG + 1
    change = np.zeros(len(points), np.int8)
    change[first[short]], change[last[short]] = 1, -1
    tagged: Mask = np.cumsum(change, dtype=np.int8).view(np.bool_)
    return tagged


@cache
def _kept() -> Mask:
    """Letters and the border: what ``[^\\W\\d_]`` matches."""
    signs = map(chr, range(_LAST))
    table = np.array([sign.isalnum() and not sign.isdecimal() for sign in signs])
    table[BORDER] = True
    table.flags.writeable = False
    return table
