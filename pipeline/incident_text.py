"""What ``tingchao incidents verify`` and ``effect`` say, line by line."""

from collections.abc import Iterator
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from processors.statement_effect import Effect, Share, Volume
from schemas.language import say

if TYPE_CHECKING:  # reads Kafka and the index, which saying does not need
    from pipeline.incident_check import Check, Stated

__all__ = ["check_lines", "effect_lines"]

MAX_SHOWN = 20
_WHY_NOT = {
    "few_posts": (
        "帖子不够，算不出效果：声明前后各至少要 30 个独立声音。",
        "Not enough posts for a figure: at least 30 voices before and after it are needed.",
    ),
    "too_short": (
        "时间太短，算不出效果：声明之后至少要过完整的一刻钟。",
        "Too short a time for a figure: at least one whole quarter of an hour has to pass.",
    ),
}
_VOLUME = {
    "less": ("少于预期", "less than expected"),
    "more": ("多于预期", "more than expected"),
    "open": ("说不上有变化", "no change that could be told from chance"),
}
_SHARE = {
    "less": ("下降", "fell"),
    "more": ("上升", "rose"),
    "open": ("说不上有变化", "no change that could be told from chance"),
}


def check_lines(check: "Check", zone: ZoneInfo) -> Iterator[str]:
    """Whether it holds, and what does not."""
    incident = check.incident
    name = f"{incident.id} r{incident.revision}"
    if not check.differences:
        yield say(f"✓ 重放信号：{name} 逐字节一致", f"✓ Signals replayed: {name}, byte for byte")
    else:
        count = len(check.differences)
        yield say(
            f"✗ 重放信号：{name} 有 {count} 处不同", f"✗ Signals replayed: {name}: {count} differ"
        )
        for one in check.differences[:MAX_SHOWN]:
            yield say(
                f"  {one.field}：事件里是 {one.told}，重算是 {one.found}",
                f"  {one.field}: told {one.told}, found {one.found}",
            )
        if check.reaches_back_to is not None:
            since = check.reaches_back_to.astimezone(zone).strftime("%Y-%m-%d %H:%M")
            yield say(
                f"  signals 只留有 {since} 以来的内容，更早学到的基线已无法重算。",
                f"  signals reaches back to {since} only: a baseline that was learned before "
                "can't be made again.",
            )
    sign = "✗" if check.missing else "✓"
    yield say(
        f"{sign} 帖子：{check.posts} 条里索引有 {check.posts - len(check.missing)} 条",
        f"{sign} Posts: the index holds {check.posts - len(check.missing)} of {check.posts}",
    )
    for post_id in check.missing[:MAX_SHOWN]:
        yield say(f"  没有 {post_id}", f"  {post_id} is not there")
    if check.changed:
        shown = ", ".join(check.changed[:5])
        yield say(
            f"  其中 {len(check.changed)} 条后来改过（{shown}）",
            f"  {len(check.changed)} of them were changed since ({shown})",
        )
    if check.recounted is not None:
        told, found = incident.evidence.numbers, check.recounted
        if told == found:
            yield say(
                f"✓ 依据：从帖子重新数得 {found.mentions} 条提及、{found.voices} 个独立声音、"
                f"{found.negative} 个负面，与事件一致",
                f"✓ Evidence: counted from the posts again: {found.mentions} mentions, "
                f"{found.voices} voices, {found.negative} negative, as the incident says",
            )
        else:
            yield say(
                f"✗ 依据：事件里是 {told.mentions} 条提及、{told.voices} 个独立声音、"
                f"{told.negative} 个负面，从帖子数得 "
                f"{found.mentions}、{found.voices}、{found.negative}",
                f"✗ Evidence: told {told.mentions} mentions, {told.voices} voices, {told.negative} "
                f"negative; counted {found.mentions}, {found.voices}, {found.negative}",
            )


def effect_lines(stated: "Stated", zone: ZoneInfo) -> Iterator[str]:
    """One statement and what followed it."""
    at = stated.at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
    text = f"“{stated.text}”" if stated.text else ""
    yield say(f"声明 {at} {text}", f"Statement {at} {text}").rstrip()
    found = stated.effect
    if not isinstance(found, Effect):
        yield "  " + say(*_WHY_NOT[found])
        return
    hours = found.quarters_after / 4
    yield "  " + say(
        f"比较之前 {found.quarters_before / 4:g} 小时与之后 {hours:g} 小时；"
        "同时发生的别的事也算在内。",
        f"{found.quarters_before / 4:g} h before against {hours:g} h after it; whatever else "
        "happened then is in it, too.",
    )
    yield "  " + _volume(say("独立声音", "Voices"), found.voices)
    if found.negative is not None:
        yield "  " + _volume(say("负面声音", "Negative voices"), found.negative)
    yield "  " + _share(found.share)


def _volume(name: str, volume: Volume) -> str:
    verdict = say(*_VOLUME[volume.verdict])
    return say(
        f"{name}：之前 {volume.before}，之后 {volume.after}；照原来的走势预期 "
        f"{volume.expected:.0f}，是预期的 {volume.ratio:.0%}"
        f"（95% 区间 {volume.low:.0%} 至 {volume.high:.0%}）：{verdict}",
        f"{name}: {volume.before} before, {volume.after} after; {volume.expected:.0f} were to be "
        f"expected, so {volume.ratio:.0%} of that (95 %: {volume.low:.0%} to {volume.high:.0%}): "
        f"{verdict}",
    )


def _share(share: Share) -> str:
    verdict = say(*_SHARE[share.verdict])
    points = (100 * (share.after - share.before), 100 * share.low, 100 * share.high)
    change = f"{points[0]:+.0f}", f"{points[1]:+.0f}", f"{points[2]:+.0f}"
    return say(
        f"负面占比：{share.before:.0%} → {share.after:.0%}，变化 {change[0]} 个百分点"
        f"（95% 区间 {change[1]} 至 {change[2]}）：{verdict}",
        f"Negative share: {share.before:.0%} to {share.after:.0%}, {change[0]} points "
        f"(95 %: {change[1]} to {change[2]}): {verdict}",
    )
