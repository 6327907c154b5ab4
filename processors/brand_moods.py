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
from schemas.component import ComponentConfig
from schemas.enriched import BrandTag, EnrichedPost, Mood, Span
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
        own = prepare(post.text).own
        mood = post.sentiment.label if post.sentiment else None
        if (len(tags) == 1 or not self._are_several(tags)) and not compares(own):
            return tuple([tag.replaced(mood=mood) for tag in tags])
        units, keys = self._units(tags)
        reasons = weigh(own, units) if units else []
        if not reasons:
            return tuple([tag.replaced(mood=mood) for tag in tags])
        by_key: dict[int, list[Reason]] = {}
        for reason in reasons:
            by_key.setdefault(reason.key, []).append(reason)
        return tuple(
            tag.replaced(mood=mood) if key is None else _with_mood(tag, by_key.get(key, []))
            for tag, key in zip(tags, keys, strict=True)
        )

    def _are_several(self, tags: Sequence[BrandTag]) -> bool:
        """Whether the text itself names brands that are not parts of each other."""
        named = {self._family.get(tag.brand, tag.brand) for tag in tags if tag.aliases}
        if len(named) > 1:
            return True
        return len({tag.spans for tag in tags if tag.aliases}) > 1

    def _units(self, tags: Sequence[BrandTag]) -> tuple[list[Unit], list[int | None]]:
        """Where the text names brands, and the key of each tag; none where it doesn't name it.

        Tags with the same places share a key, and so do those that stand side by side always.
        """
        numbers: dict[tuple[Span, ...], int] = {}
        keys: list[int | None] = []
        places: dict[tuple[int, int], int] = {}
        for tag in tags:
            spans = tuple(span for span in tag.spans if span.field == "text")
            if not spans:
                keys.append(None)
                continue
            key = numbers.setdefault(spans, len(numbers))
            keys.append(key)
            for span in spans:
                places.setdefault((span.start, span.end), key)
        return [Unit(start, end, key) for (start, end), key in sorted(places.items())], keys


def _with_mood(tag: BrandTag, reasons: Sequence[Reason]) -> BrandTag:
    total = sum(reason.sign for reason in reasons)
    mood: Mood = "positive" if total > 0 else "negative" if total < 0 else "neutral"
    places = sorted({(reason.start, reason.end) for reason in reasons})
    spans = [Span.unchecked(start=start, end=end) for start, end in places[:_MOST_SPANS]]
    return tag.replaced(mood=mood, mood_spans=tuple(spans))
