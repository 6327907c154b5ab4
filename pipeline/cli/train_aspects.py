"""`tingchao train aspects`: the car model on one's own texts."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pipeline.cli.common import JsonOption, console, print_json, settings_of
from schemas.language import say

__all__ = ["HELP", "train_aspects"]

HELP = say(
    "训练方面模型：JSONL，每行 {text, aspects}，aspects 为名称到 -1、0、1。",
    "Train the aspect model: JSONL, each line {text, aspects}: names with -1, 0 or 1.",
)


def train_aspects(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="JSONL ...")],
    out: Annotated[Path, typer.Option("--out", help=say("模型文件。", "Model file."))] = Path(
        "aspects.npz"
    ),
    json_output: JsonOption = False,
) -> None:
    """Train the aspect model."""
    from processors.aspects_training import train_files

    settings_of(context)
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

        trained = train_files(files, out, show)
    if json_output:
        print_json([asdict(one) for one in trained.aspects])
        return
    table = Table(
        say("方面", "Aspect"),
        say("文本", "Texts"),
        say("方面 F1", "Aspect F1"),
        say("方面与态度 F1", "F1 with mood"),
    )
    for one in trained.aspects:
        table.add_row(
            one.aspect, f"{one.texts:,}", f"{100 * one.f1:.1f}", f"{100 * one.pair_f1:.1f}"
        )
    every = f"{100 * trained.f1:.1f}", f"{100 * trained.pair_f1:.1f}"
    table.add_row(say("全部", "all"), f"{trained.texts:,}", *every)
    console.print(table)
    console.print(say(f"模型写到 {out}。", f"The model is in {out}."))
