"""What to listen for: brands and keywords, as one versioned set."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.enriched import BrandRole
from schemas.record import PlainText, Record, UtcTime

__all__ = ["Brand", "KeywordRule", "RuleSet"]

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Word = Annotated[PlainText, Field(min_length=1, max_length=64)]


class Brand(Record):
    """A company or product line to listen for."""

    id: Slug
    name: PlainText
    role: BrandRole
    aliases: Annotated[tuple[Word, ...], Field(min_length=1)]
    """Every way people write it: names, models, nicknames, codes."""


class KeywordRule(Record):
    """A named list of words; any of them makes the rule fire."""

    id: Slug
    name: PlainText
    words: Annotated[tuple[Word, ...], Field(min_length=1)]


class RuleSet(Record):
    """One line of ``rules``: all that a team listens for, at one version."""

    id: Slug
    version: Annotated[int, Field(ge=1, le=1_000_000_000)]
    author: PlainText
    reason: PlainText
    """Why this version was made."""
    changed_at: UtcTime
    brands: tuple[Brand, ...] = ()
    keywords: tuple[KeywordRule, ...] = ()

    @model_validator(mode="after")
    def _unique_ids(self) -> Self:
        for what, items in (("brand", self.brands), ("keyword rule", self.keywords)):
            seen: set[str] = set()
            for item in items:
                if item.id in seen:
                    raise PydanticCustomError(
                        "duplicate_id",
                        "two entries of kind {what} have the id '{id}'",
                        {"what": what, "id": item.id},
                    )
                seen.add(item.id)
        return self

    @property
    def label(self) -> str:
        """``id@version``, as it is written on what it judged."""
        return f"{self.id}@{self.version}"
