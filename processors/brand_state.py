"""All that the detector remembers of one brand: plain data, one JSON line.

Mutable in memory, for speed. A change is not atomic: if a call raises, throw the state away and
load the line it was last written to.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import TypeAdapter, ValidationError

from processors.baseline import History, Measured, score
from processors.board_watch import Boards
from processors.buckets import Bucket, Counted, Tally
from processors.canonical import Counts, by_key
from processors.traces import Sample, Thread
from schemas.enriched import BrandRole
from schemas.errors import RejectedError
from schemas.incident import Evidence, Incident, IncidentKind
from schemas.post import PostId
from schemas.record import explain

__all__ = ["BrandState", "Case", "Counters", "Finding"]


@dataclass(slots=True)
class Counters:
    """What became of the signals; every mention is in exactly one of the first nine."""

    voices: int = 0
    copies: int = 0
    echoes: int = 0
    unchecked: int = 0
    """Over the cap of ids: counted as mentions only."""
    repeats: int = 0
    clamped: int = 0
    """The source's time was out of reason."""
    late: int = 0
    """The bucket was closed already."""
    ahead: int = 0
    """Too far in the future of the watermark, or no watermark was known yet."""
    boards: int = 0
    """Sightings on hot-search boards: nobody's voice (``board_watch.py`` judges them)."""
    commands: int = 0
    """Commands obeyed."""
    repeated_commands: int = 0
    unknown_incidents: int = 0
    """Commands about an incident that is not known (any more)."""
    refused_commands: int = 0
    """Commands that made no sense for the incident's state, and alarm rules."""

    def tell(self, counted: Counted) -> None:
        """One more mention that reached its bucket."""
        match counted:
            case "voice":
                self.voices += 1
            case "copy":
                self.copies += 1
            case "echo":
                self.echoes += 1
            case "unchecked":
                self.unchecked += 1
            case "repeat":
                self.repeats += 1


@dataclass(frozen=True, slots=True)
class Finding:
    """A bucket stands out: by which rule, in which count, from where on that counts as much."""

    kind: IncidentKind
    rule: str
    rule_version: int
    measured: Measured
    floor: int
    """The least count."""
    threshold: float
    """The least score."""

    def holds(self, bucket: Bucket) -> bool:
        """The bucket reaches floor and threshold in the measured count."""
        count = bucket.tally.count(self.measured)
        if bucket.normal is None or count < self.floor:
            return False
        return score(count, bucket.normal.of(self.measured)) >= self.threshold

    def excess(self, bucket: Bucket) -> float:
        """How far the measured count is above the usual median."""
        usual = bucket.normal.of(self.measured).median if bucket.normal is not None else 0.0
        return bucket.tally.count(self.measured) - usual


@dataclass(slots=True)
class Case:
    """An incident and what is needed to carry it on."""

    finding: Finding
    """The terms it was opened on; they stay when the configuration changes."""
    incident: Incident
    """The newest revision."""
    opening: int
    """The bucket it was opened in: the first one counted."""
    last_exceeded: int
    """The last bucket that stood out."""
    tally: Tally = field(default_factory=Tally)
    """Buckets closed since, the opening one included."""
    sample: Sample = field(default_factory=Sample)
    strongest: Evidence | None = None
    """The strongest closed window."""
    peak_told: bool = False
    closed_by_hand: bool = False
    thread: str | None = None
    """The thread that the wave began in, where one was found."""
    foreign: list[int] = field(default_factory=list)
    """Open buckets that are about another topic, which has an incident of its own."""
    amplifiers: list[PostId] = field(default_factory=list)
    """Posts that were named as such."""
    media_told: bool = False
    """Which medium took it up is known."""
    held_back: bool = False
    """Something happened in its silence that people would have been told."""


@dataclass(slots=True)
class BrandState:
    """One brand's buckets, history, threads and incidents."""

    brand: str
    role: BrandRole
    bucket_minutes: int
    format: Literal[1] = 1
    closed_before: int | None = None
    """Buckets before this number are closed; ``None`` until the first watermark."""
    history: History = field(default_factory=History)
    buckets: Annotated[dict[int, Bucket], by_key] = field(default_factory=dict)
    """The open ones, by number: seconds since 1970 over the width."""
    boards: Boards = field(default_factory=Boards)
    """Its topics on hot-search boards."""
    threads: Annotated[dict[str, Thread], by_key] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    """Incidents that are not closed, in order of opening."""
    past: list[Case] = field(default_factory=list)
    """Closed ones that commands may still name, newest last."""
    usual_words: Counts = field(default_factory=dict)
    """Voices by word while no incident was open, old ones fading: what is always said."""
    usual_voices: int = 0
    """How many voices the words were counted over."""
    seen_commands: list[int] = field(default_factory=list)
    """Hashes of the newest command ids: a command may be delivered twice."""
    counters: Counters = field(default_factory=Counters)

    def to_line(self) -> bytes:
        """One JSON line; equal states give equal bytes."""
        return _states.dump_json(self, exclude_none=True)

    @classmethod
    def from_line(cls, line: bytes) -> "BrandState":
        """The state that was written.

        Raises:
            RejectedError: no JSON, or no such state (another format, a damaged line).
        """
        try:
            return _states.validate_json(line)
        except ValidationError as error:
            raise RejectedError(*explain(error)) from error

    def open_for(self, case: Case) -> list[tuple[int, Bucket]]:
        """The open buckets that the case counts, in order of time."""
        return [
            (n, self.buckets[n])
            for n in sorted(self.buckets)
            if n >= case.opening and n not in case.foreign
        ]


_states: TypeAdapter[BrandState] = TypeAdapter(BrandState)
