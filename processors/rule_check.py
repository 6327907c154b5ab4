"""Is a rule set fit to go live? Every query is read, every example is asked."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from processors.query_advice import advice
from processors.query_error import QueryError
from processors.query_fields import plain_value
from processors.query_parser import parse_query
from processors.query_set import QuerySet
from processors.query_tree import Comparison, FieldIs, InScope, Node, children_of, terms_of
from processors.query_values import brand_ids, value_advice
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.post import Author
from schemas.rules import Rule, RuleSet

__all__ = ["Problem", "check_rule_set", "parsed", "plain_post"]

#: Of all queries of a set: building the matcher for so many takes seconds and hundreds of MiB.
MOST_WORDS = 200_000

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
    problems = [*_unseen_words(rules)]
    ids = brand_ids(rules.brands) if advise else {}
    words = 0
    for rule in rules.rules:
        try:
            node = parsed(rule.query)
        except QueryError as error:
            problems.append(_problem(rule.id, str(error), str(error)))
            continue
        words += sum(1 for _ in terms_of(node))
        if words > MOST_WORDS:
            problems.append(_too_many_words(rule))
            break
        if advise:
            doubts = (*advice(rule.query, node), *value_advice(node, ids))
            problems += [_problem(rule.id, one, one, is_error=False) for one in doubts]
        problems += _wrong_examples(rule, node)
    return problems


def _problem(rule: str, chinese: str, english: str, *, is_error: bool = True) -> Problem:
    return Problem(rule, say(f"规则 {rule}：{chinese}", f"Rule {rule}: {english}"), is_error)


def _too_many_words(rule: Rule) -> Problem:
    return _problem(
        rule.id,
        f"到这条为止，查询里一共超过 {MOST_WORDS} 个词；"
        "请把长词表写成关键词表（keywords），或拆成几套规则。",
        f"up to here the queries have more than {MOST_WORDS} words together; write long lists as "
        "keyword lists (keywords), or split the set.",
    )


def _unseen_words(rules: RuleSet) -> Iterator[Problem]:
    """Nobody could see them in a text, and nothing finds them."""
    for rule in rules.keywords:
        if any(not plain_value(word) for word in rule.words):
            yield _problem(
                rule.id,
                "words 里有一个词没有看得见的字，永远找不到；请删掉它。",
                "one of its words has no visible character and is never found; take it away.",
            )
    for brand in rules.brands:
        if any(not plain_value(word) for word in brand.words):
            yield Problem(
                brand.id,
                say(
                    f"品牌 {brand.id}：aliases 或 models 里有一个没有看得见的字；请删掉它。",
                    f"Brand {brand.id}: one of its aliases or models has no visible character; "
                    "take it away.",
                ),
            )


def _wrong_examples(rule: Rule, node: Node) -> Iterator[Problem]:
    for wanted, text in _failing_examples(rule):
        shown = text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
        hint = _hint() if _reads_more_than_text(node) else ""
        if wanted:
            yield _problem(
                rule.id,
                f"必须匹配的例子没有匹配：“{shown}”；请改查询，或改 must_match。{hint}",
                f'an example that must match does not: "{shown}"; change the query, or '
                f"must_match.{hint}",
            )
        else:
            yield _problem(
                rule.id,
                f"不许匹配的例子匹配了：“{shown}”；请改查询，或改 must_not_match。{hint}",
                f'an example that must not match does: "{shown}"; change the query, or '
                f"must_not_match.{hint}",
            )


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
