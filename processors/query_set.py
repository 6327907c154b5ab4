"""Matches thousands of queries at once: candidates by their rarest words, then a check.

One automaton finds the words of all queries in one pass over each text. A query is looked at only
where one of its *needed* words was found: words of which at least one stands in every post that the
query matches, chosen to be as rare as can be. Queries without such a word are looked at always.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import prod
from typing import Any

from processors.automaton import Automaton
from processors.fold import fold
from processors.query_fields import counter_of, field_of
from processors.query_gaps import gap_pattern
from processors.query_parser import regex_of
from processors.query_reference import Found, Verdict, compares, places_of
from processors.query_text import LETTERS, OWN_SCOPES, SCOPE_ORDER, View, text_of
from processors.query_tree import (
    AllOf,
    AnyOf,
    AtLeast,
    Comparison,
    FieldIs,
    InScope,
    Link,
    Located,
    Near,
    Node,
    NotNode,
    Regex,
    Scope,
    Term,
    children_of,
    terms_of,
)
from schemas.enriched import EnrichedPost

__all__ = ["QuerySet", "needed_words"]

Places = list[tuple[int, int]]
_Place = tuple[int, int, str]
"""Start, end, and the word as written."""


class QuerySet:
    """The compiled queries.

    Gives for every post exactly what ``query_reference.judge`` gives for each query.
    """

    def __init__(self, queries: Sequence[Node]) -> None:
        self._queries = queries
        self._literals: dict[str, int] = {}
        self._waiting: list[list[int]] = []
        """By literal: the queries that need it."""
        self._always: list[int] = []
        self._gaps: dict[Term, re.Pattern[str]] = {}
        self._regexes: dict[Regex, Any] = {}
        scopes = set(OWN_SCOPES)
        for number, query in enumerate(queries):
            for located in terms_of(query):
                self._prepare(located)
            needed = needed_words(query)
            if needed is None:
                self._always.append(number)
            for term in needed or ():
                self._waiting[self._literals[_literal(term)]].append(number)
            scopes.update(_scopes_of(query))
        self._scopes = tuple(scope for scope in SCOPE_ORDER if scope in scopes)
        self._automaton = Automaton(self._literals)

    def _prepare(self, located: Located) -> None:
        if isinstance(located, Regex):
            self._regexes.setdefault(located, regex_of(located))
            return
        literal = _literal(located)
        if literal not in self._literals:
            self._literals[literal] = len(self._waiting)
            self._waiting.append([])
        if len(located.pieces) > 1 and not located.exact:
            self._gaps.setdefault(located, gap_pattern(located))

    def match(self, post: EnrichedPost) -> dict[int, set[Found]]:
        """The queries that match, by their position, with the places of their words."""
        reading = _Reading(self, post)
        candidates = set(self._always)
        for literal in reading.seen:
            candidates.update(self._waiting[literal])
        found: dict[int, set[Found]] = {}
        for number in sorted(candidates):
            query = self._queries[number]
            if reading.holds(query, OWN_SCOPES):
                places = found[number] = set()
                reading.collect(query, OWN_SCOPES, places)
        return found

    def verdict(self, number: int, post: EnrichedPost) -> Verdict:
        """What each part of one query says, as ``judge`` does, in bounded time.

        ``judge`` looks at every chain of places, of which a long text may have millions.
        """
        return _Reading(self, post).verdict(self._queries[number], OWN_SCOPES)


class _Reading:
    """One post, and what was found in it so far."""

    def __init__(self, queries: QuerySet, post: EnrichedPost) -> None:
        self._set = queries
        self._post = post
        self._views: dict[Scope, View] = {}
        self._hits: dict[tuple[Scope, int], list[int]] = defaultdict(list)
        """Where a literal begins, by scope and literal."""
        self._places: dict[tuple[Located, Scope], Places] = {}
        self.seen: set[int] = set()
        for scope in queries._scopes:
            text = text_of(post, scope)
            if text:
                view = self._views[scope] = View(text)
                for literal, start, _ in queries._automaton.find(view.folded):
                    self._hits[scope, literal].append(start)
                    self.seen.add(literal)

    def places(self, located: Located, scope: Scope) -> Places:
        """Where a word, phrase or regular expression stands in a text, in order."""
        key = (located, scope)
        known = self._places.get(key)
        if known is None:
            known = self._places[key] = self._find(located, scope)
        return known

    def _find(self, located: Located, scope: Scope) -> Places:
        view = self._views.get(scope)
        if view is None:
            return []
        if isinstance(located, Regex):
            spans = [
                view.visible(*found.span())
                for found in self._set._regexes[located].finditer(view.text)
            ]
            return [(start, end) for start, end in spans if end > start]
        starts = self._hits.get((scope, self._set._literals[_literal(located)]))
        if not starts:
            return []
        if len(located.pieces) > 1 and located.exact:
            return places_of(located, view)
        if len(located.pieces) > 1:
            return [found.span() for found in self._set._gaps[located].finditer(view.folded)]
        return _whole_words(located, view, starts)

    # --- what holds -------------------------------------------------------------------------------

    def holds(self, node: Node, scopes: tuple[Scope, ...]) -> bool:
        """Whether a part of a query holds."""
        match node:
            case Term() | Regex():
                return any(self.places(node, scope) for scope in scopes)
            case AllOf(children):
                return all(self.holds(child, scopes) for child in children)
            case AnyOf(children):
                return any(self.holds(child, scopes) for child in children)
            case NotNode(child):
                return not self.holds(child, scopes)
            case InScope(scope, child):
                return self.holds(child, (scope,))
            case AtLeast(count, children):
                return self._count(children, scopes, count) >= count
            case Near():
                return any(self._chained(node, scope) for scope in scopes)
            case FieldIs(name, value):
                field = field_of(name)
                assert field is not None
                return field.holds(self._post, value)
            case Comparison(name):
                counter = counter_of(name)
                assert counter is not None
                return compares(counter.count(self._post), node)

    def _count(self, children: Iterable[Node], scopes: tuple[Scope, ...], enough: int) -> int:
        count = 0
        for child in children:
            count += self.holds(child, scopes)
            if count == enough:
                break
        return count

    def collect(self, node: Node, scopes: tuple[Scope, ...], found: set[Found]) -> None:
        """Add the places that make a part hold; it holds."""
        match node:
            case Term() | Regex():
                for scope in scopes:
                    number = SCOPE_ORDER.index(scope)
                    for start, end in self.places(node, scope):
                        found.add(Found(number, start, end, node.written))
            case AllOf(children):
                for child in children:
                    self.collect(child, scopes, found)
            case AnyOf(children) | AtLeast(_, children):
                for child in children:
                    if self.holds(child, scopes):
                        self.collect(child, scopes, found)
            case InScope(scope, child):
                self.collect(child, (scope,), found)
            case Near():
                for scope in scopes:
                    number = SCOPE_ORDER.index(scope)
                    for place in self._chained(node, scope):
                        found.add(Found(number, *place))

    def verdict(self, node: Node, scopes: tuple[Scope, ...]) -> Verdict:
        """The verdict of a part of a query and of the parts below it."""
        found: set[Found] = set()
        if holds := self.holds(node, scopes):
            self.collect(node, scopes, found)
        inside = (node.scope,) if isinstance(node, InScope) else scopes
        below = tuple(self.verdict(child, inside) for child in children_of(node))
        return Verdict(node, holds, frozenset(found), below)

    # --- near -------------------------------------------------------------------------------------

    def _chained(self, node: Near, scope: Scope) -> list[_Place]:
        """The places that are part of a whole chain.

        Forward: what can be reached from the first operand, link by link; backward: of that, what
        leads on to the last.
        """
        view = self._views.get(scope)
        if view is None:
            return []
        reached: list[list[_Place]] = []
        for number, operand in enumerate(node.operands):
            places = [
                (start, end, one.written)
                for one in operand
                for start, end in self.places(one, scope)
            ]
            if number:
                link = node.links[number - 1]
                linked = _Linked(reached[-1], link, view, before=True, behind=not link.ordered)
                places = [place for place in places if linked(place)]
            if not places:
                return []
            reached.append(places)
        for number in reversed(range(len(reached) - 1)):
            link = node.links[number]
            linked = _Linked(reached[number + 1], link, view, before=not link.ordered, behind=True)
            reached[number] = [place for place in reached[number] if linked(place)]
        return [place for places in reached for place in places]


class _Linked:
    """Asks whether a place has a neighbour among others, by bisection.

    Those may stand before it, or behind it, or either.
    """

    def __init__(
        self, others: Sequence[_Place], link: Link, view: View, *, before: bool, behind: bool
    ) -> None:
        self._link = link
        self._view = view
        self._before, self._behind = before, behind
        in_order = sorted(others)
        self._starts = [place[0] for place in in_order]
        self._ends = sorted(place[1] for place in others)
        # From each start on: the first end, to ask for a place that lies between two bounds.
        first_ends = accumulate((place[1] for place in reversed(in_order)), min)
        self._first_ends = list(first_ends)[::-1]

    def __call__(self, place: _Place) -> bool:
        start, end, _ = place
        most = self._link.most
        if most is None:
            begin, _ = self._view.sentence(end - 1)
            _, close = self._view.sentence(start)
            return (self._before and self._between(begin, start)) or (
                self._behind and self._between(end, close)
            )
        return (self._before and _any_in(self._ends, start - most, start)) or (
            self._behind and _any_in(self._starts, end, end + most)
        )

    def _between(self, start: int, end: int) -> bool:
        """Whether one of the others lies in [start, end)."""
        at = bisect_left(self._starts, start)
        return at < len(self._starts) and self._first_ends[at] <= end


def _any_in(numbers: Sequence[int], low: int, high: int) -> bool:
    at = bisect_left(numbers, low)
    return at < len(numbers) and numbers[at] <= high


def _whole_words(term: Term, view: View, starts: Iterable[int]) -> list[tuple[int, int]]:
    """Those of the places that do not lie inside a longer Latin word."""
    piece = term.pieces[0]
    assert isinstance(piece, str)
    folded = view.folded
    literal = _literal(term)
    bound_before, bound_behind = literal[0] in LETTERS, literal[-1] in LETTERS
    places = []
    for start in starts:
        end = start + len(piece)
        if bound_before and start and folded[start - 1] in LETTERS:
            continue
        if bound_behind and end < len(folded) and folded[end] in LETTERS:
            continue
        if term.exact and view.written[start:end] != piece:
            continue
        places.append((start, end))
    return places


# --- what is needed -------------------------------------------------------------------------------


def _literal(term: Term) -> str:
    """The longest piece, folded: where it is not, the word is not."""
    pieces = [fold(piece) for piece in term.pieces if isinstance(piece, str)]
    return max(pieces, key=len)


def needed_words(node: Node) -> frozenset[Term] | None:
    """Words of which at least one stands in every post that the query matches.

    The rarest that can be had; None where a post may match without any word.
    """
    match node:
        case Term():
            return frozenset((node,))
        case AllOf(children):
            return _rarest(map(needed_words, children))
        case AnyOf(children):
            return _either(map(needed_words, children))
        case InScope(_, child):
            return needed_words(child)
        case AtLeast(count, children):
            # Of all but count - 1 of them at least one holds: of the rarest so many.
            known = [needed for one in children if (needed := needed_words(one)) is not None]
            known.sort(key=_commonness)
            wanted = len(children) - count + 1
            return _either(known[:wanted]) if len(known) >= wanted else None
        case Near(operands):
            return _rarest(_either(map(needed_words, operand)) for operand in operands)
        case _:
            return None


def _either(choices: Iterable[frozenset[Term] | None]) -> frozenset[Term] | None:
    together: set[Term] = set()
    for choice in choices:
        if choice is None:
            return None
        together |= choice
    return frozenset(together)


def _rarest(choices: Iterable[frozenset[Term] | None]) -> frozenset[Term] | None:
    known = [choice for choice in choices if choice is not None]
    return min(known, key=_commonness, default=None)


def _commonness(words: frozenset[Term]) -> float:
    """Roughly how many posts have one of the words: a guess from their length alone.

    One Chinese character stands in some 2 of 100 places, one Latin letter in 10 of 100.
    """
    return sum(prod(0.1 if sign in LETTERS else 0.02 for sign in _literal(word)) for word in words)


def _scopes_of(node: Node) -> Iterator[Scope]:
    if isinstance(node, InScope):
        yield node.scope
    for child in children_of(node):
        yield from _scopes_of(child)
