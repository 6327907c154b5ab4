"""The mood towards each brand of a post, which is not always the post's: A 比 B 好.

A post that speaks of one brand and compares it with nothing has its own mood towards it; so have
brands that only the root or the author's name tells. Where it names several, or compares, each
brand gets the words of praise and blame that are said of it (``brand_units.py``); a brand of which
nothing is said is neutral, and a text without any such word passes on its own mood.

A brand and its products are one where they stand side by side (启澜 QL6). Judged are the writer's
own words.

Limits: lists of words and the order of words decide; irony and pronouns are not understood.
"""

from collections.abc import Sequence

from processors.brand_tree import families
from processors.brand_units import UNITS_VERSION, Reason, Unit, compares, weigh
from processors.prepare import PREPARE_VERSION, prepare
from processors.spans import span_at
from schemas.component import ComponentConfig
from schemas.enriched import BrandTag, EnrichedPost, Mood
from schemas.rules import RuleSet

__all__ = ["BrandMoods"]

#: Places that show the mood towards one brand.
_MOST_SPANS = 6


class BrandMoods:
    """Writes ``mood`` and ``mood_spans`` of each brand tag; see the module."""

    reads = ("brands",)
    behind = ("sentiment",)

    class Config(ComponentConfig):
        """The step has no options."""

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{UNITS_VERSION}.{PREPARE_VERSION}/{rules.label}"
        ids = [brand.id for brand in rules.brands]
        self._family = dict(zip(ids, families(rules.brands), strict=True))

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """Set the mood of each tag; drops none."""
        return [post.replaced(brands=self._judged(post)) if post.brands else post for post in posts]

    def _judged(self, post: EnrichedPost) -> tuple[BrandTag, ...]:
        tags = post.brands
        mood = post.sentiment.label if post.sentiment else None
        units, keys = _units(tags)
        if units:
            own = prepare(post.text).own
            several = len(tags) > 1 and self._are_several(tags)
            if (several or compares(own, units)) and (reasons := weigh(own, units)):
                return tuple(
                    [
                        tag.replaced(mood=mood) if key is None else _with_mood(tag, key, reasons)
                        for tag, key in zip(tags, keys, strict=True)
                    ]
                )
        return tuple([tag.replaced(mood=mood) for tag in tags])

    def _are_several(self, tags: Sequence[BrandTag]) -> bool:
        """Whether the text itself names brands that are not parts of each other."""
        named = {self._family.get(tag.brand, tag.brand) for tag in tags if tag.aliases}
        return len(named) > 1


def _units(tags: Sequence[BrandTag]) -> tuple[list[Unit], list[int | None]]:
    """Where the text names brands, and the key of each tag; none where it doesn't name it.

    Tags with the same places share a key: a product and the brand above it.
    """
    numbers: dict[tuple[tuple[int, int], ...], int] = {}
    keys: list[int | None] = []
    owners: dict[tuple[int, int], int] = {}
    for tag in tags:
        places = tuple([(one.start, one.end) for one in tag.spans if one.field == "text"])
        if not places:
            keys.append(None)
            continue
        key = numbers.setdefault(places, len(numbers))
        keys.append(key)
        for place in places:
            owners.setdefault(place, key)
    return [Unit(*place, key) for place, key in sorted(owners.items())], keys


def _with_mood(tag: BrandTag, key: int, reasons: Sequence[Reason]) -> BrandTag:
    total, places = 0, []
    for owner, sign, start, end in reasons:
        if owner == key:
            total += sign
            places.append((start, end))
    mood: Mood = "positive" if total > 0 else "negative" if total < 0 else "neutral"
    if len(places) > 1:
        places = sorted(set(places))[:_MOST_SPANS]
    spans = tuple([span_at("text", start, end) for start, end in places])
    return tag.replaced(mood=mood, mood_spans=spans)
