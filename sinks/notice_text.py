"""An incident in words: what a PR manager needs to know at midnight, on one screen.

Lines with a fixed order: what, since when, how big, why we think so, who said it, where to look
next; here as plain text, in ``sinks/notice_markup.py`` as a chat shows them. Posts are quoted as
foreign text: control and direction signs, which could repaint a terminal or turn a sentence around,
are taken out.
"""

from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

from schemas.enriched import BrandRole
from schemas.incident import Evidence, Incident, Numbers, Quote, TimelineEntry
from schemas.incidents import AnyIncident
from schemas.language import say
from sinks.base import Notice
from sinks.reason_text import reason_lines
from sinks.source_text import describe_source, source_title
from sinks.wording import (
    KINDS,
    REASONS,
    SHANGHAI,
    STATES,
    Line,
    Pair,
    clean,
    duration,
    line,
    local_time,
    severity_word,
)

__all__ = ["body", "describe", "lines", "platform_name", "title"]

_EXCERPT = 100
_QUOTES = 3
_COPIED = 2
_STEPS = 4
_WORDS = 5

_NO_NAMES: Mapping[str, str] = {}

_EVENTS: dict[str, Pair] = {
    "first_post": ("首帖", "first post"),
    "second_voice": ("第二个声音", "second voice"),
    "media": ("媒体跟进", "taken up by media"),
    "opened": ("发现", "opened"),
    "confirmed": ("确认", "confirmed"),
    "grown": ("扩大", "grown"),
    "amplified": ("放大", "amplified"),
    "peak": ("峰值", "peak"),
    "acknowledged": ("已知悉", "acknowledged"),
    "assigned": ("指派", "assigned"),
    "silenced": ("静默", "silenced"),
    "unsilenced": ("静默到期，仍在发展", "silence over, still going on"),
    "statement": ("发布声明", "statement"),
    "verdict": ("人工判定", "verdict"),
    "reopened": ("重新打开", "reopened"),
    "closed": ("结束", "closed"),
}
_PLATFORMS: dict[str, Pair] = {
    "weibo": ("微博", "Weibo"),
    "wechat": ("微信", "WeChat"),
    "mail": ("邮件", "mail"),
    "forum": ("论坛", "forums"),
    "news": ("新闻", "news"),
    "rss": ("订阅源", "feeds"),
}
_ROLES: dict[BrandRole, Pair] = {
    "own": ("自有品牌", "own brand"),
    "competitor": ("竞品", "competitor"),
    "industry": ("行业", "industry"),
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
    trial = say("【试发，不是警报】", "[trial, no alarm] ") if notice.trial else ""
    if incident.kind == "source":
        return trial + source_title(incident)
    words = say("、", ", ").join(clean(entry.word) for entry in incident.words[:3])
    about = say(f"：{words}", f": {words}") if words else ""
    kind, reason = say(*KINDS[incident.kind]), say(*REASONS[notice.reason])
    name, severity = clean(notice.brand_name), severity_word(incident.severity)
    if incident.evidence.measured == "topics":
        topics = incident.evidence.numbers
        return trial + say(
            f"【{kind}·{reason}】{name}{about}（{severity}，热搜榜上 {topics.mentions} 个话题，"
            f"{topics.negative} 个说的是麻烦）",
            f"[{kind}, {reason}] {name}{about} ({severity}, {topics.mentions} topics on "
            f"hot-search boards, {topics.negative} of trouble)",
        )
    return trial + say(
        f"【{kind}·{reason}】{name}{about}（{severity}，"
        f"{incident.totals.voices} 个独立声音，{_negative(incident.totals)} 负面）",
        f"[{kind}, {reason}] {name}{about} ({severity}, "
        f"{incident.totals.voices} independent voices, {_negative(incident.totals)} negative)",
    )


def lines(notice: Notice, *, zone: ZoneInfo = SHANGHAI) -> Iterator[Line]:
    """One screen: the incident, and where to look next."""
    if notice.trial:
        yield line(
            "这是 tingchao channels test 发出的一条试发通知，内容是虚构的，不用处理。",
            "This is a trial, sent by `tingchao channels test`. Its content is made up; there "
            "is nothing to do.",
        )
    if notice.instead_of:
        name = clean(notice.instead_of)
        yield line(
            f"通道 {name} 送不到，由本通道代为告知；请检查 {name}。",
            f"Channel {name} can't be reached, so this one tells you instead; please look at "
            f"{name}.",
        )
    yield from _waited(notice, zone)
    brand = notice.brand_name
    yield from _about(notice.incident, brand, zone, notice.platform_names, full=False)
    if not notice.trial:
        yield line(
            f"详情：tingchao incidents show {notice.incident.id}",
            f"More: tingchao incidents show {notice.incident.id}",
            "pointer",
        )


def _waited(notice: Notice, zone: ZoneInfo) -> Iterator[Line]:
    if notice.told_at is not None:
        at = local_time(notice.told_at, zone)
        command = f"tingchao incidents acknowledge {notice.incident.id}"
        yield line(
            f"{at} 已告知，至今没有人认领。认领：{command}",
            f"People were told at {at}, and nobody has taken it since. To take it: {command}",
        )
    if notice.held_since is not None:
        at = local_time(notice.held_since, zone)
        yield line(
            f"{at} 起在值班时间之外，等到现在一并告知；以下是最新情况。",
            f"It came outside of your hours, at {at}, and waited until now; this is how it stands.",
        )


def body(notice: Notice, *, zone: ZoneInfo = SHANGHAI) -> str:
    """The lines as plain text."""
    return "\n".join(one.plain for one in lines(notice, zone=zone))


def describe(
    incident: AnyIncident,
    brand_name: str,
    *,
    zone: ZoneInfo = SHANGHAI,
    platform_names: Mapping[str, str] = _NO_NAMES,
    full: bool = False,
) -> str:
    """The incident in words; ``full`` gives every quote and every step."""
    told = _about(incident, brand_name, zone, platform_names, full=full)
    return "\n".join(one.plain for one in told)


def platform_name(platform: str, own: Mapping[str, str] = _NO_NAMES) -> str:
    """A platform as people call it: by the user's own names, then ours, else its id."""
    return clean(own.get(platform) or say(*_PLATFORMS.get(platform, (platform, platform))))


def _about(
    incident: AnyIncident, brand: str, zone: ZoneInfo, names: Mapping[str, str], *, full: bool
) -> Iterator[Line]:
    if incident.kind == "source":
        return describe_source(incident, zone=zone)
    return _lines(incident, clean(brand), zone, names, full=full)


def _lines(
    incident: Incident, brand: str, zone: ZoneInfo, names: Mapping[str, str], *, full: bool
) -> Iterator[Line]:
    role = say(*_ROLES[incident.role])
    kind, state = say(*KINDS[incident.kind]), say(*STATES[incident.state])
    severity = severity_word(incident.severity)
    yield line(
        f"{kind}：{brand}（{role}），{severity}，状态：{state}",
        f"{kind}: {brand} ({role}), {severity}, state: {state}",
    )
    if incident.words:
        words = say("、", ", ").join(
            f"{clean(entry.word)} {entry.voices}" for entry in incident.words[:_WORDS]
        )
        yield line(f"词语：{words}（提到它的声音数）", f"words: {words} (voices that used it)")
    yield _when(incident, zone)
    if incident.totals.mentions or incident.evidence.measured != "topics":
        yield from _size(incident.totals, names)
    yield from _copied(incident, full=full)
    yield from _why(incident.evidence, zone)
    yield from reason_lines(incident)
    yield Line("", "gap")
    yield line("首帖：", "First post:", "heading")
    yield from _quote(incident.first_post, zone, names)
    quotes = incident.quotes if full else incident.quotes[:_QUOTES]
    if quotes:
        yield line("其他声音：", "Other voices:", "heading")
        for quote in quotes:
            yield from _quote(quote, zone, names)
    steps = incident.timeline if full else incident.timeline[-_STEPS:]
    if steps:
        yield line("进展：", "Steps:", "heading")
        for step in steps:
            yield _step(step, zone)
    yield from _handling(incident, zone)
    yield Line("", "gap")


def _when(incident: Incident, zone: ZoneInfo) -> Line:
    end = incident.closed_at or incident.updated_at
    lasted = duration(end - incident.opened_at)
    since = local_time(incident.opened_at, zone)
    if incident.closed_at:
        until = local_time(incident.closed_at, zone)
        return line(
            f"时间：{since} 至 {until}，历时{lasted}（{zone.key}）",
            f"time: {since} to {until}, {lasted} ({zone.key})",
        )
    return line(
        f"时间：{since} 起，至最近更新已{lasted}（{zone.key}）",
        f"time: since {since}, {lasted} up to the last change ({zone.key})",
    )


def _size(totals: Numbers, names: Mapping[str, str]) -> Iterator[Line]:
    unchecked = totals.mentions - totals.voices - totals.copies
    yield line(
        f"规模：{totals.mentions} 条提及 = {totals.voices} 个独立声音"
        f" + {totals.copies} 条转抄或重复"
        + (f" + {unchecked} 条未核对" if unchecked else "")
        + f"；声音中 {_negative(totals)} 负面",
        f"size: {totals.mentions} mentions = {totals.voices} independent voices + "
        f"{totals.copies} copies or repeats"
        + (f" + {unchecked} not compared" if unchecked else "")
        + f"; {_negative(totals)} of the voices negative",
    )
    ranked = sorted(totals.platforms.items(), key=lambda entry: (-entry[1], entry[0]))
    platforms = say("、", ", ").join(
        f"{platform_name(name, names)} {count}" for name, count in ranked
    )
    if platforms:
        yield line(f"平台：{platforms}", f"platforms: {platforms}")


def _copied(incident: Incident, *, full: bool) -> Iterator[Line]:
    """The texts that were copied most in the strongest window."""
    texts = incident.evidence.copied
    if not texts:
        return
    total = incident.totals.copied_texts
    yield line(f"转抄：{total} 段文字被转抄，最多的：", f"copied: {total} texts, most of all:")
    for text in texts if full else texts[:_COPIED]:
        excerpt = clean(text.excerpt)
        yield line(
            f"{text.posts} 条“{excerpt}”，首见 {clean(text.post_id)}",
            f'{text.posts} posts "{excerpt}", first {clean(text.post_id)}',
            "step",
        )


def _why(evidence: Evidence, zone: ZoneInfo) -> Iterator[Line]:
    """The decision, with every number that went into it."""
    if evidence.measured == "topics":
        yield from _why_topics(evidence, zone)
        return
    numbers, baseline = evidence.numbers, evidence.baseline
    unit = say(*_MEASURED.get(evidence.measured, (evidence.measured, evidence.measured)))
    counted = {
        "negative": numbers.negative,
        "mentions": numbers.mentions,
    }.get(evidence.measured, numbers.voices)
    start = local_time(evidence.window_start, zone)
    end = evidence.window_end.astimezone(zone).strftime("%H:%M")
    score, threshold = f"{evidence.score:.1f}", f"{evidence.threshold:g}"
    if baseline.buckets:
        yield line(
            f"依据：平时这个时段中位数 {baseline.median:g} {unit}，现在 {counted} {unit}，"
            f"高出 {score} 个标准差，阈值 {threshold}",
            f"why: usually a median of {baseline.median:g} {unit} at this hour, now {counted}, "
            f"{score} standard deviations above, threshold {threshold}",
        )
    else:
        yield line(
            f"依据：现在 {counted} {unit}，还没有可比的历史；得分 {score}，阈值 {threshold}",
            f"why: now {counted} {unit}, no history to compare with yet; score {score}, "
            f"threshold {threshold}",
        )
    rule = f"{clean(evidence.rule)} v{evidence.rule_version}"
    yield line(
        f"窗口 {start}–{end}，对照 {baseline.days} 天 {baseline.buckets} 段，规则 {rule}",
        f"window {start}–{end}, compared with {baseline.buckets} stretches of "
        f"{baseline.days} days, rule {rule}",
        "more",
    )


def _why_topics(evidence: Evidence, zone: ZoneInfo) -> Iterator[Line]:
    """The same of hot-search boards, where no voices are counted."""
    numbers, usual = evidence.numbers, evidence.baseline.median
    yield line(
        f"依据：热搜榜上 {numbers.mentions} 个话题，{numbers.negative} 个说的是麻烦，"
        f"合计 {evidence.score:g}（平时一天 {usual:g}），门槛 {evidence.threshold:g}",
        f"why: {numbers.mentions} topics on hot-search boards, {numbers.negative} of them tell "
        f"of trouble, {evidence.score:g} in all (usually {usual:g} a day), threshold "
        f"{evidence.threshold:g}",
    )
    start, end = local_time(evidence.window_start, zone), local_time(evidence.window_end, zone)
    rule = f"{clean(evidence.rule)} v{evidence.rule_version}"
    yield line(
        f"窗口 {start} 至 {end}，对照 {evidence.baseline.days} 天，规则 {rule}",
        f"window {start} to {end}, compared with {evidence.baseline.days} days, rule {rule}",
        "more",
    )


def _quote(quote: Quote, zone: ZoneInfo, names: Mapping[str, str]) -> Iterator[Line]:
    author = clean(quote.author_name or "") or say("未署名", "unnamed")
    if quote.followers is not None:
        author += say(f"，{quote.followers} 粉丝", f", {quote.followers} followers")
    mood = "" if quote.mood is None else say("，", ", ") + say(*_MOODS[quote.mood])
    platform = platform_name(quote.platform, names)
    text = clean(quote.excerpt)
    if len(text) > _EXCERPT:
        text = text[:_EXCERPT] + "…"
    yield line(
        f"“{text}”（{author}，{platform}，{local_time(quote.at, zone)}{mood}）",
        f'"{text}" ({author}, {platform}, {local_time(quote.at, zone)}{mood})',
        "quote",
    )
    yield Line(clean(quote.url or quote.post_id), "link")


def _step(step: TimelineEntry, zone: ZoneInfo) -> Line:
    parts = [local_time(step.at, zone), say(*_EVENTS[step.event])]
    if step.voices is not None:
        parts.append(say(f"{step.voices} 个独立声音", f"{step.voices} voices"))
    if step.by:
        parts.append(clean(step.by))
    if step.note:
        note = clean(step.note)[:_EXCERPT]
        if step.event == "amplified":
            note = say(f"带来 {note} 条提及", f"brought {note} mentions")
        parts.append(note)
    return Line(" ".join(parts), "step")


def _handling(incident: Incident, zone: ZoneInfo) -> Iterator[Line]:
    if incident.owner:
        owner = clean(incident.owner)
        yield line(f"负责人：{owner}", f"owner: {owner}")
    elif incident.state != "closed":
        yield line("负责人：还没有人认领", "owner: nobody yet")
    if incident.silenced_until:
        until = local_time(incident.silenced_until, zone)
        yield line(f"静默至：{until}", f"silenced until: {until}")
    if incident.statement:
        statement = clean(incident.statement)[:_EXCERPT]
        yield line(f"声明：{statement}", f"statement: {statement}")
    if incident.verdict is not None:
        why = f": {clean(incident.verdict_why)[:_EXCERPT]}" if incident.verdict_why else ""
        zh, en = ("属实", "true") if incident.verdict else ("误报", "false")
        yield line(f"人工判定：{zh}{why}", f"verdict: a {en} alarm{why}")


def _negative(numbers: Numbers) -> str:
    return f"{numbers.negative_share:.0%}"
