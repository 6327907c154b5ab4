"""Crises on hot-search boards: topics of made-up brands, seen every few minutes."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest

from processors.board_watch import MAX_TOPICS, BoardRule, Boards
from processors.brand_state import BrandState
from processors.surge import Surge
from processors.trouble import trouble_of
from schemas.incident import Incident
from schemas.signals import Command, Mention

NOON = datetime(2026, 3, 10, 4, tzinfo=UTC)
CRISIS = ("启澜回应QL6起火", "启澜致歉", "启澜车主维权", "启澜QL6")
LAUNCH = ("启澜新车发布会", "启澜QL8售价公布", "启澜代言人官宣", "启澜回应定价争议", "启澜QL8交付")


def sighting(title: str, minutes: float = 0, **changes: Any) -> Mention:
    at = NOON + timedelta(minutes=minutes)
    fields: dict[str, Any] = {
        "brand": "qilan",
        "role": "own",
        "post_id": f"weibo-hot:{at.timestamp():.0f}-{title}",
        "root_id": f"weibo-hot:{at.timestamp():.0f}-{title}",
        "platform": "weibo-hot",
        "kind": "hot",
        "author_id": "board",
        "event_at": at,
        "trouble": trouble_of(title).score,
        "excerpt": title,
    }
    return Mention(**{**fields, **changes})


def board(titles: Iterable[str], start: float = 0, every: float = 10) -> list[Mention]:
    return [sighting(title, start + every * place) for place, title in enumerate(titles)]


class Watch:
    def __init__(self, role: Any = "own", **options: Any) -> None:
        self.detector = Surge(Surge.Config(**options))
        self.state = self.detector.new_state("qilan", role)
        self.seen: list[Incident] = []
        self.until(-1)

    def until(self, minutes: float) -> None:
        self._keep(self.detector.advance(self.state, NOON + timedelta(minutes=minutes)))

    def see(self, sightings: Iterable[Mention]) -> list[Incident]:
        before = len(self.seen)
        for one in sightings:
            self._keep(self.detector.mention(self.state, one))
        return self.seen[before:]

    def _keep(self, incidents: list[Incident]) -> None:
        self.seen += incidents
        self.state = BrandState.from_line(self.state.to_line())


def test_a_crisis_opens_with_the_topic_that_makes_it_sure() -> None:
    watch = Watch()

    opened = watch.see(board(CRISIS))

    assert [(i.kind, i.evidence.rule, i.opened_at) for i in opened] == [
        ("crisis", "boards.crisis", NOON + timedelta(minutes=10))
    ]
    incident = opened[0]
    assert incident.first_post.excerpt == "启澜回应QL6起火"
    assert [(r.fact, r.count, r.of) for r in incident.reasons] == [("topics", 2, 2)]
    assert incident.severity_parts is not None
    assert incident.severity == incident.severity_parts.severity == 2
    assert incident.evidence.numbers.negative == len(incident.evidence.posts) == 2


@pytest.mark.parametrize(
    "titles", [LAUNCH, CRISIS[:1], ("启澜新车外观曝光", "曝启澜新车", "启澜新车上市"), ()]
)
def test_a_launch_or_one_cross_topic_is_none(titles: tuple[str, ...]) -> None:
    assert Watch().see(board(titles)) == []


def test_a_crisis_is_seen_in_the_middle_of_a_launch() -> None:
    watch = Watch()
    assert watch.see(board(LAUNCH)) == []
    more = ("启澜发布会现场起火", "启澜致歉", "启澜被消费者投诉", "启澜车主维权")
    assert [i.kind for i in watch.see(board(more, start=120))] == ["crisis"]


def test_the_same_topic_seen_again_is_no_second_one() -> None:
    watch = Watch()
    assert watch.see(sighting("启澜致歉", minute) for minute in range(0, 300, 10)) == []
    assert watch.state.counters.boards == 30


def test_trouble_that_is_usual_for_the_brand_is_none() -> None:
    # Given two complaints on the boards of every day for four weeks
    rule, boards = BoardRule(), Boards()
    for day in range(28, 1, -1):
        for number in range(2):
            rule.sighted(boards, sighting(f"启澜致歉{day}-{number}", -1440 * day))
    # Then two more are usual, and seven are not
    held = [rule.sighted(boards, sighting(f"启澜致歉{number}", number)) for number in range(7)]
    assert held == [False] * 5 + [True] * 2


def test_what_a_competitor_does_is_kept_apart_and_less_urgent() -> None:
    (opened,) = Watch(role="competitor").see(
        one.model_copy(update={"role": "competitor"}) for one in board(CRISIS)
    )
    assert (opened.kind, opened.severity) == ("competitor_crisis", 1)


def test_it_grows_with_the_topics_and_ends_with_them() -> None:
    watch = Watch()
    watch.see(board(CRISIS[:2]))
    grown = watch.see(board(("启澜被约谈", "启澜召回"), start=60))
    assert [(i.severity, i.timeline[-1].event) for i in grown] == [(3, "grown")]
    assert len({i.id for i in watch.seen}) == 1
    watch.until(60 * 14)
    assert watch.seen[-1].state == "closed"


def test_a_person_may_close_it_and_is_not_told_again_of_the_same() -> None:
    watch = Watch()
    (opened,) = watch.see(board(CRISIS[:2]))
    close = Command(
        id="c1", brand="qilan", action="close", at=NOON, by="小李", incident_id=opened.id
    )
    (closed,) = watch.detector.command(watch.state, close)
    assert closed.state == "closed"
    assert watch.see(board(("启澜被约谈", "启澜召回"), start=60)) == []


def test_posts_are_judged_beside_it() -> None:
    # Given a crisis on the boards, whose brand was quiet for two days
    watch = Watch(grace_hours=24)
    watch.until(60 * 48)
    at = 60 * 48 + 10
    watch.see(board(CRISIS[:2], start=at))
    angry = (
        sighting(f"刹车踩不动{number}", at + 20, kind="comment", mood="negative").model_copy(
            update={"author_id": f"u{number}", "signature": f"s{number}"}
        )
        for number in range(20)
    )
    # Then angry people open their own incident, and both know how many they are
    watch.see(angry)
    assert {i.evidence.rule for i in watch.seen} == {"boards.crisis", "surge.crisis"}
    assert len({i.id for i in watch.seen}) == 2
    assert watch.seen[-1].totals.negative > 6


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_within_a_look_changes_no_count(order: tuple[int, ...]) -> None:
    rule, boards = BoardRule(), Boards()
    seen = [sighting(title) for title in CRISIS[:3]]
    for place in order:
        rule.sighted(boards, seen[place])
    assert rule.now(boards) == (3, 3, 0, 3.0, 0.0, 0.0)


def test_old_and_clamped_sightings_and_a_flood_of_topics_do_no_harm() -> None:
    watch = Watch()
    assert watch.see([sighting(t, event_clamped=True) for t in CRISIS]) == []
    assert watch.see([sighting("启澜", 0), *board(CRISIS, start=-3000)]) == []
    watch.see(sighting(f"启澜{number}") for number in range(MAX_TOPICS + 40))
    assert len(watch.state.boards.topics) == MAX_TOPICS
    assert len(watch.state.to_line()) < 64 * 1024
