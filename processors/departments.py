"""Who in the company acts on a post: service, sales, PR and so on.

From two sources: every rule that fired and names a department, and defaults for what was found:
intents, reasons of a complaint, defects and aspects that are spoken of badly. A post that names
brands, none of them one's own, goes only where rules send it: nobody serves a competitor's
customers. With ``dealers`` a post for service or sales also goes to the dealer of a city that
the post's region or text names.

Records hold ids (``service``); ``department_name`` says them to people.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Final

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from processors.automaton import Automaton
from processors.explained import Explained, explained_words, field_word, label_of
from processors.fold import FOLD_VERSION, fold
from processors.intents import REASONS
from processors.labels import label_names
from processors.prepare import prepare
from schemas.component import ComponentConfig
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.rules import RuleSet

__all__ = ["DEFAULTS", "DEPARTMENTS", "Departments", "department_name"]

DEPARTMENTS: Final[Mapping[str, tuple[str, str]]] = {
    "pr": ("公关", "PR"),
    "legal": ("法务", "legal"),
    "service": ("售后服务", "service"),
    "tech": ("技术", "engineering"),
    "sales": ("销售", "sales"),
    "marketing": ("市场", "marketing"),
    "hr": ("人力资源", "HR"),
}
"""Id to Chinese and English name, in the order of records; others stand behind, sorted."""

DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    "intent:complaint": ("service",),
    "intent:enquiry": ("service",),
    "intent:purchase": ("sales",),
    "intent:repurchase": ("marketing",),
    "intent:praise": ("marketing",),
    "intent:churn": ("service", "marketing"),
    "intent:help": ("service",),
    "intent:maintenance": ("service",),
    "intent:rumour": ("pr",),
    "intent:job": ("hr",),
    "reason:promise": ("legal", "sales"),
    "defect": ("tech",),
    "defect:起火": ("pr", "legal"),
    "aspect:safety": ("tech",),
    "aspect:price": ("sales",),
    "aspect:service": ("service",),
    "aspect:delivery": ("service",),
}
"""What was found to who acts on it; ``defect`` is any, ``defect:FAULT`` one."""

#: Findings that may be named, by kind; of those without a list any name is taken.
_LABELS: Final[Mapping[str, frozenset[str]]] = {
    "intent": frozenset(label_names("intents")),
    "reason": frozenset(REASONS),
    "aspect": frozenset(label_names("aspects")),
    "defect": frozenset(),
}
_ORDER = {name: place for place, name in enumerate(DEPARTMENTS)}
#: How teams write them in rules.
_IDS = {fold(word): id for id, names in DEPARTMENTS.items() for word in names} | {
    "公关部": "pr",
    "法务部": "legal",
    "售后": "service",
    "客服": "service",
    "服务": "service",
    "技术部": "tech",
    "研发": "tech",
    "质量": "tech",
    "质量部": "tech",
    "销售部": "sales",
    "市场部": "marketing",
    "人力": "hr",
    "人事": "hr",
}
_WITH_DEALER = frozenset({"service", "sales"})
_READ = 2_000
_REMEMBERED = 1024

Findings = tuple[str, ...]


class Departments:
    """Writes ``departments``, each once; see the module for where they come from."""

    behind = ("brands", "rules", "intents", "aspects", "author")

    class Config(ComponentConfig):
        """Options of the departments step."""

        defaults: dict[str, list[str]] = Field(
            {},
            description=(
                "Replaces built-in defaults one by one: intent:NAME, reason:NAME, aspect:NAME, "
                "defect or defect:FAULT to departments; an empty list is nobody."
            ),
        )
        dealers: dict[str, str] = Field(
            {}, description="City, as region or text name it, to the id of its dealer."
        )

        @field_validator("defaults")
        @classmethod
        def _known(cls, defaults: dict[str, list[str]]) -> dict[str, list[str]]:
            for key in defaults:
                kind, _, label = key.partition(":")
                known = _LABELS.get(kind)
                if known is None or (known and label not in known):
                    raise PydanticCustomError(
                        "finding",
                        "{key} is no finding; write intent:NAME, reason:NAME, aspect:NAME, defect "
                        "or defect:FAULT",
                        {"key": repr(key)},
                    )
            return defaults

        @field_validator("dealers")
        @classmethod
        def _named(cls, dealers: dict[str, str]) -> dict[str, str]:
            if not all(fold(city).strip() for city in dealers):
                raise PydanticCustomError("city", "a city has no name")
            return dealers

    def __init__(self, config: Config, rules: RuleSet) -> None:
        self._defaults = {**DEFAULTS, **{key: tuple(ids) for key, ids in config.defaults.items()}}
        self._by_findings = _departments_by(self._defaults)
        self._by_rule: dict[tuple[str | None, str], str] = {}
        for rule in rules.rules:
            if rule.department:
                origin = rules.origin_of(rule.id)
                department = _IDS.get(fold(rule.department), rule.department)
                self._by_rule[origin.rule_set, origin.rule] = department
        self._dealers = list(config.dealers.values())
        self._cities = (
            Automaton([fold(city) for city in config.dealers]) if config.dealers else None
        )
        content = json.dumps([self._defaults, config.dealers, FOLD_VERSION], ensure_ascii=False)
        self.version = f"1.{hashlib.sha256(content.encode()).hexdigest()[:8]}/{rules.label}"

    def enrich(self, posts: Sequence[EnrichedPost]) -> list[EnrichedPost | None]:
        """New records; posts that nobody acts on stay as they are."""
        return [self._routed(post) for post in posts]

    def explain(self, post: EnrichedPost) -> list[Explained]:
        """Who acts, and on which finding."""
        if not post.departments:
            return [explained_words("departments", ())]
        why: dict[str, list[str]] = {}
        for match in post.matches:
            if department := self._by_rule.get((match.rule_set, match.rule)):
                why.setdefault(department, []).append(say("规则 ", "rule ") + match.rule)
        for key in _keys(*_findings_of(post)):
            for department in self._defaults.get(key, ()):
                why.setdefault(department, []).append(_key_word(key))
        return [
            Explained(
                field_word("departments"),
                department_name(one),
                note=say("、", ", ").join(why.get(one) or [say("城市", "city")]),
            )
            for one in post.departments
        ]

    def _routed(self, post: EnrichedPost) -> EnrichedPost:
        if not (post.matches or post.intents or post.defects or post.aspects):
            return post
        found: set[str] = set()
        for match in post.matches if self._by_rule else ():
            if department := self._by_rule.get((match.rule_set, match.rule)):
                found.add(department)
        if not post.brands or "own" in [tag.role for tag in post.brands]:
            found |= self._by_findings(*_findings_of(post))
        if self._cities is not None and not _WITH_DEALER.isdisjoint(found):
            found.update(self._dealers_of(post, self._cities))
        return post.replaced(departments=_ordered(frozenset(found))) if found else post

    def _dealers_of(self, post: EnrichedPost, cities: Automaton) -> set[str]:
        """Of the cities that the region names; else of those in the text."""
        for text in (fold(post.region or ""), prepare(post.text[:_READ]).own):
            if named := {self._dealers[number] for number, _, _ in cities.find(text)}:
                return named
        return set()


def department_name(department: str) -> str:
    """The department as people call it; its id where it has no name here."""
    names = DEPARTMENTS.get(department)
    return say(*names) if names else department


def _departments_by(
    defaults: Mapping[str, tuple[str, ...]],
) -> Callable[[Findings, Findings, Findings, Findings], frozenset[str]]:
    """Departments of intents, reasons, defects and bad aspects; most posts have the same few."""

    @lru_cache(_REMEMBERED)
    def departments(
        intents: Findings, reasons: Findings, defects: Findings, aspects: Findings
    ) -> frozenset[str]:
        keys = _keys(intents, reasons, defects, aspects)
        return frozenset(name for key in keys for name in defaults.get(key, ()))

    return departments


def _findings_of(post: EnrichedPost) -> tuple[Findings, Findings, Findings, Findings]:
    """Intents, reasons, defects, and aspects that are blamed."""
    return (
        tuple([intent.label for intent in post.intents]),
        post.reasons,
        post.defects,
        tuple([one.aspect for one in post.aspects if one.mood == "negative"]),
    )


def _keys(intents: Findings, reasons: Findings, defects: Findings, aspects: Findings) -> list[str]:
    """How the defaults name these findings."""
    keys = [f"intent:{intent}" for intent in intents]
    keys += [f"reason:{reason}" for reason in reasons]
    keys += ["defect"] if defects else []
    keys += [f"defect:{defect.rpartition(':')[2]}" for defect in defects]
    return keys + [f"aspect:{aspect}" for aspect in aspects]


def _key_word(key: str) -> str:
    kind, _, label = key.partition(":")
    return " ".join([field_word(f"{kind}s"), label_of(f"{kind}s", label)]).strip()


@lru_cache(_REMEMBERED)
def _ordered(departments: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(departments, key=lambda name: (_ORDER.get(name, len(_ORDER)), name)))
