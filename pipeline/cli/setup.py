"""Commands that set things up: config, schemas, train."""

from pathlib import Path
from typing import Annotated, Any

import tomli_w
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pipeline.check import check_settings
from pipeline.cli.common import JsonOption, app, console, print_json, settings_of
from pipeline.cli.train_aspects import HELP, train_aspects
from pipeline.corrections import corrected_rows
from pipeline.schema_export import write_schemas
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import unwritten

config_app = typer.Typer(help=say("设置。", "Settings."), no_args_is_help=True)
train_app = typer.Typer(
    help=say("用自己的数据训练模型。", "Train models on your own data."), no_args_is_help=True
)
app.add_typer(config_app, name="config")
app.add_typer(train_app, name="train")
train_app.command("aspects", help=HELP)(train_aspects)


@config_app.command(
    "check",
    help=say("检查设置、规则文件和每个组件的选项。", "Check settings, rule file and every option."),
)
def config_check(context: typer.Context) -> None:
    """Check the settings without starting anything."""
    settings = settings_of(context)
    check_settings(settings)
    console.print(say("设置没有问题。", "The settings are fine."))


@config_app.command(
    "show",
    help=say("显示生效的设置；机密已遮盖。", "Show the settings in force; secrets are masked."),
)
def config_show(context: typer.Context, json_output: JsonOption = False) -> None:
    """Show the settings."""
    tree = _plain(settings_of(context).model_dump(mode="python"))
    if json_output:
        print_json(tree)
    else:
        console.print(tomli_w.dumps(tree), markup=False, soft_wrap=True, end="")


def _plain(value: Any) -> Any:
    """TOML knows no null, path or secret: leave out, write, mask."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


@app.command(
    "schemas",
    help=say(
        "写出每种记录的 JSON Schema 和全部 topic 的 AsyncAPI 文档。",
        "Write the JSON Schema of every record and the AsyncAPI document of all topics.",
    ),
)
def schemas_command(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", help=say("目标文件夹。", "Target folder."))] = Path(
        "schemas-out"
    ),
    json_output: JsonOption = False,
) -> None:
    """Write the schemas."""
    settings_of(context)
    try:
        paths = write_schemas(out)
    except OSError as error:
        why = unwritten(error)
        raise FatalError(say(f"写不到 {out}：{why}。", f"Cannot write to {out}: {why}.")) from None
    if json_output:
        print_json([str(path) for path in paths])
    else:
        console.print(say(f"{len(paths)} 个文件写到 {out}。", f"{len(paths)} files in {out}."))


@train_app.command(
    "sentiment",
    help=say(
        "训练情绪模型：JSONL，每行 {text, label}，label 为 -1、0、1。",
        "Train the mood model: JSONL, each line {text, label} with label -1, 0 or 1.",
    ),
)
def train_sentiment(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="JSONL ...")],
    out: Annotated[Path, typer.Option("--out", help=say("模型文件。", "Model file."))] = Path(
        "sentiment.npz"
    ),
    corrections: Annotated[
        bool,
        typer.Option(
            "--corrections",
            help=say(
                "也用 Kafka 里的更正：与其他数据集矛盾时以更正为准，一条抵五条。",
                "Also use the corrections in Kafka: they win over the other sets, and each counts "
                "as five rows.",
            ),
        ),
    ] = False,
    corrections_file: Annotated[
        Path | None,
        typer.Option(
            "--corrections-file",
            help=say(
                "同上，但来自 tingchao corrections export 写的文件。",
                "The same, from a file that `tingchao corrections export` wrote.",
            ),
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Train the sentiment model."""
    from processors.sentiment_training import train_files

    settings = settings_of(context)
    corrected = corrected_rows(settings, corrections, corrections_file)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=json_output or not console.is_terminal,
    ) as bar:
        row = bar.add_task(say("训练", "training"))

        def show(done: int, total: int) -> None:
            bar.update(row, completed=done, total=total)

        report = train_files(files, out, show, corrected)
    if json_output:
        print_json(report.sets)
        return
    table = Table(
        say("数据集", "Set"), say("行", "Rows"), say("交叉验证宏 F1", "Out-of-fold macro-F1")
    )
    for one in report.sets:
        table.add_row(one.name, f"{one.rows:,}", f"{100 * one.macro_f1:.1f}")
    console.print(table)
    console.print(say(f"模型写到 {out}。", f"The model is in {out}."))
