"""The command that measures the chain on labelled texts: quality."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from pipeline.cli.common import (
    JsonOption,
    app,
    console,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.cli.rules import SetOption
from pipeline.clock import now
from pipeline.labelled import LabelledFile, read_labelled
from pipeline.one_post import asked_rules
from pipeline.quality import judge_file, needed_chain
from pipeline.rules import no_rules
from pipeline.settings import Settings
from processors.explained import percent
from processors.labels import NOTHING, Question, label_word, question_word
from processors.quality import Case, Figure, Report, TagCase
from schemas.errors import FatalError
from schemas.language import say
from schemas.rules import RuleSet, joined
from schemas.small_file import unread

__all__: list[str] = []

_EXCERPT = 60
#: A cell that begins so is a formula to a spreadsheet, and strangers wrote these texts.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class _Measured(NamedTuple):
    """One file with its figures."""

    file: LabelledFile
    reports: dict[Question, Report | None]


@app.command(
    "quality",
    help=say(
        "量一量判断得准不准：读带标签的文件，跑设置里的处理链，给出各标签的准确程度、混淆和最有把握的"
        "错误。文件：JSONL、CSV、TSV、XLSX（UTF-8 或 GB18030），列 text（文本）和 label（情感 "
        "-1/0/1 或负面……，或情绪）、emotion（情绪）、intents（意图）、brands（品牌）、aspects"
        "（方面，如 动力:负面）。",
        "Measure how right the chain is: reads labelled files, runs the settings' chain, and shows "
        "figures of each label, the confusion and the most confident errors. Files: JSONL, CSV, "
        "TSV, XLSX (UTF-8 or GB18030) with the columns text and label (mood -1/0/1 or negative "
        "..., or an emotion), emotion, intents, brands, aspects (as in power:negative).",
    ),
)
def quality(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help=say("带标签的文件。", "Labelled files."))],
    most_errors: Annotated[
        int,
        typer.Option(
            "--errors",
            min=0,
            max=1000,
            help=say("每项列出几个最有把握的错误。", "Most confident errors to list of each."),
        ),
    ] = 5,
    csv_out: Annotated[
        Path | None,
        typer.Option(
            "--csv-out",
            help=say(
                "把所有错误写成表格（CSV），改好 label 列后可用于更正和再次测量。",
                "Write all errors as a table (CSV), to correct its column label and use it again.",
            ),
        ),
    ] = None,
    rules: Annotated[
        Path | None,
        typer.Option(
            "--rules",
            help=say("品牌取自这个规则文件。", "Brands as in this rule file."),
        ),
    ] = None,
    rule_set: SetOption = None,
    json_output: JsonOption = False,
) -> None:
    """Measure quality."""
    settings = settings_of(context)
    read = [read_labelled(path) for path in files]
    brands_asked = any("brands" in row.truth for file in read for row in file.rows)
    asked = _rules(settings, rules, rule_set, needed=brands_asked)
    chain = needed_chain(settings, asked)
    at = now()
    measured = [_Measured(file, judge_file(file, chain, asked, at)) for file in read]
    if csv_out is not None:
        _write_errors(csv_out, measured)
    if json_output:
        print_json(_as_json(measured, chain.models, most_errors))
        return
    for one in measured:
        _print_file(one, most_errors)
    versions = say("，", ", ").join(f"{name} {version}" for name, version in chain.models.items())
    console.print(say(f"判断用的版本：{versions}", f"Judged by: {versions}"), soft_wrap=True)
    console.print(_trained_note(), style="yellow", soft_wrap=True)
    if csv_out is not None:
        console.print(say(f"错误写到 {csv_out}。", f"The errors are in {csv_out}."))


def _rules(settings: Settings, file: Path | None, rule_set: str | None, *, needed: bool) -> RuleSet:
    """The brands' names are asked for only where labels or options ask for them."""
    if file is None and rule_set is None and not needed:
        return no_rules(settings.rules.followed[0])
    return joined(wait_for(asked_rules(settings, file, rule_set)))


def _trained_note() -> str:
    return say(
        "如果这些行参与过训练，数字会偏高；方括号里是 95 % 的区间。",
        "If a model was trained on these rows, the figures flatter it; brackets hold 95 %.",
    )


# --- shown ------------------------------------------------------------------------------------


def _print_file(one: _Measured, most_errors: int) -> None:
    file = one.file
    head = say(f"{file.path}  {len(file.rows):,} 行", f"{file.path}  {len(file.rows):,} rows")
    if file.unlabelled:
        head += say(f"，另有 {file.unlabelled} 行没有标签", f", {file.unlabelled} without a label")
    if file.repeated:
        head += say(f"，{file.repeated} 行文字重复", f", {file.repeated} repeat a text")
    if file.ignored:
        head += say("，没用到的列：", ", columns not used: ") + ", ".join(file.ignored[:10])
    console.print(head, style="bold", soft_wrap=True)
    for question, report in one.reports.items():
        if report is None:
            console.print(f"  {_unanswered(question)}", style="yellow", soft_wrap=True)
            continue
        _print_figures(question, report)
        _print_labels(question, report)
        if report.confusion:
            _print_confusion(question, report)
        _print_errors(question, report, most_errors)


def _unanswered(question: Question) -> str:
    word = question_word(question)
    return say(
        f"{word}：处理链一个也没有给出；请看设置里的 enrich.chain 有没有这一步。",
        f"{word}: the chain gave none at all; see whether enrich.chain has such a step.",
    )


def _print_figures(question: Question, report: Report) -> None:
    parts = [say("宏平均 F1 ", "macro-F1 ") + _shown(report.macro_f1)]
    if not report.confusion:
        parts.append(say("微平均 F1 ", "micro-F1 ") + _shown(report.micro_f1))
    right = say("准确率 ", "accuracy ") if report.confusion else say("全对的行 ", "rows all right ")
    parts.append(right + _shown(report.accuracy))
    if report.calibration_error is not None:
        parts.append(say("校准误差 ECE ", "ECE ") + f"{report.calibration_error:.3f}")
    if report.macro_f1_among is not None:
        among = say("只在文件有的标签里选时宏平均 F1 ", "macro-F1 among the file's labels ")
        parts.append(f"{among}{100 * report.macro_f1_among:.1f}")
    if report.micro_f1_among is not None:
        among = say("只看文件有的标签时微平均 F1 ", "micro-F1 among the file's labels ")
        parts.append(among + _shown(report.micro_f1_among))
    line = f"  {question_word(question)}  {report.rows:,}  " + say("；", "; ").join(parts)
    console.print(line, style="bold cyan", soft_wrap=True)
    if report.never_given:
        names = say("、", ", ").join(label_word(question, one) for one in report.never_given[:20])
        never = say("处理链从不给出的标签：", "Labels that the chain never gives: ")
        console.print(f"  {never}{names}", style="yellow", soft_wrap=True)


def _print_labels(question: Question, report: Report) -> None:
    table = Table(
        say("标签", "Label"),
        say("行", "Rows"),
        say("判为", "Given"),
        say("精确率", "Precision"),
        say("召回率", "Recall"),
        "F1",
    )
    others = [score for score in report.labels if not score.rows and not report.confusion]
    for score in sorted(report.labels, key=lambda one: -one.rows):
        if score in others:
            continue
        word = label_word(question, score.label)
        figures = (
            _shown(score.precision) if score.answers else "–",
            *(_shown(figure) if score.rows else "–" for figure in (score.recall, score.f1)),
        )
        table.add_row(word, f"{score.rows:,}", f"{score.answers:,}", *figures)
    console.print(table)
    if others:
        others.sort(key=lambda one: -one.answers)
        most = (f"{label_word(question, one.label)} {one.answers:,}" for one in others[:5])
        listed = say("、", ", ").join(most)
        console.print(
            say(
                f"  文件里没有、却判了的标签 {len(others)} 种：{listed}",
                f"  {len(others)} labels were given that no row has: {listed}",
            ),
            soft_wrap=True,
        )


def _print_confusion(question: Question, report: Report) -> None:
    truths = sorted({truth for truth, _ in report.confusion})
    answers = sorted({answer for _, answer in report.confusion})
    table = Table(
        say("正确 ＼ 判为", "Right \\ given"), *(label_word(question, one) for one in answers)
    )
    for truth in truths:
        cells = (f"{report.confusion.get((truth, answer), 0):,}" for answer in answers)
        table.add_row(label_word(question, truth), *cells)
    console.print(table)


def _print_errors(question: Question, report: Report, most: int) -> None:
    shown = report.errors[:most]
    if not shown:
        return
    console.print(
        say(
            f"  {len(report.errors):,} 个错误，最有把握的 {len(shown)} 个：",
            f"  {len(report.errors):,} errors, the {len(shown)} most confident:",
        )
    )
    for case in shown:
        line = say(f"第 {case.line} 行", f"line {case.line}")
        text = case.text.replace("\n", " ")
        excerpt = text[:_EXCERPT] + ("…" if len(text) > _EXCERPT else "")
        console.print(f"    {line}  {_verdict(question, case)}  {excerpt}", soft_wrap=True)


def _verdict(question: Question, case: Case | TagCase) -> str:
    if isinstance(case, Case):
        sure = f" {percent(case.sure)}" if case.shares else ""
        answer = label_word(question, case.answer) + sure
        right = label_word(question, case.truth)
    else:
        answer = _listed(question, case.answers)
        right = _listed(question, sorted(case.truth))
    return say(f"判为 {answer}，应为 {right}", f"given {answer}, right {right}")


def _listed(question: Question, labels: Any) -> str:
    words = [label_word(question, label) for label in labels]
    return say("、", ", ").join(words) or say("无", "none")


def _shown(figure: Figure) -> str:
    value, low, high = (100 * one for one in figure)
    return f"{value:.1f} [{low:.1f}, {high:.1f}]"


# --- for programs -----------------------------------------------------------------------------


def _as_json(
    measured: Sequence[_Measured], models: dict[str, str], most_errors: int
) -> dict[str, Any]:
    return {
        "files": [
            {
                "file": str(one.file.path),
                "rows": len(one.file.rows),
                "unlabelled": one.file.unlabelled,
                "repeated": one.file.repeated,
                "ignored": one.file.ignored,
                "questions": {
                    question: _report_json(report, most_errors) if report else None
                    for question, report in one.reports.items()
                },
            }
            for one in measured
        ],
        "models": models,
        "note": _trained_note(),
    }


def _report_json(report: Report, most_errors: int) -> dict[str, Any]:
    confusion: dict[str, dict[str, int]] = {}
    for (truth, answer), count in sorted(report.confusion.items()):
        confusion.setdefault(truth, {})[answer] = count
    figures = ("accuracy", "macro_f1", "micro_f1")
    return {
        "rows": report.rows,
        **{name: getattr(report, name)._asdict() for name in figures},
        "calibration_error": report.calibration_error,
        "macro_f1_among": report.macro_f1_among,
        "micro_f1_among": report.micro_f1_among and report.micro_f1_among._asdict(),
        "labels": [
            one._asdict()
            | {name: getattr(one, name)._asdict() for name in ("precision", "recall", "f1")}
            for one in report.labels
        ],
        "confusion": confusion,
        "never_given": report.never_given,
        "errors": [
            case._asdict() | ({"truth": sorted(case.truth)} if isinstance(case, TagCase) else {})
            for case in report.errors[:most_errors]
        ],
        "error_count": len(report.errors),
    }


def _write_errors(path: Path, measured: Sequence[_Measured]) -> None:
    """Every error as a row that names its question in ``field``; ``label`` is what the file says.

    With a byte order mark, so that spreadsheets read UTF-8.
    """
    try:
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            table = csv.writer(file)
            table.writerow(("field", "text", "label", "answer", "sure", "file", "line"))
            for one in measured:
                for question, report in one.reports.items():
                    for case in report.errors if report else ():
                        name = one.file.path.name
                        table.writerow((question, *_cells(case), name, case.line))
    except OSError as error:
        raise FatalError(
            say(f"写不了 {path}：{unread(error)}。", f"Cannot write {path}: {unread(error)}.")
        ) from error


def _cells(case: Case | TagCase) -> tuple[str, str, str, str]:
    text = f" {case.text}" if case.text.startswith(_FORMULA) else case.text
    if isinstance(case, Case):
        return text, case.truth, case.answer, f"{case.sure:.4f}" if case.shares else ""
    right, answers = ";".join(sorted(case.truth)), ";".join(case.answers)
    sure = max(case.answers.values(), default=None)
    return text, right or NOTHING, answers or NOTHING, "" if sure is None else f"{sure:.4f}"
