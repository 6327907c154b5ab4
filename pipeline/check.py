"""Checks that need no running service: every name and option in the settings."""

import asyncio

import httpx

from connectors.base import Context
from pipeline.clock import now
from pipeline.components import build_channel, build_connector, configure
from pipeline.rules import no_rules, read_rule_file
from pipeline.settings import Settings
from processors.chain import build_chain
from processors.surge import Surge
from schemas.errors import FatalError
from schemas.language import say

__all__ = ["check_settings"]


def check_settings(settings: Settings) -> None:
    """Build everything that the settings name, without any I/O but reading files.

    Raises:
        FatalError: the first thing that is wrong.
    """
    rules = read_rule_file(settings.rules.file) if settings.rules.file else None
    if rules is not None and rules.id != settings.rules.id:
        raise FatalError(
            say(
                f"规则文件 {settings.rules.file} 的 id 是 {rules.id}，"
                f"而 rules.id 是 {settings.rules.id}。",
                f"Rule file {settings.rules.file} has the id {rules.id}, but rules.id is "
                f"{settings.rules.id}.",
            )
        )
    build_chain(
        settings.enrich.chain, settings.enrich.options, rules or no_rules(settings.rules.id)
    )
    configure("watch", Surge.Config, settings.watch)
    client = httpx.AsyncClient()
    context = Context(client, now, asyncio.sleep)
    for name, section in settings.sources.items():
        build_connector(name, section, context)
    for name, section in settings.channels.items():
        build_channel(name, section, client)
