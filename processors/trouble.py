"""Whether a headline or post tells of trouble for a firm, or of a launch, a star, good news.

Listed words in groups (``cues_trouble.toml``) are weighed: each group once, by its first word, and
a little more for each further group. What speaks of a launch or good news is set against it; a
reply (回应, 声明) tells of trouble only beside nothing that speaks against it.

Limits: words alone; who is to blame is not known, and a firm that helps in somebody else's trouble
is told by 捐款 and 驰援 only.
"""

from collections.abc import Mapping, Sequence, Set
from functools import cache
from typing import NamedTuple

from processors.cues import Place, find_places, weights_of
from processors.fold import fold

__all__ = ["BAD", "GOOD", "TROUBLED", "Trouble", "trouble_of"]

BAD = (
    *("harm", "defect", "law", "authority", "conduct", "apology", "outrage", "reply", "leak"),
    *("outage", "business", "price"),
)
GOOD = ("launch", "giveaway", "product", "stars", "good_news", "other", "bystander")
TROUBLED = 0.5
"""From this score on a post counts as one that tells of trouble."""
LOOKED_AT = 500
"""Characters of a text: what follows is detail, or another matter."""


class Trouble(NamedTuple):
    """What the listed words say."""

    score: float
    """0 to 1: how surely it tells of trouble."""
    signs: tuple[str, ...]
    """Groups that have a word in it, as the list orders them."""


_NONE = Trouble(0.0, ())


def trouble_of(text: str) -> Trouble:
    """What a text says, by its beginning."""
    places = find_places("trouble", fold(text[:LOOKED_AT]))
    if not places:
        return _NONE
    found = {group for _, _, group, _ in _longest(places)}
    return Trouble(_score(found), tuple(group for group in _weights() if group in found))


def _score(found: Set[str]) -> float:
    """The weights of the first group and half of each further one, less half of what calms."""
    weights = _weights()
    bad = sorted((weights[group] for group in BAD if group in found), reverse=True)
    good = sorted((-weights[group] for group in GOOD if group in found), reverse=True)
    worse = bad[0] + sum(bad[1:]) / 2 if bad else 0.0
    better = good[0] + sum(good[1:]) / 2 if good else 0.0
    return round(min(1.0, max(0.0, (worse - better / 2) / 10)), 3)


def _longest(places: Sequence[Place]) -> list[Place]:
    """Without the words that lie within another one."""
    kept: list[Place] = []
    end = 0
    for place in sorted(places, key=lambda one: (one[0], -one[1])):
        if place[1] > end:
            kept.append(place)
            end = place[1]
    return kept


@cache
def _weights() -> Mapping[str, float]:
    return weights_of("trouble")
