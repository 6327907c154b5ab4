"""Finds tens of thousands of words in one pass over a text: what keywords and brands share."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from processors.automaton import Automaton
from processors.fold import INVISIBLE, fold
from schemas.enriched import EnrichedPost, Span, TextField

__all__ = ["Finding", "Hit", "Scanner", "longest"]

Owner = tuple[int, str]
"""Position of the list that holds a word, and the word as it is written there."""
Hit = tuple[int, int, tuple[Owner, ...]]

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


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
    """

    def __init__(self, lists: Iterable[Sequence[str]]) -> None:
        owners: dict[str, list[Owner]] = {}
        for position, words in enumerate(lists):
            for word in words:
                folded = fold(word).replace(INVISIBLE, "").strip()
                if folded:
                    owners.setdefault(folded, []).append((position, word))
        self._owners = [tuple(of_word) for of_word in owners.values()]
        self._needs_boundary = [(word[0] in _LETTERS, word[-1] in _LETTERS) for word in owners]
        self._automaton = Automaton(owners)

    def scan(self, text: str) -> list[Hit]:
        """``(start, end, owners)`` of every word in ``text``, by start, the longest first.

        ``[start, end)`` counts code points of ``text`` as it is, invisible characters included.
        """
        folded = fold(text)
        places: list[int] | None = None
        if INVISIBLE in folded:
            places = [place for place, point in enumerate(folded) if point != INVISIBLE]
            folded = folded.replace(INVISIBLE, "")
        hits = []
        for word, start, end in self._automaton.find(folded):
            needs_before, needs_after = self._needs_boundary[word]
            if needs_before and start and folded[start - 1] in _LETTERS:
                continue
            if needs_after and end < len(folded) and folded[end] in _LETTERS:
                continue
            if places is not None:
                start, end = places[start], places[end - 1] + 1
            hits.append((start, end, self._owners[word]))
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
            for start, end, owners in self.scan(text):
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
                        span = Span(field=name, start=start, end=end)
                    spans.append(span)
        return found


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
