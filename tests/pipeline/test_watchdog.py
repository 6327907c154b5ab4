"""The watchdog's verdicts, with a clock that the test moves."""

from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest
from aiokafka import TopicPartition

from pipeline.loop import EXIT_WATCHDOG
from pipeline.settings import WatchdogSettings
from pipeline.vitals import Membership, Reader, Vitals
from pipeline.watchdog import Watchdog, past_exits
from schemas.language import use_language

LIMITS = WatchdogSettings()
ZERO = TopicPartition("posts.enriched", 0)


class Ended(BaseException):
    """The process would be gone now."""


class Loop:
    """An event loop that answers at once, later, or never."""

    def __init__(self) -> None:
        self.blocked = False
        self.waiting: list[Callable[[], None]] = []

    def is_closed(self) -> bool:
        return False

    def call_soon_threadsafe(self, answer: Callable[[], None]) -> None:
        if self.blocked:
            self.waiting.append(answer)
        else:
            answer()


class Case:
    """A process that runs well, a broker that says so, and a watchdog that looks each second."""

    def __init__(self, note: Path, limits: WatchdogSettings = LIMITS) -> None:
        self.now = 1_000.0
        self.vitals = Vitals("index", ["index"], clock=lambda: self.now)
        self.reader: Reader = self.vitals.reader("index")
        self.loop = Loop()
        self.rebalancing = False
        self.member = True
        self.lag = 0
        self.committed = 0
        self.commits = True
        self.watching = True
        self.ended: list[tuple[int, str]] = []
        self.vitals.runs_on(self.loop)  # type: ignore[arg-type]
        self.dog = Watchdog(self.vitals, limits, note, end=self._end)

    def _end(self, code: int, why: str) -> NoReturn:
        self.ended.append((code, why))
        raise Ended

    def started(self) -> "Case":
        self.reader.end("starting")
        self.reader.joined(Membership(lambda: "me", lambda: [ZERO], lambda: self.rebalancing))
        return self

    def lives(self, seconds: float) -> str | None:
        """Time passes, second by second; returns why the process ended."""
        for _ in range(round(seconds)):
            self.now += 1
            self.ask_the_broker()
            try:
                self.dog.look()
            except Ended:
                return self.ended[-1][1]
        return None

    def ask_the_broker(self) -> None:
        if self.vitals.kafka_away is not None or not self.watching:
            return
        self.vitals.looked_at = self.now
        if self.reader.membership is None:
            return
        if self.member:
            self.reader.member_at = self.now
        if self.commits:
            self.committed += 1
        self.reader.saw(self.lag, {ZERO: self.committed})


@pytest.fixture
def case(tmp_path: Path) -> Case:
    use_language("en")
    return Case(tmp_path / "crashes" / "index-1.watchdog")


HOURS = 4 * 3600


def test_a_process_that_works_is_left_alone(case: Case) -> None:
    case.started()
    case.lag = 5_000

    assert case.lives(HOURS) is None


def test_an_idle_process_is_left_alone(case: Case) -> None:
    case.started()
    case.commits = False

    assert case.lives(HOURS) is None


def test_a_blocked_loop_is_ended_after_30_seconds(case: Case) -> None:
    case.started()
    case.loop.blocked = True

    assert case.lives(30) is None
    why = case.lives(5)

    assert why is not None
    assert "event loop" in why
    assert case.ended == [(EXIT_WATCHDOG, why)]


def test_a_blocked_loop_is_named_and_not_what_comes_of_it(tmp_path: Path) -> None:
    """Heartbeats wait for the loop too: Kafka drops the member before the loop's limit is up."""
    use_language("en")
    case = Case(tmp_path / "watchdog", WatchdogSettings(member_seconds=10, progress_seconds=10))
    case.started()
    case.loop.blocked = True
    case.member = case.commits = False
    case.lag = 1

    why = case.lives(60)

    assert why is not None
    assert "event loop" in why


def test_a_loop_that_answers_late_but_in_time_is_left_alone(case: Case) -> None:
    case.started()
    for _ in range(100):
        case.loop.blocked = True
        assert case.lives(28) is None
        case.loop.blocked = False
        for answer in case.loop.waiting:
            answer()
        case.loop.waiting.clear()


@pytest.mark.parametrize("step", ["starting", "joining", "taking over", "writing"])
def test_a_step_that_does_not_end_is_ended_after_180_seconds(case: Case, step: str) -> None:
    if step != "starting":
        case.started()
    case.reader.begin(step)  # type: ignore[arg-type]

    assert case.lives(180) is None
    why = case.lives(2)

    assert why is not None
    assert f"index has been {step} for 181 s (limit 180 s)" in why


def test_a_rebalance_that_does_not_end_is_ended(case: Case) -> None:
    case.started()
    case.rebalancing = True

    why = case.lives(200)

    assert why is not None
    assert "rebalancing" in why


def test_many_short_rebalances_are_left_alone(case: Case) -> None:
    case.started()
    for _ in range(50):
        case.rebalancing = True
        assert case.lives(100) is None
        case.rebalancing = False
        assert case.lives(2) is None


def test_no_commit_while_records_wait_is_ended_after_300_seconds(case: Case) -> None:
    case.started()
    case.lag, case.commits = 7, False

    assert case.lives(299) is None
    why = case.lives(5)

    assert why is not None
    assert "index is 7 records behind but has committed nothing" in why


def test_a_silent_non_member_is_ended_after_120_seconds(case: Case) -> None:
    """Its own client believes to be a member, and there is nothing to read."""
    case.started()
    case.member = False

    assert case.lives(119) is None
    why = case.lives(5)

    assert why is not None
    assert "among its group's members" in why


def test_elasticsearch_away_for_hours_is_no_hang(case: Case) -> None:
    case.started()
    case.lag, case.commits = 9_000, False
    for _ in range(HOURS // 120):
        with case.reader.retrying("Elasticsearch is away"):
            assert case.lives(600) is None  # the other side may ask for so long a pause
        assert case.lives(90) is None

    assert case.vitals.status().state == "degraded"


def test_elasticsearch_away_at_the_start_is_no_hang(case: Case) -> None:
    for _ in range(HOURS // 120):
        with case.reader.retrying("Elasticsearch is away"):
            case.lives(30)
        assert case.lives(90) is None


def test_a_try_that_never_ends_is_a_hang_all_the_same(case: Case) -> None:
    case.started()
    case.lag, case.commits = 9_000, False
    with case.reader.retrying("Elasticsearch is away"):
        case.lives(30)

    assert case.lives(299) is None
    assert case.lives(5) is not None


def test_a_long_delivery_that_shows_signs_of_life_is_no_hang(case: Case) -> None:
    case.started()
    case.lag, case.commits = 50, False
    for _ in range(50):
        case.reader.alive()
        assert case.lives(15) is None


def test_kafka_away_for_hours_is_no_hang(case: Case) -> None:
    case.started()
    case.lag, case.commits, case.member, case.rebalancing = 9_000, False, False, True
    case.vitals.kafka_answers("Kafka does not answer")

    assert case.lives(HOURS) is None
    assert case.vitals.status().reason == "Kafka does not answer"


@pytest.mark.parametrize(("what", "seconds"), [("member", 120), ("rebalancing", 180)])
def test_who_stays_stuck_when_kafka_is_back_is_ended(case: Case, what: str, seconds: int) -> None:
    case.started()
    case.vitals.kafka_answers("Kafka does not answer")
    case.lives(HOURS)
    case.member, case.rebalancing = what != "member", what == "rebalancing"

    case.vitals.kafka_answers(None)

    assert case.lives(seconds - 1) is None
    assert case.lives(5) is not None


def test_a_blocked_loop_is_ended_while_kafka_is_away_too(case: Case) -> None:
    case.started()
    case.vitals.kafka_answers("Kafka does not answer")
    case.loop.blocked = True

    assert case.lives(60) is not None


def test_a_machine_that_slept_gets_its_full_time_again(case: Case) -> None:
    case.started()
    case.lag, case.commits, case.member, case.rebalancing = 3, False, False, True
    case.loop.blocked = True
    case.dog.look()

    case.now += 8 * 3600

    assert case.lives(28) is None  # then the loop's own limit
    assert case.lives(5) is not None


def test_an_ordered_shutdown_is_left_alone(case: Case) -> None:
    case.started()
    case.vitals.stopping = True
    case.loop.blocked = True

    assert case.lives(600) is None


def test_a_reader_that_was_halted_on_purpose_is_left_alone(case: Case) -> None:
    case.started()
    case.lag, case.commits = 3, False
    case.reader.halt("most lines are refused")

    assert case.lives(HOURS) is None
    assert case.vitals.status().state == "halted"

    case.reader.resume()
    assert case.lives(310) is not None


def test_a_monitor_that_stands_still_proves_nothing(case: Case) -> None:
    case.started()
    case.lag, case.commits = 3, False
    case.lives(1)
    case.watching = False

    assert case.lives(HOURS) is None


def test_what_happened_is_noted_for_the_next_process(case: Case, tmp_path: Path) -> None:
    note = tmp_path / "crashes" / "index-1.watchdog"
    case.started()
    case.loop.blocked = True
    assert past_exits(note) == 0

    case.lives(60)

    assert past_exits(note) == 1
    assert "event loop" in note.read_text(encoding="utf-8")


def test_a_note_that_cannot_be_written_does_not_keep_it_alive(tmp_path: Path) -> None:
    (tmp_path / "crashes").write_text("a file where the folder should be")
    case = Case(tmp_path / "crashes" / "index-1.watchdog").started()
    case.loop.blocked = True

    assert case.lives(60) is not None


def test_the_sentence_is_in_the_language_of_the_user(case: Case) -> None:
    use_language("zh")
    case.reader.begin("taking over")

    why = case.lives(200)

    assert why is not None
    assert "看门狗" in why
