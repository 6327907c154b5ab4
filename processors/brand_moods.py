"""The mood towards each brand of a post, which is not always the post's: A 比 B 好.

A post that speaks of one brand and compares it with nothing has its own mood towards it; so have
brands that only the root or the author's name tells. Where it names several, or compares, each
brand gets the words of praise and blame that are said of it (``brand_units.py``); a brand of which
nothing is said is neutral, and a text without any such word passes on its own mood, if clear.

A brand and its products are one where they stand side by side (启澜 QL6). Judged are the writer's
own words.

Limits: lists of words and the order of words decide; irony and pronouns are not understood.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from processors.brand_tree import families
from processors.brand_units import UNITS_VERSION, Reason, Unit, compares, weigh
from processors.prepare import PREPARE_VERSION, prepare
from processors.spans import span_at
from schemas.component import ComponentConfig
from schemas.enriched import BrandTag, EnrichedPost, Mood, Sentiment
from schemas.rules import RuleSet

__all__ = ["BrandMoods"]

#: Places that show the mood towards one brand.
_MOST_SPANS = 6
#: From this share on the mood of a post without praise or blame is that towards all its brands.
_CLEAR = 0.7


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
        sentiment = post.sentiment
        mood = sentiment.label if sentiment else None
        own = prepare(post.text).own
        several = len(tags) > 1 and self._are_several(tags)
        if several or compares(own, lambda: _starts(tags)):
            units, keys = self._units(tags)
            reasons = weigh(own, units) if units else []
            if reasons:
                return tuple(
                    [
                        tag.replaced(mood=mood) if key is None else _with_mood(tag, key, reasons)
                        for tag, key in zip(tags, keys, strict=True)
                    ]
                )
            if several and sentiment and _share(sentiment) < _CLEAR:
                mood = "neutral"
        return tuple([tag.replaced(mood=mood) for tag in tags])

    def _are_several(self, tags: Sequence[BrandTag]) -> bool:
        """Whether the text itself names brands that are not parts of each other."""
        named = {self._family.get(tag.brand, tag.brand) for tag in tags if tag.aliases}
        return len(named) > 1

    def _units(self, tags: Sequence[BrandTag]) -> tuple[list[Unit], list[int | None]]:
        """Where the text names brands, and the key of each tag; none where it doesn't name it.

        Tags with the same places share a key (a product and the brand above it), and so do a brand
        and its product that stand side by side.
        """
        numbers: dict[tuple[tuple[int, int], ...], int] = {}
        keys: list[int | None] = []
        owners: dict[tuple[int, int], int] = {}
        families: dict[int, str] = {}
        for tag in tags:
            places = tuple([(one.start, one.end) for one in tag.spans if one.field == "text"])
            key = numbers.setdefault(places, len(numbers)) if places else None
            keys.append(key)
            if key is not None:
                families[key] = self._family.get(tag.brand, tag.brand)
            for place in places:
                owners.setdefault(place, numbers[places])
        units = [Unit(*place, key) for place, key in sorted(owners.items())]
        if len(set(families.values())) < len(families):
            same = _side_by_side(units, families)
            units = [unit._replace(key=same.get(unit.key, unit.key)) for unit in units]
            keys = [key if key is None else same.get(key, key) for key in keys]
        return units, keys


def _starts(tags: Sequence[BrandTag]) -> list[int]:
    return [span.start for tag in tags for span in tag.spans if span.field == "text"]


def _side_by_side(units: Sequence[Unit], families: Mapping[int, str]) -> dict[int, int]:
    """The key that stands for each of those that are one thing: 启澜 QL6."""
    same: dict[int, int] = {}
    for left, right in pairwise(units):
        if right.start - left.end <= 1 and families[left.key] == families[right.key]:
            same[right.key] = same.get(left.key, left.key)
    return same


def _share(sentiment: Sentiment) -> float:
    return max(sentiment.negative, sentiment.neutral, sentiment.positive)


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
