"""Words with gaps as patterns of Python's ``re``.

Few gaps of few characters: what backtracking can cost is bounded (``MAX_GAPS``, ``MAX_STAR``).
"""

import re
from collections.abc import Callable
from functools import cache

from processors.query_text import LETTERS, is_blank, is_filling
from processors.query_tree import Gap, Term

__all__ = ["gap_pattern"]

# No character beyond is punctuation or a blank.
_LAST_PLANE = 0x20000


def gap_pattern(term: Term) -> re.Pattern[str]:
    """Finds the word in folded text without invisible characters; not for ``exact`` ones."""
    first, last = term.pieces[0], term.pieces[-1]
    return re.compile(
        ("(?<![a-z0-9])" if isinstance(first, str) and first[0] in LETTERS else "")
        + "".join(map(_part, term.pieces))
        + ("(?![a-z0-9])" if isinstance(last, str) and last[-1] in LETTERS else "")
    )


def _part(piece: str | Gap) -> str:
    if isinstance(piece, str):
        return re.escape(piece)
    if piece.kind == "letters":
        return "[a-z0-9]*"
    if piece.kind == "blank":
        return f"[{_blanks()}]+?"
    return f"[^{_no_fillings()}]{{{piece.least},{piece.most}}}?"


@cache
def _blanks() -> str:
    return _class(is_blank)


@cache
def _no_fillings() -> str:
    return _class(lambda sign: not is_filling(sign))


def _class(holds: Callable[[str], bool]) -> str:
    """The characters as ranges of a character class."""
    ranges: list[list[int]] = []
    for point in range(_LAST_PLANE):
        if holds(chr(point)):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)
