"""An incident is made once more from its signals, and what was changed is found."""

import pytest

from processors.incident_check import Remake, differences, named_posts, recount
from processors.surge import Surge
from schemas.incident import Incident
from schemas.incidents import parse_incident
from schemas.signals import Mention
from tests.pipeline.test_watch import CONFIG
from tests.processors.test_watching import EXPECTED, LINES

REVISIONS = [one for one in map(parse_incident, EXPECTED) if one.kind != "source"]
CRISIS = next(one for one in REVISIONS if one.state == "closed")


def remade(incident: Incident) -> Remake:
    remake = Remake(Surge(CONFIG), incident, 1, 0)
    for line in LINES:
        remake.hear(line)
    return remake


@pytest.mark.parametrize("place", range(len(REVISIONS)))
def test_every_revision_is_made_again_with_its_numbers(place: int) -> None:
    told = REVISIONS[place]

    remake = remade(told)

    assert remake.found is not None and remake.done
    assert differences(told, remake.found) == []
    stored: dict[str, Mention | None] = {one.post_id: one for one in remake.window}
    numbers = recount(remake.window, stored, CONFIG.ids_per_bucket)
    assert numbers == told.evidence.numbers


def test_a_number_that_somebody_changed_is_named() -> None:
    numbers = CRISIS.evidence.numbers.replaced(voices=CRISIS.evidence.numbers.voices + 1)
    forged = CRISIS.replaced(evidence=CRISIS.evidence.replaced(numbers=numbers), severity=5)
    remake = remade(forged)

    assert remake.found is not None
    found = differences(forged, remake.found)

    assert [one.field for one in found] == ["evidence.numbers.voices", "severity"]
    assert found[0].told == str(numbers.voices)


def test_posts_that_are_gone_or_say_something_else_now_change_the_count() -> None:
    remake = remade(CRISIS)
    stored: dict[str, Mention | None] = {one.post_id: one for one in remake.window}
    gone, calm, *_ = (one for one in remake.window if one.mood == "negative")
    stored |= {gone.post_id: None, calm.post_id: calm.replaced(mood="neutral")}

    numbers = recount(remake.window, stored, CONFIG.ids_per_bucket)

    told = CRISIS.evidence.numbers
    assert numbers.mentions == told.mentions - 1
    assert numbers.negative == told.negative - 2
    assert recount(remake.window, {}, 1_000).mentions == 0


def test_an_incident_that_never_was_is_not_found() -> None:
    assert remade(CRISIS.replaced(id="0" * 16)).found is None
    assert not remade(CRISIS.replaced(revision=99)).done


def test_the_posts_that_are_shown_are_named_once() -> None:
    named = named_posts(CRISIS)

    assert len(named) == len(set(named))
    assert {CRISIS.first_post.post_id, *CRISIS.evidence.posts} <= set(named)
