"""``notify``: incidents are told to every configured channel, each with a group of its own."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from functools import partial

import httpx
import structlog

from pipeline.components import build_channels
from pipeline.endpoints import elasticsearch_client, kafka_of
from pipeline.lag import reads
from pipeline.notify import Fallback, NotifyStage
from pipeline.roles.parts import safe_loop
from pipeline.rule_follower import RuleFollower
from pipeline.settings import Settings
from pipeline.sink_consumer import SinkConsumer
from pipeline.vitals import Vitals
from schemas.rules import RuleSet, is_told, joined
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

    follower = RuleFollower(kafka, settings.rules.followed, use)
    await follower.start()
    index = elasticsearch_client(settings)
    async with httpx.AsyncClient() as client, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(index.close)
        stack.push_async_callback(follower.stop)
        consumers = []
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
            )
            loop = safe_loop(stage, kafka, settings, vitals, group)
            consumers.append(SinkConsumer(kafka, group, reads(group), loop, MAX_RECORDS, vitals))
        if not consumers:
            log.warning("no channel is configured: nobody will be told")
            process.reader("notify").end("starting")
            await stop.wait()
        await asyncio.gather(*(consumer.run(stop) for consumer in consumers))


def _fallback_of(settings: Settings, name: str, channels: Mapping[str, Channel]) -> Fallback | None:
    section = settings.channels[name]
    if section.fallback is None:
        return None
    # The same object that the other's own reader uses: one robot, one rate limit.
    return Fallback(
        section.fallback, channels[section.fallback], 60 * section.fallback_after_minutes
    )
