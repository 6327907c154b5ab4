"""Where findings go: the index and the alert channels; one line a sink."""

from schemas.registry import LazyRegistry

__all__ = ["CHANNELS", "SINKS"]

_CHANNELS = {
    "memory": "sinks.memory:MemoryChannel",
    "terminal": "sinks.terminal:Terminal",
    "webhook": "sinks.webhook:Webhook",
}

CHANNELS = LazyRegistry(_CHANNELS)
"""Ways to reach people, constructed as ``X(name, config, client)``."""

SINKS = LazyRegistry({"elasticsearch": "sinks.elasticsearch:Elasticsearch", **_CHANNELS})
"""Every sink, by the name used in the settings."""
