"""``notify``: incidents are told to every configured channel, each with a group of its own."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from zoneinfo import ZoneInfo

import httpx
import structlog
from aiokafka.errors import KafkaError

from pipeline.components import build_channels
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.incidents import read_incidents
from pipeline.lag import reads
from pipeline.loop import EXIT_BUG, end_process
from pipeline.notify import Fallback, NotifyStage
from pipeline.notify_later import Escalation
from pipeline.roles.parts import safe_loop
from pipeline.rule_follower import RuleFollower
from pipeline.settings import Settings
from pipeline.sink_consumer import SinkConsumer
from pipeline.vitals import Vitals
from schemas.errors import TingchaoError
from schemas.rules import RuleSet, is_at_work, is_told, joined
from sinks.base import Channel
from sinks.journal import Journal

__all__ = ["run"]

MAX_RECORDS = 50

log = structlog.get_logger()


async def run(settings: Settings, process: Vitals, stop: asyncio.Event) -> None:
    """Read until ``stop`` is set.

    Raises:
        FatalError: a channel is configured wrongly.
    """
    kafka = kafka_of(settings)
    names: dict[str, str] = {}
    followed: list[RuleSet] = []

    async def use(sets: Sequence[RuleSet]) -> None:
        names.update({brand.id: brand.name for brand in joined(sets).brands})
        followed[:] = sets
        for rules in sets:
            if unknown := set(rules.channels) - settings.channels.keys():
                log.warning("a team names unknown channels", rules=rules.label, unknown=unknown)

    zone = ZoneInfo(settings.time_zone)

    def is_at_work_now(channel: str, brand: str | None, at: datetime) -> bool:
        return is_at_work(followed, channel, settings.channels, zone, brand, at)

    follower = RuleFollower(kafka, settings.rules.followed, use)
    await follower.start()
    index = elasticsearch_client(settings)
    async with httpx.AsyncClient() as client, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(index.close)
        stack.push_async_callback(follower.stop)
        consumers, stages = [], []
        channels = build_channels(settings, client)
        for name in settings.telling_channels:
            group = f"notify-{name}"
            vitals = process.reader(group)
            stage = NotifyStage(
                name,
                channels[name],
                Journal(index),
                settings.notify,
                lambda: names,
                settings.platforms,
                partial(is_told, followed, name, settings.channels),
                vitals=vitals,
                fallback=_fallback_of(settings, name, channels),
                is_at_work=is_at_work_now,
                newest=partial(read_incidents, kafka),
                escalation=_escalation_of(settings, name, channels),
            )
            stages.append(stage)
            loop = safe_loop(stage, kafka, settings, vitals, group)
            consumers.append(SinkConsumer(kafka, group, reads(group), loop, MAX_RECORDS, vitals))
        if not consumers:
            log.warning("no channel is configured: nobody will be told")
            process.reader("notify").end("starting")
            await stop.wait()
        looking = asyncio.create_task(_look(stages, settings.notify.look_seconds))
        looking.add_done_callback(_end_if_failed)
        try:
            await asyncio.gather(*(consumer.run(stop) for consumer in consumers))
        finally:
            looking.cancel()
            await asyncio.wait((looking,))


async def _look(stages: Sequence[NotifyStage], seconds: float) -> None:
    """Tell what waited long enough, again and again."""
    while True:
        await asyncio.sleep(seconds)
        # Beside each other: one that waits for its channel holds up no other.
        await asyncio.gather(*map(_look_once, stages))


async def _look_once(stage: NotifyStage) -> None:
    try:
        await stage.look()
    except (TingchaoError, KafkaError) as error:
        log.warning("what waits can't be looked for now", reason=str(error) or repr(error))


def _end_if_failed(task: asyncio.Task[None]) -> None:
    """Waiting notices that nobody looks for would look like calm: better a fresh process."""
    if not task.cancelled() and (error := task.exception()) is not None:
        end_process(EXIT_BUG, f"looking for what waits: {type(error).__name__}: {error}")


def _escalation_of(
    settings: Settings, name: str, channels: Mapping[str, Channel]
) -> Escalation | None:
    other = settings.channels[name].escalate_to
    return None if other is None else Escalation(other, channels[other])


def _fallback_of(settings: Settings, name: str, channels: Mapping[str, Channel]) -> Fallback | None:
    section = settings.channels[name]
    if section.fallback is None:
        return None
    # The same object that the other's own reader uses: one robot, one rate limit.
    return Fallback(
        section.fallback, channels[section.fallback], 60 * section.fallback_after_minutes
    )
