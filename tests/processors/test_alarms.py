"""Alarms compared with those of other rules, and judged by what people know."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from processors.alarms import Alarm, AlarmLog, Labelled, compare, judge, weeks_of
from tests.pipeline.incidents import incident

NOON = datetime(2026, 10, 5, 4, tzinfo=UTC)
HOUR = timedelta(hours=1)


def alarm(name: str, hours: float, length: float | None = 3, **more: Any) -> Alarm:
    opened = NOON + hours * HOUR
    fields: dict[str, Any] = {
        "id": name,
        "brand": "qilan",
        "kind": "crisis",
        "opened_at": opened,
        "closed_at": None if length is None else opened + length * HOUR,
        "opened_severity": 1,
        "severity": 2,
        "first_post": "weibo:1",
        "evidence": incident().evidence,
    }
    return Alarm(**(fields | more))


def label(hours: float, length: float = 10, **more: Any) -> Labelled:
    start = NOON + hours * HOUR
    return Labelled(**({"brand": "qilan", "start": start, "end": start + length * HOUR} | more))


def test_a_log_keeps_how_an_incident_began_and_how_bad_it_got() -> None:
    log = AlarmLog()
    first = incident(revision=1, severity=2)
    later = incident(revision=2, severity=4)
    lower = incident(revision=3, severity=3, state="closed", closed_at=NOON + 90 * HOUR)

    log.take([first, later])
    log.take([lower])

    [found] = log.alarms()
    assert (found.opened_severity, found.severity, found.revisions) == (2, 4, 3)
    assert found.evidence == first.evidence
    assert found.closed_at == NOON + 90 * HOUR
    assert log.alarms(since=found.opened_at) and not log.alarms(until=found.opened_at)


def test_versions_are_compared_alarm_by_alarm() -> None:
    new = [alarm("a", 0), alarm("b", 10), alarm("c", 20, brand="other")]
    old = [alarm("d", 1), alarm("e", 2), alarm("f", 30)]

    found = compare(new, old)

    [pair] = found.both
    assert (pair.new.id, pair.old.id, pair.minutes_later) == ("a", "d", -60)
    assert [one.id for one in found.only_new] == ["b", "c"]
    assert [one.id for one in found.only_old] == ["e", "f"]


def test_the_same_kind_is_the_same_alarm_before_the_nearer_one() -> None:
    new = [alarm("a", 0, kind="surge"), alarm("b", 1)]
    old = [alarm("c", 0), alarm("d", 2, kind="surge")]

    pairs = {pair.new.id: pair.old.id for pair in compare(new, old).both}

    assert pairs == {"a": "d", "b": "c"}


def test_an_alarm_without_an_end_goes_on() -> None:
    assert len(compare([alarm("a", 0, None)], [alarm("b", 500)]).both) == 1


def test_alarms_are_judged_by_labels() -> None:
    alarms = [
        alarm("early", -2, 4),
        alarm("again", 4),
        alarm("false", 50),
        alarm("other kind", 80, kind="surge"),
        alarm("other brand", 0, brand="lingyue"),
    ]
    labels = [label(0, kind="crisis"), label(200, kind="crisis")]

    found = judge(alarms, labels)

    [caught] = found.caught
    assert (caught.alarm.id, caught.minutes_after) == ("early", -120)
    assert found.missed == [labels[1]]
    assert [one.id for one in found.beside] == ["again"]
    assert [one.id for one in found.false] == ["false", "other brand"]
    assert [one.id for one in found.unjudged] == ["other kind"]


@pytest.mark.parametrize(
    ("one", "caught"),
    [
        (alarm("long before", -40, None), False),
        (alarm("the day before", -23, None), True),
        (alarm("over before", -5, 4), False),
        (alarm("at its end", 10), True),
        (alarm("behind", 10.1), False),
    ],
    ids=lambda value: value.id if isinstance(value, Alarm) else None,
)
def test_what_catches_an_incident(one: Alarm, caught: bool) -> None:
    assert bool(judge([one], [label(0)]).caught) is caught


def test_a_label_without_a_kind_takes_any() -> None:
    found = judge([alarm("a", 1, kind="surge"), alarm("b", 99, kind="copy_flood")], [label(0)])

    assert [one.alarm.id for one in found.caught] == ["a"]
    assert [one.id for one in found.false] == ["b"]


def test_weeks_begin_on_local_mondays() -> None:
    sunday_night = alarm("a", 0, opened_at=datetime(2026, 10, 4, 15, 59, tzinfo=UTC))
    monday = alarm("b", 0, opened_at=datetime(2026, 10, 4, 16, 0, tzinfo=UTC))

    found = weeks_of([sunday_night, monday], ZoneInfo("Asia/Shanghai"))

    assert found == {"qilan": {date(2026, 9, 28): 1, date(2026, 10, 5): 1}}
