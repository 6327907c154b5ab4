"""Commands that look: status, audit, dead letters.

What needs the Elasticsearch client imports it itself; see ``pipeline.endpoints``.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from pipeline.breaker import halts
from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    app,
    console,
    errors,
    local_time,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.dead_letters import Listed, obstacle, read_dead_letters, retry
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.lag import total_lag
from pipeline.settings import Settings
from pipeline.status import RoleStatus, role_statuses
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import read_small, unread
from schemas.topics import TOPICS

if TYPE_CHECKING:
    from pipeline.audit import AuditReport, Cell

__all__ = ["print_audit", "wait_until_drained"]

letters_app = typer.Typer(
    help=say("死信：处理不了的行。", "Dead letters: lines that could not be processed."),
    no_args_is_help=True,
)
app.add_typer(letters_app, name="dead-letters")


# --- status -----------------------------------------------------------------------------------


@app.command(
    "status",
    help=say(
        "每个角色落后多少、多快、死信多少。", "Per role: how far behind, how fast, dead letters."
    ),
)
def status(context: typer.Context, json_output: JsonOption = False) -> None:
    """Show the roles."""
    settings = settings_of(context)
    rows = wait_for(role_statuses(settings))
    if json_output:
        print_json(rows)
        return
    print_status(rows)
    for _, halt in halts(settings.folder):
        console.print(halt.sentence, style="bold red", markup=False, soft_wrap=True)


def print_status(rows: Sequence[RoleStatus]) -> None:
    """One line a role."""
    table = Table(
        say("角色", "Role"),
        say("进程", "Processes"),
        say("状态", "State"),
        say("落后（记录）", "Behind (records)"),
        say("最久等待", "Oldest waits"),
        say("每秒", "Per second"),
        say("死信", "Dead letters"),
        say("内存", "Memory"),
    )
    for row in rows:
        table.add_row(
            row.role,
            str(row.processes),
            say(_STATES_ZH[row.state], row.state) if row.state else "–",
            "–" if row.lag is None else str(row.lag),
            f"{row.oldest_seconds:.0f} s" if row.lag else "–",
            "–" if row.lines_per_second is None else f"{row.lines_per_second:,.0f}",
            str(row.dead_letters),
            f"{row.rss_bytes / 2**20:.0f} MiB" if row.rss_bytes else "–",
        )
    console.print(table)
    for row in rows:
        if row.reason and row.state != "halted":  # a halt is told by its own sentence
            name = "" if row.reason.startswith(row.role) else f"{row.role}: "
            console.print(f"{name}{row.reason}", style="yellow", markup=False, soft_wrap=True)


_STATES_ZH = {
    "ready": "就绪",
    "degraded": "等待外部恢复",
    "starting": "启动中",
    "stopping": "停止中",
    "halted": "已停下",
    "silent": "没有应答",
}


# --- audit ------------------------------------------------------------------------------------


@app.command(
    "audit",
    help=say(
        "每条进来的帖子都有下落吗？进 = 已索引 + 死信 + 有意略过；对不上则退出码 1。",
        "Does every post that came in have an end? in = indexed + dead letters + drops; exit code "
        "1 when it does not add up.",
    ),
)
def audit_command(
    context: typer.Context,
    wait: Annotated[
        float,
        typer.Option(
            "--wait",
            min=0,
            help=say("最多等多少秒，让在途的处理完。", "Seconds to wait for what is on its way."),
        ),
    ] = 30.0,
    json_output: JsonOption = False,
) -> None:
    """Audit the line."""
    settings = settings_of(context)
    report = wait_for(_audit(settings, wait))
    if json_output:
        print_json(audit_as_json(report))
    else:
        print_audit(report, settings)
    raise typer.Exit(0 if report.holds else EXIT_NO)


async def _audit(settings: Settings, wait_seconds: float) -> "AuditReport":
    from pipeline.audit import audit

    kafka = kafka_of(settings)
    index = elasticsearch_client(settings)
    try:
        await wait_until_drained(settings, wait_seconds)
        return await audit(kafka, index)
    finally:
        await index.close()


async def wait_until_drained(settings: Settings, seconds: float) -> bool:
    """Wait until enrich and index have read everything; False when the time ran out."""
    kafka = kafka_of(settings)
    end = asyncio.get_running_loop().time() + seconds
    while await total_lag(kafka, ("enrich", "index")):
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(0.5)
    return True


def print_audit(report: "AuditReport", settings: Settings, *, by_hour: bool = False) -> None:
    """The sum per source, what is missing, and the verdict."""
    total = report.total
    table = Table(
        say("来源", "Source"),
        say("进", "In"),
        say("已索引", "Indexed"),
        say("死信", "Dead letters"),
        say("略过", "Dropped"),
        say("缺失", "Missing"),
    )
    for source in sorted({source for source, _ in report.cells}):
        cells = [cell for (name, _), cell in report.cells.items() if name == source]
        table.add_row(
            source,
            *(
                f"{sum(getattr(cell, field) for cell in cells):,}"
                for field in ("produced", "indexed", "dead_lettered", "dropped", "missing")
            ),
        )
    console.print(table)
    for (source, hour), cell in sorted(report.cells.items()):
        if cell.missing:
            console.print(
                say(
                    f"{source} {local_time(hour, settings)} 这一小时缺 {cell.missing} 条。",
                    f"{source}, hour of {local_time(hour, settings)}: {cell.missing} missing.",
                )
            )
    for label, ids in (
        (say("缺失的帖子", "Missing posts"), report.missing),
        (say("没有死信的坏行", "Bad lines without dead letter"), report.unreadable_missing),
        (say("重复在两个索引里", "In two indices"), report.twice),
    ):
        if ids:
            more = f" … ({len(ids)})" if len(ids) > 20 else ""
            console.print(f"{label}: {', '.join(ids[:20])}{more}", markup=False, soft_wrap=True)
    if report.on_their_way:
        console.print(
            say(
                f"还有 {report.on_their_way} 个记录在途。",
                f"{report.on_their_way} records are still on their way.",
            )
        )
    if report.unreadable or report.rejected_at_ingest:
        console.print(
            say(
                f"另有 {report.unreadable} 行不是帖子、{report.rejected_at_ingest} 项在接入时被拒，"
                "都在死信里。",
                f"Besides, {report.unreadable} lines were no posts and {report.rejected_at_ingest} "
                "items were refused at ingest; dead letters hold them.",
            )
        )
    if report.holds:
        console.print(
            say(
                f"对得上：{_sum(total)}。",
                f"It adds up: {_sum(total)}.",
            ),
            style="green",
        )
    else:
        console.print(say("对不上。", "It does not add up."), style="red")


def _sum(total: "Cell") -> str:
    parts = (total.indexed, total.dead_lettered, total.dropped)
    return f"{total.produced:,} = " + " + ".join(f"{part:,}" for part in parts)


def audit_as_json(report: "AuditReport") -> dict[str, Any]:
    """The report for programs."""
    cells = [
        {"source": source, "hour": hour, **vars(cell)}
        for (source, hour), cell in sorted(report.cells.items())
    ]
    return {
        "holds": report.holds,
        "total": vars(report.total),
        "by_source_and_hour": cells,
        "missing": report.missing,
        "twice": report.twice,
        "unreadable": report.unreadable,
        "unreadable_missing": report.unreadable_missing,
        "rejected_at_ingest": report.rejected_at_ingest,
        "foreign": report.foreign,
        "on_their_way": report.on_their_way,
    }


# --- dead letters -----------------------------------------------------------------------------


@letters_app.command(
    "list",
    help=say(
        "还没处理的死信；--all 也列出已放回的。", "Open dead letters; --all also those put back."
    ),
)
def letters_list(
    context: typer.Context,
    kind: Annotated[
        str | None, typer.Option("--kind", help=say("只看这种原因。", "Only this reason."))
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help=say("只看这个角色。", "Only this role."))
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help=say("也列出已放回的。", "Also those put back."))
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=100_000, help=say("最多几条。", "At most."))
    ] = 50,
    json_output: JsonOption = False,
) -> None:
    """List dead letters."""
    settings = settings_of(context)
    found = [
        one
        for one in wait_for(read_dead_letters(kafka_of(settings)))
        if (every or one.retry is None)
        and kind in (None, one.letter.kind)
        and stage in (None, one.letter.stage)
    ]
    if json_output:
        print_json(found[-limit:])
        return
    if not found:
        console.print(say("没有死信。", "No dead letters."))
        return
    table = Table(
        "id",
        say("时间", "At"),
        say("角色", "Stage"),
        say("原因", "Reason"),
        say("来自", "From"),
        say("说明", "Why"),
    )
    for one in found[-limit:]:
        letter = one.letter
        table.add_row(
            letter.id,
            local_time(letter.at, settings),
            letter.stage,
            letter.kind,
            _place(one),
            letter.message,
        )
    console.print(table)
    console.print(
        say(
            f"共 {len(found)} 封，显示最近 {min(limit, len(found))} 封。",
            f"{len(found)} in all, the last {min(limit, len(found))} shown.",
        )
    )


def _place(one: Listed) -> str:
    letter = one.letter
    if letter.offset < 0:
        return f"{letter.source}:{letter.line}"
    return f"{letter.source}:{letter.partition}:{letter.offset}:{letter.line}"


@letters_app.command(
    "show",
    help=say("一封死信：为什么、从哪来、原文。", "One dead letter: why, from where, the original."),
)
def letters_show(
    context: typer.Context,
    letter_id: Annotated[str, typer.Argument(help="id")],
    json_output: JsonOption = False,
) -> None:
    """Show one dead letter."""
    settings = settings_of(context)
    one = _letter(wait_for(read_dead_letters(kafka_of(settings))), letter_id)
    if json_output:
        print_json(one)
        return
    letter = one.letter
    console.print(
        say(
            f"{letter.stage} 拒绝了 {_place(one)}：{letter.message}（{letter.kind}）。",
            f"{letter.stage} refused {_place(one)}: {letter.message} ({letter.kind}).",
        ),
        style="bold",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        say(
            f"时间 {local_time(letter.at, settings, '%Y-%m-%d %H:%M:%S')}，{letter.size} 字节",
            f"at {local_time(letter.at, settings, '%Y-%m-%d %H:%M:%S')}, {letter.size} bytes",
        )
    )
    if one.retry:
        console.print(say("已放回 topic。", "Put back into its topic."))
    shown = letter.raw[:2_000].decode("utf-8", errors="backslashreplace")
    console.print(shown + ("…" if len(letter.raw) > 2_000 else ""), markup=False, soft_wrap=True)


@letters_app.command(
    "retry",
    help=say(
        "放回原来的 topic；id 相同的帖子只会有一份。",
        "Put back into the topic; a post's id makes it one document.",
    ),
)
def letters_retry(
    context: typer.Context,
    letter_ids: Annotated[list[str] | None, typer.Argument(help="id ...")] = None,
    kind: Annotated[
        str | None, typer.Option("--kind", help=say("这种原因的全部。", "All of this reason."))
    ] = None,
    stage: Annotated[
        str | None, typer.Option("--stage", help=say("这个角色的全部。", "All of this role."))
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help=say("所有还没放回的。", "All that were not put back yet."))
    ] = False,
    corrected: Annotated[
        Path | None,
        typer.Option(
            "--with",
            help=say(
                "装着改好的那一行的文件（只能配一个 id）。",
                "File with the corrected line (with one id).",
            ),
        ),
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """Retry dead letters."""
    settings = settings_of(context)
    kafka = kafka_of(settings)
    known = wait_for(read_dead_letters(kafka))
    stays: list[str] = []
    if letter_ids:
        chosen = [_letter(known, letter_id) for letter_id in letter_ids]
    elif kind or stage or everything:
        chosen = [
            one
            for one in known
            if one.retry is None
            and kind in (None, one.letter.kind)
            and stage in (None, one.letter.stage)
        ]
        if corrected is None:
            whys = [(one, obstacle(one.letter)) for one in chosen]
            stays = [why for _, why in whys if why]
            chosen = [one for one, why in whys if not why]
    else:
        raise FatalError(
            say("请给出 id、--kind、--stage 或 --all。", "Give ids, --kind, --stage or --all.")
        )
    value = _corrected(corrected, chosen)
    done = wait_for(retry(kafka, chosen, value))
    if json_output:
        print_json(done)
    else:
        console.print(say(f"放回了 {len(done)} 行。", f"{len(done)} lines put back."))
    if stays:
        errors.print(
            say(
                f"另有 {len(stays)} 行不能就这样放回，例如：{stays[0]}",
                f"{len(stays)} more cannot go back as they are, for example: {stays[0]}",
            ),
            soft_wrap=True,
        )


def _corrected(path: Path | None, chosen: Sequence[Listed]) -> bytes | None:
    if path is None:
        return None
    if len(chosen) != 1:
        raise FatalError(say("--with 只能配一个 id。", "--with goes with exactly one id."))
    try:
        value = read_small(path, TOPICS["posts.raw"].max_message_bytes).strip()
    except (OSError, ValueError) as error:
        why = unread(error) if isinstance(error, OSError) else str(error)
        raise FatalError(say(f"读不了 {path}：{why}。", f"{path} cannot be read: {why}.")) from None
    if b"\n" in value or not value:
        raise FatalError(say(f"{path} 必须正好是一行。", f"{path} must be exactly one line."))
    return value


def _letter(known: Sequence[Listed], letter_id: str) -> Listed:
    found = [one for one in known if one.letter.id.startswith(letter_id)]
    if len(found) == 1:
        return found[0]
    raise FatalError(
        say(
            f"没有（或不止一封）死信 {letter_id}；用 tingchao dead-letters list --all 查看。",
            f"There is no (or more than one) dead letter {letter_id}; see "
            "`tingchao dead-letters list --all`.",
        )
    )
