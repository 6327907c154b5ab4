"""What to listen for: brands and keywords, as one versioned set."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, NamedTuple, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError, PydanticKnownError

from schemas.enriched import BrandRole
from schemas.record import PlainText, Record, UtcTime

__all__ = [
    "MAX_EXAMPLES",
    "MAX_QUERY",
    "MAX_VERSION",
    "Alias",
    "Brand",
    "BrandKind",
    "Hours",
    "JoinedRules",
    "KeywordRule",
    "Origin",
    "Rule",
    "RuleSet",
    "Trade",
    "is_at_work",
    "is_told",
    "joined",
]

MAX_QUERY = 10_000
MAX_VERSION = 1_000_000_000
MAX_EXAMPLES = 5_000
"""Of a set: every worker asks them all when it starts."""

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
Word = Annotated[PlainText, Field(min_length=1, max_length=64)]
Example = Annotated[PlainText, Field(min_length=1, max_length=2_000)]
Examples = Annotated[tuple[Example, ...], Field(max_length=50)]


def _no_text(value: Any) -> Any:
    # Rule files are not read strictly, since TOML knows lists only: "1" and true would pass.
    if isinstance(value, str | bool):
        raise PydanticKnownError("int_type")
    return value


WholeNumber = Annotated[int, BeforeValidator(_no_text)]

BrandKind = Literal["company", "brand", "product", "model", "person", "account"]
Trade = Literal["car", "phone", "food", "ecommerce", "travel", "appliance"]
"""What is sold; each has its own product aspects."""


class Alias(Record):
    """A way people write a brand, and what tells it from its namesakes."""

    word: Word
    ambiguous: bool | None = None
    """Whether it is also another word; left out, as the built-in word knowledge says."""
    context: tuple[Word, ...] = ()
    """Words nearby that speak for the brand."""
    against: tuple[Word, ...] = ()
    """Words nearby that speak for another sense; one that holds the alias is never the brand."""


Name = Annotated[
    Annotated[Word, Tag("text")] | Annotated[Alias, Tag("table")],
    Discriminator(lambda name: "text" if isinstance(name, str) else "table"),
]
"""A plain text, or a table; told apart first, so that an error speaks of the right one."""


class Brand(Record):
    """Whom or what to listen for: a brand, a company, a product, a person, an account."""

    id: Slug
    name: PlainText
    role: BrandRole
    kind: BrandKind = "brand"
    parent: Slug | None = None
    """The entry above it. A post about a product, model or person is about the parent too, and one
    about a brand is about the brand above it; a company above brands is tagged by its own names
    only."""
    trade: Trade | None = None
    """Which product aspects are looked for in posts about it; left out: as the entry above it."""
    aliases: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Every way people write it: names, nicknames, misspellings, codes."""
    models: tuple[Name, ...] = ()
    """Its products by name, where none of them needs an entry of its own."""

    @property
    def names(self) -> tuple[Alias, ...]:
        """Aliases, then models, each as a table."""
        return tuple(
            name if isinstance(name, Alias) else Alias(word=name)
            for name in (*self.aliases, *self.models)
        )

    @property
    def words(self) -> tuple[str, ...]:
        """Aliases, then models, as they are written."""
        return tuple(
            name.word if isinstance(name, Alias) else name for name in (*self.aliases, *self.models)
        )


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
    priority: Annotated[WholeNumber, Field(ge=1, le=5)] = 3
    """1 is the most urgent."""
    must_match: Examples = ()
    """Texts that it finds; asked at every change."""
    must_not_match: Examples = ()
    """Texts that it does not find; asked at every change."""


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
TimeOfDay = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]


class Hours(Record):
    """When a team is at work, in the time zone of the settings."""

    days: Annotated[tuple[Day, ...], Field(min_length=1)]
    begin: TimeOfDay
    end: TimeOfDay
    """Not after ``begin``: on the next day."""


class Origin(NamedTuple):
    """Which rule: what a match names."""

    rule_set: str
    version: int
    """Of the rule set."""
    rule: str


class RuleSet(Record):
    """One line of ``rules``: all that a team listens for, at one version."""

    id: Slug
    version: Annotated[WholeNumber, Field(ge=1, le=MAX_VERSION)]
    author: PlainText
    reason: PlainText
    """Why this version was made."""
    changed_at: UtcTime
    team: PlainText | None = None
    """Whose rules these are."""
    hours: tuple[Hours, ...] = ()
    """When the team wants to be told; outside of them a notice waits for their next beginning,
    unless it is severe. None: at any time."""
    channels: tuple[Word, ...] = ()
    """Where the team wants to be told of its brands, by the settings' names; none: everywhere."""
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

    @model_validator(mode="after")
    def _not_too_many_examples(self) -> Self:
        count = sum(len(rule.must_match) + len(rule.must_not_match) for rule in self.rules)
        if count > MAX_EXAMPLES:
            raise PydanticCustomError(
                "too_many_examples",
                "the rules have {count} examples together, at most {most} are allowed",
                {"count": count, "most": MAX_EXAMPLES},
            )
        return self

    @model_validator(mode="after")
    def _parents_lead_up(self) -> Self:
        parents = {brand.id: brand.parent for brand in self.brands}
        for brand in self.brands:
            seen = {brand.id}
            above = brand.parent
            while above is not None:
                if above not in parents:
                    raise PydanticCustomError(
                        "unknown_parent",
                        "no brand has the id '{parent}', the parent of '{id}'; add it or "
                        "leave the parent out",
                        {"parent": above, "id": brand.id},
                    )
                if above in seen:
                    raise PydanticCustomError(
                        "parent_cycle",
                        "the parents of brand '{id}' lead back to '{parent}'; take one parent away",
                        {"parent": above, "id": brand.id},
                    )
                seen.add(above)
                above = parents[above]
        return self

    @property
    def label(self) -> str:
        """``id@version``, as it is written on what it judged."""
        return f"{self.id}@{self.version}"

    def origin_of(self, rule: str) -> Origin:
        """What a match of the rule names."""
        return Origin(self.id, self.version, rule)


def is_told(sets: Iterable[RuleSet], channel: str, known: Collection[str], brand: str) -> bool:
    """Whether a channel tells of a brand: whether a team that listens for it wants that.

    A team that names no channel, or none of the ``known`` ones, is told by all, and so is everybody
    of a brand that no set holds any more: a wrong name must not keep an alarm from people.
    """
    listening = _listening(sets, brand)
    return not listening or any(_is_reached_by(rules, channel, known) for rules in listening)


def is_at_work(
    sets: Iterable[RuleSet],
    channel: str,
    known: Collection[str],
    zone: ZoneInfo,
    brand: str | None,
    at: datetime,
) -> bool:
    """Whether one of the teams that a channel tells of a brand is at work; a team without hours is.

    ``brand`` None: of anything. Where nobody listens, nobody's rest is disturbed.
    """
    teams = [rules for rules in _listening(sets, brand) if _is_reached_by(rules, channel, known)]
    return not teams or any(
        not rules.hours or any(_covers(hours, at.astimezone(zone)) for hours in rules.hours)
        for rules in teams
    )


def _listening(sets: Iterable[RuleSet], brand: str | None) -> list[RuleSet]:
    return [
        rules for rules in sets if brand is None or any(one.id == brand for one in rules.brands)
    ]


def _is_reached_by(rules: RuleSet, channel: str, known: Collection[str]) -> bool:
    return channel in rules.channels or not set(known) & set(rules.channels)


def _covers(hours: Hours, local: datetime) -> bool:
    """Whether a time lies in the hours; those past midnight belong to the day they begin on."""
    days = get_args(Day)
    today, yesterday = days[local.weekday()], days[local.weekday() - 1]
    now = f"{local:%H:%M}"
    if hours.begin < hours.end:
        return today in hours.days and hours.begin <= now < hours.end
    return (today in hours.days and now >= hours.begin) or (
        yesterday in hours.days and now < hours.end
    )


class JoinedRules(RuleSet):
    """Several rule sets as the enrichers see them: as one. Made by ``joined``, never written."""

    sets: tuple[RuleSet, ...]

    @property
    def label(self) -> str:
        """The labels of all: ``main@3+pr@5``."""
        return "+".join(rules.label for rules in self.sets)

    def origin_of(self, rule: str) -> Origin:
        """Leads from a rule's joined id to its own."""
        rule_set, _, own = rule.partition(_JOINT)
        (version,) = (rules.version for rules in self.sets if rules.id == rule_set)
        return Origin(rule_set, version, own)


#: No id has it.
_JOINT = "."


def joined(sets: Sequence[RuleSet]) -> RuleSet:
    """Rule sets of different ids as one; a single one is itself.

    Rules of two sets may have one id: here each is called ``set.rule``. A brand that stands in
    several sets is one brand, as the first of them describes it.
    """
    if len(sets) == 1:
        return sets[0]
    brands: dict[str, Brand] = {}
    for rules in sets:
        for brand in rules.brands:
            brands.setdefault(brand.id, brand)
    newest = max(sets, key=lambda rules: rules.changed_at)
    return JoinedRules.model_construct(  # every part was checked where it came from
        id=_JOINT.join(rules.id for rules in sets),
        version=newest.version,
        author=newest.author,
        reason=newest.reason,
        changed_at=newest.changed_at,
        brands=tuple(brands.values()),
        keywords=tuple(
            one.replaced(id=f"{rules.id}{_JOINT}{one.id}")
            for rules in sets
            for one in rules.keywords
        ),
        rules=tuple(
            one.replaced(id=f"{rules.id}{_JOINT}{one.id}") for rules in sets for one in rules.rules
        ),
        sets=tuple(sets),
    )
