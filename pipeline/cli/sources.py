"""Commands about sources: how they do, and a trial of one."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from connectors import CONNECTORS
from connectors.quota import span
from pipeline import clock
from pipeline.cli.common import (
    JsonOption,
    app,
    console,
    local_time,
    print_json,
    settings_of,
    wait_for,
)
from pipeline.connect import POSTS, TRIAL_SECONDS, Trial, example_of, section_of, try_source
from pipeline.endpoints import kafka_of
from pipeline.settings import Settings
from pipeline.sources import SourceRow, source_rows
from schemas.language import say
from sinks.source_text import TROUBLES

__all__: list[str] = []

_HEALTH = {
    "new": ("还没运行过", "never ran", "yellow"),
    "ok": ("正常", "ok", "green"),
    "done": ("读完了", "done", "green"),
    "failing": ("出错", "failing", "bold red"),
    "silent": ("异常安静", "unusually silent", "bold red"),
    "stale": ("没有动静", "no sign of life", "bold red"),
    "removed": ("设置里已没有", "not in the settings", "dim"),
}


@app.command(
    "sources",
    help=say(
        "每个来源的健康：最近一次成功、最近的帖子、剩余配额、出了什么问题。",
        "How each source does: last success, last post, quota left, what is wrong.",
    ),
)
def sources(context: typer.Context, json_output: JsonOption = False) -> None:
    """Show the sources."""
    settings = settings_of(context)
    now = clock.now()
    rows = wait_for(source_rows(settings, kafka_of(settings), now))
    if json_output:
        print_json(rows)
        return
    _print_rows(rows, settings, now)


def _print_rows(rows: list[SourceRow], settings: Settings, now: datetime) -> None:
    if not rows:
        console.print(
            say(
                "还没有来源；tingchao connect 种类 会给出设置示例。",
                "There are no sources yet; `tingchao connect KIND` shows an example.",
            )
        )
        return
    table = Table(
        say("来源", "Source"),
        say("种类", "Kind"),
        say("状态", "State"),
        say("最近成功", "Last success"),
        say("断点", "Cursor moved"),
        say("最近帖子", "Last post"),
        say("帖子", "Posts"),
        say("死信", "Refused"),
        say("剩余配额", "Quota left"),
    )
    for row in rows:
        status = row.status
        zh, en, style = _HEALTH[row.health]
        table.add_row(
            row.name,
            row.connector,
            Text(say(zh, en), style),
            _ago(status.last_success_at, now) if status else "–",
            _ago(status.cursor_at, now) if status else "–",
            local_time(status.last_post_at, settings) if status and status.last_post_at else "–",
            f"{status.posts:,}" if status else "–",
            f"{status.rejected:,}" if status else "–",
            "–" if status is None or status.quota_left is None else f"{status.quota_left:,}",
        )
    console.print(table)
    for row in rows:
        if row.status and row.status.error and row.status.trouble:
            kind = say(*TROUBLES[row.status.trouble])
            console.print(
                f"{row.name} [{kind}] {row.status.error}", style="red", markup=False, soft_wrap=True
            )
        if row.status and row.status.warning:
            console.print(
                f"{row.name} {row.status.warning}", style="yellow", markup=False, soft_wrap=True
            )


def _ago(at: datetime | None, now: datetime) -> str:
    if at is None:
        return say("从未", "never")
    seconds = max(0, int((now - at).total_seconds()))
    for size, zh, en in ((86_400, "天", "d"), (3_600, "小时", "h"), (60, "分钟", "min")):
        if seconds >= size:
            return say(f"{seconds // size} {zh}前", f"{seconds // size} {en} ago")
    return say(f"{seconds} 秒前", f"{seconds} s ago")


@app.command(
    "connect",
    help=say(
        "接入一个来源：--check 按设置试读一次（不写入任何东西）；给出种类名则显示设置示例。",
        "Connect a source: --check tries its settings once and writes nothing; with the name of a "
        "kind, shows an example of its settings.",
    ),
)
def connect(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help=say("来源的名字，或种类。", "Name of the source, or a kind."))
    ],
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help=say(
                "试读一次，显示最多 5 条帖子，或说明哪里不对。",
                "Try once; show up to 5 posts, or say what is wrong.",
            ),
        ),
    ] = False,
) -> None:
    """Try a source, or show how to set one up."""
    settings = settings_of(context)
    if name in CONNECTORS and name not in settings.sources:
        console.print(example_of(name), soft_wrap=True)
        return
    if not check:
        kind = section_of(settings, name).use
        console.print(
            say(
                f"来源 {name}（{kind}）已在设置里。用 tingchao connect {name} --check 试读；"
                "tingchao up 或 tingchao worker ingest 开始收听。",
                f"The source {name} ({kind}) stands in the settings. Try it with `tingchao connect "
                f"{name} --check`; `tingchao up` or `tingchao worker ingest` listens to it.",
            ),
            soft_wrap=True,
        )
        return
    _print_trial(name, wait_for(try_source(settings, name)), settings)


def _print_trial(name: str, trial: Trial, settings: Settings) -> None:
    if trial.listens_at is not None:
        console.print(
            say(
                f"{name} 会在 {trial.listens_at} 等待推送；地址可用。"
                "请在平台上填写通向它的公网地址。",
                f"{name} will wait to be told at {trial.listens_at}; the address is free. Enter "
                "the public address that leads to it at the platform.",
            ),
            soft_wrap=True,
        )
        return
    for seen in trial.seen:
        draft = seen.draft
        at = local_time(draft.published_at, settings)
        title = f"《{draft.title}》 " if draft.title else ""
        text = " ".join(draft.text.split())[:140]
        console.print(f"{at}  {draft.id}  {draft.author.name or draft.author.id}", markup=False)
        console.print(f"    {title}{text}", markup=False, soft_wrap=True)
    for item in trial.unreadable:
        console.print(
            say(f"读不懂：{item.message}", f"can't be read: {item.message}"),
            style="yellow",
            markup=False,
            soft_wrap=True,
        )
    if trial.trouble is not None:
        console.print(trial.trouble, style="yellow", markup=False, soft_wrap=True)
    if not trial.whole and len(trial.seen) < POSTS:
        console.print(_cut_short(name, trial), style="yellow", markup=False, soft_wrap=True)
    elif not trial.seen and not trial.unreadable and trial.trouble is None:
        console.print(
            say(
                f"{name} 能连通，眼下没有帖子。",
                f"{name} can be reached; there are no posts just now.",
            )
        )
    if trial.warning is not None:
        console.print(trial.warning, style="yellow", markup=False, soft_wrap=True)
    if trial.quota_left is not None:
        left = trial.quota_left
        console.print(say(f"剩余配额：{left:,}", f"Quota left: {left:,}"))


def _cut_short(name: str, trial: Trial) -> str:
    if trial.waits_seconds is None:
        return say(
            f"{name} 在 {TRIAL_SECONDS:.0f} 秒内没有读完第一遍，不知道还有没有帖子；"
            "正式运行时没有这个时限。",
            f"{name} was not read to the end within {TRIAL_SECONDS:.0f} seconds, so there may be "
            "more posts; a worker has no such limit.",
        )
    wait = span(trial.waits_seconds)
    return say(
        f"{name} 还没读完：按调用配额或网站要求的间隔，它要再等 {wait}，试读不等这么久，"
        "不知道还有没有帖子；正式运行时会等完再读。",
        f"{name} was not read to the end: its quota of calls, or the pause that the site asks "
        f"for, makes it wait {wait}, which a trial does not; so there may be more posts. A worker "
        "waits and goes on.",
    )
