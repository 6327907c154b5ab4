"""A query made ready: each part knows its words by number, and asks one reading of a post.

Gives what ``query_reference.judge`` gives; ``query_set.py`` says which are asked at all.
"""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Protocol

from processors.query_fields import counter_of, field_of
from processors.query_reference import Found, compares
from processors.query_text import OWN_SCOPES, SCOPE_ORDER, View
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
)
from schemas.enriched import EnrichedPost

__all__ = ["Part", "Place", "Places", "Reading", "Words", "compiled"]

#: Places of one word in one text that a match keeps.
MAX_KEPT = 200
#: Places of one word in one text that near chains look at.
MAX_NEAR = 2_000

Places = Sequence[tuple[int, int]]
Place = tuple[int, int, str]
"""Start, end, and what a match names."""


class Words(Protocol):
    """Numbers for the words of all queries."""

    def slot_of(self, located: Located, scope: Scope) -> int:
        """The number of a word in a text."""
        ...

    def is_literal(self, located: Located) -> bool:
        """Whether the word stands wherever its literal does."""
        ...

    def literal_of(self, located: Located) -> int | None:
        """The number of what stands wherever the word does; None for a regular expression."""
        ...


class Reading(Protocol):
    """One post."""

    post: EnrichedPost
    texts: list[int]
    """The texts that it has, by their number in ``SCOPE_ORDER``."""
    chains: dict[tuple[int, Scope], list[Place]]
    """What near chains found, by part and text: asked once, and told once more."""
    seen: set[object]
    """Literals that stand in one of its texts, and None: of which nobody can tell."""
    seen_own: set[object]
    """Literals that stand in one of ``OWN_SCOPES``."""

    def places(self, slot: int) -> Places:
        """Where the word of a slot stands in the slot's text, in order."""
        ...

    def view(self, scope: Scope) -> View | None:
        """The text of a scope; None where it is empty."""
        ...


class Part(Protocol):
    """One part of a query."""

    def holds(self, reading: Reading) -> bool:
        """Whether it holds."""
        ...

    def collect(self, reading: Reading, found: set[Found]) -> None:
        """Add the places that make it hold; it holds."""
        ...


def compiled(node: Node, words: Words, scopes: tuple[Scope, ...] = OWN_SCOPES) -> Part:
    """The query made ready."""

    def all_of(nodes: Sequence[Node]) -> list[Part]:
        return [compiled(one, words, scopes) for one in nodes]

    match node:
        case Term() | Regex():
            return _Word(node, words, scopes)
        case AllOf(children):
            return _All(all_of(children))
        case AnyOf(children):
            return _AtLeast(all_of(children), 1)
        case AtLeast(count, children):
            return _AtLeast(all_of(children), count)
        case NotNode(child):
            return _Not(compiled(child, words, scopes))
        case InScope(scope, child):
            return compiled(child, words, (scope,))
        case Near():
            return _Near(node, words, scopes)
        case FieldIs(name, value):
            field = field_of(name)
            assert field is not None
            has = field.holds
            return _Fact(lambda post: has(post, value))
        case Comparison(name):
            counter = counter_of(name)
            assert counter is not None
            count_of, comparison = counter.count, node
            return _Fact(lambda post: compares(count_of(post), comparison))


class _Word:
    def __init__(self, node: Located, words: Words, scopes: tuple[Scope, ...]) -> None:
        self._named = node.named
        self.literal = words.literal_of(node)
        self._slots = [
            words.slot_of(node, scope) if scope in scopes else None for scope in SCOPE_ORDER
        ]
        self.is_literal = scopes == OWN_SCOPES and words.is_literal(node)

    def holds(self, reading: Reading) -> bool:
        if self.is_literal:
            return self.literal in reading.seen_own
        if self.literal not in reading.seen:
            return False
        for number in reading.texts:
            slot = self._slots[number]
            if slot is not None and reading.places(slot):
                return True
        return False

    def collect(self, reading: Reading, found: set[Found]) -> None:
        for number in reading.texts:
            slot = self._slots[number]
            for start, end in reading.places(slot)[:MAX_KEPT] if slot is not None else ():
                found.add(Found(number, start, end, self._named))


class _All:
    def __init__(self, parts: list[Part]) -> None:
        self._parts = parts

    def holds(self, reading: Reading) -> bool:
        for part in self._parts:
            if not part.holds(reading):
                return False
        return True

    def collect(self, reading: Reading, found: set[Found]) -> None:
        for part in self._parts:
            part.collect(reading, found)


class _AtLeast:
    def __init__(self, parts: list[Part], count: int) -> None:
        self._parts = parts
        self._count = count
        words = [part for part in parts if isinstance(part, _Word)]
        literals = {word.literal for word in words} - {None}
        # Of different words, each with its own literal, no more can hold than literals were seen,
        # and no fewer when a literal is all of the word.
        self._literals = frozenset(literals) if len(literals) == len(parts) else None
        self._are_literals = all(word.is_literal for word in words)

    def holds(self, reading: Reading) -> bool:
        if self._literals is not None:
            if self._are_literals:
                return len(self._literals & reading.seen_own) >= self._count
            if len(self._literals & reading.seen) < self._count:
                return False
        count = 0
        for part in self._parts:
            count += part.holds(reading)
            if count == self._count:
                return True
        return False

    def collect(self, reading: Reading, found: set[Found]) -> None:
        for part in self._parts:
            if part.holds(reading):
                part.collect(reading, found)


class _Not:
    def __init__(self, part: Part) -> None:
        self._part = part

    def holds(self, reading: Reading) -> bool:
        return not self._part.holds(reading)

    def collect(self, reading: Reading, found: set[Found]) -> None:
        """What is not there has no place."""


class _Fact:
    def __init__(self, holds: Callable[[EnrichedPost], bool]) -> None:
        self._holds = holds

    def holds(self, reading: Reading) -> bool:
        return self._holds(reading.post)

    def collect(self, reading: Reading, found: set[Found]) -> None:
        """No words."""


class _Near:
    """Places that are part of a whole chain.

    Forward: what can be reached from the first operand, link by link; backward: of that, what leads
    on to the last.
    """

    def __init__(self, node: Near, words: Words, scopes: tuple[Scope, ...]) -> None:
        self._links = node.links
        self._literals = [{words.literal_of(one) for one in some} for some in node.operands]
        self._operands = [
            (
                scope,
                [
                    [(words.slot_of(one, scope), one.named) for one in some]
                    for some in node.operands
                ],
            )
            for scope in scopes
        ]

    def holds(self, reading: Reading) -> bool:
        for literals in self._literals:
            if not any(literal in reading.seen for literal in literals):
                return False
        return any(self._chained(reading, scope, operands) for scope, operands in self._operands)

    def collect(self, reading: Reading, found: set[Found]) -> None:
        for scope, operands in self._operands:
            number = SCOPE_ORDER.index(scope)
            for place in self._chained(reading, scope, operands):
                found.add(Found(number, *place))

    def _chained(
        self, reading: Reading, scope: Scope, operands: list[list[tuple[int, str]]]
    ) -> list[Place]:
        key = (id(self), scope)
        known = reading.chains.get(key)
        if known is None:
            known = reading.chains[key] = self._chains(reading, scope, operands)
        return known

    def _chains(
        self, reading: Reading, scope: Scope, operands: list[list[tuple[int, str]]]
    ) -> list[Place]:
        choices: list[list[Place]] = []
        for operand in operands:
            places = [
                (start, end, named)
                for slot, named in operand
                for start, end in reading.places(slot)[:MAX_NEAR]
            ]
            if not places:
                return []
            choices.append(places)
        view = reading.view(scope)
        assert view is not None
        for number, link in enumerate(self._links):
            linked = _Linked(choices[number], link, view, before=True, behind=not link.ordered)
            choices[number + 1] = [place for place in choices[number + 1] if linked(place)]
            if not choices[number + 1]:
                return []
        for number, link in reversed(list(enumerate(self._links))):
            linked = _Linked(choices[number + 1], link, view, before=not link.ordered, behind=True)
            choices[number] = [place for place in choices[number] if linked(place)]
        return [place for places in choices for place in places[:MAX_KEPT]]


class _Linked:
    """Asks whether a place has a neighbour among others, by bisection.

    Those may stand before it, or behind it, or either.
    """

    def __init__(
        self, others: Sequence[Place], link: Link, view: View, *, before: bool, behind: bool
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

    def __call__(self, place: Place) -> bool:
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
