"""``tingchao demo``: a fortnight of three fictional car brands through the whole real line.

Own work folder (``<folder>/demo``), own Kafka and Elasticsearch, all roles as processes; the
recording is replayed fast and moved to now. Afterwards the result is compared with what the
recording's author wrote down (``deploy/demo/truth.json``), and everything is stopped.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import tomli_w
from rich.console import Console
from rich.table import Table
from rich.text import Text

from connectors.replay import Replay
from pipeline import services
from pipeline.alone import alone
from pipeline.audit import AuditReport, audit
from pipeline.bring_in import bring_in
from pipeline.cli.common import EXIT_NO
from pipeline.cli.looking import print_audit
from pipeline.cli.posts import print_hit
from pipeline.endpoints import elasticsearch_client, kafka_of, services_config
from pipeline.lag import total_lag
from pipeline.latency import Latency, latencies
from pipeline.line import child_environment, children_of, prepare, settings_with
from pipeline.rules import read_rule_file
from pipeline.services.progress import ShownProgress
from pipeline.settings import KafkaSettings, RulesSettings, ServicesSettings, Settings
from pipeline.status import live_workers, reading
from pipeline.supervisor import Supervisor
from schemas.errors import FatalError
from schemas.incident import Incident
from schemas.language import say
from sinks.journal import Journal, NoticeRecord
from sinks.notice_text import describe
from sinks.search import Found, PostQuery, Search

__all__ = ["DEMO", "run_demo"]

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo"

FORUMS = {"lunji": "轮迹社区", "baili": "百里车友会"}
#: A fortnight in about 40 seconds: fast enough to wait for, slow enough to measure latencies that
#: are not mere queueing.
SPEED = 30_000.0
WAIT_SECONDS = 240.0


@dataclass(frozen=True)
class Outcome:
    """What the line made of the recording."""

    report: AuditReport
    incidents: Sequence[Incident]
    latencies: Sequence[Latency]
    searches: Sequence[tuple[PostQuery, Found]]
    posts: int
    seconds: float
    notices: Sequence[NoticeRecord]


def run_demo(settings: Settings, console: Console, *, keep: bool = False) -> int:
    """Run it and print what a newcomer wants to see; returns the exit code."""
    truth = json.loads((DEMO / "truth.json").read_text(encoding="utf-8"))
    with alone(settings.folder / "demo"):  # its data are erased first
        return _run_demo(_demo_settings(settings), truth, console, keep=keep)


def _run_demo(demo: Settings, truth: dict[str, Any], console: Console, *, keep: bool) -> int:
    config = replace(services_config(demo), short_lived=True)
    services.erase(config)
    with ShownProgress(console) as progress:
        running = services.start(config, attached=not keep, progress=progress)
    try:
        environment = child_environment(demo, running, demo.folder / "tingchao.toml")
        environment["TINGCHAO_LANGUAGE"] = say("zh", "en")
        outcome = asyncio.run(_run(settings_with(demo, environment), environment, console))
        code = _show(outcome, truth, demo, console)
    finally:
        if not keep:
            with console.status(say("停止服务…", "Stopping…")):
                running.stop()
    _where_next(demo, console, keep)
    return code


def _demo_settings(settings: Settings) -> Settings:
    """Local services in a folder of the demo's own, with the project's downloaded programs."""
    folder = settings.folder / "demo"
    artefacts = settings.services.artefacts or settings.folder / "artefacts"
    demo = Settings(
        language=settings.language,
        folder=folder,
        time_zone=settings.time_zone,
        services=ServicesSettings(
            kafka_heap=settings.services.kafka_heap,
            elasticsearch_heap=settings.services.elasticsearch_heap,
            elasticsearch_user=settings.services.elasticsearch_user,
            artefacts=artefacts.resolve(),
        ),
        # One partition: at this speed a batch holds hours, and several partitions would hand them
        # to watch in turns, so that the alarm's minute would differ from run to run.
        kafka=KafkaSettings(partitions=1),
        rules=RulesSettings(file=DEMO / "rules.toml", id="demo"),
        platforms=FORUMS,
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = {
        "folder": ".",
        "kafka": {"partitions": 1},
        "services": {"artefacts": str(artefacts.resolve())},
        "rules": {"file": str(DEMO / "rules.toml"), "id": "demo"},
        "platforms": FORUMS,
    }
    (folder / "tingchao.toml").write_text(tomli_w.dumps(file), encoding="utf-8")
    return demo


async def _run(settings: Settings, environment: dict[str, str], console: Console) -> Outcome:
    await prepare(settings)
    log_path = settings.folder / "logs" / "line.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    stop = asyncio.Event()
    with log_path.open("w", encoding="utf-8") as log:
        # No ingest role: its ticks would carry today's time, and the recording would come too late.
        supervisor = Supervisor(
            children_of(settings, without=("ingest",)),
            environment,
            lambda name, line: print(f"{name:>9} {line}", file=log, flush=True),
        )
        line = asyncio.create_task(supervisor.run(stop))
        try:
            await _ready(settings, console, line)
            began = time.monotonic()
            posts = await _replay(settings, console)
            await _drained(settings, console, line)
            return await _outcome(settings, posts, time.monotonic() - began)
        finally:
            with console.status(say("停止各角色…", "Stopping the roles…")):
                stop.set()
                await line


GROUPS = ("enrich", "watch", "index", "notify-terminal")


async def _ready(settings: Settings, console: Console, line: "asyncio.Task[None]") -> None:
    """Wait until every role has its partitions; else latencies would measure the start."""

    async def ready() -> bool:
        partitions = await reading(settings.folder)
        return all(partitions[role] for role in ("enrich", "watch", "index", "notify"))

    with console.status(say("等各角色就绪…", "Waiting for the roles to be ready…")):
        await _until(ready, settings, line)


async def _until(
    reached: Callable[[], Awaitable[bool]], settings: Settings, line: "asyncio.Task[None]"
) -> None:
    """Poll until something holds; a dead or silent line gets a sentence, not a hang."""
    end = time.monotonic() + WAIT_SECONDS
    while not await reached():
        if line.done() or time.monotonic() > end:
            log = settings.folder / "logs" / "line.log"
            raise FatalError(
                say(
                    f"各角色没有在 {WAIT_SECONDS:.0f} 秒内做完；原因见 {log}。",
                    f"The roles did not get there within {WAIT_SECONDS:.0f} s; see {log}.",
                )
            )
        await asyncio.sleep(0.5)


async def _replay(settings: Settings, console: Console) -> int:
    config = Replay.Config(path=DEMO / "recording.jsonl.gz", speed=SPEED, shift_to_now=True)
    done = await bring_in(
        settings, "demo", "replay", lambda context: Replay("demo", config, context), console=console
    )
    return done.posts


async def _drained(settings: Settings, console: Console, line: "asyncio.Task[None]") -> None:
    """Wait until every role has read everything."""
    kafka = kafka_of(settings)

    async def drained() -> bool:
        # Twice, since one role's last word is the next one's work.
        return not await total_lag(kafka, GROUPS) and not await total_lag(kafka, GROUPS)

    with console.status(say("等各角色处理完…", "Waiting for the roles to finish…")):
        await _until(drained, settings, line)


async def _outcome(settings: Settings, posts: int, seconds: float) -> Outcome:
    index = elasticsearch_client(settings)
    try:
        search = Search(index)
        queries = [PostQuery(text="刹车 OTA"), PostQuery(text="零重力", mood="positive")]
        return Outcome(
            report=await audit(kafka_of(settings), index),
            incidents=[one for one in await search.incidents(size=100) if one.kind != "source"],
            notices=await Journal(index).recent(size=100),
            latencies=await latencies(live_workers(settings.folder)),
            searches=[(query, await search.posts(query, size=3)) for query in queries],
            posts=posts,
            seconds=seconds,
        )
    finally:
        await index.close()


# --- what a person sees -----------------------------------------------------------------------


def _show(outcome: Outcome, truth: dict[str, Any], settings: Settings, console: Console) -> int:
    rate = outcome.posts / outcome.seconds
    _headline(
        console,
        say(
            f"{outcome.posts:,} 条帖子，两周，用了 {outcome.seconds:.0f} 秒（每秒 {rate:,.0f} 条）",
            f"{outcome.posts:,} posts of a fortnight in {outcome.seconds:.0f} s, "
            f"{rate:,.0f} a second",
        ),
    )
    crises = [one for one in outcome.incidents if one.kind == "crisis"]
    names = {brand.id: brand.name for brand in read_rule_file(DEMO / "rules.toml").brands}
    zone = ZoneInfo(settings.time_zone)
    for incident in crises:
        _headline(console, say("警报", "The alarm"))
        name = names.get(incident.brand, incident.brand)
        text = describe(incident, name, zone=zone, platform_names=settings.platforms, full=True)
        console.print(text, markup=False, soft_wrap=True)
    for query, found in outcome.searches:
        _headline(console, say(f"搜索“{query.text}”", f"Search for “{query.text}”"))
        for hit in found.hits:
            print_hit(hit, settings)
        console.print(say(f"共 {found.total} 条。", f"{found.total} in all."))
    _headline(console, say("从写入到……的用时", "Time from written to ..."))
    print_latencies(outcome.latencies, console)
    _headline(console, say("每条帖子都有下落吗？", "Does every post have an end?"))
    print_audit(outcome.report, settings)
    _headline(console, say("与录制者写下的对照", "Against what the recording's author wrote down"))
    checks = list(_checks(outcome, truth, names))
    for holds, sentence in checks:
        mark = Text("✓ ", style="green") if holds else Text("✗ ", style="bold red")
        console.print(mark + Text(sentence))
    return 0 if all(holds for holds, _ in checks) else EXIT_NO


def _checks(
    outcome: Outcome, truth: dict[str, Any], names: Mapping[str, str]
) -> Iterator[tuple[bool, str]]:
    """Each thing that must hold, and the sentence that says it."""
    crises = [one for one in outcome.incidents if one.kind == "crisis"]
    sent = {one.incident_id for one in outcome.notices if one.state == "sent"}
    for event in truth["incidents"]:
        brand = names[event["brand"]]
        called = [one for one in crises if one.brand == event["brand"]]
        if event["kind"] == "crisis":
            found = len(called) == 1 and called[0].first_post.post_id == event["first_post"]
            yield (
                found,
                say(
                    f"{brand}的危机被发现，并追溯到第一条投诉",
                    f"the crisis of {brand} was found and traced to its first complaint",
                ),
            )
            yield (
                any(one.id in sent for one in called),
                say("警报送到了终端渠道", "the alarm was delivered to the terminal channel"),
            )
        else:
            kind = say(
                *{"launch": ("新车发布", "launch"), "flood": ("刷屏", "flood")}[event["kind"]]
            )
            yield (
                not called,
                say(
                    f"{brand}的{kind}没有被当成危机",
                    f"the {kind} of {brand} was not called a crisis",
                ),
            )
    others = {one.brand for one in crises} - {event["brand"] for event in truth["incidents"]}
    yield not others, say("其他品牌没有误报", "no false alarm for any other brand")
    yield outcome.report.holds, say("审计对得上，一条不少", "the audit adds up: nothing was lost")


def print_latencies(rows: Sequence[Latency], console: Console) -> None:
    """Median and 99th percentile of each step."""
    steps = {
        "enriched": ("富化完成", "enriched"),
        "searchable": ("可以搜到", "searchable"),
        "alarm": ("发出警报", "alarm"),
    }
    table = Table(
        say("步骤", "Step"), say("次数", "Count"), say("中位数", "Median"), say("99%", "99 %")
    )
    for row in rows:
        median, most = f"{row.median_seconds:.2f} s", f"{row.p99_seconds:.2f} s"
        table.add_row(say(*steps[row.step]), f"{row.count:,}", median, most)
    console.print(table)


def _headline(console: Console, text: str) -> None:
    console.print()
    console.print(Text(text, style="bold"))


def _where_next(settings: Settings, console: Console, keep: bool) -> None:
    file = settings.folder / "tingchao.toml"
    _headline(console, say("接下来", "Where to look next"))
    if not keep:
        console.print(f"  tingchao --settings {file} services start", markup=False, soft_wrap=True)
    for command in (
        "search 刹车 --brand qilan --mood negative",
        "incidents list --all",
        "topics show",
    ):
        console.print(f"  tingchao --settings {file} {command}", markup=False, soft_wrap=True)
    console.print(f"  tingchao --settings {file} services stop", markup=False, soft_wrap=True)
    console.print(
        say(
            "用自己的数据：把 deploy/tingchao.example.toml 复制成 tingchao.toml，把 "
            "deploy/rules.example.toml 放在它旁边，写上品牌和来源，然后运行 tingchao up；"
            "已有的文件用 tingchao import 文件 --mapping 映射 导入。",
            "Your own data: copy deploy/tingchao.example.toml to tingchao.toml and "
            "deploy/rules.example.toml beside it, write down your brands and sources, then run "
            "`tingchao up`; files come in with "
            "`tingchao import FILE --mapping MAPPING`.",
        ),
        soft_wrap=True,
    )
