"""The tree of a query: what the parser makes and every matcher reads."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "MAX_STAR",
    "AllOf",
    "AnyOf",
    "AtLeast",
    "Comparison",
    "FieldIs",
    "Gap",
    "InScope",
    "Link",
    "Located",
    "Near",
    "Node",
    "NotNode",
    "Place",
    "Regex",
    "Scope",
    "Term",
    "children_of",
    "terms_of",
]

Scope = Literal["text", "title", "root_text", "author"]

#: Most characters that a ``*`` inside a word stands for.
MAX_STAR = 8


@dataclass(frozen=True, slots=True)
class Place:
    """[start, end) in code points of the query."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Gap:
    """What stands between two pieces of a word: so many characters of a kind."""

    least: int
    most: int | None
    kind: Literal["any", "letters", "blank"]
    """``any``: no blank and no punctuation; ``letters``: ASCII letters and digits."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word or phrase: pieces of text with gaps between them.

    Equal terms are found in equal places, wherever they stand in a query.
    """

    written: str
    """As in the query, without quotation marks."""
    pieces: tuple[str | Gap, ...]
    """Folded, unless ``exact``; no invisible characters."""
    exact: bool = False
    place: Place = field(default=Place(0, 0), compare=False)

    @property
    def named(self) -> str:
        """What a match names; empty for a pattern, of which the text found says more."""
        wild = any(isinstance(piece, Gap) and piece.kind != "blank" for piece in self.pieces)
        return "" if wild else self.written


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression over the text as received."""

    pattern: str
    ignore_case: bool = False
    place: Place = field(default=Place(0, 0), compare=False)

    @property
    def written(self) -> str:
        """As in the query."""
        return f"/{self.pattern}/{'i' if self.ignore_case else ''}"

    @property
    def named(self) -> str:
        """A match names the text found."""
        return ""


Located = Term | Regex


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every child holds."""

    children: tuple["Node", ...]
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one child holds."""

    children: tuple["Node", ...]
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class NotNode:
    """The child does not hold."""

    child: "Node"
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class AtLeast:
    """So many of the children hold."""

    count: int
    children: tuple["Node", ...]
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Link:
    """How two neighbours of a near chain stand to each other.

    ``most`` visible characters lie between them at most; ``None`` is: in one sentence.
    """

    most: int | None
    ordered: bool = False


@dataclass(frozen=True, slots=True)
class Near:
    """A chain of places, each linked to the next; an operand is a choice of words.

    ``len(links) == len(operands) - 1``.
    """

    operands: tuple[tuple[Located, ...], ...]
    links: tuple[Link, ...]
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class InScope:
    """The child, looked for in one text only."""

    scope: Scope
    child: "Node"
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class FieldIs:
    """A field has the value, or one of its values does."""

    name: str
    value: str
    """In the form of ``processors/query_fields.py``."""
    place: Place = field(default=Place(0, 0), compare=False)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A counter compares so; one that is not known never does."""

    name: str
    sign: Literal["<", "<=", "=", ">=", ">"]
    number: float
    place: Place = field(default=Place(0, 0), compare=False)


Node = Term | Regex | AllOf | AnyOf | NotNode | AtLeast | Near | InScope | FieldIs | Comparison


def children_of(node: Node) -> tuple[Node, ...]:
    """The nodes right below."""
    match node:
        case AllOf(children) | AnyOf(children) | AtLeast(_, children):
            return children
        case NotNode(child) | InScope(_, child):
            return (child,)
        case Near(operands):
            return tuple(located for operand in operands for located in operand)
        case _:
            return ()


def terms_of(node: Node) -> Iterator[Located]:
    """Every word, phrase and regular expression, in the query's order."""
    if isinstance(node, Term | Regex):
        yield node
    for child in children_of(node):
        yield from terms_of(child)
