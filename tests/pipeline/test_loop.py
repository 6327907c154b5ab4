"""The safe loop with a stage and dead letters that only take notes; no broker."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from aiokafka.errors import ProducerFenced, TopicAuthorizationFailedError

from pipeline.backoff import Backoff
from pipeline.breaker import Breaker
from pipeline.crash_log import CrashLog
from pipeline.loop import EXIT_BUG, EXIT_FATAL, SafeLoop
from pipeline.record import Item, Record
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.outcome import Done, Outcome, Rejected, Retry


class Ended(BaseException):
    """The process would be gone now."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code


def end(code: int, reason: str) -> NoReturn:
    raise Ended(code, reason)


class Waits(list[float]):
    async def __call__(self, seconds: float) -> None:
        self.append(seconds)
        await asyncio.sleep(0)


class Letters:
    """Takes dead letters; ``log`` shows the order against what the stage did."""

    def __init__(self, log: list[tuple[str, Any]]) -> None:
        self.log = log
        self.taken: list[tuple[Item[Any], Rejected]] = []
        self.down: Exception | None = None

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def write(self, rejected: Sequence[tuple[Item[Any], Rejected]]) -> None:
        if self.down is not None:
            raise self.down
        await asyncio.sleep(0)
        self.taken += rejected
        self.log.append(("letters", [line.raw for line, _ in rejected]))

    @property
    def lines(self) -> list[tuple[int, int, bytes, str]]:
        return [(i.record.offset, i.line, i.raw, why.kind) for i, why in self.taken]


Script = Callable[[Sequence[Item[str]]], Sequence[Outcome]]


class NoteStage:
    """Decodes JSON strings; ``script`` decides, by default everything is delivered."""

    name: Any = "enrich"

    def __init__(self, log: list[tuple[str, Any]]) -> None:
        self.log = log
        self.script: Script = lambda items: [Done()] * len(items)
        self.recovered = 0
        self.starts: BaseException | None = None

    async def start(self) -> None:
        if self.starts is not None:
            raise self.starts

    async def stop(self) -> None: ...

    async def recover(self) -> None:
        self.recovered += 1

    def decode(self, raw: bytes, record: Record) -> str:
        try:
            value = json.loads(raw)
        except ValueError as error:
            raise RejectedError("json", str(error)) from error
        if value == "decoder bug":
            raise ZeroDivisionError("decode")
        return str(value)

    async def apply(self, items: Sequence[Item[str]]) -> Sequence[Outcome]:
        await asyncio.sleep(0)
        outcomes = self.script(items)
        self.log.append(("apply", [item.value for item in items]))
        return outcomes

    @property
    def applied(self) -> list[list[str]]:
        return [values for what, values in self.log if what == "apply"]


class Rig:
    def __init__(self, notes: Path) -> None:
        self.notes = notes
        self.log: list[tuple[str, Any]] = []
        self.stage = NoteStage(self.log)
        self.letters = Letters(self.log)
        self.waits = Waits()
        self.restart()

    def restart(self) -> None:
        """A fresh process of the same place."""
        letters: Any = self.letters
        self.loop = SafeLoop(
            self.stage,
            letters,
            CrashLog(self.notes),
            Breaker("index", self.notes.with_name("halt.json"), self.waits),
            backoff=lambda: Backoff(sleep=self.waits),
            end=end,
        )

    async def handle(self, *values: bytes | None) -> None:
        await self.loop.handle([record(offset, value) for offset, value in enumerate(values)])

    async def die(self, *values: bytes | None, times: int, code: int = EXIT_BUG) -> None:
        for _ in range(times):
            with pytest.raises(Ended) as ended:
                await self.handle(*values)
            assert ended.value.code == code
            self.restart()


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path / "notes.json")


def record(offset: int, value: bytes | None) -> Record:
    return Record("posts.raw", 0, offset, 1_700_000_000_000, b"k", value)


def lines(*words: str) -> bytes:
    return b"\n".join(json.dumps(word).encode() for word in words)


# --- one bad line -----------------------------------------------------------------------------


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("bad", [b"{", b"\xff\xfe", b'"a\x00b"', b"\x00"])
async def test_exactly_the_bad_line_becomes_a_dead_letter(rig: Rig, bad: bytes, place: int) -> None:
    good = [b'"one"', b'"two"']
    good.insert(place, bad)

    await rig.handle(b"\n".join(good))

    assert rig.letters.lines == [(0, place + 1, bad, "json")]
    assert rig.stage.applied == [["one", "two"]]


@pytest.mark.parametrize("value", [None, b"", b"\n", b" \t\r\n"])
async def test_a_record_without_lines_is_one_dead_letter_and_its_neighbours_pass(
    rig: Rig, value: bytes | None
) -> None:
    await rig.handle(lines("before"), value, lines("behind"))

    assert rig.letters.lines == [(1, 0, b"", "empty")]
    assert rig.stage.applied == [["before", "behind"]]


async def test_a_record_of_bad_lines_only_is_handled_without_the_stage(rig: Rig) -> None:
    await rig.handle(b"{\n[")

    assert rig.letters.lines == [(0, 1, b"{", "json"), (0, 2, b"[", "json")]
    assert rig.stage.applied == []


async def test_dead_letters_are_acknowledged_before_anything_is_delivered(rig: Rig) -> None:
    await rig.handle(lines("one") + b"\n{")

    assert [what for what, _ in rig.log] == ["letters", "apply"]


async def test_without_the_dead_letter_nothing_is_acknowledged(rig: Rig) -> None:
    rig.letters.down = RuntimeError("no broker")

    with pytest.raises(Ended):
        await rig.handle(lines("one") + b"\n{")


async def test_what_the_stage_rejects_is_a_dead_letter_with_the_original_bytes(rig: Rig) -> None:
    rig.stage.script = lambda items: [
        Rejected("mapping", "不行") if item.value == "b" else Done() for item in items
    ]

    await rig.handle(b'"a"\n "b" \r\n"c"')

    assert rig.letters.lines == [(0, 2, b' "b" \r', "mapping")]


async def test_the_stage_knows_which_line_is_the_records_last(rig: Rig) -> None:
    seen: list[tuple[int, int, bool]] = []

    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        seen.extend((item.record.offset, item.line, item.last) for item in items)
        return [Done()] * len(items)

    rig.stage.script = script
    await rig.handle(lines("a", "b"), lines("c"), b'"d"\n{\n')

    assert seen == [(0, 1, False), (0, 2, True), (1, 1, True), (2, 1, False)]


# --- passing faults ---------------------------------------------------------------------------


async def test_only_the_retryable_lines_come_again_in_order_and_without_limit(rig: Rig) -> None:
    tries = dict.fromkeys("abcde", 0)

    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        for item in items:
            tries[item.value] += 1
        return [
            Retry("429") if item.value in "bd" and tries[item.value] < 60 else Done()
            for item in items
        ]

    rig.stage.script = script
    await rig.handle(lines("a", "b"), lines("c", "d", "e"))

    assert tries == {"a": 1, "b": 60, "c": 1, "d": 60, "e": 1}
    assert all(values == ["b", "d"] for values in rig.stage.applied[1:])
    assert rig.letters.taken == []
    assert len(rig.waits) == 59


async def test_a_retryable_error_means_all_of_them_again(rig: Rig) -> None:
    failures = iter([RetryableError("away", retry_after_seconds=7), RetryableError("away")])

    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        if (failure := next(failures, None)) is not None:
            rig.log.append(("failed", len(items)))
            raise failure
        return [Done()] * len(items)

    rig.stage.script = script
    await rig.handle(lines("a", "b"), lines("c"))

    assert rig.log == [("failed", 3), ("failed", 3), ("apply", ["a", "b", "c"])]
    assert rig.waits[0] == 7, "no shorter than the other side asked for"


async def test_the_longest_wait_that_was_asked_for_counts(rig: Rig) -> None:
    once = iter([[Retry("a", 3.0), Retry("b", 9.0), Retry("c")]])
    rig.stage.script = lambda items: next(once, [Done()] * len(items))

    await rig.handle(lines("a", "b", "c"))

    assert list(rig.waits) == [9.0]


async def test_waits_do_not_grow_while_most_lines_pass(rig: Rig) -> None:
    rig.stage.script = lambda items: [
        Done() if place >= len(items) // 2 else Retry("429") for place in range(len(items))
    ]
    rounds = 9

    await rig.handle(lines(*(str(number) for number in range(2**rounds))))

    assert len(rig.waits) == rounds
    assert max(rig.waits) <= 0.2, "as before the first try"


async def test_one_batch_may_deliver_reject_and_retry_at_once(rig: Rig) -> None:
    once: list[Outcome] = [Done(stale=True), Rejected("mapping", "no"), Retry("busy")]
    first = iter([once])
    rig.stage.script = lambda items: next(first, [Done()] * len(items))

    await rig.handle(lines("a", "b", "c"))

    assert rig.stage.applied == [["a", "b", "c"], ["c"]]
    assert rig.letters.lines == [(0, 2, b'"b"', "mapping")]


async def test_nothing_overtakes_a_line_that_is_tried_again(rig: Rig) -> None:
    # Given more lines than one slice holds, and a fault in the first slice
    delivered: list[str] = []
    failures = iter([RetryableError("away")])

    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        if (failure := next(failures, None)) is not None:
            raise failure
        delivered.extend(item.value for item in items)
        return [Done()] * len(items)

    rig.stage.script = script
    words = [[f"{number}-{n}" for n in range(200)] for number in range(12)]

    await rig.handle(*(lines(*group) for group in words))

    assert delivered == [word for group in words for word in group]
    assert all(len(values) <= 1_000 for values in rig.stage.applied)


# --- the process ends -------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_a_wrong_number_of_outcomes_ends_the_process(rig: Rig, count: int) -> None:
    rig.stage.script = lambda items: [Done()] * count

    with pytest.raises(Ended) as ended:
        await rig.handle(lines("a", "b"))

    assert ended.value.code == EXIT_BUG == 70


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FatalError("a person has to act"), EXIT_FATAL),
        (ZeroDivisionError("bug"), EXIT_BUG),
        (RejectedError("schema", "not from apply"), EXIT_BUG),
        (TopicAuthorizationFailedError("signals"), EXIT_BUG),
        (KeyboardInterrupt(), EXIT_BUG),
        (MemoryError(), EXIT_BUG),
    ],
)
async def test_anything_unexpected_ends_the_process(
    rig: Rig, error: BaseException, code: int
) -> None:
    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        raise error

    rig.stage.script = script

    with pytest.raises(Ended) as ended:
        await rig.handle(lines("a"))

    assert ended.value.code == code
    assert rig.letters.taken == []


async def test_a_bug_in_decode_ends_the_process_too(rig: Rig) -> None:
    with pytest.raises(Ended) as ended:
        await rig.handle(lines("a", "decoder bug"))

    assert ended.value.code == EXIT_BUG


@pytest.mark.parametrize(
    ("error", "code"), [(FatalError("no topic"), EXIT_FATAL), (OSError("no"), EXIT_BUG)]
)
async def test_a_stage_that_cannot_start_ends_the_process(
    rig: Rig, error: Exception, code: int
) -> None:
    rig.stage.starts = error

    with pytest.raises(Ended) as ended:
        await rig.loop.start()

    assert ended.value.code == code


# --- poison -----------------------------------------------------------------------------------


def kills_at(word: str, error: BaseException) -> Script:
    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        if any(item.value == word for item in items):
            raise error
        return [Done()] * len(items)

    return script


async def test_after_three_deaths_the_line_that_kills_is_isolated(rig: Rig) -> None:
    rig.stage.script = kills_at("poison", ZeroDivisionError("bug"))
    batch = (lines("a", "b"), lines("c", "poison", "d"), lines("e"))
    await rig.die(*batch, times=3)

    await rig.handle(*batch)

    assert [(offset, line, kind) for offset, line, _, kind in rig.letters.lines] == [(1, 2, "bug")]
    assert [values for values in rig.stage.applied] == [["a"], ["b"], ["c"], ["d"], ["e"]]
    assert rig.stage.recovered == 1
    assert "ZeroDivisionError" in rig.letters.taken[0][1].message

    # and the next batch is handled as a whole again
    rig.log.clear()
    await rig.loop.handle([record(3, lines("f", "g"))])
    assert rig.stage.applied == [["f", "g"]]


class Killed(BaseException):
    """SIGKILL, out of memory: nothing of the loop runs any more."""


async def test_a_line_that_kills_the_process_hard_is_poison_after_three_deaths_of_its_own(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a line at which the process vanishes: no exit code, no clean-up, only the crash notes
    rig.stage.script = kills_at("poison", Killed())
    batch = (lines("a"), lines("b", "poison", "c"))
    deaths = 0
    while not rig.letters.taken:
        with monkeypatch.context() as patched:
            patched.setattr(SafeLoop, "_end_for", lambda self, error: (_ for _ in ()).throw(error))
            try:
                await rig.handle(*batch)
            except Killed:
                deaths += 1
        rig.restart()
        assert deaths < 10

    assert deaths == 6
    assert rig.letters.lines == [(1, 2, b'"poison"', "poison")]
    assert rig.stage.applied[-3:] == [["a"], ["b"], ["c"]]


async def test_a_decoder_bug_is_isolated_too(rig: Rig) -> None:
    batch = (lines("a", "decoder bug", "b"),)
    await rig.die(*batch, times=3)

    await rig.handle(*batch)

    assert [(line, kind) for _, line, _, kind in rig.letters.lines] == [(2, "bug")]
    assert rig.stage.applied == [["a"], ["b"]]


async def test_two_poison_lines_of_one_record_are_both_isolated(rig: Rig) -> None:
    rig.stage.script = kills_at("x", ZeroDivisionError())
    batch = (lines("x", "a", "x"), lines("b"))
    await rig.die(*batch, times=3)

    await rig.handle(*batch)

    assert [(offset, line) for offset, line, *_ in rig.letters.lines] == [(0, 1), (0, 3)]
    assert rig.stage.applied == [["a"], ["b"]]


async def test_a_passing_fault_while_isolated_is_retried_and_no_letter(rig: Rig) -> None:
    rig.stage.script = kills_at("a", ZeroDivisionError())
    await rig.die(lines("a"), times=3)
    failures = iter([RetryableError("away")] * 5)

    def script(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        if (failure := next(failures, None)) is not None:
            raise failure
        return [Done()] * len(items)

    rig.stage.script = script
    await rig.handle(lines("a"))

    assert rig.letters.taken == []
    assert rig.stage.applied == [["a"]]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FatalError("wrong settings"), EXIT_FATAL),
        (TopicAuthorizationFailedError("signals"), EXIT_BUG),
        (ProducerFenced(), EXIT_BUG),
    ],
)
async def test_a_fault_that_is_not_the_lines_own_never_makes_dead_letters(
    rig: Rig, error: Exception, code: int
) -> None:
    # Given rights that were taken away, a fenced producer: every line would fail alike
    rig.stage.script = kills_at("a", error)

    await rig.die(lines("a"), lines("b"), times=8, code=code)

    assert rig.letters.taken == []


@pytest.mark.parametrize("error", [FatalError("wrong settings"), ProducerFenced()])
async def test_nor_while_a_suspect_is_handled_line_by_line(rig: Rig, error: Exception) -> None:
    rig.stage.script = kills_at("a", ZeroDivisionError())
    await rig.die(lines("a"), lines("b"), times=3)
    rig.stage.script = kills_at("a", error)

    for _ in range(8):
        with pytest.raises(Ended):
            await rig.handle(lines("a"), lines("b"))
        rig.restart()

    assert rig.letters.taken == []


async def test_a_cancel_is_no_death(rig: Rig) -> None:
    rig.stage.script = kills_at("a", asyncio.CancelledError())
    for _ in range(8):
        with pytest.raises(asyncio.CancelledError):
            await rig.handle(lines("a", "b"))
        rig.restart()
    rig.stage.script = lambda items: [Done()] * len(items)

    await rig.handle(lines("a", "b"))

    assert rig.stage.applied == [["a", "b"]], "handled as a whole: nothing was suspected"


async def test_a_kill_while_waiting_for_the_other_side_is_no_death_of_the_lines(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given an index that is away for long, and a machine that is switched off meanwhile
    async def killed(seconds: float) -> None:
        raise Killed

    def away(items: Sequence[Item[str]]) -> Sequence[Outcome]:
        raise RetryableError("away")

    rig.stage.script = away
    with monkeypatch.context() as patched:
        patched.setattr(SafeLoop, "_end_for", lambda self, error: (_ for _ in ()).throw(error))
        patched.setattr(Waits, "__call__", lambda self, seconds: killed(seconds))
        for _ in range(8):
            with pytest.raises(Killed):
                await rig.handle(lines("a", "b"))
            rig.restart()
    rig.stage.script = lambda items: [Done()] * len(items)

    await rig.handle(lines("a", "b"))

    assert rig.letters.taken == []
    assert rig.stage.applied == [["a", "b"]]
