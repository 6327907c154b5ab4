"""Notices that wait for a team's hours, and incidents that nobody took: by a clock of the test."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from pipeline.notify import Fallback, NotifyStage
from pipeline.notify_later import Escalation
from pipeline.record import Item, Record
from pipeline.settings import NotifySettings
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.incident import Incident
from schemas.incidents import AnyIncident
from schemas.language import use_language
from schemas.outcome import Done
from schemas.rules import Brand, Hours, RuleSet, is_at_work
from sinks.memory import MemoryChannel, MemoryJournal
from sinks.notice_text import body, title
from tests.pipeline.incidents import incident

ZONE = ZoneInfo("Asia/Shanghai")
NIGHT = datetime(2026, 3, 2, 23, 0, tzinfo=ZONE).astimezone(UTC)  # a Monday
MORNING = datetime(2026, 3, 3, 9, 0, tzinfo=ZONE).astimezone(UTC)
OFFICE = Hours(days=("mon", "tue", "wed", "thu", "fri"), begin="09:00", end="18:00")


def channel(name: str) -> MemoryChannel:
    return MemoryChannel(name, MemoryChannel.Config())


def rules(*hours: Hours, id: str = "pr", brand: str = "qilan", **more: Any) -> RuleSet:
    return RuleSet(
        id=id,
        version=1,
        author="王芳",
        reason="开始",
        changed_at=NIGHT,
        hours=hours,
        brands=(Brand(id=brand, name=brand, role="own", aliases=(brand,)),),
        **more,
    )


class Desk:
    """One channel ``crm`` on a shared journal and topic; a restart is another desk on the same."""

    def __init__(
        self,
        *sets: RuleSet,
        before: "Desk | None" = None,
        at: datetime = NIGHT,
        escalate: bool = False,
        fallback: bool = False,
        **settings: Any,
    ) -> None:
        self.journal = before.journal if before else MemoryJournal()
        self.topic: dict[str, AnyIncident] = before.topic if before else {}
        self.channel = before.channel if before else channel("crm")
        self.boss = before.boss if before else channel("boss")
        self.spare = channel("spare")
        self.at = before.at if before else at
        self.sets = sets
        self.offset = 0
        self.reads: list[datetime] = []
        self.stage = NotifyStage(
            "crm",
            self.channel,
            self.journal,  # type: ignore[arg-type]
            NotifySettings(**settings),
            dict,
            {},
            now=lambda: self.at.timestamp(),
            fallback=Fallback("spare", self.spare, 300) if fallback else None,
            is_at_work=lambda name, brand, when: is_at_work(
                self.sets, name, ("crm", "boss"), ZONE, brand, when
            ),
            newest=self._newest,
            escalation=Escalation("boss", self.boss) if escalate else None,
        )

    async def _newest(self) -> dict[str, AnyIncident]:
        self.reads.append(self.at)
        return dict(self.topic)

    async def hear(self, *incidents: AnyIncident) -> None:
        """These revisions come into the topic and are read."""
        for one in incidents:
            self.topic[one.id] = one
            assert await self.stage.apply([self.item(one)]) == [Done()]

    def item(self, one: AnyIncident) -> Item[Any]:
        self.offset += 1
        stamp = int(self.at.timestamp() * 1000)
        return Item(
            Record("incidents", 0, self.offset, stamp, b"k", one.to_line()), 1, one.to_line(), one
        )

    async def look(self, **later: float) -> None:
        self.at += timedelta(**later)
        await self.stage.look()


def night_of(id: str = "i1", **changes: Any) -> list[Incident]:
    """Five revisions of one incident."""
    return [
        incident("first_post", "opened", id=id, **changes),
        incident("opened", "confirmed", id=id, revision=2, **changes),
        incident("grown", id=id, revision=3, **changes),
        incident("peak", id=id, revision=4, **changes),
        incident("grown", id=id, revision=5, **changes),
    ]


# --- hours ------------------------------------------------------------------------------------


async def test_five_steps_of_a_night_are_one_notice_in_the_morning() -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(*night_of())
    await desk.look(hours=9, minutes=59)
    assert desk.channel.keys == []

    await desk.look(minutes=1)

    [notice] = desk.channel.delivered
    assert (notice.key, notice.reason) == ("i1-5", "opened")
    assert notice.held_since == NIGHT
    await desk.look(hours=1)
    assert desk.channel.keys == ["i1-5"]


async def test_what_waits_outlives_every_restart() -> None:
    desk = Desk(rules(OFFICE))
    first, second, *_ = night_of()
    await desk.hear(first)
    desk = Desk(rules(OFFICE), before=desk)
    await desk.hear(first, second)  # the offset was not committed
    desk = Desk(rules(OFFICE), before=desk)

    await desk.look(hours=10)
    assert desk.channel.keys == ["i1-2"]

    # And when everything is read once more, by day, nobody hears of it again.
    desk = Desk(rules(OFFICE), before=desk)
    await desk.hear(first, second)
    await desk.look(hours=1)
    assert desk.channel.keys == ["i1-2"]


async def test_a_crash_right_after_telling_tells_no_other_notice() -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(*night_of())
    waits = dict(desk.journal.waits)
    await desk.look(hours=10)

    desk.journal.waits = waits  # as if the process had died before it could note it
    desk = Desk(rules(OFFICE), before=desk)
    await desk.look()

    assert desk.channel.keys == ["i1-5"]
    assert all(one.over for one in desk.journal.waits.values())


async def test_what_is_severe_goes_out_at_night_and_leaves_nothing_to_wait() -> None:
    desk = Desk(rules(OFFICE))
    opened, *_ = night_of()
    await desk.hear(opened, incident("grown", revision=2, severity=4))
    assert desk.channel.keys == ["i1-2"]

    await desk.look(hours=10)

    assert desk.channel.keys == ["i1-2"]


async def test_a_team_may_want_to_sleep_through_everything() -> None:
    desk = Desk(rules(OFFICE), urgent_severity=6)
    await desk.hear(incident("opened", severity=5))

    assert desk.channel.keys == []


async def test_the_quiet_of_one_team_holds_up_no_other() -> None:
    desk = Desk(rules(OFFICE), rules(id="sales", brand="xinghe"))

    await desk.hear(
        incident("opened"),
        incident("opened", id="i2", brand="xinghe"),
        incident("opened", id="i3", brand="nobodys"),
    )
    assert desk.channel.keys == ["i2-1", "i3-1"]
    await desk.look(hours=10)
    assert desk.channel.keys == ["i2-1", "i3-1", "i1-1"]


async def test_one_of_two_teams_at_work_is_enough() -> None:
    night_shift = Hours(days=("mon",), begin="22:00", end="06:00")
    desk = Desk(rules(OFFICE), rules(night_shift, id="duty"))

    await desk.hear(incident("opened"))

    assert desk.channel.keys == ["i1-1"]


async def test_a_step_by_day_tells_what_waited_before_the_next_look() -> None:
    desk = Desk(rules(OFFICE))
    opened, confirmed, *_ = night_of()
    await desk.hear(opened)
    desk.at = MORNING
    await desk.hear(confirmed)

    await desk.look(minutes=1)

    assert desk.channel.keys == ["i1-2"]


async def test_what_opened_and_ended_at_night_is_told_as_ended() -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(
        incident("opened"), incident("closed", revision=2, state="closed", closed_at=NIGHT)
    )

    await desk.look(hours=10)

    assert [(one.key, one.reason) for one in desk.channel.delivered] == [("i1-2", "closed")]


async def test_the_newest_revision_is_told_even_if_it_was_not_read_yet() -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(incident("opened"))
    desk.topic["i1"] = handled = incident("acknowledged", revision=2, state="handled", owner="王")

    await desk.look(hours=10)
    await desk.hear(handled)

    [notice] = desk.channel.delivered
    assert (notice.key, notice.incident) == ("i1-2", handled)


async def test_a_silence_goes_on_holding_it_back() -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(incident("opened"))
    desk.topic["i1"] = incident("silenced", revision=2, silenced_until=MORNING + timedelta(hours=2))

    await desk.look(hours=11)
    assert desk.channel.keys == []
    await desk.look(hours=1)
    assert desk.channel.keys == ["i1-2"]


async def test_a_weekend_does_not_make_it_too_old() -> None:
    friday = datetime(2026, 3, 6, 20, 0, tzinfo=ZONE).astimezone(UTC)
    desk = Desk(rules(OFFICE), at=friday)
    await desk.hear(incident("opened"))

    await desk.look(days=2)
    assert desk.channel.keys == []
    await desk.look(hours=13)
    assert desk.channel.keys == ["i1-1"]


@pytest.mark.parametrize("fault", [RetryableError("away"), FatalError("gone")])
async def test_a_channel_that_is_away_in_the_morning_is_tried_again(fault: Any) -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(incident("opened"), incident("opened", id="i2"))
    desk.channel.fail(fault)

    await desk.look(hours=10)
    assert (desk.channel.keys, desk.channel.attempts) == ([], 1)
    await desk.look(minutes=1)
    assert desk.channel.keys == ["i1-1", "i2-1"]


async def test_a_refusal_for_good_is_told_by_the_fallback_and_holds_up_nothing() -> None:
    desk = Desk(rules(OFFICE), fallback=True)
    await desk.hear(incident("opened"), incident("opened", id="i2"))
    desk.channel.fail(RejectedError("http_400", "not this"))

    await desk.look(hours=10)
    await desk.look(hours=1)

    assert (desk.spare.keys, desk.channel.keys) == (["i1-1"], ["i2-1"])
    assert desk.journal.states["i1-1", "crm"] == "rejected"


def test_both_languages_say_since_when_it_waited() -> None:
    for language, words in (("zh", "2026-03-02 23:00 起在值班时间之外"), ("en", "outside of your")):
        use_language(language)  # type: ignore[arg-type]
        try:
            desk = Desk()
            notice = desk.stage._notice_of(incident("opened"), "unclaimed")
            told = replace(notice, held_since=NIGHT, told_at=NIGHT)
            text = body(told, zone=ZONE)
            assert words in text
            assert "tingchao incidents acknowledge i1" in text
            assert ("仍无人认领" if language == "zh" else "still unclaimed") in title(told)
        finally:
            use_language(None)


# --- nobody took it ---------------------------------------------------------------------------


def noon(**more: Any) -> Desk:
    return Desk(rules(OFFICE), at=MORNING, escalate=True, **more)


async def test_what_nobody_takes_is_told_to_another_channel_once() -> None:
    desk = noon()
    await desk.hear(*night_of())
    await desk.look(minutes=14)
    assert desk.boss.keys == []

    await desk.look(minutes=1)
    desk = Desk(rules(OFFICE), before=desk, escalate=True)
    await desk.look(hours=2)

    [notice] = desk.boss.delivered
    assert (notice.key, notice.reason, notice.told_at) == ("i1-1-unclaimed", "unclaimed", MORNING)
    assert notice.incident.revision == 5


@pytest.mark.parametrize(
    "taken",
    [
        incident("acknowledged", revision=2, state="handled", owner="王芳"),
        incident("assigned", revision=2, owner="王芳"),
        incident("silenced", revision=2, silenced_until=MORNING + timedelta(hours=1)),
        incident("verdict", revision=2, verdict=False),
        incident("closed", revision=2, state="closed", closed_at=MORNING),
    ],
    ids=lambda one: one.timeline[-1].event,
)
async def test_what_somebody_took_calls_nobody_else(taken: Incident) -> None:
    desk = noon()
    await desk.hear(incident("opened"))
    desk.topic["i1"] = taken  # not read by this process yet

    await desk.look(minutes=20)
    await desk.look(hours=3)

    assert desk.boss.keys == []


async def test_an_escalation_outlives_a_restart_and_a_channel_that_is_away() -> None:
    desk = noon()
    await desk.hear(incident("opened"))
    desk = Desk(rules(OFFICE), before=desk, escalate=True)
    desk.boss.fail(RetryableError("away"))

    await desk.look(minutes=15)
    assert desk.boss.keys == []
    await desk.look(minutes=1)
    assert desk.boss.keys == ["i1-1-unclaimed"]


async def test_a_crash_right_after_escalating_repeats_nothing() -> None:
    desk = noon()
    await desk.hear(incident("opened"))
    waits = dict(desk.journal.waits)
    await desk.look(minutes=15)
    desk.journal.waits = waits

    await desk.look(minutes=1)

    assert desk.boss.keys == ["i1-1-unclaimed"]


async def test_what_flares_up_again_is_escalated_again() -> None:
    desk = noon()
    await desk.hear(incident("opened"))
    await desk.look(minutes=15)
    await desk.hear(incident("closed", revision=2, state="closed", closed_at=desk.at))
    await desk.look(hours=1)
    await desk.hear(incident("reopened", revision=3, state="confirmed"))

    await desk.look(minutes=15)

    assert desk.boss.keys == ["i1-1-unclaimed", "i1-3-unclaimed"]


async def test_what_waited_for_the_morning_may_be_taken_from_then_on() -> None:
    desk = Desk(rules(OFFICE), escalate=True)
    await desk.hear(incident("opened"))

    await desk.look(hours=10)
    assert (desk.channel.keys, desk.boss.keys) == (["i1-1"], [])
    await desk.look(minutes=15)
    assert desk.boss.keys == ["i1-1-unclaimed"]


async def test_nobody_is_called_at_night_for_what_was_told_by_day() -> None:
    evening = datetime(2026, 3, 2, 17, 50, tzinfo=ZONE).astimezone(UTC)
    desk = Desk(rules(OFFICE), at=evening, escalate=True)
    await desk.hear(incident("opened"))

    await desk.look(minutes=15)
    assert desk.boss.keys == []
    await desk.look(hours=15)
    assert desk.boss.keys == ["i1-1-unclaimed"]


async def test_what_has_to_wait_on_is_not_read_for_again_at_every_look() -> None:
    desk = Desk(rules(OFFICE))
    await desk.hear(incident("opened"))
    desk.topic["i1"] = incident("silenced", revision=2, silenced_until=MORNING + timedelta(hours=1))
    await desk.look(hours=9)
    assert desk.reads == []

    desk.at = MORNING
    for _ in range(12):
        await desk.look(seconds=10)
    assert (len(desk.reads), desk.channel.keys) == (2, [])


# --- what hours are ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hours", "local", "at_work"),
    [
        (OFFICE, "2026-03-02T09:00", True),
        (OFFICE, "2026-03-02T08:59", False),
        (OFFICE, "2026-03-02T17:59", True),
        (OFFICE, "2026-03-02T18:00", False),
        (OFFICE, "2026-03-01T12:00", False),  # a Sunday
        (Hours(days=("fri",), begin="22:00", end="06:00"), "2026-03-06T23:00", True),
        (Hours(days=("fri",), begin="22:00", end="06:00"), "2026-03-07T05:59", True),
        (Hours(days=("fri",), begin="22:00", end="06:00"), "2026-03-07T06:00", False),
        (Hours(days=("fri",), begin="22:00", end="06:00"), "2026-03-06T05:00", False),
        (Hours(days=("sun",), begin="08:00", end="08:00"), "2026-03-02T07:59", True),
        (Hours(days=("sun",), begin="08:00", end="08:00"), "2026-03-02T08:00", False),
    ],
)
def test_hours_of_a_team(hours: Hours, local: str, at_work: bool) -> None:
    at = datetime.fromisoformat(local).replace(tzinfo=ZONE).astimezone(UTC)

    assert is_at_work([rules(hours)], "crm", ("crm",), ZONE, "qilan", at) == at_work


def test_only_teams_that_the_channel_tells_count() -> None:
    sets = [rules(OFFICE, channels=("crm",)), rules(id="all_day", channels=("boss",))]

    def asleep(name: str, brand: str | None) -> bool:
        return not is_at_work(sets, name, ("crm", "boss"), ZONE, brand, NIGHT)

    assert asleep("crm", "qilan") and asleep("crm", None)
    assert not asleep("boss", "qilan")
    assert not asleep("crm", "unknown")
