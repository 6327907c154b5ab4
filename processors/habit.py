"""How long a source uses to be silent at this hour of the week, learned while it is heard.

For each of the 168 hours of the week the longest silence that was running in that hour is kept; it
fades by a fifth each week. A silence is unusual when it is more than twice the longest of that hour
and the hours beside it. Nothing is judged until the hour was heard in two weeks, or the same hour
of the day on seven days: a first Sunday is no failure.

Why not a rate: posts come in bursts, so what Poisson's law calls impossible happens every night.
The longest silence needs no law, and a person can check it.

Measured on simulated sources in ``tests/processors/test_habit.py``.
"""

from datetime import datetime

from schemas.source_status import HOURS_OF_WEEK, Habit

__all__ = ["allowed_seconds", "heard", "usual_seconds"]

FACTOR = 2.0
_FADES = 0.8
_WEEKS = 2
_DAYS = 7
_MOST_WEEKS = 99
_HOUR = 3600


def heard(habit: Habit, now: datetime, silence_seconds: float) -> Habit:
    """The habit after a look at a source that can be read and is silent for so long.

    A silence that is unusual is learned up to the limit at which it was told, so that a source that
    became quiet is told a few times and not for ever.
    """
    hour = int(now.timestamp()) // _HOUR
    place = hour % HOURS_OF_WEEK
    allowed = allowed_seconds(habit, now)
    silence = int(silence_seconds if allowed is None else min(silence_seconds, allowed))
    entered = hour != habit.hour
    if not entered and silence <= habit.longest[place]:
        return habit
    known = habit.longest[place] * (_FADES if entered else 1.0)
    return Habit(
        longest=_put(habit.longest, place, max(silence, int(known))),
        weeks=_put(habit.weeks, place, min(_MOST_WEEKS, habit.weeks[place] + entered)),
        hour=hour,
    )


def usual_seconds(habit: Habit, now: datetime) -> int | None:
    """The longest usual silence at this time; ``None`` while too little is known."""
    hour = int(now.timestamp()) // _HOUR
    place = hour % HOURS_OF_WEEK
    if habit.weeks[place] >= _WEEKS:
        near = [(place + step) % HOURS_OF_WEEK for step in (-1, 0, 1)]
        return max(habit.longest[one] for one in near)
    days = [one for one in range(place % 24, HOURS_OF_WEEK, 24) if habit.weeks[one]]
    if len(days) < _DAYS:
        return None
    return max(habit.longest[(one + step) % HOURS_OF_WEEK] for one in days for step in (-1, 0, 1))


def allowed_seconds(habit: Habit, now: datetime) -> float | None:
    """Silent for longer is unusual; ``None`` while too little is known."""
    usual = usual_seconds(habit, now)
    return None if usual is None else FACTOR * usual


def _put(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])
