"""Finds tens of thousands of words in one pass over a text: what keywords and brands share."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import product

from processors.automaton import Automaton
from processors.fold import INVISIBLE, fold
from processors.spans import span_at
from schemas.enriched import EnrichedPost, Span, TextField

__all__ = ["Finding", "Hit", "Owner", "Scanner", "longest"]

Owner = tuple[int, str]
"""Position of the list that holds a word, and the word as it is written there."""
Hit = tuple[int, int, tuple[Owner, ...]]

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_LETTERS_AND_DIGITS = _LETTERS | frozenset("0123456789")
_NONE: frozenset[str] = frozenset()

_JOINT = re.compile(r"[ -]+")
_JOINTS = ("", " ", "-", "  ")
#: Joints of a name that are spelled one by one; each makes four times as many spellings.
_MOST_JOINTS = 3
#: Latin names up to here are often parts of codes (LV5), or other words once joined (UNIT).
_SHORT_CODE, _SHORT_WORD = 2, 4


@dataclass(slots=True)
class Finding:
    """What was found of one list of words."""

    words: set[str] = field(default_factory=set)
    spans: list[Span] = field(default_factory=list)


class Scanner:
    """One automaton over many lists of words: a rule's keywords, a brand's aliases.

    Words and texts are folded alike (``fold.py``), and invisible characters inside a text do not
    hide a word. A word that begins or ends with an ASCII letter or digit needs a boundary there:
    ``BYD`` is found in ``我的BYD海豹``, not in ``ABYDOS``. All words count, also overlapping ones.
    A word that is blank or invisible as a whole is found nowhere. Limit: behind the first 50,000
    places of a text nothing more is found.

    ``names``: the words are names, as people write them. A digit may touch the last letter
    (``iPhone15``, ``BMW3系``), and a blank or hyphen inside may be either, two blanks or none
    (``Model-Y``, ``ModelY``); a spelling that is itself a word of the lists belongs to that alone.
    """

    def __init__(self, lists: Iterable[Sequence[str]], *, names: bool = False) -> None:
        owners: dict[str, list[Owner]] = {}
        for position, words in enumerate(lists):
            for word in words:
                folded = fold(word).replace(INVISIBLE, "").strip()
                if folded:
                    owners.setdefault(folded, []).append((position, word))
        if names:
            _add_spellings(owners)
        self._words = [
            (_barred_before(word), _barred_after(word, names), tuple(of_word))
            for word, of_word in owners.items()
        ]
        self._automaton = Automaton(owners)

    def scan(self, text: str) -> list[Hit]:
        """``(start, end, owners)`` of every word in ``text``, by start, the longest first.

        ``[start, end)`` counts code points of ``text`` as it is, invisible characters included.
        """
        return self.scan_folded(fold(text))

    def scan_folded(self, folded: str) -> list[Hit]:
        """As ``scan``, for a text that is folded already."""
        places: list[int] | None = None
        if INVISIBLE in folded:
            places = [place for place, point in enumerate(folded) if point != INVISIBLE]
            folded = folded.replace(INVISIBLE, "")
        hits = []
        for word, start, end in self._automaton.find(folded):
            before, after, owners = self._words[word]
            if before and start and folded[start - 1] in before:
                continue
            if after and end < len(folded) and folded[end] in after:
                continue
            if places is not None:
                start, end = places[start], places[end - 1] + 1
            hits.append((start, end, owners))
        if len(hits) > 1:
            hits.sort(key=_by_place)
        return hits

    def find(
        self,
        post: EnrichedPost,
        fields: Iterable[TextField],
        *,
        max_spans: int,
    ) -> dict[int, Finding]:
        """What was found of each list, by the list's position; spans by field, then by place.

        Every word found is named, but only the first ``max_spans`` places of a list are kept: one
        word repeated 50,000 times must not make a line that Kafka refuses.
        """
        found: dict[int, Finding] = {}
        for name in fields:
            text: str | None = getattr(post, name)
            if not text:
                continue
            for start, end, owners in self.scan_folded(fold(text)):
                span: Span | None = None
                for position, word in owners:
                    finding = found.get(position)
                    if finding is None:
                        finding = found[position] = Finding()
                    finding.words.add(word)
                    spans = finding.spans
                    if len(spans) == max_spans or (spans and spans[-1] is span):
                        continue  # full, or two words of one list that fold alike (BYD, byd)
                    if span is None:
                        span = span_at(name, start, end)
                    spans.append(span)
        return found


def _barred_before(word: str) -> frozenset[str]:
    """What may not stand before a word."""
    return _LETTERS_AND_DIGITS if word[0] in _LETTERS_AND_DIGITS else _NONE


def _barred_after(word: str, names: bool) -> frozenset[str]:
    """What may not stand behind a word."""
    if word[-1] not in _LETTERS_AND_DIGITS:
        return _NONE
    if names and word[-1] in _LETTERS and len(word) > _SHORT_CODE:
        return _LETTERS
    return _LETTERS_AND_DIGITS


def _add_spellings(owners: dict[str, list[Owner]]) -> None:
    """Let the owners of each name also own its other spellings, where nobody else does."""
    others: dict[str, list[Owner]] = {}
    for word, of_word in owners.items():
        for spelling in _spellings(word):
            if spelling not in owners:
                others.setdefault(spelling, []).extend(of_word)
    owners.update(others)


def _spellings(word: str) -> set[str]:
    """A name with other blanks and hyphens, but not short letters joined: UNI-T is no unit."""
    parts = _JOINT.split(word)
    joints = len(parts) - 1
    if not joints or not all(parts):
        return set()
    chosen: Iterable[tuple[str, ...]] = product(_JOINTS, repeat=joints)
    if joints > _MOST_JOINTS:
        chosen = ((joint,) * joints for joint in _JOINTS)
    spelled = {
        "".join(part + joint for part, joint in zip(parts, (*of_name, ""), strict=True))
        for of_name in chosen
    }
    return {name for name in spelled if len(name) > _SHORT_WORD or not _LETTERS.issuperset(name)}


def _by_place(hit: Hit) -> tuple[int, int]:
    return hit[0], -hit[1]


def longest(hits: list[Hit]) -> list[Hit]:
    """The hits that lie in no longer one; both by start, the longest first."""
    kept: list[Hit] = []
    reach = 0
    for hit in hits:
        if hit[1] > reach:
            kept.append(hit)
            reach = hit[1]
    return kept
