"""Alarms of a stretch of the past: what a replay raised, counted, compared, and judged by labels.

An alarm is an incident from its first revision to its last. Two versions of the rules raised *the
same* alarm when both speak of one brand and overlap in time; equal kinds first, then the nearest
beginnings, each alarm used once.

A labelled incident is *caught* by the first alarm of its brand (and kind, where the label names
one) that goes on while it does and began at most ``EARLIEST`` before it. The other alarms of the
judged kinds are *false*, unless they go on during a labelled incident of the brand: then they tell
the same once more. Judged are the kinds that the labels name; all, once a label names none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from schemas.incident import Evidence, Incident
from schemas.incidents import AnyIncident

__all__ = [
    "EARLIEST",
    "Alarm",
    "AlarmLog",
    "Caught",
    "Comparison",
    "Judged",
    "Labelled",
    "Pair",
    "compare",
    "judge",
    "minutes_between",
    "weeks_of",
]

EARLIEST = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Alarm:
    """One incident of a brand."""

    id: str
    brand: str
    kind: str
    opened_at: datetime
    closed_at: datetime | None
    """None: it still goes on at the end."""
    opened_severity: int
    severity: int
    """The highest it reached."""
    first_post: str
    evidence: Evidence
    """The window that raised it, as the first revision names it."""
    revisions: int = 1

    def goes_on(self, start: datetime, end: datetime | None) -> bool:
        """Whether it and [start, end] overlap."""
        return (end is None or self.opened_at <= end) and (
            self.closed_at is None or self.closed_at >= start
        )


class AlarmLog:
    """Keeps one alarm of each incident; memory grows with their number, not with the posts'."""

    def __init__(self) -> None:
        self._alarms: dict[str, Alarm] = {}
        self.silent_sources = 0
        """Incidents of sources that were not heard."""

    def take(self, incidents: Iterable[AnyIncident]) -> None:
        """Some revisions, in order."""
        for one in incidents:
            if one.kind == "source":
                self.silent_sources += one.revision == 1
            else:
                self._alarms[one.id] = _revised(self._alarms.get(one.id), one)

    def alarms(self, since: datetime | None = None, until: datetime | None = None) -> list[Alarm]:
        """Those that began in [since, until), by beginning."""
        within = (
            alarm
            for alarm in self._alarms.values()
            if (since is None or alarm.opened_at >= since)
            and (until is None or alarm.opened_at < until)
        )
        return sorted(within, key=_order)


def _revised(before: Alarm | None, incident: Incident) -> Alarm:
    return Alarm(
        id=incident.id,
        brand=incident.brand,
        kind=incident.kind,
        opened_at=incident.opened_at,
        closed_at=incident.closed_at,
        opened_severity=before.opened_severity if before else incident.severity,
        severity=max(before.severity if before else 0, incident.severity),
        first_post=incident.first_post.post_id,
        evidence=before.evidence if before else incident.evidence,
        revisions=incident.revision,
    )


def _order(alarm: Alarm) -> tuple[datetime, str, str]:
    return alarm.opened_at, alarm.brand, alarm.id


def minutes_between(earlier: datetime, later: datetime) -> float:
    """Minutes from one to the other; negative when ``later`` comes first."""
    return (later - earlier) / timedelta(minutes=1)


# --- by week ----------------------------------------------------------------------------------


def weeks_of(alarms: Iterable[Alarm], zone: tzinfo) -> dict[str, Counter[date]]:
    """Alarms of each brand by the Monday of their week."""
    weeks: dict[str, Counter[date]] = {}
    for alarm in alarms:
        day = alarm.opened_at.astimezone(zone).date()
        weeks.setdefault(alarm.brand, Counter())[day - timedelta(days=day.weekday())] += 1
    return dict(sorted(weeks.items()))


# --- against another version ------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pair:
    """One alarm, raised by both."""

    new: Alarm
    old: Alarm

    @property
    def minutes_later(self) -> float:
        """How much later the new one came; negative: earlier."""
        return minutes_between(self.old.opened_at, self.new.opened_at)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two versions of the rules raised."""

    both: list[Pair]
    only_new: list[Alarm]
    only_old: list[Alarm]


def compare(new: Sequence[Alarm], old: Sequence[Alarm]) -> Comparison:
    """Find the alarms that both raised."""
    candidates = sorted(
        (
            (
                one.kind != other.kind,
                abs(minutes_between(one.opened_at, other.opened_at)),
                _order(one),
                _order(other),
                Pair(one, other),
            )
            for one, other in _overlapping(new, old)
        ),
        key=lambda candidate: candidate[:4],
    )
    pairs: list[Pair] = []
    used_new: set[str] = set()
    used_old: set[str] = set()
    for *_, pair in candidates:
        if pair.new.id not in used_new and pair.old.id not in used_old:
            used_new.add(pair.new.id)
            used_old.add(pair.old.id)
            pairs.append(pair)
    return Comparison(
        both=sorted(pairs, key=lambda pair: _order(pair.new)),
        only_new=[alarm for alarm in new if alarm.id not in used_new],
        only_old=[alarm for alarm in old if alarm.id not in used_old],
    )


def _overlapping(new: Sequence[Alarm], old: Sequence[Alarm]) -> Iterator[tuple[Alarm, Alarm]]:
    by_brand: dict[str, list[Alarm]] = {}
    for alarm in old:
        by_brand.setdefault(alarm.brand, []).append(alarm)
    for alarm in new:
        for other in by_brand.get(alarm.brand, ()):
            if alarm.goes_on(other.opened_at, other.closed_at):
                yield alarm, other


# --- against labels ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Labelled:
    """An incident that a person knows of."""

    brand: str
    start: datetime
    end: datetime
    kind: str | None = None
    """None: whatever kind an alarm calls it."""


@dataclass(frozen=True, slots=True)
class Caught:
    """A labelled incident and the alarm that told it."""

    label: Labelled
    alarm: Alarm

    @property
    def minutes_after(self) -> float:
        """From the label's start to the alarm; negative: the alarm came first."""
        return minutes_between(self.label.start, self.alarm.opened_at)


@dataclass(frozen=True, slots=True)
class Judged:
    """How the alarms do against the labels."""

    caught: list[Caught]
    missed: list[Labelled]
    false: list[Alarm]
    beside: list[Alarm]
    """Further alarms during a labelled incident."""
    unjudged: list[Alarm]
    """Of kinds that no label names."""


def judge(alarms: Sequence[Alarm], labels: Sequence[Labelled]) -> Judged:
    """Set alarms against labels; both of one stretch of time."""
    kinds = {label.kind for label in labels}
    judged = Judged([], [], [], [], [])
    telling: set[str] = set()
    for label in labels:
        fitting = (alarm for alarm in alarms if _tells(alarm, label))
        first = min(fitting, key=_order, default=None)
        if first is None:
            judged.missed.append(label)
        else:
            telling.add(first.id)
            judged.caught.append(Caught(label, first))
    for alarm in alarms:
        if alarm.id in telling:
            continue
        if any(_accompanies(alarm, label) for label in labels):
            judged.beside.append(alarm)
        elif None in kinds or alarm.kind in kinds:
            judged.false.append(alarm)
        else:
            judged.unjudged.append(alarm)
    return judged


def _tells(alarm: Alarm, label: Labelled) -> bool:
    return _accompanies(alarm, label) and label.kind in (None, alarm.kind)


def _accompanies(alarm: Alarm, label: Labelled) -> bool:
    return (
        alarm.brand == label.brand
        and alarm.goes_on(label.start, label.end)
        and alarm.opened_at >= label.start - EARLIEST
    )
