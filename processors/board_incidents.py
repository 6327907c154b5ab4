"""A crisis that hot-search boards tell, as an incident: its evidence is topics, not voices.

It lives with the others in the brand's state, so that commands, silence and calm are the same; its
numbers since the opening are those of the posts, its evidence the topics (``board_watch.py``).
Numbers of the evidence: ``mentions`` and ``voices`` are topics, ``negative`` those of trouble.

``severity`` is 2 (all see a board), plus one each from 4, 8 and 16 topics of trouble on; one
less where the brand is not one's own.
"""

from datetime import timedelta

from processors.board_watch import USUAL_DAYS, BoardRule, Boards, BoardsNow
from processors.brand_state import BrandState, Finding
from processors.incident_life import IncidentLife
from schemas.incident import (
    Baseline,
    Evidence,
    Incident,
    IncidentKind,
    Numbers,
    Quote,
    Reason,
    SeverityParts,
)
from schemas.signals import Mention

__all__ = ["RULE", "board_sighted"]

RULE = "boards.crisis"
_VERSION = 1
_MOST_POSTS = 50
_MOST_QUOTES = 5
_STEPS = (4, 8, 16)


def board_sighted(
    rule: BoardRule, life: IncidentLife, state: BrandState, mention: Mention, number: int
) -> list[Incident]:
    """Take a sighting in; the incident that it opens or makes worse."""
    boards = state.boards
    if not rule.sighted(boards, mention):
        return []
    boards.held_at = boards.newest
    case = next((open for open in state.cases if open.finding.measured == "topics"), None)
    now = rule.now(boards)
    parts = _parts(now, apart=state.role != "own")
    if case is None:
        if _closed_by_hand(state, number):
            return []
        return [_opened(rule, life, state, mention, number, parts)]
    case.last_exceeded = max(case.last_exceeded, number)
    if parts.severity <= case.incident.severity:
        return []
    changes = {
        "severity": parts.severity,
        "severity_parts": parts,
        "reasons": _reasons(now),
        "evidence": _evidence(rule, boards, now),
        "quotes": _quotes(boards),
    }
    return [life.grown(state, case, mention.event_at, changes)]


def _opened(
    rule: BoardRule,
    life: IncidentLife,
    state: BrandState,
    mention: Mention,
    number: int,
    parts: SeverityParts,
) -> Incident:
    boards, now = state.boards, rule.now(state.boards)
    kind: IncidentKind = "crisis" if state.role == "own" else "competitor_crisis"
    quotes = _quotes(boards)
    finding = Finding(
        kind=kind,
        rule=RULE,
        rule_version=_VERSION,
        measured="topics",
        floor=1,
        threshold=rule.least_trouble,
    )
    return life.open_with(
        state,
        finding,
        number,
        at=mention.event_at,
        first=quotes[0],
        severity=parts.severity,
        changes={
            "severity_parts": parts,
            "reasons": _reasons(now),
            "evidence": _evidence(rule, boards, now),
            "quotes": quotes,
        },
    )


def _closed_by_hand(state: BrandState, number: int) -> bool:
    """A person closed it while it was going on, and it still goes on."""
    for case in state.past:
        if case.closed_by_hand and case.finding.measured == "topics":
            # Boards are looked at every few minutes: a day without trouble is another crisis.
            if number - case.last_exceeded <= 24 * 60 // state.bucket_minutes:
                case.last_exceeded = max(case.last_exceeded, number)
                return True
    return False


def _parts(now: BoardsNow, *, apart: bool) -> SeverityParts:
    size = 1 + sum(now.troubled >= step for step in _STEPS)
    return SeverityParts(size=size, apart=int(apart))


def _reasons(now: BoardsNow) -> tuple[Reason, ...]:
    return (Reason(fact="topics", count=now.troubled, of=now.topics, usual=now.usual),)


def _evidence(rule: BoardRule, boards: Boards, now: BoardsNow) -> Evidence:
    end = boards.newest
    if end is None:
        raise ValueError("boards that showed nothing are no evidence")
    platforms: dict[str, int] = {}
    for topic in boards.topics.values():
        platforms[topic.platform] = platforms.get(topic.platform, 0) + 1
    return Evidence(
        rule=RULE,
        rule_version=_VERSION,
        window_start=end - timedelta(hours=rule.window_hours),
        window_end=end,
        numbers=Numbers(
            mentions=now.topics,
            voices=now.topics,
            negative=now.troubled,
            positive=now.positive,
            copies=0,
            platforms=dict(sorted(platforms.items())),
        ),
        measured="topics",
        baseline=Baseline(median=now.usual, spread=1.0, buckets=USUAL_DAYS, days=USUAL_DAYS),
        score=now.trouble,
        threshold=rule.least_trouble,
        posts=tuple(topic.post_id for _, topic in boards.troubled()[:_MOST_POSTS]),
    )


def _quotes(boards: Boards) -> tuple[Quote, ...]:
    """The topics of trouble, the first seen first."""
    return tuple(
        Quote(
            post_id=topic.post_id,
            platform=topic.platform,
            kind="hot",
            at=topic.first_at,
            excerpt=title,
            url=topic.url,
        )
        for title, topic in boards.troubled()[:_MOST_QUOTES]
    )
