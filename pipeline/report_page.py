"""A report as one HTML page: what matters on the first screen, then the tables.

The page needs nothing from elsewhere: no script, no font, no picture. What strangers wrote is
escaped by the template's engine; only addresses of the web become links. Needs the extra
``reports``.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from jinja2 import Environment, StrictUndefined, Template

from pipeline.report_figures import BrandReport
from pipeline.report_picture import volume_svg
from pipeline.report_rows import link
from pipeline.report_summary import Tile, summary, tiles, warnings_of
from pipeline.report_tables import Cell, Column, Table, report_tables
from pipeline.report_words import changed, number, percent, span_of
from processors.changes import FEW, Change
from schemas.language import language, say

__all__ = ["Page", "Shown", "page_of", "rendered"]

_TEMPLATE = Path(__file__).with_name("report.html.jinja")


@dataclass(frozen=True, slots=True)
class Shown:
    """A cell as it is written."""

    text: str
    kind: str
    more: str = ""
    """How it changed."""
    faint: bool = False
    url: str | None = None
    bar: float | None = None
    """Percent of the cell's width."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table as it is written."""

    name: str
    title: str
    columns: list[Column]
    rows: list[list[Shown]]
    note: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the template writes."""

    language: str
    title: str
    subtitle: str
    warnings: list[str]
    tiles: list[Tile]
    sentences: list[str]
    picture: str
    """As a data address."""
    picture_text: str
    sections: list[Section]
    notes: list[str]
    words: Mapping[str, str]


def rendered(report: BrandReport, platforms: Mapping[str, str]) -> str:
    """The whole page."""
    return _template().render(page=page_of(report, platforms))


def page_of(report: BrandReport, platforms: Mapping[str, str]) -> Page:
    """What stands on the page."""
    zone = ZoneInfo(report.time_zone)
    kind = say("日报", "daily report") if report.kind == "daily" else say("周报", "weekly report")
    tables = [table for table in report_tables(report, platforms) if table.on_page]
    picture = base64.b64encode(volume_svg(report.hours, zone)).decode()
    return Page(
        language="zh-CN" if language() == "zh" else "en",
        title=say(f"{report.name} {kind}", f"{report.name}: {kind}"),
        subtitle=span_of(report),
        warnings=list(warnings_of(report)),
        tiles=list(tiles(report)),
        sentences=list(summary(report, platforms)),
        picture=f"data:image/svg+xml;base64,{picture}",
        picture_text=say("每小时帖子数与平时范围", "Posts by hour against what is usual"),
        sections=[_section(table, zone) for table in tables if table.rows],
        notes=[*_notes(report), *_empty(tables)],
        words={
            "made_by": say("由听潮生成", "Made by Tingchao"),
            "link": say("原文", "open"),
            "notes": say("怎么读这些数字", "How to read these figures"),
            "volume": say("每小时声量", "Posts by hour"),
        },
    )


def _section(table: Table, zone: ZoneInfo) -> Section:
    """Columns in which nothing stands are left out, too."""
    used = {
        place: column
        for place, column in enumerate(table.columns)
        if column.on_page and any(row[place] is not None for row in table.rows)
    }
    rows = [
        [_shown(column, row[place], zone) for place, column in used.items()] for row in table.rows
    ]
    return Section(table.name, table.title, list(used.values()), rows, table.note)


def _shown(column: Column, cell: Cell, zone: ZoneInfo) -> Shown:
    kind = column.kind
    if cell is None:
        return Shown("–", kind, faint=True)
    if isinstance(cell, Change):
        return Shown(number(cell.now), kind, changed(cell), bool(cell.by_chance))
    if isinstance(cell, datetime):
        return Shown(f"{cell.astimezone(zone):%m-%d %H:%M}", kind)
    if kind == "link":
        url = link(str(cell))
        return Shown(say("原文", "open") if url else "–", kind, url=url)
    if isinstance(cell, str):
        return Shown(cell, kind)
    if kind == "share":
        return Shown(percent(cell), kind, bar=round(100 * cell, 1))
    return Shown(number(cell), kind)


def _notes(report: BrandReport) -> Iterator[str]:
    yield say(
        "帖子：按发布时间计，含转发、评论和回复；品牌、竞品和规则按 "
        f"{report.rules} 的定义；时间为 {report.time_zone}。",
        "Posts count by when they were published, reposts, comments and replies included; brands, "
        f"competitors and rules are those of {report.rules}; times are of {report.time_zone}.",
    )
    yield say(
        "不同文字和作者数是近似值（每项四万以内几乎准确，再多误差百分之几）；其余都是逐条数出来的。",
        "Distinct texts and authors are approximate (nearly exact up to forty thousand each, a few "
        "percent off beyond); everything else is counted post by post.",
    )
    yield say(
        "平时范围：过去八周同一星期几同一小时的中位数，上下各两个稳健标准差；信源中断的小时不算。"
        "平常的日子里也会有约二十分之一的小时落在外面。",
        "The usual range is the median of the same hour and weekday of the past eight weeks, two "
        "robust deviations to either side, without hours in which a source was not heard. On an "
        "ordinary day one hour in twenty lies outside.",
    )
    yield say(
        f"变化是与前一期同样长的时间相比；上期不足 {FEW} 条时不给百分比；≈ 表示这点差别可能只是"
        "偶然。",
        f"Changes compare with the same stretch of the period before; without a percentage where "
        f"that had fewer than {FEW} posts; ≈ marks what may be chance.",
    )
    yield say(
        "情绪、方面、意图由程序判断，会有错；事件的状态是现在的状态。",
        "Moods, aspects and intents are judged by a program, which errs; incidents are shown as "
        "they stand now.",
    )


def _empty(tables: list[Table]) -> Iterator[str]:
    empty = [table.title for table in tables if not table.rows]
    if empty:
        listed = say("、", ", ").join(empty)
        yield say(f"本期没有可列的：{listed}。", f"Nothing to list in this period: {listed}.")


@cache
def _template() -> Template:
    engine = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return engine.from_string(_TEMPLATE.read_text(encoding="utf-8"))
