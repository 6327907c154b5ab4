"""A source that is not heard, in words: since when, why, what to do, and what will be missing."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from schemas.language import say
from schemas.source_incident import SourceIncident
from schemas.source_status import Backfill, SourceTrouble
from sinks.wording import STATES, Pair, clean, duration, local_time, severity_word

__all__ = ["TROUBLES", "describe_source", "source_title"]

TROUBLES: dict[SourceTrouble, Pair] = {
    "login": ("登录失效", "login expired"),
    "forbidden": ("被拒绝", "refused"),
    "captcha": ("要求验证码", "asks for a captcha"),
    "quota": ("配额用完", "quota used up"),
    "format": ("格式变了", "format changed"),
    "gone": ("不存在", "nothing there"),
    "unreachable": ("连不上", "unreachable"),
    "server": ("对方出错", "server error"),
    "settings": ("设置有误", "settings are wrong"),
    "stalled": ("没有动静", "no sign of life"),
    "silent": ("异常安静", "unusually silent"),
    "unheard": ("当时没有收听", "nobody listened"),
}
_BACKFILL: dict[Backfill, Pair] = {
    "whole": (
        "恢复后会从断点补抓这段时间的全部帖子。",
        "once it is heard again, all posts of that time are fetched.",
    ),
    "listed": (
        "恢复后会补抓平台那时仍列出的帖子；更早的补不回来。",
        "once it is heard again, the posts that the platform still lists are fetched; older ones "
        "are missing.",
    ),
    "sender": (
        "只有对方重发的会补上；其余补不回来。",
        "only what the sender sends again comes in; the rest is missing.",
    ),
}
_BACKFILLED: dict[Backfill, Pair] = {
    "whole": (
        "这段时间的帖子正从断点全部补抓。",
        "all posts of that time are being fetched.",
    ),
    "listed": (
        "平台仍列出的帖子正在补抓；更早的补不回来。",
        "the posts that the platform still lists are being fetched; older ones are missing.",
    ),
    "sender": _BACKFILL["sender"],
}


def source_title(incident: SourceIncident) -> str:
    """One line: which source, what is wrong, or that it is heard again."""
    trouble, severity = say(*TROUBLES[incident.trouble]), severity_word(incident.severity)
    name = clean(incident.source)
    if incident.state == "closed":
        length = duration(incident.updated_at - incident.gap_started_at)
        return say(
            f"【信源恢复】{name}：又能听到了（{trouble}，中断{length}）",
            f"[source heard again] {name} ({trouble}, not heard for {length})",
        )
    return say(
        f"【信源中断】{name}：{trouble}（{severity}）",
        f"[source not heard] {name}: {trouble} ({severity})",
    )


def describe_source(incident: SourceIncident, *, zone: ZoneInfo) -> str:
    """The incident in words."""
    return "\n".join(_lines(incident, zone))


def _lines(incident: SourceIncident, zone: ZoneInfo) -> Iterator[str]:
    name, connector = clean(incident.source), clean(incident.connector)
    trouble, state = say(*TROUBLES[incident.trouble]), say(*STATES[incident.state])
    severity = severity_word(incident.severity)
    yield say(
        f"信源：{name}（{connector}），{severity}，状态：{state}",
        f"source: {name} ({connector}), {severity}, state: {state}",
    )
    yield say(
        f"问题：{trouble}。{clean(incident.message)}",
        f"trouble: {trouble}. {clean(incident.message)}",
    )
    since = local_time(incident.gap_started_at, zone)
    noticed = local_time(incident.opened_at, zone)
    if incident.gap_ended_at is None:
        yield say(
            f"时间：{since} 起听不到，{noticed} 发现（{zone.key}）",
            f"time: not heard since {since}, noticed {noticed} ({zone.key})",
        )
    else:
        until = local_time(incident.gap_ended_at, zone)
        length = duration(incident.gap_ended_at - incident.gap_started_at)
        yield say(
            f"时间：{since} 至 {until} 听不到，历时{length}（{zone.key}）",
            f"time: not heard from {since} to {until}, {length} ({zone.key})",
        )
    yield say(
        "影响：这段时间帖子少不等于平静；它不计入平时的基线，期间的危机可能没有报警。",
        "effect: few posts in that time are no calm; it is not learned as usual, and a crisis in "
        "it may not have raised an alarm.",
    )
    after = _BACKFILL if incident.state == "confirmed" else _BACKFILLED
    missing = say(*after[incident.backfill])
    yield say(f"补抓：{missing}", f"later: {missing}")
    yield ""
