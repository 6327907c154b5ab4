import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from random import Random
from typing import Any

import pytest
from pydantic import ValidationError

from processors.baseline import baseline_of, score
from processors.brand_state import BrandState
from processors.buckets import Bucket, Tally
from processors.surge import Surge
from processors.traces import Thread, quote
from schemas.errors import FatalError, RejectedError
from schemas.incident import Incident
from schemas.signals import Mention

START = datetime(2026, 3, 2, tzinfo=UTC)
LEARNED = 10
"""Days of everyday noise before anything happens."""
EVENT = START + timedelta(days=LEARNED, hours=10, minutes=7)
Signal = Mention | datetime
"""A watermark is a datetime."""
WORDS = ("刹车", "电池", "座椅", "导航")
EXCERPT = "周末开着它去了趟郊外，来回四百公里，充电一次，孩子在后座睡得很香。"


def poisson(rng: Random, mean: float) -> int:
    product, count, limit = rng.random(), 0, math.exp(-mean)
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def post(name: str | int, at: datetime, author: str | int, **changes: Any) -> Mention:
    fields: dict[str, Any] = {
        "brand": "lantu",
        "role": "own",
        "post_id": f"weibo:{name}",
        "root_id": f"weibo:{name}",
        "platform": "weibo",
        "kind": "post",
        "author_id": str(author),
        "event_at": at,
        "mood": "neutral",
        "signature": f"text-{name}",
        "excerpt": EXCERPT,
    }
    return Mention(**{**fields, **changes})


def everyday(seed: int, days: int, rate: float, start: datetime = START) -> Iterator[Mention]:
    """Poisson noise with a daily profile: a fifth negative, some copies and bare reposts."""
    rng = Random(seed)
    for bucket in range(days * 96):
        mean = rate * (1 + 0.7 * math.sin(2 * math.pi * bucket / 96))
        for number in range(poisson(rng, mean)):
            name = f"e{seed}-{start:%d}-{bucket}-{number}"
            chance = rng.random()
            changes: dict[str, Any] = {}
            if chance < 0.1:
                changes = {"kind": "repost", "mood": None, "signature": None}
            elif chance < 0.15:
                changes = {"signature": f"slogan-{rng.randrange(3)}"}
            else:
                changes = {"mood": rng.choices(["negative", "neutral", "positive"], [2, 5, 3])[0]}
            yield post(
                name,
                start + timedelta(seconds=900 * (bucket + rng.random())),
                rng.randrange(50_000),
                followers=rng.randrange(10_000),
                matches=(rng.choice(WORDS),),
                **changes,
            )


def wave(
    label: str, start: datetime, minutes: float, moods: Sequence[str | None], **changes: Any
) -> Iterator[Mention]:
    """Posts of different people, evenly over some minutes."""
    for number, mood in enumerate(moods):
        at = start + timedelta(minutes=minutes * number / len(moods))
        yield post(f"{label}{number}", at, f"{label}-{number}", mood=mood, **changes)


def crisis(start: datetime = EVENT, size: int = 30) -> Iterator[Mention]:
    """A complaint at night; hours later many people comment on it, most of them angry."""
    root = post("root", start - timedelta(hours=5), "owner", mood="negative", matches=("刹车",))
    moods = ["negative", "negative", "neutral"] * size
    yield root
    yield from wave("c", start, 50, moods, root_id=root.post_id, matches=("刹车",), kind="comment")


def launch(start: datetime = EVENT) -> Iterator[Mention]:
    """Praise and curiosity of many people, bare reposts, a few complaints."""
    moods = ["positive", "positive", "neutral", "positive", "neutral", "negative"] * 40
    yield from wave("l", start, 40, moods, matches=("电池",))
    yield from wave("r", start, 40, [None] * 300, kind="repost", signature=None, root_id="weibo:l0")


def flood(mood: str, start: datetime = EVENT) -> Iterator[Mention]:
    """Three texts from three hundred accounts."""
    for number, mention in enumerate(wave("f", start, 30, [mood] * 300)):
        yield mention.model_copy(update={"signature": f"template-{number % 3}"})


def clocked(
    mentions: Iterable[Mention], start: datetime, end: datetime, seconds: float = 60
) -> Iterator[Signal]:
    """Signals in the order of the log: mentions arrive up to two minutes late, ticks between."""
    rng = Random(99)
    arrivals = sorted(
        ((m.event_at + timedelta(seconds=120 * rng.random()), m) for m in mentions),
        key=lambda arrival: arrival[0],
    )
    now, place = start, 0
    while now <= end:
        while place < len(arrivals) and arrivals[place][0] < now:
            yield arrivals[place][1]
            place += 1
        yield now
        now += timedelta(seconds=seconds)


def apply(detector: Surge, state: BrandState, signal: Signal) -> list[Incident]:
    if isinstance(signal, Mention):
        return detector.mention(state, signal)
    return detector.advance(state, signal)


def run(
    signals: Iterable[Signal],
    line: bytes | None = None,
    *,
    save_every: int | None = None,
    **options: Any,
) -> tuple[list[bytes], BrandState]:
    """All revisions as bytes, and the last state."""
    detector = Surge(Surge.Config(**options))
    state = BrandState.from_line(line) if line else detector.new_state("lantu", "own")
    lines: list[bytes] = []
    for place, signal in enumerate(signals):
        lines += [incident.to_line() for incident in apply(detector, state, signal)]
        if save_every is not None and place % save_every == 0:
            state = BrandState.from_line(state.to_line())
    return lines, state


def final(lines: list[bytes]) -> list[Incident]:
    """The newest revision of each incident, in order of opening."""
    newest: dict[str, Incident] = {}
    for line in lines:
        incident = Incident.from_line(line)
        newest[incident.id] = incident
    return list(newest.values())


@pytest.fixture(scope="module")
def learned() -> bytes:
    """A brand with four mentions in a bucket, ten days long."""
    end = START + timedelta(days=LEARNED)
    lines, state = run(clocked(everyday(1, LEARNED, 4), START, end, seconds=300))
    assert lines == []
    return state.to_line()


def day_eleven(*more: Iterable[Mention]) -> list[Signal]:
    start = START + timedelta(days=LEARNED)
    noise = everyday(7, 1, 4, start=start)
    return list(clocked(chain(noise, *more), start, start + timedelta(days=1)))


# -- a crisis, a launch, a flood, nothing


def test_a_crisis_is_seen_on_the_rise_and_traced_to_its_first_post(learned: bytes) -> None:
    lines, _ = run(day_eleven(crisis()), learned)

    assert [i.kind for i in final(lines)] == ["crisis"]
    opened, last = Incident.from_line(lines[0]), Incident.from_line(lines[-1])
    # It brings 1.2 negative voices a minute, begins in the middle of a bucket, and some fifteen in
    # one bucket are needed.
    assert timedelta(0) < opened.opened_at - EVENT < timedelta(minutes=23)
    assert opened.first_post.post_id == "weibo:root"
    assert opened.words[0].word == "刹车"
    assert last.state == "closed"
    assert {"confirmed", "peak", "closed"} <= {entry.event for entry in last.timeline}
    assert last.severity >= 2
    assert last.totals.negative >= 60


def test_evidence_can_be_recomputed(learned: bytes) -> None:
    # Given the crisis and all that was said on that day
    signals = day_eleven(crisis())
    lines, _ = run(signals, learned)
    mentions = {m.post_id: m for m in signals if isinstance(m, Mention)}

    for line in lines:
        evidence = Incident.from_line(line).evidence
        # Then the named posts are negative, and of the window
        posts = [mentions[name] for name in evidence.posts]
        assert len(posts) == min(50, evidence.numbers.negative)
        assert {m.mood for m in posts} == {"negative"}
        assert all(evidence.window_start <= m.event_at < evidence.window_end for m in posts)
        # and the score follows from count and baseline
        count, normal = evidence.numbers.negative, evidence.baseline
        centre = 2 * math.sqrt(normal.median + 3 / 8)
        assert evidence.score == pytest.approx(
            (2 * math.sqrt(count + 3 / 8) - centre) / normal.spread
        )
        assert evidence.score >= evidence.threshold


def test_a_launch_is_a_praise_surge(learned: bytes) -> None:
    lines, _ = run(day_eleven(launch()), learned)

    found = final(lines)
    assert [i.kind for i in found] == ["praise_surge"]
    assert found[0].evidence.measured == "voices"
    assert found[0].totals.copies >= 300


@pytest.mark.parametrize("mood", ["negative", "positive", "neutral"])
def test_copies_are_a_flood_whatever_they_say(learned: bytes, mood: str) -> None:
    lines, _ = run(day_eleven(flood(mood)), learned)

    found = final(lines)
    assert [i.kind for i in found] == ["copy_flood"]
    assert found[0].totals.negative < 40


def test_a_flood_of_many_angry_templates_is_still_a_flood(learned: bytes) -> None:
    # Given forty angry texts, each from fifteen accounts in a row: negative voices surge as well
    angry = [
        mention.model_copy(update={"signature": f"template-{number // 15}"})
        for number, mention in enumerate(wave("f", EVENT, 30, ["negative"] * 600))
    ]

    found = final(run(day_eleven(angry), learned)[0])

    assert [i.kind for i in found] == ["copy_flood"]
    assert found[0].totals.negative >= 40


def test_bare_reposts_of_one_post_are_a_surge_of_mentions(learned: bytes) -> None:
    reposts = wave("r", EVENT, 30, [None] * 200, kind="repost", signature=None, root_id="weibo:x")

    found = final(run(day_eleven(reposts), learned)[0])

    assert [(i.kind, i.evidence.measured) for i in found] == [("surge", "mentions")]
    assert found[0].first_post.post_id.startswith("weibo:r")


def test_many_neutral_voices_are_a_surge(learned: bytes) -> None:
    found = final(run(day_eleven(wave("n", EVENT, 30, ["neutral"] * 150)), learned)[0])

    assert [(i.kind, i.evidence.measured) for i in found] == [("surge", "voices")]


def test_a_crisis_opens_beside_a_launch(learned: bytes) -> None:
    later = EVENT + timedelta(minutes=60)
    anger = wave("x", later, 30, ["negative"] * 150, matches=("座椅",))

    found = final(run(day_eleven(launch(), anger), learned)[0])

    assert [i.kind for i in found] == ["praise_surge", "crisis"]
    assert found[1].opened_at >= later


def test_praise_during_a_crisis_opens_nothing(learned: bytes) -> None:
    found = final(run(day_eleven(crisis(), launch(EVENT + timedelta(hours=1))), learned)[0])

    assert [i.kind for i in found] == ["crisis"]


def test_an_ordinary_day_is_nothing(learned: bytes) -> None:
    assert run(day_eleven(), learned)[0] == []


def test_a_day_of_crisis_does_not_become_normal(learned: bytes) -> None:
    # Given a crisis, and another one at the same hour two days later
    second = EVENT + timedelta(days=2)
    again = [
        m.model_copy(update={"post_id": m.post_id + "b", "signature": f"{m.signature}b"})
        for m in crisis(second)
    ]
    start = START + timedelta(days=LEARNED)
    signals = clocked(
        chain(everyday(7, 3, 4, start=start), crisis(), again), start, start + timedelta(days=3)
    )

    assert [i.kind for i in final(run(signals, learned)[0])] == ["crisis", "crisis"]


def test_an_unusual_bucket_is_learned_clipped_and_its_mood_is_not(learned: bytes) -> None:
    # Given a hundred angry people in one bucket
    detector = Surge(Surge.Config())
    state = BrandState.from_line(learned)
    start = START + timedelta(days=LEARNED)
    detector.advance(state, start + timedelta(minutes=10))
    shares = list(state.history.shares)
    opened = [
        incident.kind
        for mention in wave("c", start, 10, ["negative"] * 100)
        for incident in detector.mention(state, mention)
    ]
    (bucket,) = state.buckets.values()
    normal = bucket.normal

    detector.advance(state, start + timedelta(minutes=25))

    # Then the history holds what is three spreads above the usual, not a hundred
    assert opened[0] == "crisis"
    assert normal is not None
    for measured in ("mentions", "voices", "negative"):
        count = getattr(state.history, measured)[-1]
        edge = normal.of(measured)
        assert 0 < count < 40
        assert score(count, edge) <= 3 < score(count + 1, edge)
    assert state.history.shares == shares


def test_a_lasting_level_becomes_normal() -> None:
    # Given a brand that is suddenly talked about ten times as much, for good
    rise = START + timedelta(days=4)
    noise = chain(everyday(1, 4, 3), everyday(2, 16, 30, start=rise))
    lines, state = run(clocked(noise, START, START + timedelta(days=20), seconds=300))

    # Then that opened incidents, never a crisis, and after nine days no more
    found = final(lines)
    assert found[0].opened_at - rise < timedelta(hours=1)
    assert {i.kind for i in found} <= {"surge", "praise_surge"}
    assert max(i.opened_at for i in found) - rise < timedelta(days=9)
    assert state.cases == []


# -- low counts, grace, everyday noise


def test_one_complaint_about_a_quiet_brand_is_no_alarm() -> None:
    # Given two posts a day for ten days
    posts = [
        post(n, START + timedelta(hours=12 * n + 3), n, mood="positive") for n in range(2 * LEARNED)
    ]
    angry = list(wave("c", EVENT, 10, ["negative"] * 12))

    def alarms(count: int) -> list[Incident]:
        end = EVENT + timedelta(hours=2)
        return final(run(clocked([*posts, *angry[:count]], START, end, seconds=300))[0])

    assert alarms(1) == alarms(5) == []
    # A dozen different people within ten minutes are one.
    assert [i.kind for i in alarms(12)] == ["crisis"]


def test_nothing_is_judged_in_the_grace_period() -> None:
    rise = START + timedelta(hours=20)
    signals = list(
        clocked(wave("c", rise, 10, ["negative"] * 90), START, rise + timedelta(hours=1))
    )

    assert run(signals)[0] == []
    assert run(signals, grace_hours=6)[0] != []


@pytest.mark.parametrize("rate", [0.2, 2, 10, 40])
def test_two_weeks_of_everyday_noise_give_no_alarm(rate: float) -> None:
    for seed in range(5):
        days = 14
        signals = clocked(everyday(seed, days, rate), START, START + timedelta(days=days), 900)

        assert run(signals)[0] == []


# -- the same signals, the same bytes


@pytest.mark.parametrize("save_every", [1, 7, 100])
def test_a_checkpoint_at_any_place_changes_nothing(learned: bytes, save_every: int) -> None:
    signals = day_eleven(launch(), crisis(EVENT + timedelta(hours=2)))
    if save_every == 1:
        signals = [s for s in signals if isinstance(s, Mention) or s.minute % 5 == 0]

    lines, state = run(signals, learned)
    again, saved = run(signals, learned, save_every=save_every)

    assert len(lines) > 5
    assert again == lines
    assert saved == state
    assert saved.to_line() == state.to_line()


@pytest.mark.parametrize("seed", range(3))
def test_batches_change_nothing(learned: bytes, seed: int) -> None:
    # Given a day cut into batches anywhere, each by a fresh process from the last checkpoint
    signals = day_eleven(crisis(), flood("positive", EVENT + timedelta(hours=5)))
    lines, state = run(signals, learned)
    rng = Random(seed)
    cuts = [0, *sorted(rng.sample(range(len(signals)), 40)), len(signals)]

    batched: list[bytes] = []
    line = learned
    for low, high in pairwise(cuts):
        more, after = run(signals[low:high], line)
        batched, line = batched + more, after.to_line()

    assert batched == lines
    assert line == state.to_line()


def test_redelivery_changes_nothing(learned: bytes) -> None:
    # Given a log of which a fifth stands twice: stretches repeated at once, and one hours later
    signals = day_eleven(crisis(), launch(EVENT + timedelta(hours=8)))
    rng = Random(5)
    repeated: list[Signal] = []
    for place in range(0, len(signals), 25):
        stretch = signals[place : place + 25]
        repeated += stretch * 2 if rng.random() < 0.2 else stretch
    repeated += signals[-400:-200]

    lines, _ = run(signals, learned)
    again, state = run(repeated, learned)

    assert len(lines) > 5
    assert again == lines
    assert state.counters.repeats > 100
    assert state.counters.late > 0


def test_order_of_ticks_within_a_bucket_does_not_matter(learned: bytes) -> None:
    # Given ticks every minute, or the last of each quarter of an hour only
    signals = day_eleven(crisis())
    coarse = [s for s in signals if isinstance(s, Mention) or s.minute % 5 == 0]

    assert run(coarse, learned)[0] == run(signals, learned)[0]


# -- what is not used


def test_late_clamped_far_future_and_board_mentions_are_counted_not_used(learned: bytes) -> None:
    signals = day_eleven(crisis())
    lines, before = run(signals, learned)
    noon = START + timedelta(days=LEARNED, hours=12)
    strays = [
        *wave("late", noon - timedelta(hours=2), 30, ["negative"] * 90),
        *wave("clamped", noon, 10, ["negative"] * 80, event_clamped=True),
        *wave("ahead", noon + timedelta(hours=4), 30, ["negative"] * 70),
        *wave("board", noon, 10, ["negative"] * 60, kind="hot"),
    ]
    place = signals.index(noon)

    again, after = run([*signals[:place], *strays, *signals[place:]], learned)

    assert again == lines
    counters, usual = after.counters, before.counters
    assert counters.late - usual.late == 90
    assert counters.clamped - usual.clamped == 80
    assert counters.ahead - usual.ahead == 70
    assert counters.boards - usual.boards == 60
    assert counters.voices == usual.voices


def test_before_the_first_watermark_no_time_is_known() -> None:
    detector = Surge(Surge.Config())
    state = detector.new_state("lantu", "own")

    assert detector.mention(state, post("a", START, "a")) == []
    assert (state.counters.ahead, state.buckets) == (1, {})

    # The first watermark closes nothing, it says where time begins.
    detector.advance(state, START + timedelta(minutes=12))
    assert len(state.history) == 0
    detector.mention(state, post("a", START, "a"))
    assert state.counters.voices == 1


def test_a_watermark_never_goes_back(learned: bytes) -> None:
    detector = Surge(Surge.Config())
    state = BrandState.from_line(learned)

    assert detector.advance(state, START) == []
    assert state.to_line() == learned


def test_a_tick_that_closes_nothing_leaves_the_state_alone(learned: bytes) -> None:
    detector = Surge(Surge.Config())
    state = BrandState.from_line(learned)
    detector.advance(state, START + timedelta(days=LEARNED, minutes=11))
    line = state.to_line()

    detector.advance(state, START + timedelta(days=LEARNED, minutes=24, seconds=59))

    assert state.to_line() == line


# -- time jumps


def test_twenty_days_in_one_step(learned: bytes) -> None:
    # Given an incident that is open
    calm = [s for s in day_eleven() if (s.event_at if isinstance(s, Mention) else s) < EVENT]
    lines, state = run(calm, learned)
    detector = Surge(Surge.Config())
    opened = [i for m in crisis() for i in detector.mention(state, m)]
    assert lines == []
    assert opened[0].kind == "crisis"

    # When twenty days pass at once
    closed = detector.advance(state, EVENT + timedelta(days=20))

    # Then it closed when its hours of calm were over, and the brand is learned anew
    assert closed[-1].state == "closed"
    assert closed[-1].closed_at is not None
    calm_hours = Surge.Config().close_after_hours
    assert closed[-1].closed_at - EVENT < timedelta(hours=calm_hours + 1, minutes=15)
    assert (state.cases, state.buckets, state.threads) == ([], {}, {})
    assert len(state.history) == 0
    later = wave("z", EVENT + timedelta(days=20), 10, ["negative"] * 50)
    assert [i for m in later for i in detector.mention(state, m)] == []


def test_two_silent_days_are_learned_as_silence(learned: bytes) -> None:
    detector = Surge(Surge.Config())
    state = BrandState.from_line(learned)
    before = len(state.history)

    assert detector.advance(state, START + timedelta(days=LEARNED + 2, minutes=10)) == []

    assert len(state.history) == before + 2 * 96 + 1
    assert state.history.mentions[-192:] == [0] * 192


# -- the state


def test_state_of_five_thousand_open_mentions_is_small_and_exact(learned: bytes) -> None:
    detector = Surge(Surge.Config())
    state = BrandState.from_line(learned)
    start = START + timedelta(days=LEARNED)
    detector.advance(state, start + timedelta(minutes=10))
    for number in range(5_000):
        at = start + timedelta(seconds=1_700 * number / 5_000)
        detector.mention(state, post(f"m{number}", at, number, matches=WORDS))

    line = state.to_line()

    assert len(line) < 256 * 1024
    assert sum(bucket.tally.voices for bucket in state.buckets.values()) == 5_000
    again = BrandState.from_line(line)
    assert again == state
    assert again.to_line() == line
    detector.mention(again, post("m4999", start + timedelta(minutes=29), 4_999))
    assert again.counters.repeats == 1


def test_a_usual_state_is_smaller_than_64_kib(learned: bytes) -> None:
    assert len(run(day_eleven(crisis()), learned)[1].to_line()) < 64 * 1024


def test_over_the_cap_of_ids_mentions_are_still_counted(learned: bytes) -> None:
    lines, state = run(
        day_eleven(wave("n", EVENT, 5, ["neutral"] * 900)), learned, ids_per_bucket=600
    )

    assert [i.kind for i in final(lines)] == ["surge"]
    assert state.counters.unchecked > 600
    totals = final(lines)[0].totals
    assert totals.mentions >= 900
    assert totals.voices < totals.mentions - totals.copies


def test_equal_states_are_equal_bytes() -> None:
    def state(*words: str) -> BrandState:
        made = Surge(Surge.Config()).new_state("lantu", "own")
        for word in words:
            number = 7 - len(word)
            tally = Tally(mentions=1, words=dict.fromkeys(words, 1))
            made.buckets[number] = Bucket(newest=START, tally=tally, ids={len(word), 2**64 - 1})
            made.threads[word] = Thread(first=quote(post(word, START, 0)), last_at=START)
        return made

    one, other = state("刹车", "座椅异响"), state("座椅异响", "刹车")

    assert one == other
    assert one.to_line() == other.to_line()
    assert BrandState.from_line(one.to_line()) == one


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'{"brand":"lantu","role":"own"}'])
def test_a_damaged_state_is_rejected(line: bytes) -> None:
    with pytest.raises(RejectedError):
        BrandState.from_line(line)


def test_a_state_of_another_width_is_refused(learned: bytes) -> None:
    detector = Surge(Surge.Config(bucket_minutes=5))

    with pytest.raises(FatalError, match="bucket_minutes"):
        detector.advance(BrandState.from_line(learned), START)
    with pytest.raises(FatalError, match="bucket_minutes"):
        detector.mention(BrandState.from_line(learned), post("a", START, "a"))


@pytest.mark.parametrize("minutes", [5, 30, 60])
def test_other_widths_work(minutes: int) -> None:
    noise = everyday(3, 5, 4)
    start = START + timedelta(days=4, hours=10)
    end = START + timedelta(days=5)
    signals = clocked(chain(noise, crisis(start, size=90)), START, end, 300)

    lines, _ = run(signals, bucket_minutes=minutes)

    assert [i.kind for i in final(lines)] == ["crisis"]


# -- the configuration


def test_every_option_is_described() -> None:
    assert all(field.description for field in Surge.Config.model_fields.values())


@pytest.mark.parametrize(
    "options",
    [
        {"bucket_minutes": 7},
        {"grace_hours": 400},
        {"threshold": 0},
        {"crisis_share": 1.5},
        {"x": 1},
    ],
)
def test_options_without_sense_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Surge.Config(**options)


@pytest.mark.parametrize(("share", "alarms"), [(0.9, []), (0.2, ["crisis"])])
def test_an_often_blamed_brand_needs_a_larger_share(share: float, alarms: list[str]) -> None:
    # Given a brand whose voices are usually negative, or usually not
    rng = Random(11)
    noise = [
        m.model_copy(update={"mood": "negative" if rng.random() < share else "neutral"})
        for m in everyday(4, 4, 1)
    ]
    rise = START + timedelta(days=3, hours=20)
    mixed = wave("c", rise, 12, ["negative", "neutral"] * 26)

    found = final(run(clocked([*noise, *mixed], START, START + timedelta(days=4), 300))[0])

    assert [i.kind for i in found if i.kind == "crisis"] == alarms


def test_score_is_measured_in_spreads() -> None:
    baseline = baseline_of([4] * 40, days=5)

    assert score(4, baseline) == 0
    assert score(20, baseline) > 4 > score(10, baseline)


# --- gaps -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Silence:
    started_at: datetime
    ended_at: datetime | None = None


def learned_through(gaps: Sequence[Silence], told: datetime | None = None) -> list[int]:
    """Voices learned of the six hours after two busy days of which nothing was heard."""
    detector = Surge(Surge.Config())
    state = detector.new_state("qilan", "own")
    busy_until = START + timedelta(days=2)
    detector.advance(state, START + timedelta(minutes=10))
    for number in range(192):
        start = START + timedelta(minutes=15 * number)
        for voice in range(8):
            detector.mention(state, post(f"g{number}-{voice}", start, f"{number}-{voice}"))
        detector.advance(state, start + timedelta(minutes=25))
    detector.advance(state, busy_until + timedelta(hours=6, minutes=10), gaps)
    if told is not None:
        detector.gap(state, told)
    return state.history.voices[-24:]


def test_silence_is_learned_as_calm_when_all_sources_are_heard() -> None:
    assert learned_through([]) == [0] * 24


@pytest.mark.parametrize("hours", [6, None])
def test_what_nobody_heard_is_not_learned_as_calm(hours: int | None) -> None:
    begin = START + timedelta(days=2)
    end = None if hours is None else begin + timedelta(hours=hours)

    assert learned_through([Silence(begin, end)]) == [8] * 24


def test_only_the_buckets_of_the_gap_are_taken_as_usual() -> None:
    begin = START + timedelta(days=2, hours=2, minutes=20)

    learned = learned_through([Silence(begin, begin + timedelta(minutes=30))])

    assert learned == [0] * 9 + [8] * 3 + [0] * 12


def test_a_gap_that_is_noticed_late_mends_what_was_learned() -> None:
    """The buckets since its beginning were closed before anybody knew."""
    assert learned_through([], told=START + timedelta(days=2, hours=1)) == [0] * 4 + [8] * 20


def test_a_gap_lowers_nothing_that_was_heard() -> None:
    """Another source brought more than usual meanwhile."""
    detector = Surge(Surge.Config())
    state = detector.new_state("qilan", "own")
    detector.advance(state, START + timedelta(minutes=10))
    for voice in range(20):
        detector.mention(state, post(f"m{voice}", START, f"m-{voice}"))

    detector.advance(state, START + timedelta(minutes=25), [Silence(START)])

    assert state.history.voices == [20]
