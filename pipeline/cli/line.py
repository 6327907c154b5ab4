"""Commands that run the line: services, topics, worker, up, demo."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipeline import services
from pipeline.alone import alone
from pipeline.breaker import resume
from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    app,
    console,
    local_time,
    print_json,
    settings_file_of,
    settings_of,
    wait_for,
)
from pipeline.endpoints import kafka_of, services_config
from pipeline.line import child_environment, children_of, prepare, settings_with
from pipeline.logs import configure_logs
from pipeline.services.progress import ShownProgress
from pipeline.settings import Settings
from pipeline.supervisor import Supervisor, end_with_supervisor
from schemas.errors import FatalError
from schemas.language import say
from schemas.topics import TOPICS

#: How often `up` looks whether its local services still run.
ENDED_LOOK_SECONDS = 2.0

_COLOURS = {
    "ingest": "cyan",
    "enrich": "green",
    "watch": "magenta",
    "index": "blue",
    "notify": "yellow",
}

services_app = typer.Typer(
    help=say("本机的 Kafka 和 Elasticsearch。", "Kafka and Elasticsearch on this machine."),
    no_args_is_help=True,
)
topics_app = typer.Typer(help=say("Kafka 的 topic。", "Kafka topics."), no_args_is_help=True)
app.add_typer(services_app, name="services")
app.add_typer(topics_app, name="topics")


@services_app.command(
    "start",
    help=say(
        "启动并等待就绪；第一次会下载程序，数据留在工作目录。",
        "Start and wait until ready; the first time downloads the programs. Data stays in the "
        "work folder.",
    ),
)
def services_start(context: typer.Context) -> None:
    """Start the local services."""
    config = services_config(settings_of(context))
    with ShownProgress(console) as progress:
        running = services.start(config, attached=False, progress=progress)
    for name, address in (
        ("Kafka", running.kafka_bootstrap),
        ("Elasticsearch", running.elasticsearch_url),
    ):
        if address:
            console.print(f"{name}  {address}")


@services_app.command("stop", help=say("停止；数据保留。", "Stop; the data stays."))
def services_stop(context: typer.Context) -> None:
    """Stop the local services."""
    with ShownProgress(console) as progress:
        services.stop(services_config(settings_of(context)), progress)


@services_app.command("status", help=say("是否在运行。", "Whether they run."))
def services_status(context: typer.Context, json_output: JsonOption = False) -> None:
    """Show the local services."""
    settings = settings_of(context)
    found = services.status(services_config(settings))
    if json_output:
        print_json(found)
        return
    table = Table(
        say("服务", "Service"),
        say("状态", "State"),
        say("地址", "Address"),
        "PID",
        say("内存", "Memory"),
        say("自", "Since"),
        say("日志", "Log"),
    )
    for one in found:
        state = say("运行中", "running") if one.running else say("未运行", "not running")
        if one.running and not one.answering:
            state = say("运行中，未应答", "running, not answering")
        table.add_row(
            one.title,
            state,
            one.address or "–",
            str(one.pid or "–"),
            f"{one.rss_bytes / 2**20:.0f} MiB" if one.running else "–",
            local_time(one.since, settings),
            str(one.log),
        )
    console.print(table)


@topics_app.command("create", help=say("创建缺少的 topic。", "Create the topics that are missing."))
def topics_create(context: typer.Context, json_output: JsonOption = False) -> None:
    """Create topics."""
    made = wait_for(kafka_of(settings_of(context)).create_topics())
    if json_output:
        print_json({"created": made})
    else:
        none = say("所有 topic 都已存在。", "All topics exist.")
        console.print(say("已创建：", "Created: ") + ", ".join(made) if made else none)


@topics_app.command(
    "show",
    help=say("每个 topic 放什么、留多久、有多少。", "What each topic holds, how long, how much."),
)
def topics_show(context: typer.Context, json_output: JsonOption = False) -> None:
    """Show topics."""
    kafka = kafka_of(settings_of(context))
    rows = wait_for(_topic_rows(kafka))
    if json_output:
        print_json(rows)
        return
    table = Table(
        "topic",
        say("分区", "Partitions"),
        say("记录", "Records"),
        say("保留", "Kept"),
        say("内容", "Content"),
    )
    for row in rows:
        table.add_row(
            str(row["topic"]),
            str(row["partitions"]),
            str(row["records"]),
            str(row["kept"]),
            str(row["summary"]),
        )
    console.print(table)


async def _topic_rows(kafka: "object") -> list[Mapping[str, object]]:
    from pipeline.kafka import Kafka

    assert isinstance(kafka, Kafka)
    rows: list[Mapping[str, object]] = []
    for spec in TOPICS.values():
        kept = "compact" if spec.cleanup == "compact" else f"{spec.retention_seconds // 86400} d"
        async with kafka.reader(spec.name) as (consumer, partitions):
            ends = await consumer.end_offsets(partitions)
            begins = await consumer.beginning_offsets(partitions)
        rows.append(
            {
                "topic": kafka.topic(spec.name),
                "partitions": len(partitions),
                "records": sum(ends[tp] - begins[tp] for tp in partitions),
                "kept": kept,
                "summary": spec.summary,
            }
        )
    return rows


@app.command(
    "worker",
    help=say(
        "运行一个角色：ingest、enrich、index、watch 或 notify。",
        "Run one role: ingest, enrich, index, watch or notify.",
    ),
)
def worker(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="ingest | enrich | index | watch | notify")],
) -> None:
    """Run one role until SIGTERM."""
    from pipeline.worker import ROLES, run_worker

    if role not in ROLES:
        raise FatalError(
            say(
                f"没有角色 {role}；可用：{'、'.join(ROLES)}。",
                f"There is no role {role}; known: {', '.join(ROLES)}.",
            )
        )
    end_with_supervisor()
    configure_logs()
    run_worker(role, settings_of(context))


@app.command(
    "resume",
    help=say(
        "让停住的角色继续（它因为拒绝了太多行而停住）。",
        "Let a role go on that halted because it refused too many lines.",
    ),
)
def resume_command(
    context: typer.Context,
    role: Annotated[str, typer.Argument(help="enrich | index | watch | notify")],
    accept: Annotated[
        int,
        typer.Option(
            "--accept",
            min=0,
            help=say(
                "再让这么多坏行进死信，然后才重新计数。",
                "Let so many more bad lines become dead letters before it counts again.",
            ),
        ),
    ] = 0,
) -> None:
    """Resume a halted role."""
    count = resume(settings_of(context).folder, role, accept)
    if not count:
        console.print(say(f"{role} 没有停住。", f"{role} is not halted."))
        raise typer.Exit(EXIT_NO)
    console.print(say(f"{role} 继续运行。", f"{role} goes on."))


@app.command(
    "up",
    help=say(
        "启动本地服务（若没有配置地址）和所有角色；Ctrl-C 全部停下。",
        "Start local services (where no address is configured) and all roles; Ctrl-C stops all.",
    ),
)
def up(context: typer.Context) -> None:
    """Run the whole line in the foreground."""
    settings = settings_of(context)
    with alone(settings.folder):
        _up(settings, settings_file_of(context))


def _up(settings: Settings, settings_file: Path | None) -> None:
    with ShownProgress(console) as progress:
        running = services.start(services_config(settings), attached=True, progress=progress)
    try:
        environment = child_environment(settings, running, settings_file)
        wait_for(prepare(settings_with(settings, environment)))
        console.print(say("听潮已启动；Ctrl-C 停止。", "Tingchao is up; Ctrl-C stops it."))
        supervisor = Supervisor(children_of(settings), environment, line_printer(console))
        wait_for(_until_signal(supervisor, running))
    finally:
        running.stop()


async def _until_signal(supervisor: Supervisor, running: services.RunningServices) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    telling = asyncio.create_task(tell_of_the_ended(running, console))
    try:
        await supervisor.run(stop)
    finally:
        telling.cancel()


async def tell_of_the_ended(running: services.RunningServices, out: Console) -> None:
    """Say once of each local service that it ended: the roles only know that it is away."""
    told: set[str] = set()
    while True:
        for name in sorted(set(running.ended()) - told):
            told.add(name)
            title, logs = name.capitalize(), running.config.logs
            out.print(
                say(
                    f"{title} 意外退出，原因见 {logs}；请按 Ctrl-C，再运行 tingchao up。"
                    "什么也不会丢。",
                    f"{title} ended by itself; why stands in {logs}. Press Ctrl-C and run "
                    "`tingchao up` again: nothing is lost.",
                ),
                style="bold red",
                soft_wrap=True,
            )
        await asyncio.sleep(ENDED_LOOK_SECONDS)


def line_printer(out: Console) -> "Printer":
    """Prints each line behind its process's name."""
    return Printer(out)


class Printer:
    """One readable log of many processes."""

    def __init__(self, out: Console) -> None:
        self._out = out

    def __call__(self, name: str, line: str) -> None:
        """Print one line."""
        role = name.split("-")[0]
        self._out.print(f"[{_COLOURS.get(role, 'white')}]{name:>9}[/] ", end="", markup=True)
        self._out.print(line, markup=False, soft_wrap=True)


@app.command(
    "demo",
    help=say(
        "把我们录的两周故事放过整条线：找到危机，不把发布和刷屏当危机。",
        "Run our recorded fortnight through the whole line: find the crisis, and take neither the "
        "launch nor the flood for one.",
    ),
)
def demo(
    context: typer.Context,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep",
            help=say(
                "结束后让 Kafka 和 Elasticsearch 继续运行。",
                "Leave Kafka and Elasticsearch running at the end.",
            ),
        ),
    ] = False,
) -> None:
    """Run the demo; exit code 0 only if everything holds."""
    from pipeline.cli.demo import run_demo

    raise typer.Exit(run_demo(settings_of(context), console, keep=keep))
