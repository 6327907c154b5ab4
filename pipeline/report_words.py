"""Figures of a report as people read them."""

from datetime import timedelta
from zoneinfo import ZoneInfo

from pipeline.report_figures import BrandReport
from processors.changes import Change
from schemas.language import say
from sinks.wording import local_time

__all__ = ["changed", "number", "percent", "span_of"]

_TIMES = 900
"""From this growth in percent on "ten times" is read more easily."""


def number(value: float) -> str:
    """A count, or what is usual."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}".removesuffix(".0")


def percent(share: float) -> str:
    """A share; small ones with a decimal."""
    return f"{share:.1%}" if 0 < share < 0.1 else f"{share:.0%}"


def changed(change: Change) -> str:
    """How a count differs from the one before; empty where that is not known."""
    if change.before is None:
        return ""
    chance = "≈ " if change.by_chance and change.now != change.before else ""
    if change.percent is None:
        return chance + say(f"上期 {number(change.before)}", f"before {number(change.before)}")
    if change.percent >= _TIMES:
        times = f"{change.now / change.before:.0f}"
        return chance + say(f"▲{times} 倍", f"▲{times}×")
    arrow = "▲" if change.percent > 0 else "▼" if change.percent < 0 else "±"
    return f"{chance}{arrow}{abs(change.percent):.0f}%"


def span_of(report: BrandReport) -> str:
    """From when to when."""
    zone = ZoneInfo(report.time_zone)
    since, until = report.since.astimezone(zone), report.until.astimezone(zone)
    if not report.is_whole:
        end = local_time(until, zone)
        return say(
            f"{report.period}（未结束，截至 {end}，{report.time_zone}）",
            f"{report.period} (still running, as far as {end}, {report.time_zone})",
        )
    if report.kind == "daily":
        return f"{report.period} ({report.time_zone})"
    last = until - timedelta(hours=1)
    return say(
        f"{report.period}（{since:%Y-%m-%d} 至 {last:%Y-%m-%d}，{report.time_zone}）",
        f"{report.period} ({since:%Y-%m-%d} to {last:%Y-%m-%d}, {report.time_zone})",
    )
