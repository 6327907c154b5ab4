"""When a source counts as not heard, and when it is heard again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.trouble import SourceError, Trouble
from pipeline.source_watch import SourceWatch
from schemas.errors import FatalError
from schemas.signals import SourceGap
from schemas.source_status import Habit, SourceStatus

NOW = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)
EVERY = timedelta(minutes=5)


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


def watch(**more: Any) -> SourceWatch:
    return SourceWatch("club", "feed", NOW, **{"every": EVERY, **more})


def away(trouble: Trouble = "unreachable", message: str = "no answer") -> SourceError:
    return SourceError(trouble, message)


def status(**more: Any) -> SourceStatus:
    values = {"name": "club", "connector": "feed", "state": "running", "at": NOW}
    return SourceStatus(**{**values, "last_success_at": NOW, **more})


def test_a_source_that_stumbles_is_heard() -> None:
    one = watch()
    assert one.read(1, NOW) is None
    assert one.failed(away(), minutes(1)) is None
    assert (one.trouble, one.gap_since) == ("unreachable", None)
    assert one.read(0, minutes(1.5)) is None
    assert one.trouble is None


def test_time_alone_makes_a_failure_a_gap() -> None:
    one = watch(backfill="whole")
    one.read(1, NOW)
    one.failed(away(), minutes(5))

    assert one.look(minutes(5.9)) is None
    gap = one.look(minutes(6))

    assert gap == SourceGap(
        source="club",
        platform="feed",
        started_at=NOW,
        at=minutes(6),
        trouble="unreachable",
        reason="no answer",
        backfill="whole",
    )
    assert one.look(minutes(7)) is None
    assert one.failed(away(), minutes(8)) is None
    ended = one.read(0, minutes(9))
    assert ended is not None
    assert (ended.started_at, ended.ended_at) == (NOW, minutes(9))
    assert one.read(0, minutes(10)) is None


def test_a_source_that_is_asked_often_is_told_within_three_polls() -> None:
    one = watch(every=timedelta(seconds=10))
    one.read(1, NOW)
    one.failed(away(), minutes(0.2))
    assert one.look(minutes(0.2) + timedelta(seconds=30)) is not None


@pytest.mark.parametrize("trouble", ["login", "forbidden", "captcha", "gone", "format"])
def test_what_needs_a_person_is_told_at_once(trouble: Any) -> None:
    gap = watch().failed(away(trouble), NOW)
    assert gap is not None
    assert gap.trouble == trouble


def test_what_turns_out_to_need_a_person_is_told_again_as_the_same_gap() -> None:
    one = watch()
    one.read(1, NOW)
    one.failed(away(), minutes(1))
    begun = one.look(minutes(2))
    worse = one.failed(away("login", "log in"), minutes(3))

    assert begun is not None
    assert worse is not None
    assert (worse.started_at, worse.trouble) == (begun.started_at, "login")
    assert one.failed(away(), minutes(4)) is None  # less bad: no news


def test_wrong_settings_are_told_at_once() -> None:
    gap = watch().failed(FatalError("no such key"), NOW)
    assert gap is not None
    assert (gap.trouble, gap.started_at, gap.reason) == ("settings", NOW, "no such key")


@pytest.mark.parametrize(("every", "after"), [(5, 15), (60, 180)])
def test_a_source_that_hangs_is_told(every: float, after: float) -> None:
    one = watch(every=timedelta(minutes=every), silent_after=timedelta(0))
    one.read(1, NOW)
    assert one.look(minutes(after)) is None
    gap = one.look(minutes(after + 0.1))
    assert gap is not None
    assert (gap.trouble, gap.started_at) == ("stalled", NOW)


def test_what_is_not_asked_never_hangs() -> None:
    one = watch(every=None)
    one.read(1, NOW)
    assert one.look(minutes(10_000)) is None


def test_silence_beyond_the_set_limit_is_told_until_a_post_comes() -> None:
    one = watch(silent_after=timedelta(minutes=30))
    one.read(1, NOW)
    for minute in range(5, 31, 5):
        assert one.read(0, minutes(minute)) is None
        assert one.look(minutes(minute)) is None
    gap = one.look(minutes(31))
    assert gap is not None
    assert (gap.trouble, gap.started_at) == ("silent", NOW)
    assert one.trouble == "silent"
    assert one.read(0, minutes(35)) is None  # an answer is no post
    ended = one.read(1, minutes(40))
    assert ended is not None
    assert ended.ended_at == minutes(40)


def test_silence_beyond_the_learned_limit_names_what_is_usual() -> None:
    habit = Habit(longest=(600,) * 168, weeks=(3,) * 168)
    one = watch(status=status(heard_at=NOW, habit=habit))
    one.read(0, minutes(25))
    assert one.look(minutes(30)) is None
    gap = one.look(minutes(31))
    assert gap is not None
    assert gap.trouble == "silent"
    assert "31" in gap.reason
    assert "10" in gap.reason


def test_silence_begins_anew_behind_a_gap() -> None:
    one = watch(silent_after=timedelta(minutes=30))
    one.read(1, NOW)
    one.failed(away("login"), minutes(1))
    assert one.read(0, minutes(100)) is not None
    one.read(0, minutes(129))
    assert one.look(minutes(129)) is None
    one.read(0, minutes(131))
    assert one.look(minutes(131)) is not None


def test_a_quick_restart_does_not_hide_a_silence() -> None:
    one = SourceWatch(
        "club",
        "feed",
        minutes(29),
        every=EVERY,
        silent_after=timedelta(minutes=30),
        status=status(at=minutes(28.5), heard_at=NOW),
    )
    one.read(0, minutes(29))
    assert one.look(minutes(31)) is not None


def test_a_source_never_read_is_not_called_silent() -> None:
    assert watch(silent_after=timedelta(minutes=1)).look(minutes(10)) is None


def restarted(after: float, **more: Any) -> SourceWatch:
    return SourceWatch("club", "feed", minutes(after), every=EVERY, status=status(**more))


def test_the_time_in_which_nobody_listened_is_told_when_it_is_over() -> None:
    gap = restarted(60).read(0, minutes(60))
    assert gap is not None
    assert (gap.trouble, gap.started_at, gap.ended_at) == ("unheard", NOW, minutes(60))


def test_a_failure_behind_a_stop_is_told_with_the_time_of_the_stop() -> None:
    gap = restarted(60).failed(away("login"), minutes(60))
    assert gap is not None
    assert (gap.trouble, gap.started_at, gap.ended_at) == ("login", NOW, None)


def test_a_gap_that_an_earlier_process_told_ends() -> None:
    one = restarted(60, gap_since=minutes(-9), trouble="captcha", error="solve it")
    assert one.failed(away("captcha"), minutes(60)) is None
    gap = one.read(0, minutes(61))
    assert gap is not None
    assert (gap.trouble, gap.started_at, gap.ended_at) == ("captcha", minutes(-9), minutes(61))
