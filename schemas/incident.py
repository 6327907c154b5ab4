"""An incident: something unusual is said about a brand; the whole state at one revision."""

from typing import Annotated, Final, Literal

from pydantic import Field

from schemas.enriched import BrandRole, Mood
from schemas.post import PostId, PostKind
from schemas.record import Record, UtcTime

__all__ = [
    "BLAMING",
    "Baseline",
    "CopiedText",
    "Evidence",
    "Incident",
    "IncidentKind",
    "IncidentState",
    "Numbers",
    "Quote",
    "Reason",
    "ReasonFact",
    "SeverityParts",
    "TimelineEntry",
    "TimelineEvent",
    "WordCount",
]

IncidentKind = Literal[
    "crisis",
    "complaint",
    "rumour",
    "competitor_crisis",
    "praise_surge",
    "campaign",
    "copy_flood",
    "surge",
]
"""``complaint``: strangers repeat one; ``competitor_crisis``: of a brand that is not one's own."""
BLAMING: Final[frozenset[IncidentKind]] = frozenset(
    ("crisis", "complaint", "rumour", "competitor_crisis")
)
"""Kinds that are about negative voices."""
ReasonFact = Literal[
    "negative",
    "positive",
    "complaints",
    "same_fault",
    "rumours",
    "grave",
    "fear",
    "media",
    "officials",
    "staff",
    "platforms",
    "copies",
    "reposts",
    "calls",
    "role",
    "topics",
    "crowd",
]
IncidentState = Literal["suspected", "confirmed", "handled", "closed"]
TimelineEvent = Literal[
    "first_post",
    "second_voice",
    "media",
    "opened",
    "confirmed",
    "grown",
    "amplified",
    "peak",
    "acknowledged",
    "assigned",
    "silenced",
    "unsilenced",
    "statement",
    "verdict",
    "reopened",
    "closed",
]


class Quote(Record):
    """A post as evidence."""

    post_id: PostId
    platform: str
    kind: PostKind
    at: UtcTime
    author_name: str | None = None
    followers: int | None = None
    mood: Mood | None = None
    excerpt: str
    url: str | None = None


class Numbers(Record):
    """Counts of one stretch of time; each can be recounted from the named posts."""

    mentions: int
    voices: int
    """Distinct authors, copies of one text counted once: how many people really say it."""
    negative: int
    """Voices whose mood is negative."""
    positive: int
    copies: int
    """Mentions that repeat a text already counted (nearly or exactly) or an author heard before."""
    copied_texts: int = 0
    """How many texts have a copy; one that is copied in two windows counts twice."""
    platforms: dict[str, int]
    """Mentions by platform."""

    @property
    def negative_share(self) -> float:
        """Share of the voices that are negative; 0 when there are none."""
        return self.negative / self.voices if self.voices else 0.0


class Baseline(Record):
    """What is normal for this brand at this hour."""

    median: float
    """Median count of the compared buckets."""
    spread: float
    """Robust spread of 2*sqrt(count + 3/8), at least 1 (its value under a Poisson law)."""
    buckets: int
    """How many past buckets it was made from."""
    days: int
    """Over how many days."""


class CopiedText(Record):
    """A text that several posts of a window carry."""

    post_id: PostId
    """The first post that carried it."""
    posts: int
    """How many carry it, the first included."""
    excerpt: str
    """Its beginning, as the first copy has it."""


class Evidence(Record):
    """The numbers that made the decision, and the posts behind them."""

    rule: str
    rule_version: int
    window_start: UtcTime
    window_end: UtcTime
    numbers: Numbers
    measured: str
    """Which of the numbers was compared: ``negative``, ``voices`` or ``mentions``."""
    baseline: Baseline
    score: float
    """Distance from the baseline in spreads."""
    threshold: float
    posts: tuple[PostId, ...]
    """The posts of the window that were measured, in order of arrival, at most 50."""
    copied: tuple[CopiedText, ...] = ()
    """The texts with most copies in the window, at most five."""


class WordCount(Record):
    """A keyword and how many voices used it."""

    word: str
    voices: int


class Reason(Record):
    """One fact that decided what kind of wave it is: ``count`` of ``of``."""

    fact: ReasonFact
    """``calls``: mentions that advertise or give away; ``grave``: voices with words of harm, law
    or misconduct; ``topics``: those of hot-search boards; ``crowd``: times the least that counts.
    """
    count: int
    of: int | None = None
    """Of so many voices, mentions or topics."""
    usual: float | None = None
    """The share that is usual for the brand."""
    text: str | None = None
    """What is repeated."""


class SeverityParts(Record):
    """What made a severity: ``min(5, max(1, 1 + size + (mood + authority + platforms + panic) // 2
    - apart))``; how each is found stands in ``processors/severity.py``."""

    size: Annotated[int, Field(ge=0, le=4)]
    mood: Annotated[int, Field(ge=0, le=1)] = 0
    authority: Annotated[int, Field(ge=0, le=1)] = 0
    platforms: Annotated[int, Field(ge=0, le=1)] = 0
    panic: Annotated[int, Field(ge=0, le=1)] = 0
    apart: Annotated[int, Field(ge=0, le=1)] = 0
    """It is another firm's trouble."""

    @property
    def severity(self) -> int:
        """1 to 5."""
        worse = (self.mood + self.authority + self.platforms + self.panic) // 2
        return min(5, max(1, 1 + self.size + worse - self.apart))


class TimelineEntry(Record):
    """One step of the incident.

    ``second_voice`` is the first post with own words by somebody else, ``media`` the first one of a
    medium or an authority, ``amplified`` another post whose thread brought a large share of all.
    """

    at: UtcTime
    """When it happened; of a post, when it was published."""
    event: TimelineEvent
    by: str | None = None
    """Who decided it, or wrote the post."""
    note: str | None = None
    post_id: PostId | None = None
    """The post that made this step."""
    command: str | None = None
    """Id of the command that was obeyed."""
    voices: int | None = None
    """Voices of the incident so far."""
    revision: Annotated[int, Field(ge=1)] | None = None
    """Which revision of the incident took this step; two of them may carry the same time."""


class Incident(Record):
    """One line of ``incidents``: public, compacted by ``id``; the newest revision is the truth.

    Every field is a function of the ``signals`` log, so a replay gives the same bytes.
    """

    id: str
    revision: Annotated[int, Field(ge=1)]
    brand: str
    role: BrandRole
    kind: IncidentKind
    severity: Annotated[int, Field(ge=1, le=5)]
    severity_parts: SeverityParts | None = None
    """What made it, when it was last raised."""
    reasons: Annotated[tuple[Reason, ...], Field(max_length=8)] = ()
    """Why it is of this kind, the deciding facts first."""
    state: IncidentState
    opened_at: UtcTime
    updated_at: UtcTime
    closed_at: UtcTime | None = None
    first_post: Quote
    """The earliest post of the thread or wave that the alarm is about."""
    totals: Numbers
    """Since the first counted bucket of the incident."""
    evidence: Evidence
    """The window that opened the incident, or the strongest since."""
    words: tuple[WordCount, ...] = ()
    quotes: tuple[Quote, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    owner: str | None = None
    silenced_until: UtcTime | None = None
    statement: str | None = None
    verdict: bool | None = None
    verdict_why: str | None = None
