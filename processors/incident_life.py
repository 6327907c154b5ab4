"""The life of an incident: suspected, confirmed, handled, closed; every step is a new revision.

A revision is made only when something changed that a person should know: opened, confirmed, more
severe, twice the voices, the peak is over, closed, or a command was obeyed. Its times are event
times and times of commands. Its numbers are recounted at that moment: ``totals`` from the opening
bucket on, an author once in each bucket; ``evidence`` is the strongest window so far.

``severity`` is a sum of parts (``processors/severity.py``), the highest that a window reached: it
never falls. ``severity_parts`` and ``reasons`` are those of the newest such window.

Delivery: the id follows from brand, kind, rule and opening bucket, so a replay gives the same
bytes. A command is obeyed once, however often it is delivered (the last 64 ids are known).
Limits: the last eight closed incidents of a brand, for seven days, can still be named by a command.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from processors.brand_state import BrandState, Case, Finding
from processors.buckets import Bucket
from processors.canonical import hash64
from processors.evidence import (
    evidence_of,
    first_post,
    recount,
    sample_of,
    start_of,
    total_voices,
)
from processors.kinds import reasons
from processors.severity import severity_of
from schemas.enriched import BrandRole
from schemas.incident import Incident, Quote, SeverityParts, TimelineEntry, TimelineEvent
from schemas.signals import Command

__all__ = ["IncidentLife"]

MAX_TIMELINE = 50
MAX_PAST = 8
PAST_AGE = timedelta(days=7)
MAX_COMMANDS = 64
CONFIRMED_SEVERITY = 3
"""So severe that no second bucket is waited for."""


class IncidentLife:
    """Opens, revises and closes the incidents in a brand's state."""

    def __init__(self, close_after: timedelta) -> None:
        self._close_after = close_after

    def open(self, state: BrandState, finding: Finding, number: int) -> Incident:
        """A bucket stands out and no incident of its kind is open."""
        bucket = state.buckets[number]
        evidence = evidence_of(finding, number, bucket, state.bucket_minutes)
        first, thread = first_post(state, finding, number)
        at = bucket.newest
        incident = Incident(
            id=_incident_id(state.brand, finding, evidence.window_start),
            revision=1,
            brand=state.brand,
            role=state.role,
            kind=finding.kind,
            severity=_severity(finding, bucket, state.role),
            state="suspected",
            opened_at=at,
            updated_at=at,
            first_post=first,
            totals=evidence.numbers,
            evidence=evidence,
            timeline=(
                TimelineEntry(at=first.at, event="first_post", revision=1),
                TimelineEntry(at=at, event="opened", voices=bucket.tally.voices, revision=1),
            ),
        )
        case = Case(
            finding=finding,
            incident=incident,
            opening=number,
            last_exceeded=number,
            thread=thread,
        )
        case.incident = incident.model_copy(
            update=recount(state, case) | _judgement(finding, bucket, state.role)
        )
        state.cases.append(case)
        return case.incident

    def escalate(self, state: BrandState, case: Case, finding: Finding, number: int) -> Incident:
        """An open incident turns out to be a worse thing: it goes on under the new name."""
        bucket = state.buckets[number]
        case.finding = finding
        case.last_exceeded = max(case.last_exceeded, number)
        judged = _judgement(finding, bucket, state.role)
        severity = max(case.incident.severity, _severity(finding, bucket, state.role))
        changes = {"kind": finding.kind, "severity": severity, **judged}
        return _revise(state, case, bucket.newest, ["grown"], changes)

    def open_with(
        self,
        state: BrandState,
        finding: Finding,
        number: int,
        *,
        at: datetime,
        first: Quote,
        severity: int,
        changes: Mapping[str, Any],
    ) -> Incident:
        """An incident whose evidence does not come from a bucket; ``changes`` hold it."""
        start = start_of(number, state.bucket_minutes)
        case = Case(
            finding=finding,
            incident=Incident(
                id=_incident_id(state.brand, finding, start),
                revision=1,
                brand=state.brand,
                role=state.role,
                kind=finding.kind,
                severity=severity,
                state="suspected",
                opened_at=at,
                updated_at=at,
                first_post=first,
                totals=changes["evidence"].numbers,
                timeline=(
                    TimelineEntry(at=first.at, event="first_post", revision=1),
                    TimelineEntry(at=at, event="opened", revision=1),
                ),
                **changes,
            ),
            opening=number,
            last_exceeded=number,
        )
        case.incident = case.incident.model_copy(update=recount(state, case))
        state.cases.append(case)
        return case.incident

    def grown(
        self, state: BrandState, case: Case, at: datetime, changes: Mapping[str, Any]
    ) -> Incident:
        """An incident of ``open_with`` became worse."""
        return _revise(state, case, at, ["grown"], dict(changes))

    def heard(self, state: BrandState, number: int) -> list[Incident]:
        """A mention was counted into an open bucket: revise the incidents that it changed."""
        revised = []
        for case in state.cases:
            if number >= case.opening:
                revised += self._hear(state, case, number)
        return revised

    def bucket_closed(
        self, state: BrandState, number: int, bucket: Bucket | None
    ) -> list[Incident]:
        """Bucket ``number`` is over and was taken out of the state; ``None``: nobody spoke."""
        end = start_of(number + 1, state.bucket_minutes)
        if bucket is not None:
            for case in (*state.past, *state.cases):
                if number >= case.opening:
                    _fold(case, number, bucket, state.bucket_minutes)
        state.past = [case for case in state.past if _still_named(case, end)]
        revised = []
        for case in list(state.cases):
            revised += self._pass_time(state, case, end)
        return revised

    def command(self, state: BrandState, command: Command) -> list[Incident]:
        """Obey a command about an incident; one that can't be obeyed is counted and left."""
        key = hash64("command", command.id)
        if key in state.seen_commands:
            state.counters.repeated_commands += 1
            return []
        state.seen_commands = [*state.seen_commands, key][-MAX_COMMANDS:]
        if command.action == "alarm_rule":
            state.counters.refused_commands += 1
            return []
        cases = (*state.cases, *state.past)
        case = next((known for known in cases if known.incident.id == command.incident_id), None)
        if case is None:
            state.counters.unknown_incidents += 1
            return []
        return self._obey(state, case, command)

    def _hear(self, state: BrandState, case: Case, number: int) -> list[Incident]:
        bucket, before = state.buckets[number], case.incident
        events: list[TimelineEvent] = []
        changes: dict[str, object] = {}
        severity = before.severity
        if case.finding.holds(bucket):
            case.last_exceeded = max(case.last_exceeded, number)
            severity = max(severity, _severity(case.finding, bucket, state.role))
            if severity > before.severity:
                changes |= _judgement(case.finding, bucket, state.role)
            sure = number > case.opening or severity >= CONFIRMED_SEVERITY
            if sure and before.state == "suspected":
                changes["state"] = "confirmed"
                events.append("confirmed")
        if severity > before.severity or total_voices(state, case) >= 2 * before.totals.voices > 0:
            changes["severity"] = severity
            events.append("grown")
        return [_revise(state, case, bucket.newest, events, changes)] if events else []

    def _pass_time(self, state: BrandState, case: Case, end: datetime) -> list[Incident]:
        calm_since = start_of(case.last_exceeded + 1, state.bucket_minutes)
        if end - calm_since >= self._close_after:
            _put_away(state, case)
            return [_revise(state, case, end, ["closed"], {"state": "closed", "closed_at": end})]
        peak = case.strongest
        if peak is None or case.peak_told or peak.window_end >= end:
            return []
        case.peak_told = True
        return [_revise(state, case, end, ["peak"], {})]

    def _obey(self, state: BrandState, case: Case, command: Command) -> list[Incident]:
        at = max(command.at, case.incident.updated_at)
        step = _step(state, case, command, at)
        if step is None:
            state.counters.refused_commands += 1
            return []
        event, changes = step
        if event == "closed":
            case.closed_by_hand = True
            _put_away(state, case)
        elif event == "reopened":
            _take_up(state, case)
        state.counters.commands += 1
        return [_revise(state, case, at, [event], changes, by=command.by, note=command.value)]


def _step(
    state: BrandState, case: Case, command: Command, at: datetime
) -> tuple[TimelineEvent, dict[str, object]] | None:
    """What the command changes; ``None`` when it makes no sense for this incident."""
    now, value = case.incident.state, command.value
    match command.action:
        case "acknowledge" if now in ("suspected", "confirmed"):
            return "acknowledged", {"state": "handled"}
        case "assign":
            return "assigned", {"owner": value}
        case "silence":
            return "silenced", {"silenced_until": command.until}
        case "statement" if value:
            return "statement", {"statement": value}
        case "verdict" if value in ("true", "false"):
            return "verdict", {"verdict": value == "true"}
        case "close" if now != "closed":
            return "closed", {"state": "closed", "closed_at": at}
        case "reopen" if now == "handled" or (now == "closed" and not _replaced(state, case)):
            return "reopened", {"state": "confirmed", "closed_at": None}
    return None


def _revise(
    state: BrandState,
    case: Case,
    at: datetime,
    events: list[TimelineEvent],
    changes: dict[str, object],
    *,
    by: str | None = None,
    note: str | None = None,
) -> Incident:
    before = case.incident
    at = max(at, before.updated_at)
    # The numbers of a closed incident stay as they were; only closing and reopening count anew.
    fresh = before.state != "closed" or "state" in changes
    counted = before.model_copy(update=recount(state, case)) if fresh else before
    revision = before.revision + 1
    voices = counted.totals.voices
    steps = tuple(
        TimelineEntry(at=at, event=event, by=by, note=note, voices=voices, revision=revision)
        for event in events
    )
    case.incident = counted.model_copy(
        update={
            **changes,
            "revision": revision,
            "updated_at": at,
            "timeline": _bounded((*_begun(before.timeline, counted.first_post), *steps)),
        }
    )
    return case.incident


def _begun(timeline: tuple[TimelineEntry, ...], first: Quote) -> tuple[TimelineEntry, ...]:
    """The timeline with the first post's time as it is known now."""
    return tuple(
        entry.replaced(at=first.at) if entry.event == "first_post" else entry for entry in timeline
    )


def _fold(case: Case, number: int, bucket: Bucket, bucket_minutes: int) -> None:
    """Keep of a closed bucket what later revisions show."""
    case.tally.add(bucket.tally)
    if case.incident.state == "closed":
        return
    case.sample.merge(sample_of(bucket, case.finding.kind))
    if bucket.normal is not None and case.finding.measured != "topics":
        window = evidence_of(case.finding, number, bucket, bucket_minutes)
        if case.strongest is None or window.score > case.strongest.score:
            case.strongest, case.peak_told = window, False


def _severity(finding: Finding, bucket: Bucket, role: BrandRole) -> int:
    return _parts(finding, bucket, role).severity


def _parts(finding: Finding, bucket: Bucket, role: BrandRole) -> SeverityParts:
    return severity_of(finding.kind, bucket.facts(role), finding.excess(bucket), finding.floor)


def _judgement(finding: Finding, bucket: Bucket, role: BrandRole) -> dict[str, object]:
    """How bad it is, and why it is what it is, by one window."""
    excess = finding.excess(bucket)
    return {
        "severity_parts": _parts(finding, bucket, role),
        "reasons": reasons(finding.kind, bucket.facts(role), excess, finding.floor),
    }


def _incident_id(brand: str, finding: Finding, opening: datetime) -> str:
    key = "\x1f".join((brand, finding.kind, finding.rule, opening.isoformat()))
    return sha256(key.encode()).hexdigest()[:16]


def _bounded(timeline: tuple[TimelineEntry, ...]) -> tuple[TimelineEntry, ...]:
    """How it began, and the newest steps."""
    if len(timeline) <= MAX_TIMELINE:
        return timeline
    return (*timeline[:2], *timeline[-(MAX_TIMELINE - 2) :])


def _still_named(case: Case, now: datetime) -> bool:
    return now - case.incident.updated_at <= PAST_AGE


def _replaced(state: BrandState, case: Case) -> bool:
    return any(other.finding.kind == case.finding.kind for other in state.cases)


def _put_away(state: BrandState, case: Case) -> None:
    state.cases = [other for other in state.cases if other is not case]
    state.past = [*state.past, case][-MAX_PAST:]


def _take_up(state: BrandState, case: Case) -> None:
    state.past = [other for other in state.past if other is not case]
    if not any(other is case for other in state.cases):
        state.cases.append(case)
    case.closed_by_hand = False
    # Calm is counted from the reopening on, or it would be closed again at once.
    case.last_exceeded = max(case.last_exceeded, (state.closed_before or 0))
