"""The figures of a report on a brand, as numbers: what HTML, CSV and JSON are made of."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.report_rows import (
    AuthorRow,
    GapRow,
    IncidentRow,
    PostRow,
    author_row,
    gap_row,
    incident_row,
    post_row,
)
from processors.changes import Change, change
from processors.periods import Period, PeriodKind
from processors.usual_hours import Band, Gap, is_in_gap, usual_hours, usual_total
from schemas.enriched import BrandRole
from schemas.incident import Incident
from schemas.source_incident import SourceIncident
from sinks.report_counts import BrandCounts, Said
from sinks.report_posts import AuthorFigures, ShownPost

__all__ = [
    "MOODS",
    "Asked",
    "AspectRow",
    "BrandReport",
    "Found",
    "HourRow",
    "LabelRow",
    "SaidRow",
    "VoiceRow",
    "build_report",
]

MOODS = ("negative", "neutral", "positive", "none")
_MOST_ROWS = 20
Names = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class HourRow:
    """One hour of the period."""

    at: datetime
    posts: int
    usual: Band | None
    """None: too little is known of such hours."""
    incomplete: bool
    """A source was not heard in it."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """Posts with one label."""

    label: str
    posts: Change


@dataclass(frozen=True, slots=True)
class SaidRow:
    """How much was said, and how much the period before."""

    label: str
    posts: Change
    texts: Change
    authors: Change


@dataclass(frozen=True, slots=True)
class VoiceRow:
    """One brand among its competitors."""

    brand: str
    name: str
    role: BrandRole
    posts: Change
    texts: Change
    share: float | None
    """Of the posts on all brands of the table; a post on two brands counts for both."""
    share_before: float | None
    moods: Mapping[str, Change]
    """Posts by mood towards this brand."""


@dataclass(frozen=True, slots=True)
class AspectRow:
    """What is said of one aspect of the brand's products."""

    aspect: str
    posts: Change
    negative: Change
    neutral: int
    positive: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandReport:
    """Everything that a report tells."""

    brand: str
    name: str
    role: BrandRole
    rules: str
    """Rule sets by which brands and their names are known: ``main@3``."""
    kind: PeriodKind
    period: str
    """``2026-11-23`` or ``2026-W47``."""
    time_zone: str
    since: datetime
    until: datetime
    is_whole: bool
    compared: bool
    """Whether the period before is known."""
    total: SaidRow
    usual_total: Band | None
    hours: Sequence[HourRow]
    voice: Sequence[VoiceRow]
    """The brand first, then its competitors, the loudest first."""
    moods: Mapping[str, Change]
    aspects: Sequence[AspectRow]
    unclear_aspects: int
    intents: Sequence[LabelRow]
    reasons: Sequence[LabelRow]
    defects: Sequence[LabelRow]
    incidents: Sequence[IncidentRow]
    competitor_incidents: Sequence[IncidentRow]
    posts: Sequence[PostRow]
    authors: Sequence[AuthorRow]
    comments: Sequence[PostRow]
    platforms: Sequence[LabelRow]
    kinds: Sequence[LabelRow]
    author_kinds: Sequence[LabelRow]
    sources: Sequence[LabelRow]
    gaps: Sequence[GapRow]
    """When sources were not heard: the figures lack the posts of these times."""
    fired: Sequence[LabelRow]
    """Posts by keyword rule and query."""
    fired_names: Names
    campaigns: Sequence[SaidRow]
    hot: int
    """Sightings on hot-search boards; counted nowhere else."""
    clamped: int
    """Posts whose time is out of reason; counted nowhere else."""

    @property
    def negative_share(self) -> float | None:
        """Of the posts whose mood towards the brand was judged."""
        judged = sum(self.moods[mood].now for mood in MOODS[:3])
        return self.moods["negative"].now / judged if judged else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What was found in the index for a report; ``*_before``: of the period before."""

    hours: Mapping[datetime, int]
    """Posts by hour, of the period and all that it is compared with."""
    since: datetime
    """Of earlier hours nothing is known."""
    counts: BrandCounts
    counts_before: BrandCounts
    each: Mapping[str, Said]
    each_before: Mapping[str, Said]
    moods: Mapping[str, Mapping[str, int]]
    moods_before: Mapping[str, Mapping[str, int]]
    campaigns: Mapping[str, Said]
    campaigns_before: Mapping[str, Said]
    incidents: Sequence[Incident]
    gaps: Sequence[SourceIncident]
    """Of the period and all that it is compared with."""
    posts: Sequence[ShownPost]
    comments: Sequence[ShownPost]
    authors: Sequence[AuthorFigures]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a report is to be about."""

    brand: str
    rules: str
    period: Period
    brands: Mapping[str, tuple[str, BrandRole]]
    """Name and role of the brand and of those that it is compared with."""
    rule_names: Names
    campaigns: Sequence[str] = ()
    show_names: bool = True


def build_report(asked: Asked, found: Found) -> BrandReport:
    """Put the figures together; same input, same report."""
    period, brand = asked.period, asked.brand
    before = period.earlier(1)
    compared = found.since <= before.start
    counts, counts_before = found.counts, found.counts_before

    def changed(now: int, earlier: int) -> Change:
        return change(now, earlier if compared else None)

    def said(label: str, now: Said, earlier: Said) -> SaidRow:
        return SaidRow(
            label,
            changed(now.posts, earlier.posts),
            changed(now.texts, earlier.texts),
            changed(now.authors, earlier.authors),
        )

    def group(name: str, most: int = _MOST_ROWS) -> list[LabelRow]:
        now, earlier = counts.groups[name], counts_before.groups[name]
        rows = [
            LabelRow(label, changed(now.get(label, 0), earlier.get(label, 0)))
            for label in {*now, *earlier}
        ]
        return sorted(rows, key=_by_posts)[:most]

    gaps: list[Gap] = [(gap.gap_started_at, gap.gap_ended_at) for gap in found.gaps]
    bands = usual_hours(period, found.hours, found.since, gaps)
    show = asked.show_names
    told = [incident_row(one, show) for one in found.incidents]
    name, role = asked.brands[brand]
    return BrandReport(
        brand=brand,
        name=name,
        role=role,
        rules=asked.rules,
        kind=period.kind,
        period=period.name,
        time_zone=period.zone.key,
        since=period.start,
        until=period.end,
        is_whole=period.is_whole,
        compared=compared,
        total=said(brand, counts.said, counts_before.said),
        usual_total=usual_total(period, found.hours, found.since, gaps),
        hours=[
            HourRow(at, found.hours.get(at, 0), band, is_in_gap(at, end, gaps))
            for at, end, band in zip(
                period.hours, [*period.hours[1:], period.end], bands, strict=True
            )
        ],
        voice=_voice(asked, found, changed),
        moods=_moods(found.moods[brand], found.moods_before[brand], changed),
        aspects=_aspects(counts.aspects, counts_before.aspects, changed),
        unclear_aspects=counts.unclear_aspects,
        intents=group("intents"),
        reasons=group("reasons"),
        defects=group("defects"),
        incidents=[one for one in told if one.brand == brand],
        competitor_incidents=[one for one in told if one.brand != brand],
        posts=[post_row(one, brand, show) for one in found.posts],
        authors=[author_row(one, show) for one in found.authors],
        comments=[post_row(one, brand, show) for one in found.comments],
        platforms=group("platforms"),
        kinds=group("kinds"),
        author_kinds=group("author_kinds"),
        sources=group("sources", 50),
        gaps=[
            gap_row(gap)
            for gap in found.gaps
            if is_in_gap(period.start, period.end, [(gap.gap_started_at, gap.gap_ended_at)])
        ],
        fired=group("rules"),
        fired_names=asked.rule_names,
        campaigns=[
            said(phrase, found.campaigns[phrase], found.campaigns_before[phrase])
            for phrase in asked.campaigns
        ],
        hot=counts.hot,
        clamped=counts.clamped,
    )


Changed = Callable[[int, int], Change]


def _voice(asked: Asked, found: Found, changed: Changed) -> list[VoiceRow]:
    total = sum(one.posts for one in found.each.values())
    total_before = sum(one.posts for one in found.each_before.values())
    rows = [
        VoiceRow(
            brand=brand,
            name=name,
            role=role,
            posts=changed(found.each[brand].posts, found.each_before[brand].posts),
            texts=changed(found.each[brand].texts, found.each_before[brand].texts),
            share=found.each[brand].posts / total if total else None,
            share_before=found.each_before[brand].posts / total_before if total_before else None,
            moods=_moods(found.moods[brand], found.moods_before[brand], changed),
        )
        for brand, (name, role) in asked.brands.items()
    ]
    rows.sort(key=lambda row: (row.brand != asked.brand, -row.posts.now, row.brand))
    return rows


def _moods(
    now: Mapping[str, int], before: Mapping[str, int], changed: Changed
) -> dict[str, Change]:
    return {mood: changed(now.get(mood, 0), before.get(mood, 0)) for mood in MOODS}


def _aspects(
    now: Mapping[tuple[str, str], int], before: Mapping[tuple[str, str], int], changed: Changed
) -> list[AspectRow]:
    def count(counts: Mapping[tuple[str, str], int], aspect: str, moods: Iterable[str]) -> int:
        return sum(counts.get((aspect, mood), 0) for mood in moods)

    rows = [
        AspectRow(
            aspect,
            changed(count(now, aspect, MOODS), count(before, aspect, MOODS)),
            changed(count(now, aspect, ["negative"]), count(before, aspect, ["negative"])),
            neutral=count(now, aspect, ["neutral"]),
            positive=count(now, aspect, ["positive"]),
        )
        for aspect in {aspect for aspect, _ in now}
    ]
    rows.sort(key=lambda row: (-row.negative.now, -row.posts.now, row.aspect))
    return rows[:_MOST_ROWS]


def _by_posts(row: LabelRow) -> tuple[int, int, str]:
    return -row.posts.now, -(row.posts.before or 0), row.label
