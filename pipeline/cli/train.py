"""Commands that train models on the user's own data: train sentiment, emotions, aspects."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from pipeline.cli.common import JsonOption, app, console, print_json, settings_of
from pipeline.corrections import corrected_aspects, corrected_intents, corrected_rows
from schemas.language import say

if TYPE_CHECKING:  # numpy and scipy, which no other command needs
    from processors.sentiment import Domain

train_app = typer.Typer(
    help=say("用自己的数据训练模型。", "Train models on your own data."), no_args_is_help=True
)
app.add_typer(train_app, name="train")

Files = Annotated[list[Path], typer.Argument(help="JSONL ...")]
Corrections = Annotated[
    bool,
    typer.Option(
        "--corrections",
        help=say(
            "也用 Kafka 里的更正：与其他数据集矛盾时以更正为准，一条抵五条。",
            "Also use the corrections in Kafka: they win over the other sets, and each counts "
            "as five rows.",
        ),
    ),
]
CorrectionsFile = Annotated[
    Path | None,
    typer.Option(
        "--corrections-file",
        help=say(
            "同上，但来自 tingchao corrections export 写的文件。",
            "The same, from a file that `tingchao corrections export` wrote.",
        ),
    ),
]
Domains = Annotated[
    list[str] | None,
    typer.Option(
        "--domain",
        help=say(
            "集合属于哪个领域：集合名=general、crisis、cars 或 reviews；可多次。",
            "What a set is about: SET=general, crisis, cars or reviews; may be repeated.",
        ),
    ),
]
Told = Callable[[int, int], None]
Result = TypeVar("Result")


@train_app.command(
    "sentiment",
    help=say(
        "训练情绪模型：JSONL，每行 {text, label}，label 为 -1、0、1；一个文件是一个集合。",
        "Train the mood model: JSONL, each line {text, label} with label -1, 0 or 1; "
        "a file is a set.",
    ),
)
def train_sentiment(
    context: typer.Context,
    files: Files,
    out: Annotated[Path, typer.Option("--out", help=say("模型文件。", "Model file."))] = Path(
        "sentiment.npz"
    ),
    domain: Domains = None,
    corrections: Corrections = False,
    corrections_file: CorrectionsFile = None,
    json_output: JsonOption = False,
) -> None:
    """Train the sentiment model."""
    from processors.sentiment_training import LABELS, train_files

    settings = settings_of(context)
    corrected = corrected_rows(settings, "sentiment", corrections, corrections_file, LABELS)
    domains = _domains(domain or [], [path.stem for path in files])
    trained = _shown(lambda told: train_files(files, out, domains, told, corrected), json_output)
    if json_output:
        print_json(trained.sets)
        return
    table = Table(
        say("数据集", "Set"),
        say("领域", "Domain"),
        say("行", "Rows"),
        say("交叉验证宏 F1", "Out-of-fold macro-F1"),
        say("校准误差", "Calibration error"),
    )
    for one in trained.sets:
        table.add_row(
            one.name,
            one.domain,
            f"{one.rows:,}",
            f"{100 * one.macro_f1:.1f}",
            f"{100 * one.calibration_error:.1f}",
        )
    console.print(table)
    console.print(say(f"模型写到 {out}。", f"The model is in {out}."))


@train_app.command(
    "emotions",
    help=say(
        "训练情感（喜怒哀惧等）模型：JSONL，每行 {text, label}，label 为 -1、0、1 或情感名。",
        "Train the model of feelings: JSONL, each line {text, label} with label -1, 0, 1 or "
        "a feeling.",
    ),
)
def train_emotions(
    context: typer.Context,
    files: Files,
    out: Annotated[Path, typer.Option("--out", help=say("模型文件。", "Model file."))] = Path(
        "emotions.npz"
    ),
    corrections: Corrections = False,
    corrections_file: CorrectionsFile = None,
    json_output: JsonOption = False,
) -> None:
    """Train the emotion model."""
    from processors.emotions_training import LABELS, train_files

    settings = settings_of(context)
    corrected = corrected_rows(settings, "emotion", corrections, corrections_file, LABELS)
    trained = _shown(lambda told: train_files(files, out, told, corrected), json_output)
    figures = {
        "rows": trained.rows,
        "mood_macro_f1": round(trained.mood_f1, 4),
        "feeling_macro_f1": round(trained.seed_f1, 4),
    }
    if json_output:
        print_json(figures)
        return
    console.print(
        say(
            f"{trained.rows:,} 条文字。未参与训练的文字上：正负中性宏 F1 "
            f"{100 * trained.mood_f1:.1f}，标有情感的文字宏 F1 {100 * trained.seed_f1:.1f}。",
            f"{trained.rows:,} texts. On texts held out: macro-F1 of the three moods "
            f"{100 * trained.mood_f1:.1f}, of the feelings {100 * trained.seed_f1:.1f}.",
        )
    )
    console.print(say(f"模型写到 {out}。", f"The model is in {out}."))


@train_app.command(
    "intents",
    help=say(
        "训练投诉与表扬模型：JSONL，每行 {text, label}，label 为 -1、0、1；"
        "评论和汽车集合里的差评算投诉。",
        "Train the model of complaints and praise: JSONL, each line {text, label} with label -1, "
        "0 or 1; bad texts of sets about reviews and cars are complaints.",
    ),
)
def train_intents(
    context: typer.Context,
    files: Files,
    out: Annotated[Path, typer.Option("--out", help=say("模型文件。", "Model file."))] = Path(
        "intents.npz"
    ),
    domain: Domains = None,
    corrections: Corrections = False,
    corrections_file: CorrectionsFile = None,
    json_output: JsonOption = False,
) -> None:
    """Train the model of complaints and praise."""
    from processors.intents_training import train_files

    corrected = corrected_intents(settings_of(context), corrections, corrections_file)
    domains = _domains(domain or [], [path.stem for path in files])
    trained = _shown(lambda told: train_files(files, out, domains, told, corrected), json_output)
    if json_output:
        print_json({"rows": trained.rows, **{k: round(v, 4) for k, v in trained.f1.items()}})
        return
    complaint, praise = (100 * trained.f1[name] for name in ("complaint", "praise"))
    console.print(
        say(
            f"{trained.rows:,} 条文字。未参与训练的文字上：投诉 F1 {complaint:.1f}，"
            f"表扬 F1 {praise:.1f}。",
            f"{trained.rows:,} texts. On texts held out: F1 of complaints {complaint:.1f}, "
            f"of praise {praise:.1f}.",
        )
    )
    console.print(say(f"模型写到 {out}。", f"The model is in {out}."))


@train_app.command(
    "aspects",
    help=say(
        "训练方面模型：JSONL，每行 {text, aspects}，aspects 为名称到 -1、0、1。",
        "Train the aspect model: JSONL, each line {text, aspects}: names with -1, 0 or 1.",
    ),
)
def train_aspects(
    context: typer.Context,
    files: Files,
    out: Annotated[Path, typer.Option("--out", help=say("模型文件。", "Model file."))] = Path(
        "aspects.npz"
    ),
    corrections: Corrections = False,
    corrections_file: CorrectionsFile = None,
    json_output: JsonOption = False,
) -> None:
    """Train the aspect model."""
    from processors.aspects_training import train_files

    corrected = corrected_aspects(settings_of(context), corrections, corrections_file)
    trained = _shown(lambda told: train_files(files, out, told, corrected), json_output)
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


def _domains(given: Sequence[str], sets: Sequence[str]) -> "dict[str, Domain]":
    from processors.sentiment import DOMAINS

    found: dict[str, Domain] = {}
    for one in given:
        name, _, value = one.partition("=")
        domain = next((known for known in DOMAINS if known == value), None)
        if domain is None or name not in sets:
            raise typer.BadParameter(
                say(
                    f"--domain {one} 要写成 集合名=领域：集合是 {'、'.join(sets)}，"
                    f"领域是 {'、'.join(DOMAINS)}。",
                    f"--domain {one} must read SET=DOMAIN with a set of {', '.join(sets)} "
                    f"and a domain of {', '.join(DOMAINS)}.",
                )
            )
        found[name] = domain
    return found


def _shown(work: Callable[[Told], Result], quiet: bool) -> Result:
    """Run a training under a bar of its fits."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    ) as bar:
        row = bar.add_task(say("训练", "training"))
        return work(lambda done, total: bar.update(row, completed=done, total=total))
