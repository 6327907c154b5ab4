"""Ears: one file per platform."""

from schemas.registry import LazyRegistry

__all__ = ["CONNECTORS"]

CONNECTORS = LazyRegistry(
    {
        "discourse": "connectors.discourse:Discourse",
        "discuz": "connectors.discuz:Discuz",
        "feed": "connectors.feed:Feed",
        "file": "connectors.file:File",
        "misago": "connectors.misago:Misago",
        "nodebb": "connectors.nodebb:NodeBb",
        "phpbb": "connectors.phpbb:PhpBb",
        "replay": "connectors.replay:Replay",
    }
)
"""Every connector, by the name used in the settings."""
