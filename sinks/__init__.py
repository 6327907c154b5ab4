"""Where findings go: the index and the alert channels; one line a sink."""

from schemas.registry import LazyRegistry

__all__ = ["CHANNELS", "SINKS"]

_CHANNELS = {
    "alertmanager": "sinks.alertmanager:Alertmanager",
    "dingtalk": "sinks.dingtalk:DingTalk",
    "feishu": "sinks.feishu:Feishu",
    "mail": "sinks.mail:Mail",
    "memory": "sinks.memory:MemoryChannel",
    "pagerduty": "sinks.pagerduty:PagerDuty",
    "slack": "sinks.slack:Slack",
    "terminal": "sinks.terminal:Terminal",
    "webhook": "sinks.webhook:Webhook",
    "wecom": "sinks.wecom:WeCom",
}

CHANNELS = LazyRegistry(_CHANNELS)
"""Ways to reach people, constructed as ``X(name, config, client)``."""

SINKS = LazyRegistry({"elasticsearch": "sinks.elasticsearch:Elasticsearch", **_CHANNELS})
"""Every sink, by the name used in the settings."""
