"""What a brand is usually worth: expected counts an hour, by hour of day, weekday and recent level.

``rate = profile of the hour of day x factor of the weekday x recent level ** 0.6``, the
multiplicative form of Winters (*Forecasting sales by exponentially weighted moving averages*, 1960)
with three changes that keep a crisis out of its own baseline:

* an hour is learned ``LAG`` hours after it is over (at once on the first day), so that a slow
  rise doesn't lift what it is compared with;
* it is learned up to ``CLIP`` times what was expected (and ``CLIP_ROOM`` more): a past alarm
  teaches little, a level that lasts is learned within days;
* what an hour of day or a weekday says is shrunk towards the whole, as long as it says little
  (Efron and Morris, *Data analysis using Stein's estimator*, 1975).

An hour in which a source was not heard counts as usual, or more if more was heard. The rate of an
hour is fixed when it is first asked for and stays, so it depends on the order of the signals alone.
"""

from dataclasses import dataclass, field
from typing import Annotated

from processors.canonical import by_key

__all__ = ["Season"]

HOURS = 24
WEEK = 7
LAG = 6
"""Hours between the end of an hour and its being learned."""
CLIP = 3.0
CLIP_ROOM = 6.0
CLIPPED_FROM = 24
"""Hours learned before anything is clipped: until then nothing is expected."""
LEVEL_POWER = 0.6
"""A level of yesterday holds for tomorrow in part."""
LOCAL = 8
"""Hours that the weekdays are ahead of UTC: China's."""
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday
_HALF_HOURS = 0.5 ** (1 / 14)  # a fortnight; each hour of day comes once a day
_HALF_WEEKDAYS = 0.5 ** (1 / 6)  # six weeks
_HALF_TOTAL = 0.5 ** (1 / (14 * HOURS))
_HALF_RECENT = 0.5 ** (1 / HOURS)
_SHRUNK_DAYS = 2.0
_SHRUNK_WEEKS = 2.0
_SHRUNK_RECENT = 2.0


def _zeros(count: int) -> list[float]:
    return [0.0] * count


@dataclass(slots=True)
class Season:
    """The usual rate of one count of one brand; all sums fade with a half-life of its own."""

    total: float = 0.0
    weight: float = 0.0
    hours: list[float] = field(default_factory=lambda: _zeros(HOURS))
    hour_weights: list[float] = field(default_factory=lambda: _zeros(HOURS))
    weekdays: list[float] = field(default_factory=lambda: _zeros(WEEK))
    weekdays_usual: list[float] = field(default_factory=lambda: _zeros(WEEK))
    recent: float = 0.0
    recent_usual: float = 0.0
    learned: int = 0
    """Hours learned."""
    waiting: list[tuple[int, float]] = field(default_factory=list)
    """Hours that are over and not learned yet: number since 1970 and count."""
    unheard: list[int] = field(default_factory=list)
    """Hours that are not over, in which a source was not heard."""
    rates: Annotated[dict[int, float], by_key] = field(default_factory=dict)
    """Expected counts of the hours that were asked for."""

    def rate(self, hour: int) -> float:
        """Expected count in the hour (number since 1970)."""
        known = self.rates.get(hour)
        if known is None:
            known = self.rates[hour] = self.outlook(hour)
        return known

    @property
    def known(self) -> int:
        """Hours that are over."""
        return self.learned + len(self.waiting)

    def outlook(self, hour: int) -> float:
        """The same from what is known now; asking changes nothing."""
        usual = self._usual(hour)
        if not usual:
            return 0.0
        room = _SHRUNK_RECENT * usual
        level: float = ((self.recent + room) / (self.recent_usual + room)) ** LEVEL_POWER
        return usual * level

    def over(self, hour: int, count: int) -> None:
        """An hour is over; hours come in order. Learns what waited long enough."""
        usual, heard = self.rate(hour), float(count)
        if hour in self.unheard:
            heard = max(heard, usual)
        self.unheard = [later for later in self.unheard if later > hour]
        self.waiting.append((hour, heard))
        lag = LAG if self.learned >= CLIPPED_FROM else 0
        while self.waiting and self.waiting[0][0] <= hour - lag:
            self._learn(*self.waiting.pop(0))
        for old in [known for known in self.rates if known < hour - LAG]:
            del self.rates[old]

    def deaf(self, hour: int) -> None:
        """A source is not heard in this hour, which is not over: it counts as usual, or more."""
        if hour not in self.unheard:
            self.unheard.append(hour)

    def deaf_since(self, hour: int) -> None:
        """The same, noticed late: hours that wait to be learned count as usual, or more."""
        self.waiting = [
            (past, max(heard, self.rate(past)) if past >= hour else heard)
            for past, heard in self.waiting
        ]

    def _usual(self, hour: int) -> float:
        if not self.weight:
            return 0.0
        day, base = _weekday(hour), self.total / self.weight
        room = _SHRUNK_WEEKS * HOURS * base
        factor = (
            (self.weekdays[day] + room) / (self.weekdays_usual[day] + room) if room > 0 else 1.0
        )
        return self._of_day(hour) * factor

    def _of_day(self, hour: int) -> float:
        """The profile, smoothed over the hours beside."""
        at, base = hour % HOURS, self.total / self.weight
        before, after = at - 1, (at + 1) % HOURS
        count = self.hours[at] + (self.hours[before] + self.hours[after]) / 2
        weight = self.hour_weights[at] + (self.hour_weights[before] + self.hour_weights[after]) / 2
        return (count + _SHRUNK_DAYS * base) / (weight + _SHRUNK_DAYS)

    def _learn(self, hour: int, heard: float) -> None:
        if self.learned >= CLIPPED_FROM:
            heard = min(heard, CLIP * self.rates.get(hour, heard) + CLIP_ROOM)
        at, day = hour % HOURS, _weekday(hour)
        usual = self._usual(hour) if self.weight else heard
        of_day = self._of_day(hour) if self.weight else heard
        self.recent = self.recent * _HALF_RECENT + heard
        self.recent_usual = self.recent_usual * _HALF_RECENT + usual
        self.total = self.total * _HALF_TOTAL + heard
        self.weight = self.weight * _HALF_TOTAL + 1
        self.hours[at] = self.hours[at] * _HALF_HOURS + heard
        self.hour_weights[at] = self.hour_weights[at] * _HALF_HOURS + 1
        fade = _HALF_WEEKDAYS if at == (HOURS - LOCAL) % HOURS else 1.0
        self.weekdays[day] = self.weekdays[day] * fade + heard
        self.weekdays_usual[day] = self.weekdays_usual[day] * fade + of_day
        self.learned += 1


def _weekday(hour: int) -> int:
    return ((hour + LOCAL) // HOURS + _FIRST_WEEKDAY) % WEEK
