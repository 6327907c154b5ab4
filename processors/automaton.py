"""Every place of tens of thousands of words in one pass over a text."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from ahocorasick_rs import AhoCorasick, Implementation

__all__ = ["MAX_PLACES", "PIECE", "Automaton"]

#: Places of words that are looked at in one text. An honest article of 100,000 characters has some
#: 20,000; a text of one sign repeated, against words that are made of it, would have millions.
MAX_PLACES = 50_000
#: Characters that are searched at a time, so that few places are held at once.
PIECE = 1_024


class Automaton:
    """Finds words, overlapping ones included.

    Limit: behind the first ``most`` places of a text nothing more is found.
    """

    def __init__(self, words: Collection[str], most: int = MAX_PLACES) -> None:
        self._most = most
        self._reach = max(map(len, words), default=1) - 1
        self._automaton = AhoCorasick(words, implementation=Implementation.ContiguousNFA)

    def find(self, text: str) -> Iterable[tuple[int, int, int]]:
        """``(number of the word, start, end)`` of each place, each once."""
        if len(text) > PIECE:
            return islice(self._in_pieces(text), self._most)
        found = self._automaton.find_matches_as_indexes(text, overlapping=True)
        return found if len(found) <= self._most else found[: self._most]

    def _in_pieces(self, text: str) -> Iterator[tuple[int, int, int]]:
        find = self._automaton.find_matches_as_indexes
        for begin in range(0, len(text), PIECE):
            piece = text[begin : begin + PIECE + self._reach]
            for word, start, end in find(piece, overlapping=True):
                if start < PIECE:  # the others belong to the piece that they begin in
                    yield word, begin + start, begin + end
