"""What a query means: the slow, obvious matcher.

The fast one (``query_set.py``) is tested against this one; ``explain`` shows its verdicts. It looks
at every place for every word, one by one, and keeps what each part of the query says.

- A *word* is found wherever its characters stand, overlapping places included, compared as
  ``fold`` writes them and without what is invisible. Where the word begins or ends with a Latin
  letter or digit (ASCII, after folding), no further one may stand before or behind. A word behind
  ``~`` is compared as it is written.
- A word with gaps (wildcards, blanks of a phrase) is found from left to right, no place inside
  another: a gap inside takes as little as it can, one at the edge of the word the whole rest of
  the Latin word.
- A *regular expression* sees the text as received, from left to right, its first 20,000 characters.
- *Near*: a chain of places in one text, each linked to the next: no character of one belongs to
  the other, and at most n visible characters lie between them; or both are in one sentence.
- The words of NOT are never part of a match.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from processors.query_fields import counter_of, field_of
from processors.query_text import (
    LETTERS,
    OWN_SCOPES,
    SCOPE_ORDER,
    View,
    is_blank,
    is_filling,
    text_of,
)
from processors.query_tree import (
    AllOf,
    AnyOf,
    AtLeast,
    Comparison,
    FieldIs,
    Gap,
    InScope,
    Link,
    Located,
    Near,
    Node,
    NotNode,
    Regex,
    Scope,
    Term,
)
from processors.query_words import regex_of, regex_places
from schemas.enriched import EnrichedPost

__all__ = ["Found", "Verdict", "compares", "judge", "places_of"]


class Found(NamedTuple):
    """One place of one word: [start, end) in visible characters of the scope's text."""

    scope_number: int
    start: int
    end: int
    named: str
    """The word as the query writes it; empty for a pattern."""

    @property
    def scope(self) -> Scope:
        """Which text."""
        return SCOPE_ORDER[self.scope_number]


@dataclass(frozen=True)
class Verdict:
    """What one part of a query says of a post."""

    node: Node
    holds: bool
    found: frozenset[Found]
    """The places that make it hold; none where it does not, or where no word does."""
    below: tuple["Verdict", ...] = ()


def judge(node: Node, post: EnrichedPost) -> Verdict:
    """The verdict of every part of a query."""
    views = {scope: View(text_of(post, scope)) for scope in SCOPE_ORDER}
    return _judge(node, post, views, OWN_SCOPES)


def _judge(
    node: Node, post: EnrichedPost, views: dict[Scope, View], scopes: tuple[Scope, ...]
) -> Verdict:
    match node:
        case Term() | Regex():
            found = frozenset(
                Found(SCOPE_ORDER.index(scope), start, end, node.named)
                for scope in scopes
                for start, end in places_of(node, views[scope])
            )
            return Verdict(node, bool(found), found)
        case AllOf(children):
            below = tuple(_judge(child, post, views, scopes) for child in children)
            return _verdict(node, all(one.holds for one in below), below)
        case AnyOf(children):
            below = tuple(_judge(child, post, views, scopes) for child in children)
            return _verdict(node, any(one.holds for one in below), below)
        case AtLeast(count, children):
            below = tuple(_judge(child, post, views, scopes) for child in children)
            return _verdict(node, sum(one.holds for one in below) >= count, below)
        case NotNode(child):
            verdict = _judge(child, post, views, scopes)
            return Verdict(node, not verdict.holds, frozenset(), (verdict,))
        case InScope(scope, child):
            verdict = _judge(child, post, views, (scope,))
            return _verdict(node, verdict.holds, (verdict,))
        case Near(operands):
            below = tuple(
                _judge(located, post, views, scopes) for operand in operands for located in operand
            )
            chained = frozenset(
                Found(SCOPE_ORDER.index(scope), *place)
                for scope in scopes
                for chain in _chains(node, views[scope])
                for place in chain
            )
            return Verdict(node, bool(chained), chained, below)
        case FieldIs(name, value):
            field = field_of(name)
            assert field is not None
            return Verdict(node, field.holds(post, value), frozenset())
        case Comparison(name):
            counter = counter_of(name)
            assert counter is not None
            return Verdict(node, compares(counter.count(post), node), frozenset())


def _verdict(node: Node, holds: bool, below: tuple[Verdict, ...]) -> Verdict:
    found = frozenset(place for one in below if one.holds for place in one.found)
    return Verdict(node, holds, found if holds else frozenset(), below)


def compares(count: float | None, node: Comparison) -> bool:
    """Whether a number compares so; an unknown one never does."""
    if count is None:
        return False
    match node.sign:
        case "<":
            return count < node.number
        case "<=":
            return count <= node.number
        case "=":
            return count == node.number
        case ">=":
            return count >= node.number
        case ">":
            return count > node.number


# --- places ---------------------------------------------------------------------------------------


def places_of(located: Located, view: View) -> list[tuple[int, int]]:
    """Where a word, phrase or regular expression stands, in order."""
    if isinstance(located, Regex):
        return regex_places(regex_of(located), view)
    if len(located.pieces) == 1:
        return [
            (start, end) for start in range(len(view.folded)) for end in _ends(located, view, start)
        ]
    places = []
    start = 0
    while start < len(view.folded):
        end = next(_ends(located, view, start), None)
        if end is None:
            start += 1
        else:
            places.append((start, end))
            start = end
    return places


def _ends(term: Term, view: View, start: int) -> Iterator[int]:
    """Every end of a place that begins here, the preferred one first."""
    # `*` at the edge stands for the rest of a Latin word, so it needs no boundary.
    if isinstance(term.pieces[0], str) and _in_a_word(view.folded, start):
        return
    text = view.written if term.exact else view.folded
    for end in _rest(term.pieces, text, view.folded, start):
        if not isinstance(term.pieces[-1], str) or not _in_a_word(view.folded, end):
            yield end


def _in_a_word(folded: str, place: int) -> bool:
    """Whether Latin letters or digits stand right before and right behind."""
    return 0 < place < len(folded) and folded[place - 1] in LETTERS and folded[place] in LETTERS


def _rest(pieces: Sequence[str | Gap], text: str, folded: str, start: int) -> Iterator[int]:
    if not pieces:
        yield start
        return
    piece, *others = pieces
    if isinstance(piece, str):
        if text.startswith(piece, start):
            yield from _rest(others, text, folded, start + len(piece))
        return
    lengths = list(_lengths(piece, folded, start))
    for length in reversed(lengths) if piece.kind == "letters" else lengths:
        yield from _rest(others, text, folded, start + length)


def _lengths(gap: Gap, folded: str, start: int) -> Iterator[int]:
    """How many characters the gap can take here, the fewest first."""
    fits = {"any": is_filling, "blank": is_blank, "letters": LETTERS.__contains__}[gap.kind]
    length = 0
    while True:
        if length >= gap.least:
            yield length
        if length == gap.most or start + length == len(folded) or not fits(folded[start + length]):
            return
        length += 1


# --- near -----------------------------------------------------------------------------------------


def _chains(node: Near, view: View) -> Iterator[tuple[tuple[int, int, str], ...]]:
    """Every chain of places, one for each operand."""
    choices = [
        [(start, end, one.named) for one in operand for start, end in places_of(one, view)]
        for operand in node.operands
    ]

    def chains(
        done: tuple[tuple[int, int, str], ...],
    ) -> Iterator[tuple[tuple[int, int, str], ...]]:
        if len(done) == len(choices):
            yield done
            return
        for place in choices[len(done)]:
            if not done or _linked(node.links[len(done) - 1], done[-1], place, view):
                yield from chains((*done, place))

    return chains(())


def _linked(link: Link, one: tuple[int, int, str], other: tuple[int, int, str], view: View) -> bool:
    """Whether the places stand to each other as the link says."""
    first, second = (one, other) if one[0] <= other[0] else (other, one)
    between = second[0] - first[1]
    if between < 0:
        return False
    if link.most is None:
        return view.sentence_of(first[0]) == view.sentence_of(second[1] - 1)
    return between <= link.most and (first is one or not link.ordered)
