"""Reads a file as an import would, and writes nothing: ``tingchao import --dry-run``."""

from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

from connectors.base import Unreadable
from connectors.drafts import DraftReader
from connectors.file import File
from connectors.mapping_file import read_mapping
from schemas.post import PostDraft

__all__ = ["MAX_FAULTS", "Fault", "Tried", "try_file"]

MAX_FIRST = 5
MAX_FAULTS = 100
"""Rows that are listed for people; all are counted, and listed for programs."""
_MESSAGE_LETTERS = 300


@dataclass(frozen=True, slots=True)
class Fault:
    """A row that would fail."""

    line: int
    kind: str
    message: str


@dataclass(slots=True)
class Tried:
    """What an import of the file would do."""

    posts: int = 0
    rejected: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    """How many rows fail of each kind of fault."""
    first: list[tuple[int, PostDraft]] = field(default_factory=list)
    """The first posts, with their lines."""
    faults: list[Fault] = field(default_factory=list)


def try_file(config: File.Config, source: str, *, most_faults: int | None = MAX_FAULTS) -> Tried:
    """Read all of the file; list at most so many faults, or every one.

    Raises:
        FatalError: the file or the mapping can't be used; the message says why.
    """
    mapping = read_mapping(config.mapping) if config.mapping is not None else None
    tried = Tried()
    with closing(DraftReader(config.path, mapping, source)) as items:
        for row, draft in items:
            if isinstance(draft, Unreadable):
                tried.rejected += 1
                tried.kinds[draft.kind] += 1
                if most_faults is None or len(tried.faults) < most_faults:
                    message = draft.message[:_MESSAGE_LETTERS]
                    tried.faults.append(Fault(draft.line, draft.kind, message))
            elif draft is not None:
                tried.posts += 1
                if len(tried.first) < MAX_FIRST:
                    tried.first.append((row.line, draft))
    return tried
