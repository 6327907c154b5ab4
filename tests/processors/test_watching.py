"""One partition of signals: no cut and no restart changes what comes of its lines."""

from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.backtest import Replay
from processors.brand_state import BrandState
from processors.surge import Surge
from processors.watch_settings import BrandDetectors, WatchSettings
from processors.watching import SignalLine, Watching
from schemas.checkpoint import WatchPosition
from schemas.envelope import split
from schemas.incident import Incident
from schemas.signals import parse_signal
from tests.pipeline.incidents import gap_of
from tests.pipeline.test_watch import CONFIG, SLOT, START, mention, story, tick

LINES: list[SignalLine] = [parse_signal(raw) for value in story() for raw in split(value)]
NOWHERE = WatchPosition(topic="signals", partitions=1)


def replayed(lines: list[SignalLine], *, cut: int = 10_000, **more: Any) -> list[bytes]:
    told: list[bytes] = []
    replay = Replay(Surge(CONFIG), tell=lambda one: told.append(one.to_line()), **more)
    for start in range(0, len(lines), cut):
        replay.hear(0, lines[start : start + cut])
    return told


EXPECTED = replayed(LINES)


def test_the_story_opens_and_closes_three_crises() -> None:
    ends = [line for line in EXPECTED if b'"state":"closed"' in line]

    assert len(ends) == 3
    assert sum(b'"kind":"source"' in line for line in EXPECTED) == 1


@given(st.lists(st.integers(0, len(LINES)), max_size=5), st.integers(1, 50))
@settings(max_examples=25, deadline=None)
def test_restarts_and_repeated_lines_change_nothing(places: list[int], again: int) -> None:
    """Killed at any place, and given some lines again, as Kafka does."""
    position: bytes = NOWHERE.to_line()
    states: dict[str, bytes] = {}
    told: list[bytes] = []
    begin = 0
    for end in [*sorted(places), len(LINES)]:
        brands = {brand: BrandState.from_line(line) for brand, line in states.items()}
        watching = Watching(Surge(CONFIG), 0, WatchPosition.from_line(position), brands)
        for offset in range(max(0, begin - again), end):
            watching.apply(LINES[offset], offset, 1)
        told += [one.to_line() for one in watching.incidents]
        states |= {brand: watching.brands[brand].to_line() for brand in watching.changed}
        position = watching.position.to_line()
        begin = end

    assert told == EXPECTED


@given(st.integers(1, 200))
@settings(max_examples=15, deadline=None)
def test_the_cut_into_portions_changes_nothing(cut: int) -> None:
    assert replayed(LINES, cut=cut) == EXPECTED


def test_a_brand_alone_is_told_as_among_the_others() -> None:
    alone = replayed(LINES, brand="lantu")

    lantu = [line for line in EXPECTED if b'"brand":"lantu"' in line]
    assert lantu
    assert [line for line in alone if b'"kind":"source"' not in line] == lantu


def test_only_one_partition_tells_of_a_gap() -> None:
    told = []
    for number in range(4):
        replay = Replay(Surge(CONFIG), partitions=4, tell=told.append)
        replay.hear(number, [tick(START, 0, 1), gap_of("weibo-main", START)])

    assert len(told) == 1


def test_partitions_share_nothing() -> None:
    told: list[bytes] = []
    replay = Replay(Surge(CONFIG), partitions=1, tell=lambda one: told.append(one.to_line()))
    replay.hear(0, LINES)
    replay.hear(1, LINES)

    brands = [line for line in told if b'"kind":"source"' not in line]
    assert brands[: len(brands) // 2] == brands[len(brands) // 2 :]


@given(st.lists(st.integers(0, 7_200), min_size=1, max_size=20))
@settings(max_examples=25, deadline=None)
def test_a_brand_that_rests_has_nothing_to_do(seconds: list[int]) -> None:
    """What ``rests_until`` promises; else a skipped tick would be missed."""
    detector = Surge(CONFIG)
    state = detector.new_state("lantu", "own")
    assert detector.rests_until(state) is None
    for second in sorted(seconds):
        now = START + timedelta(seconds=second)
        until, before = detector.rests_until(state), state.to_line()
        told = detector.advance(state, now)
        if until is not None and now < until:
            assert (told, state.to_line()) == ([], before)
        if second % 3 == 0:
            detector.mention(state, mention(f"m{second}", now, "lantu", "negative"))


def crisis_lines() -> list[SignalLine]:
    """Two brands of one fate: an hour of calm, then eight negative voices in a bucket."""
    lines: list[SignalLine] = []
    for slot in range(20):
        at = START + slot * SLOT
        lines.append(tick(at, 0, 1))
        for brand in ("aion", "lantu"):
            lines.append(mention(f"{brand}-{slot}", at + timedelta(minutes=1), brand))
            if slot == 15:
                lines += [
                    mention(f"{brand}-n{n}", at + timedelta(seconds=20 * n), brand, "negative")
                    for n in range(8)
                ]
    return lines


def test_a_brand_may_have_a_threshold_of_its_own() -> None:
    options = CONFIG.model_dump() | {"brands": {"lantu": {"threshold": 50.0}}}
    told: list[Any] = []
    replay = Replay(BrandDetectors(WatchSettings(**options)), tell=told.append)

    replay.hear(0, crisis_lines())

    assert {one.brand for one in told} == {"aion"}
    assert isinstance(told[0], Incident) and told[0].evidence.threshold == CONFIG.threshold
    lower = WatchSettings(**(CONFIG.model_dump() | {"brands": {"lantu": {"threshold": 1.5}}}))
    assert lower.of("lantu").threshold == 1.5 and lower.of("aion").threshold == CONFIG.threshold
