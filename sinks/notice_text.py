"""An incident in words: what a PR manager needs to know at midnight, on one screen.

Plain text with a fixed order: what, since when, how big, why we think so, who said it, where to
look next. Posts are quoted as foreign text: control and direction signs, which could repaint a
terminal or turn a sentence around, are taken out.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from schemas.incident import Evidence, Incident, Numbers, Quote, TimelineEntry
from schemas.language import say
from sinks.base import Notice

__all__ = ["KINDS", "SHANGHAI", "STATES", "body", "describe", "platform_name", "title"]

SHANGHAI = ZoneInfo("Asia/Shanghai")

_EXCERPT = 100
_QUOTES = 3
_STEPS = 4
_WORDS = 5

_UNWANTED = re.compile(
    r"[\s\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff]+"
)

_NO_NAMES: Mapping[str, str] = {}

Pair = tuple[str, str]

_REASONS: dict[str, Pair] = {
    "opened": ("新事件", "new"),
    "confirmed": ("已确认", "confirmed"),
    "worse": ("升级", "worse"),
    "closed": ("已结束", "closed"),
}
KINDS: dict[str, Pair] = {
    "crisis": ("危机", "crisis"),
    "praise_surge": ("好评激增", "praise surge"),
    "surge": ("声量激增", "surge"),
    "copy_flood": ("同文刷屏", "copy flood"),
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
_EVENTS: dict[str, Pair] = {
    "first_post": ("首帖", "first post"),
    "opened": ("发现", "opened"),
    "confirmed": ("确认", "confirmed"),
    "grown": ("扩大", "grown"),
    "peak": ("峰值", "peak"),
    "acknowledged": ("已知悉", "acknowledged"),
    "assigned": ("指派", "assigned"),
    "silenced": ("静默", "silenced"),
    "statement": ("发布声明", "statement"),
    "verdict": ("人工判定", "verdict"),
    "reopened": ("重新打开", "reopened"),
    "closed": ("结束", "closed"),
}
_PLATFORMS: dict[str, Pair] = {
    "weibo": ("微博", "Weibo"),
    "wechat": ("微信", "WeChat"),
    "forum": ("论坛", "forums"),
    "news": ("新闻", "news"),
    "rss": ("订阅源", "feeds"),
}
_MOODS: dict[str, Pair] = {
    "negative": ("负面", "negative"),
    "neutral": ("中性", "neutral"),
    "positive": ("正面", "positive"),
}
_MEASURED: dict[str, Pair] = {
    "negative": ("个负面独立声音", "negative voices"),
    "voices": ("个独立声音", "independent voices"),
    "mentions": ("条提及", "mentions"),
}


def title(notice: Notice) -> str:
    """One line: what happened to whom, how bad, how big."""
    incident = notice.incident
    words = say("、", ", ").join(_clean(entry.word) for entry in incident.words[:3])
    about = say(f"：{words}", f": {words}") if words else ""
    kind, reason = say(*KINDS[incident.kind]), say(*_REASONS[notice.reason])
    return say(
        f"【{kind}·{reason}】{_clean(notice.brand_name)}{about}（{_severity(incident)}，"
        f"{incident.totals.voices} 个独立声音，{_negative(incident.totals)} 负面）",
        f"[{kind}, {reason}] {_clean(notice.brand_name)}{about} ({_severity(incident)}, "
        f"{incident.totals.voices} independent voices, {_negative(incident.totals)} negative)",
    )


def body(notice: Notice, *, zone: ZoneInfo = SHANGHAI) -> str:
    """One screen: the incident, and where to look next."""
    pointer = say(
        f"详情：tingchao incidents show {notice.incident.id}",
        f"More: tingchao incidents show {notice.incident.id}",
    )
    text = describe(
        notice.incident, notice.brand_name, zone=zone, platform_names=notice.platform_names
    )
    return f"{text}\n{pointer}"


def describe(
    incident: Incident,
    brand_name: str,
    *,
    zone: ZoneInfo = SHANGHAI,
    platform_names: Mapping[str, str] = _NO_NAMES,
    full: bool = False,
) -> str:
    """The incident in words; ``full`` gives every quote and every step."""
    return "\n".join(_lines(incident, _clean(brand_name), zone, platform_names, full=full))


def platform_name(platform: str, own: Mapping[str, str] = _NO_NAMES) -> str:
    """A platform as people call it: by the user's own names, then ours, else its id."""
    return _clean(own.get(platform) or say(*_PLATFORMS.get(platform, (platform, platform))))


def _lines(
    incident: Incident, brand: str, zone: ZoneInfo, names: Mapping[str, str], *, full: bool
) -> Iterator[str]:
    role = say("自有品牌", "own brand") if incident.role == "own" else say("竞品", "competitor")
    kind, state = say(*KINDS[incident.kind]), say(*STATES[incident.state])
    severity = _severity(incident)
    yield say(
        f"{kind}：{brand}（{role}），{severity}，状态：{state}",
        f"{kind}: {brand} ({role}), {severity}, state: {state}",
    )
    if incident.words:
        words = say("、", ", ").join(
            f"{_clean(entry.word)} {entry.voices}" for entry in incident.words[:_WORDS]
        )
        yield say(f"词语：{words}（提到它的声音数）", f"words: {words} (voices that used it)")
    yield _when(incident, zone)
    yield from _size(incident.totals, names)
    yield from _why(incident.evidence, zone)
    yield ""
    yield say("首帖：", "First post:")
    yield from _quote(incident.first_post, zone, names)
    quotes = incident.quotes if full else incident.quotes[:_QUOTES]
    if quotes:
        yield say("其他声音：", "Other voices:")
        for quote in quotes:
            yield from _quote(quote, zone, names)
    steps = incident.timeline if full else incident.timeline[-_STEPS:]
    if steps:
        yield say("进展：", "Steps:")
        for step in steps:
            yield _step(step, zone)
    yield from _handling(incident, zone)
    yield ""


def _when(incident: Incident, zone: ZoneInfo) -> str:
    end = incident.closed_at or incident.updated_at
    lasted = _duration(end - incident.opened_at)
    since = _time(incident.opened_at, zone)
    if incident.closed_at:
        until = _time(incident.closed_at, zone)
        return say(
            f"时间：{since} 至 {until}，历时{lasted}（{zone.key}）",
            f"time: {since} to {until}, {lasted} ({zone.key})",
        )
    return say(
        f"时间：{since} 起，至最近更新已{lasted}（{zone.key}）",
        f"time: since {since}, {lasted} up to the last change ({zone.key})",
    )


def _size(totals: Numbers, names: Mapping[str, str]) -> Iterator[str]:
    yield say(
        f"规模：{totals.voices} 个独立声音，{_negative(totals)} 负面；"
        f"{totals.mentions} 条提及，其中 {totals.copies} 条为重复",
        f"size: {totals.voices} independent voices, {_negative(totals)} negative; "
        f"{totals.mentions} mentions, {totals.copies} of them repeats",
    )
    ranked = sorted(totals.platforms.items(), key=lambda entry: (-entry[1], entry[0]))
    platforms = say("、", ", ").join(
        f"{platform_name(name, names)} {count}" for name, count in ranked
    )
    if platforms:
        yield say(f"平台：{platforms}", f"platforms: {platforms}")


def _why(evidence: Evidence, zone: ZoneInfo) -> Iterator[str]:
    """The decision, with every number that went into it."""
    numbers, baseline = evidence.numbers, evidence.baseline
    unit = say(*_MEASURED.get(evidence.measured, (evidence.measured, evidence.measured)))
    counted = {"negative": numbers.negative, "mentions": numbers.mentions}.get(
        evidence.measured, numbers.voices
    )
    start = _time(evidence.window_start, zone)
    end = evidence.window_end.astimezone(zone).strftime("%H:%M")
    score, threshold = f"{evidence.score:.1f}", f"{evidence.threshold:g}"
    if baseline.buckets:
        yield say(
            f"依据：平时这个时段中位数 {baseline.median:g} {unit}，现在 {counted} {unit}，"
            f"高出 {score} 个标准差，阈值 {threshold}",
            f"why: usually a median of {baseline.median:g} {unit} at this hour, now {counted}, "
            f"{score} standard deviations above, threshold {threshold}",
        )
    else:
        yield say(
            f"依据：现在 {counted} {unit}，还没有可比的历史；得分 {score}，阈值 {threshold}",
            f"why: now {counted} {unit}, no history to compare with yet; score {score}, "
            f"threshold {threshold}",
        )
    rule = f"{_clean(evidence.rule)} v{evidence.rule_version}"
    yield say(
        f"      窗口 {start}–{end}，对照 {baseline.days} 天 {baseline.buckets} 段，规则 {rule}",
        f"     window {start}–{end}, compared with {baseline.buckets} stretches of "
        f"{baseline.days} days, rule {rule}",
    )


def _quote(quote: Quote, zone: ZoneInfo, names: Mapping[str, str]) -> Iterator[str]:
    author = _clean(quote.author_name or "") or say("未署名", "unnamed")
    if quote.followers is not None:
        author += say(f"，{quote.followers} 粉丝", f", {quote.followers} followers")
    mood = "" if quote.mood is None else say("，", ", ") + say(*_MOODS[quote.mood])
    platform = platform_name(quote.platform, names)
    text = _clean(quote.excerpt)
    if len(text) > _EXCERPT:
        text = text[:_EXCERPT] + "…"
    yield say(
        f"  “{text}”（{author}，{platform}，{_time(quote.at, zone)}{mood}）",
        f'  "{text}" ({author}, {platform}, {_time(quote.at, zone)}{mood})',
    )
    yield f"    {_clean(quote.url or quote.post_id)}"


def _step(step: TimelineEntry, zone: ZoneInfo) -> str:
    parts = [_time(step.at, zone), say(*_EVENTS[step.event])]
    if step.voices is not None:
        parts.append(say(f"{step.voices} 个独立声音", f"{step.voices} voices"))
    if step.by:
        parts.append(_clean(step.by))
    if step.note:
        parts.append(_clean(step.note)[:_EXCERPT])
    return "  " + " ".join(parts)


def _handling(incident: Incident, zone: ZoneInfo) -> Iterator[str]:
    if incident.owner:
        owner = _clean(incident.owner)
        yield say(f"负责人：{owner}", f"owner: {owner}")
    if incident.silenced_until:
        until = _time(incident.silenced_until, zone)
        yield say(f"静默至：{until}", f"silenced until: {until}")
    if incident.statement:
        statement = _clean(incident.statement)[:_EXCERPT]
        yield say(f"声明：{statement}", f"statement: {statement}")
    if incident.verdict is not None:
        yield (
            say("人工判定：属实", "verdict: a true alarm")
            if incident.verdict
            else say("人工判定：误报", "verdict: a false alarm")
        )


def _severity(incident: Incident) -> str:
    word = say(*_SEVERITIES[incident.severity])
    return f"{word} {incident.severity}/5"


def _negative(numbers: Numbers) -> str:
    return f"{numbers.negative_share:.0%}"


def _time(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")


def _duration(length: timedelta) -> str:
    minutes = max(0, int(length.total_seconds() // 60))
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    if days:
        return say(f" {days} 天 {hours} 小时", f"{days} d {hours} h")
    if hours:
        return say(f" {hours} 小时 {minutes} 分钟", f"{hours} h {minutes} min")
    return say(f" {minutes} 分钟", f"{minutes} min")


def _clean(text: str) -> str:
    return _UNWANTED.sub(" ", text).strip()
