"""The circuit breaker: a role that refuses too much halts instead of emptying its topic.

A wrong rule file, a producer of another version or a changed mapping makes every line bad. Without
a halt, a topic would become dead letters within minutes. With it, at most a fifth of the last
thousand lines does; the others wait in Kafka, unacknowledged, until a person says ``tingchao
resume``. The halt is a file, so it outlives the process.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict

from pipeline import metrics
from pipeline.folders import replace_note
from pipeline.vitals import Reader
from schemas.language import say
from schemas.outcome import Rejected
from schemas.small_file import read_small

__all__ = ["MOST_SHARE", "WINDOW_LINES", "Breaker", "Halt", "halts", "resume"]

WINDOW_LINES = 1_000
MOST_SHARE = 0.2
LOOK_SECONDS = 1.0
_STEP_LINES = 100

log = structlog.get_logger()


class Halt(BaseModel):
    """The note of one halted process."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: str
    at: datetime
    sentence: str
    accept: int | None = None
    """Set by ``resume``: so many more refused lines are let through."""


class Breaker:
    """Counts what a role decides, and halts it beyond 20 % refused of the last 1,000 lines.

    ``note`` is the file of the halt.
    """

    def __init__(
        self,
        role: str,
        note: Path,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        vitals: Reader | None = None,
    ) -> None:
        self.role = role
        self._note = note
        self._sleep = sleep
        self._vitals = vitals or Reader(role)
        self._batches: deque[tuple[int, float]] = deque()
        self._lines = 0
        self._refused = 0.0
        self._weight = 1.0
        self._allowed = 0

    async def start(self) -> None:
        """Wait while an earlier process's halt holds."""
        halt = _read(self._note)
        if halt is not None:
            await self._wait(halt)

    def passed(self, lines: int) -> None:
        """So many lines were read, as one batch."""
        # Of a larger batch only the share counts: where in it the bad lines stand is not known.
        self._weight = min(1.0, WINDOW_LINES / max(1, lines))
        counted = min(lines, WINDOW_LINES)
        for start in range(0, counted, _STEP_LINES):
            self._count(min(_STEP_LINES, counted - start), 0)

    async def refuse(self, refused: Iterable[Rejected]) -> None:
        """So many of them are about to become dead letters; waits here when they are too many."""
        reasons = list(refused)
        spared = min(self._allowed, len(reasons))
        self._allowed -= spared
        self._count(0, (len(reasons) - spared) * self._weight)
        if self._refused > WINDOW_LINES * MOST_SHARE:
            await self._wait(self._halt(reasons))

    def _count(self, lines: int, refused: float) -> None:
        self._batches.append((lines, refused))
        self._lines += lines
        self._refused += refused
        while self._lines - self._batches[0][0] >= WINDOW_LINES:
            oldest = self._batches.popleft()
            self._lines -= oldest[0]
            self._refused -= oldest[1]

    def _halt(self, reasons: list[Rejected]) -> Halt:
        kinds = ", ".join(f"{kind} {count}" for kind, count in _kinds(reasons))
        example = reasons[-1].message
        lines, refused = f"{self._lines:,}", f"{self._refused:,.0f}"
        sentence = say(
            f"{self.role} 停住了：最近 {lines} 行里有 {refused} 行不能接受"
            f"（这一批：{kinds}；例如：{example}）。没有丢失：余下的都在 Kafka 里等着。"
            f"请用 tingchao dead-letters list 查看原因，改好后运行 tingchao resume {self.role}。",
            f"{self.role} halted: {refused} of its last {lines} lines were refused "
            f"(this batch: {kinds}; for example: {example}). Nothing is lost: the rest waits in "
            "Kafka. See `tingchao dead-letters list`, correct the cause, then run `tingchao resume "
            f"{self.role}`.",
        )
        return Halt(role=self.role, at=datetime.now(UTC), sentence=sentence)

    async def _wait(self, halt: Halt) -> None:
        self._note.parent.mkdir(parents=True, exist_ok=True)
        replace_note(self._note, halt.model_dump_json())
        log.error(halt.sentence)
        self._vitals.halt(halt.sentence)
        metrics.HALTED.labels(self.role).set(1)
        while halt is not None and halt.accept is None:
            await self._sleep(LOOK_SECONDS)
            halt = _read(self._note) or halt.model_copy(update={"accept": 0})
        self._note.unlink(missing_ok=True)
        self._allowed = halt.accept or 0
        self._batches.clear()
        self._lines, self._refused = 0, 0.0
        self._vitals.resume()
        metrics.HALTED.labels(self.role).set(0)
        log.info("resumed", role=self.role, accept=self._allowed)


def _kinds(reasons: list[Rejected]) -> list[tuple[str, int]]:
    return Counter(str(reason.kind) for reason in reasons).most_common(3)


def halts(folder: Path) -> list[tuple[Path, Halt]]:
    """Every halt of a work folder that nobody has lifted yet."""
    found = []
    for note in sorted((folder / "halted").glob("*.json")):
        halt = _read(note)
        if halt is not None and halt.accept is None:
            found.append((note, halt))
    return found


def resume(folder: Path, role: str, accept: int) -> int:
    """Let a role go on, and refuse ``accept`` more lines before it is counted again.

    Returns how many of its processes were halted.
    """
    mine = [(note, halt) for note, halt in halts(folder) if halt.role == role]
    for note, halt in mine:
        replace_note(note, halt.model_copy(update={"accept": accept}).model_dump_json())
    return len(mine)


def _read(note: Path) -> Halt | None:
    try:
        return Halt.model_validate_json(read_small(note))
    except (OSError, ValueError):
        return None
