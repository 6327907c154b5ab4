"""From the gaps of a source to its incidents: a function of the SourceGap lines alone."""

from schemas.checkpoint import KnownGap
from schemas.signals import SourceGap
from schemas.source_incident import SourceIncident
from schemas.source_status import SourceTrouble

__all__ = ["known_gap", "severity", "source_incident"]

_SEVERITY: dict[SourceTrouble, int] = {
    # Nothing comes until a person acts.
    "login": 3,
    "forbidden": 3,
    "captcha": 3,
    "format": 3,
    "gone": 3,
    "settings": 3,
    "stalled": 3,
    # It may heal by itself, or be no failure at all.
    "quota": 2,
    "unreachable": 2,
    "server": 2,
    "silent": 2,
    "unheard": 2,
}


def severity(trouble: SourceTrouble) -> int:
    """How bad it is, of 5."""
    return _SEVERITY[trouble]


def source_incident(gap: SourceGap, before: KnownGap | None) -> SourceIncident | None:
    """The revision that a line brings; ``None`` when it says nothing new.

    Lines may repeat and come in any order. A gap that is told only when it is over has a single
    revision, which is closed.
    """
    if before is not None:
        worse = severity(gap.trouble) > before.severity
        if before.ended_at is not None or (gap.ended_at is None and not worse):
            return None
    return SourceIncident(
        id=f"source-{gap.source}-{gap.started_at:%Y%m%dT%H%M%S}",
        revision=1 if before is None else before.revision + 1,
        source=gap.source,
        connector=gap.platform,
        trouble=gap.trouble,
        severity=severity(gap.trouble),
        state="confirmed" if gap.ended_at is None else "closed",
        opened_at=gap.at if before is None else before.opened_at,
        updated_at=gap.at,
        closed_at=None if gap.ended_at is None else gap.at,
        gap_started_at=gap.started_at,
        gap_ended_at=gap.ended_at,
        message=gap.reason,
        backfill=gap.backfill,
    )


def known_gap(gap: SourceGap, before: KnownGap | None) -> KnownGap:
    """What is known of a gap after one more line about it."""
    told = source_incident(gap, before)
    if before is None or told is not None:
        return KnownGap(
            source=gap.source,
            started_at=gap.started_at,
            opened_at=before.opened_at if before else gap.at,
            revision=before.revision + 1 if before else 1,
            severity=severity(gap.trouble),
            ended_at=gap.ended_at,
        )
    return before if gap.ended_at is None else before.replaced(ended_at=gap.ended_at)
