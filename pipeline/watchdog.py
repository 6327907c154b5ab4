"""Ends a process that hangs, so that a supervisor can start a fresh one.

An OS thread outside every event loop, since a blocked loop could not watch itself. What it looks at
stands in ``pipeline/vitals.py``; what each limit means, in ``WatchdogSettings``. When one is passed
it says so in one sentence, shows the stacks of all threads and tasks, and ends the process with
code 75. Nothing is acknowledged by that: what was in hand comes again.

It does not fire for what a fresh process would meet as well, or what is nobody's hang:

- Elasticsearch or a channel away: the role tries again, and every try is a sign of life;
- Kafka away: only the main loop is watched meanwhile. The monitor asks through clients of its own;
  when the broker answers those, all clocks begin anew, and a role that stays stuck is ended then;
- the machine slept or the process was frozen: the watchdog slept too, sees that by its own clock,
  and gives everything its full time again;
- an ordered shutdown: the supervisor kills after some seconds.

Membership is what the broker says (the ids in its description of the group), not what the client
believes: aiokafka changes its generation and id only when it hears a refusal, so a client whose
heartbeat or coordination task died, or waits for ever, takes itself for a member. An empty
assignment proves nothing either: that of a spare process is rightly empty.

Limit: code that never lets go of the interpreter's lock stops this thread too. Then nobody answers
``/live`` any more, which the container's health check and Prometheus see.
"""

import asyncio
import faulthandler
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import structlog

from pipeline.loop import EXIT_WATCHDOG, end_process
from pipeline.settings import WatchdogSettings
from pipeline.vitals import Reader, Step, Vitals
from schemas.language import say

__all__ = ["Watchdog", "past_exits", "verdict"]

#: A look that comes so much later than planned was kept from coming: the process did not run.
ASLEEP_SECONDS = 5.0
#: A loop that has not answered for so long is what is judged, and nothing that it would have done.
QUIET_LOOP_SECONDS = 5.0
#: Telling why must not keep the process from ending: standard error may be what is stuck.
TELL_SECONDS = 10.0

log = structlog.get_logger()


class Watchdog:
    """Looks at the vitals about every second; ``note`` keeps one line for each process ended."""

    def __init__(
        self,
        vitals: Vitals,
        limits: WatchdogSettings,
        note: Path,
        *,
        end: Callable[[int, str], NoReturn] = end_process,
    ) -> None:
        self._vitals = vitals
        self._limits = limits
        self._note = note
        self._end = end
        self._stop = threading.Event()
        self._awake_since = vitals.clock()
        self.looked_at = vitals.clock()
        self.verdict: str | None = None

    def start(self) -> None:
        """Look from now on."""
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()

    def look(self) -> None:
        """One look; ends the process when something hangs."""
        vitals = self._vitals
        now = vitals.clock()
        if now - self.looked_at > ASLEEP_SECONDS + self._limits.look_seconds:
            self._awake_since = now
            log.info("the process was asleep", seconds=round(now - self.looked_at))
        self.looked_at = now
        vitals.ping()
        for reader in vitals.readers:
            reader.poll()
        self.verdict = verdict(vitals, self._limits, now, self._awake_since)
        if self.verdict is not None:
            self._bark(self.verdict)

    def _run(self) -> None:
        while not self._stop.wait(self._limits.look_seconds):
            try:
                self.look()
            except Exception:  # who watches must not die of what it sees
                log.error("a look of the watchdog failed", exc_info=True)

    def _bark(self, why: str) -> None:
        deadline = threading.Timer(TELL_SECONDS, os._exit, (EXIT_WATCHDOG,))
        deadline.daemon = True
        deadline.start()
        try:
            with suppress(OSError):
                self._note.parent.mkdir(parents=True, exist_ok=True)
                with self._note.open("a", encoding="utf-8") as note:
                    note.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {why}\n")
            log.error(why)
            _show_stacks(self._vitals)
            self._end(EXIT_WATCHDOG, why)
        finally:
            deadline.cancel()


def verdict(vitals: Vitals, limits: WatchdogSettings, now: float, awake_since: float) -> str | None:
    """What hangs, in one sentence; None when nothing does."""
    if vitals.stopping:
        return None
    if vitals.beat_at is not None:
        age = now - max(vitals.beat_at, awake_since)
        if age > limits.loop_seconds:
            return say(
                f"看门狗：事件循环已有 {age:.0f} 秒没有响应（上限 {limits.loop_seconds:g} 秒），"
                "进程将重启，不会丢数据。",
                f"Watchdog: the event loop has not answered for {age:.0f} s (limit "
                f"{limits.loop_seconds:g} s); the process starts anew, nothing is lost.",
            )
        if age > QUIET_LOOP_SECONDS:
            # Heartbeats and commits wait for the loop: to name them would be to name the effect.
            return None
    # From here on up to when the broker last answered: while it does not, nobody can tell.
    heard_at = vitals.looked_at
    if vitals.kafka_away is not None or heard_at is None:
        return None
    since = max(awake_since, vitals.kafka_back_at)
    for reader in vitals.readers:
        works = reader.halted is None and not reader.pausing
        why = None
        if works:
            why = _step_verdict(reader, limits, heard_at, since)
        if reader.membership is not None:
            why = why or _member_verdict(reader, limits, heard_at, since)
        if works and vitals.index_away is None:
            why = why or _progress_verdict(reader, limits, heard_at, since)
        if why is not None:
            return why
    return None


def _step_verdict(reader: Reader, limits: WatchdogSettings, now: float, since: float) -> str | None:
    tried_at = reader.wait.tried_at if reader.wait is not None else None
    for step, began in reader.steps.items():
        age = now - max(began, since, tried_at or since)
        if age > limits.step_seconds:
            zh = _STEPS_ZH[step]
            return say(
                f"看门狗：{reader.group} 的“{zh}”已有 {age:.0f} 秒没有进展"
                f"（上限 {limits.step_seconds:g} 秒），进程将重启，不会丢数据。",
                f"Watchdog: {reader.group} has been {step} for {age:.0f} s (limit "
                f"{limits.step_seconds:g} s); the process starts anew, nothing is lost.",
            )
    return None


def _member_verdict(
    reader: Reader, limits: WatchdogSettings, now: float, since: float
) -> str | None:
    age = now - max(reader.member_at, since)
    if age <= limits.member_seconds:
        return None
    return say(
        f"看门狗：Kafka 已有 {age:.0f} 秒不认 {reader.group} 是消费组成员"
        f"（上限 {limits.member_seconds:g} 秒），进程将重启，不会丢数据。",
        f"Watchdog: for {age:.0f} s Kafka has not counted {reader.group} among its group's "
        f"members (limit {limits.member_seconds:g} s); the process starts anew, nothing is lost.",
    )


def _progress_verdict(
    reader: Reader, limits: WatchdogSettings, now: float, since: float
) -> str | None:
    age = now - max(reader.progress_at, reader.alive_at, since)
    if not reader.lag or age <= limits.progress_seconds:
        return None
    return say(
        f"看门狗：{reader.group} 落后 {reader.lag} 条记录，却已有 {age:.0f} 秒没有提交"
        f"（上限 {limits.progress_seconds:g} 秒），进程将重启，不会丢数据。",
        f"Watchdog: {reader.group} is {reader.lag} records behind but has committed nothing for "
        f"{age:.0f} s (limit {limits.progress_seconds:g} s); the process starts anew, nothing is "
        "lost.",
    )


_STEPS_ZH: dict[Step, str] = {
    "starting": "启动",
    "joining": "加入消费组",
    "rebalancing": "重新分配分区",
    "taking over": "接管分区",
    "writing": "写入",
}


def past_exits(note: Path) -> int:
    """How many processes of this place a watchdog ended so far."""
    try:
        return len(note.read_text(encoding="utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return 0


def _show_stacks(vitals: Vitals) -> None:
    """Best effort: a stack that cannot be read must not keep the process alive."""
    stream = sys.__stderr__
    if stream is None:
        return
    with suppress(Exception):
        faulthandler.dump_traceback(stream, all_threads=True)
    for name, loop in vitals.loops.items():
        with suppress(Exception):
            for task in asyncio.all_tasks(loop):
                print(f"\nTask {task.get_name()} of loop {name}:", file=stream)
                stream.writelines(_awaits(task.get_coro()))
    with suppress(Exception):
        stream.flush()


def _awaits(awaited: Any) -> Iterator[str]:
    """Where a task stands, down to what it waits for; ``print_stack`` shows the top only."""
    while awaited is not None:
        if (
            type(awaited).__name__ == "coroutine_wrapper"
        ):  # of an object with __await__, as in Faust
            awaited = next(iter(gc.get_referents(awaited)), None)
        for kind, inner in (("cr", "await"), ("gi", "yieldfrom"), ("ag", "await")):
            frame = getattr(awaited, f"{kind}_frame", None)
            if frame is not None:
                code = frame.f_code
                yield f'  File "{code.co_filename}", line {frame.f_lineno}, in {code.co_name}\n'
                awaited = getattr(awaited, f"{kind}_{inner}", None)
                break
        else:
            return
