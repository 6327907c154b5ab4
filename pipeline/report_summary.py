"""The first screen of a report: a few figures, what they mean, and what makes them doubtful."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from pipeline.report_figures import BrandReport
from pipeline.report_words import changed, number, percent
from processors.explained import label_of
from schemas.language import say
from sinks.notice_text import platform_name
from sinks.wording import KINDS, STATES, local_time, severity_word

__all__ = ["Tile", "summary", "tiles", "warnings_of"]

_MOST_GAPS = 3
_FEW_JUDGED = 20
"""A share of fewer posts says little."""


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the first screen."""

    title: str
    value: str
    more: str = ""


def tiles(report: BrandReport) -> Iterator[Tile]:
    """What everybody asks first."""
    total = report.total
    yield Tile(say("帖子", "Posts"), number(total.posts.now), changed(total.posts))
    yield Tile(
        say("不同文字", "Distinct texts"), "≈ " + number(total.texts.now), changed(total.texts)
    )
    yield Tile(say("作者", "Authors"), "≈ " + number(total.authors.now), changed(total.authors))
    negative = report.moods["negative"]
    share = report.negative_share
    yield Tile(
        say("负面", "Negative"),
        number(negative.now) + ("" if share is None else f" ({percent(share)})"),
        changed(negative),
    )
    own = report.voice[0]
    if own.share is not None and len(report.voice) > 1:
        more = ""
        if report.compared and own.share_before is not None:
            more = say("上期 ", "before ") + percent(own.share_before)
        yield Tile(say("声量占比", "Share of voice"), percent(own.share), more)
    worst = max((row.severity for row in report.incidents), default=None)
    yield Tile(
        say("事件", "Incidents"),
        str(len(report.incidents)),
        "" if worst is None else say(f"最高 {worst}/5", f"up to {worst}/5"),
    )


def summary(report: BrandReport, platforms: Mapping[str, str]) -> Iterator[str]:
    """What happened, in some sentences."""
    yield _volume(report)
    yield from _peak(report)
    yield from _incidents(report)
    yield from _complaints(report)
    yield from _aspects(report)
    platform = next(iter(report.platforms), None)
    if platform is not None and report.total.posts.now:
        name = platform_name(platform.label, platforms)
        share = percent(platform.posts.now / report.total.posts.now)
        yield say(f"{share} 的帖子来自{name}。", f"{share} of the posts are from {name}.")


def _volume(report: BrandReport) -> str:
    posts = number(report.total.posts.now)
    usual = report.usual_total
    if usual is None:
        return say(
            f"共 {posts} 条帖子；历史还不够，说不出平时是多少。",
            f"{posts} posts; there is too little history to say what is usual.",
        )
    place = (
        say("高于平时", "above the usual")
        if report.total.posts.now > usual.high
        else say("低于平时", "below the usual")
        if report.total.posts.now < usual.low
        else say("与平时相当", "as usual")
    )
    band = f"{number(usual.low)}–{number(usual.high)}"
    return say(
        f"共 {posts} 条帖子，{place}（平时 {band}，据过去 {usual.compared} 期）。",
        f"{posts} posts, {place} (usually {band}, by {usual.compared} past periods).",
    )


def _peak(report: BrandReport) -> Iterator[str]:
    high = [row for row in report.hours if row.usual and row.posts > row.usual.high]
    if high:
        top = max(high, key=lambda row: row.posts)
        assert top.usual is not None
        at = local_time(top.at, ZoneInfo(report.time_zone))
        yield say(
            f"{len(high)} 个小时高于平时；最高在 {at}，{number(top.posts)} 条（平时最多 "
            f"{number(top.usual.high)}）。",
            f"{len(high)} hours lie above the usual; the highest at {at} with "
            f"{number(top.posts)} posts (usually up to {number(top.usual.high)}).",
        )


def _incidents(report: BrandReport) -> Iterator[str]:
    for row in report.incidents[:2]:
        kind = say(*KINDS.get(row.kind, (row.kind, row.kind)))
        state = say(*STATES.get(row.state, (row.state, row.state)))
        since = local_time(row.since, ZoneInfo(report.time_zone))
        minutes = row.minutes_to_acknowledgement
        known = (
            say("还没有人知悉", "nobody has acknowledged it")
            if minutes is None
            else say(f"{minutes} 分钟后有人知悉", f"acknowledged after {minutes} min")
        )
        yield say(
            f"{kind}（{severity_word(row.severity)}，{state}）：{since} 起，{row.voices} 个声音，"
            f"{row.negative} 个负面，{known}。",
            f"{kind} ({severity_word(row.severity)}, {state}): since {since}, {row.voices} voices, "
            f"{row.negative} negative, {known}.",
        )


def _complaints(report: BrandReport) -> Iterator[str]:
    complaints = next((row for row in report.intents if row.label == "complaint"), None)
    if complaints is not None and complaints.posts.now:
        count = number(complaints.posts.now)
        more = changed(complaints.posts)
        zh, en = (f"（{more}）", f" ({more})") if more else ("", "")
        reason = next((row for row in report.reasons if row.posts.now), None)
        if reason is not None:
            word = label_of("reasons", reason.label)
            zh += f"，最多的原因是{word}（{number(reason.posts.now)}）"
            en += f", most often for {word} ({number(reason.posts.now)})"
        yield say(f"投诉 {count} 条{zh}。", f"{count} complaints{en}.")


def _aspects(report: BrandReport) -> Iterator[str]:
    worst = next((row for row in report.aspects if row.negative.now), None)
    if worst is not None:
        name = label_of("aspects", worst.aspect)
        yield say(
            f"最受批评的方面：{name}，{number(worst.posts.now)} 次提及里 "
            f"{number(worst.negative.now)} 次负面。",
            f"Blamed most: {name}, negative in {number(worst.negative.now)} of "
            f"{number(worst.posts.now)} mentions.",
        )


def warnings_of(report: BrandReport) -> Iterator[str]:
    """What makes the figures incomplete or doubtful."""
    zone = ZoneInfo(report.time_zone)
    for gap in report.gaps[:_MOST_GAPS]:
        since = local_time(gap.since, zone)
        until = say("现在", "now") if gap.until is None else local_time(gap.until, zone)
        yield say(
            f"数据不全：信源 {gap.source} 从 {since} 到 {until} 没有听到，这段时间的数字偏少。",
            f"Incomplete: source {gap.source} was not heard from {since} to {until}; the figures "
            "of that time are too low.",
        )
    if (more := len(report.gaps) - _MOST_GAPS) > 0:
        yield say(
            f"另有 {more} 次信源中断，见文末的表。", f"{more} more such gaps: see the last table."
        )
    if not report.is_whole:
        yield say(
            "这一期还没有结束，数字只到上面写的时间。",
            "This period is not over; the figures end at the time above.",
        )
    if not report.compared:
        yield say(
            "上一期没有完整的数据，所以不作比较。",
            "The period before is not wholly known, so nothing is compared with it.",
        )
    if report.clamped:
        yield say(
            f"{report.clamped} 条帖子自称的时间不可信，没有计入。",
            f"{report.clamped} posts claim times that can't be; they are not counted.",
        )
    if report.hot:
        yield say(
            f"热搜榜上见到 {report.hot} 次；那不是谁说的话，没有计入帖子数。",
            f"Seen {report.hot} times on hot-search boards; nobody said these, so they are not "
            "counted as posts.",
        )
    judged = sum(change.now for mood, change in report.moods.items() if mood != "none")
    if 0 < judged < _FEW_JUDGED:
        yield say(
            f"只有 {judged} 条帖子判断了情绪，占比仅供参考。",
            f"Only {judged} posts have a mood, so its shares say little.",
        )
