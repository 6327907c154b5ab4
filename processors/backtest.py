"""A version of the rules over the signals of the past: the worker's own code, without a worker."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from processors.alarms import AlarmLog
from processors.watching import Detector, SignalLine, Watching
from schemas.checkpoint import WatchPosition
from schemas.incidents import AnyIncident
from schemas.signals import Mention, Tick

__all__ = ["HOUR", "Replay", "Volume"]

HOUR = 3_600


def _nobody(incident: AnyIncident) -> None: ...


class Replay:
    """Applies the lines of each partition in order, as ``watch`` does, and logs the alarms.

    Memory: the states of the brands of one partition at a time, and the alarms.
    """

    def __init__(
        self,
        detector: Detector,
        *,
        partitions: int = 1,
        brand: str | None = None,
        tell: Callable[[AnyIncident], None] = _nobody,
    ) -> None:
        """``brand``: leave the others out, which changes nothing for this one. ``tell`` hears of
        every revision, in the order of the partition.
        """
        self.log = AlarmLog()
        self._detector = detector
        self._partitions = partitions
        self._brand = brand
        self._tell = tell
        self._watching: Watching | None = None

    def hear(self, partition: int, lines: Iterable[SignalLine]) -> None:
        """The next lines of a partition; one partition after the other."""
        watching = self._watching
        if watching is None or watching.number != partition:
            position = WatchPosition(topic="signals", partitions=self._partitions)
            watching = self._watching = Watching(self._detector, partition, position)
        wanted = self._brand
        for line in lines:
            if wanted is None or getattr(line, "brand", wanted) == wanted:
                watching.hear(line)
        if watching.incidents:
            self.log.take(watching.incidents)
            for incident in watching.incidents:
                self._tell(incident)
        watching.settled()


class Volume:
    """Mentions of each brand by hour, and the stretch of time that was heard."""

    def __init__(self, brand: str | None = None) -> None:
        """``brand``: count this one only; of the others just the names."""
        self.hours: dict[str, dict[int, int]] = {}
        """By brand, then by hours since 1970."""
        self.brands: set[str] = set()
        """Every brand that is mentioned."""
        self.mentions = 0
        self.first_at: datetime | None = None
        self.last_at: datetime | None = None
        """The first and the last time that a tick told."""
        self._brand = brand

    def count(self, lines: Iterable[SignalLine]) -> None:
        """Some lines."""
        for line in lines:
            if isinstance(line, Mention):
                self._mention(line.brand, line.event_at)
            elif isinstance(line, Tick):
                if self.first_at is None or line.at < self.first_at:
                    self.first_at = line.at
                if self.last_at is None or line.at > self.last_at:
                    self.last_at = line.at

    def _mention(self, brand: str, at: datetime) -> None:
        hours = self.hours.get(brand)
        if hours is None:
            self.brands.add(brand)
            if self._brand not in (None, brand):
                return
            hours = self.hours.setdefault(brand, {})
        self.mentions += 1
        hour = int(at.timestamp()) // HOUR
        hours[hour] = hours.get(hour, 0) + 1

    def within(self, since: datetime | None, until: datetime | None) -> int:
        """Mentions of [since, until), to the hour."""
        low = int(since.timestamp()) // HOUR if since else None
        high = -(-int(until.timestamp()) // HOUR) if until else None
        return sum(
            count
            for hours in self.hours.values()
            for hour, count in hours.items()
            if (low is None or hour >= low) and (high is None or hour < high)
        )

    def weeks(self, since: datetime | None, until: datetime | None) -> float:
        """How many weeks of [since, until) were heard."""
        if self.first_at is None or self.last_at is None:
            return 0.0
        start = max(self.first_at, since) if since else self.first_at
        end = min(self.last_at, until) if until else self.last_at
        return max(0.0, (end - start) / timedelta(weeks=1))
