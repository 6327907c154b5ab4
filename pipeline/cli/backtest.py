"""The command that tries alarm rules on the past."""

import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from pipeline.backtest import Asked, Result, run_backtest
from pipeline.backtest_svg import brand_picture
from pipeline.backtest_text import (
    alarm_table,
    as_json,
    compared,
    heard,
    judged_lines,
    week_table,
)
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
from pipeline.rulings import present_ruling, read_ruling
from processors.alarms import Comparison, Labelled, compare, judge
from schemas.errors import FatalError
from schemas.incidents import AnyIncident
from schemas.language import say
from schemas.small_file import unwritten

__all__: list[str] = []


@app.command(
    "backtest",
    help=say(
        "在过去的数据上试警报规则：会在哪一分钟报警、凭什么、每周几次；和另一版规则、和已知事件对照。"
        "用的就是线上的判断代码。",
        "Try alarm rules on the past: the minute and the evidence of each alarm, how many a week, "
        "against other rules and against known incidents. It runs the very code that is live.",
    ),
)
def backtest_command(
    context: typer.Context,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            help=say(
                "要试的规则（TOML）：规则集，或含 [watch] 的设置；默认现在的设置。",
                "The rules to try (TOML): a rule set, or settings with [watch]; default: those in "
                "force.",
            ),
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            help=say("拿来对照的规则（TOML）。", "The rules to compare with (TOML)."),
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
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            help=say(
                "每个品牌画一张图（SVG）放进此文件夹。", "Draw each brand (SVG) into a folder."
            ),
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help=say(
                "把事件的每一版写进文件，与 incidents topic 里的字节相同。",
                "Write every revision of the incidents to a file, the bytes as in the topic "
                "incidents.",
            ),
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Try alarm rules on the past."""
    settings = settings_of(context)
    zone = ZoneInfo(settings.time_zone)
    asked = asked_part(settings, since, until, brand)
    rulings = [read_ruling(rules, settings) if rules is not None else present_ruling(settings)]
    if against is not None:
        rulings.append(read_ruling(against, settings))
    known = labels_within(settings, labels, asked)
    retagged = any(ruling.rules is not None for ruling in rulings)
    past = asked_past(settings, asked, file, mapping, topic=topic, index=index, retagged=retagged)
    with ExitStack() as stack:
        tell = _writer(out, stack) if out is not None else None
        progress = stack.enter_context(shown_progress(quiet=json_output))
        result = wait_for(
            run_backtest(settings, past, rulings, asked, tell=tell, progress=progress)
        )
    comparison = compare(result.told[0].alarms, result.told[1].alarms) if against else None
    judged = judge(result.told[0].alarms, known) if known is not None else None
    pictures = _draw(picture, result, known or [], zone) if picture is not None else []
    if json_output:
        document = as_json(result, zone, comparison, judged)
        print_json(document | {"pictures": [str(path) for path in pictures]})
        return
    _print(result, asked, comparison, zone)
    if judged is not None:
        _lines(judged_lines(judged, zone))
    if pictures:
        count = len(pictures)
        console.print(say(f"{count} 张图在 {picture}", f"{count} pictures are in {picture}"))


def _print(result: Result, asked: Asked, comparison: Comparison | None, zone: ZoneInfo) -> None:
    new = result.told[0]
    console.print(heard(result), soft_wrap=True)
    if new.alarms:
        console.print(alarm_table(new.alarms, zone))
        console.print(week_table(result, new, zone))
    quiet = len(result.volume.hours) - len({alarm.brand for alarm in new.alarms})
    console.print(
        say(
            f"{new.ruling.name}：{len(new.alarms)} 次警报；{quiet} 个品牌没有警报。",
            f"{new.ruling.name}: {len(new.alarms)} alarms; {quiet} brands without any.",
        ),
        soft_wrap=True,
    )
    if comparison is not None:
        _lines(compared(comparison, zone))


def _lines(lines: Sequence[str]) -> None:
    for line in lines:
        console.print(line, soft_wrap=True)


def _writer(path: Path, stack: ExitStack) -> Callable[[AnyIncident], None]:
    """Writes each revision as the line that it is in the topic."""
    try:
        file = stack.enter_context(path.open("wb"))
    except OSError as error:
        raise _unwritten(path, error) from error

    def write(incident: AnyIncident) -> None:
        file.write(incident.to_line() + b"\n")

    return write


def _draw(folder: Path, result: Result, labels: Sequence[Labelled], zone: ZoneInfo) -> list[Path]:
    volume, asked = result.volume, result.asked
    assert volume.first_at is not None and volume.last_at is not None
    start = max(volume.first_at, asked.since) if asked.since else volume.first_at
    end = min(volume.last_at, asked.until) if asked.until else volume.last_at
    old = result.told[1].alarms if len(result.told) > 1 else []
    paths = []
    for brand in sorted(volume.hours):
        drawn = brand_picture(
            brand,
            volume.hours[brand],
            (start, end),
            [alarm for alarm in result.told[0].alarms if alarm.brand == brand],
            zone,
            old=[alarm for alarm in old if alarm.brand == brand],
            labels=[label for label in labels if label.brand == brand],
        )
        path = folder / f"{_file_name(brand)}.svg"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(drawn, encoding="utf-8")
        except OSError as error:
            raise _unwritten(path, error) from error
        paths.append(path)
    return paths


def _file_name(brand: str) -> str:
    """A brand's id as a name that no file system refuses and no two brands share."""
    plain = re.sub(r"[^\w-]", "_", brand)
    if plain == brand:
        return plain
    return f"{plain}-{sha256(brand.encode()).hexdigest()[:8]}"


def _unwritten(path: Path, error: OSError) -> FatalError:
    why = unwritten(error)
    return FatalError(say(f"写不了 {path}：{why}。", f"{path} can't be written: {why}."))
