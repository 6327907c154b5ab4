"""A text as queries see it: folded, without what is invisible, and cut into sentences.

All places inside the matchers count visible characters; ``span`` leads back to the text as
received.
"""

import unicodedata
from bisect import bisect_right
from functools import cached_property
from typing import Final

from processors.fold import INVISIBLE, fold
from processors.query_tree import Scope
from schemas.enriched import EnrichedPost

__all__ = [
    "LETTERS",
    "OWN_SCOPES",
    "SCOPE_ORDER",
    "View",
    "is_blank",
    "is_filling",
    "text_of",
]

#: After folding: a word that begins or ends with one of these needs a boundary there.
LETTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
SCOPE_ORDER: Final[tuple[Scope, ...]] = ("text", "title", "root_text", "author")
#: Where a word is looked for when the query does not say.
OWN_SCOPES: Final[tuple[Scope, ...]] = ("text", "title", "root_text")

_SENTENCE_ENDS: Final = frozenset("。!?;…\n\r\v\f\x85\u2028\u2029")


def text_of(post: EnrichedPost, scope: Scope) -> str:
    """The text of a scope as received; empty where there is none."""
    if scope == "author":
        return post.author.name or ""
    return getattr(post, scope) or ""


def is_blank(sign: str) -> bool:
    """What a blank in a phrase stands for."""
    return sign in "\t\n\v\f\r\x85" or unicodedata.category(sign)[0] == "Z"


def is_filling(sign: str) -> bool:
    """What ``*`` and ``?`` stand for: no blank, no punctuation, no control character."""
    category = unicodedata.category(sign)
    return category[0] not in "ZP" and category != "Cc"


class View:
    """One text: ``folded`` and ``written`` have the same visible characters in the same places."""

    def __init__(self, text: str) -> None:
        self.text = text
        folded = fold(text)
        self._places: list[int] | None = None
        if INVISIBLE in folded:
            self._places = [place for place, sign in enumerate(folded) if sign != INVISIBLE]
            folded = folded.replace(INVISIBLE, "")
        self.folded = folded

    @cached_property
    def written(self) -> str:
        """The visible characters as received."""
        if self._places is None:
            return self.text
        return "".join([self.text[place] for place in self._places])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """[start, end) of the text as received, from visible characters; ``end > start``."""
        if self._places is None:
            return start, end
        return self._places[start], self._places[end - 1] + 1

    def visible(self, start: int, end: int) -> tuple[int, int]:
        """[start, end) of visible characters, from the text as received."""
        if self._places is None:
            return start, end
        return bisect_right(self._places, start - 1), bisect_right(self._places, end - 1)

    def sentence(self, place: int) -> tuple[int, int]:
        """[begin, end) of the sentence that a visible character belongs to."""
        ends = self._sentence_ends
        number = bisect_right(ends, place)
        end = ends[number] if number < len(ends) else len(self.folded)
        return ends[number - 1] if number else 0, end

    def sentence_of(self, place: int) -> int:
        """The number of the sentence that a visible character belongs to.

        A sentence ends behind 。！？；… or a line break, and behind a full stop before a blank; not
        behind the question mark of an address (``x?y=1``).
        """
        return bisect_right(self._sentence_ends, place)

    @cached_property
    def _sentence_ends(self) -> list[int]:
        text = f" {self.folded} "
        return [
            place
            for place, sign in enumerate(text)
            if (sign in _SENTENCE_ENDS and not _in_address(text, place))
            or (sign == "." and is_blank(text[place + 1]))
        ]


def _in_address(text: str, place: int) -> bool:
    return text[place] in "?!;" and text[place - 1] in LETTERS and text[place + 1] in LETTERS
