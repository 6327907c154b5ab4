"""The life of an incident: suspected, confirmed, handled, closed; every step is a new revision.

::

    suspected ──▶ confirmed ──▶ handled ──▶ closed ──▶ (reopened) confirmed
        │  another bucket,   acknowledge    close, or calm     reopen, or the same wave
        │  or severity 3                    for so long        flares up soon after

A revision is made only when something changed that a person should know: opened, confirmed, more
severe, twice the voices, taken up by a medium, amplified, the peak is over, closed, a silence that
ended too early, or a command was obeyed. Its times are event times and times of commands. Its
numbers are recounted at that moment: ``totals`` from the opening bucket on, an author once in each
bucket; ``evidence`` is the strongest window so far.

**One crisis is one incident.** A bucket that stands out while an incident of its kind is open goes
on with that one, unless it is about another topic (``processors/topic.py``): that opens its own,
and each counts its own buckets. A bucket that stands out within ``reopen_within_hours`` after an
incident of its kind and topic was closed by calm reopens that one, with its owner and its past.
What a person closed is not reopened by itself.

**A silence** keeps people from being told, not the incident from going on. When it is over and the
wave still stands out, or something happened meanwhile that would have been told, one step
``unsilenced`` says so: at the first post behind its end, or when the bucket of its end is closed.

**The timeline** is in order of time: ``second_voice`` (own words of another author), ``media`` (a
medium or an authority, once), ``amplified`` (a thread of another post that brought a quarter of all
mentions, ten at least; five such posts at most), and all steps of the incident itself.

``severity`` is a sum of parts (``processors/severity.py``), the highest that a window reached: it
never falls. ``severity_parts`` and ``reasons`` are those of the newest such window.

Delivery: the id follows from brand, kind, rule and opening bucket, so a replay gives the same
bytes. A command is obeyed once, however often it is delivered (the last 64 ids are known).
Limits: the last eight closed incidents of a brand, for seven days, can still be named by a command
or flare up again. A boosting repost inside the first post's own thread is no amplifier here: watch
does not know who reposted from whom (``tingchao spread`` does).
"""

from collections.abc import Collection, Iterable, Mapping
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
from processors.topic import learn_words, same_topic
from processors.trail import MEDIA_KINDS, Mark, Trail, mark
from schemas.enriched import BrandRole
from schemas.incident import (
    BLAMING,
    Incident,
    IncidentKind,
    Quote,
    SeverityParts,
    TimelineEntry,
    TimelineEvent,
)
from schemas.signals import Command, Mention

__all__ = ["IncidentLife"]

MAX_TIMELINE = 50
_HEAD = 4
MAX_PAST = 8
PAST_AGE = timedelta(days=7)
MAX_COMMANDS = 64
MAX_AMPLIFIERS = 5
AMPLIFIED_MENTIONS = 10
AMPLIFIED_PART = 4
"""A thread with one of so many of an incident's mentions amplifies it."""
CONFIRMED_SEVERITY = 3
"""So severe that no second bucket is waited for."""


class IncidentLife:
    """Opens, revises and closes the incidents in a brand's state."""

    def __init__(self, close_after: timedelta, reopen_within: timedelta = timedelta(0)) -> None:
        self._close_after = close_after
        self._reopen_within = reopen_within

    def blocked(
        self, state: BrandState, finding: Finding, number: int, by: Collection[IncidentKind]
    ) -> bool:
        """Whether an open incident already tells what the bucket shows."""
        for case in state.cases:
            if case.finding.measured == "topics":
                continue  # headlines and posts are told apart
            if case.finding.kind != finding.kind:
                if case.finding.kind in by:
                    return True
            elif case.opening == number or number not in case.foreign:
                return True
        return False

    def open(self, state: BrandState, finding: Finding, number: int) -> Incident:
        """A bucket stands out and no open incident tells it: a new one, or a closed one again."""
        bucket = state.buckets[number]
        evidence = evidence_of(finding, number, bucket, state.bucket_minutes)
        first, thread = first_post(state, finding, number)
        at = bucket.newest
        again = self._flares_up(state, finding, number, thread)
        if again is not None:
            return self._reopen(state, again, number)
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
            timeline=_in_order(
                TimelineEntry(
                    at=first.at,
                    event="first_post",
                    by=first.author_name,
                    post_id=first.post_id,
                    revision=1,
                ),
                *_beginnings(_trail_of(state, finding, number, first, thread), first),
                TimelineEntry(at=at, event="opened", voices=bucket.tally.voices, revision=1),
            ),
        )
        case = Case(
            finding=finding,
            incident=incident,
            opening=number,
            last_exceeded=number,
            thread=thread,
            media_told=any(entry.event == "media" for entry in incident.timeline),
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

    def heard(self, state: BrandState, number: int, mention: Mention) -> list[Incident]:
        """A mention was counted into an open bucket: revise the incidents that it changed."""
        revised = []
        for case in state.cases:
            if number >= case.opening and not _is_foreign(state, case, number):
                revised += self._hear(state, case, number, mention)
        return revised

    def bucket_closed(
        self, state: BrandState, number: int, bucket: Bucket | None
    ) -> list[Incident]:
        """Bucket ``number`` is over and was taken out of the state; ``None``: nobody spoke."""
        end = start_of(number + 1, state.bucket_minutes)
        if bucket is not None:
            if not state.cases:
                learn_words(state, bucket.tally)
            for case in (*state.past, *state.cases):
                if number >= case.opening and number not in case.foreign:
                    _fold(case, number, bucket, state.bucket_minutes)
                case.foreign = [other for other in case.foreign if other > number]
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

    def _flares_up(
        self, state: BrandState, finding: Finding, number: int, thread: str | None
    ) -> Case | None:
        """The incident that was closed by calm and goes on with this bucket: the newest such."""
        bucket = state.buckets[number]
        for case in reversed(state.past):
            closed_at = case.incident.closed_at
            if (
                case.finding.kind == finding.kind
                and case.finding.measured != "topics"
                and not case.closed_by_hand
                and number >= case.opening
                and closed_at is not None
                and bucket.newest - closed_at <= self._reopen_within
                and same_topic(state, case, number, thread)
            ):
                return case
        return None

    def _reopen(self, state: BrandState, case: Case, number: int) -> Incident:
        bucket = state.buckets[number]
        _take_up(state, case)
        case.last_exceeded = max(case.last_exceeded, number)
        severity = max(case.incident.severity, _severity(case.finding, bucket, state.role))
        changes: dict[str, object] = {
            "state": "confirmed",
            "closed_at": None,
            "severity": severity,
        }
        _hold_back(case, bucket.newest)
        return _revise(state, case, bucket.newest, ["reopened"], changes)

    def _hear(self, state: BrandState, case: Case, number: int, mention: Mention) -> list[Incident]:
        bucket, before = state.buckets[number], case.incident
        events: list[TimelineEvent] = []
        changes: dict[str, object] = {}
        posts: list[TimelineEntry] = []
        severity = before.severity
        stands_out = case.finding.holds(bucket)
        if stands_out:
            case.last_exceeded = max(case.last_exceeded, number)
            severity = max(severity, _severity(case.finding, bucket, state.role))
            if severity > before.severity:
                changes |= _judgement(case.finding, bucket, state.role)
            sure = number > case.opening or severity >= CONFIRMED_SEVERITY
            if sure and before.state == "suspected":
                changes["state"] = "confirmed"
                events.append("confirmed")
        if severity > before.severity or total_voices(state, case) >= 2 * _told_voices(before) > 0:
            changes["severity"] = severity
            events.append("grown")
        posts = [*_taken_up(case, mention), *_amplified(state, case, mention)]
        if events or any(entry.event == "media" for entry in posts):
            _hold_back(case, mention.event_at)
        if _is_silence_over(case, mention.event_at, stands_out):
            events.append("unsilenced")
            changes["silenced_until"] = None
        if not events and not posts:
            return []
        return [_revise(state, case, bucket.newest, events, changes, posts=posts)]

    def _pass_time(self, state: BrandState, case: Case, end: datetime) -> list[Incident]:
        calm_since = start_of(case.last_exceeded + 1, state.bucket_minutes)
        if end - calm_since >= self._close_after:
            _put_away(state, case)
            return [_revise(state, case, end, ["closed"], {"state": "closed", "closed_at": end})]
        events: list[TimelineEvent] = []
        changes: dict[str, object] = {}
        peak = case.strongest
        if peak is not None and not case.peak_told and peak.window_end < end:
            case.peak_told = True
            events.append("peak")
        if _is_silence_over(case, end, stands_out=False):
            events.append("unsilenced")
            changes["silenced_until"] = None
        return [_revise(state, case, end, events, changes)] if events else []

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
        elif event == "silenced":
            case.held_back = False
        state.counters.commands += 1
        return [_revise(state, case, at, [event], changes, command=command)]


def _step(
    state: BrandState, case: Case, command: Command, at: datetime
) -> tuple[TimelineEvent, dict[str, object]] | None:
    """What the command changes; ``None`` when it makes no sense for this incident."""
    now, value = case.incident.state, command.value
    match command.action:
        case "acknowledge" if now in ("suspected", "confirmed"):
            owner = case.incident.owner or command.by
            return "acknowledged", {"state": "handled", "owner": owner}
        case "assign":
            return "assigned", {"owner": value}
        case "silence":
            return "silenced", {"silenced_until": command.until}
        case "statement" if value:
            return "statement", {"statement": value}
        case "verdict" if value in ("true", "false"):
            return "verdict", {"verdict": value == "true", "verdict_why": command.why}
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
    posts: Iterable[TimelineEntry] = (),
    command: Command | None = None,
) -> Incident:
    before = case.incident
    at = max(at, before.updated_at)
    # The numbers of a closed incident stay as they were; only closing and reopening count anew.
    fresh = before.state != "closed" or "state" in changes
    counted = before.model_copy(update=recount(state, case)) if fresh else before
    revision = before.revision + 1
    voices = counted.totals.voices
    steps = tuple(
        TimelineEntry(at=at, event=event, voices=voices, revision=revision) for event in events
    )
    if command is not None:
        steps = tuple(_by_command(step, command) for step in steps)
    named = (entry.replaced(revision=revision) for entry in posts)
    case.incident = counted.model_copy(
        update={
            **changes,
            "revision": revision,
            "updated_at": at,
            "timeline": _bounded(
                _in_order(*_begun(state, case, counted.first_post), *named, *steps)
            ),
        }
    )
    return case.incident


def _by_command(step: TimelineEntry, command: Command) -> TimelineEntry:
    at = step.at
    if command.made_at is not None and command.action == "statement":
        at = min(command.made_at, at)
    return step.replaced(
        at=at, by=command.by, note=command.why or command.value, command=command.id
    )


def _begun(state: BrandState, case: Case, first: Quote) -> Iterable[TimelineEntry]:
    """The timeline with the first post, and who came second, as they are known now."""
    timeline = case.incident.timeline
    if first.post_id == case.incident.first_post.post_id:
        return timeline
    # An earlier post of the thread has come: who spoke second is seen from there.
    thread = state.threads.get(case.thread) if case.thread is not None else None
    second = thread.trail.other_than(first.post_id) if thread is not None else None
    posts = {"first_post": (first.at, first.author_name, first.post_id)}
    if second is not None:
        posts["second_voice"] = (second.at, second.name, second.post_id)
    return tuple(
        entry.replaced(
            at=posts[entry.event][0], by=posts[entry.event][1], post_id=posts[entry.event][2]
        )
        if entry.event in posts
        else entry
        for entry in timeline
    )


def _trail_of(
    state: BrandState, finding: Finding, number: int, first: Quote, thread: str | None
) -> Trail:
    """Who came first and second where the wave began: its thread, its word, or its window."""
    bucket = state.buckets[number]
    if thread is not None:
        return state.threads[thread].trail
    if finding.kind in BLAMING:
        for word, opener in sorted(bucket.openers.items()):
            if opener.post_id == first.post_id:
                return bucket.trails[word]
    return sample_of(bucket, finding.kind).trail


def _beginnings(trail: Trail, first: Quote) -> Iterable[TimelineEntry]:
    second = trail.other_than(first.post_id)
    if second is not None:
        yield _of_post("second_voice", second, 1)
    if trail.media is not None and trail.media.post_id != first.post_id:
        yield _of_post("media", trail.media, 1)


def _taken_up(case: Case, mention: Mention) -> Iterable[TimelineEntry]:
    """The mention, if it is the first of a medium or an authority about this."""
    if mention.author_kind not in MEDIA_KINDS or not _concerns(case, mention):
        return
    incident = case.incident
    if mention.post_id == incident.first_post.post_id:
        return
    if not case.media_told:
        case.media_told = True
        yield _of_post("media", mark(mention))


def _amplified(state: BrandState, case: Case, mention: Mention) -> Iterable[TimelineEntry]:
    """The root of the mention's thread, if it brought a large share of the incident."""
    root = mention.root_id
    thread = state.threads.get(root)
    if thread is None or root == case.thread or thread.first.post_id != root:
        return
    if root == case.incident.first_post.post_id or root in case.amplifiers:
        return
    if sum(counts[0] for counts in thread.windows.values()) < AMPLIFIED_MENTIONS:
        return  # nearly all: asked for every mention of an open incident
    if len(case.amplifiers) >= MAX_AMPLIFIERS:
        return
    buckets = dict(state.open_for(case))
    brought = sum(counts[0] for number, counts in thread.windows.items() if number in buckets)
    mentions = sum(bucket.tally.mentions for bucket in buckets.values())
    if brought < AMPLIFIED_MENTIONS or brought * AMPLIFIED_PART < mentions:
        return
    case.amplifiers.append(root)
    first = thread.first
    yield TimelineEntry(
        at=first.at,
        event="amplified",
        by=first.author_name,
        note=f"{brought}/{mentions}",
        post_id=root,
    )


def _concerns(case: Case, mention: Mention) -> bool:
    """Whether a post is about the incident: in its thread, or with one of its words."""
    words = {one.word for one in case.incident.words}
    return mention.root_id == case.thread or not words or not words.isdisjoint(mention.matches)


def _of_post(event: TimelineEvent, post: Mark, revision: int | None = None) -> TimelineEntry:
    return TimelineEntry(
        at=post.at, event=event, by=post.name, post_id=post.post_id, revision=revision
    )


def _is_foreign(state: BrandState, case: Case, number: int) -> bool:
    """Whether the bucket is about another topic, and so not this incident's.

    Once it is, it stays: an incident never counts a part of a bucket.
    """
    if number in case.foreign:
        return True
    bucket = state.buckets[number]
    if number <= case.last_exceeded or not case.finding.holds(bucket):
        return False
    if same_topic(state, case, number):
        return False
    case.foreign.append(number)
    return True


def _hold_back(case: Case, at: datetime) -> None:
    """Remember what a silence keeps from people."""
    until = case.incident.silenced_until
    if until is not None and at < until:
        case.held_back = True


def _is_silence_over(case: Case, now: datetime, stands_out: bool) -> bool:
    """Whether a silence ended before the wave did."""
    until = case.incident.silenced_until
    return until is not None and until <= now and (case.held_back or stands_out)


def _told_voices(incident: Incident) -> int:
    """How many voices there were when growth was told last."""
    told = [entry.voices for entry in incident.timeline if entry.event in _COUNTED]
    return max((voices for voices in told if voices is not None), default=incident.totals.voices)


_COUNTED = frozenset({"opened", "confirmed", "grown", "reopened", "unsilenced"})


def _in_order(*entries: TimelineEntry) -> tuple[TimelineEntry, ...]:
    """By time; at one time as they came."""
    return tuple(sorted(entries, key=lambda entry: entry.at))


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
    return (*timeline[:_HEAD], *timeline[-(MAX_TIMELINE - _HEAD) :])


def _still_named(case: Case, now: datetime) -> bool:
    return now - case.incident.updated_at <= PAST_AGE


def _replaced(state: BrandState, case: Case) -> bool:
    return any(_alike(other.finding, case.finding) for other in state.cases)


def _alike(one: Finding, other: Finding) -> bool:
    """The same kind, and both from posts or both from headlines."""
    return one.kind == other.kind and (one.measured == "topics") == (other.measured == "topics")


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
