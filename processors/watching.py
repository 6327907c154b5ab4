"""What ``watch`` does with one partition of ``signals``, line by line: the pure part of the role.

Time is the oldest of the lanes' newest ticks, and stands still until every lane was heard. When it
moves on, every brand hears of it, in order of name. A brand is made by its first mention. Gaps of
sources are remembered while a bucket may still lie in them.

Delivery: incidents and states are a function of the lines in their order. How they are cut into
batches, and restarts from any position with the states that belong to it, change nothing; so a
backtest over the same lines gives the same bytes as the worker gave.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

from processors.brand_state import BrandState
from processors.source_incidents import known_gap, source_incident
from schemas.checkpoint import KnownGap, WatchPosition
from schemas.enriched import BrandRole
from schemas.incident import Incident
from schemas.incidents import AnyIncident
from schemas.signals import Command, Mention, SourceGap, Tick
from schemas.topics import partition_of

__all__ = ["GAP_KEPT", "MAX_GAPS", "Detector", "SignalLine", "Watching", "still_known"]

GAP_KEPT = timedelta(days=2)
MAX_GAPS = 1_000
"""Of more, the oldest are forgotten: a state must not grow with what a producer claims."""

SignalLine = Mention | Command | Tick | SourceGap


class Detector(Protocol):
    """Judges brands one by one; ``processors/surge.py``. Keeps nothing outside their states."""

    def new_state(self, brand: str, role: BrandRole) -> BrandState:
        """A brand never heard of; it knows no time until its first ``advance``."""

    def mention(self, state: BrandState, mention: Mention) -> list[Incident]:
        """One mention of the brand."""

    def advance(
        self, state: BrandState, watermark: datetime, gaps: Sequence[KnownGap] = ()
    ) -> list[Incident]:
        """Time has passed."""

    def rests_until(self, state: BrandState) -> datetime | None:
        """Before this watermark ``advance`` changes nothing; None: it may at any."""

    def command(self, state: BrandState, command: Command) -> list[Incident]:
        """A person decided something."""

    def gap(self, state: BrandState, started_at: datetime) -> None:
        """A source is not heard since then."""


class Watching:
    """The brands of one partition, and how far its lines were applied.

    ``changed`` and ``incidents`` collect what came of the lines since the last ``settled``.
    Mutable; a call that raises leaves it half changed: throw it away.
    """

    def __init__(
        self,
        detector: Detector,
        number: int,
        position: WatchPosition,
        brands: dict[str, BrandState] | None = None,
    ) -> None:
        self.number = number
        self.brands = brands or {}
        self.changed: set[str] = set()
        self.incidents: list[AnyIncident] = []
        self._detector = detector
        self._at = position
        self._offset, self._line = position.offset, position.line
        self._lanes, self._lane_count = dict(position.lanes), position.lane_count
        self._gaps = position.gaps
        self._in_order = sorted(self.brands.items())
        self._rests_until: datetime | None = None
        """Before that no brand has anything to do when time passes; None: some may."""

    @property
    def position(self) -> WatchPosition:
        """Up to where the lines were applied, and the time that they told."""
        return self._at.replaced(
            offset=self._offset,
            line=self._line,
            lanes=dict(self._lanes),
            lane_count=self._lane_count,
            gaps=self._gaps,
        )

    @property
    def place(self) -> tuple[int, int]:
        """Record and line that were applied last."""
        return self._offset, self._line

    @property
    def watermark(self) -> datetime | None:
        """Up to where every lane has told all; None until each lane was heard."""
        lanes = self._lanes
        return min(lanes.values()) if lanes and len(lanes) >= self._lane_count else None

    def apply(self, signal: SignalLine, offset: int, line: int) -> None:
        """Apply the line that stands there, unless it was applied before a crash or rebalance."""
        here = (offset, line)
        if here <= (self._offset, self._line):
            return
        self.hear(signal)
        self._offset, self._line = here

    def hear(self, signal: SignalLine) -> None:
        """Apply the next line."""
        if isinstance(signal, Mention):
            self._mention(signal)
        elif isinstance(signal, Tick):
            self._tick(signal)
        elif isinstance(signal, Command):
            self._command(signal)
        else:
            self._gap(signal)

    def settled(self) -> None:
        """What came of the lines is written down."""
        self.changed.clear()
        self.incidents.clear()

    def _mention(self, mention: Mention) -> None:
        state = self.brands.get(mention.brand)
        if state is None:
            state = self._detector.new_state(mention.brand, mention.role)
            self.brands[mention.brand] = state
            self._in_order = sorted(self.brands.items())
            if (watermark := self.watermark) is not None:
                self._detector.advance(state, watermark)
            self._rests_until = None
        self.changed.add(mention.brand)
        self.incidents += self._detector.mention(state, mention)

    def _tick(self, tick: Tick) -> None:
        before = self.watermark
        lane = str(tick.lane)
        # An older one is a repetition, or another source that lags behind.
        self._lanes[lane] = max(tick.at, self._lanes.get(lane, tick.at))
        self._lane_count = tick.lanes
        after = self.watermark
        if after is not None and self._gaps:
            self._gaps = still_known(self._gaps, after)
        if after is not None and after != before:
            self._pass_time(after)

    def _pass_time(self, watermark: datetime) -> None:
        # With a tick a second and hundreds of brands, asking each of them would be all the work.
        if self._rests_until is not None and watermark < self._rests_until:
            return
        rests: list[datetime | None] = []
        # By name: the order in which brands were first heard of does not survive a restart.
        for brand, state in self._in_order:
            closed_before = state.closed_before
            self.incidents += self._detector.advance(state, watermark, self._gaps)
            if state.closed_before != closed_before:
                self.changed.add(brand)
            rests.append(self._detector.rests_until(state))
        known = [until for until in rests if until is not None]
        self._rests_until = min(known) if known and len(known) == len(rests) else None

    def _command(self, command: Command) -> None:
        state = self.brands.get(command.brand)
        if state is not None:
            self.changed.add(command.brand)
            self.incidents += self._detector.command(state, command)

    def _gap(self, gap: SourceGap) -> None:
        known = {(one.source, one.started_at): one for one in self._gaps}
        key = (gap.source, gap.started_at)
        before = known.get(key)
        known[key] = known_gap(gap, before)
        self._gaps = tuple(known.values())[-MAX_GAPS:]
        # Every partition hears of every gap; one of them tells it.
        told = source_incident(gap, before)
        if told is not None and partition_of(gap.source, self._at.partitions) == self.number:
            self.incidents.append(told)
        if before is None:
            for brand, state in self._in_order:
                self._detector.gap(state, gap.started_at)
                self.changed.add(brand)


def still_known(gaps: Sequence[KnownGap], watermark: datetime) -> tuple[KnownGap, ...]:
    """The gaps that a bucket may still lie in: it stays open for a day at most."""
    return tuple(gap for gap in gaps if gap.ended_at is None or gap.ended_at > watermark - GAP_KEPT)
