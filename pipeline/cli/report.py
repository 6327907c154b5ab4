"""Commands that write reports: report daily, report weekly.

What needs the Elasticsearch client is imported where it is used; see ``pipeline.endpoints``.
"""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.cli.common import (
    JsonOption,
    app,
    console,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.cli.rules import RulesOption
from pipeline.clock import now
from processors.periods import Period, day_of, parse_day, parse_week, week_of
from schemas.errors import FatalError
from schemas.language import say

if TYPE_CHECKING:
    from pipeline.report_figures import BrandReport

__all__: list[str] = []

report_app = typer.Typer(
    help=say(
        "品牌报告：一页 HTML（可打印）加 CSV 表。",
        "Reports on a brand: one HTML page (printable) and CSV tables.",
    ),
    no_args_is_help=True,
)
app.add_typer(report_app, name="report")

OUT = Path("reports")

BrandOption = Annotated[str, typer.Option("--brand", help=say("品牌 id。", "Brand id."))]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        help=say(
            "写到这个文件夹下；默认 reports，用了 --json 则默认不写。",
            "Write below this folder; default reports, with --json none.",
        ),
    ),
]
CampaignOption = Annotated[
    list[str] | None,
    typer.Option(
        "--campaign",
        help=say(
            "活动的话题或口号：数出现它的帖子；可多次。",
            "A campaign's hashtag or slogan: posts with it are counted; may be repeated.",
        ),
    ),
]
NoNamesOption = Annotated[
    bool,
    typer.Option(
        "--no-names",
        help=say(
            "不写任何人的名字、@、帖子 id 和链接。",
            "Leave out people's names, @names, ids of posts and links.",
        ),
    ),
]


@report_app.command(
    "daily",
    help=say("一天的报告；默认昨天。", "The report on a day; yesterday by default."),
)
def report_daily(
    context: typer.Context,
    brand: BrandOption,
    day: Annotated[
        str | None,
        typer.Option("--day", help=say("哪天，如 2026-11-23。", "Which day, e.g. 2026-11-23.")),
    ] = None,
    rules: RulesOption = None,
    campaign: CampaignOption = None,
    no_names: NoNamesOption = False,
    out: OutOption = None,
    json_output: JsonOption = False,
) -> None:
    """Report on a day."""
    zone = _zone(context)
    try:
        first = parse_day(day) if day else now().astimezone(zone).date() - timedelta(days=1)
        period = day_of(first, zone)
    except (ValueError, OverflowError):
        raise _unreadable("--day", day, "2026-11-23") from None
    _report(context, brand, period, rules, campaign or [], no_names, out, json_output)


@report_app.command(
    "weekly",
    help=say(
        "一周（周一到周日）的报告；默认上一周。",
        "The report on a week, Monday to Sunday; last week by default.",
    ),
)
def report_weekly(
    context: typer.Context,
    brand: BrandOption,
    week: Annotated[
        str | None,
        typer.Option("--week", help=say("哪周，如 2026-W47。", "Which week, e.g. 2026-W47.")),
    ] = None,
    rules: RulesOption = None,
    campaign: CampaignOption = None,
    no_names: NoNamesOption = False,
    out: OutOption = None,
    json_output: JsonOption = False,
) -> None:
    """Report on a week."""
    zone = _zone(context)
    try:
        first = parse_week(week) if week else now().astimezone(zone).date() - timedelta(days=7)
        period = week_of(first, zone)
    except (ValueError, OverflowError):
        raise _unreadable("--week", week, "2026-W47") from None
    _report(context, brand, period, rules, campaign or [], no_names, out, json_output)


def _zone(context: typer.Context) -> ZoneInfo:
    return ZoneInfo(settings_of(context).time_zone)


def _unreadable(option: str, value: str | None, example: str) -> FatalError:
    return FatalError(
        say(
            f"{option} 看不懂 {value}；请写成 {example}。",
            f"{option} cannot read {value}; write it like {example}.",
        )
    )


def _report(
    context: typer.Context,
    brand: str,
    period: Period,
    rules: Path | None,
    campaigns: Sequence[str],
    no_names: bool,
    out: Path | None,
    json_output: bool,
) -> None:
    from pipeline.report_files import renderer, write_report
    from pipeline.report_lookup import brand_report

    settings = settings_of(context)
    period = _past(period)
    folder = out or (None if json_output else OUT)
    render = renderer() if folder is not None else None  # what is missing is told before the work
    report = wait_for(
        brand_report(
            settings,
            brand,
            period,
            rules=rules,
            campaigns=campaigns,
            show_names=not no_names,
        )
    )
    files = write_report(report, folder, settings.platforms, render) if folder and render else []
    if json_output:
        print_json(report)
        return
    _print(report, settings.platforms)
    console.print(
        say(
            f"报告在 {files[0]}，旁边有 {len(files) - 1} 个 CSV 文件。",
            f"The report is in {files[0]}, with {len(files) - 1} CSV files beside it.",
        ),
        soft_wrap=True,
    )


def _past(period: Period) -> Period:
    """What of the period is over.

    Raises:
        FatalError: not even an hour.
    """
    passed = period.until(now())
    if not passed.hours:
        raise FatalError(
            say(
                f"{period.name} 还没有过完一个小时，不能出报告。",
                f"Of {period.name} not even an hour is over, so there is nothing to report.",
            )
        )
    return passed


def _print(report: "BrandReport", platforms: dict[str, str]) -> None:
    from pipeline.report_summary import summary, warnings_of
    from pipeline.report_words import span_of

    console.print(f"{report.name} {span_of(report)}", style="bold", soft_wrap=True)
    for warning in warnings_of(report):
        console.print(f"! {warning}", style="yellow", soft_wrap=True)
    for sentence in summary(report, platforms):
        console.print(f"  {sentence}", soft_wrap=True)
