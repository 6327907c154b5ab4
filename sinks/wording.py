"""Words and figures that every text for people shares."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from schemas.language import say

__all__ = [
    "KINDS",
    "REASONS",
    "SHANGHAI",
    "STATES",
    "Line",
    "LineKind",
    "Pair",
    "clean",
    "duration",
    "line",
    "local_time",
    "severity_word",
]

SHANGHAI = ZoneInfo("Asia/Shanghai")

_UNWANTED = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+"
)

Pair = tuple[str, str]

LineKind = Literal["fact", "more", "heading", "quote", "link", "step", "gap", "pointer"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line for people: ``text`` without line breaks, and what it is."""

    text: str
    kind: LineKind = "fact"
    """``more`` goes on with the line before; ``link`` is the address (or id) of the post quoted
    before; ``gap`` parts two paragraphs; ``pointer`` says where to look next."""

    @property
    def plain(self) -> str:
        """As plain text: the kind is shown by how far it is indented."""
        if self.kind == "more":
            return say("      ", "     ") + self.text
        return _INDENTS.get(self.kind, "") + self.text


_INDENTS: dict[LineKind, str] = {"quote": "  ", "link": "    ", "step": "  "}

REASONS: dict[str, Pair] = {
    "opened": ("新事件", "new"),
    "confirmed": ("已确认", "confirmed"),
    "worse": ("升级", "worse"),
    "media": ("媒体跟进", "taken up by media"),
    "reopened": ("再次升温", "again"),
    "unsilenced": ("静默到期，仍在发展", "silence over, still going on"),
    "unclaimed": ("仍无人认领", "still unclaimed"),
    "closed": ("已结束", "closed"),
}
KINDS: dict[str, Pair] = {
    "crisis": ("危机", "crisis"),
    "complaint": ("投诉升温", "rising complaint"),
    "rumour": ("传言", "rumour"),
    "competitor_crisis": ("竞品危机", "competitor's crisis"),
    "praise_surge": ("好评激增", "praise surge"),
    "campaign": ("营销活动", "campaign"),
    "surge": ("声量激增", "surge"),
    "copy_flood": ("同文刷屏", "copy flood"),
    "source": ("信源中断", "source not heard"),
}
STATES: dict[str, Pair] = {
    "suspected": ("疑似", "suspected"),
    "confirmed": ("已确认", "confirmed"),
    "handled": ("处理中", "being handled"),
    "closed": ("已结束", "closed"),
}
_SEVERITIES: dict[int, Pair] = {
    1: ("留意", "watch"),
    2: ("一般", "moderate"),
    3: ("较重", "serious"),
    4: ("严重", "severe"),
    5: ("特别严重", "critical"),
}


def line(zh: str, en: str, kind: LineKind = "fact") -> Line:
    """A line in the language in force."""
    return Line(say(zh, en), kind)


def severity_word(severity: int) -> str:
    """A severity in words and figures."""
    return f"{say(*_SEVERITIES[severity])} {severity}/5"


def local_time(at: datetime, zone: ZoneInfo) -> str:
    """A time to the minute."""
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def duration(length: timedelta) -> str:
    """A length of time, rounded down; in Chinese with the space before its number."""
    minutes = max(0, int(length.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return say(f" {days} 天 {hours} 小时", f"{days} d {hours} h")
    if hours:
        return say(f" {hours} 小时 {minutes} 分钟", f"{hours} h {minutes} min")
    return say(f" {minutes} 分钟", f"{minutes} min")


def clean(text: str) -> str:
    """Foreign text on one line, without signs that repaint a terminal or turn a sentence."""
    return _UNWANTED.sub(" ", text).strip()
