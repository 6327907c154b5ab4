"""A backtest in words and tables, and as a document for programs."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from rich.table import Table

from pipeline.backtest import Result, Told
from processors.alarms import Alarm, Comparison, Judged, weeks_of
from schemas.incident import Evidence
from schemas.language import say
from sinks.wording import KINDS, clean

__all__ = [
    "alarm_table",
    "as_json",
    "compared",
    "evidence_words",
    "heard",
    "judged_lines",
    "kind_word",
    "week_table",
]

_MOST_WEEKS = 8
_MEASURED = {
    "negative": ("负面独立声音", "negative voices"),
    "voices": ("独立声音", "voices"),
    "mentions": ("提及", "mentions"),
}


def heard(result: Result) -> str:
    """What was read, in one sentence."""
    volume = result.volume
    brands = len(volume.hours)
    text = say(
        f"{result.past}：{volume.mentions:,} 次提及，{brands} 个品牌，{result.weeks:.1f} 周",
        f"{result.past}: {volume.mentions:,} mentions, {brands} brands, {result.weeks:.1f} weeks",
    )
    if result.first_unreadable is not None:
        line, why = result.first_unreadable.line, result.first_unreadable.message.rstrip("。.")
        text += say(
            f"；{result.unreadable} 行读不懂，已略过，第一处在第 {line} 行：{why}",
            f"; {result.unreadable} lines can't be read and were left out, the first is line "
            f"{line}: {why}",
        )
    if result.reach is not None:
        text += say(
            "；更早的信号已过保留期，开头的历史是重新学的，与线上当时的判断可能不同",
            "; what came before is forgotten, so the first days are learned anew and may differ "
            "from what was live",
        )
    return text + say("。", ".")


def kind_word(kind: str) -> str:
    """A kind of incident as people call it."""
    name = KINDS.get(kind)
    return say(*name) if name else kind


def evidence_words(evidence: Evidence, zone: ZoneInfo) -> str:
    """Why it was raised: window, count, what is usual, score and threshold."""
    start, end = evidence.window_start.astimezone(zone), evidence.window_end.astimezone(zone)
    count = getattr(evidence.numbers, evidence.measured, None)
    what = say(*_MEASURED.get(evidence.measured, (evidence.measured, evidence.measured)))
    median, score, threshold = evidence.baseline.median, evidence.score, evidence.threshold
    return say(
        f"{start:%H:%M}–{end:%H:%M} {what} {count}，通常 {median:g}，{score:.1f} ≥ {threshold:g}",
        f"{start:%H:%M}–{end:%H:%M} {count} {what}, usual {median:g}, {score:.1f} ≥ {threshold:g}",
    )


def alarm_table(alarms: Sequence[Alarm], zone: ZoneInfo) -> Table:
    """Every alarm with its minute and its evidence."""
    table = Table(
        say("时间", "Time"),
        say("品牌", "Brand"),
        say("种类", "Kind"),
        say("级别", "Severity"),
        say("为什么", "Why"),
        say("首帖", "First post"),
        say("结束", "End"),
    )
    for alarm in alarms:
        ended = f"{alarm.closed_at.astimezone(zone):%m-%d %H:%M}" if alarm.closed_at else "–"
        grown = f"{alarm.opened_severity}→{alarm.severity}"
        table.add_row(
            f"{alarm.opened_at.astimezone(zone):%Y-%m-%d %H:%M}",
            clean(alarm.brand),
            kind_word(alarm.kind),
            grown if alarm.severity != alarm.opened_severity else str(alarm.severity),
            evidence_words(alarm.evidence, zone),
            clean(alarm.first_post),
            ended,
        )
    return table


def week_table(result: Result, told: Told, zone: ZoneInfo) -> Table:
    """Alarms of each brand by week, the last weeks one by one."""
    weeks = weeks_of(told.alarms, zone)
    mondays = sorted({monday for counts in weeks.values() for monday in counts})
    if mondays:
        every = (mondays[-1] - mondays[0]).days // 7 + 1
        shown = [mondays[-1] - timedelta(weeks=back) for back in range(min(every, _MOST_WEEKS))]
        mondays = sorted(shown)
    table = Table(
        say("品牌", "Brand"),
        *(say(f"{monday:%m-%d} 起", f"from {monday:%m-%d}") for monday in mondays),
        say("共", "All"),
        say("每周", "A week"),
    )
    for brand in sorted(result.volume.hours):
        counts = weeks.get(brand)
        if counts is None:
            continue
        total = counts.total()
        rate = f"{total / max(result.weeks, 1 / 7):.2f}"
        by_week = (str(counts.get(monday, 0)) for monday in mondays)
        table.add_row(clean(brand), *by_week, str(total), rate)
    return table


def compared(found: Comparison, zone: ZoneInfo) -> list[str]:
    """What the new rules raise that the old ones do not, and the other way round."""
    later = [pair.minutes_later for pair in found.both]
    lines = [
        say(
            f"对照：都有 {len(found.both)}（新的早 {sum(one < 0 for one in later)}，"
            f"同时 {sum(one == 0 for one in later)}，晚 {sum(one > 0 for one in later)}），"
            f"只在新的 {len(found.only_new)}，只在旧的 {len(found.only_old)}",
            f"Compared: {len(found.both)} in both (new earlier {sum(one < 0 for one in later)}, "
            f"same {sum(one == 0 for one in later)}, later {sum(one > 0 for one in later)}), "
            f"{len(found.only_new)} only in new, {len(found.only_old)} only in old",
        )
    ]
    for pair in found.both:
        if (minutes := pair.minutes_later) or pair.new.kind != pair.old.kind:
            text = _named(pair.new, zone) + "  " + _sooner(minutes)
            if pair.new.kind != pair.old.kind:
                old = kind_word(pair.old.kind)
                text += say(f"，原为{old}", f", was {old}")
            lines.append(f"  = {text}")
    lines += [f"  + {_named(alarm, zone)}" for alarm in found.only_new]
    lines += [f"  - {_named(alarm, zone)}" for alarm in found.only_old]
    return lines


def _named(alarm: Alarm, zone: ZoneInfo) -> str:
    at = alarm.opened_at.astimezone(zone)
    return f"{at:%Y-%m-%d %H:%M} {clean(alarm.brand)} {kind_word(alarm.kind)} {alarm.severity}/5"


def _sooner(minutes: float) -> str:
    if not minutes:
        return say("同时", "same time")
    size = f"{abs(minutes):.1f}"
    early = minutes < 0
    return say(
        f"早 {size} 分钟" if early else f"晚 {size} 分钟",
        f"{size} min earlier" if early else f"{size} min later",
    )


def judged_lines(found: Judged, zone: ZoneInfo) -> list[str]:
    """How the alarms do against the labelled incidents."""
    total = len(found.caught) + len(found.missed)
    lines = [
        say(
            f"对照标注：{total} 起中发现 {len(found.caught)}，漏 {len(found.missed)}，"
            f"误报 {len(found.false)}；事件期间另有 {len(found.beside)}，未评判的种类 "
            f"{len(found.unjudged)}",
            f"Against labels: {len(found.caught)} of {total} caught, {len(found.missed)} missed, "
            f"{len(found.false)} false; {len(found.beside)} more during incidents, "
            f"{len(found.unjudged)} of kinds not judged",
        )
    ]
    for one in found.caught:
        start = one.label.start.astimezone(zone)
        lines.append(
            f"  ✓ {clean(one.label.brand)} {start:%Y-%m-%d %H:%M}  "
            + say("警报比开始", "alarm ")
            + _sooner(one.minutes_after)
            + say("", " than its start" if one.minutes_after else " as its start")
        )
    for label in found.missed:
        start = label.start.astimezone(zone)
        lines.append(f"  ✗ {clean(label.brand)} {start:%Y-%m-%d %H:%M}  " + say("漏", "missed"))
    for alarm in found.false:
        lines.append(f"  ! {_named(alarm, zone)}  " + say("误报", "false"))
    return lines


def as_json(
    result: Result, zone: ZoneInfo, comparison: Comparison | None, judged: Judged | None
) -> dict[str, Any]:
    """All of it as plain data."""
    document: dict[str, Any] = {
        "past": result.past,
        "whole": result.reach is None,
        "weeks": round(result.weeks, 3),
        "mentions": result.volume.mentions,
        "unreadable": result.unreadable,
        "versions": [
            {
                "name": told.ruling.name,
                "alarms": told.alarms,
                "by_week": {
                    brand: {f"{monday}": count for monday, count in sorted(counts.items())}
                    for brand, counts in weeks_of(told.alarms, zone).items()
                },
                "silent_sources": told.silent_sources,
            }
            for told in result.told
        ],
    }
    if comparison is not None:
        document["comparison"] = {
            "both": [
                {"new": pair.new.id, "old": pair.old.id, "minutes_later": pair.minutes_later}
                for pair in comparison.both
            ],
            "only_new": [alarm.id for alarm in comparison.only_new],
            "only_old": [alarm.id for alarm in comparison.only_old],
        }
    if judged is not None:
        document["labels"] = {
            "caught": [
                {"label": one.label, "alarm": one.alarm.id, "minutes_after": one.minutes_after}
                for one in judged.caught
            ],
            "missed": judged.missed,
            "false": [alarm.id for alarm in judged.false],
            "beside": [alarm.id for alarm in judged.beside],
            "unjudged": [alarm.id for alarm in judged.unjudged],
        }
    return document
