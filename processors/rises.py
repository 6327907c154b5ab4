"""One alarm for one rise: the onset, not the length nor the peak.

A rise begins when something stands out for the first time in ``CALM_MINUTES``. While it lasts,
only what is half as strong again as all before is a new one: a rise on a rise. Bursts and lasting
rises are told apart, since an hour of one says little about the other.

Unrest comes in clusters (Hawkes, *Spectra of some self-exciting and mutually exciting point
processes*, 1971). So after an alarm the next one must be stronger, by ``weary`` times the level at
first, fading with ``WEARY_MINUTES``.
"""

from dataclasses import dataclass, field
from math import exp

from processors.levels import Pattern, Reading

__all__ = ["Rises"]

CALM_MINUTES = 180
CLEARLY = 1.5
WEARY_MINUTES = 48 * 60
_NEVER = -(1 << 60)


@dataclass(slots=True)
class Rises:
    """What was told of one count so far."""

    weary: float = 0.5
    told: int = _NEVER
    last: dict[Pattern, int] = field(default_factory=dict)
    """The last minute at which something stood out."""
    peak: dict[Pattern, float] = field(default_factory=dict)

    def begins(self, minute: int, reading: Reading) -> bool:
        """Whether the reading is the beginning of a rise; minutes don't go back."""
        pattern, strength = reading.pattern, reading.strength
        calm = minute - self.last.get(pattern, _NEVER) > CALM_MINUTES
        if calm and strength < 1 + self.weary * exp((self.told - minute) / WEARY_MINUTES):
            return False
        new = calm or strength >= CLEARLY * self.peak[pattern]
        self.peak[pattern] = strength if calm else max(self.peak[pattern], strength)
        self.last[pattern] = minute
        if new:
            self.told = minute
        return new
