"""Which query rules fire."""

from collections.abc import Iterable, Sequence

from pydantic import Field

from processors.explained import Explained, explained_match, field_word
from processors.fold import FOLD_VERSION
from processors.query_reference import Found
from processors.query_set import QuerySet
from processors.query_text import View, text_of
from processors.query_tree import Scope
from processors.rule_check import parsed
from processors.rule_explain import explain_rule
from processors.spans import span_at
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Match
from schemas.language import say
from schemas.rules import Origin, RuleSet

__all__ = ["Rules", "match_of"]

#: Characters of a text found by a pattern that a match names.
MAX_NAMED = 64


class Rules:
    """Adds to ``matches``: every rule whose query the post fulfils.

    A match names the rule, its rule set, the version of that, the words that made it fire (of a
    pattern: the texts found) and their places; of a rule that no word made fire
    (``platform:weibo``) there are none. What the language means stands in ``query_reference.py``.
    Queries that ask for brands, mood, intents or authors need those steps before this one; without
    them they find nothing.
    """

    behind = (
        "keywords",
        "brands",
        "sentiment",
        "sentiment_snownlp",
        "aspects",
        "author",
        "intents",
    )

    class Config(ComponentConfig):
        """Options of the rules step."""

        max_spans: int = Field(
            20,
            ge=1,
            le=1000,
            description="Most places that one rule keeps per post; its words are all kept.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.1/{rules.label}"
        self._max_spans = config.max_spans
        self._origins = [rules.origin_of(rule.id) for rule in rules.rules]
        self._rules = rules.rules
        self._set = QuerySet([parsed(rule.query) for rule in rules.rules])

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records; query rules stand behind keyword rules, in the rule set's order."""
        if not self._origins:
            return list(posts)
        return [self._judged(post) for post in posts]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """Each rule that fired: the verdict of every part of its query."""
        rules = dict(zip(self._origins, self._rules, strict=True))
        found = []
        for match in post.matches:
            rule = rules.get(Origin(match.rule_set or "", match.version, match.rule))
            if rule is not None:
                lines = "\n".join(explain_rule(rule, post).lines)
                found.append(explained_match(match, rule.name, lines))
        if found or not rules:
            return found
        none = say(f"{len(rules)} 条都没有命中", f"none of {len(rules)} matches")
        return [Explained(field_word("matches"), none)]

    def _judged(self, post: EnrichedPost) -> EnrichedPost:
        found = self._set.match(post)
        if not found:
            return post
        views: dict[Scope, View] = {}
        matches = tuple(
            match_of(post, self._origins[number], places, views, max_spans=self._max_spans)
            for number, places in found.items()
        )
        return post.replaced(matches=post.matches + matches)


def match_of(
    post: EnrichedPost,
    origin: Origin,
    places: Iterable[Found],
    views: dict[Scope, View],
    *,
    max_spans: int,
) -> Match:
    """The record of a rule that fired; spans in code points of the texts as received.

    ``views`` keeps the post's texts for its next match.
    """
    spans: dict[tuple[Scope, int, int], None] = {}
    words = set()
    for place in sorted(places):
        if place.named:
            words.add(place.named)
        if len(spans) == max_spans:
            continue
        view = views.get(place.scope)
        if view is None:
            view = views[place.scope] = View(text_of(post, place.scope))
        start, end = view.span(place.start, place.end)
        if not place.named:
            words.add(view.written[place.start : place.end][:MAX_NAMED])
        if place.scope != "author":
            spans[place.scope, start, end] = None
    return Match.unchecked(
        rule=origin.rule,
        version=origin.version,
        rule_set=origin.rule_set,
        words=tuple(sorted(words)),
        spans=tuple(span_at(field, a, b) for field, a, b in spans),
    )
