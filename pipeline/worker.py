"""Builds each role from settings and runs it until it is asked to stop."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal, get_args

import faust
import httpx
import structlog

from connectors.base import Context
from pipeline.breaker import Breaker
from pipeline.clock import now
from pipeline.components import build_channel, build_connector
from pipeline.crash_log import CrashLog
from pipeline.dead_letter_writer import DeadLetterWriter
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.enrich import EnrichStage
from pipeline.faust_agent import create_app
from pipeline.guard import Guard, instance_number
from pipeline.index import IndexStage
from pipeline.ingest import Ingest, read_cursors
from pipeline.kafka import Kafka, LineWriter
from pipeline.lag import reads
from pipeline.loop import EXIT_BUG, EXIT_FATAL, SLICE_LINES, SafeLoop, Stage, end_process
from pipeline.notify import NotifyStage
from pipeline.rules import RuleFollower, no_rules
from pipeline.settings import Settings
from pipeline.sink_consumer import SinkConsumer
from pipeline.vitals import Reader, Vitals
from pipeline.watch import WatchStage
from processors.chain import Chain, build_chain
from processors.surge import Surge
from schemas.errors import FatalError
from schemas.rules import RuleSet
from sinks.journal import Journal

__all__ = ["ROLES", "Role", "faust_app", "run_worker"]

Role = Literal["ingest", "enrich", "index", "watch", "notify"]
ROLES: tuple[Role, ...] = get_args(Role)

#: Also the lines of one delivery: three requests of a thousand documents at a time.
INDEX_MAX_RECORDS = 3_000
NOTIFY_MAX_RECORDS = 50

log = structlog.get_logger()


def run_worker(role: Role, settings: Settings) -> None:
    """Run one role in this process until SIGTERM or SIGINT.

    Raises:
        FatalError: it can't start; the message says what to do.
    """
    guard = Guard(role, settings)
    try:
        if role in ("enrich", "watch"):
            app = faust_app(role, settings, guard)
            guard.start()
            worker = faust.Worker(app, quiet=True, redirect_stdouts=False, override_logging=False)
            worker.spinner = None  # it writes cursor codes into the log
            worker.execute_from_commandline()
        else:
            calm_garbage_collector()
            guard.start()
            run = {"ingest": _ingest, "index": _index, "notify": _notify}[role]
            asyncio.run(_until_signal(guard, lambda stop: run(settings, guard.vitals, stop)))
    finally:
        guard.close()


def calm_garbage_collector() -> None:
    """Collect seldom: records hold no cycles, so reference counts free them.

    By default the collector walks all live objects again and again while a batch is built; in
    ``benchmarks/line.py`` that was nearly half of enrich's time (157 against 91 us a post).
    """
    gc.collect()
    gc.freeze()  # what is imported stays
    gc.set_threshold(50_000, 20, 50)


async def _until_signal(
    guard: Guard, run: Callable[[asyncio.Event], Coroutine[Any, Any, None]]
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end_in_order() -> None:
        guard.vitals.stopping = True
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end_in_order)
    guard.vitals.runs_on(loop)
    await run(stop)


def _safe_loop(
    stage: Stage[Any],
    kafka: Kafka,
    settings: Settings,
    vitals: Reader,
    name: str | None = None,
    slice_lines: int = SLICE_LINES,
) -> SafeLoop[Any]:
    # The next process of this place reads the notes.
    note = f"{settings.kafka.prefix}{name or stage.name}-{instance_number()}.json"
    letters = DeadLetterWriter(kafka, stage.name, name, vitals)
    crash_log = CrashLog(settings.folder / "crashes" / note)
    breaker = Breaker(stage.name, settings.folder / "halted" / note, vitals=vitals)
    return SafeLoop(stage, letters, crash_log, breaker, slice_lines=slice_lines, vitals=vitals)


# --- Faust roles ------------------------------------------------------------------------------


def faust_app(role: str, settings: Settings, guard: Guard | None = None) -> faust.App:
    """The Faust app of ``enrich`` or ``watch``, also for the plain ``faust -A`` command."""
    calm_garbage_collector()
    kafka = kafka_of(settings)
    build = {"enrich": _enrich_app, "watch": _watch_app}[role]
    return build(kafka, settings, guard or Guard(role, settings))


def _enrich_app(kafka: Kafka, settings: Settings, guard: Guard) -> faust.App:
    vitals = guard.vitals.reader("enrich")
    chain = _LiveChain(kafka, settings)
    stage = EnrichStage(LineWriter(kafka), chain.current)
    loop = _safe_loop(stage, kafka, settings, vitals)
    return create_app(
        kafka, "enrich", "posts.raw", settings.folder, loop, guard, vitals, chain.start
    )


def _watch_app(kafka: Kafka, settings: Settings, guard: Guard) -> faust.App:
    vitals = guard.vitals.reader("watch")
    detector = Surge(Surge.Config(**settings.watch))
    source = kafka.topic("signals")

    def assigned(partition: int) -> bool:
        return any(
            tp.topic == source and tp.partition == partition for tp in app.consumer.assignment()
        )

    stage = WatchStage(kafka, detector, assigned, vitals)
    loop = _safe_loop(stage, kafka, settings, vitals)
    app = create_app(kafka, "watch", "signals", settings.folder, loop, guard, vitals)

    async def let_go(*_: Any, **__: Any) -> None:
        stage.let_go()

    app.on_partitions_revoked.connect(let_go, weak=False)
    return app


class _LiveChain:
    """The chain of the newest rule set; replaced between two batches."""

    def __init__(self, kafka: Kafka, settings: Settings) -> None:
        self._settings = settings
        self._follower = RuleFollower(kafka, settings.rules.id, self._use)
        self._use(no_rules(settings.rules.id))

    async def start(self) -> None:
        await self._follower.start()

    def current(self) -> Chain:
        return self._chain

    def _use(self, rules: RuleSet) -> None:
        enrich = self._settings.enrich
        self._chain = build_chain(enrich.chain, enrich.options, rules)


# --- plain roles ------------------------------------------------------------------------------


async def _index(settings: Settings, process: Vitals, stop: asyncio.Event) -> None:
    kafka = kafka_of(settings)
    vitals = process.reader("index")
    stage = IndexStage(elasticsearch_client(settings), vitals)
    loop = _safe_loop(stage, kafka, settings, vitals, slice_lines=INDEX_MAX_RECORDS)
    await SinkConsumer(kafka, "index", reads("index"), loop, INDEX_MAX_RECORDS, vitals).run(stop)


async def _notify(settings: Settings, process: Vitals, stop: asyncio.Event) -> None:
    kafka = kafka_of(settings)
    names: dict[str, str] = {}
    follower = RuleFollower(
        kafka, settings.rules.id, lambda rules: names.update({b.id: b.name for b in rules.brands})
    )
    await follower.start()
    index = elasticsearch_client(settings)
    async with httpx.AsyncClient() as client, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(index.close)
        stack.push_async_callback(follower.stop)
        consumers = []
        for name, section in settings.channels.items():
            channel = build_channel(name, section, client)
            group = f"notify-{name}"
            vitals = process.reader(group)
            stage = NotifyStage(
                name,
                channel,
                Journal(index),
                settings.notify,
                lambda: names,
                settings.platforms,
                vitals=vitals,
            )
            loop = _safe_loop(stage, kafka, settings, vitals, group)
            consumers.append(
                SinkConsumer(kafka, group, reads(group), loop, NOTIFY_MAX_RECORDS, vitals)
            )
        if not consumers:
            log.warning("no channel is configured: nobody will be told")
            process.reader("notify").end("starting")
            await stop.wait()
        await asyncio.gather(*(consumer.run(stop) for consumer in consumers))


async def _ingest(settings: Settings, process: Vitals, stop: asyncio.Event) -> None:
    kafka = kafka_of(settings)
    vitals = process.reader("ingest")
    ingest = Ingest(kafka, vitals=vitals)
    await ingest.start()
    known = await read_cursors(kafka)
    async with httpx.AsyncClient() as client:
        context = Context(client, now, asyncio.sleep)
        tasks = [asyncio.create_task(ingest.tick_for_ever())]
        for name, section in settings.sources.items():
            connector = build_connector(name, section, context)
            cursor = ingest.resume(known[name]) if name in known else {}
            tasks.append(asyncio.create_task(_drain(ingest, name, section.use, connector, cursor)))
        vitals.end("starting")
        log.info("listening", sources=sorted(settings.sources) or "none, only time passes")
        stopped = asyncio.create_task(stop.wait())
        await _until_stopped(stopped, tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await ingest.stop()


async def _until_stopped(
    stopped: "asyncio.Task[Any]", tasks: Sequence["asyncio.Task[Any]"]
) -> None:
    """A task that dies of something unexpected takes the process with it: silence is no calm."""
    running = {stopped, *tasks}
    while not stopped.done():
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if isinstance(error := task.exception(), FatalError):
                end_process(EXIT_FATAL, str(error))
            if error is not None:
                log.error("ingest failed", exc_info=error)
                end_process(EXIT_BUG, f"{type(error).__name__}: {error}")


async def _drain(ingest: Ingest, name: str, kind: str, connector: Any, cursor: Any) -> None:
    try:
        async for _ in ingest.run(name, kind, connector, cursor):
            pass
    except FatalError as error:
        log.error("source stopped", source=name, reason=str(error))
