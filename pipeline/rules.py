"""Rule sets: read from a file, published to ``rules``, followed by the workers."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.loop import EXIT_BUG, end_process
from pipeline.registries import with_registries
from pipeline.settings import Settings
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.record import explain
from schemas.rules import RuleSet
from schemas.small_file import read_toml
from schemas.topics import TOPICS, partition_of

__all__ = [
    "RuleFollower",
    "configured_rules",
    "live_rules",
    "no_rules",
    "publish_rules",
    "read_rule_file",
]

EMPTY_RULES_AT = "1970-01-01T00:00:00Z"

#: Of the file, and of the record: less than the topic takes, which counts key and headers too.
MAX_RULES_BYTES = TOPICS["rules"].max_message_bytes - 64 * 1024

log = structlog.get_logger()


def read_rule_file(path: Path) -> RuleSet:
    """Read a rule file, with the brands of the registries that it includes.

    Raises:
        FatalError: no such file, no TOML, or no valid rule set; names file and field.
    """
    try:
        tree, _ = read_toml(path, MAX_RULES_BYTES)
        rules = RuleSet.model_validate(with_registries(path.parent, tree), strict=False)
        if len(rules.to_line()) <= MAX_RULES_BYTES:
            return rules
        why = say("规则太多，一条记录放不下", "more rules than one record can hold")
    except ValidationError as error:
        why = explain(error)[1]
    except (OSError, ValueError) as error:
        why = str(error)
    raise FatalError(
        say(f"规则文件 {path} 用不了：{why}。", f"Rule file {path} is invalid: {why}.")
    )


def configured_rules(settings: Settings) -> RuleSet | None:
    """The rule set of the configured file, or None where no file is configured.

    Raises:
        FatalError: the file is invalid, or holds another rule set than the workers follow.
    """
    section = settings.rules
    if section.file is None:
        return None
    rules = read_rule_file(section.file)
    if rules.id != section.id:
        raise FatalError(
            say(
                f"规则文件 {section.file} 的 id 是 {rules.id}，而设置 rules.id 是 {section.id}，"
                "各角色不会用它；请改成一样的。",
                f"Rule file {section.file} has the id {rules.id}, but rules.id is {section.id}: "
                "no role would use it. Make them equal.",
            )
        )
    return rules


def no_rules(rule_set: str) -> RuleSet:
    """The rule set before anybody published one: nothing is listened for yet."""
    return RuleSet.from_line(
        (
            f'{{"id":"{rule_set}","version":1,"author":"tingchao","reason":"none yet",'
            f'"changed_at":"{EMPTY_RULES_AT}"}}'
        ).encode()
    )


async def live_rules(kafka: Kafka, rule_set: str) -> RuleSet | None:
    """The newest published version of a rule set."""
    newest: RuleSet | None = None
    async for record in kafka.read_all("rules"):
        if record.key == rule_set.encode() and record.value:
            newest = _newer(newest, record.value)
    return newest


def _newer(known: RuleSet | None, line: bytes) -> RuleSet | None:
    """A broken or older set is refused and the old one stays."""
    try:
        found = RuleSet.from_line(line)
    except RejectedError as error:
        log.error("rule set refused", reason=str(error))
        return known
    return found if known is None or found.version >= known.version else known


async def publish_rules(kafka: Kafka, rules: RuleSet) -> bool:
    """Publish a rule set unless the live one already is this version.

    Returns whether it was published.

    Raises:
        FatalError: the live version is newer, or the same version with other content.
    """
    live = await live_rules(kafka, rules.id)
    if live == rules:
        return False
    if live is not None and live.version >= rules.version:
        raise FatalError(
            say(
                f"线上规则 {live.label} 不比要发布的 {rules.label} 旧，但内容不同；"
                f"请把文件里的 version 改成 {live.version + 1} 再发布。",
                f"The live rules {live.label} are not older than {rules.label} but differ; "
                f"set version = {live.version + 1} in the file and push again.",
            )
        )
    writer = LineWriter(kafka)
    await writer.start()
    try:
        key = rules.id.encode()
        partition = partition_of(key, await writer.partitions("rules"))
        await writer.write({"rules": [Entry(partition, rules.to_line(), key)]})
    finally:
        await writer.stop()
    return True


def _end_if_failed(task: asyncio.Task[None]) -> None:
    """Rules that stay old for ever would look like calm: better a fresh process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_process(EXIT_BUG, f"following the rules: {type(error).__name__}: {error}")


class RuleFollower:
    """Keeps the newest rule set of one id; calls back when it changes.

    A change is seen within about a second. A rule set that can't be read, or that the callback
    refuses, is logged and the old one stays.
    """

    def __init__(self, kafka: Kafka, rule_set: str, use: Callable[[RuleSet], None]) -> None:
        self._kafka = kafka
        self._rule_set = rule_set
        self._use = use
        self._current: RuleSet | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Use the live rule set (or none), then follow."""
        live = await live_rules(self._kafka, self._rule_set)
        self._current = live or no_rules(self._rule_set)
        self._use(self._current)
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
                                self._see(message.key, message.value)
            except (KafkaError, FatalError) as error:
                log.warning("rules cannot be followed for now", reason=str(error))
                await asyncio.sleep(5)

    def _see(self, key: bytes | None, value: bytes | None) -> None:
        if key != self._rule_set.encode() or not value:
            return
        newest = _newer(self._current, value)
        if newest is None or newest == self._current:
            return
        try:
            self._use(newest)
        except (FatalError, ValueError) as error:
            log.error("rule set refused", rules=newest.label, reason=str(error))
            return
        self._current = newest
        log.info("rules changed", rules=newest.label)
