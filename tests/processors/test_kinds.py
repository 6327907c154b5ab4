"""What kind of wave it is: by facts alone, and posts through the whole chain."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.settings import EnrichSettings
from processors.brand_state import BrandState
from processors.chain import Chain, build_chain
from processors.facts import Facts
from processors.kinds import Limits, kind_of_blame, kind_of_copies, kind_of_voices, reasons
from processors.mentions import mentions
from processors.severity import severity_of
from processors.surge import Surge
from schemas.enriched import BrandRole, EnrichedPost
from schemas.incident import BLAMING, Incident, IncidentKind
from schemas.post import Author, Post
from schemas.rules import Brand, RuleSet
from tests.processors.wave_cases import (
    COMPLAINT,
    CRISIS,
    LAUNCH,
    PRAISE,
    REPOSTS,
    RUMOUR,
    lines,
)

START = datetime(2026, 3, 2, tzinfo=UTC)
NOON = START + timedelta(days=1, hours=12)
LIMITS = Limits(praise=0.4, blame=0.3)
ANGRY = Facts(mentions=14, voices=12, negative=11, platforms=1)
FLOOR = 6

# -- by facts


@pytest.mark.parametrize(
    ("changes", "excess", "kind"),
    [
        ({}, 11, "crisis"),
        ({"complaining": 8}, 11, "complaint"),
        ({"complaining": 8, "authorities": 1}, 11, "crisis"),
        ({"complaining": 8, "fearful": 3}, 11, "crisis"),
        ({"complaining": 8, "fearful": 2}, 11, "complaint"),
        ({"complaining": 8, "grave": 4}, 11, "crisis"),
        ({"complaining": 8}, 18, "crisis"),
        ({"rumours": 5}, 11, "rumour"),
        ({"rumours": 3}, 11, "crisis"),
        ({"rumours": 5, "authorities": 1}, 11, "crisis"),
        ({"calling": 9}, 11, "campaign"),
        ({"calling": 9, "troubled": 4}, 11, "crisis"),
        ({"role": "competitor"}, 11, "competitor_crisis"),
        ({"role": "industry", "authorities": 2}, 11, "competitor_crisis"),
        ({"role": "competitor", "complaining": 8}, 11, "complaint"),
    ],
)
def test_many_negative_voices(changes: Any, excess: float, kind: IncidentKind) -> None:
    facts = replace(ANGRY, **changes)
    assert kind_of_blame(facts, excess, FLOOR) == kind
    assert reasons(kind, facts, excess, FLOOR)


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (Facts(mentions=90, voices=3, calling=80, reposted=85), "campaign"),
        (Facts(mentions=90, voices=3, calling=80, reposted=5), "copy_flood"),
        (Facts(mentions=90, voices=3, reposted=85), "copy_flood"),
        (Facts(mentions=90, voices=4, negative=3, calling=80, reposted=85), "copy_flood"),
    ],
)
def test_many_copies(facts: Facts, kind: IncidentKind) -> None:
    assert kind_of_copies(facts, LIMITS) == kind


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        (Facts(mentions=60, voices=40, positive=30), "praise_surge"),
        (Facts(mentions=60, voices=40, positive=30, negative=13), "surge"),
        (Facts(mentions=60, voices=40, positive=30, calling=31), "campaign"),
        (Facts(mentions=60, voices=40, positive=30, calling=31, complaining=9), "praise_surge"),
        (Facts(mentions=60, voices=40), "surge"),
        (Facts(mentions=60, voices=40, rumours=15), "rumour"),
    ],
)
def test_many_voices_without_blame(facts: Facts, kind: IncidentKind) -> None:
    assert kind_of_voices(facts, LIMITS) == kind


counts = st.integers(0, 60)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(BLAMING)), counts, counts, counts, counts, st.integers(0, 2000))
def test_more_of_a_fact_is_never_less_severe(
    kind: IncidentKind, negative: int, fearful: int, authorities: int, more: int, excess: int
) -> None:
    before = Facts(
        voices=100, mentions=100, negative=negative, fearful=fearful, authorities=authorities
    )
    after = replace(
        before,
        negative=negative + more // 2,
        fearful=fearful + more // 3,
        authorities=authorities + more // 4,
        platforms=more // 10,
    )
    low = severity_of(kind, before, excess, FLOOR)
    high = severity_of(kind, after, excess + more, FLOOR)
    assert 1 <= low.severity <= high.severity <= 5
    apart = severity_of(kind, replace(before, role="competitor"), excess, FLOOR)
    assert apart.severity <= low.severity


def test_every_part_of_a_severity_is_named() -> None:
    facts = Facts(voices=20, negative=19, fearful=5, authorities=1, platforms=3)
    parts = severity_of("crisis", facts, excess=19, floor=FLOOR)
    assert parts.model_dump() == {
        "size": 1,
        "mood": 1,
        "authority": 1,
        "platforms": 1,
        "panic": 1,
        "apart": 0,
    }
    assert parts.severity == 4
    assert severity_of("praise_surge", facts, excess=19, floor=FLOOR).severity == 2


# -- through the chain


@pytest.fixture(scope="module")
def chain() -> Chain:
    brands = (Brand(id="qilan", name="启澜汽车", role="own", aliases=("启澜",)),)
    rules = RuleSet(id="t", version=1, author="t", reason="t", changed_at=START, brands=brands)
    return build_chain(EnrichSettings().chain, {}, rules)


class Story:
    """A brand that was silent for a day and a half, and what is posted then."""

    def __init__(self, chain: Chain, role: BrandRole = "own", surge_voices: int = 10) -> None:
        self.detector = Surge(Surge.Config(surge_voices=surge_voices, wave_mentions=20))
        self.state = self.detector.new_state("qilan", role)
        self.chain, self.role = chain, role
        self.revisions: list[Incident] = []
        self.posts = 0
        self.detector.advance(self.state, START)
        self.detector.advance(self.state, NOON)

    def tell(self, texts: Iterable[str], minute: float = 0, **fields: Any) -> "Story":
        posts = []
        for text in texts:
            self.posts += 1
            values: dict[str, Any] = {
                "id": f"weibo:{self.posts}",
                "platform": "weibo",
                "kind": "post",
                "author": Author(id=f"u{self.posts}", name=f"路人{self.posts}"),
            }
            at = NOON + timedelta(minutes=minute + self.posts / 20)
            posts.append(
                Post(
                    text=text,
                    published_at=at,
                    observed_at=at,
                    source="t",
                    **(values | fields),
                )
            )
        for post in self.chain.run(posts):
            assert isinstance(post, EnrichedPost)
            for mention in mentions(post):
                mention = mention.replaced(role=self.role)
                self.revisions += self.detector.mention(self.state, mention)
                self.state = BrandState.from_line(self.state.to_line())
        return self

    @property
    def kinds(self) -> list[IncidentKind]:
        """The incidents as they are called last, in order of opening."""
        return [one.kind for one in {one.id: one for one in self.revisions}.values()]

    @property
    def last(self) -> Incident:
        return self.revisions[-1]


def facts_of(incident: Incident) -> set[str]:
    return {reason.fact for reason in incident.reasons}


def media(number: int) -> Author:
    return Author(id=f"m{number}", name="北川晚报", followers=900_000, verified=True)


def test_a_danger_that_many_report_is_a_crisis(chain: Chain) -> None:
    story = Story(chain, surge_voices=30).tell(lines(CRISIS))
    assert story.kinds == ["crisis"]
    assert {"negative", "grave"} <= facts_of(story.last)


def test_one_complaint_that_strangers_repeat_is_a_complaint(chain: Chain) -> None:
    story = Story(chain).tell(lines(COMPLAINT))
    assert story.kinds == ["complaint"]
    assert story.revisions[0].reasons[1].fact == "complaints"
    assert story.last.severity <= 2


def test_a_complaint_that_a_paper_takes_up_becomes_a_crisis_of_the_same_id(chain: Chain) -> None:
    story = Story(chain).tell(lines(COMPLAINT))
    story.tell(["启澜被曝拖欠车主退款，消费者集体投诉，监管部门约谈"], 2, author=media(1))

    assert story.kinds == ["crisis"]
    assert len({one.id for one in story.revisions}) == 1
    assert story.last.timeline[-1].event == "grown"
    assert "media" in facts_of(story.last)


def test_hearsay_is_a_rumour(chain: Chain) -> None:
    story = Story(chain).tell(lines(RUMOUR))
    assert story.kinds == ["rumour"]
    assert "rumours" in facts_of(story.last)


def test_what_complaint_and_rumour_grow_into_is_one_crisis(chain: Chain) -> None:
    story = Story(chain).tell([*lines(COMPLAINT), *lines(RUMOUR)])
    assert set(story.kinds) <= {"complaint", "rumour"}
    story.tell(lines(CRISIS), 3)
    assert story.kinds.count("crisis") == 1
    assert story.last.severity > 1


def test_praise_is_praise(chain: Chain) -> None:
    assert Story(chain).tell(lines(PRAISE)).kinds == ["praise_surge"]


def launch(story: Story, happy: Sequence[str] = ()) -> Story:
    root = lines(LAUNCH)[0]
    story.tell([root], author=Author(id="q", name="启澜汽车", verified=True, followers=10**6))
    reposts: dict[str, Any] = {
        "kind": "repost",
        "root_id": "weibo:1",
        "parent_id": "weibo:1",
        "root_text": root,
    }
    story.tell([""] * 25, **reposts)
    story.tell([*lines(REPOSTS), *happy], **reposts)
    return story


def test_a_launch_that_many_repost_is_a_campaign(chain: Chain) -> None:
    story = launch(Story(chain))
    assert story.kinds == ["campaign"]
    assert "calls" in facts_of(story.last)


def test_a_launch_with_happy_reposts_is_no_crisis(chain: Chain) -> None:
    story = launch(Story(chain), lines(PRAISE))
    assert set(story.kinds) <= {"campaign", "praise_surge"} and story.kinds


def test_a_crisis_in_a_launch_is_seen(chain: Chain) -> None:
    story = launch(Story(chain)).tell(lines(CRISIS), 16)
    assert story.kinds == ["campaign", "crisis"]


def test_another_brands_crisis_is_kept_apart_and_less_urgent(chain: Chain) -> None:
    own, other = (Story(chain, role, 30).tell(lines(CRISIS)) for role in ("own", "competitor"))
    assert other.kinds == ["competitor_crisis"]
    assert other.last.severity == max(1, own.last.severity - 1)
    assert "role" in facts_of(other.last)


def test_one_text_from_many_accounts_is_a_flood(chain: Chain) -> None:
    text = "启澜QL6真是良心好车，性价比没得说，身边朋友都在夸，强烈推荐大家去店里看看"
    assert Story(chain).tell([text] * 30).kinds == ["copy_flood"]
