"""Whether a post is worth keeping."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.rules import RuleSet

__all__ = ["Relevance"]


class Relevance:
    """Drops posts in which no rule and no brand was found, if told to; changes none.

    Stands behind ``keywords``, ``brands`` and ``rules``, whose findings it reads. A dropped post is
    named in ``posts.dropped``. An inherited brand counts: a comment under a post about the brand
    is kept.
    """

    #: Enrichers whose findings are read: they stand before, and one of them is there.
    reads: ClassVar[tuple[str, ...]] = ("keywords", "brands", "rules")
    drop_reason: ClassVar[str] = "没有命中关键词或品牌 (neither a keyword nor a brand)"

    class Config(ComponentConfig):
        """Options of the relevance step."""

        keep: Literal["all", "matched"] = Field(
            "all",
            description="'matched' drops posts with neither a keyword nor a brand; 'all' none.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"1/{config.keep}"
        self._keep_all = config.keep == "all"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """The same records; ``None`` for a post without findings when only those are kept."""
        if self._keep_all:
            return list(posts)
        return [post if post.matches or post.brands else None for post in posts]
