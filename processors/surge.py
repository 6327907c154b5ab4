"""Surge: something unusual is said about a brand, judged mention by mention in 15-minute buckets.

Three counts of the bucket that a mention falls in are compared with what is usual for the brand at
this hour (``processors/baseline.py``): negative voices, voices, mentions. In order:

* far more *negative voices* than usual, and a larger share of the voices is negative than usual.
  Copies don't make one; if nearly all texts are copies it is none at all;
* far more *mentions* than usual, most of them copied texts or repeated authors;
* far more *voices* than usual otherwise, or far more *mentions* where nearly everybody reposts
  without own words.

``processors/kinds.py`` says what each is: crisis, complaint, rumour, a competitor's crisis,
campaign, copy flood, praise surge, surge. A complaint or rumour that becomes a crisis stays one
incident.
Topics on hot-search boards are judged apart (``processors/board_watch.py``).

A crisis may open beside anything else; a flood beside all but a flood; praise, campaign and surge
only when nothing else is open for the brand. The last four wait for more posts, so that the nature
of a wave is clear when it is named. After ``close`` by hand no incident of that kind opens until
the flow has calmed down for a bucket.

Delivery: the incidents are a function of the order of mentions, watermarks and commands alone. How
these are cut into batches, or how often a mention in an open bucket is repeated, changes nothing.
Limits: no bucket is judged in the first ``grace_hours``, nor anything from clamped, late or far
future posts; all are counted. A brand that speaks slowly (a few posts an
hour) alarms when ``crisis_voices`` and the threshold are reached within one bucket, not before.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from typing import Literal, Protocol, Self, get_args

from pydantic import Field, model_validator

from processors.baseline import History, Measured, Normal, count_at
from processors.board_incidents import board_sighted
from processors.board_watch import BoardRule
from processors.brand_state import BrandState, Finding
from processors.buckets import Bucket
from processors.evidence import start_of
from processors.incident_life import IncidentLife
from processors.kinds import Limits, kind_of_blame, kind_of_copies, kind_of_voices
from processors.traces import forget_threads, trace
from schemas.component import ComponentConfig
from schemas.enriched import BrandRole
from schemas.errors import FatalError
from schemas.incident import Incident, IncidentKind
from schemas.language import say
from schemas.signals import Command, Mention

__all__ = ["Surge"]

_ANY: frozenset[IncidentKind] = frozenset(get_args(IncidentKind))
_BLOCKED_BY: dict[IncidentKind, frozenset[IncidentKind]] = {
    # What is blamed for one thing may at once be blamed for another; a crisis tells both.
    "crisis": frozenset({"crisis"}),
    "competitor_crisis": frozenset({"competitor_crisis"}),
    "complaint": frozenset({"crisis", "competitor_crisis", "complaint", "rumour"}),
    "rumour": frozenset({"crisis", "competitor_crisis", "rumour"}),
    "copy_flood": frozenset({"copy_flood", "campaign"}),
    "campaign": _ANY,
    "praise_surge": _ANY,
    "surge": _ANY,
}
_GROWS_OUT_OF: dict[IncidentKind, frozenset[IncidentKind]] = {
    "crisis": frozenset({"complaint", "rumour"}),
    "competitor_crisis": frozenset({"complaint", "rumour"}),
}
"""What becomes a crisis stays one incident."""


class Gap(Protocol):
    """A stretch of time in which some source was not heard; open while it has no end."""

    @property
    def started_at(self) -> datetime: ...

    @property
    def ended_at(self) -> datetime | None: ...


class Surge:
    """The first detector. Pure: no clock but the watermark, no randomness, no I/O."""

    class Config(ComponentConfig):
        """When a count is unusual, and how long an incident lives."""

        bucket_minutes: Literal[5, 10, 15, 20, 30, 60] = Field(
            15, description="Width of a bucket, in minutes; a state can't change its width."
        )
        lateness_minutes: int = Field(
            10, ge=0, le=1440, description="A bucket stays open so long after its end, in minutes."
        )
        ahead_minutes: int = Field(
            180,
            ge=60,
            le=720,
            description="Mentions further ahead of the closed buckets, in minutes, are not used.",
        )
        history_days: int = Field(
            14, ge=1, le=60, description="Days of closed buckets that the baseline is made from."
        )
        grace_hours: int = Field(
            24, ge=1, description="Hours of history before anything is judged."
        )
        threshold: float = Field(
            5.0, gt=0, description="Score that is unusual, in spreads above the usual median."
        )
        clip: float = Field(
            3.0, gt=0, description="Counts are learned up to so many spreads above the median."
        )
        crisis_voices: int = Field(
            6, ge=1, description="Least negative voices in a bucket for a crisis."
        )
        crisis_share: float = Field(
            0.4, ge=0, le=1, description="Least share of negative voices for a crisis."
        )
        crisis_share_rise: float = Field(
            0.15,
            ge=0,
            le=1,
            description="How far above the brand's usual share that must be; 0.9 always suffices.",
        )
        surge_voices: int = Field(
            30, ge=1, description="Least voices in a bucket for a surge or a praise surge."
        )
        wave_mentions: int = Field(
            50,
            ge=1,
            description="Least mentions in a bucket for a copy flood or a wave of bare reposts.",
        )
        copy_share: float = Field(
            0.6,
            ge=0,
            le=1,
            description="Share of copied texts and repeated authors, among mentions that bring a"
            " text, from which on it is a copy flood.",
        )
        flood_share: float = Field(
            0.8,
            ge=0,
            le=1,
            description="The same share, from which on it can't be a crisis; also the share of all"
            " mentions that must be copies or bare reposts in a wave of bare reposts.",
        )
        praise_share: float = Field(
            0.4, ge=0, le=1, description="Least share of positive voices for a praise surge."
        )
        praise_negative_share: float = Field(
            0.3, ge=0, le=1, description="A praise surge has a smaller share of negative voices."
        )
        board_trouble: float = Field(
            2.0,
            ge=1,
            description="Least trouble of a brand's topics on hot-search boards within 24 hours for"
            " a crisis: a topic that surely tells of trouble is 1.",
        )
        board_share: float = Field(
            0.45, ge=0, le=1, description="Least share of trouble among these topics."
        )
        close_after_hours: float = Field(
            12,
            gt=0,
            le=48,
            description="Hours without an unusual bucket that close an incident: longer than a "
            "night, in which every crisis pauses.",
        )
        reopen_within_hours: float = Field(
            24,
            ge=0,
            le=168,
            description="A wave of the same topic so many hours after its incident was closed by "
            "calm reopens that one; 0: it is a new one.",
        )
        ids_per_bucket: int = Field(
            24_000,
            ge=300,
            description="Ids of posts, authors and texts kept of a bucket; each takes 11 bytes of"
            " state. Mentions beyond are counted without telling voices from copies.",
        )

        @model_validator(mode="after")
        def _grace_fits(self) -> Self:
            if self.grace_hours > self.history_days * 24:
                raise ValueError(
                    "grace_hours is longer than history_days: nothing would ever be judged"
                )
            return self

    name = "surge"
    version = 3
    """Changes whenever the same signals may give other incidents."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._buckets_an_hour = 60 // config.bucket_minutes
        self._most_history = config.history_days * 24 * self._buckets_an_hour
        self._grace = config.grace_hours * self._buckets_an_hour
        self._ahead = config.ahead_minutes // config.bucket_minutes
        # Long enough for every open bucket to be closed, and every incident after it.
        self._most_steps = self._most_history + self._ahead + 24 * self._buckets_an_hour + 1
        self._seconds = config.bucket_minutes * 60
        self._lateness = timedelta(minutes=config.lateness_minutes)
        self._life = IncidentLife(
            timedelta(hours=config.close_after_hours), timedelta(hours=config.reopen_within_hours)
        )
        self._boards = BoardRule(config.board_trouble, config.board_share)
        self._crisis = self._finding("crisis", "negative", config.crisis_voices)
        self._flood = self._finding("copy_flood", "mentions", config.wave_mentions)
        self._surge = self._finding("surge", "voices", config.surge_voices)
        self._wave = self._finding("surge", "mentions", config.wave_mentions)
        self._limits = Limits(config.praise_share, config.praise_negative_share)

    def _finding(self, kind: IncidentKind, measured: Measured, least: int) -> Finding:
        return Finding(
            kind=kind,
            rule=f"{self.name}.{kind}",
            rule_version=self.version,
            measured=measured,
            floor=least,
            threshold=self._config.threshold,
        )

    def new_state(self, brand: str, role: BrandRole) -> BrandState:
        """A brand never heard of; it knows no time until its first ``advance``."""
        return BrandState(brand=brand, role=role, bucket_minutes=self._config.bucket_minutes)

    # -- the three things that happen

    def mention(self, state: BrandState, mention: Mention) -> list[Incident]:
        """Count one mention and judge its bucket at once; revisions in order."""
        self._check_width(state)
        if mention.kind == "hot":
            return self._sighting(state, mention)
        number = self._place(state, mention)
        if number is None:
            return []
        bucket = state.buckets.get(number)
        if bucket is None:
            bucket = Bucket(newest=mention.event_at, normal=self._normal(state, number))
            state.buckets[number] = bucket
        counted = bucket.add(mention, self._config.ids_per_bucket)
        state.counters.tell(counted)
        if counted == "repeat":
            return []
        state.role = mention.role
        trace(state.threads, mention, number, voice=counted == "voice")
        revised = self._life.heard(state, number, mention)
        return revised + self._open(state, number, bucket)

    def advance(
        self, state: BrandState, watermark: datetime, gaps: Sequence[Gap] = ()
    ) -> list[Incident]:
        """Time has passed: close, learn and judge the buckets that are over, one by one.

        A bucket in which one of the ``gaps`` lies counts at least what is usual: what nobody heard
        is not learned as calm.

        Costs a comparison when none is. A watermark behind an earlier one changes nothing. A jump
        of more than ``history_days`` leaves nothing to compare with, so the history starts anew.
        """
        self._check_width(state)
        target = floor((watermark - self._lateness).timestamp() / self._seconds)
        if state.closed_before is None:
            state.closed_before = target
        if target <= state.closed_before:
            return []
        revised: list[Incident] = []
        start = state.closed_before
        for number in range(start, min(target, start + self._most_steps)):
            revised += self._close(state, number, self._deaf(gaps, number))
        state.closed_before = target
        if target - start > self._most_history:
            state.history = History()
        return revised

    def rests_until(self, state: BrandState) -> datetime | None:
        """Before this watermark ``advance`` changes nothing; None: it may at any."""
        if state.closed_before is None:
            return None
        end = datetime.fromtimestamp((state.closed_before + 1) * self._seconds, UTC)
        return end + self._lateness

    def command(self, state: BrandState, command: Command) -> list[Incident]:
        """What a person decided about an incident of this brand."""
        return self._life.command(state, command)

    def gap(self, state: BrandState, started_at: datetime) -> None:
        """A source is not heard since then: what was learned of it meanwhile was no calm."""
        self._check_width(state)
        if state.closed_before is None:
            return
        first = floor(started_at.timestamp() / self._seconds)
        oldest = state.closed_before - len(state.history)
        for number in range(max(first, oldest), state.closed_before):
            state.history.raise_to_usual(number, state.closed_before, self._buckets_an_hour)

    def _deaf(self, gaps: Sequence[Gap], number: int) -> bool:
        start = datetime.fromtimestamp(number * self._seconds, UTC)
        end = start + timedelta(seconds=self._seconds)
        return any(
            gap.started_at < end and (gap.ended_at is None or gap.ended_at > start) for gap in gaps
        )

    # -- where a mention belongs

    def _sighting(self, state: BrandState, mention: Mention) -> list[Incident]:
        """A topic on a board: of use if its time is."""
        state.counters.boards += 1
        number = floor(mention.event_at.timestamp() / self._seconds)
        before = state.closed_before
        if mention.event_clamped or before is None or number > before + self._ahead:
            return []
        state.role = mention.role
        return board_sighted(self._boards, self._life, state, mention, max(number, before))

    def _check_width(self, state: BrandState) -> None:
        if state.bucket_minutes != self._config.bucket_minutes:
            raise FatalError(
                say(
                    f"品牌 {state.brand} 的状态按 {state.bucket_minutes} 分钟分桶，"
                    f"与设置 bucket_minutes={self._config.bucket_minutes} 不符："
                    "请改回原值，或清空检查点后重新学习。",
                    f"The state of brand {state.brand} has buckets of {state.bucket_minutes}"
                    f" minutes, the setting bucket_minutes is {self._config.bucket_minutes}:"
                    " set it back, or clear the checkpoints and learn anew.",
                )
            )

    def _place(self, state: BrandState, mention: Mention) -> int | None:
        """The open bucket that the mention counts in; ``None`` when it counts in none."""
        if mention.event_clamped:
            state.counters.clamped += 1
            return None
        number = floor(mention.event_at.timestamp() / self._seconds)
        if state.closed_before is None or number > state.closed_before + self._ahead:
            state.counters.ahead += 1
            return None
        if number < state.closed_before:
            state.counters.late += 1
            return None
        return number

    def _normal(self, state: BrandState, number: int) -> Normal | None:
        if state.closed_before is None or len(state.history) < self._grace:
            return None
        return state.history.normal(number, state.closed_before, self._buckets_an_hour)

    # -- what a bucket says

    def _open(self, state: BrandState, number: int, bucket: Bucket) -> list[Incident]:
        finding = self._judge(bucket, state.role)
        if finding is None:
            return []
        if self._life.blocked(state, finding, number, _BLOCKED_BY[finding.kind]):
            return []
        if _hushed(state, finding.kind, number):
            return []
        smaller = _GROWS_OUT_OF.get(finding.kind, frozenset())
        for case in state.cases:
            if case.finding.kind in smaller and number not in case.foreign:
                return [self._life.escalate(state, case, finding, number)]
        return [self._life.open(state, finding, number)]

    def _judge(self, bucket: Bucket, role: BrandRole) -> Finding | None:
        """The most important thing that the bucket shows, if any, by its name."""
        finding = self._unusual(bucket)
        if finding is None:
            return None
        facts = bucket.facts(role)
        if finding is self._crisis:
            kind = kind_of_blame(facts, finding.excess(bucket), finding.floor)
        elif finding is self._flood:
            kind = kind_of_copies(facts, self._limits)
        else:
            kind = kind_of_voices(facts, self._limits)
        return self._named(finding, kind)

    def _named(self, finding: Finding, kind: IncidentKind) -> Finding:
        return self._finding(kind, finding.measured, finding.floor)

    def _unusual(self, bucket: Bucket) -> Finding | None:
        """What is far from usual, whatever it is called."""
        if bucket.normal is None:
            return None
        config, tally = self._config, bucket.tally
        copied = tally.repeat_share
        if self._crisis.holds(bucket) and copied < config.flood_share:
            needed = min(0.9, bucket.normal.negative_share + config.crisis_share_rise)
            if tally.negative >= max(config.crisis_share, needed) * tally.voices:
                return self._crisis
        if copied >= config.copy_share:
            return self._flood if self._flood.holds(bucket) else None
        if self._surge.holds(bucket):
            return self._surge
        # Only when hardly anybody speaks: a launch is reposted too, and is named by its voices.
        silent = tally.copies >= config.flood_share * tally.mentions
        return self._wave if silent and self._wave.holds(bucket) else None

    # -- when a bucket is over

    def _close(self, state: BrandState, number: int, deaf: bool) -> list[Incident]:
        bucket = state.buckets.pop(number, None)
        state.closed_before = number + 1
        self._learn(state, number, bucket)
        if deaf:
            state.history.raise_to_usual(number, number + 1, self._buckets_an_hour)
        end = start_of(number + 1, self._config.bucket_minutes)
        forget_threads(state.threads, number, end)
        return self._life.bucket_closed(state, number, bucket)

    def _learn(self, state: BrandState, number: int, bucket: Bucket | None) -> None:
        history, most = state.history, self._most_history
        if bucket is None:
            history.learn(0, 0, 0, most)
            return
        tally, normal, clip = bucket.tally, bucket.normal, self._config.clip
        if normal is None:
            history.learn(tally.mentions, tally.voices, tally.negative, most)
        else:
            history.learn(
                min(tally.mentions, count_at(clip, normal.mentions)),
                min(tally.voices, count_at(clip, normal.voices)),
                min(tally.negative, count_at(clip, normal.negative)),
                most,
            )
        # The mood of an incident is not the usual mood.
        if not state.cases:
            day = number // (24 * self._buckets_an_hour)
            history.learn_share(day, tally.voices, tally.negative, self._config.history_days)


def _hushed(state: BrandState, kind: IncidentKind, number: int) -> bool:
    """A person closed such an incident while it was going on, and it still goes on."""
    for case in state.past:
        going_on = number - case.last_exceeded <= 1
        if case.closed_by_hand and case.finding.kind == kind and going_on:
            case.last_exceeded = max(case.last_exceeded, number)
            return True
    return False
