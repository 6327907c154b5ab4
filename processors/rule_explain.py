"""Why a rule fires on a post, or does not, for a person to read."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from processors.query_explain import explained
from processors.query_reference import Found, Verdict
from processors.query_set import QuerySet
from processors.query_tree import InScope, Node, Scope, children_of
from processors.rule_check import parsed
from processors.scanner import Scanner
from schemas.enriched import EnrichedPost, Span
from schemas.language import say
from schemas.rules import KeywordRule, Rule, RuleSet

__all__ = ["Explanation", "every_rule", "explain_rule", "rule_of", "verdict_of"]

_MOST_PLACES = 5
_AROUND = 6
"""Characters shown on either side of a place."""


@dataclass(frozen=True)
class Explanation:
    """The verdict of one rule on one post."""

    rule: Rule | KeywordRule
    fires: bool
    lines: tuple[str, ...]
    """What each part of the rule says, and where its words stand."""


def every_rule(rules: RuleSet) -> list[Rule | KeywordRule]:
    """The rules of both kinds."""
    return [*rules.rules, *rules.keywords]


def rule_of(rules: RuleSet, id: str) -> Rule | KeywordRule | None:
    """The rule of that id, whatever its kind."""
    return next((rule for rule in every_rule(rules) if rule.id == id), None)


def explain_rule(rule: Rule | KeywordRule, post: EnrichedPost) -> Explanation:
    """The verdict of each part of a rule.

    Raises:
        QueryError: the rule's query can't be read.
    """
    if isinstance(rule, KeywordRule):
        return _of_words(rule, post)
    verdict = verdict_of(parsed(rule.query), post)
    return Explanation(rule, verdict.holds, tuple(explained(rule.query, verdict, post)))


def verdict_of(query: Node, post: EnrichedPost) -> Verdict:
    """What each part of a query says, as ``query_reference.judge`` does, in bounded time.

    ``judge`` looks at every chain of places, of which a long text may have millions.
    """
    parts = list(_parts(query, None))
    alone = [part if scope is None else InScope(scope, part) for part, scope in parts]
    found = QuerySet(alone).match(post)
    return _verdict(query, iter(range(len(parts))), found)


def _parts(node: Node, scope: Scope | None) -> Iterator[tuple[Node, Scope | None]]:
    """Every part, and the one text that it is asked about, if it is one."""
    yield node, scope
    inside = node.scope if isinstance(node, InScope) else scope
    for child in children_of(node):
        yield from _parts(child, inside)


def _verdict(node: Node, numbers: Iterator[int], found: Mapping[int, set[Found]]) -> Verdict:
    number = next(numbers)
    below = tuple(_verdict(child, numbers, found) for child in children_of(node))
    return Verdict(node, number in found, frozenset(found.get(number, ())), below)


def _of_words(rule: KeywordRule, post: EnrichedPost) -> Explanation:
    found = Scanner([rule.words]).find(post, ("text", "title", "root_text"), max_spans=_MOST_PLACES)
    if not found:
        none = say(
            f"✗ {len(rule.words)} 个词一个也没有出现",
            f"✗ none of its {len(rule.words)} words is there",
        )
        return Explanation(rule, False, (none,))
    words = say("、", ", ").join(sorted(found[0].words))
    places = say("；", "; ").join(_shown(span, post) for span in found[0].spans)
    return Explanation(rule, True, (f"✓ {words}  → {places}",))


def _shown(span: Span, post: EnrichedPost) -> str:
    text = getattr(post, span.field) or ""
    before = text[max(0, span.start - _AROUND) : span.start]
    behind = text[span.end : span.end + _AROUND]
    return f"…{before}[{text[span.start : span.end]}]{behind}…".replace("\n", " ")
