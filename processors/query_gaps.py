"""Finds words with gaps, in time linear in the text: RE2 does not backtrack."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

import re2

from processors.query_text import LETTERS, View, is_blank, is_filling
from processors.query_tree import Gap, Term

__all__ = ["gap_finder"]

# No character beyond is punctuation or a blank.
_LAST_PLANE = 0x20000
_LETTER = "[a-z0-9]"


def gap_finder(term: Term) -> Callable[[View], Sequence[tuple[int, int]]]:
    """What finds the word, from left to right, no place inside another."""
    pattern = re2.compile(_pattern(term))
    # The sign before a place is part of what is searched; the place before may end with it.
    before = 1 if _bound_before(term) and not term.exact else 0
    pieces = [piece for piece in term.pieces if isinstance(piece, str)]

    def find(view: View) -> Sequence[tuple[int, int]]:
        text = view.written if term.exact else view.folded
        if not _stand_in_order(pieces, text):  # most texts end here, before they are encoded
            return ()
        places = list(_search(pattern, text, before))
        if term.exact:  # folded, or a Latin letter would not be known as one
            return [place for place in places if not _in_longer_word(view.folded, *place)]
        return places

    return find


def _stand_in_order(pieces: Iterable[str], text: str) -> bool:
    at = 0
    for piece in pieces:
        at = text.find(piece, at)
        if at < 0:
            return False
        at += len(piece)
    return True


def _search(pattern: Any, text: str, before: int) -> Iterator[tuple[int, int]]:
    encoded = text.encode()  # once: RE2 would do it at every step
    starts = _byte_of_each(text)
    at = 0
    while found := pattern.search(encoded, starts[max(0, at - before)]):
        start, end = (bisect_left(starts, place) for place in found.span(1))
        yield start, end
        at = end


def _byte_of_each(text: str) -> Sequence[int]:
    """Where each character begins in UTF-8, and where the text ends."""
    if text.isascii():
        return range(len(text) + 1)
    places = [0]
    at = 0
    for sign in text:
        point = ord(sign)
        at += 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4
        places.append(at)
    return places


def _pattern(term: Term) -> str:
    body = "".join(map(_part, term.pieces))
    if term.exact:
        return f"({body})"
    head = f"(?:^|[^a-z0-9])({body})" if _bound_before(term) else f"({body})"
    return f"{head}(?:[^a-z0-9]|$)" if _bound_behind(term) else head


def _bound_before(term: Term) -> bool:
    first = term.pieces[0]
    return isinstance(first, str) and first[0] in LETTERS


def _bound_behind(term: Term) -> bool:
    last = term.pieces[-1]
    return isinstance(last, str) and last[-1] in LETTERS


def _in_longer_word(folded: str, start: int, end: int) -> bool:
    return any(
        0 < place < len(folded) and folded[place - 1] in LETTERS and folded[place] in LETTERS
        for place in (start, end)
    )


def _part(piece: str | Gap) -> str:
    if isinstance(piece, str):
        return str(re2.escape(piece))
    if piece.kind == "letters":
        return f"{_LETTER}*"
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
        if 0xD800 <= point < 0xE000:
            continue
        if holds(chr(point)):
            if ranges and ranges[-1][1] == point - 1:
                ranges[-1][1] = point
            else:
                ranges.append([point, point])
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)
