"""Asks the index all that a report tells, and the rules what its brands are called."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from pipeline.endpoints import elasticsearch_client
from pipeline.one_post import asked_rules
from pipeline.report_figures import Asked, BrandReport, Found, build_report
from pipeline.settings import Settings
from processors.periods import Period
from processors.usual_hours import WEEKS
from schemas.enriched import BrandRole
from schemas.errors import FatalError
from schemas.language import say
from schemas.rules import Brand, RuleSet, joined
from sinks.elasticsearch import Elasticsearch
from sinks.report_counts import ReportCounts
from sinks.report_posts import ReportPosts

__all__ = ["asked_of", "brand_report", "look_up"]

_MOST_COMPETITORS = 30
_MOST_POSTS = 10
_MOST_LISTED = 20
_MOST_PLATFORMS = 50


async def brand_report(
    settings: Settings,
    brand: str,
    period: Period,
    *,
    rules: Path | None = None,
    campaigns: Sequence[str] = (),
    show_names: bool = True,
) -> BrandReport:
    """The report of a brand on a period.

    Raises:
        FatalError: no such brand, no rules, nothing indexed in the period, or access refused.
        RetryableError: the index is away.
    """
    sets = await asked_rules(settings, rules, None)
    asked = asked_of(sets, brand, period, campaigns, show_names=show_names)
    index = elasticsearch_client(settings)
    try:
        return await look_up(index, asked)
    finally:
        await index.close()


def asked_of(
    sets: Sequence[RuleSet],
    brand: str,
    period: Period,
    campaigns: Sequence[str] = (),
    *,
    show_names: bool = True,
) -> Asked:
    """What the rules say of the brand: its name, and whom it is compared with.

    Raises:
        FatalError: they don't know it.
    """
    rules = joined(sets)
    chosen = next((one for one in rules.brands if one.id == brand), None)
    if chosen is None:
        known = [one.id for one in rules.brands]
        some = ", ".join(known[:_MOST_LISTED]) + (", …" if len(known) > _MOST_LISTED else "")
        raise FatalError(
            say(
                f"规则 {rules.label} 里没有品牌 {brand}；有的是：{some or '（没有）'}。",
                f"The rules {rules.label} have no brand {brand}; they have: {some or '(none)'}.",
            )
        )
    rivals: BrandRole = "own" if chosen.role == "competitor" else "competitor"
    others = [
        one
        for one in rules.brands
        if one.role == rivals and one.id != brand and not _stands_below(one, rules)
    ]
    return Asked(
        brand=brand,
        rules=rules.label,
        period=period,
        brands={one.id: (one.name, one.role) for one in (chosen, *others[:_MOST_COMPETITORS])},
        rule_names={
            **{one.id: one.name for each in sets for one in each.keywords},
            **{one.id: one.name for each in sets for one in each.rules},
        },
        campaigns=tuple(dict.fromkeys(campaigns)),
        show_names=show_names,
    )


def _stands_below(brand: Brand, rules: RuleSet) -> bool:
    """Whether its posts are tagged with an entry above it as well."""
    parent = next((one for one in rules.brands if one.id == brand.parent), None)
    return parent is not None and not (
        brand.kind in ("brand", "company") and parent.kind == "company"
    )


async def look_up(index: Elasticsearch, asked: Asked) -> BrandReport:
    """Ask the index, some questions at a time.

    Raises:
        FatalError: it holds no post of the period, or refuses access.
        RetryableError: it is away.
    """
    counts, posts = ReportCounts(index), ReportPosts(index)
    brand, period, brands = asked.brand, asked.period, sorted(asked.brands)
    before = period.earlier(1)
    now, then = (period.start, period.end), (before.start, before.end)
    if not await counts.anything(now):
        raise _nothing(period)
    past = period.earlier(WEEKS * (7 // period.days)).start
    known = await counts.brands_beside(brands, (before.start, period.end))
    first = await counts.first_heard(brand, (past, period.end))
    hours, (of_now, of_then), (each, each_before) = await asyncio.gather(
        counts.by_hour(brand, (past, period.end), period.zone.key),
        asyncio.gather(*(counts.of_brand(brand, known, span) for span in (now, then))),
        asyncio.gather(*(counts.of_each(brands, span) for span in (now, then))),
    )
    moods, moods_before = [await counts.moods(brands, known, span) for span in (now, then)]
    campaigns, campaigns_before = await asyncio.gather(
        *(counts.of_phrases(brand, asked.campaigns, span) for span in (now, then))
    )
    incidents, gaps = await asyncio.gather(
        posts.incidents(brands, now), posts.source_gaps((past, period.end))
    )
    platforms = sorted(of_now.groups["platforms"])[:_MOST_PLATFORMS]
    stirring, comments, authors = await asyncio.gather(
        posts.most_stirring(brand, now, _MOST_POSTS),
        posts.most_liked_comments(brand, now, _MOST_POSTS),
        posts.most_influential(brand, platforms, now, _MOST_POSTS),
    )
    return build_report(
        asked,
        Found(
            hours=hours,
            since=first,
            counts=of_now,
            counts_before=of_then,
            each=each,
            each_before=each_before,
            moods=moods,
            moods_before=moods_before,
            campaigns=campaigns,
            campaigns_before=campaigns_before,
            incidents=incidents,
            gaps=gaps,
            posts=stirring,
            comments=comments,
            authors=authors,
        ),
    )


def _nothing(period: Period) -> FatalError:
    return FatalError(
        say(
            f"索引里没有 {period.name} 的任何帖子（{period.zone.key}），不能出报告：请用 "
            "tingchao status 看 ingest 和 index 是否在运行，或换一个日期。",
            f"The index holds no post of {period.name} at all ({period.zone.key}), so there is "
            "nothing to report: see in `tingchao status` whether ingest and index run, or take "
            "another date.",
        )
    )
