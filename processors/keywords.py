"""Which keyword rules fire."""

from collections.abc import Sequence

from pydantic import Field

from processors.explained import Explained, explained_match
from processors.fold import FOLD_VERSION
from processors.scanner import Finding, Scanner
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost, Match, TextField
from schemas.language import say
from schemas.rules import Origin, RuleSet

__all__ = ["Keywords"]

_FIELDS: tuple[TextField, ...] = ("text", "title", "root_text")


class Keywords:
    """Writes ``matches``: every keyword rule with a word in the text, the title or the quoted root.

    Words are compared folded (case, width, traditional and simplified Chinese); Latin letters and
    digits match at word boundaries only (``scanner.py``). Spans are in the fields' order, then by
    place. Limit: a word is found, not its sense; 没有异响 contains 异响.
    """

    class Config(ComponentConfig):
        """Options of the keywords step."""

        max_spans: int = Field(
            20,
            ge=1,
            le=1000,
            description="Most spans that one rule keeps per post; its words are all kept.",
        )

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self.version = f"{FOLD_VERSION}.1/{rules.label}"
        self._max_spans = config.max_spans
        self._origins = [rules.origin_of(rule.id) for rule in rules.keywords]
        self._names = [rule.name for rule in rules.keywords]
        self._scanner = Scanner(rule.words for rule in rules.keywords)

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records with ``matches`` in the rule set's order; posts without stay as they are."""
        return [
            post.replaced(matches=matches) if matches or post.matches else post
            for post, matches in zip(posts, map(self._matches, posts), strict=True)
        ]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """Each rule that fired with the places of its words."""
        names = dict(zip(self._origins, self._names, strict=True))
        own = {
            Origin(match.rule_set or "", match.version, match.rule): match for match in post.matches
        }
        found = [explained_match(own[origin], names[origin]) for origin in names if origin in own]
        if found or not names:
            return found
        none = say(f"{len(names)} 组词都没有出现", f"none of {len(names)} lists")
        return [Explained(say("关键词", "keywords"), none)]

    def _matches(self, post: EnrichedPost) -> tuple[Match, ...]:
        found = self._scanner.find(post, _FIELDS, max_spans=self._max_spans)
        return tuple([self._match(position, found[position]) for position in sorted(found)])

    def _match(self, position: int, found: Finding) -> Match:
        rule_set, version, rule = self._origins[position]
        return Match.unchecked(
            rule=rule,
            version=version,
            rule_set=rule_set,
            words=tuple(sorted(found.words)),
            spans=tuple(found.spans),
        )
