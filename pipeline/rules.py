"""Rule sets: read from a file, published to ``rules``, found there again.

Every version stands in the topic under a key of its own, ``id@version``, so that compaction keeps
all of them; the newest also under ``id``, for readers that want no more than that.
"""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from pipeline.kafka import Entry, Kafka, LineWriter
from pipeline.registries import with_registries
from pipeline.settings import Settings
from processors.rule_check import check_rule_set
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.rule_faults import rule_faults
from schemas.rules import MAX_VERSION, RuleSet
from schemas.small_file import read_toml, unread
from schemas.topics import TOPICS, partition_of

__all__ = [
    "Version",
    "configured_rules",
    "live_rules",
    "newest_fit",
    "no_rules",
    "publish_rules",
    "read_rule_file",
    "refuse_broken",
    "rule_lines",
    "rules_of",
    "version_of",
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
        tree = with_registries(path.parent, tree)
        rules = RuleSet.model_validate(tree, strict=False)
        if len(rules.to_line()) <= MAX_RULES_BYTES:
            return rules
        why = say("规则太多，一条记录放不下", "more rules than one record can hold")
    except ValidationError as error:
        faults = rule_faults(error, tree)
        why = faults[0] if len(faults) == 1 else "".join(f"\n  {fault}" for fault in faults)
    except OSError as error:
        why = unread(error)
    except ValueError as error:
        why = str(error)
    raise FatalError(
        say(f"规则文件 {path} 用不了：{why}。", f"Rule file {path} is invalid: {why}.")
    )


def configured_rules(settings: Settings) -> RuleSet | None:
    """The rule set of the configured file, or None where no file is configured.

    Raises:
        FatalError: the file is invalid, not fit to go live, or holds another rule set than the
            workers follow.
    """
    section = settings.rules
    if section.file is None:
        return None
    rules = read_rule_file(section.file)
    if rules.id not in section.followed:
        listed = ", ".join(section.followed)
        raise FatalError(
            say(
                f"规则文件 {section.file} 的 id 是 {rules.id}，而设置里跟随的规则集是 {listed}，"
                "各角色不会用它；请改 rules.id 或 rules.sets，让它包含这个 id。",
                f"Rule file {section.file} has the id {rules.id}, but the settings follow "
                f"{listed}: no role would use it. Make rules.id or rules.sets name it.",
            )
        )
    refuse_broken(rules)
    return rules


def no_rules(rule_set: str) -> RuleSet:
    """The rule set before anybody published one: nothing is listened for yet."""
    return RuleSet.from_line(
        (
            f'{{"id":"{rule_set}","version":1,"author":"tingchao","reason":"none yet",'
            f'"changed_at":"{EMPTY_RULES_AT}"}}'
        ).encode()
    )


def refuse_broken(rules: RuleSet) -> None:
    """Let a rule set pass only if every query can be read and every example is judged right.

    Raises:
        FatalError: not so; a line for each problem.
    """
    errors = [problem.sentence for problem in check_rule_set(rules, advise=False)]
    if errors:
        first = say(
            f"规则集 {rules.label} 有 {len(errors)} 处错误，不能上线：",
            f"Rule set {rules.label} has {len(errors)} errors and can't go live:",
        )
        raise FatalError("\n".join([first, *errors]))


# --- the topic ------------------------------------------------------------------------------------


class Version(NamedTuple):
    """What a record of the topic claims to be."""

    rule_set: str
    number: int | None
    """None under the key of the set itself: the line says it."""


def version_of(key: bytes | None) -> Version | None:
    """What a key stands for; None for anybody else's."""
    found = _KEY.fullmatch(key or b"")
    if found is None:
        return None
    number = int(found[2]) if found[2] else None
    return None if number and number > MAX_VERSION else Version(found[1].decode(), number)


_KEY = re.compile(rb"([a-z0-9][a-z0-9_-]{0,63})(?:@([1-9][0-9]{0,9}))?")


def rules_of(rule_set: str, line: bytes) -> RuleSet:
    """The rule set of a line of the topic, fit to be used or not.

    Raises:
        RejectedError: no rule set, or another one's.
    """
    rules = RuleSet.from_line(line)
    if rules.id != rule_set:
        raise RejectedError("schema", f"the rule set {rules.id!r} under the key of {rule_set!r}")
    return rules


async def rule_lines(
    kafka: Kafka, rule_sets: Collection[str], *, most: int | None = None
) -> dict[str, dict[int, bytes]]:
    """The lines of each set by version, or of so many of its newest versions.

    Of two lines of one version the later counts. A line under its set's own key that is no rule
    set is logged and left out; what stands under ``id@version`` may be broken still.
    """
    lines: dict[str, dict[int, bytes]] = {rule_set: {} for rule_set in rule_sets}
    last: dict[str, bytes] = {}
    async for record in kafka.read_all("rules"):
        found = version_of(record.key)
        if found is None or found.rule_set not in lines or not record.value:
            continue
        number = found.number
        if number is None:
            if record.value == last.get(found.rule_set):
                continue  # the same line as under the version's key, right before this one
            try:
                number = rules_of(found.rule_set, record.value).version
            except RejectedError as error:
                log.error("rule set refused", rule_set=found.rule_set, reason=str(error))
                continue
        last[found.rule_set] = record.value
        known = lines[found.rule_set]
        known[number] = record.value
        if most is not None and len(known) > most:
            del known[min(known)]
    return lines


def newest_fit(rule_set: str, lines: Mapping[int, bytes]) -> tuple[RuleSet | None, str | None]:
    """The newest version that is fit to be used, and why a newer one is not."""
    refused: str | None = None
    for version in sorted(lines, reverse=True):
        try:
            rules = rules_of(rule_set, lines[version])
            refuse_broken(rules)
            return rules, refused
        # Whatever a newer version is, an older one may be good: workers have to start.
        except (RejectedError, FatalError, ValueError) as error:
            label = f"{rule_set}@{version}"
            log.error("rule set refused", rules=label, reason=str(error))
            refused = refused or f"{label}: {error}"
    return None, refused


async def live_rules(kafka: Kafka, rule_set: str) -> RuleSet | None:
    """The newest published version of a rule set that is fit to be used."""
    return newest_fit(rule_set, (await rule_lines(kafka, [rule_set]))[rule_set])[0]


async def publish_rules(kafka: Kafka, rules: RuleSet) -> bool:
    """Publish a rule set unless the newest version already is this one.

    Returns whether it was published.

    Raises:
        FatalError: not fit to go live; or the newest version is newer, or the same with other
            content; or somebody else published the same version at this moment.
    """
    refuse_broken(rules)
    newest = _newest((await rule_lines(kafka, [rules.id]))[rules.id])
    if newest == rules:
        return False
    if newest is not None and newest.version >= rules.version:
        raise FatalError(
            say(
                f"线上规则 {newest.label} 不比要发布的 {rules.label} 旧，但内容不同；"
                f"请把文件里的 version 改成 {newest.version + 1} 再发布。",
                f"The live rules {newest.label} are not older than {rules.label} but differ; "
                f"set version = {newest.version + 1} in the file and push again.",
            )
        )
    writer = LineWriter(kafka)
    await writer.start()
    try:
        key, line = rules.id.encode(), rules.to_line()
        # One partition for all keys of a set: its versions stay in order.
        partition = partition_of(key, await writer.partitions("rules"))
        keys = (rules.label.encode(), key)
        await writer.write({"rules": [Entry(partition, line, key) for key in keys]})
    finally:
        await writer.stop()
    await _refuse_rival(kafka, rules)
    return True


async def _refuse_rival(kafka: Kafka, rules: RuleSet) -> None:
    """Of two who publish one version at the same moment, at least the later one hears of it.

    Raises:
        FatalError: that happened; which of the two is in use nobody can tell.
    """
    key = rules.label.encode()
    # All of them first: an error in the midst would leave the consumer open.
    records = [record async for record in kafka.read_all("rules") if record.key == key]
    for record in records:
        try:
            other = rules_of(rules.id, record.value or b"")
        except RejectedError:
            continue
        if other != rules:
            raise FatalError(
                say(
                    f"{other.author} 同时发布了另一份 {rules.label}（{other.reason}）；请看 "
                    f"tingchao rules diff，把 version 改成 {rules.version + 1} 再发布一次。",
                    f"{other.author} published another {rules.label} at the same moment "
                    f"({other.reason}); see `tingchao rules diff`, set version = "
                    f"{rules.version + 1} and push again.",
                )
            )


def _newest(lines: Mapping[int, bytes]) -> RuleSet | None:
    """The newest version, fit or not: the next one has to be newer."""
    for version in sorted(lines, reverse=True):
        try:
            return RuleSet.from_line(lines[version])
        except RejectedError:
            continue
    return None
