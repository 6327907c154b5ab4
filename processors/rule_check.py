"""Is a rule set fit to go live? Every query is read, every example is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from processors.query_advice import advice
from processors.query_error import QueryError
from processors.query_parser import parse_query
from processors.query_set import QuerySet
from processors.query_tree import Comparison, FieldIs, InScope, Node, children_of
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.post import Author
from schemas.rules import Rule, RuleSet

__all__ = ["Problem", "check_rule_set", "parsed", "plain_post"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 60


@dataclass(frozen=True)
class Problem:
    """Something about one rule that a person should know."""

    rule: str
    sentence: str
    """What is wrong, where, and what to do."""
    is_error: bool = True
    """A set with an error does not go live; anything else is advice."""


def check_rule_set(rules: RuleSet, *, advise: bool = True) -> list[Problem]:
    """All that is wrong with a set, in its order; errors alone unless told to ``advise``.

    An example is a text: it is judged as a post that has nothing else, no brand, platform or
    counter. What did not change since the last call costs next to nothing.
    """
    return [problem for rule in rules.rules for problem in _check(rule, advise)]


def _check(rule: Rule, advise: bool) -> Iterator[Problem]:
    try:
        node = parsed(rule.query)
    except QueryError as error:
        yield Problem(rule.id, say(f"规则 {rule.id}：{error}", f"Rule {rule.id}: {error}"))
        return
    for sentence in advice(rule.query, node) if advise else ():
        yield Problem(
            rule.id, say(f"规则 {rule.id}：{sentence}", f"Rule {rule.id}: {sentence}"), False
        )
    for wanted, text in _failing_examples(rule):
        shown = text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
        if wanted:
            sentence = say(
                f"规则 {rule.id}：必须匹配的例子没有匹配：“{shown}”；请改查询，或改 must_match。",
                f'Rule {rule.id}: an example that must match does not: "{shown}"; change the '
                "query, or must_match.",
            )
        else:
            sentence = say(
                f"规则 {rule.id}：不许匹配的例子匹配了：“{shown}”；请改查询，或改 must_not_match。",
                f'Rule {rule.id}: an example that must not match does: "{shown}"; change the '
                "query, or must_not_match.",
            )
        yield Problem(rule.id, sentence + (_hint() if _reads_more_than_text(node) else ""))


@lru_cache(maxsize=10_000)
def parsed(query: str) -> Node:
    """The tree of a query, remembered: of thousands of rules a change touches a few.

    Raises:
        QueryError: no query.
    """
    return parse_query(query)


@lru_cache(maxsize=10_000)
def _failing_examples(rule: Rule) -> tuple[tuple[bool, str], ...]:
    """(whether it must match, text) of every example with the wrong verdict."""
    query = QuerySet([parsed(rule.query)])
    wanted = [(True, text) for text in rule.must_match]
    wanted += [(False, text) for text in rule.must_not_match]
    return tuple(
        (match, text) for match, text in wanted if bool(query.match(plain_post(text))) != match
    )


def plain_post(text: str) -> EnrichedPost:
    """A post that is nothing but its text."""
    return EnrichedPost(
        id="example:0",
        platform="example",
        kind="post",
        text=text,
        author=Author(id="0"),
        published_at=_EPOCH,
        observed_at=_EPOCH,
        source="example",
    )


def _reads_more_than_text(node: Node) -> bool:
    match node:
        case FieldIs() | Comparison():
            return True
        case InScope(scope) if scope != "text":
            return True
    return any(_reads_more_than_text(child) for child in children_of(node))


def _hint() -> str:
    return say(
        "（例子只有正文，没有品牌、平台、作者和数字。）",
        " (An example has a text only: no brand, platform, author or number.)",
    )
