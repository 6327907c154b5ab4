"""Ears: one file per platform."""

from schemas.registry import LazyRegistry

__all__ = ["CONNECTORS"]

CONNECTORS = LazyRegistry(
    {
        "file": "connectors.file:File",
        "replay": "connectors.replay:Replay",
        "wechat": "connectors.wechat:Wechat",
        "wechat-articles": "connectors.wechat_articles:WechatArticles",
        "wecom": "connectors.wecom:Wecom",
    }
)
"""Every connector, by the name used in the settings."""
