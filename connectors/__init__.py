"""Ears: one file per platform."""

from schemas.registry import LazyRegistry

__all__ = ["CONNECTORS"]

CONNECTORS = LazyRegistry(
    {
        "discourse": "connectors.discourse:Discourse",
        "feed": "connectors.feed:Feed",
        "file": "connectors.file:File",
        "misago": "connectors.misago:Misago",
        "nodebb": "connectors.nodebb:NodeBb",
        "replay": "connectors.replay:Replay",
    }
)
"""Every connector, by the name used in the settings."""
