"""Commands about incidents: look at them, and say what becomes of them.

Looking reads the compacted topic, so it works while Elasticsearch is away. Whatever changes an
incident is one line in ``signals``; the command returns when watch has obeyed it.
"""

import re
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import typer
from rich.table import Table

from pipeline.cli.common import (
    EXIT_NO,
    JsonOption,
    app,
    console,
    errors,
    local_time,
    login_name,
    print_json,
    settings_of,
    time_of,
    wait_for,
)
from pipeline.clock import now
from pipeline.endpoints import kafka_of
from pipeline.incident_text import check_lines, effect_lines
from pipeline.incidents import chosen, give, obstacle_to, read_incidents
from pipeline.kafka import Kafka
from pipeline.rules import live_rules
from pipeline.settings import Settings
from schemas.errors import FatalError
from schemas.incident import Incident
from schemas.incidents import AnyIncident
from schemas.language import say
from schemas.rules import joined
from schemas.signals import Command, CommandAction
from sinks.notice_text import describe
from sinks.wording import KINDS, STATES

__all__: list[str] = []

incidents_app = typer.Typer(help=say("事件。", "Incidents."), no_args_is_help=True)
app.add_typer(incidents_app, name="incidents")

IdArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help=say("事件 id，或它的开头几位。", "Id of the incident, or its first characters."),
    ),
]
ByOption = Annotated[
    str | None,
    typer.Option("--by", help=say("谁；默认登录名。", "Who; the login name by default.")),
]
WaitOption = Annotated[
    float,
    typer.Option(
        "--wait",
        min=0,
        max=600,
        help=say("最多等多少秒，看到 watch 照办。", "Seconds to wait until watch is seen to obey."),
    ),
]
WAIT_SECONDS = 15.0
_LENGTH = re.compile(r"(\d{1,5})\s*(m|min|h|d|分钟|小时|天)", re.ASCII)
_UNITS = {"m": 1, "min": 1, "分钟": 1, "h": 60, "小时": 60, "d": 1440, "天": 1440}


# --- looking ----------------------------------------------------------------------------------


@incidents_app.command(
    "list",
    help=say(
        "还没结束的事件，最近变化的在前；--all 也列出已结束的。",
        "Open incidents, last changed first; --all also closed ones.",
    ),
)
def incidents_list(
    context: typer.Context,
    brand: Annotated[
        str | None, typer.Option("--brand", help=say("品牌 id。", "Brand id."))
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help=say("也列出已结束的。", "Also closed ones."))
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, help=say("最多几条。", "At most."))
    ] = 20,
    json_output: JsonOption = False,
) -> None:
    """List incidents."""
    settings = settings_of(context)
    known = wait_for(read_incidents(kafka_of(settings))).values()
    wanted = [one for one in known if brand is None or _brand_of(one) == brand]
    still_open = [one for one in wanted if every or one.state != "closed"]
    found = sorted(still_open, key=lambda one: one.id)
    found = sorted(found, key=lambda one: one.updated_at, reverse=True)[:limit]
    if json_output:
        print_json(found)
    elif found:
        console.print(_table(found, settings))
    elif closed := len(wanted):
        console.print(
            say(
                f"没有进行中的事件；已结束的有 {closed} 个，加 --all 查看。",
                f"No incidents are open; {closed} are closed, see them with --all.",
            )
        )
    else:
        console.print(say("没有事件。", "No incidents."))


def _brand_of(incident: AnyIncident) -> str | None:
    return None if incident.kind == "source" else incident.brand


def _table(found: list[AnyIncident], settings: Settings) -> Table:
    table = Table(
        "id",
        say("品牌或信源", "Brand or source"),
        say("类型", "Kind"),
        say("级别", "Severity"),
        say("状态", "State"),
        say("自", "Since"),
        say("声音", "Voices"),
        say("负面", "Negative"),
        say("转抄", "Copies"),
        say("负责人", "Owner"),
    )
    for one in found:
        if one.kind == "source":
            about, since, counts = one.source, one.gap_started_at, ("–", "–", "–", "–")
        else:
            totals = one.totals
            about, since = one.brand, one.opened_at
            counts = (
                str(totals.voices),
                str(totals.negative),
                str(totals.copies),
                one.owner or "–",
            )
        table.add_row(
            one.id,
            about,
            say(*KINDS[one.kind]),
            str(one.severity),
            say(*STATES[one.state]),
            local_time(since, settings),
            *counts,
        )
    return table


@incidents_app.command(
    "show",
    help=say(
        "一个事件的全部：何事、何时起、多大、经过、引文、谁在管。",
        "One incident: what, since when, how big, its steps, quotes, who has it.",
    ),
)
def incidents_show(
    context: typer.Context, incident_id: IdArgument, json_output: JsonOption = False
) -> None:
    """Show one incident."""
    settings = settings_of(context)
    incident, name = wait_for(_named(settings, incident_id))
    if json_output:
        print_json(incident)
    else:
        _print(incident, name, settings)


def _print(incident: AnyIncident, name: str, settings: Settings) -> None:
    zone = ZoneInfo(settings.time_zone)
    text = describe(incident, name, zone=zone, platform_names=settings.platforms, full=True)
    console.print(text, markup=False, soft_wrap=True)


async def _named(settings: Settings, written: str) -> tuple[AnyIncident, str]:
    """The incident, and its brand or source as people call it."""
    kafka = kafka_of(settings)
    incident = chosen((await read_incidents(kafka)).values(), written)
    if incident.kind == "source":
        return incident, incident.source
    live = [rules for one in settings.rules.followed if (rules := await live_rules(kafka, one))]
    names = {brand.id: brand.name for brand in joined(live).brands} if live else {}
    return incident, names.get(incident.brand, incident.brand)


# --- checking ---------------------------------------------------------------------------------


@incidents_app.command(
    "verify",
    help=say(
        "从 signals 和已存的帖子把一个事件重算一遍；有一个数不同就以 1 退出。",
        "Make an incident once more from signals and the stored posts; exit code 1 when a number "
        "differs.",
    ),
)
def incidents_verify(
    context: typer.Context, incident_id: IdArgument, json_output: JsonOption = False
) -> None:
    """Recompute one incident."""
    from pipeline.incident_check import check_incident

    settings = settings_of(context)
    incident = _of_posts(wait_for(_named(settings, incident_id))[0])
    check = wait_for(check_incident(settings, incident))
    if json_output:
        print_json({"holds": check.holds, **asdict(check)})
    else:
        for line in check_lines(check, ZoneInfo(settings.time_zone)):
            console.print(line, markup=False, soft_wrap=True)
    if not check.holds:
        raise typer.Exit(EXIT_NO)


@incidents_app.command(
    "effect",
    help=say(
        "声明发布后的声量与负面占比，与不发声明时的预期相比，带 95% 区间。",
        "Voices and negative share after each own statement against what was to be expected, with "
        "95 % intervals.",
    ),
)
def incidents_effect(
    context: typer.Context, incident_id: IdArgument, json_output: JsonOption = False
) -> None:
    """What the statements did."""
    from pipeline.incident_check import effects_of

    settings = settings_of(context)
    incident = _of_posts(wait_for(_named(settings, incident_id))[0])
    found = wait_for(effects_of(settings, incident))
    if json_output:
        print_json([asdict(one) for one in found])
        return
    for one in found:
        for line in effect_lines(one, ZoneInfo(settings.time_zone)):
            console.print(line, markup=False, soft_wrap=True)


def _of_posts(incident: AnyIncident) -> Incident:
    if incident.kind != "source":
        return incident
    raise FatalError(
        say(
            f"事件 {incident.id} 说的是信源 {incident.source} 中断，里面没有可以重算的帖子。",
            f"Incident {incident.id} is about the source {incident.source}, which is not heard: it "
            "holds no posts to count.",
        )
    )


# --- deciding ---------------------------------------------------------------------------------


@incidents_app.command(
    "acknowledge",
    help=say(
        "认领：有人在管了。没有负责人时，认领的人就是。",
        "Somebody is on it; the owner too, where there is none.",
    ),
)
def incidents_acknowledge(
    context: typer.Context,
    incident_id: IdArgument,
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Acknowledge an incident."""
    _decide(context, incident_id, "acknowledge", by, wait, json_output)


@incidents_app.command("assign", help=say("交给谁负责。", "Give it to somebody."))
def incidents_assign(
    context: typer.Context,
    incident_id: IdArgument,
    who: Annotated[
        str, typer.Argument(metavar="WHO", help=say("人或部门。", "Person or department."))
    ],
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Assign an incident."""
    _decide(context, incident_id, "assign", by, wait, json_output, value=_text(who, 200))


@incidents_app.command(
    "silence",
    help=say(
        "静默一段时间：不再通知；到期时若仍在发展，会再告知。",
        "Tell nobody for a while; when that is over and it still goes on, people are told.",
    ),
)
def incidents_silence(
    context: typer.Context,
    incident_id: IdArgument,
    length: Annotated[
        str | None, typer.Option("--for", help=say("多久：30m、2h、1d。", "How long: 30m, 2h, 1d."))
    ] = None,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", help=say("到何时：2026-10-01T08:00。", "Until when: 2026-10-01T08:00.")
        ),
    ] = None,
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Silence an incident."""
    settings = settings_of(context)
    at = now()
    if (length is None) == (until is None):
        raise FatalError(say("请给出 --for 或 --until 之一。", "Give --for or --until, one."))
    end = at + _length(length) if length is not None else time_of("--until", until, settings)
    if end is None or end <= at:
        raise FatalError(
            say(f"--until {until} 已经过去。", f"--until {until} is in the past."),
        )
    _decide(context, incident_id, "silence", by, wait, json_output, at=at, until=end)


@incidents_app.command(
    "statement",
    help=say(
        "记下自己发布的声明；它成为时间线上的一步。",
        "Note a statement that was made; it becomes a step of the timeline.",
    ),
)
def incidents_statement(
    context: typer.Context,
    incident_id: IdArgument,
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help=say("声明的文字。", "Text of the statement."))
    ],
    made_at: Annotated[
        str | None,
        typer.Option(
            "--at",
            help=say(
                "何时发布的：2026-10-01T08:00；默认现在。",
                "When it was made: 2026-10-01T08:00; now by default.",
            ),
        ),
    ] = None,
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Note a statement."""
    at = now()
    made = time_of("--at", made_at, settings_of(context))
    if made is not None and made > at:
        raise FatalError(
            say(
                f"--at {made_at} 还没有到；声明发布之后再记。",
                f"--at {made_at} is still to come; note the statement when it was made.",
            )
        )
    text = _text(text, 10_000)
    _decide(
        context, incident_id, "statement", by, wait, json_output, at=at, value=text, made_at=made
    )


@incidents_app.command(
    "verdict",
    help=say(
        "人工判定：true 属实，false 误报；用来衡量和调整警报。",
        "Was the alarm right? true or false; alarms are measured and tuned by it.",
    ),
)
def incidents_verdict(
    context: typer.Context,
    incident_id: IdArgument,
    verdict: Annotated[
        str,
        typer.Argument(metavar="true|false", help=say("属实还是误报。", "A true or false alarm.")),
    ],
    why: Annotated[
        str | None, typer.Option("--why", help=say("为什么。", "What that rests on."))
    ] = None,
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Judge an alarm."""
    if verdict not in ("true", "false"):
        raise FatalError(
            say(
                f"判定要写成 true（属实）或 false（误报），不是 {verdict}。",
                f"A verdict is true or false, not {verdict}.",
            )
        )
    reason = None if why is None else _text(why, 2_000)
    _decide(context, incident_id, "verdict", by, wait, json_output, value=verdict, why=reason)


@incidents_app.command(
    "close",
    help=say(
        "结束事件；这一波平息之前，同类事件不再打开。",
        "Close it; none of its kind opens before this wave has calmed down.",
    ),
)
def incidents_close(
    context: typer.Context,
    incident_id: IdArgument,
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Close an incident."""
    _decide(context, incident_id, "close", by, wait, json_output)


@incidents_app.command("reopen", help=say("重新打开。", "Open it again."))
def incidents_reopen(
    context: typer.Context,
    incident_id: IdArgument,
    by: ByOption = None,
    wait: WaitOption = WAIT_SECONDS,
    json_output: JsonOption = False,
) -> None:
    """Reopen an incident."""
    _decide(context, incident_id, "reopen", by, wait, json_output)


def _decide(
    context: typer.Context,
    incident_id: str,
    action: CommandAction,
    by: str | None,
    wait: float,
    json_output: bool,
    at: datetime | None = None,
    **fields: Any,
) -> None:
    """Give one command and show what became of it; exit code 1 when that was not seen in time."""
    settings = settings_of(context)
    who = _text(by or login_name(), 200)
    known, obeyed = wait_for(
        _given(kafka_of(settings), incident_id, action, who, at or now(), wait, fields)
    )
    if obeyed is None:
        errors.print(
            say(
                f"命令已写入 signals，但 {wait:g} 秒内没有看到 watch 照办；它运行起来就会处理。"
                "用 tingchao status 看 watch，用 tingchao incidents show "
                f"{known.id} 看结果。",
                f"The command stands in signals, but watch was not seen to obey it within "
                f"{wait:g} s; it will when it runs. See watch with `tingchao status`, and what "
                f"came of it with `tingchao incidents show {known.id}`.",
            ),
            soft_wrap=True,
        )
        raise typer.Exit(EXIT_NO)
    if json_output:
        print_json(obeyed)
        return
    state = say(*STATES[obeyed.state])
    owner = obeyed.owner or say("还没有人", "nobody yet")
    console.print(
        say(
            f"已照办：事件 {obeyed.id} 第 {obeyed.revision} 版，状态：{state}，负责人：{owner}。",
            f"Done: incident {obeyed.id}, revision {obeyed.revision}, state: {state}, owner: "
            f"{owner}.",
        ),
        soft_wrap=True,
    )


async def _given(
    kafka: Kafka,
    written: str,
    action: CommandAction,
    by: str,
    at: datetime,
    wait: float,
    fields: dict[str, Any],
) -> tuple[AnyIncident, Incident | None]:
    incident = chosen((await read_incidents(kafka)).values(), written)
    if (why := obstacle_to(action, incident)) is not None or incident.kind == "source":
        raise FatalError(why or "")
    command = Command(
        id=uuid4().hex,
        brand=incident.brand,
        action=action,
        at=at,
        by=by,
        incident_id=incident.id,
        **fields,
    )
    return incident, await give(kafka, command, wait)


def _length(written: str) -> timedelta:
    found = _LENGTH.fullmatch(written.strip())
    if found is None or int(found[1]) == 0:
        raise FatalError(
            say(
                f"--for 看不懂 {written}；请写成 30m、2h 或 1d。",
                f"--for cannot read {written}; write 30m, 2h or 1d.",
            )
        )
    return timedelta(minutes=int(found[1]) * _UNITS[found[2]])


def _text(written: str, most: int) -> str:
    """What a person wrote, as a record may hold it."""
    text = written.strip()
    if not text or len(text) > most:
        raise FatalError(
            say(
                f"文字要有 1 到 {most} 个字，这里有 {len(text)} 个。",
                f"The text must have 1 to {most} characters, this one has {len(text)}.",
            )
        )
    return text
