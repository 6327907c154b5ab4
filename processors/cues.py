"""The word lists of understanding, found in one pass over a text.

A list file ``cues_NAME.toml`` beside this module holds groups of words::

    [complaint]
    words = ["投诉", "维权"]

One automaton holds the words of all files, and what it found in a text is remembered, so that the
enrichers of a chain share one pass. Words are found as they are written: whether a longer word of
another group, a negation or the sentence changes their sense is for who asks.
"""

import hashlib
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from processors.automaton import Automaton
from processors.fold import FOLD_VERSION, INVISIBLE, fold

__all__ = ["Cue", "cues_version", "find_cues", "groups_of"]

_PREFIX = "cues_"
_REMEMBERED = 1024
_REMEMBERED_LENGTH = 2_000
_NONE: Mapping[str, Sequence["Cue"]] = {}


class Cue(NamedTuple):
    """A listed word at its place: [start, end) in code points of the text that was asked."""

    start: int
    end: int
    group: str
    word: str
    """As it is listed, folded."""


def find_cues(name: str, folded: str) -> Sequence[Cue]:
    """The words of the file ``name`` in a folded text, by start, overlapping ones too."""
    found = _remembered if len(folded) <= _REMEMBERED_LENGTH else _find
    return found(folded).get(name, ())


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
def _automaton() -> tuple[Automaton, list[list[tuple[str, str, str]]]]:
    """All words, and of each the files and groups that list it."""
    owners: dict[str, list[tuple[str, str, str]]] = {}
    for path in sorted(Path(__file__).parent.glob(f"{_PREFIX}*.toml")):
        name = path.stem.removeprefix(_PREFIX)
        for group, words in groups_of(name).items():
            for word in words:
                owners.setdefault(word, []).append((name, group, word))
    return Automaton(owners), list(owners.values())


def _find(folded: str) -> Mapping[str, Sequence[Cue]]:
    automaton, owners = _automaton()
    found: dict[str, list[Cue]] = {}
    new = tuple.__new__  # a third of what Cue(...) costs, and a text has many
    places: list[int] | None = None
    if INVISIBLE in folded:  # inside a word it hides nothing
        places = [place for place, point in enumerate(folded) if point != INVISIBLE]
        folded = folded.replace(INVISIBLE, "")
    for number, start, end in automaton.find(folded):
        if places is not None:
            start, end = places[start], places[end - 1] + 1
        for name, group, word in owners[number]:
            cue = new(Cue, (start, end, group, word))
            if name in found:
                found[name].append(cue)
            else:
                found[name] = [cue]
    for cues in found.values():
        cues.sort()
    return found or _NONE


_remembered = lru_cache(_REMEMBERED)(_find)


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"{_PREFIX}{name}.toml")
