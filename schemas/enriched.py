"""A post with everything that was found in it."""

from typing import Annotated, Literal

from pydantic import Field

from schemas.post import Post
from schemas.record import Record

__all__ = [
    "Aspect",
    "AuthorKind",
    "BrandRole",
    "BrandTag",
    "EnrichedPost",
    "Label",
    "Match",
    "Mood",
    "Sentiment",
    "Span",
    "TextField",
    "Tie",
]

TextField = Literal["text", "title", "root_text"]
BrandRole = Literal["own", "competitor", "industry"]
Mood = Literal["negative", "neutral", "positive"]
AuthorKind = Literal["person", "media", "official", "industry", "dealer", "brand", "staff", "bot"]
"""``official``: government, police, fire brigade, regulator; ``industry``: accounts of the trade
and self-media; ``brand``: a company's own account; ``staff``: employees; ``bot``: suspected."""
Tie = Literal["strong", "medium", "weak"]
Share = Annotated[float, Field(ge=0, le=1)]


class Span(Record):
    """Where something stands: [start, end) in code points of the field as received."""

    field: TextField = "text"
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=1)]


class Match(Record):
    """A rule that fired."""

    rule: str
    version: int
    """Version of the rule set that held the rule."""
    rule_set: str | None = None
    """Id of that set; none in records from before there were several."""
    words: tuple[str, ...]
    """The words that made it fire, sorted; of a pattern, what it found."""
    spans: tuple[Span, ...]


class BrandTag(Record):
    """A brand that the post speaks of."""

    brand: str
    role: BrandRole
    aliases: tuple[str, ...] = ()
    """The aliases that were found, sorted; empty when the brand comes from the thread's root."""
    spans: tuple[Span, ...] = ()
    inherited: bool = False
    """The name stands only in the quoted root text."""
    confidence: Share = 1.0
    """How sure it is that the brand is meant, not a namesake."""
    reason: str | None = None
    """Why: ``name``, ``model: 途观``, ``context: 发布会``, ``usual``, ``part: model-y``, ``author``
    or ``root``."""
    mood: Mood | None = None
    """Towards this brand; none: not judged."""
    mood_spans: tuple[Span, ...] = ()
    """The words that show it; empty where it is the post's mood."""


class Sentiment(Record):
    """Mood of the whole post; the three shares add up to 1."""

    label: Mood
    negative: Share
    neutral: Share
    positive: Share


class Label(Record):
    """A label with its score."""

    label: str
    score: Share


class Aspect(Record):
    """A product aspect, the mood towards it and the words that show it."""

    aspect: str
    mood: Mood
    spans: tuple[Span, ...] = ()
    brand: str | None = None
    """Whose, where the post speaks of one brand."""


class EnrichedPost(Post):
    """One line of ``posts.enriched``: public, what CRM systems consume."""

    matches: tuple[Match, ...] = ()
    brands: tuple[BrandTag, ...] = ()
    sentiment: Sentiment | None = None
    emotions: tuple[Label, ...] = ()
    aspects: tuple[Aspect, ...] = ()
    intents: tuple[Label, ...] = ()
    reasons: tuple[str, ...] = ()
    """Reasons of a complaint."""
    defects: tuple[str, ...] = ()
    """What is wrong with which part: ``变速箱:异响``; with fault codes: ``故障码:P0171``."""
    words: tuple[str, ...] = ()
    """Distinct content words, in order of appearance."""
    signature: str | None = None
    """Equal for copies of one text."""
    author_kind: AuthorKind | None = None
    author_reason: str | None = None
    """Why: ``account: qilan``, ``name: 晚报``, ``verified+name: 在线``, ``text: 欢迎到店`` or
    ``usual``."""
    sketch: str | None = None
    """Tells near copies of one text: 64 bins of a MinHash, in base64."""
    influence: Annotated[float, Field(ge=0)] | None = None
    """How far what the author says reaches, 0 to 100."""
    tie: Tie | None = None
    """How close those are who read this kind of post on this platform."""
    departments: tuple[str, ...] = ()
    root_news: Annotated[int, Field(ge=0)] | None = None
    """How often what its root names had changed when it was judged: orders judgements of one
    revision, of which the later one knows more."""
    models: dict[str, str] = Field(default_factory=dict)
    """Enricher name to the version that judged this post."""
