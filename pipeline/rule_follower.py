"""Workers follow the rule sets: a change is used within about a second, without a restart."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import structlog
from aiokafka.errors import KafkaError

from pipeline.kafka import Kafka
from pipeline.loop import EXIT_BUG, end_process
from pipeline.rules import (
    newest_fit,
    no_rules,
    refuse_broken,
    rule_lines,
    rules_of,
    version_of,
)
from schemas.errors import FatalError, RejectedError
from schemas.rules import RuleSet

__all__ = ["RuleFollower", "uncollected"]

#: Versions of a set that a worker looks back through when the newest are broken.
KEPT_VERSIONS = 50

log = structlog.get_logger()


def _end_if_failed(task: asyncio.Task[None]) -> None:
    """Rules that stay old for ever would look like calm: better a fresh process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_process(EXIT_BUG, f"following the rules: {type(error).__name__}: {error}")


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave Python's garbage collector out for a moment.

    Thousands of rules are millions of objects, and none of them is garbage: it would look at all of
    them again and again, two thirds of the time, and hold up every other thread meanwhile.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class RuleFollower:
    """Keeps the newest fit version of each rule set; calls back when one changes.

    ``use`` gets all sets, in the order asked for; it is awaited, so the next change waits for it.
    A version that can't be read, fails its own examples, or that ``use`` refuses, is logged and
    given to ``tell``, and the old one stays; a worker that starts then looks for the newest that is
    fit. ``tell(None)``: nothing is refused any more.
    """

    def __init__(
        self,
        kafka: Kafka,
        rule_sets: Sequence[str],
        use: Callable[[Sequence[RuleSet]], Awaitable[None]],
        tell: Callable[[str | None], None] = lambda reason: None,
    ) -> None:
        self._kafka = kafka
        self._use = use
        self._tell = tell
        self._current = {rule_set: no_rules(rule_set) for rule_set in rule_sets}
        self._refused: dict[str, str] = {}
        self._seen: dict[str, bytes] = {}
        """The last line of each set: it comes under two keys."""
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Use what is live (or no rules), then follow."""
        lines = await rule_lines(self._kafka, self._current, most=KEPT_VERSIONS)
        with uncollected():
            for rule_set in self._current:
                # In a thread, as below: thousands of queries take seconds to read.
                rules, refused = await asyncio.to_thread(newest_fit, rule_set, lines[rule_set])
                self._current[rule_set] = rules or self._current[rule_set]
                self._note(rule_set, refused)
            await self._use(tuple(self._current.values()))
        self._task = asyncio.create_task(self._follow())
        self._task.add_done_callback(_end_if_failed)

    async def stop(self) -> None:
        """Stop following."""
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        while True:
            try:
                async with self._kafka.reader("rules") as (consumer, partitions):
                    await consumer.seek_to_beginning(*partitions)
                    while True:
                        batches = await consumer.getmany(timeout_ms=500)
                        for messages in batches.values():
                            for message in messages:
                                await self._see(message.key, message.value)
            except (KafkaError, FatalError) as error:
                log.warning("rules cannot be followed for now", reason=str(error))
                await asyncio.sleep(5)

    async def _see(self, key: bytes | None, line: bytes | None) -> None:
        found = version_of(key)
        if found is None or found.rule_set not in self._current or not line:
            return
        rule_set = found.rule_set
        current = self._current[rule_set]
        if found.number is not None and found.number < current.version:
            return
        if line == self._seen.get(rule_set):
            return
        self._seen[rule_set] = line
        try:
            newest = await asyncio.to_thread(rules_of, rule_set, line)
            if newest.version < current.version:
                return
            if newest == current:  # and it stands behind whatever was refused before
                self._note(rule_set, None)
                return
            with uncollected():
                await asyncio.to_thread(refuse_broken, newest)
                await self._use(tuple((self._current | {rule_set: newest}).values()))
        except (FatalError, RejectedError, ValueError) as error:
            log.error("rule set refused", rule_set=rule_set, reason=str(error))
            self._note(rule_set, str(error))
            return
        self._current[rule_set] = newest
        self._note(rule_set, None)
        log.info("rules changed", rules=newest.label)

    def _note(self, rule_set: str, refused: str | None) -> None:
        self._refused.pop(rule_set, None)
        if refused is not None:
            self._refused[rule_set] = refused
        self._tell("; ".join(self._refused.values()) or None)
