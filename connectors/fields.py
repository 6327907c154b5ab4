"""One field of a mapping: where its cell stands in a row, and how the cell becomes its value."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from connectors.cells import as_count, as_flag, as_media, as_number, as_text, as_word
from connectors.rows import Cells
from schemas.errors import RejectedError
from schemas.language import say

__all__ = [
    "FIELDS",
    "REQUIRED",
    "WORDS_OF_PEOPLE",
    "Convert",
    "Field",
    "Take",
    "column",
    "first",
    "show",
    "template",
]

Convert = Callable[[object], object]
Take = Callable[[Cells], object]

FIELDS: dict[str, Convert] = {
    "platform": as_word,  # first: ids need it
    "id": as_word,
    "kind": as_word,
    "text": as_text,
    "title": as_text,
    "author.id": as_word,
    "author.name": as_text,
    "author.followers": as_count,
    "author.verified": as_flag,
    "published_at": as_word,  # replaced by the reader of the format that the mapping names
    "parent_id": as_word,
    "root_id": as_word,
    "root_text": as_text,
    "engagement.reposts": as_count,
    "engagement.comments": as_count,
    "engagement.likes": as_count,
    "engagement.reads": as_count,
    "engagement.rank": as_count,
    "engagement.heat": as_number,
    "region": as_word,
    "media": as_media,
    "url": as_word,
    "deleted": as_flag,
}
"""What a mapping may fill, and how a cell becomes its value."""

REQUIRED = ("platform", "id", "kind", "text", "author.id", "published_at")
WORDS_OF_PEOPLE = frozenset(("text", "title", "author.name", "root_text"))
"""Where ``None`` or ``-`` may be what somebody wrote."""
_ABSENT = object()  # the row has no such column, as opposed to an empty cell


@dataclass(frozen=True, slots=True)
class Field:
    """One line of ``[post]``, ready to run."""

    name: str
    group: str | None
    """``author`` of ``author.id``."""
    key: str
    columns: tuple[str, ...]
    take: Take
    convert: Convert
    otherwise: object
    """The value, already converted, when there is no cell or an empty one."""
    empty: frozenset[str]
    """What a cell without a value may hold."""
    optional: bool = False
    """Whether a file may lack the columns."""

    def value(self, cells: Cells) -> object:
        """The value, or ``None``.

        Raises:
            RejectedError: there is none and must be one, or it is no such value.
        """
        try:
            cell = self.take(cells)
            if not _is_empty(cell, self.empty):
                return self.convert(cell)
        except ValueError as error:
            raise self.misfit(cells, str(error)) from error
        if self.otherwise is None and self.name in REQUIRED:
            if self.name == "text" and cell is not _ABSENT:
                return ""  # an empty cell is an empty text; an absent column is a mistake
            raise RejectedError(
                "schema",
                say(
                    f"列 {self._columns} 没有值，而 {self.name} 必须有",
                    f"column {self._columns} is empty, but {self.name} is required",
                ),
            )
        return self.otherwise

    def misfit(self, cells: Cells, why: str) -> RejectedError:
        """What to say when the cell, or the value made from it, was refused."""
        try:
            cell = self.take(cells)
        except ValueError:  # a template of several cells, one of them out of place
            cell = [cells.get(name) for name in self.columns]
        return RejectedError(
            "schema",
            say(
                f"列 {self._columns} 的值 {show(cell)} 不能作 {self.name}：{why}",
                f"column {self._columns} holds {show(cell)}, no {self.name}: {why}",
            ),
        )

    @property
    def _columns(self) -> str:
        return ", ".join(repr(name) for name in self.columns)


def column(name: str, nested: bool) -> Take:
    """The cell of a column; ``nested``: ``a.b`` is the value ``b`` within ``a``."""
    if nested and "." in name:
        return _within(name, name.split("."))
    return lambda cells: cells.get(name, _ABSENT)


def _within(name: str, path: list[str]) -> Take:
    def take(cells: Cells) -> object:
        if name in cells:
            return cells[name]
        value: object = cells
        for step in path:
            if value is None:
                return None
            if not isinstance(value, dict) or step not in value:
                return _ABSENT
            value = value[step]
        return value

    return take


def first(takes: Sequence[Take], empty: frozenset[str]) -> Take:
    """The first cell of several that is not empty."""

    def take(cells: Cells) -> object:
        values = [each(cells) for each in takes]
        for value in values:
            if not _is_empty(value, empty):
                return value
        return _ABSENT if all(value is _ABSENT for value in values) else None

    return take


def template(
    literals: Sequence[str], slots: Sequence[tuple[Take, bool]], empty: frozenset[str]
) -> Take:
    """Cells (``True``: the hash of one) set between literals; empty when one of them is."""

    def take(cells: Cells) -> object:
        parts = [literals[0]]
        for (each, hashed), literal in zip(slots, literals[1:], strict=True):
            value = each(cells)
            if _is_empty(value, empty):
                return None
            parts += (_hash(as_text(value)) if hashed else as_word(value), literal)
        return "".join(parts)

    return take


def show(value: object) -> str:
    """A value as it may stand in a message: short, without line breaks or lone surrogates."""
    try:
        text = repr(value[:60]) if isinstance(value, str) else ascii(value)
    except RecursionError:  # a list of a thousand lists can be read but not shown
        text = type(value).__name__
    return text if len(text) <= 80 else text[:80] + "…"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]


def _is_empty(value: object, empty: frozenset[str]) -> bool:
    return value is None or value is _ABSENT or (isinstance(value, str) and value.strip() in empty)
