"""Why a wave has its name, and what made its severity, in one line each."""

from collections.abc import Iterator

from schemas.incident import Incident, Reason, SeverityParts
from schemas.language import say
from sinks.wording import Line, Pair, clean, line

__all__ = ["reason_lines", "reason_words"]

_COUNTED: dict[str, Pair] = {
    "negative": ("负面声音", "negative voices"),
    "positive": ("正面声音", "positive voices"),
    "complaints": ("投诉", "complaints"),
    "rumours": ("传言", "hearsay"),
    "grave": ("说到伤害、违法或失德", "speak of harm, law or misconduct"),
    "fear": ("恐慌", "afraid"),
    "media": ("媒体", "media"),
    "officials": ("官方", "officials"),
    "staff": ("员工", "staff"),
    "copies": ("转抄或重复", "copies or repeats"),
    "reposts": ("无言转发", "bare reposts"),
    "calls": ("带宣传或抽奖", "advertise or give away"),
    "topics": ("热搜话题说到麻烦", "hot-search topics speak of trouble"),
}
_PARTS: dict[str, Pair] = {
    "mood": ("负面为主", "mostly negative"),
    "authority": ("媒体或官方发声", "media or officials speak"),
    "platforms": ("多平台", "many platforms"),
    "panic": ("恐慌", "panic"),
}


def reason_lines(incident: Incident) -> Iterator[Line]:
    """The deciding facts, and the parts of the severity; nothing where none are known."""
    if incident.reasons:
        told = say("，", "; ").join(map(reason_words, incident.reasons))
        yield line(f"为什么这么判断：{told}", f"judged so because: {told}")
    if incident.severity_parts is not None:
        yield _severity(incident.severity_parts)


def reason_words(reason: Reason) -> str:
    """One fact with its numbers."""
    text = clean(reason.text or "")
    match reason.fact:
        case "role":
            return say("不是自有品牌", "not an own brand")
        case "crowd":
            return say(f"规模达下限的 {reason.count} 倍", f"{reason.count} times the least size")
        case "platforms":
            return say(f"{reason.count} 个平台", f"{reason.count} platforms")
        case "same_fault":
            return say(
                f"{reason.count} 人都说“{text}”", f'{reason.count} people complain of "{text}"'
            )
    what = say(*_COUNTED[reason.fact])
    counted = f"{reason.count}/{reason.of}" if reason.of is not None else f"{reason.count}"
    if reason.usual is None:
        return say(f"{what} {counted}", f"{counted} {what}")
    if reason.fact == "topics":
        return say(
            f"{what} {counted}（平时一天 {reason.usual:g}）",
            f"{counted} {what} (usually {reason.usual:g} a day)",
        )
    return say(
        f"{what} {counted}（平时 {reason.usual:.0%}）",
        f"{counted} {what} (usually {reason.usual:.0%})",
    )


def _severity(parts: SeverityParts) -> Line:
    worse = [say(*words) for name, words in _PARTS.items() if getattr(parts, name)]
    listed = say("、", ", ").join(worse) or say("无", "none")
    apart = say("；不是自有品牌 −1", "; not an own brand −1") if parts.apart else ""
    return line(
        f"级别 = 1 + 规模 {parts.size} + 加重项 {len(worse)} 的一半取整（{listed}）{apart}",
        f"severity = 1 + size {parts.size} + half of {len(worse)} aggravating, rounded down "
        f"({listed}){apart}",
        "more",
    )
