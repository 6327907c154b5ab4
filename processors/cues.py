"""The word lists of understanding, found in one pass over a text.

A list file ``cues_NAME.toml`` beside this module holds groups of words::

    [complaint]
    words = ["投诉", "维权"]

One automaton holds the words of all files, and what it found in a text is remembered, so that the
enrichers of a chain share one pass. Words are found as they are written: whether a longer word of
another group, a negation or the sentence changes their sense is for who asks. Limit: behind the
first 200 words of a file nothing more of it is found.
"""

import hashlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from processors.automaton import Automaton
from processors.fold import FOLD_VERSION, INVISIBLE, fold

__all__ = [
    "MOST_CUES",
    "Cue",
    "Place",
    "cues_version",
    "find_cues",
    "find_places",
    "groups_of",
    "weights_of",
]

#: Words of one file that are looked at in a text: who asks compares them with each other, and a
#: text that recites a list would take minutes. An article of 2,000 characters has some forty.
MOST_CUES = 200

_PREFIX = "cues_"
_REMEMBERED = 1024
_REMEMBERED_LENGTH = 2_000
Place = tuple[int, int, str, str]
"""The values of a ``Cue``."""

_new: Callable[[type["Cue"], Place], "Cue"] = tuple.__new__  # a third of what Cue(...) costs


class Cue(NamedTuple):
    """A listed word at its place: [start, end) in code points of the text that was asked."""

    start: int
    end: int
    group: str
    word: str
    """As it is listed, folded."""


def find_cues(name: str, folded: str) -> Sequence[Cue]:
    """The words of the file ``name`` in a folded text, by start, overlapping ones too."""
    return [_new(Cue, place) for place in find_places(name, folded)]


def find_places(name: str, folded: str) -> Sequence[Place]:
    """The same as plain tuples, for who asks of every post: a text has some twenty."""
    found = _remembered if len(folded) <= _REMEMBERED_LENGTH else _find
    return found(folded)[_lists().numbers[name]]


def cues_version(name: str) -> str:
    """Changes with the file and with folding."""
    content = f"{FOLD_VERSION} {_path(name).read_text(encoding='utf-8')}"
    return hashlib.sha256(content.encode()).hexdigest()[:8]


@cache
def groups_of(name: str) -> Mapping[str, tuple[str, ...]]:
    """The groups of a file and their words, folded."""
    tree = tomllib.loads(_path(name).read_text(encoding="utf-8"))
    return {group: tuple(dict.fromkeys(map(fold, table["words"]))) for group, table in tree.items()}


@cache
def weights_of(name: str) -> Mapping[str, float]:
    """The groups of a file that are weighed, with the ``weight`` written there, in their order."""
    tree = tomllib.loads(_path(name).read_text(encoding="utf-8"))
    return {group: table["weight"] for group, table in tree.items() if "weight" in table}


class _Lists(NamedTuple):
    """The words of all files."""

    automaton: Automaton
    owners: Sequence[Sequence[tuple[int, str, str]]]
    """Of each word the number of the file, the group and the word, for all that list it."""
    numbers: Mapping[str, int]
    """Of each file."""


@cache
def _lists() -> _Lists:
    owners: dict[str, list[tuple[int, str, str]]] = {}
    numbers: dict[str, int] = {}
    for number, path in enumerate(sorted(Path(__file__).parent.glob(f"{_PREFIX}*.toml"))):
        name = path.stem.removeprefix(_PREFIX)
        numbers[name] = number
        for group, words in groups_of(name).items():
            for word in words:
                owners.setdefault(word, []).append((number, group, word))
    return _Lists(Automaton(owners), list(owners.values()), numbers)


def _find(folded: str) -> Sequence[Sequence[Place]]:
    """By the number of the file."""
    automaton, owners, numbers = _lists()
    found: list[Any] = [()] * len(numbers)  # most texts have words of few files
    places: list[int] | None = None
    if INVISIBLE in folded:  # inside a word it hides nothing
        places = [place for place, point in enumerate(folded) if point != INVISIBLE]
        folded = folded.replace(INVISIBLE, "")
    for word, start, end in automaton.find(folded):
        if places is not None:
            start, end = places[start], places[end - 1] + 1
        for number, group, written in owners[word]:
            if found[number]:
                if len(found[number]) < MOST_CUES:
                    found[number].append((start, end, group, written))
            else:
                found[number] = [(start, end, group, written)]
    for cues in found:
        if len(cues) > 1:
            cues.sort()
    return found


_remembered = lru_cache(_REMEMBERED)(_find)


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"{_PREFIX}{name}.toml")
