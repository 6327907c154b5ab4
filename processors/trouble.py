"""Whether a headline or post tells of trouble for a firm, or of a launch, a star, good news.

Listed words in groups (``cues_trouble.toml``) are weighed, each group once: the worst group in
full, every further one by half. Half of what speaks of a launch, a star or good news, counted
alike, is set against it. So a reply (回应, 声明) tells of trouble only beside nothing that calms,
and a recall in the midst of a launch is still trouble.

Limits: words alone; who is to blame is not known, and a firm that helps in somebody else's trouble
is told by 捐款 and 驰援 only.
"""

from collections.abc import Iterator, Sequence, Set
from functools import lru_cache
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
    return _judged(frozenset(_groups(places))) if places else _NONE


def _groups(places: Sequence[Place]) -> Iterator[str]:
    """The groups found, by start; not of a word that lies within another one."""
    end = 0
    for place, (start, stop, group, _) in enumerate(places):
        # Of those that begin at one place, the longest comes last.
        shorter = place + 1 < len(places) and places[place + 1][0] == start
        if stop > end and not shorter:
            end = stop
            yield group


@lru_cache(4_096)
def _judged(found: Set[str]) -> Trouble:
    """The weight of the worst group and half of each further one, less half of what calms."""
    weights = weights_of("trouble")
    bad = sorted((weights[group] for group in BAD if group in found), reverse=True)
    good = sorted((-weights[group] for group in GOOD if group in found), reverse=True)
    worse = bad[0] + sum(bad[1:]) / 2 if bad else 0.0
    better = good[0] + sum(good[1:]) / 2 if good else 0.0
    score = round(min(1.0, max(0.0, (worse - better / 2) / 10)), 3)
    return Trouble(score, tuple(group for group in weights if group in found))
