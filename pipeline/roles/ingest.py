"""``ingest``: every configured source is read into ``posts.raw``."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import structlog

from connectors.base import Context
from pipeline.clock import now
from pipeline.components import build_connector
from pipeline.endpoints import kafka_of
from pipeline.ingest import Ingest
from pipeline.loop import EXIT_BUG, EXIT_FATAL, end_process
from pipeline.settings import Settings
from pipeline.source_progress import Progress, read_cursors
from pipeline.vitals import Vitals
from schemas.errors import FatalError

__all__ = ["run"]

log = structlog.get_logger()


async def run(settings: Settings, process: Vitals, stop: asyncio.Event) -> None:
    """Listen until ``stop`` is set.

    Raises:
        FatalError: a source is configured wrongly.
    """
    kafka = kafka_of(settings)
    vitals = process.reader("ingest")
    ingest = Ingest(kafka, vitals=vitals)
    await ingest.start()
    known = await read_cursors(kafka)
    async with httpx.AsyncClient() as client:
        context = Context(client, now, asyncio.sleep, settings.folder / "sources")
        tasks = [asyncio.create_task(ingest.tick_for_ever())]
        tasks.append(asyncio.create_task(ingest.look_for_ever()))
        for name, status in known.items():
            if name not in settings.sources:
                await ingest.retire(status)
        for name, section in settings.sources.items():
            connector = build_connector(name, section, context)
            cursor = ingest.resume(known[name]) if name in known else {}
            runs = ingest.run(
                name, section.use, connector, cursor, silent_after=section.silent_after
            )
            tasks.append(asyncio.create_task(_drain(name, runs)))
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


async def _drain(name: str, runs: AsyncIterator[Progress]) -> None:
    try:
        async for _ in runs:
            pass
    except FatalError as error:
        log.error("source stopped", source=name, reason=str(error))
