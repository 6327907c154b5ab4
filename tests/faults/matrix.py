"""The fault matrix: rows, in the order of their numbers.

Each row hurts the line while posts come in, and ends with the oracle (``tests/faults/oracle.py``).
Nothing in a row is timed but stalls that must outlast a session; everything else waits for what it
wants to see.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.bench import Bench

__all__ = ["ROWS", "NotHere", "Row", "row", "slices"]


@dataclass(frozen=True)
class Row:
    """One row."""

    number: str
    title: str
    run: Callable[[Bench], None]
    alone: bool = False
    """It hurts the servers themselves: nothing else may use them meanwhile."""

    @property
    def name(self) -> str:
        return f"{self.number}-{self.run.__name__}"


class NotHere(Exception):
    """This machine cannot show this row; the message says why."""


ROWS: list[Row] = []


def row(
    number: str, title: str, *, alone: bool = False
) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Put a function into the matrix."""

    def add(run: Callable[[Bench], None]) -> Callable[[Bench], None]:
        ROWS.append(Row(number, title, run, alone))
        return run

    return add


def slices(bench: Bench, count: int) -> int:
    """Posts in each of so many slices."""
    return -(-len(bench.feed.posts) // count)
