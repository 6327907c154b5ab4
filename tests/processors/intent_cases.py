"""Texts with the intents that people meant, written for this project, in ``intent_cases.tsv``.

A line is ``labels<TAB>text``; ``-`` is none. Weights are chosen on the half that ``held_back`` does
not name. One hand wrote the cases and the words, so figures on them flatter.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

CASES = Path(__file__).with_name("intent_cases.tsv")


class Case(NamedTuple):
    text: str
    labels: frozenset[str]

    @property
    def held_back(self) -> bool:
        return hashlib.sha256(self.text.encode()).digest()[0] % 2 == 1


class Counts(NamedTuple):
    """Of one label over many cases."""

    right: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float:
        return self.right / max(1, self.right + self.wrong)

    @property
    def recall(self) -> float:
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        return 2 * self.right / max(1, 2 * self.right + self.wrong + self.missed)


def cases() -> Iterator[Case]:
    for line in CASES.read_text(encoding="utf-8").splitlines():
        labels, _, text = line.partition("\t")
        yield Case(text, frozenset(labels.split(",")) - {"-"})


def counted(label: str, judged: Iterable[tuple[Case, Sequence[str]]]) -> Counts:
    right = wrong = missed = 0
    for case, found in judged:
        right += label in found and label in case.labels
        wrong += label in found and label not in case.labels
        missed += label not in found and label in case.labels
    return Counts(right, wrong, missed)
