"""Checks that need no running service: every name and option in the settings."""

import asyncio

import httpx

from connectors.base import Context
from pipeline.clock import now
from pipeline.components import build_channels, build_connector, configure
from pipeline.endpoints import elasticsearch_config
from pipeline.kafka import Kafka
from pipeline.rules import configured_rules, no_rules
from pipeline.settings import Settings
from processors.chain import build_chain
from processors.watch_settings import WatchSettings

__all__ = ["check_settings"]


def check_settings(settings: Settings) -> None:
    """Build everything that the settings name, without any I/O but reading files.

    Raises:
        FatalError: the first thing that is wrong.
    """
    rules = configured_rules(settings)
    build_chain(
        settings.enrich.chain, settings.enrich.options, rules or no_rules(settings.rules.id)
    )
    Kafka(settings.kafka, settings.kafka.bootstrap or "").connection()
    if settings.elasticsearch.url is not None:
        elasticsearch_config(settings, settings.elasticsearch.url)
    configure("watch", WatchSettings, settings.watch)
    client = httpx.AsyncClient()
    context = Context(client, now, asyncio.sleep)
    for name, section in settings.sources.items():
        build_connector(name, section, context)
    build_channels(settings, client)
