"""Listed words in a whole batch of texts at once, as arrays: for lists that many posts touch.

The texts are joined and searched in one go, and what is found stays in numpy, so that no Python
statement runs per word. Of words inside a longer one of the same list only the longest counts.
``cues.py`` is the simpler way for lists of which few posts have a word.

A list is a file ``NAME.toml`` of groups; each has ``words`` and whatever else its reader wants.
"""

import hashlib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from ahocorasick_rs import AhoCorasick, Implementation

from processors.fold import FOLD_VERSION, INVISIBLE, fold

__all__ = ["Batch", "Places", "Scanner", "WordList", "batches_of"]

Numbers = npt.NDArray[np.int64]

#: Characters that are searched at a time, so that few places are held at once.
_TOGETHER = 20_000
#: Between texts; no word has it.
_BETWEEN = "\n"
_LONGEST = 64


class WordList:
    """A file of words in groups."""

    def __init__(self, name: str) -> None:
        content = Path(__file__).with_name(f"{name}.toml").read_text(encoding="utf-8")
        self.tables: Mapping[str, Mapping[str, Any]] = tomllib.loads(content)
        self.groups = tuple(self.tables)
        groups: dict[str, list[int]] = {}
        for number, table in enumerate(self.tables.values()):
            for word in dict.fromkeys(map(fold, table["words"])):
                groups.setdefault(word, []).append(number)
        self.words = tuple(groups)
        most = max(map(len, groups.values()))
        #: A row per word: the numbers of its groups, filled up with the number of none.
        self.groups_of: Numbers = np.array(
            [row + [len(self.groups)] * (most - len(row)) for row in groups.values()], np.int64
        )
        digest = hashlib.sha256(f"{FOLD_VERSION} {content}".encode())
        #: Changes with the file and with folding.
        self.version = digest.hexdigest()[:8]


class Places(NamedTuple):
    """Words of one list, by start: [start, end) in the joined texts."""

    text: Numbers
    """Number of the text."""
    word: Numbers
    """Number in ``WordList.words``."""
    start: Numbers
    end: Numbers


class Batch(NamedTuple):
    """Texts that were searched together."""

    texts: Sequence[str]
    joined: str
    points: npt.NDArray[np.uint32]
    """The code points of ``joined``."""
    found: tuple[Places, ...]
    """By list."""


class Scanner:
    """Finds the words of several lists in one pass."""

    def __init__(self, *lists: WordList) -> None:
        words = tuple(dict.fromkeys(chain.from_iterable(one.words for one in lists)))
        numbers = {word: number for number, word in enumerate(words)}
        self._automaton = AhoCorasick(words, implementation=Implementation.ContiguousNFA)
        self._own: list[Numbers] = []
        for one in lists:
            own = np.full(len(words), -1, np.int64)
            own[[numbers[word] for word in one.words]] = np.arange(len(one.words))
            self._own.append(own)

    def scan(self, texts: Sequence[str]) -> Batch:
        """Search folded texts; ``batches_of`` makes handy portions of them."""
        joined = _BETWEEN.join(texts)
        points = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype="<u4")
        found = self._automaton.find_matches_as_indexes(joined, overlapping=True)
        flat = np.fromiter(chain.from_iterable(found), np.int64, 3 * len(found)).reshape(-1, 3)
        lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
        begins = np.cumsum(lengths) - lengths
        # By start, the longest of a place first.
        order = np.argsort((flat[:, 1] + 1) * _LONGEST - (flat[:, 2] - flat[:, 1]), kind="stable")
        number, start, end = flat[order].T
        places = []
        for own in self._own:
            word = own[number]
            mine = np.flatnonzero(word >= 0)
            mine = mine[_outermost(end[mine])]
            text = np.searchsorted(begins, start[mine], side="right") - 1
            places.append(Places(text, word[mine], start[mine], end[mine]))
        return Batch(texts, joined, points, tuple(places))


def _outermost(end: Numbers) -> npt.NDArray[np.bool_]:
    """Which places, by start and the longest first, end behind all those before them."""
    reach = np.maximum.accumulate(end)
    kept = np.ones(len(end), np.bool_)
    kept[1:] = end[1:] > reach[:-1]
    return kept


def batches_of(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts without what is invisible, in portions of at most some 20,000 characters."""
    portion: list[str] = []
    size = 0
    for text in texts:
        plain = text.replace(INVISIBLE, "") if INVISIBLE in text else text
        if portion and size + len(plain) > _TOGETHER:
            yield portion
            portion, size = [], 0
        portion.append(plain)
        size += len(plain)
    if portion:
        yield portion
