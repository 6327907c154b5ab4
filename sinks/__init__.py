"""Sinks: where findings go; one line a sink. Imports schemas only."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sinks.base import Channel

__all__ = ["CHANNELS", "SINKS"]


class _Registry(Mapping[str, Any]):
    """Name to class; a module is imported when its class is asked for.

    The Elasticsearch client alone takes most of a second to import, which a command that only
    prints a notice should not pay.
    """

    def __init__(self, places: Mapping[str, str]) -> None:
        self._places = places

    def __getitem__(self, name: str) -> Any:
        module, _, attribute = self._places[name].partition(":")
        return getattr(import_module(module), attribute)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


_CHANNELS = {
    "memory": "sinks.memory:MemoryChannel",
    "terminal": "sinks.terminal:Terminal",
    "webhook": "sinks.webhook:Webhook",
}

CHANNELS: "Mapping[str, type[Channel]]" = _Registry(_CHANNELS)
"""Ways to reach people, constructed as ``X(name, config, client)``."""

SINKS: Mapping[str, type[Any]] = _Registry(
    {"elasticsearch": "sinks.elasticsearch:Elasticsearch", **_CHANNELS}
)
"""Every sink, by the name used in the settings."""
