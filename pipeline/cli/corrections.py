"""Commands for corrections: add, import, list, remove, export."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    app,
    console,
    local_time,
    login_name,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.clock import now
from pipeline.correction_file import BadRow, Wanted, read_correction_file
from pipeline.corrections import (
    Outcome,
    add_corrections,
    read_corrections,
    remove_corrections,
)
from pipeline.endpoints import kafka_of
from processors.corrections import check_labels, export_rows, field_of, label_name
from schemas.correction import CorrectedField, Correction
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import unwritten

__all__: list[str] = []

corrections_app = typer.Typer(
    help=say(
        "更正：系统判错了的，人说了算；train 用它们训练。",
        "Corrections: what is right where a finding was wrong; train learns from them.",
    ),
    no_args_is_help=True,
)
app.add_typer(corrections_app, name="corrections")

MAX_SHOWN = 100
"""Bad rows that are listed for people; for programs all are."""

_POST_ID = re.compile(r"[a-z][a-z0-9-]{0,31}:[^\s\x00-\x1f]+")

FIELD_HELP = "sentiment | emotion | intents | aspects | brands | departments"
ByOption = Annotated[
    str | None,
    typer.Option("--by", help=say("谁；默认登录名。", "Who; the login name by default.")),
]


def _field(written: str) -> CorrectedField:
    try:
        return field_of(written)
    except ValueError as error:
        raise FatalError(say(f"--field：{error}。", f"--field: {error}.")) from None


# --- adding -----------------------------------------------------------------------------------


@corrections_app.command(
    "add",
    help=say(
        "更正一条帖子或一段文字；同一人再次更正会取代上一次。",
        "Correct a post or a text; the same person's next word replaces the last.",
    ),
)
def corrections_add(
    context: typer.Context,
    subject: Annotated[
        str,
        typer.Argument(
            help=say("索引里的帖子 id，或一段文字。", "Id of an indexed post, or a text.")
        ),
    ],
    field: Annotated[str, typer.Option("--field", help=FIELD_HELP)],
    label: Annotated[
        list[str],
        typer.Option(
            "--label",
            help=say(
                "正确的标签；可以写多个，都不对写 none。方面要带情绪，如 price:negative。",
                "What is right; may stand several times, none for none. An aspect has its mood, "
                "as in price:negative.",
            ),
        ),
    ],
    by: ByOption = None,
    reason: Annotated[str | None, typer.Option("--reason", help=say("为什么。", "Why."))] = None,
    as_text: Annotated[
        bool,
        typer.Option(
            "--as-text",
            help=say("当作文字，即使像帖子 id。", "Take it as a text though it looks like an id."),
        ),
    ] = False,
    json_output: JsonOption = False,
) -> None:
    """Add one correction."""
    settings = settings_of(context)
    chosen = _field(field)
    try:
        labels = check_labels(chosen, label)
    except ValueError as error:
        raise FatalError(say(f"--label：{error}。", f"--label: {error}.")) from None
    # Whatever may be an id is one: an id that was noted as a text would never be seen again.
    is_post = not as_text and _POST_ID.fullmatch(subject) is not None
    text, post_id = (None, subject) if is_post else (subject, None)
    wanted = Wanted(0, chosen, labels, by or login_name(), text, post_id, reason=reason)
    done = wait_for(add_corrections(settings, [wanted], now(), revive=True))
    if done.bad:
        why = done.bad[0].message
        if is_post:
            why += say("；如果是一段文字，请加 --as-text", "; if it is a text, add --as-text")
        raise FatalError(say(f"没有记下：{why}。", f"Not noted: {why}."))
    [one] = done.added or done.same
    if json_output:
        print_json(one)
        return
    right = _labels(one.field, one.labels)
    said = say(f"（原判：{_said(one)}）", f" (it was judged {_said(one)})") if one.said else ""
    if done.added:
        text = say(f"已记下：{field} 是 {right}{said}。", f"Noted: {field} is {right}{said}.")
    else:
        text = say(f"早已记下：{field} 是 {right}。", f"Noted already: {field} is {right}.")
    console.print(f"{text}  {one.id}", soft_wrap=True)


@corrections_app.command(
    "import",
    help=say(
        "导入表格里的更正；再导入一次不会重复。\n\n"
        "CSV/TSV/JSONL/XLSX，UTF-8 或 GB18030；列 text 或 post_id、field、label、by，可有 reason、"
        "platform。好的行写入，坏的行指出行号和改法，退出码 1。",
        "Import corrections from a table; importing again changes nothing.\n\n"
        "CSV/TSV/JSONL/XLSX, UTF-8 or GB18030; columns text or post_id, field, label, by; also "
        "reason, platform. Good rows are written, bad ones named with line and remedy (exit code "
        "1).",
    ),
)
def corrections_import(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help=say("文件。", "File."))],
    field: Annotated[
        str | None,
        typer.Option(
            "--field",
            help=say("没有 field 列时：", "Where there is no column field: ") + FIELD_HELP,
        ),
    ] = None,
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Import corrections."""
    settings = settings_of(context)
    chosen = _field(field) if field is not None else None
    rows = list(read_correction_file(file, field=chosen, by=by or login_name()))
    done = wait_for(add_corrections(settings, rows, now()))
    if json_output:
        counts = {"added": len(done.added), "same": len(done.same)}
        print_json(counts | {"withdrawn": len(done.withdrawn), "bad": done.bad})
    else:
        _print_outcome(done)
    if done.bad:
        raise typer.Exit(EXIT_NO)


def _print_outcome(done: Outcome) -> None:
    _print_bad(done.bad)
    if done.withdrawn:
        console.print(
            say(
                f"! {len(done.withdrawn)} 条以前被撤回，没有写入；要恢复请用 "
                "tingchao corrections add。",
                f"! {len(done.withdrawn)} were withdrawn before and are left out; bring one back "
                "with `tingchao corrections add`.",
            ),
            style="yellow",
            soft_wrap=True,
        )
    console.print(
        say(
            f"写入 {len(done.added)} 条更正，{len(done.same)} 条早已在，{len(done.bad)} 行有误。",
            f"{len(done.added)} corrections written, {len(done.same)} there already, "
            f"{len(done.bad)} bad rows.",
        ),
        soft_wrap=True,
    )


def _print_bad(bad: Sequence[BadRow]) -> None:
    for one in bad[:MAX_SHOWN]:
        line = say(f"✗ 第 {one.line} 行：{one.message}。", f"✗ line {one.line}: {one.message}.")
        console.print(line, style="red", soft_wrap=True)
    if (more := len(bad) - MAX_SHOWN) > 0:
        console.print(
            say(f"…… 另有 {more} 行（--json 列出全部）", f"… and {more} more (--json lists all)")
        )


# --- looking ----------------------------------------------------------------------------------


@corrections_app.command(
    "list",
    help=say(
        "最近的更正；--all 也列出已撤回的。", "The last corrections; --all also withdrawn ones."
    ),
)
def corrections_list(
    context: typer.Context,
    field: Annotated[str | None, typer.Option("--field", help=FIELD_HELP)] = None,
    by: Annotated[
        str | None, typer.Option("--by", help=say("只看这个人的。", "Only this person's."))
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help=say("也列出已撤回的。", "Also those withdrawn."))
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help=say("最多几条。", "At most."))
    ] = 50,
    json_output: JsonOption = False,
) -> None:
    """List corrections."""
    settings = settings_of(context)
    chosen = _field(field) if field is not None else None
    known = wait_for(read_corrections(kafka_of(settings))).values()
    found = sorted(
        (
            one
            for one in known
            if (every or not one.deleted) and chosen in (None, one.field) and by in (None, one.by)
        ),
        key=lambda one: (one.at, one.id),
    )
    if json_output:
        print_json(found[-limit:])
        return
    if not found:
        console.print(
            say(
                "还没有更正；用 tingchao corrections add 或 import 写入。",
                "No corrections yet; write some with `tingchao corrections add` or `import`.",
            )
        )
        return
    table = Table(
        "id",
        say("时间", "At"),
        say("谁", "By"),
        say("项", "Field"),
        say("原判", "Judged"),
        say("应为", "Right"),
        say("文字", "Text"),
        say("原因", "Reason"),
    )
    for one in found[-limit:]:
        table.add_row(
            one.id,
            local_time(one.at, settings),
            one.by,
            one.field,
            _said(one),
            say("（已撤回）", "(withdrawn)") if one.deleted else _labels(one.field, one.labels),
            _short(one.text),
            one.reason or "",
        )
    console.print(table)
    console.print(
        say(
            f"共 {len(found)} 条，显示最近 {min(limit, len(found))} 条。",
            f"{len(found)} in all, the last {min(limit, len(found))} shown.",
        )
    )


def _labels(field: CorrectedField, labels: Sequence[str]) -> str:
    if not labels:
        return say("无", "none")
    return say("、", ", ").join(label_name(field, label) for label in labels)


def _said(one: Correction) -> str:
    return _labels(one.field, one.said.labels) if one.said else "–"


def _short(text: str) -> str:
    return text[:40].replace("\n", " ") + ("…" if len(text) > 40 else "")


# --- removing and exporting -------------------------------------------------------------------


@corrections_app.command(
    "remove",
    help=say(
        "撤回一条更正，或一条帖子的全部更正；文字不再保留。",
        "Withdraw a correction, or all of a post; its text is not kept.",
    ),
)
def corrections_remove(
    context: typer.Context,
    subject: Annotated[
        str, typer.Argument(help=say("更正的 id，或帖子 id。", "Id of a correction, or of a post."))
    ],
    by: ByOption = None,
    json_output: JsonOption = False,
) -> None:
    """Withdraw corrections."""
    settings = settings_of(context)
    gone = wait_for(remove_corrections(kafka_of(settings), subject, by or login_name(), now()))
    if json_output:
        print_json(gone)
    elif gone:
        console.print(
            say(
                f"撤回了 {len(gone)} 条更正；它们的文字会在 Kafka 下次压缩时消失。",
                f"{len(gone)} corrections withdrawn; their text leaves Kafka with its next "
                "compaction.",
            ),
            soft_wrap=True,
        )
    else:
        console.print(say(f"{subject} 早已撤回。", f"{subject} was withdrawn before."))


@corrections_app.command(
    "export",
    help=say(
        "写出训练数据（JSONL，每行 {text, label, weight}）；同一段文字以最新的更正为准。",
        "Write rows for training (JSONL, each line {text, label, weight}); of equal texts the "
        "newest correction counts.",
    ),
)
def corrections_export(
    context: typer.Context,
    field: Annotated[str, typer.Option("--field", help=FIELD_HELP)],
    out: Annotated[Path, typer.Option("--out", help=say("目标文件。", "Target file."))],
    json_output: JsonOption = False,
) -> None:
    """Export rows for training."""
    settings = settings_of(context)
    chosen = _field(field)
    rows = export_rows(wait_for(read_corrections(kafka_of(settings))).values(), chosen)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(lines, encoding="utf-8")
        os.replace(part, out)
    except OSError as error:
        why = unwritten(error)
        raise FatalError(say(f"写不到 {out}：{why}。", f"Cannot write {out}: {why}.")) from None
    if json_output:
        print_json({"rows": len(rows), "out": str(out)})
    else:
        console.print(say(f"{len(rows)} 行写到 {out}。", f"{len(rows)} rows in {out}."))
