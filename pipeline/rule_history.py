"""The versions of a rule set that were published: listed, fetched, brought back."""

from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from pipeline.kafka import Kafka
from pipeline.rules import publish_rules, refuse_broken, rule_lines, rules_of
from processors.rule_diff import Change, changes_between
from schemas.errors import FatalError, RejectedError
from schemas.language import say
from schemas.rule_faults import rule_faults
from schemas.rules import RuleSet

__all__ = ["Past", "past_version", "roll_back", "rule_history"]


@dataclass(frozen=True)
class Past:
    """One version and what it changed."""

    rules: RuleSet
    refused: str | None
    """Why no worker uses it; None for a good one."""
    changes: tuple[Change, ...]
    """Against the version before; of the first, all that it holds."""


async def rule_history(kafka: Kafka, rule_set: str) -> list[Past]:
    """Every version that can be read, the oldest first."""
    lines = (await rule_lines(kafka, [rule_set]))[rule_set]
    history: list[Past] = []
    before: RuleSet | None = None
    for version in sorted(lines):
        try:
            rules = rules_of(rule_set, lines[version])
        except RejectedError:
            continue
        before = before or rules.replaced(brands=(), keywords=(), rules=())
        history.append(Past(rules, _refused(rules), tuple(changes_between(before, rules))))
        before = rules
    return history


def _refused(rules: RuleSet) -> str | None:
    try:
        refuse_broken(rules)
    except FatalError as error:
        return str(error)
    return None


async def past_version(kafka: Kafka, rule_set: str, version: int) -> RuleSet:
    """One version.

    Raises:
        FatalError: there is none; names those that there are.
    """
    lines = (await rule_lines(kafka, [rule_set]))[rule_set]
    if version in lines:
        try:
            return rules_of(rule_set, lines[version])
        except RejectedError as error:
            raise FatalError(
                say(
                    f"{rule_set}@{version} 读不懂：{error}。请换一个版本。",
                    f"{rule_set}@{version} can't be read: {error}. Choose another version.",
                )
            ) from None
    known = ", ".join(str(number) for number in sorted(lines)[-20:])
    raise FatalError(
        say(
            f"规则集 {rule_set} 没有版本 {version}；最近的有：{known or '（无）'}。",
            f"Rule set {rule_set} has no version {version}; the last are: {known or '(none)'}.",
        )
    )


async def roll_back(
    kafka: Kafka, rule_set: str, version: int, *, author: str, reason: str, at: datetime
) -> RuleSet:
    """Publish the content of an old version as the next one; nothing is ever taken back.

    Raises:
        FatalError: no such version, or it is not fit to go live (any more).
    """
    old = await past_version(kafka, rule_set, version)
    lines = (await rule_lines(kafka, [rule_set]))[rule_set]
    tree = old.__dict__ | {
        "version": max(lines) + 1,
        "author": author,
        "reason": say(f"回到 {old.label}：{reason}", f"back to {old.label}: {reason}"),
        "changed_at": at,
    }
    try:
        rules = RuleSet.model_validate(tree)
    except ValidationError as error:
        why = "; ".join(rule_faults(error, tree))
        raise FatalError(say(f"回不到 {old.label}：{why}。", f"{old.label}: {why}.")) from None
    await publish_rules(kafka, rules)
    return rules
