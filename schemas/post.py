"""A post as a connector saw it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from schemas.record import PlainText, Record, UtcTime

__all__ = [
    "MAX_EVENT_AGE",
    "MAX_EVENT_AHEAD",
    "MAX_HASHTAGS",
    "MAX_TEXT",
    "Author",
    "Engagement",
    "Medium",
    "Post",
    "PostDraft",
    "PostId",
    "PostKind",
    "clamp_event_time",
]

PostKind = Literal["post", "repost", "comment", "reply", "article", "message", "review", "hot"]
"""``hot`` is one sighting of a topic on a hot-search board, not something a consumer said."""

Medium = Literal["image", "video", "audio", "file"]

PostId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}:[^\s\x00-\x1f]+$", max_length=128)]
"""``platform:native``. At most 128 characters, so that it fits Elasticsearch's 512 bytes."""

MAX_TEXT = 100_000
MAX_HASHTAGS = 1_000
MAX_EVENT_AGE = timedelta(days=30)
MAX_EVENT_AHEAD = timedelta(minutes=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s\x00-\x1f]+$", max_length=2_048)]
Count = Annotated[int, Field(ge=0, le=2**53)]


def clamp_event_time(published_at: datetime, observed_at: datetime) -> datetime:
    """The time at which a post counts: what the source says, within reason of when it was seen.

    A source's clock may be wrong and old posts may be found late; neither may move the windows in
    which a crisis is looked for. ``[observed_at - 30 d, observed_at + 5 min]``, within the years 1
    to 9999.
    """
    # Differences always fit; a sum beyond the first or the last year would overflow.
    if published_at - observed_at > MAX_EVENT_AHEAD:
        return observed_at + MAX_EVENT_AHEAD
    if observed_at - published_at > MAX_EVENT_AGE:
        return observed_at - MAX_EVENT_AGE
    return published_at


class Author(Record):
    """Who wrote it, as far as the platform says."""

    id: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
    """The platform's id of the account; unique within the platform."""
    name: Annotated[PlainText, Field(max_length=200)] | None = None
    followers: Count | None = None
    verified: bool | None = None


class Engagement(Record):
    """Public counters at the time of observation."""

    reposts: Count | None = None
    comments: Count | None = None
    likes: Count | None = None
    reads: Count | None = None
    rank: Annotated[int, Field(ge=1)] | None = None
    """Place on a hot-search board."""
    heat: Annotated[float, Field(ge=0)] | None = None
    """The board's own index; not a number of posts."""


class PostDraft(Record):
    """What a connector yields: a post before ingest stamped when it was observed."""

    bounded = True

    id: PostId
    platform: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")]
    kind: PostKind
    text: Annotated[PlainText, Field(max_length=MAX_TEXT)]
    title: Annotated[PlainText, Field(max_length=1_000)] | None = None
    author: Author
    published_at: UtcTime
    """What the source claims; never corrected."""
    parent_id: PostId | None = None
    """The post that this one reposts, answers or comments."""
    root_id: PostId | None = None
    """The post that started the thread; ``None`` when this is the root."""
    root_text: Annotated[PlainText, Field(max_length=MAX_TEXT)] | None = None
    """The root's text where the platform quotes it."""
    engagement: Engagement | None = None
    region: Annotated[PlainText, Field(max_length=100)] | None = None
    media: Annotated[tuple[Medium, ...], Field(min_length=1, max_length=4)] | None = None
    """What it shows besides text; only the kinds, never where they lie."""
    url: WebAddress | None = None
    source: Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*$")]
    """Name of the configured connector that saw it."""
    deleted: bool = False

    @model_validator(mode="after")
    def _check_draft(self) -> Self:
        if not self.id.startswith(self.platform + ":"):
            raise PydanticCustomError(
                "id_platform", "id must begin with the platform, as in 'weibo:4711'"
            )
        # A post of nothing but tags is a crawler's mistake or an attack on the word counts.
        if self.text.count("#") > MAX_HASHTAGS:
            raise PydanticCustomError(
                "too_many_hashtags",
                "text has more than {most} '#' signs",
                {"most": MAX_HASHTAGS},
            )
        return self


class Post(PostDraft):
    """A post as ingest wrote it to ``posts.raw``.

    ``event_at``, ``event_clamped`` and ``revision`` follow from the other fields; whatever a
    producer wrote there is overwritten, so every reader sees the same values.
    """

    observed_at: UtcTime
    """When Tingchao saw it; in a replay the recording's own clock."""
    event_at: UtcTime = _EPOCH
    """``clamp_event_time(published_at, observed_at)``: the time that windows count by."""
    event_clamped: bool = False
    """The source's time was out of reason: indexed, but not used for alarms."""
    revision: Annotated[int, Field(ge=0)] = 0
    """Version of this state of the post: ``observed_at`` in milliseconds since 1970; 0 before."""

    @model_validator(mode="after")
    def _derive(self) -> Self:
        event_at = clamp_event_time(self.published_at, self.observed_at)
        derived = self.__dict__  # the one place that writes a frozen record: before anyone sees it
        derived["event_at"] = event_at
        derived["event_clamped"] = event_at != self.published_at
        derived["revision"] = max(0, (self.observed_at - _EPOCH) // _MILLISECOND)
        return self

    @property
    def thread(self) -> str:
        """The thread's root id: key of ``posts.raw``, so that a thread stays in order."""
        return self.root_id or self.id
