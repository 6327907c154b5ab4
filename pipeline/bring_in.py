"""Runs one connector to its end, with a progress bar: replay, import, demo."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from zoneinfo import ZoneInfo

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn
from rich.progress import Progress as Bar

from connectors.base import Connector, Context, Cursor
from pipeline.clock import now
from pipeline.endpoints import kafka_of
from pipeline.ingest import Ingest
from pipeline.kafka import Kafka
from pipeline.settings import Settings
from pipeline.source_progress import Progress, read_cursors
from schemas.language import say

__all__ = ["bring_in"]


async def bring_in(
    settings: Settings,
    name: str,
    kind: str,
    build: Callable[[Context], Connector],
    *,
    resume: bool = False,
    console: Console | None = None,
) -> Progress:
    """Write all that a connector yields to ``posts.raw``; returns what this run did.

    ``resume`` goes on from the cursor of the last time. Delivery: at least once.

    Raises:
        FatalError: the source or Kafka can't be used; the message says what to do.
    """
    kafka = kafka_of(settings)
    await kafka.create_topics()
    known = await read_cursors(kafka) if resume else {}
    zone = ZoneInfo(settings.time_zone)
    before = progress = Progress()
    async with _started(kafka) as ingest, httpx.AsyncClient() as client:
        cursor: Cursor = {}
        if name in known:
            cursor = ingest.resume(known[name])
            before = progress = replace(ingest.progress[name])
        connector = build(Context(client, now, asyncio.sleep))
        with _bar(console) as bar:
            row = bar.add_task(say("写入帖子", "posts written"), total=None, clock="")
            async for progress in ingest.run(name, kind, connector, cursor):
                clock = progress.clock
                bar.update(
                    row,
                    completed=progress.posts + progress.rejected,
                    total=connector.total(),
                    clock=clock.astimezone(zone).strftime("%Y-%m-%d %H:%M") if clock else "",
                )
    return replace(
        progress,
        posts=progress.posts - before.posts,
        rejected=progress.rejected - before.rejected,
    )


@asynccontextmanager
async def _started(kafka: Kafka) -> AsyncIterator[Ingest]:
    ingest = Ingest(kafka)
    await ingest.start()
    try:
        yield ingest
    finally:
        await ingest.stop()


def _bar(console: Console | None) -> Bar:
    return Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[clock]}"),
        console=console,
        disable=console is None or not console.is_terminal,
    )
