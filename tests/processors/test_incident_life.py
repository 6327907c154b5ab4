from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.brand_state import BrandState
from processors.incident_life import MAX_PAST, MAX_TIMELINE
from processors.surge import Surge
from schemas.incident import Incident
from schemas.signals import Command, CommandAction, Mention

START = datetime(2026, 3, 2, tzinfo=UTC)
NOON = START + timedelta(days=1, hours=12)


def complaint(number: int, minute: float = 0.0, **changes: Any) -> Mention:
    fields: dict[str, Any] = {
        "brand": "lantu",
        "role": "own",
        "post_id": f"weibo:{number}",
        "root_id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "author_id": f"user{number}",
        "event_at": NOON + timedelta(minutes=minute),
        "mood": "negative",
        "signature": f"text{number}",
        "matches": ("刹车",),
        "excerpt": "刹车突然失灵，差点出事",
    }
    return Mention(**{**fields, **changes})


class Watch:
    """A brand that was silent for a day and a half; everything emitted is kept."""

    def __init__(self, **options: Any) -> None:
        self.detector = Surge(Surge.Config(**({"close_after_hours": 6} | options)))
        self.state = self.detector.new_state("lantu", "own")
        self.seen: list[Incident] = []
        self.commands = 0
        self.posts = 0
        self.detector.advance(self.state, START)
        self.until(-15)

    def until(self, minute: float) -> list[Incident]:
        """All buckets that end by this minute are closed."""
        return self._keep(self.detector.advance(self.state, NOON + timedelta(minutes=minute + 10)))

    def say(self, count: int, minute: float = 0.0, **changes: Any) -> list[Incident]:
        out = []
        for _ in range(count):
            self.posts += 1
            mention = complaint(self.posts, minute, **changes)
            out += self._keep(self.detector.mention(self.state, mention))
        return out

    def order(
        self,
        action: CommandAction,
        minute: float = 20.0,
        incident: str | None = None,
        **fields: Any,
    ) -> list[Incident]:
        self.commands += 1
        command = Command(
            id=fields.pop("id", f"command{self.commands}"),
            brand="lantu",
            action=action,
            at=NOON + timedelta(minutes=minute),
            by=fields.pop("by", "小李"),
            incident_id=incident or (self.seen[0].id if self.seen else None),
            **fields,
        )
        return self._keep(self.detector.command(self.state, command))

    def _keep(self, incidents: list[Incident]) -> list[Incident]:
        self.seen += incidents
        # Every step goes through the bytes of a checkpoint.
        self.state = BrandState.from_line(self.state.to_line())
        return incidents


@pytest.fixture
def watch() -> Watch:
    found = Watch()
    found.say(10)
    assert [incident.kind for incident in found.seen] == ["crisis"]
    return found


def events(incident: Incident) -> list[str]:
    return [entry.event for entry in incident.timeline]


def test_a_crisis_opens_at_the_tenth_complaint_with_its_evidence(watch: Watch) -> None:
    opened = watch.seen[0]

    assert (opened.revision, opened.state, opened.severity) == (1, "suspected", 1)
    assert opened.opened_at == opened.updated_at == NOON
    evidence = opened.evidence
    assert (evidence.rule, evidence.measured) == ("surge.crisis", "negative")
    assert evidence.window_start == NOON
    assert evidence.window_end == NOON + timedelta(minutes=15)
    assert evidence.posts == tuple(f"weibo:{n}" for n in range(1, 11))
    assert evidence.score >= evidence.threshold
    assert opened.totals == evidence.numbers
    assert (opened.totals.voices, opened.totals.negative) == (10, 10)
    assert [(word.word, word.voices) for word in opened.words] == [("刹车", 10)]
    assert opened.quotes[0].post_id == opened.first_post.post_id == "weibo:1"
    assert events(opened) == ["first_post", "second_voice", "opened"]


def test_the_next_bucket_confirms(watch: Watch) -> None:
    assert watch.say(9, minute=16) == []

    confirmed = watch.say(1, minute=17)

    assert [(i.state, i.revision) for i in confirmed] == [("confirmed", 2)]
    # Twenty voices are also twice the ten that were told.
    assert events(confirmed[0])[-2:] == ["confirmed", "grown"]


def test_severity_confirms_without_a_second_bucket(watch: Watch) -> None:
    grown = watch.say(60)

    assert [(i.severity, i.state) for i in grown] == [
        (2, "suspected"),
        (2, "suspected"),
        (3, "confirmed"),
    ]
    assert [i.totals.voices for i in grown] == [18, 36, 54]


def test_a_revision_is_made_only_when_something_changed(watch: Watch) -> None:
    # Given 500 more complaints over two hours
    for minute in range(100):
        watch.say(5, minute=minute)
        watch.until(minute - 1)

    # Then some twenty revisions tell it, numbered without gaps, times never going back
    revisions = watch.seen
    assert [i.revision for i in revisions] == list(range(1, len(revisions) + 1))
    assert len(revisions) < 20
    times = [i.updated_at for i in revisions]
    assert times == sorted(times)
    assert len({i.id for i in revisions}) == 1


def test_peak_is_told_once_when_a_weaker_bucket_follows(watch: Watch) -> None:
    watch.say(30, minute=20)
    watch.say(12, minute=31)
    assert watch.until(30) == []

    told = watch.until(45)

    assert [events(i)[-1] for i in told] == ["peak"]
    assert told[0].evidence.window_start == NOON + timedelta(minutes=15)
    assert told[0].evidence.numbers.negative == 30
    assert told[0].updated_at == NOON + timedelta(minutes=45)
    assert watch.until(90) == []


def test_a_higher_peak_is_told_again(watch: Watch) -> None:
    watch.until(30)
    watch.say(90, minute=31)
    watch.until(75)

    told = [i for i in watch.seen if events(i)[-1] == "peak"]
    assert [i.evidence.numbers.negative for i in told] == [10, 90]


def test_time_never_goes_back_behind_a_command(watch: Watch) -> None:
    watch.order("assign", minute=100, value="小王")

    confirmed = watch.say(10, minute=16)

    assert confirmed[0].updated_at == NOON + timedelta(minutes=100)


def test_it_closes_six_hours_after_the_last_unusual_bucket(watch: Watch) -> None:
    assert [i.state for i in watch.until(15 + 359)] == ["suspected"]

    closed = watch.until(15 + 360)

    assert [(i.state, events(i)[-1]) for i in closed] == [("closed", "closed")]
    assert closed[0].closed_at == NOON + timedelta(minutes=375)
    assert watch.state.cases == []


def test_totals_are_all_posts_since_the_opening_bucket(watch: Watch) -> None:
    watch.say(4, minute=1, mood="positive")
    watch.say(1, minute=20, mood="neutral", platform="zhihu", post_id="zhihu:1")
    watch.say(3, minute=100, mood=None, kind="repost", signature=None)
    watch.until(380)

    totals = watch.seen[-1].totals
    assert (totals.mentions, totals.voices, totals.copies) == (18, 15, 3)
    assert (totals.negative, totals.positive) == (10, 4)
    assert totals.platforms == {"weibo": 17, "zhihu": 1}


def test_first_post_is_the_root_of_hours_before() -> None:
    # Given one complaint in the morning that nobody noticed
    watch = Watch()
    watch.say(1, minute=-9)
    root = watch.posts
    watch.until(180)

    # When three hours later everybody comments on it, and some speak elsewhere
    watch.say(4, minute=185, matches=("电池",))
    watch.say(8, minute=186, kind="comment", root_id=f"weibo:{root}")

    assert [i.kind for i in watch.seen] == ["crisis"]
    opened = watch.seen[0]
    assert opened.first_post.post_id == f"weibo:{root}"
    assert opened.timeline[0].at == NOON - timedelta(minutes=9)


def test_an_earlier_post_of_the_thread_that_comes_late_becomes_the_first_post() -> None:
    # Given an incident whose comments were read before the post that they answer
    watch = Watch()
    watch.say(10, minute=3, kind="comment", root_id="weibo:root")
    assert watch.seen[0].first_post.post_id != "weibo:root"

    # When that post arrives, and then more people speak
    watch.say(1, minute=1, post_id="weibo:root", root_id="weibo:root")
    watch.say(30, minute=8, kind="comment", root_id="weibo:root")

    last = watch.seen[-1]
    assert last.first_post.post_id == "weibo:root"
    assert last.timeline[0].event == "first_post"
    assert last.timeline[0].at == NOON + timedelta(minutes=1)


def test_first_post_without_a_thread_is_the_first_to_use_the_top_word() -> None:
    watch = Watch()
    watch.say(3, matches=("电池",))
    watch.say(7, minute=1, matches=("刹车",))

    assert watch.seen[0].first_post.post_id == "weibo:4"


# -- commands


def test_acknowledge_assign_silence_statement_verdict(watch: Watch) -> None:
    until = NOON + timedelta(hours=3)
    watch.order("acknowledge")
    watch.order("assign", value="公关部 王芳")
    watch.order("silence", until=until)
    watch.order("statement", value="我们已注意到相关情况，正在核实。")
    last = watch.order("verdict", value="true")[0]

    assert (last.state, last.owner, last.silenced_until) == ("handled", "公关部 王芳", until)
    assert (last.statement, last.verdict) == ("我们已注意到相关情况，正在核实。", True)
    assert last.revision == 6
    assert events(last)[3:] == ["acknowledged", "assigned", "silenced", "statement", "verdict"]
    assert last.timeline[-1].by == "小李"
    assert last.updated_at == NOON + timedelta(minutes=20)
    assert watch.state.counters.commands == 5


def test_a_handled_incident_stays_handled_while_it_grows(watch: Watch) -> None:
    watch.order("acknowledge")
    watch.say(10, minute=21)
    grown = watch.say(60, minute=22)

    assert {i.state for i in grown} == {"handled"}
    assert grown[-1].severity == 3


def test_a_command_delivered_twice_is_obeyed_once(watch: Watch) -> None:
    assert len(watch.order("acknowledge", id="same")) == 1
    assert watch.order("acknowledge", id="same") == []
    assert watch.state.counters.repeated_commands == 1


@pytest.mark.parametrize(
    ("action", "fields", "counter"),
    [
        ("acknowledge", {"incident": "0123456789abcdef"}, "unknown_incidents"),
        ("alarm_rule", {}, "refused_commands"),
        ("verdict", {"value": "maybe"}, "refused_commands"),
        ("verdict", {}, "refused_commands"),
        ("statement", {}, "refused_commands"),
        ("reopen", {}, "refused_commands"),
    ],
)
def test_a_command_without_sense_is_only_counted(
    watch: Watch, action: CommandAction, fields: dict[str, Any], counter: str
) -> None:
    before = watch.state.cases[0]

    assert watch.order(action, **fields) == []

    assert watch.state.cases[0] == before
    assert getattr(watch.state.counters, counter) == 1
    assert watch.state.counters.commands == 0


def test_closed_by_hand_stays_closed_while_the_wave_goes_on(watch: Watch) -> None:
    closed = watch.order("close")[0]
    assert (closed.state, closed.closed_at) == ("closed", NOON + timedelta(minutes=20))

    # When people go on complaining, nothing opens ...
    assert watch.say(20, minute=5) == []
    assert watch.say(20, minute=16) == []
    assert watch.say(20, minute=31) == []
    # ... until there was a calm bucket in between.
    watch.until(45)
    again = watch.say(10, minute=61)
    assert [(i.state, i.revision) for i in again] == [("suspected", 1)]
    assert again[0].id != closed.id


def test_closed_stays_known_for_a_verdict_and_keeps_its_numbers(watch: Watch) -> None:
    watch.order("close")
    watch.say(20, minute=5)

    told = watch.order("verdict", value="false")[0]

    assert (told.state, told.verdict, told.totals.voices) == ("closed", False, 10)


def test_reopen_goes_on_and_closes_after_another_six_hours(watch: Watch) -> None:
    watch.until(600)
    assert watch.state.cases == []

    reopened = watch.order("reopen", minute=605)[0]
    assert (reopened.state, reopened.closed_at) == ("confirmed", None)
    assert watch.until(900) == []

    closed = watch.until(600 + 15 + 360)
    assert [i.state for i in closed] == ["closed"]
    assert closed[0].closed_at == NOON + timedelta(minutes=600 + 15 + 360)


def test_reopen_in_the_bucket_that_opened_it(watch: Watch) -> None:
    watch.order("close")
    watch.until(15)

    reopened = watch.order("reopen")[0]

    assert reopened.totals.voices == 10
    assert reopened.evidence == watch.seen[0].evidence


def test_reopen_is_refused_when_a_newer_one_took_its_place(watch: Watch) -> None:
    first = watch.seen[0].id
    watch.order("close")
    watch.until(60)
    watch.say(10, minute=61)
    assert watch.seen[-1].id != first

    assert watch.order("reopen", incident=first) == []
    assert watch.state.counters.refused_commands == 1


def test_a_reopened_handled_incident_is_confirmed(watch: Watch) -> None:
    watch.order("acknowledge")

    assert watch.order("reopen")[0].state == "confirmed"
    assert len(watch.state.cases) == 1


def test_timeline_is_bounded_and_keeps_how_it_began(watch: Watch) -> None:
    for number in range(80):
        watch.order("assign", value=f"同事{number}")

    last = watch.seen[-1]
    assert len(last.timeline) == MAX_TIMELINE
    assert events(last)[:3] == ["first_post", "second_voice", "opened"]
    assert last.timeline[-1].note == "同事79"


def test_closed_incidents_are_remembered_within_bounds(watch: Watch) -> None:
    for turn in range(12):
        watch.until(60 * turn + 45)
        watch.say(10, minute=60 * turn + 61)
        watch.order("close", incident=watch.seen[-1].id)
    assert len(watch.state.past) == MAX_PAST

    watch.until(60 * 24 * 9)
    assert watch.state.past == []


# -- who came after whom


def step(incident: Incident, event: str) -> Any:
    [found] = [entry for entry in incident.timeline if entry.event == event]
    return found


def test_the_second_voice_is_the_next_author_and_not_the_next_post() -> None:
    watch = Watch()
    watch.say(1, minute=0, author_id="a", author_name="车主甲")
    watch.say(1, minute=1, author_id="a", author_name="车主甲")
    watch.say(1, minute=2, author_id="b", author_name="车主乙")
    watch.say(10, minute=3)

    second = step(watch.seen[0], "second_voice")

    assert (second.post_id, second.by) == ("weibo:3", "车主乙")
    assert second.at == NOON + timedelta(minutes=2)
    assert events(watch.seen[0]) == ["first_post", "second_voice", "opened"]


def test_the_second_voice_of_a_thread_is_found_hours_before_the_alarm() -> None:
    watch = Watch()
    watch.say(1, minute=-9)
    root = f"weibo:{watch.posts}"
    watch.say(1, minute=-5, kind="comment", root_id=root, author_name="路人")
    watch.until(180)
    watch.say(12, minute=186, kind="comment", root_id=root)

    second = step(watch.seen[0], "second_voice")
    assert (second.at, second.by) == (NOON - timedelta(minutes=5), "路人")


def test_a_medium_that_takes_it_up_is_one_step_and_one_only(watch: Watch) -> None:
    paper = {"author_kind": "media", "author_name": "北川晚报", "mood": "neutral"}
    elsewhere = watch.say(1, minute=4, **paper, matches=("续航",))
    [told] = watch.say(1, minute=5, **paper)
    again = watch.say(1, minute=6, author_kind="official", mood="neutral")

    assert elsewhere == again == []
    assert (step(told, "media").by, step(told, "media").post_id) == ("北川晚报", "weibo:12")
    assert told.revision == 2


def test_a_medium_in_the_first_posts_thread_stands_at_its_own_time() -> None:
    watch = Watch()
    watch.say(1, minute=0)
    watch.say(1, minute=1, root_id="weibo:1", kind="repost", author_kind="media", signature=None)
    watch.say(11, minute=2, root_id="weibo:1", kind="comment")

    [opened, *_] = watch.seen
    assert step(opened, "media").at == NOON + timedelta(minutes=1)
    assert watch.say(1, minute=3, root_id="weibo:1", kind="comment", author_kind="media") == []


def test_an_account_whose_post_brings_a_large_share_is_an_amplifier(watch: Watch) -> None:
    watch.say(1, minute=3, post_id="weibo:v", root_id="weibo:v", author_name="大V", mood="neutral")
    watch.say(8, minute=4, kind="repost", root_id="weibo:v", signature=None, mood=None)
    assert all("amplified" not in events(one) for one in watch.seen)

    [told] = watch.say(1, minute=5, kind="repost", root_id="weibo:v", signature=None, mood=None)
    watch.say(20, minute=6, kind="repost", root_id="weibo:v", signature=None, mood=None)

    amplified = step(told, "amplified")
    assert (amplified.post_id, amplified.by, amplified.note) == ("weibo:v", "大V", "10/20")
    assert [one.revision for one in watch.seen if "amplified" in events(one)] == [2]


def test_steps_between_do_not_put_off_the_news_that_it_doubled(watch: Watch) -> None:
    watch.say(5, minute=4, mood="neutral")
    watch.order("assign", minute=5, value="小王")
    doubled = watch.say(5, minute=6, mood="neutral")

    assert [events(one)[-1] for one in doubled] == ["grown"]


def test_a_statement_stands_where_it_was_made(watch: Watch) -> None:
    made_at = NOON - timedelta(minutes=30)
    [told] = watch.order("statement", value="正在核实", made_at=made_at)

    assert step(told, "statement").at == made_at
    assert events(told)[0] == "statement"
    assert step(told, "statement").command == "command1"
    assert told.updated_at == NOON + timedelta(minutes=20)


def test_a_verdict_keeps_its_reason(watch: Watch) -> None:
    [told] = watch.order("verdict", value="false", why="是自家活动的抽奖话术")

    assert (told.verdict, told.verdict_why) == (False, "是自家活动的抽奖话术")
    assert step(told, "verdict").note == "是自家活动的抽奖话术"


# -- one crisis, one incident


def calm_until_closed(watch: Watch) -> Incident:
    watch.until(400)
    assert watch.seen[-1].state == "closed"
    return watch.seen[-1]


def test_a_second_wave_within_the_cool_down_reopens(watch: Watch) -> None:
    watch.order("assign", value="公关部 王芳")
    closed = calm_until_closed(watch)

    [again, *_] = watch.say(12, minute=500)

    assert (again.id, again.revision) == (closed.id, closed.revision + 1)
    assert (again.state, again.closed_at, again.owner) == ("confirmed", None, "公关部 王芳")
    assert events(again)[-1] == "reopened" and again.timeline[-1].by is None
    assert again.totals.voices == 20
    assert {one.id for one in watch.seen} == {closed.id}
    # And it lives on as any other does.
    watch.until(1_000)
    assert watch.seen[-1].state == "closed"


def test_a_second_wave_after_the_cool_down_is_a_new_incident() -> None:
    watch = Watch(reopen_within_hours=2)
    watch.say(10)
    closed = calm_until_closed(watch)

    watch.say(12, minute=500)

    assert watch.seen[-1].id != closed.id
    assert watch.seen[-1].revision == 1


def test_another_topic_within_the_cool_down_is_a_new_incident(watch: Watch) -> None:
    closed = calm_until_closed(watch)

    watch.say(12, minute=500, matches=("电池",))

    assert watch.seen[-1].id != closed.id
    assert watch.seen[-1].words[0].word == "电池"


def test_one_thread_is_one_topic_whatever_its_words() -> None:
    watch = Watch()
    watch.say(11, root_id="weibo:root", kind="comment")
    closed = calm_until_closed(watch)

    watch.say(12, minute=500, root_id="weibo:root", kind="comment", matches=("售后",))

    assert {one.id for one in watch.seen} == {closed.id}


def test_what_a_person_closed_is_not_reopened_by_itself(watch: Watch) -> None:
    watch.order("close")
    watch.until(400)

    watch.say(12, minute=500)

    assert [one.revision for one in watch.seen] == [1, 2, 1]


def test_the_brands_own_name_joins_no_two_topics() -> None:
    # Given a brand whose every post matches its name, calm days too
    watch = Watch()
    watch.say(3, mood="neutral", matches=("岚图",))
    watch.until(15)
    watch.say(10, minute=20, matches=("岚图", "刹车"))
    closed = watch.until(500)[-1]
    assert closed.state == "closed"

    watch.say(12, minute=600, matches=("岚图", "电池"))

    assert watch.seen[-1].id != closed.id


def test_another_topic_opens_its_own_beside_an_open_one(watch: Watch) -> None:
    watch.until(60)
    first = watch.seen[0].id

    watch.say(14, minute=65, matches=("电池",))
    watch.say(20, minute=80, matches=("电池",))
    watch.say(12, minute=95)

    second = next(one.id for one in watch.seen if one.id != first)
    last = {one.id: one for one in watch.seen}
    assert last[first].totals.voices == 20  # twice the ten, in its own two quarters of an hour
    assert [word.word for word in last[first].words] == ["刹车"]
    assert [word.word for word in last[second].words] == ["电池"]
    # Each ends by its own calm, and counts its own buckets.
    [ended] = watch.until(80 + 15 + 360)[-1:]
    assert (ended.id, ended.state, ended.totals.voices) == (second, "closed", 34)
    assert [one.incident.id for one in watch.state.cases] == [first]


def test_a_few_new_words_among_many_are_no_other_topic(watch: Watch) -> None:
    watch.until(60)

    watch.say(5, minute=65, matches=("客服",))
    watch.say(7, minute=65)

    assert {one.id for one in watch.seen} == {watch.seen[0].id}


def test_one_word_in_a_bucket_without_others_is_no_other_topic(watch: Watch) -> None:
    watch.until(60)

    watch.say(4, minute=65, matches=("客服",))
    watch.say(8, minute=65, matches=())

    assert {one.id for one in watch.seen} == {watch.seen[0].id}


# -- silences that end


def silenced(watch: Watch, minutes: float = 60) -> None:
    watch.order("silence", minute=5, until=NOON + timedelta(minutes=minutes))


def test_a_silence_that_ends_while_it_grows_is_told(watch: Watch) -> None:
    silenced(watch)
    watch.say(30, minute=20)
    assert all(one.silenced_until for one in watch.seen[1:])

    [told] = watch.until(60)[-1:]

    assert events(told)[-1] == "unsilenced"
    assert told.silenced_until is None
    assert told.updated_at == NOON + timedelta(minutes=60)
    watch.until(300)
    assert [events(one)[-1] for one in watch.seen].count("unsilenced") == 1


def test_the_first_unusual_post_behind_a_silence_ends_it(watch: Watch) -> None:
    silenced(watch, minutes=22)

    watch.say(9, minute=21)
    told = watch.say(3, minute=23)

    assert [events(one)[-1] for one in told] == ["unsilenced"]
    assert told[0].silenced_until is None


def test_a_silence_over_calm_is_no_news(watch: Watch) -> None:
    silenced(watch)

    told = watch.until(300)

    assert [events(one)[-1] for one in told] == ["peak"]
