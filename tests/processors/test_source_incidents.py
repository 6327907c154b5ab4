"""From gap lines to incidents: each state once, whatever is repeated and in whatever order."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from processors.source_incidents import known_gap, source_incident
from schemas.checkpoint import KnownGap
from schemas.signals import SourceGap
from schemas.source_incident import SourceIncident
from tests.pipeline.incidents import gap_of

AT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
BEGUN = gap_of("club", AT)
WORSE = gap_of("club", AT, trouble="login", at=AT + timedelta(minutes=5))
ENDED = gap_of("club", AT, trouble="login", ended_at=AT + timedelta(hours=1))


def told(*gaps: SourceGap) -> tuple[list[SourceIncident], KnownGap | None]:
    known: KnownGap | None = None
    found = []
    for gap in gaps:
        incident = source_incident(gap, known)
        known = known_gap(gap, known)
        found += [incident] if incident else []
    return found, known


def test_a_gap_opens_grows_worse_and_closes() -> None:
    found, known = told(BEGUN, WORSE, ENDED)

    assert [(one.revision, one.state, one.severity, one.trouble) for one in found] == [
        (1, "confirmed", 2, "unreachable"),
        (2, "confirmed", 3, "login"),
        (3, "closed", 3, "login"),
    ]
    assert len({one.id for one in found}) == 1
    assert {one.opened_at for one in found} == {BEGUN.at}
    assert (found[-1].gap_started_at, found[-1].gap_ended_at) == (AT, ENDED.ended_at)
    assert known is not None
    assert known.ended_at == ENDED.ended_at


@pytest.mark.parametrize("again", [BEGUN, WORSE, ENDED])
def test_what_is_told_again_says_nothing_new(again: SourceGap) -> None:
    assert len(told(BEGUN, BEGUN, WORSE, BEGUN, WORSE, ENDED, again)[0]) == 3


@pytest.mark.parametrize("order", list(permutations([BEGUN, WORSE, ENDED])))
def test_whatever_the_order_it_ends_closed_with_rising_revisions(
    order: tuple[SourceGap, ...],
) -> None:
    found, known = told(*order)

    assert [one.revision for one in found] == list(range(1, len(found) + 1))
    assert found[-1].state == "closed"
    assert known is not None
    assert known.ended_at == ENDED.ended_at
