"""Connectors and channels by name, built from their section of the settings."""

import difflib
from collections.abc import Iterable
from typing import Any

import httpx
from pydantic import ValidationError

from connectors import CONNECTORS
from connectors.base import Connector, Context
from pipeline.settings import ComponentSettings, Settings
from schemas.component import ComponentConfig
from schemas.errors import FatalError
from schemas.language import say
from sinks import CHANNELS
from sinks.base import Channel

__all__ = ["build_channel", "build_channels", "build_connector", "configure"]


def build_connector(name: str, section: ComponentSettings, context: Context) -> Connector:
    """One configured source.

    Raises:
        FatalError: unknown connector or option; names the section and the nearest valid name.
    """
    where = f"sources.{name}"
    kind: Any = CONNECTORS[_known(where, section.use, CONNECTORS)]
    connector: Connector = kind(name, configure(where, kind.Config, section.options), context)
    return connector


def build_channel(name: str, section: ComponentSettings, client: httpx.AsyncClient) -> Channel:
    """One configured channel.

    Raises:
        FatalError: unknown channel or option; names the section and the nearest valid name.
    """
    where = f"channels.{name}"
    kind: Any = CHANNELS[_known(where, section.use, CHANNELS)]
    channel: Channel = kind(name, configure(where, kind.Config, section.options), client)
    return channel


def build_channels(settings: Settings, client: httpx.AsyncClient) -> dict[str, Channel]:
    """Every configured channel, by its name.

    Raises:
        FatalError: unknown channel or option, or a channel named by another one is none.
    """
    built = {name: build_channel(name, one, client) for name, one in settings.channels.items()}
    for name, section in settings.channels.items():
        others = sorted(built.keys() - {name})
        for key, other in (("fallback", section.fallback), ("escalate_to", section.escalate_to)):
            if other is not None and other not in others:
                raise FatalError(
                    say(
                        f"channels.{name}.{key}：没有另一个叫 {other} 的通道；"
                        f"可用：{'、'.join(others) or '无'}。",
                        f"channels.{name}.{key}: there is no other channel {other}; "
                        f"known: {', '.join(others) or 'none'}.",
                    )
                )
    return built


def configure(where: str, config: type[ComponentConfig], options: dict[str, Any]) -> Any:
    """A component's config from plain options."""
    try:
        return config(**options)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
        # A mistyped name first: it is also why a required one is missing.
        first = min(found, key=lambda one: one["type"] != "extra_forbidden")
        key = ".".join([where, *map(str, first["loc"])])
        if first["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(first["loc"][-1]), config.model_fields, n=1)
            zh, en = (
                (f"；是不是 {near[0]}？", f"; did you mean {near[0]}?") if near else ("。", ".")
            )
            message = say(f"没有 {key} 这个设置{zh}", f"Unknown key {key}{en}")
        else:
            message = say(f"{key} 的值不对：{first['msg']}。", f"{key}: {first['msg']}.")
    raise FatalError(message)  # outside the except block: the cause would show secrets


def _known(where: str, name: str, registry: Iterable[str]) -> str:
    names = sorted(registry)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.0)
    raise FatalError(
        say(
            f"{where}.use：没有叫 {name} 的组件；是不是 {near[0]}？可用：{'、'.join(names)}。",
            f"{where}.use: there is no {name}; did you mean {near[0]}? Known: {', '.join(names)}.",
        )
    )
