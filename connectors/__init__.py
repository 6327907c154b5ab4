"""Ears: one file per platform."""

from schemas.registry import LazyRegistry

__all__ = ["CONNECTORS"]

CONNECTORS = LazyRegistry(
    {
        "file": "connectors.file:File",
        "replay": "connectors.replay:Replay",
        "weibo": "connectors.weibo:Weibo",
        "weibo-push": "connectors.weibo_push:WeiboPush",
    }
)
"""Every connector, by the name used in the settings."""
