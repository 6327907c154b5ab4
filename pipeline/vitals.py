"""What a worker process knows about itself: the one record that all its threads share.

The roles write into it (a step begins, a batch was delivered, something has to be tried again),
the monitor adds what the broker says, and the watchdog and the health server only read. Every field
is replaced as a whole and, but for plain times, written by one thread: nobody needs a lock. Times
are those of ``time.monotonic``.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

from aiokafka import TopicPartition

__all__ = ["Membership", "Reader", "State", "Status", "Step", "Vitals", "Wait"]

Step = Literal["starting", "joining", "rebalancing", "taking over", "writing"]
State = Literal["starting", "ready", "degraded", "halted", "stopping"]


@dataclass(frozen=True)
class Membership:
    """How a reader stands in its consumer group, as its own client sees it."""

    member_id: Callable[[], str]
    """Empty while the client knows that it is no member."""
    assigned: Callable[[], Iterable[TopicPartition]]
    rebalancing: Callable[[], bool]


@dataclass(frozen=True)
class Wait:
    """Something has to be tried again in place: the surroundings are not there."""

    reason: str
    since: float
    tried_at: float | None
    """When the last try began; None in the pause before it."""


@dataclass(frozen=True)
class Status:
    """What the process as a whole is doing."""

    state: State
    reason: str = ""
    """Why it is in that state, or ready with older rules than the newest."""


class Reader:
    """One thing that this process reads: a consumer group's topics, or its sources.

    It begins in the step ``starting``; in a step for too long is a hang (``pipeline/watchdog.py``).
    """

    def __init__(
        self, group: str, *, in_group: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.group = group
        self.in_group = in_group
        self.clock = clock
        self._steps: Mapping[Step, float] = {"starting": clock()}
        self._rebalancing_since: float | None = None  # the watchdog asks, and writes it
        self.wait: Wait | None = None
        self.halted: str | None = None
        self.membership: Membership | None = None
        self.alive_at = clock()
        # From here on: what the monitor saw at the broker.
        self.lag: int | None = None
        """Records behind in the partitions of this process; None when nobody could tell."""
        self.committed: Mapping[TopicPartition, int | None] = {}
        self.progress_at = clock()
        """When the group last committed, or had nothing to commit."""
        self.member_at = clock()
        """When the broker last named this process among the group's members."""

    @property
    def steps(self) -> Mapping[Step, float]:
        """What is under way, and since when."""
        since = self._rebalancing_since
        return self._steps if since is None else {**self._steps, "rebalancing": since}

    def begin(self, step: Step) -> None:
        """A step begins; one that is under way goes on."""
        if step not in self._steps:
            self._steps = {**self._steps, step: self.clock()}

    def end(self, step: Step) -> None:
        """A step is over, and with it whatever had to be tried again for it."""
        if step in self._steps:
            self._steps = {name: at for name, at in self._steps.items() if name != step}
            self.wait = None

    @contextmanager
    def step(self, step: Step) -> Iterator[None]:
        """A step for as long as the block runs."""
        self.begin(step)
        try:
            yield
        finally:
            self.end(step)

    def joined(self, membership: Membership) -> None:
        """The client is a member of the group now; from here on that is watched."""
        if self.membership is None:
            self.member_at = self.progress_at = self.clock()
            self.membership = membership
        self.end("joining")

    @contextmanager
    def retrying(self, reason: str) -> Iterator[None]:
        """The surroundings are not there; the block is the pause before the next try.

        Each try is a sign of life: who tries again for hours does not hang.
        """
        since = self.wait.since if self.wait else self.clock()
        self.wait = Wait(reason, since, None)
        try:
            yield
        finally:
            now = self.alive_at = self.clock()
            self.wait = Wait(reason, since, now)

    def delivered(self) -> None:
        """Something was delivered: whatever had to be tried again is over."""
        self.wait = None

    def alive(self) -> None:
        """A sign of life from a long piece of work, whose commit comes only at its end."""
        self.alive_at = self.clock()

    def halt(self, reason: str) -> None:
        """It stopped on purpose, until a person acts."""
        self.halted = reason

    def resume(self) -> None:
        """A person acted."""
        self.halted = None
        self.alive_at = self.progress_at = self.clock()
        self._steps = dict.fromkeys(self._steps, self.clock())  # a halt may outlive a restart

    def saw(self, lag: int, committed: Mapping[TopicPartition, int | None]) -> None:
        """What the broker says of the partitions of this process."""
        if not lag or committed != self.committed:
            self.progress_at = self.clock()
        self.lag, self.committed = lag, committed

    @property
    def pausing(self) -> bool:
        """Whether it only waits for its next try."""
        return self.wait is not None and self.wait.tried_at is None

    def poll(self) -> None:
        """Ask the client whether the group is being rebalanced."""
        if self.membership is None or not self.membership.rebalancing():
            self._rebalancing_since = None
        elif self._rebalancing_since is None:
            self._rebalancing_since = self.clock()


class Vitals:
    """The process: its event loop, its readers, its surroundings."""

    def __init__(
        self,
        role: str,
        groups: Iterable[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``groups``: what the role reads; none: something that belongs to no group."""
        self.role = role
        self.clock = clock
        self._readers = (
            {role: Reader(role, in_group=False, clock=clock)}
            if groups is None
            else {group: Reader(group, clock=clock) for group in groups}
        )
        self.loops: Mapping[str, asyncio.AbstractEventLoop] = {}
        """Event loops by name, for their tasks' stacks; ``main`` is the one that is pinged."""
        self.beat_at: float | None = None
        """When the main event loop last answered; None before it was known."""
        self.stopping = False
        self.kafka_away: str | None = None
        self.kafka_back_at = clock()
        self.index_away: str | None = None
        self.rules_refused: str | None = None
        """Why the newest rules are not in use; the process works on with older ones."""
        self.looked_at: float | None = None
        """When the last look began that the broker answered: its answers are at least as new."""
        self._pinged = False

    @property
    def readers(self) -> Iterable[Reader]:
        """All that this process reads."""
        return self._readers.values()

    def reader(self, group: str) -> Reader:
        """One of them."""
        return self._readers[group]

    def runs_on(self, loop: asyncio.AbstractEventLoop, name: str = "main") -> None:
        """An event loop runs."""
        self.loops = {**self.loops, name: loop}
        if name == "main":
            self.beat_at = self.clock()

    def ping(self) -> None:
        """Ask the main event loop to answer; one question at a time."""
        loop = self.loops.get("main")
        if loop is None or self._pinged or loop.is_closed():
            return
        self._pinged = True
        try:
            loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # closed in between: the process ends
            self._pinged = False

    def _answer(self) -> None:
        self.beat_at = self.clock()
        self._pinged = False

    def kafka_answers(self, away: str | None) -> None:
        """Whether the broker answers the monitor; if not, why."""
        if self.kafka_away is not None and away is None:
            self.kafka_back_at = self.clock()
        self.kafka_away = away

    def status(self) -> Status:
        """What the process is doing; the first that holds, in this order."""
        if self.stopping:
            return Status("stopping")
        for reader in self.readers:
            if reader.halted is not None:
                return Status("halted", f"{reader.group}: {reader.halted}")
        if away := self.kafka_away or self.index_away:
            return Status("degraded", away)
        for reader in self.readers:
            if reader.wait is not None:
                return Status("degraded", f"{reader.group}: {reader.wait.reason}")
        for reader in self.readers:
            for step in reader.steps:
                if step != "writing":  # which is what a reader is there for
                    return Status("starting", f"{reader.group}: {step}")
        return Status("ready", self.rules_refused or "")
