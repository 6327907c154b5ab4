"""What a person says is right about a text, where Tingchao said something else or nothing."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.enriched import Mood
from schemas.post import MAX_TEXT, PostId
from schemas.record import PlainText, Record, UtcTime

__all__ = [
    "MAX_CORRECTED_TEXT",
    "MAX_LABELS",
    "MOOD_LABELS",
    "SINGLE",
    "CorrectedField",
    "Correction",
    "Said",
]

CorrectedField = Literal["sentiment", "emotion", "intents", "aspects", "brands", "departments"]

SINGLE: frozenset[CorrectedField] = frozenset(("sentiment", "emotion"))
"""Fields with exactly one right label; the others have any number, none included."""

MOOD_LABELS: tuple[Mood, ...] = get_args(Mood)
"""Those of ``sentiment``."""

MAX_LABELS = 50
MAX_CORRECTED_TEXT = MAX_TEXT + 1_001
"""A post's title, a line break and its text."""

RightLabel = Annotated[str, Field(pattern=r"^[^\s,;|:\x00-\x1f]+(:[^\s,;|:\x00-\x1f]+)?$")]
"""A label, or a label and what holds of it, as in ``price:negative``."""
Labels = Annotated[
    tuple[Annotated[RightLabel, Field(max_length=100)], ...], Field(max_length=MAX_LABELS)
]


class Said(Record):
    """What Tingchao had said."""

    labels: Labels = ()
    model: Annotated[PlainText, Field(max_length=200)] | None = None
    """The version that said it."""


class Correction(Record):
    """One line of ``corrections``, key: ``id``; the newest line of an id holds.

    The text is kept, because models are trained on it, for as long as the correction stands; a
    withdrawn one keeps neither text nor labels.
    """

    id: Annotated[str, Field(pattern=r"^[0-9a-f]{24}$")]
    """The same for the same post (or, without one, text), field and person."""
    field: CorrectedField
    post_id: PostId | None = None
    platform: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")] | None = None
    text: Annotated[PlainText, Field(max_length=MAX_CORRECTED_TEXT)]
    """Title and text as they were judged."""
    labels: Labels
    """What is right: one of ``sentiment`` and ``emotion``; of the others all, or none."""
    said: Said | None = None
    """None where nobody asked."""
    by: Annotated[PlainText, Field(min_length=1, max_length=100)]
    at: UtcTime
    reason: Annotated[PlainText, Field(max_length=500)] | None = None
    deleted: bool = False
    """Withdrawn: ``by`` and ``at`` are those of the withdrawal."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.deleted:
            if self.text or self.labels or self.said or self.reason:
                raise _wrong("a withdrawn correction keeps no text, labels or reason")
        elif not self.text.strip():
            raise _wrong("a correction needs the text that was judged")
        elif self.field in SINGLE and len(self.labels) != 1:
            raise _wrong(f"{self.field} has exactly one right label")
        elif self.field == "sentiment" and self.labels[0] not in MOOD_LABELS:
            raise _wrong(f"sentiment is one of {', '.join(MOOD_LABELS)}")
        elif len(set(self.labels)) != len(self.labels):
            raise _wrong("a label stands twice")
        return self


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("correction", "{message}", {"message": message})
