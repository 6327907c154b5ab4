"""The command that finds thresholds for a wished rate of alarms."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer
from rich.table import Table

from pipeline.backtest import Result, run_backtest
from pipeline.backtest_text import heard
from pipeline.cli.common import JsonOption, app, console, print_json, settings_of, wait_for
from pipeline.cli.past import (
    BrandOption,
    FileOption,
    FromOption,
    IndexOption,
    LabelsOption,
    MappingOption,
    ToOption,
    TopicOption,
    asked_part,
    asked_past,
    labels_within,
    shown_progress,
)
from pipeline.rulings import Ruling, present_ruling, read_ruling
from pipeline.settings import Settings
from processors.alarms import Alarm, Labelled
from processors.tuning import LADDER, Choice, choose, reference, scaled, threshold_of
from processors.watch_settings import WatchSettings
from schemas.errors import FatalError
from schemas.language import say
from sinks.wording import clean

__all__: list[str] = []


@app.command(
    "tune",
    help=say(
        "从历史给每个品牌找阈值，使误报不超过想要的每周次数；并说明代价：晚多少分钟、会漏几起。",
        "Find each brand's threshold for a wished rate of false alarms from its history, and say "
        "the price: minutes later, incidents missed.",
    ),
)
def tune_command(
    context: typer.Context,
    false_a_week: Annotated[
        float,
        typer.Option(
            "--false-a-week",
            min=0.0,
            help=say("每个品牌每周最多几次误报。", "False alarms a week and brand, at most."),
        ),
    ] = 1.0,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            help=say(
                "从这份规则（TOML）出发，而不是现在的设置。",
                "Start from these rules (TOML) instead of those in force.",
            ),
        ),
    ] = None,
    since: FromOption = None,
    until: ToOption = None,
    file: FileOption = None,
    mapping: MappingOption = None,
    topic: TopicOption = False,
    index: IndexOption = False,
    brand: BrandOption = None,
    labels: LabelsOption = None,
    strong: Annotated[
        int,
        typer.Option(
            "--strong",
            min=1,
            max=5,
            help=say(
                "没有标注时，现在的设置发现的、到过此级别的事件算真事件。",
                "Without labels: what the present settings find and what grew to this severity "
                "counts as true.",
            ),
        ),
    ] = 3,
    json_output: JsonOption = False,
) -> None:
    """Find thresholds."""
    settings = settings_of(context)
    asked = asked_part(settings, since, until, brand)
    start = read_ruling(rules, settings) if rules is not None else present_ruling(settings)
    known = labels_within(settings, labels, asked)
    ladder = [
        Ruling(f"{start.name} × {factor:g}", scaled(start.watch, factor), start.rules)
        for factor in LADDER
    ]
    past = asked_past(
        settings,
        asked,
        file,
        mapping,
        topic=topic,
        index=index,
        retagged=start.rules is not None,
    )
    with shown_progress(quiet=json_output) as progress:
        result = wait_for(run_backtest(settings, past, ladder, asked, progress=progress))
    choices = _choices(settings, result, start.watch, known, false_a_week, strong)
    if json_output:
        print_json([_as_json(choice) for choice in choices])
        return
    _print(result, choices, known is not None, false_a_week, strong)


def _choices(
    settings: Settings,
    result: Result,
    watch: WatchSettings,
    known: Sequence[Labelled] | None,
    wish: float,
    strong: int,
) -> list[Choice]:
    weeks = _judged_weeks(result, watch)
    choices = []
    for brand in sorted(result.volume.hours):
        rungs = [
            [alarm for alarm in told.alarms if alarm.brand == brand and _rings(alarm, settings)]
            for told in result.told
        ]
        if known is not None:
            wanted = [label for label in known if label.brand == brand]
        else:
            wanted = reference(rungs[LADDER.index(1.0)], strong)
        present = threshold_of(watch, brand)
        choices.append(choose(brand, present, rungs, wanted, weeks, wish))
    return choices


def _rings(alarm: Alarm, settings: Settings) -> bool:
    """Whether people are told of it."""
    notify = settings.notify
    return alarm.kind in notify.kinds and alarm.severity >= notify.min_severity


def _judged_weeks(result: Result, watch: WatchSettings) -> float:
    """How many weeks of the stretch were judged: nothing is in the first hours of a brand.

    Raises:
        FatalError: less than a day was.
    """
    first, asked = result.volume.first_at, result.asked
    judged = first + timedelta(hours=watch.grace_hours) if first is not None else None
    start = max(judged, asked.since) if judged and asked.since else judged
    weeks = result.volume.weeks(start, asked.until)
    if weeks < 1 / 7:
        raise FatalError(
            say(
                f"{result.past} 里能评判的时间不到一天（先要学习 {watch.grace_hours} 小时），"
                "定不了每周的次数；请给更长的历史。",
                f"{result.past} holds less than a day that can be judged (after "
                f"{watch.grace_hours} hours of learning): too little for a rate a week. Give a "
                "longer history.",
            )
        )
    return weeks


def _print(
    result: Result, choices: Sequence[Choice], labelled: bool, wish: float, strong: int
) -> None:
    console.print(heard(result), soft_wrap=True)
    true = (
        say("标注的", "the labelled incidents")
        if labelled
        else say(f"现在发现的、到过 {strong} 级的", f"what is found now and grew to {strong}/5")
    )
    console.print(
        say(
            f"真事件：{true}；其他会通知人的警报算误报；想要每周至多 {wish:g} 次。",
            f"True: {true}; any other alarm that people are told of is false; wished: at most "
            f"{wish:g} a week.",
        ),
        soft_wrap=True,
    )
    table = Table(
        say("品牌", "Brand"),
        say("现在", "Now"),
        say("每周误报", "False a week"),
        say("建议", "Proposed"),
        say("每周误报（80%）", "False a week (80 %)"),
        say("分钟：中位，最多", "Minutes: median, most"),
        say("真事件", "True"),
        say("会漏", "Missed"),
    )
    for choice in choices:
        table.add_row(*_row(choice))
    console.print(table)
    for choice in choices:
        if not choice.fits:
            console.print(
                say(
                    f"{clean(choice.brand)}：最高的 {choice.chosen.threshold:g} 也还超出想要的。",
                    f"{clean(choice.brand)}: even the highest, {choice.chosen.threshold:g}, gives "
                    "more than wished.",
                ),
                soft_wrap=True,
            )
    changed = {
        choice.brand: {"threshold": choice.chosen.threshold}
        for choice in choices
        if choice.chosen.threshold != choice.present.threshold
    }
    if not changed:
        console.print(say("不用改。", "Nothing needs to change."))
        return
    console.print(say("写进设置文件：", "To put into the settings:"))
    console.print(tomli_w.dumps({"watch": {"brands": changed}}).strip(), soft_wrap=True)


def _row(choice: Choice) -> list[str]:
    low, high = choice.chosen.interval
    usual, worst = choice.usually_later, choice.worst_later
    same = choice.chosen.threshold == choice.present.threshold
    return [
        clean(choice.brand),
        f"{choice.present.threshold:g}",
        f"{choice.present.a_week:.2f}",
        "=" if same else f"{choice.chosen.threshold:g}",
        f"{choice.chosen.a_week:.2f} ({low:.2f}–{high:.2f})",
        "–" if usual is None or worst is None else f"{usual:+.1f}, {worst:+.1f}",
        str(choice.wanted),
        str(len(choice.newly_missed)),
    ]


def _as_json(choice: Choice) -> dict[str, Any]:
    return {
        "brand": choice.brand,
        "present": choice.present.threshold,
        "present_false_a_week": round(choice.present.a_week, 3),
        "threshold": choice.chosen.threshold,
        "false_a_week": round(choice.chosen.a_week, 3),
        "false_a_week_80": [round(edge, 3) for edge in choice.chosen.interval],
        "fits": choice.fits,
        "wanted": choice.wanted,
        "minutes_later": choice.minutes_later,
        "newly_missed": choice.newly_missed,
        "newly_caught": choice.newly_caught,
    }
