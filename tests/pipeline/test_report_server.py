"""The figures of a report against a real Elasticsearch: every number is counted again by hand."""

import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime, timedelta
from statistics import median
from zoneinfo import ZoneInfo

import pytest

from pipeline.report_figures import BrandReport
from pipeline.report_lookup import asked_of, look_up
from processors.changes import change
from processors.periods import HOUR, Period, day_of, week_of
from schemas.enriched import Aspect, BrandTag, EnrichedPost, Label, Match, Sentiment
from schemas.errors import FatalError
from schemas.outcome import Done
from schemas.post import Author, Engagement
from sinks.elasticsearch import Elasticsearch
from tests.pipeline.report_case import RULES, gap, incident

pytestmark = pytest.mark.services

SHANGHAI = ZoneInfo("Asia/Shanghai")
DAY = day_of(date(2026, 3, 4), SHANGHAI)  # a Wednesday
WEEK = week_of(date(2026, 3, 4), SHANGHAI)
MOODS = ("negative", "neutral", "positive")


def posts() -> list[EnrichedPost]:
    """Ten weeks of made-up posts, most of them in the last two."""
    chance = random.Random(4)
    made = []
    for number in range(1_000):
        weeks = chance.choice([0, 0, 0, 1, 1, chance.randrange(2, 10)])
        at = WEEK.start - timedelta(weeks=weeks) + timedelta(minutes=chance.randrange(7 * 1440))
        made.append(post(chance, number, at))
    # The edges: the first moment counts, the moment after the last does not.
    for number, at in enumerate([DAY.start, DAY.end, WEEK.start, WEEK.end], 5_000):
        made.append(post(chance, number, at))
    for number, first in enumerate([DAY.earlier(56), WEEK.earlier(8)], 6_000):
        one = post(chance, number, first.start)  # all eight weeks are known
        tag = BrandTag(brand="qilan", role="own")
        made.append(one.replaced(brands=(tag,), kind="post", observed_at=first.start))
    return made


def post(chance: random.Random, number: int, at: datetime) -> EnrichedPost:
    named = chance.choice([["qilan"], ["qilan"], ["qilan", "beta"], ["beta"], ["qilan", "gamma"]])
    if "qilan" in named and chance.random() < 0.3:
        named = [*named, "ql6"]  # a product: its posts are the brand's too
    alone = len(named) == 1
    platform = chance.choice(["weibo", "forum"])
    words = chance.choice([["启澜开放日"], ["刹车"], []])
    return EnrichedPost(
        id=f"{platform}:{number}",
        platform=platform,
        kind=chance.choice(["post", "repost", "comment", "reply", "hot", "message"]),
        text="".join(words) + f"第{number}条",
        author=Author(
            id=f"u{chance.randrange(80)}", name="小林", followers=chance.randrange(9_000)
        ),
        published_at=at,
        observed_at=at - timedelta(minutes=30) if chance.random() < 0.02 else at,
        engagement=chance.choice(
            [
                None,
                Engagement(likes=chance.randrange(50)),
                Engagement(
                    likes=chance.randrange(50),
                    reposts=chance.randrange(50),
                    comments=chance.randrange(50),
                ),
            ]
        ),
        source=chance.choice(["weibo-main", "tieba"]),
        deleted=chance.random() < 0.05,
        matches=tuple(
            Match(rule=rule, version=1, rule_set="main", words=("刹车",), spans=())
            for rule in ("brakes", "noise")
            if chance.random() < 0.3
        ),
        brands=tuple(
            BrandTag(
                brand=brand,
                role="own" if brand in ("qilan", "ql6") else "competitor",
                mood=chance.choice([*MOODS, None]),
            )
            for brand in named
        ),
        sentiment=Sentiment(label="neutral", negative=0.1, neutral=0.8, positive=0.1),
        aspects=tuple(
            Aspect(
                aspect=aspect,
                mood=chance.choice(MOODS),
                brand=chance.choice([None, named[0]] if alone else [None, *named]),
            )
            for aspect in chance.sample(["brakes", "price", "range"], chance.randrange(3))
        ),
        intents=tuple(
            Label(label=one, score=0.9)
            for one in chance.sample(["complaint", "enquiry"], chance.randrange(3))
        ),
        reasons=tuple(chance.sample(["quality", "respect"], chance.randrange(3))),
        defects=("刹车:失灵",) if chance.random() < 0.1 else (),
        signature=chance.choice([None, f"s{chance.randrange(300)}", f"s{number}"]),
        author_kind=chance.choice(["person", "media", None]),
        influence=chance.choice([None, float(chance.randrange(100))]),
    )


@pytest.fixture
async def index(elasticsearch_url: str, unique_prefix: str) -> AsyncIterator[Elasticsearch]:
    sink = Elasticsearch(
        Elasticsearch.Config.model_validate({"url": elasticsearch_url, "prefix": unique_prefix})
    )
    await sink.setup()
    yield sink
    await sink.drop()
    await sink.close()


async def write(index: Elasticsearch, made: Sequence[EnrichedPost]) -> None:
    outcomes = await index.index([index.names.document_of(one.to_line()) for one in made])
    assert all(isinstance(outcome, Done) for outcome in outcomes), outcomes
    await index.refresh()


async def reported(index: Elasticsearch, period: Period) -> BrandReport:
    return await look_up(index, asked_of([RULES], "qilan", period, ["启澜开放日"]))


async def test_every_number_is_what_a_recount_gives(index: Elasticsearch) -> None:
    made = posts()
    await write(index, made)

    for period in (DAY, WEEK):
        report = await reported(index, period)

        counted = Recount(made, period)
        counted.check(report)
    assert report.total.posts.now > 200 and report.unclear_aspects > 20
    assert report.clamped > 0 and report.hot > 20


class Recount:
    """The same figures, one post after the other."""

    def __init__(self, made: Sequence[EnrichedPost], period: Period) -> None:
        self.period = period
        self.of = [one for one in made if any(tag.brand == "qilan" for tag in one.brands)]
        self.made = made
        before = period.earlier(1)
        self.now = self.said(self.of, period)
        self.then = self.said(self.of, before)

    @staticmethod
    def said(of: Sequence[EnrichedPost], period: Period) -> list[EnrichedPost]:
        return [
            one
            for one in of
            if period.start <= one.event_at < period.end
            and one.kind != "hot"
            and not one.event_clamped
        ]

    def check(self, report: BrandReport) -> None:
        now, then = self.now, self.then
        assert report.total.posts == change(len(now), len(then))
        assert report.total.texts == change(texts(now), texts(then))
        assert report.total.authors == change(authors(now), authors(then))
        self.check_hours(report)
        self.check_voice(report)
        self.check_aspects(report)
        for rows, labels in (
            (report.intents, lambda one: [each.label for each in one.intents]),
            (report.reasons, lambda one: one.reasons),
            (report.defects, lambda one: one.defects),
            (report.kinds, lambda one: [one.kind]),
            (report.platforms, lambda one: [one.platform]),
            (report.sources, lambda one: [one.source]),
            (report.author_kinds, lambda one: [one.author_kind] if one.author_kind else []),
            (report.fired, lambda one: [each.rule for each in one.matches]),
        ):
            counts = [Counter(label for one in of for label in labels(one)) for of in (now, then)]
            assert {row.label: row.posts for row in rows} == {
                label: change(counts[0][label], counts[1][label])
                for label in {*counts[0], *counts[1]}
            }
        (campaign,) = report.campaigns
        days = [[one for one in of if "启澜开放日" in one.text] for of in (now, then)]
        assert campaign.posts == change(len(days[0]), len(days[1]))
        assert campaign.texts == change(texts(days[0]), texts(days[1]))
        inside = [one for one in self.of if self.period.start <= one.event_at < self.period.end]
        assert report.hot == sum(one.kind == "hot" for one in inside)
        assert report.clamped == sum(one.event_clamped and one.kind != "hot" for one in inside)
        self.check_posts(report)

    def check_hours(self, report: BrandReport) -> None:
        assert [row.at for row in report.hours] == self.period.hours
        by_hour = Counter(
            one.event_at.replace(minute=0, second=0, microsecond=0)
            for one in self.of
            if one.kind != "hot" and not one.event_clamped
        )
        for row in report.hours:
            assert row.posts == by_hour[row.at]
            assert row.usual is not None
            past = [by_hour[row.at - timedelta(weeks=weeks)] for weeks in range(1, 9)]
            assert (row.usual.median, row.usual.compared) == (median(past), 8)
            assert row.usual.low <= row.usual.median <= row.usual.high

    def check_voice(self, report: BrandReport) -> None:
        brands = ("qilan", "beta", "gamma")
        of = {
            brand: [
                self.said([one for one in self.made if brand in named(one)], period)
                for period in (self.period, self.period.earlier(1))
            ]
            for brand in brands
        }
        total = sum(len(now) for now, _ in of.values())
        assert {row.brand for row in report.voice} == set(brands)
        assert report.voice[0].brand == "qilan"
        for row in report.voice:
            now, then = of[row.brand]
            assert row.posts == change(len(now), len(then))
            assert row.texts == change(texts(now), texts(then))
            assert row.share == len(now) / total
            moods = [Counter(mood_of(one, row.brand) for one in posts) for posts in (now, then)]
            assert row.moods == {
                mood: change(moods[0][mood], moods[1][mood]) for mood in (*MOODS, "none")
            }
        assert report.moods == report.voice[0].moods

    def check_aspects(self, report: BrandReport) -> None:
        found: Counter[tuple[str, str]] = Counter()
        unclear = 0
        for one in self.now:
            for aspect in one.aspects:
                if aspect.brand == "qilan" or (aspect.brand is None and len(one.brands) == 1):
                    found[aspect.aspect, aspect.mood] += 1
                elif aspect.brand is None:
                    unclear += 1
        assert report.unclear_aspects == unclear
        assert {
            (row.aspect, mood): count
            for row in report.aspects
            for mood, count in (
                ("negative", row.negative.now),
                ("neutral", row.neutral),
                ("positive", row.positive),
            )
            if count
        } == dict(found)

    def check_posts(self, report: BrandReport) -> None:
        shown = [one for one in self.now if not one.deleted and one.kind != "message"]
        own = [one for one in shown if one.kind not in ("comment", "reply")]
        best = unlike(sorted(own, key=lambda one: (-stirred(one), one.id)))[:10]
        assert [row.id for row in report.posts] == [one.id for one in best if stirred(one)]
        said = [one for one in shown if one.kind in ("comment", "reply") and likes(one)]
        best = unlike(sorted(said, key=lambda one: (-likes(one), one.id)))[:10]
        assert [row.id for row in report.comments] == [one.id for one in best]
        signatures = Counter(one.signature for one in self.now if one.signature)
        by_id = {one.id: one for one in self.now}
        for row in (*report.posts, *report.comments):
            assert row.id is not None
            signature = by_id[row.id].signature
            assert row.copies == (signatures[signature] - 1 if signature else 0)
        reach: dict[tuple[str, str], float] = {}
        for one in shown:
            key = (one.platform, one.author.id)
            reach[key] = max(reach.get(key, 0.0), one.influence or 0.0)
        furthest = sorted(reach.values(), reverse=True)[:10]
        assert [row.influence or 0.0 for row in report.authors] == furthest
        wrote = Counter((one.platform, one.author.id) for one in self.now)
        for author in report.authors:
            ids = [key for key in wrote if reach.get(key) == (author.influence or 0.0)]
            assert author.posts in [wrote[key] for key in ids if key[0] == author.platform]


def named(post: EnrichedPost) -> list[str]:
    return [tag.brand for tag in post.brands]


def mood_of(post: EnrichedPost, brand: str) -> str:
    return next(tag.mood or "none" for tag in post.brands if tag.brand == brand)


def texts(posts: Sequence[EnrichedPost]) -> int:
    return len({one.signature or one.id for one in posts})


def authors(posts: Sequence[EnrichedPost]) -> int:
    return len({(one.platform, one.author.id) for one in posts})


def likes(post: EnrichedPost) -> int:
    return (post.engagement.likes or 0) if post.engagement else 0


def stirred(post: EnrichedPost) -> int:
    counters = post.engagement
    return (
        sum(one or 0 for one in (counters.likes, counters.reposts, counters.comments))
        if counters
        else 0
    )


def unlike(posts: Sequence[EnrichedPost]) -> list[EnrichedPost]:
    first: dict[str, EnrichedPost] = {}
    for one in posts:
        first.setdefault(one.signature or one.id, one)
    return list(first.values())


async def test_incidents_and_gaps_of_the_period_are_told(index: Elasticsearch) -> None:
    day_before = DAY.start - timedelta(days=1)
    incidents = [
        incident(DAY.start + 3 * HOUR),
        incident(day_before, state="closed", closed_at=DAY.start + HOUR),  # reached into it
        incident(day_before + HOUR, state="closed", closed_at=DAY.start),  # was over
        incident(DAY.end),  # came later
        incident(DAY.start + HOUR, id="beta-1", brand="beta", role="competitor", timeline=()),
        incident(DAY.start + HOUR, id="else-1", brand="else"),
        gap(DAY.start + 2 * HOUR, DAY.start + 3 * HOUR),
        gap(DAY.start - 9 * HOUR, DAY.start - 8 * HOUR),
        gap(DAY.end - HOUR, None),
    ]
    made = [post(random.Random(number), number, DAY.start) for number in range(20)]
    await write(index, made)
    lines = [index.names.incident_document(one.to_line()) for one in incidents]
    assert set(await index.index(lines)) == {Done()}
    await index.refresh()

    report = await reported(index, DAY)

    assert [row.id for row in report.incidents] == [incidents[1].id, incidents[0].id]
    assert {row.minutes_to_acknowledgement for row in report.incidents} == {12}
    (other,) = report.competitor_incidents
    assert (other.id, other.minutes_to_acknowledgement) == ("beta-1", None)
    assert [row.since for row in report.gaps] == [DAY.start + 2 * HOUR, DAY.end - HOUR]
    assert [place for place, row in enumerate(report.hours) if row.incomplete] == [2, 23]
    assert not report.compared and report.total.posts.before is None


async def test_a_period_without_any_post_is_told_and_a_silent_brand_is_a_report(
    index: Elasticsearch,
) -> None:
    with pytest.raises(FatalError, match="2026-03-04"):
        await reported(index, DAY)

    chance = random.Random(1)
    other = post(chance, 1, DAY.start).replaced(
        brands=(BrandTag(brand="beta", role="competitor"),), kind="post"
    )
    await write(index, [other])

    report = await reported(index, DAY)

    assert report.total.posts.now == 0 and report.negative_share is None
    assert [row.posts.now for row in report.voice] == [0, 1, 0]
    assert not any([report.posts, report.comments, report.authors, report.aspects])
