"""What to listen for: brands and keywords, as one versioned set."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.enriched import BrandRole
from schemas.record import PlainText, Record, UtcTime

__all__ = ["MAX_QUERY", "Brand", "Hours", "KeywordRule", "Rule", "RuleSet"]

MAX_QUERY = 10_000
MAX_VERSION = 1_000_000_000

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Word = Annotated[PlainText, Field(min_length=1, max_length=64)]
Example = Annotated[PlainText, Field(min_length=1, max_length=2_000)]


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


class Rule(Record):
    """A query over posts, in the language of ``processors/query_grammar.lark``."""

    id: Slug
    name: PlainText
    query: Annotated[PlainText, Field(min_length=1, max_length=MAX_QUERY)]
    owner: PlainText | None = None
    """Who answers for it."""
    purpose: PlainText | None = None
    """What it is there for."""
    labels: tuple[Word, ...] = ()
    department: Word | None = None
    """Who acts on what it finds."""
    priority: Annotated[int, Field(ge=1, le=5)] = 3
    """1 is the most urgent."""
    must_match: tuple[Example, ...] = ()
    """Texts that it finds; asked at every change."""
    must_not_match: tuple[Example, ...] = ()
    """Texts that it does not find; asked at every change."""


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Hours(Record):
    """When a team is at work, in the time zone of the settings."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)]
    begin: TimeOfDay
    end: TimeOfDay
    """Not after ``begin``: on the next day."""


class RuleSet(Record):
    """One line of ``rules``: all that a team listens for, at one version."""

    id: Slug
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]
    author: PlainText
    reason: PlainText
    """Why this version was made."""
    changed_at: UtcTime
    team: PlainText | None = None
    """Whose rules these are."""
    hours: tuple[Hours, ...] = ()
    """When the team wants to be told; kept for ``notify``, which does not look at it yet."""
    channels: tuple[Word, ...] = ()
    """Where the team wants to be told, by the settings' names; likewise kept for ``notify``."""
    brands: tuple[Brand, ...] = ()
    keywords: tuple[KeywordRule, ...] = ()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _unique_ids(self) -> Self:
        # A match names its rule by id alone, so keyword rules and queries share one space of ids.
        for what, ids in (
            ("brand", [brand.id for brand in self.brands]),
            ("rule", [*(one.id for one in self.keywords), *(one.id for one in self.rules)]),
        ):
            seen: set[str] = set()
            for id in ids:
                if id in seen:
                    raise PydanticCustomError(
                        "duplicate_id",
                        "two entries of kind {what} have the id '{id}'",
                        {"what": what, "id": id},
                    )
                seen.add(id)
        return self

    @property
    def label(self) -> str:
        """``id@version``, as it is written on what it judged."""
        return f"{self.id}@{self.version}"
