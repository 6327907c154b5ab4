"""Ears: one file per platform."""

from schemas.registry import LazyRegistry

__all__ = ["CONNECTORS"]

CONNECTORS = LazyRegistry(
    {
        "discourse": "connectors.discourse:Discourse",
        "discuz": "connectors.discuz:Discuz",
        "feed": "connectors.feed:Feed",
        "file": "connectors.file:File",
        "mailbox": "connectors.mailbox:Mailbox",
        "misago": "connectors.misago:Misago",
        "nodebb": "connectors.nodebb:NodeBb",
        "phpbb": "connectors.phpbb:PhpBb",
        "replay": "connectors.replay:Replay",
        "webhook": "connectors.webhook:Webhook",
        "wechat": "connectors.wechat:Wechat",
        "wechat-articles": "connectors.wechat_articles:WechatArticles",
        "wecom": "connectors.wecom:Wecom",
        "weibo": "connectors.weibo:Weibo",
        "weibo-push": "connectors.weibo_push:WeiboPush",
    }
)
"""Every connector, by the name used in the settings."""
