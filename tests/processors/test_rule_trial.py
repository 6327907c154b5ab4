"""What a new version finds, adds and loses in posts of the past."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from processors.rule_check import plain_post
from processors.rule_trial import RuleJudge, Trial, only_rule
from schemas.enriched import BrandTag, EnrichedPost, Match
from schemas.errors import FatalError
from schemas.rules import RuleSet

ZONE = ZoneInfo("Asia/Shanghai")


def rule_set(version: int = 1, words: tuple[str, ...] = (), **queries: str) -> RuleSet:
    tree: dict[str, Any] = {
        "id": "main",
        "version": version,
        "author": "王",
        "reason": "试",
        "changed_at": "2026-03-05T04:00:00Z",
        "rules": [{"id": id, "name": f"名 {id}", "query": query} for id, query in queries.items()],
        "keywords": [{"id": "words", "name": "词", "words": words}] if words else [],
    }
    return RuleSet.model_validate(tree, strict=False)


def post(text: str, hour: int = 0, **changes: Any) -> EnrichedPost:
    at = datetime(2026, 3, 5, hour, tzinfo=UTC)
    return plain_post(text).replaced(event_at=at, **changes)


def trial(new: RuleSet, old: RuleSet | None, *posts: EnrichedPost) -> Trial:
    found = Trial(new, old, {}, ZONE)
    for one in posts:
        found.take([one])
    return found


def test_matches_are_counted_by_day_where_people_live() -> None:
    found = trial(rule_set(a="刹车"), None, post("刹车", 15), post("刹车", 16), post("别的", 16))

    assert found.rules["a"].days == {"2026-03-05": 1, "2026-03-06": 1}
    assert (found.posts, found.rules["a"].total, found.rules["a"].added) == (3, 2, 2)


def test_what_the_new_version_adds_and_loses_is_told_with_examples() -> None:
    old, new = rule_set(1, a="刹车", gone="漏水"), rule_set(2, a="失灵", fresh="自燃")

    found = trial(new, old, *map(post, ["刹车", "失灵", "刹车失灵", "漏水", "自燃", "很好"]))
    told = {
        rule.id: (rule.total, rule.added, rule.lost, [one.text for one in rule.added_samples])
        for rule in found.rules.values()
    }

    assert told == {
        "a": (2, 1, 1, ["失灵"]),
        "gone": (0, 0, 1, []),
        "fresh": (1, 1, 0, ["自燃"]),
    }
    assert [one.text for one in found.rules["gone"].lost_samples] == ["漏水"]
    assert found.rules["a"].samples[0].words == ("失灵",)


def test_samples_are_few_and_cut_around_the_word() -> None:
    long = [f"{'前' * 500}失灵{number}{'后' * 500}" for number in (1, 1, *range(50))]

    found = trial(rule_set(a="失灵"), None, *map(post, long))

    assert len({one.text for one in found.rules["a"].samples}) == 5
    assert len(found.rules["a"].samples) == len(found.rules["a"].added_samples) == 5
    shown = found.rules["a"].samples[0].text
    assert "失灵" in shown and len(shown) < 100


def test_a_post_keeps_what_was_found_in_it_but_for_matches() -> None:
    judge = RuleJudge(rule_set(7, ("异响",), a="品牌:qilan"), {})
    tagged = post(
        "异响",
        brands=(BrandTag(brand="qilan", role="own"),),
        matches=(Match(rule="old", version=1, words=(), spans=()),),
    )

    [judged] = judge.judge([tagged])

    assert [(match.rule, match.version) for match in judged.matches] == [("words", 7), ("a", 7)]
    assert judged.replaced(matches=tagged.matches) == tagged
    assert set(judge.models) == {"keywords", "rules"}


def test_one_rule_can_be_tried_alone() -> None:
    rules = rule_set(1, ("异响",), a="刹车", b="失灵")

    assert [rule.id for rule in only_rule(rules, "b").rules] == ["b"]
    assert only_rule(rules, "words").rules == ()
    assert only_rule(rules, "words").keywords == rules.keywords
    assert only_rule(rules, "none").keywords == ()


def test_a_wrong_option_is_refused() -> None:
    with pytest.raises(FatalError, match="max_span"):
        RuleJudge(rule_set(a="刹车"), {"rules": {"max_span": 3}})
