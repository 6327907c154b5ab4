"""Matches thousands of queries at once: candidates by their rarest words, then a check.

One automaton finds the words of all queries in one pass over each text. A query is looked at only
where one of its *needed* words was found: words of which at least one stands in every post that the
query matches, chosen to be as rare as can be. Queries without such a word are looked at always.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod

from processors.automaton import Automaton
from processors.character_shares import share_of
from processors.fold import fold
from processors.query_compiled import Part, Place, Places, compiled
from processors.query_gaps import gap_finder
from processors.query_reference import Found
from processors.query_text import LETTERS, OWN_SCOPES, SCOPE_ORDER, View, text_of
from processors.query_tree import (
    AllOf,
    AnyOf,
    AtLeast,
    InScope,
    Located,
    Near,
    Node,
    Regex,
    Scope,
    Term,
    children_of,
)
from processors.query_words import regex_of, regex_places
from schemas.enriched import EnrichedPost

__all__ = ["QuerySet", "needed_words"]

#: Places of words that are looked at in one text, of all queries together: no honest text has so
#: many, and the rules of one team must not use up what another team's need.
MAX_HITS = 1_000_000

_Finder = Callable[[View, Sequence[int]], Places]
"""Finds a word in a text, given where its literal begins there."""


class QuerySet:
    """The compiled queries.

    Gives for every post exactly what ``query_reference.judge`` gives for each query.
    """

    def __init__(self, queries: Sequence[Node]) -> None:
        self._literals: dict[str, int] = {}
        self._slots: dict[tuple[Located, Scope], int] = {}
        self.finders: list[tuple[Scope, int | None, _Finder]] = []
        """By slot: its text, its literal (None: looked for always), and how it is found."""
        self._parts: list[Part] = [compiled(query, self) for query in queries]
        self._waiting: dict[int, list[int]] = defaultdict(list)
        """By literal: the queries that need it."""
        self._always: list[int] = []
        self._clauses: list[list[frozenset[int]]] = []
        """By query: literals of which each set has one in every post that it matches."""
        scopes = set(OWN_SCOPES)
        for number, query in enumerate(queries):
            needed = needed_words(query)
            if needed is None:
                self._always.append(number)
            for term in needed or ():
                self._waiting[self._literals[_literal(term)]].append(number)
            self._clauses.append(
                [
                    frozenset(self._literals[_literal(term)] for term in clause)
                    for clause in dict.fromkeys(_clauses(query))
                    if clause != needed  # it is what made the query a candidate
                ]
            )
            scopes.update(_scopes_of(query))
        self._scopes = tuple(scope for scope in SCOPE_ORDER if scope in scopes)
        self._automaton = Automaton(self._literals, MAX_HITS)

    def slot_of(self, located: Located, scope: Scope) -> int:
        """The number of a word in a text."""
        slot = self._slots.get((located, scope))
        if slot is None:
            slot = self._slots[located, scope] = len(self.finders)
            self.finders.append((scope, self.literal_of(located), _finder(located)))
        return slot

    def is_literal(self, located: Located) -> bool:
        """Whether the word stands wherever its literal does."""
        return isinstance(located, Term) and len(located.pieces) == 1 and not _is_bound(located)

    def literal_of(self, located: Located) -> int | None:
        """The number of the literal of a word; None for a regular expression."""
        if isinstance(located, Regex):
            return None
        return self._literals.setdefault(_literal(located), len(self._literals))

    def match(self, post: EnrichedPost) -> dict[int, set[Found]]:
        """The queries that match, by their position, with the places of their words."""
        reading = _Reading(self, post)
        candidates = set(self._always)
        for scope in self._scopes:
            for literal in reading.read(scope, self._automaton):
                candidates.update(self._waiting.get(literal, ()))
        found: dict[int, set[Found]] = {}
        for number in sorted(candidates):
            for clause in self._clauses[number]:
                if clause.isdisjoint(reading.seen):
                    break
            else:
                self._check(number, reading, found)
        return found

    def _check(self, number: int, reading: "_Reading", found: dict[int, set[Found]]) -> None:
        part = self._parts[number]
        if part.holds(reading):
            places = found[number] = set()
            part.collect(reading, places)


class _Reading:
    """One post, and what was found in it so far."""

    def __init__(self, queries: QuerySet, post: EnrichedPost) -> None:
        self.post = post
        self._finders = queries.finders
        self._views: dict[Scope, View] = {}
        self._hits: dict[Scope, dict[int, list[int]]] = {}
        """Where each literal begins, by text."""
        self._places: dict[int, Places] = {}
        self.texts: list[int] = []
        self.seen: set[object] = {None}
        self.seen_own: set[object] = set()
        self.chains: dict[tuple[int, Scope], list[Place]] = {}

    def read(self, scope: Scope, automaton: Automaton) -> Iterable[int]:
        """Find the literals in a text; gives those that are there."""
        text = text_of(self.post, scope)
        if not text:
            return ()
        self.texts.append(SCOPE_ORDER.index(scope))
        view = self._views[scope] = View(text)
        hits = self._hits[scope] = {}
        for literal, start, _ in automaton.find(view.folded):
            starts = hits.get(literal)
            if starts is None:
                hits[literal] = [start]
            else:
                starts.append(start)
        self.seen.update(hits)
        if scope in OWN_SCOPES:
            self.seen_own.update(hits)
        return hits

    def view(self, scope: Scope) -> View | None:
        """The text of a scope; None where it is empty."""
        return self._views.get(scope)

    def places(self, slot: int) -> Places:
        """Where the word of a slot stands in the slot's text, in order."""
        known = self._places.get(slot)
        if known is None:
            known = self._places[slot] = self._find(slot)
        return known

    def _find(self, slot: int) -> Places:
        scope, literal, find = self._finders[slot]
        view = self._views.get(scope)
        if view is None:
            return ()
        if literal is None:
            return find(view, ())
        starts = self._hits[scope].get(literal)
        return find(view, starts) if starts else ()


def _finder(located: Located) -> _Finder:
    """How a word, phrase or regular expression is found."""
    if isinstance(located, Regex):
        regex = regex_of(located)
        return lambda view, _: regex_places(regex, view)
    if len(located.pieces) == 1:
        return _whole_words(located)
    find = gap_finder(located)
    return lambda view, _: find(view)


def _whole_words(term: Term) -> _Finder:
    """Finds those of the places that do not lie inside a longer Latin word."""
    piece = str(term.pieces[0])
    literal, length = _literal(term), len(piece)
    if not _is_bound(term):
        return lambda _, starts: [(start, start + length) for start in starts]
    bound_before, bound_behind = literal[0] in LETTERS, literal[-1] in LETTERS

    def find(view: View, starts: Sequence[int]) -> Places:
        folded = view.folded
        places = []
        for start in starts:
            end = start + length
            if bound_before and start and folded[start - 1] in LETTERS:
                continue
            if bound_behind and end < len(folded) and folded[end] in LETTERS:
                continue
            if term.exact and view.written[start:end] != piece:
                continue
            places.append((start, end))
        return places

    return find


def _is_bound(term: Term) -> bool:
    """Whether there is more to look at than whether its literal stands there."""
    literal = _literal(term)
    return term.exact or literal[0] in LETTERS or literal[-1] in LETTERS


# --- what is needed -------------------------------------------------------------------------------


def _literal(term: Term) -> str:
    """The longest piece, folded: where it is not, the word is not."""
    pieces = [piece for piece in term.pieces if isinstance(piece, str)]
    longest = pieces[0] if len(pieces) == 1 else max(pieces, key=len)
    return fold(longest) if term.exact else longest  # the others are folded already


def _clauses(node: Node) -> Iterator[frozenset[Term]]:
    """Sets of words of which each has one in every post that the query matches."""
    match node:
        case AllOf(children):
            for child in children:
                yield from _clauses(child)
        case InScope(_, child):
            yield from _clauses(child)
        case Near(operands):
            for operand in operands:
                if (words := _either(map(needed_words, operand))) is not None:
                    yield words
        case _:
            if (words := needed_words(node)) is not None:
                yield words


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
    """Roughly how many places of a text have one of the words."""
    return sum(prod(map(share_of, _literal(word))) for word in words)


def _scopes_of(node: Node) -> Iterator[Scope]:
    if isinstance(node, InScope):
        yield node.scope
    for child in children_of(node):
        yield from _scopes_of(child)
