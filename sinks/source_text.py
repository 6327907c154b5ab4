"""A source that is not heard, in words: since when, why, what to do, and what will be missing."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from schemas.language import say
from schemas.source_incident import SourceIncident
from schemas.source_status import Backfill, SourceTrouble
from sinks.wording import STATES, Line, Pair, clean, duration, line, local_time, severity_word

__all__ = ["TO_DO", "TROUBLES", "describe_source", "source_title"]

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
TO_DO: dict[SourceTrouble, Pair] = {
    "login": (
        "到平台重新授权或登录，把新令牌写到设置所指的地方，再重启 ingest。",
        "authorise or log in again, put the new token where the settings point, restart ingest.",
    ),
    "forbidden": (
        "向平台申请权限，或把本机出口 IP 加入它的白名单；之后自动恢复。",
        "ask the platform for the right, or have our address put on its list; then it goes on by "
        "itself.",
    ),
    "captcha": (
        "先停用或放慢这个来源，改用平台的正式接口；听潮不绕过验证码。",
        "stop this source for a while or ask less often, and use an official way in; Tingchao "
        "gets round no captcha.",
    ),
    "quota": (
        "不用处理，到时自动继续；若常出现，调大 every_seconds 或向平台购买配额。",
        "nothing, it goes on by itself; if it comes often, raise every_seconds or buy more calls.",
    ),
    "format": (
        "先检查设置中的地址；若地址没错，是对方改了格式：升级听潮，或把上面这句话报告给开发者。",
        "check the address in the settings; if it is right, the platform has changed: update "
        "Tingchao, or report the sentence above.",
    ),
    "gone": (
        "在设置中改正或去掉这个地址，再重启 ingest。",
        "correct the address in the settings or take it out, then restart ingest.",
    ),
    "unreachable": (
        "会自动重试；若一直如此，请运维检查网络、DNS 和代理。",
        "it is tried again by itself; if it lasts, have network, DNS and proxy checked.",
    ),
    "server": (
        "不用处理，等对方恢复；听潮会自动重试。",
        "nothing: wait for the other side; it is tried again by itself.",
    ),
    "settings": (
        "来源已停：按上面这句话改正设置，再重启 ingest。",
        "the source has stopped: correct the settings as the sentence above says, then restart "
        "ingest.",
    ),
    "stalled": (
        "用 tingchao sources 看它是否在等配额；若不是，重启 ingest。",
        "see in `tingchao sources` whether it waits for its quota; if not, restart ingest.",
    ),
    "silent": (
        "到平台上看看：有人发帖，就是权限或格式变了；没人发帖，不用处理。",
        "look at the platform: if people post there, a right or the format has changed; if not, "
        "nothing.",
    ),
    "unheard": (
        "用 tingchao status 看 ingest 为什么停过；现在不在运行就启动它。",
        "see in `tingchao status` why ingest stopped; start it if it does not run.",
    ),
}
"""What a person has to do; ``deploy/runbook.md`` says more."""
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


def describe_source(incident: SourceIncident, *, zone: ZoneInfo) -> Iterator[Line]:
    """The incident in words."""
    name, connector = clean(incident.source), clean(incident.connector)
    trouble, state = say(*TROUBLES[incident.trouble]), say(*STATES[incident.state])
    severity = severity_word(incident.severity)
    yield line(
        f"信源：{name}（{connector}），{severity}，状态：{state}",
        f"source: {name} ({connector}), {severity}, state: {state}",
    )
    yield line(
        f"问题：{trouble}。{clean(incident.message)}",
        f"trouble: {trouble}. {clean(incident.message)}",
    )
    if incident.state == "confirmed":
        to_do = say(*TO_DO[incident.trouble])
        yield line(f"该做什么：{to_do}", f"what to do: {to_do}")
    since = local_time(incident.gap_started_at, zone)
    noticed = local_time(incident.opened_at, zone)
    if incident.gap_ended_at is None:
        yield line(
            f"时间：{since} 起听不到，{noticed} 发现（{zone.key}）",
            f"time: not heard since {since}, noticed {noticed} ({zone.key})",
        )
    else:
        until = local_time(incident.gap_ended_at, zone)
        length = duration(incident.gap_ended_at - incident.gap_started_at)
        yield line(
            f"时间：{since} 至 {until} 听不到，历时{length}（{zone.key}）",
            f"time: not heard from {since} to {until}, {length} ({zone.key})",
        )
    yield line(
        "影响：这段时间帖子少不等于平静；它不计入平时的基线，期间的危机可能没有报警。",
        "effect: few posts in that time are no calm; it is not learned as usual, and a crisis in "
        "it may not have raised an alarm.",
    )
    after = _BACKFILL if incident.state == "confirmed" else _BACKFILLED
    missing = say(*after[incident.backfill])
    yield line(f"补抓：{missing}", f"later: {missing}")
    yield Line("", "gap")
