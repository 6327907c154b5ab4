"""What a report shows of posts, authors, incidents and silent sources: no more than it needs.

Of people only the name that stands on their posts; with names left out neither that, nor an address
or id of a post, in which some platforms write who it is from.
"""

import re
from dataclasses import dataclass
from datetime import datetime

from schemas.enriched import AuthorKind, Mood
from schemas.incident import Incident, IncidentKind, IncidentState
from schemas.post import PostKind
from schemas.source_incident import SourceIncident
from schemas.source_status import Backfill, SourceTrouble
from sinks.report_posts import AuthorFigures, ShownPost
from sinks.wording import clean

__all__ = [
    "AuthorRow",
    "GapRow",
    "IncidentRow",
    "PostRow",
    "author_row",
    "gap_row",
    "incident_row",
    "link",
    "post_row",
]

_EXCERPT = 160
_ADDRESSED = re.compile(r"@[\w·.-]{1,40}")
_WEB = re.compile(r"https?://[^\s\x00-\x1f]+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class PostRow:
    """A post."""

    id: str | None
    platform: str
    kind: PostKind
    at: datetime
    author: str | None
    author_kind: AuthorKind | None
    mood: Mood | None
    """Towards the brand."""
    text: str
    answers: str | None
    """The beginning of the text that it stands under."""
    reposts: int | None
    comments: int | None
    likes: int | None
    copies: int
    """Other posts of the period with the same text."""
    url: str | None


@dataclass(frozen=True, slots=True)
class AuthorRow:
    """Who wrote, and how much."""

    author: str | None
    author_kind: AuthorKind | None
    platform: str
    followers: int | None
    influence: float | None
    posts: int
    engagement: int
    """Reposts, comments and likes of these posts."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """An incident that was open in the period, as it stands now."""

    id: str
    brand: str
    kind: IncidentKind
    severity: int
    state: IncidentState
    since: datetime
    closed_at: datetime | None
    voices: int
    negative: int
    copies: int
    minutes_to_acknowledgement: int | None
    """From the alarm to the first person who acknowledged it."""
    owner: str | None
    verdict: bool | None
    first_post: str
    first_at: datetime
    first_url: str | None


@dataclass(frozen=True, slots=True)
class GapRow:
    """When a source was not heard."""

    source: str
    trouble: SourceTrouble
    since: datetime
    until: datetime | None
    backfill: Backfill
    message: str


def post_row(shown: ShownPost, brand: str, show_names: bool) -> PostRow:
    """A post as a report shows it."""
    post, counters = shown.post, shown.post.engagement
    text = f"{post.title} {post.text}" if post.title else post.text
    return PostRow(
        id=post.id if show_names else None,
        platform=post.platform,
        kind=post.kind,
        at=post.event_at,
        author=_name(post.author.name, show_names),
        author_kind=post.author_kind,
        mood=next((tag.mood for tag in post.brands if tag.brand == brand), None),
        text=_excerpt(text, show_names),
        answers=_excerpt(post.root_text, show_names) if post.root_text else None,
        reposts=counters.reposts if counters else None,
        comments=counters.comments if counters else None,
        likes=counters.likes if counters else None,
        copies=shown.copies,
        url=link(post.url) if show_names else None,
    )


def author_row(author: AuthorFigures, show_names: bool) -> AuthorRow:
    """An author as a report shows him."""
    return AuthorRow(
        author=_name(author.name, show_names),
        author_kind=author.kind,
        platform=author.platform,
        followers=author.followers,
        influence=author.influence,
        posts=author.posts,
        engagement=author.engagement,
    )


def incident_row(incident: Incident, show_names: bool) -> IncidentRow:
    """An incident as a report shows it."""
    acknowledged = min(
        (step.at for step in incident.timeline if step.event == "acknowledged"), default=None
    )
    waited = None if acknowledged is None else acknowledged - incident.opened_at
    first = incident.first_post
    return IncidentRow(
        id=incident.id,
        brand=incident.brand,
        kind=incident.kind,
        severity=incident.severity,
        state=incident.state,
        since=incident.opened_at,
        closed_at=incident.closed_at,
        voices=incident.totals.voices,
        negative=incident.totals.negative,
        copies=incident.totals.copies,
        minutes_to_acknowledgement=None if waited is None else int(waited.total_seconds() // 60),
        owner=_name(incident.owner, show_names),
        verdict=incident.verdict,
        first_post=_excerpt(first.excerpt, show_names),
        first_at=first.at,
        first_url=link(first.url) if show_names else None,
    )


def gap_row(gap: SourceIncident) -> GapRow:
    """A silence as a report shows it."""
    return GapRow(
        source=clean(gap.source),
        trouble=gap.trouble,
        since=gap.gap_started_at,
        until=gap.gap_ended_at,
        backfill=gap.backfill,
        message=clean(gap.message),
    )


def link(url: str | None) -> str | None:
    """An address that may be clicked: of the web and nothing else."""
    return url if url is not None and _WEB.fullmatch(url) else None


def _name(name: str | None, show: bool) -> str | None:
    return (clean(name) or None) if name and show else None


def _excerpt(text: str, show_names: bool) -> str:
    if not show_names:  # before it is cut: half a name is a name, too
        text = _ADDRESSED.sub("@…", text)
    text = clean(text)
    return text if len(text) <= _EXCERPT else text[: _EXCERPT - 1] + "…"
