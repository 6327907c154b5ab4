"""What a rule set would find in posts of the past, beside what another version finds."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from processors.chain import build_enricher
from schemas.enriched import EnrichedPost, Match, Span
from schemas.rules import RuleSet

__all__ = ["RULE_STEPS", "RuleJudge", "Sample", "Trial", "Tried", "only_rule"]

#: The enrichers whose findings are matches, in their order in a chain.
RULE_STEPS = ("keywords", "rules")
MAX_SAMPLES = 5
_BEFORE = 20
_SHOWN = 80


@dataclass(frozen=True)
class Sample:
    """A post as an example: its text around the first word that was found."""

    post_id: str
    text: str
    words: tuple[str, ...]


@dataclass
class Tried:
    """What one rule found."""

    id: str
    name: str
    days: Counter[str] = field(default_factory=Counter)
    """Matches of the new version by day."""
    samples: list[Sample] = field(default_factory=list)
    added: int = 0
    """Posts that only the new version finds."""
    added_samples: list[Sample] = field(default_factory=list)
    lost: int = 0
    """Posts that only the old version finds."""
    lost_samples: list[Sample] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Matches of the new version."""
        return sum(self.days.values())


class RuleJudge:
    """Matches of posts in which everything else was found already.

    Brands and mood are those of the posts, not of this rule set: only the steps that ask rules are
    run.
    """

    def __init__(self, rules: RuleSet, options: Mapping[str, Mapping[str, Any]]) -> None:
        """``options``: of enrichers by name, as in the settings.

        Raises:
            FatalError: a wrong option.
        """
        self._steps = {
            name: build_enricher(name, options.get(name, {}), rules) for name in RULE_STEPS
        }
        self.models = {name: step.version for name, step in self._steps.items()}

    def judge(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost]:
        """The posts with these rules' matches instead of their own."""
        judged = [post.replaced(matches=()) for post in posts]
        for step in self._steps.values():
            judged = [post for post in step.enrich(judged) if post is not None]
        return judged


class Trial:
    """Counts what each rule of a new version finds, adds and loses. Memory: a few samples a rule.

    An old version of ``None`` finds nothing.
    """

    def __init__(
        self,
        new: RuleSet,
        old: RuleSet | None,
        options: Mapping[str, Mapping[str, Any]],
        zone: tzinfo,
    ) -> None:
        """``zone``: whose days are counted."""
        self._zone = zone
        self._new = RuleJudge(new, options)
        self._old = RuleJudge(old, options) if old is not None else None
        self.posts = 0
        names = {rule.id: rule.name for one in (old, new) if one for rule in _rules_of(one)}
        self.rules = {id: Tried(id, name) for id, name in names.items()}
        """By id: all that either version has."""

    def take(self, posts: Sequence[EnrichedPost]) -> None:
        """Judge some posts."""
        new = self._new.judge(posts)
        old = self._old.judge(posts) if self._old else [post.replaced(matches=()) for post in posts]
        for now, before in zip(new, old, strict=True):
            self.posts += 1
            self._count(now, before)

    def _count(self, now: EnrichedPost, before: EnrichedPost) -> None:
        found = {match.rule: match for match in now.matches}
        had = {match.rule: match for match in before.matches}
        for id, match in found.items():
            tried = self.rules[id]
            tried.days[now.event_at.astimezone(self._zone).date().isoformat()] += 1
            _keep(tried.samples, now, match)
            if id not in had:
                tried.added += 1
                _keep(tried.added_samples, now, match)
        for id, match in had.items():
            if id not in found:
                self.rules[id].lost += 1
                _keep(self.rules[id].lost_samples, before, match)


def only_rule(rules: RuleSet, id: str) -> RuleSet:
    """The set with one of its rules alone; with none of them if it has no such rule."""
    return rules.replaced(
        keywords=tuple(rule for rule in rules.keywords if rule.id == id),
        rules=tuple(rule for rule in rules.rules if rule.id == id),
    )


def _rules_of(rules: RuleSet) -> list[Any]:
    return [*rules.keywords, *rules.rules]


def _keep(samples: list[Sample], post: EnrichedPost, match: Match) -> None:
    if len(samples) < MAX_SAMPLES:
        text = _around(post, match.spans)
        if all(sample.text != text for sample in samples):  # copies show nothing new
            samples.append(Sample(post.id, text, match.words))


def _around(post: EnrichedPost, spans: Sequence[Span]) -> str:
    """The text near the first place, in one line."""
    span = spans[0] if spans else None
    text = (getattr(post, span.field) if span else post.text) or ""
    start = max(0, span.start - _BEFORE) if span else 0
    cut = text[start : start + _SHOWN].replace("\n", " ")
    return ("…" if start else "") + cut + ("…" if start + _SHOWN < len(text) else "")
