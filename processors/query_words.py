"""The words of a query: folded pieces with gaps between them, and regular expressions."""

import re
from typing import Any

import re2

from processors.fold import INVISIBLE, fold
from processors.query_error import QueryError
from processors.query_text import View
from processors.query_tree import MAX_STAR, Gap, Regex

__all__ = ["phrase_pieces", "regex_of", "regex_places", "word_pieces"]

#: Wildcards in one word: each may multiply the ways to read a text.
MAX_GAPS = 3
#: A regular expression looks no further into a text: RE2 is linear, but not cheap.
REGEX_TEXT = 20_000
#: Of memory for one compiled regular expression; RE2 refuses what needs more.
REGEX_BYTES = 1024 * 1024


def _plain(text: str, exact: bool) -> str:
    if exact:  # as written, but for what nobody sees
        return "".join(sign for sign in text if fold(sign) != INVISIBLE)
    return fold(text).replace(INVISIBLE, "")


def phrase_pieces(inner: str, exact: bool) -> tuple[str | Gap, ...]:
    """The words of a phrase; a blank in it is any number of blanks in a text."""
    pieces: list[str | Gap] = []
    for word in re.split(r"\s+", _plain(inner, exact).strip()):
        if pieces:
            pieces.append(Gap(1, None, "blank"))
        if word:
            pieces.append(word)
    return tuple(pieces)


def word_pieces(written: str, exact: bool, begin: int) -> tuple[str | Gap, ...]:
    """The pieces of a word with wildcards."""
    pieces: list[str | Gap] = []
    parts = [part for part in re.split(r"([*＊]|[?？]+)", written) if part]
    for number, part in enumerate(parts):
        if part[0] not in "*＊?？":
            if piece := _plain(part, exact):
                pieces.append(piece)
            continue
        if pieces and isinstance(pieces[-1], Gap):
            raise QueryError(
                begin,
                "通配符 * 和 ? 不能挨着写。",
                "the wildcards * and ? can't stand side by side.",
            )
        if len(part) > MAX_STAR:
            raise QueryError(
                begin,
                f"连续的 ? 最多 {MAX_STAR} 个；请改用 NEAR 或正则。",
                f"at most {MAX_STAR} question marks in a row; use NEAR or a regular expression.",
            )
        if part[0] in "?？":
            pieces.append(Gap(len(part), len(part), "any"))
        elif number in (0, len(parts) - 1):
            pieces.append(Gap(0, None, "letters"))
        else:
            pieces.append(Gap(0, MAX_STAR, "any"))
    if sum(isinstance(piece, Gap) for piece in pieces) > MAX_GAPS:
        raise QueryError(
            begin,
            f"一个词里最多 {MAX_GAPS} 处通配符；请改用 NEAR 或正则。",
            f"at most {MAX_GAPS} wildcards in a word; use NEAR or a regular expression.",
        )
    return tuple(pieces)


def regex_of(node: Regex) -> Any:
    """The compiled expression: linear time, whatever the pattern.

    Raises:
        re2.error: no regular expression of RE2, or one that needs too much memory.
    """
    options = re2.Options()
    options.max_mem = REGEX_BYTES
    options.log_errors = False
    options.case_sensitive = not node.ignore_case
    return re2.compile(node.pattern, options)


def regex_places(regex: Any, view: View) -> list[tuple[int, int]]:
    """Where a compiled expression matches, in visible characters; what nobody sees is left out.

    In a longer text than it looks at, nothing is found at the end of that: the next character
    might have made another match of it, or none.
    """
    text = view.text[:REGEX_TEXT]
    cut = len(view.text) > REGEX_TEXT
    places = []
    for found in regex.finditer(text):
        start, end = view.visible(*found.span())
        if end > start and not (cut and found.end() == REGEX_TEXT):
            places.append((start, end))
    return places
