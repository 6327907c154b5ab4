"""Which brands a post speaks of."""

from collections.abc import Sequence

from pydantic import Field

from processors.fold import FOLD_VERSION
from processors.scanner import Finding, Scanner
from schemas.component import ComponentConfig
from schemas.enriched import BrandTag, EnrichedPost, TextField
from schemas.rules import RuleSet

__all__ = ["Brands"]

_OWN_FIELDS: tuple[TextField, ...] = ("text", "title")
_QUOTED_FIELDS: tuple[TextField, ...] = ("root_text",)


class Brands:
    """Writes ``brands``: one tag per brand whose alias stands in the post or in its quoted root.

    The longest alias wins: one that lies inside a longer alias, of any brand, does not count there
    (星河 in 星河湾, when both are aliases). Aliases that overlap only in part both count, and an
    alias that two brands share tags both. A brand that only the quoted root text names is
    ``inherited``: its tag has the root's spans and no aliases. Aliases are compared like keywords
    (``scanner.py``). Limit: an alias is found, not its sense; 苹果 is a fruit too.
    """

    class Config(ComponentConfig):
        """Options of the brands step."""

        max_spans: int = Field(
            20,
            ge=1,
            le=1000,
            description="Most spans that one brand keeps per post; its aliases are all kept.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.1/{rules.label}"
        self._max_spans = config.max_spans
        self._brands = rules.brands
        self._scanner = Scanner(brand.aliases for brand in rules.brands)

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with ``brands`` in the rule set's order."""
        return [post.replaced(brands=self._tags(post)) for post in posts]

    def _tags(self, post: EnrichedPost) -> tuple[BrandTag, ...]:
        named = self._find(post, _OWN_FIELDS)
        quoted = self._find(post, _QUOTED_FIELDS)
        return tuple(
            self._tag(position, named[position])
            if position in named
            else self._tag(position, quoted[position], inherited=True)
            for position in sorted(named.keys() | quoted.keys())
        )

    def _find(self, post: EnrichedPost, fields: tuple[TextField, ...]) -> dict[int, Finding]:
        return self._scanner.find(post, fields, max_spans=self._max_spans, longest_only=True)

    def _tag(self, position: int, finding: Finding, *, inherited: bool = False) -> BrandTag:
        brand = self._brands[position]
        return BrandTag(
            brand=brand.id,
            role=brand.role,
            aliases=() if inherited else tuple(sorted(finding.words)),
            spans=tuple(finding.spans),
            inherited=inherited,
        )
