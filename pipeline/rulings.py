"""What a backtest tries: the settings of the detector, and the rules that posts are tagged by.

A ruling's file is one of two things: a rule set, as ``tingchao rules push`` takes it, or a table
``[watch]`` as it stands in the settings, beside which ``[rules]`` may name the ``file`` of a rule
set. A whole settings file will do: its other sections are not looked at.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.components import configure
from pipeline.one_post import asked_rules
from pipeline.rules import configured_rules, read_rule_file, refuse_broken
from pipeline.settings import Settings
from processors.chain import Chain, build_chain
from processors.threads import Threads, run_threads
from processors.watch_settings import WatchSettings
from schemas.dead_letter import Drop
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import Post
from schemas.rules import RuleSet, joined
from schemas.small_file import read_toml, unread

__all__ = ["Ruling", "Tagger", "present_rules", "present_ruling", "read_ruling"]

_OF_A_RULE_SET = {"id", "version", "keywords", "brands"}


@dataclass(frozen=True, slots=True)
class Ruling:
    """One version of the rules."""

    name: str
    watch: WatchSettings
    rules: RuleSet | None = None
    """By which posts are tagged anew; None: as they are, or by the present rules."""


def present_ruling(settings: Settings) -> Ruling:
    """What the settings say.

    Raises:
        FatalError: ``[watch]`` is wrong.
    """
    return Ruling(
        say("现在的设置", "the present settings"),
        configure("watch", WatchSettings, settings.watch),
    )


def read_ruling(path: Path, settings: Settings) -> Ruling:
    """What a file says; a rule set alone leaves the detector as the settings have it.

    Raises:
        FatalError: no such file, no TOML, an unknown option, or an invalid rule set.
    """
    try:
        tree, _ = read_toml(path)
    except (OSError, ValueError) as error:
        why = unread(error) if isinstance(error, OSError) else str(error)
        raise FatalError(
            say(f"规则 {path} 用不了：{why}。", f"Rules {path} are invalid: {why}.")
        ) from None
    if _OF_A_RULE_SET & tree.keys():
        return Ruling(str(path), present_ruling(settings).watch, _rule_set(path))
    unknown = [key for key in tree if key not in Settings.model_fields]
    if unknown or not {"watch", "rules"} & tree.keys():
        raise FatalError(_neither(path, unknown))
    watch = tree.get("watch", {})
    section = tree.get("rules", {})
    if not isinstance(watch, dict) or not isinstance(section, dict):
        raise FatalError(_neither(path, []))
    file = section.get("file")
    return Ruling(
        str(path),
        configure(f"{path}: watch", WatchSettings, watch),
        _rule_set(path.parent / file) if isinstance(file, str) else None,
    )


def _rule_set(path: Path) -> RuleSet:
    rules = read_rule_file(path)
    refuse_broken(rules)
    return rules


def _neither(path: Path, unknown: Sequence[str]) -> str:
    if not unknown:
        zh, en = "既没有 [watch]，也不是规则集", "it has neither [watch] nor a rule set"
    else:
        zh, en = f"没有 {unknown[0]} 这一节", f"unknown key {unknown[0]}"
        known = [*Settings.model_fields, *sorted(_OF_A_RULE_SET)]
        if near := difflib.get_close_matches(unknown[0], known, n=1):
            zh, en = f"{zh}，是不是 {near[0]}", f"{en}, did you mean {near[0]}"
    return say(f"规则 {path} 用不了：{zh}。", f"Rules {path} are invalid: {en}.")


async def present_rules(settings: Settings) -> RuleSet:
    """The rule set of the settings' file, else the live ones.

    Raises:
        FatalError: there is none; says how to give one.
    """
    configured = configured_rules(settings)
    if configured is not None:
        return configured
    try:
        return joined(await asked_rules(settings, None, None))
    except FatalError as error:
        raise FatalError(
            say(
                f"这些帖子还没有标过品牌，需要规则集：请用 --rules 给出。（{error}）",
                f"These posts are not tagged yet and need a rule set: give one with --rules. "
                f"({error})",
            )
        ) from None


class Tagger:
    """Tags posts as enrich does, in order; a reply inherits the brands of a root that came before.

    A reply whose root comes later is not judged again, which enrich would do.
    """

    def __init__(self, settings: Settings, rules: RuleSet) -> None:
        enrich = settings.enrich
        self._chain: Chain = build_chain(enrich.chain, enrich.options, rules)
        self._threads = Threads(enrich.remember)

    def tag(self, posts: Sequence[Post]) -> list[EnrichedPost | Drop]:
        """One result for each post, in order."""
        found, _ = run_threads(self._chain, posts, [self._threads] * len(posts))
        return found
