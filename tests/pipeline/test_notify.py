"""Which revisions are told, and what happens when a channel can't."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.notify import BROKEN_CHANNEL_SECONDS, Fallback, NotifyStage, reason_for
from pipeline.record import RETRY_HEADER, Item, Record
from pipeline.settings import NotifySettings
from processors.source_incidents import known_gap, source_incident
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incidents import AnyIncident
from schemas.outcome import Done, Rejected, Retry
from schemas.signals import SourceGap
from schemas.source_incident import SourceIncident
from sinks.base import Notice
from sinks.dingtalk import DingTalk
from sinks.memory import MemoryJournal
from tests.pipeline.incidents import AT, gap_of, incident
from tests.sinks.service import Service


class FakeJournal(MemoryJournal):
    """Of one channel."""

    @property
    def by_key(self) -> dict[str, str]:
        return {key: state for (key, _), state in self.states.items()}


class FakeChannel:
    def __init__(self, *faults: Exception) -> None:
        self.faults = list(faults)
        self.told: list[Notice] = []

    async def deliver(self, notice: Notice) -> None:
        if self.faults:
            raise self.faults.pop(0)
        self.told.append(notice)


def stage(channel: Any, **settings: Any) -> tuple[NotifyStage, FakeJournal]:
    journal = FakeJournal()
    made = NotifyStage(
        "crm",
        channel,  # type: ignore[arg-type]
        journal,  # type: ignore[arg-type]
        NotifySettings(**settings),
        lambda: {"qilan": "启澜汽车"},
        {"lunji": "轮迹社区"},
        now=lambda: AT.timestamp() + 60,
    )
    return made, journal


def items(*incidents: AnyIncident, written_at: datetime = AT) -> list[Item[AnyIncident]]:
    stamp = int(written_at.timestamp() * 1000)
    return [
        Item(Record("incidents", 0, n, stamp, b"k", one.to_line()), 1, one.to_line(), one)
        for n, one in enumerate(incidents)
    ]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (incident("first_post", "opened"), "opened"),
        (incident("opened", "confirmed", revision=2), "confirmed"),
        (incident("grown", revision=3), "worse"),
        (incident("media", revision=3), "media"),
        (incident("amplified", revision=3), None),
        (incident("reopened", revision=5, state="confirmed"), "reopened"),
        (incident("unsilenced", revision=3), "unsilenced"),
        (incident("closed", revision=4, state="closed"), "closed"),
        (incident("peak", revision=3), None),
        (incident("grown", "peak", revision=4), None),
        (incident("acknowledged", revision=3), None),
    ],
)
def test_the_reason_follows_from_the_revision(told: AnyIncident, reason: str | None) -> None:
    assert reason_for(told) == reason


async def test_a_notice_is_told_once_however_often_its_revision_comes() -> None:
    channel = FakeChannel()
    notify, journal = stage(channel)

    first = await notify.apply(items(incident("opened")))
    again = await notify.apply(items(incident("opened")))

    assert first == again == [Done()]
    assert [notice.key for notice in channel.told] == ["i1-1"]
    assert channel.told[0].brand_name == "启澜汽车"
    assert channel.told[0].platform_names == {"lunji": "轮迹社区"}
    assert journal.by_key == {"i1-1": "sent"}


async def test_a_passing_fault_holds_up_the_later_ones_and_keeps_their_order() -> None:
    channel = FakeChannel(RetryableError("away", retry_after_seconds=7))
    notify, _ = stage(channel)
    both = items(incident("opened"), incident("grown", revision=2))

    waiting = await notify.apply(both)
    done = await notify.apply(both)

    assert waiting == [Retry("away", 7), Retry("away", 7)]
    assert done == [Done(), Done()]
    assert [notice.key for notice in channel.told] == ["i1-1", "i1-2"]


async def test_what_another_team_listens_for_is_left_to_its_channels() -> None:
    channel = FakeChannel()
    made = NotifyStage(
        "crm",
        channel,  # type: ignore[arg-type]
        FakeJournal(),  # type: ignore[arg-type]
        NotifySettings(),
        dict,
        {},
        is_told=lambda brand: brand != "qilan",
        now=lambda: AT.timestamp() + 60,
    )

    outcomes = await made.apply(
        items(incident("opened"), incident("opened", id="i2", brand="xinghe"))
    )

    assert outcomes == [Done(), Done()]
    assert [notice.key for notice in channel.told] == ["i2-1"]


async def test_a_refused_notice_is_rejected_and_noted_and_the_next_one_goes_out() -> None:
    channel = FakeChannel(RejectedError("http_400", "the receiver refused it"))
    notify, journal = stage(channel)

    outcomes = await notify.apply(items(incident("opened"), incident("grown", revision=2)))

    assert outcomes == [Rejected("http_400", "the receiver refused it"), Done()]
    assert journal.by_key == {"i1-1": "rejected", "i1-2": "sent"}


async def test_a_refused_notice_that_a_person_puts_back_is_tried_again() -> None:
    channel = FakeChannel(RejectedError("http_400", "the receiver refused it"))
    notify, journal = stage(channel)
    [first] = items(incident("opened"))
    await notify.apply([first])
    again = replace(first, record=replace(first.record, headers=((RETRY_HEADER, b"x"),)))

    assert await notify.apply([first]) == [Done()]
    assert channel.told == []
    assert await notify.apply([again]) == [Done()]
    assert [notice.key for notice in channel.told] == ["i1-1"]
    assert journal.by_key == {"i1-1": "sent"}
    await notify.apply([again])
    assert len(channel.told) == 1


async def test_a_broken_channel_waits_for_a_person_and_loses_nothing() -> None:
    channel = FakeChannel(FatalError("the address is gone"))
    notify, _ = stage(channel)

    waiting = await notify.apply(items(incident("opened")))
    done = await notify.apply(items(incident("opened")))

    assert waiting == [Retry("the address is gone", BROKEN_CHANNEL_SECONDS)]
    assert done == [Done()]
    assert len(channel.told) == 1


@pytest.mark.parametrize(
    ("one", "settings"),
    [
        (incident("opened", kind="praise_surge"), {}),
        (incident("opened"), {"min_severity": 3}),
        (incident("opened", silenced_until=AT + timedelta(hours=1)), {}),
    ],
)
async def test_what_nobody_asked_for_is_not_told(
    one: AnyIncident, settings: dict[str, Any]
) -> None:
    channel = FakeChannel()
    notify, journal = stage(channel, **settings)

    assert await notify.apply(items(one)) == [Done()]
    assert channel.told == []
    assert journal.by_key == {}


async def test_a_channel_added_today_does_not_ring_for_last_month() -> None:
    channel = FakeChannel()
    notify, _ = stage(channel)

    await notify.apply(items(incident("opened"), written_at=AT - timedelta(days=30)))

    assert channel.told == []


# --- sources ----------------------------------------------------------------------------------


def source_incidents(*gaps: SourceGap) -> list[SourceIncident]:
    known, found = None, []
    for gap in gaps:
        told = source_incident(gap, known)
        known = known_gap(gap, known)
        found += [told] if told else []
    return found


async def test_a_source_is_told_when_it_fails_grows_worse_and_is_heard_again() -> None:
    begun = gap_of("own", AT)
    worse = gap_of("own", AT, trouble="login")
    ended = gap_of("own", AT, trouble="login", ended_at=AT + timedelta(minutes=3))
    channel = FakeChannel()
    made, _ = stage(channel)

    await made.apply(items(*source_incidents(begun, worse, ended)))

    assert [(one.reason, one.brand_name) for one in channel.told] == [
        ("opened", "own"),
        ("worse", "own"),
        ("closed", "own"),
    ]


@pytest.mark.parametrize(("minutes", "reason"), [(9, None), (10, "closed")])
def test_a_restart_is_no_news_and_a_night_without_ears_is(
    minutes: float, reason: str | None
) -> None:
    ended_at = AT + timedelta(minutes=minutes)
    [told] = source_incidents(gap_of("own", AT, trouble="unheard", ended_at=ended_at))

    assert reason_for(told) == reason


async def test_whoever_wants_no_word_of_sources_gets_none() -> None:
    channel = FakeChannel()
    made, _ = stage(channel, kinds=("crisis",))

    await made.apply(items(*source_incidents(gap_of("own", AT))))

    assert channel.told == []


async def test_the_limit_of_a_robot_holds_the_rest_back_and_loses_none() -> None:
    # Given a robot that takes 20 a minute, and 25 notices at once
    service = Service({"errcode": 0, "errmsg": "ok"})
    notify, journal = stage(service.channel(DingTalk, token="t0ken"), kinds=("crisis",))
    every = items(*(incident("opened", id=f"i{number}") for number in range(25)))

    first = await notify.apply(every)

    assert first[:20] == [Done()] * 20
    assert {type(one) for one in first[20:]} == {Retry}
    assert [one.after_seconds for one in first[20:] if isinstance(one, Retry)] == [60] * 5
    assert len(service.requests) == 20

    # When the minute is over
    service.time.go(60)

    assert await notify.apply(every[20:]) == [Done()] * 5
    assert len(service.requests) == 25
    assert set(journal.by_key.values()) == {"sent"}


# --- fallback ---------------------------------------------------------------------------------


class Pair:
    """A channel ``crm`` whose fallback is ``mail``, a journal for both, and a clock."""

    def __init__(self, channel: FakeChannel, other: FakeChannel | None = None) -> None:
        self.channel, self.other = channel, other or FakeChannel()
        self.journal = MemoryJournal()
        self.now = AT.timestamp() + 60
        self.stage = self._stage("crm", self.channel, Fallback("mail", self.other, 300))  # type: ignore[arg-type]
        self.own = self._stage("mail", self.other, None)

    def _stage(self, name: str, channel: FakeChannel, fallback: Fallback | None) -> NotifyStage:
        return NotifyStage(
            name,
            channel,  # type: ignore[arg-type]
            self.journal,  # type: ignore[arg-type]
            NotifySettings(),
            dict,
            {},
            now=lambda: self.now,
            fallback=fallback,
        )


def away(times: int) -> FakeChannel:
    return FakeChannel(*[RetryableError("away", retry_after_seconds=600)] * times)


async def test_a_channel_that_stays_away_is_stood_in_for_and_the_next_notice_goes_on() -> None:
    pair = Pair(away(3))
    first, second = items(incident("opened"), incident("grown", revision=2))

    # When it has been away for less than it is given
    waiting = await pair.stage.apply([first])

    # Then its notice waits, but no longer than until the fallback is due
    assert waiting == [Retry("away", 300)]
    assert pair.other.told == []

    # And when that time is over, the other one tells it, and says for whom
    pair.now += 300
    assert await pair.stage.apply([first, second]) == [Done(), Done()]
    assert [(one.key, one.instead_of) for one in pair.other.told] == [
        ("i1-1", "crm"),
        ("i1-2", "crm"),
    ]
    assert pair.journal.states == {
        ("i1-1", "crm"): "elsewhere",
        ("i1-1", "mail"): "sent",
        ("i1-2", "crm"): "elsewhere",
        ("i1-2", "mail"): "sent",
    }

    # And nobody tells it a second time, whoever reads it again
    assert await pair.stage.apply([first]) == [Done()]
    assert await pair.own.apply([first, second]) == [Done(), Done()]
    assert len(pair.other.told) == 2
    assert pair.channel.told == []


async def test_a_channel_that_is_back_tells_by_itself_and_has_its_whole_time_again() -> None:
    pair = Pair(FakeChannel(RetryableError("away"), RetryableError("away")))
    first, second = items(incident("opened"), incident("grown", revision=2))
    await pair.stage.apply([first])
    pair.now += 300
    await pair.stage.apply([first])
    assert await pair.stage.apply([second]) == [Done()]
    assert [one.key for one in pair.channel.told] == ["i1-2"]

    pair.channel.faults = [RetryableError("away")]
    pair.now += 299
    [third] = items(
        incident("grown", revision=3), written_at=datetime.fromtimestamp(pair.now - 1, UTC)
    )

    assert await pair.stage.apply([third]) == [Retry("away", None)]


async def test_a_notice_that_waited_through_a_restart_has_waited_long_enough() -> None:
    pair = Pair(away(1))
    pair.now += 300

    assert await pair.stage.apply(items(incident("opened"))) == [Done()]

    assert [one.instead_of for one in pair.other.told] == ["crm"]


async def test_what_the_fallback_told_by_itself_is_not_told_twice() -> None:
    pair = Pair(away(2))
    [first] = items(incident("opened"))
    await pair.own.apply([first])
    await pair.stage.apply([first])
    pair.now += 300

    assert await pair.stage.apply([first]) == [Done()]

    assert [one.instead_of for one in pair.other.told] == [""]


async def test_when_the_fallback_fails_too_both_are_tried_until_one_works() -> None:
    pair = Pair(
        away(9), FakeChannel(RetryableError("no"), FatalError("no"), RejectedError("x", "no"))
    )
    [first] = items(incident("opened"))
    await pair.stage.apply([first])
    pair.now += 300

    for _ in range(3):
        assert await pair.stage.apply([first]) == [Retry("away", 600)]

    assert await pair.stage.apply([first]) == [Done()]
    assert len(pair.other.told) == 1


async def test_a_broken_channel_is_stood_in_for() -> None:
    pair = Pair(FakeChannel(FatalError("no such robot"), FatalError("no such robot")))
    [first] = items(incident("opened"))
    assert await pair.stage.apply([first]) == [Retry("no such robot", BROKEN_CHANNEL_SECONDS)]
    pair.now += 300

    assert await pair.stage.apply([first]) == [Done()]
    assert [one.instead_of for one in pair.other.told] == ["crm"]


async def test_a_refused_notice_is_told_by_the_fallback_at_once_and_stays_a_dead_letter() -> None:
    pair = Pair(FakeChannel(RejectedError("refused", "not this")))
    [first] = items(incident("opened"))

    assert await pair.stage.apply([first]) == [Rejected("refused", "not this")]

    assert [one.instead_of for one in pair.other.told] == ["crm"]
    assert pair.journal.states["i1-1", "crm"] == "rejected"
