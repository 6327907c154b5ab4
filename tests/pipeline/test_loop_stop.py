"""Stopping a safe loop while its reader still runs, as Faust does."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import pytest
from aiokafka.errors import ProducerClosed

from pipeline import loop as module
from pipeline.breaker import Breaker
from pipeline.crash_log import CrashLog
from pipeline.loop import SafeLoop
from pipeline.record import Item, Record
from schemas.outcome import Done, Outcome


class SlowStage:
    """Delivers when told to, unless it was stopped before."""

    name: Any = "enrich"

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.stopped = False
        self.applied = 0

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.stopped = True

    async def recover(self) -> None: ...

    def decode(self, raw: bytes, record: Record) -> bytes:
        return raw

    async def apply(self, items: Sequence[Item[bytes]]) -> Sequence[Outcome]:
        self.entered.set()
        await self.may_go_on.wait()
        if self.stopped:
            raise ProducerClosed
        self.applied += 1
        return [Done()] * len(items)


class NoLetters:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


def end(code: int, reason: str) -> NoReturn:
    raise AssertionError(f"ended with {code}: {reason}")


RECORD = Record("posts.raw", 0, 5, 0, None, b"a")


@pytest.fixture
def stage() -> SlowStage:
    return SlowStage()


@pytest.fixture
def notes(tmp_path: Path) -> CrashLog:
    return CrashLog(tmp_path / "notes.json")


@pytest.fixture
def loop(stage: SlowStage, notes: CrashLog, tmp_path: Path) -> SafeLoop[bytes]:
    letters: Any = NoLetters()
    return SafeLoop(stage, letters, notes, Breaker("index", tmp_path / "halt.json"), end=end)


async def test_stop_waits_for_the_running_batch(loop: SafeLoop[bytes], stage: SlowStage) -> None:
    handling = asyncio.create_task(loop.handle([RECORD]))
    await stage.entered.wait()

    stopping = asyncio.create_task(loop.stop())
    await asyncio.sleep(0)
    assert not stage.stopped
    stage.may_go_on.set()
    await asyncio.gather(handling, stopping)

    assert stage.applied == 1
    assert stage.stopped


async def test_no_batch_begins_after_stop(loop: SafeLoop[bytes], stage: SlowStage) -> None:
    stage.may_go_on.set()
    await loop.stop()

    handling = asyncio.create_task(loop.handle([RECORD]))
    await asyncio.wait((handling,), timeout=0.05)

    assert not handling.done(), "returning would acknowledge what was not decided"
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert stage.applied == 0


async def test_a_batch_that_does_not_end_is_left_undecided_and_is_no_death(
    loop: SafeLoop[bytes], stage: SlowStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.01)
    handling = asyncio.create_task(loop.handle([RECORD]))
    await stage.entered.wait()

    await loop.stop()
    stage.may_go_on.set()  # its writer is closed by now
    await asyncio.wait((handling,), timeout=0.05)

    assert not handling.done()
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    again = CrashLog(tmp_path / "notes.json")
    for _ in range(3):
        again = CrashLog(tmp_path / "notes.json")
    assert not again.suspicious(("posts.raw", 0, 5, 0))
