"""How bad a wave is, 1 to 5, as a sum of named parts.

``1 + size + (mood + authority + platforms + panic) // 2 - apart``, at least 1, at most 5:

* **size**, 0 to 4: one for each of 3, 9, 27 and 81 times the kind's floor that the excess (measured
  count minus usual median) reaches;
* **mood**: ``BAD_SHARE`` or more of the voices are negative;
* **authority**: a medium or an authority speaks of the trouble;
* **platforms**: the voices come from ``MANY_PLATFORMS`` platforms or more;
* **panic**: ``FEARFUL_SHARE`` or more of the voices, three at least, are afraid;
* **apart**: it is another firm's trouble, which is less urgent.

Mood, authority, platforms and panic count for waves of trouble only, each 0 or 1, and two of them
are one step: a small wave with every sign is as bad as one nine times its size. More of any fact
never makes it less; an incident keeps the highest severity that it reached.
"""

from processors.facts import Facts
from schemas.incident import BLAMING, IncidentKind, SeverityParts

__all__ = ["BAD_SHARE", "FEARFUL_SHARE", "MANY_PLATFORMS", "is_fearful", "severity_of", "size_of"]

BAD_SHARE = 0.7
MANY_PLATFORMS = 3
FEARFUL_SHARE = 0.2
LEAST_FEARFUL = 3


def size_of(excess: float, floor: int) -> int:
    """0 to 4: one for each of 3, 9, 27 and 81 times the floor.

    >>> [size_of(excess, floor=6) for excess in (6, 18, 54, 162, 486, 9999)]
    [0, 1, 2, 3, 4, 4]
    """
    return sum(excess >= floor * 3**step for step in (1, 2, 3, 4))


def severity_of(kind: IncidentKind, facts: Facts, excess: float, floor: int) -> SeverityParts:
    """The parts for a window of this kind."""
    size = size_of(excess, floor)
    apart = int(facts.role != "own")
    if kind not in BLAMING:
        return SeverityParts(size=size, apart=apart)
    return SeverityParts(
        size=size,
        mood=int(facts.negative >= BAD_SHARE * facts.voices > 0),
        authority=int(facts.authorities > 0),
        platforms=int(facts.platforms >= MANY_PLATFORMS),
        panic=int(is_fearful(facts)),
        apart=apart,
    )


def is_fearful(facts: Facts) -> bool:
    """Fear is more than a few people's."""
    return facts.fearful >= max(LEAST_FEARFUL, FEARFUL_SHARE * facts.voices)
