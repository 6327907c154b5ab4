"""How long a source uses to be silent at this hour of the week, learned while it is heard.

For each of the 168 hours of the week the longest silence that was running in that hour is kept; it
fades by a tenth each week. A silence is unusual when it is more than three times the longest of
that hour and the two on each side. Until an hour was heard in four weeks, the same hour of all days
stands in for it; before seven days were heard nothing is judged: a first Sunday is no failure.

Why not a rate: posts come in bursts, so what Poisson's law calls impossible happens every night.
The longest silence needs no law, and a person can check it.

Measured on simulated sources (``tests/processors/test_habit.py``: bursts of 1 to 9 posts, nights a
tenth as busy; 30, 300, 3,000 bursts a day; 4 seeds): days with a false alarm in 8 weeks 2-4, 0-1,
0; a source that dies at noon is noticed after 5-43 h, 1.4-3 h, 12-18 min. Twice instead of three
times and one hour instead of two gave 9-21, 8-11, 1-4 days.
"""

from datetime import datetime

from schemas.source_status import HOURS_OF_WEEK, Habit

__all__ = ["allowed_seconds", "heard", "usual_seconds"]

_FACTOR = 3.0
_FADES = 0.9
_NEAR = (-2, -1, 0, 1, 2)
_WEEKS = 4
_DAYS = 7
_MOST_WEEKS = 99
_HOUR = 3600


def heard(habit: Habit, since: datetime, until: datetime) -> Habit:
    """The habit after a silence that a post has ended; never before: it would be its own excuse.

    An unusual silence is learned up to the limit at which it was told, so that a source that became
    quiet is told a few times and not for ever.
    """
    began, ended = since.timestamp(), until.timestamp()
    last = int(ended) // _HOUR
    first = max(int(began) // _HOUR, last - HOURS_OF_WEEK + 1)
    learned = habit
    for hour in range(first, last + 1):
        silence = min(ended, (hour + 1) * _HOUR) - began
        allowed = _allowed(habit, hour)
        learned = _learn(learned, hour, int(silence if allowed is None else min(silence, allowed)))
    return learned


def _learn(habit: Habit, hour: int, silence: int) -> Habit:
    place = hour % HOURS_OF_WEEK
    entered = hour > habit.hour
    if not entered and silence <= habit.longest[place]:
        return habit
    known = habit.longest[place] * (_FADES if entered else 1.0)
    return Habit(
        longest=_put(habit.longest, place, max(silence, int(known))),
        weeks=_put(habit.weeks, place, min(_MOST_WEEKS, habit.weeks[place] + entered)),
        hour=max(hour, habit.hour),
    )


def usual_seconds(habit: Habit, now: datetime) -> int | None:
    """The longest usual silence at this time; ``None`` while too little is known."""
    return _usual(habit, int(now.timestamp()) // _HOUR)


def allowed_seconds(habit: Habit, now: datetime) -> float | None:
    """Silent for longer is unusual; ``None`` while too little is known."""
    return _allowed(habit, int(now.timestamp()) // _HOUR)


def _allowed(habit: Habit, hour: int) -> float | None:
    usual = _usual(habit, hour)
    return None if usual is None else _FACTOR * usual


def _usual(habit: Habit, hour: int) -> int | None:
    place = hour % HOURS_OF_WEEK
    days = [place]
    if habit.weeks[place] < _WEEKS:
        days = [one for one in range(place % 24, HOURS_OF_WEEK, 24) if habit.weeks[one]]
        if len(days) < _DAYS:
            return None
    near = ((one + step) % HOURS_OF_WEEK for one in days for step in _NEAR)
    return max(habit.longest[one] for one in near)


def _put(values: tuple[int, ...], place: int, value: int) -> tuple[int, ...]:
    return (*values[:place], value, *values[place + 1 :])
