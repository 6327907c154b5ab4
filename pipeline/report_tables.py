"""The tables of a report, in the reader's language: the page and the CSV files show the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pipeline.report_figures import BrandReport, LabelRow, SaidRow, VoiceRow
from pipeline.report_rows import IncidentRow, PostRow
from processors.changes import Change
from processors.explained import label_of, mood_word
from schemas.language import say
from sinks.notice_text import platform_name
from sinks.source_text import TROUBLES
from sinks.wording import KINDS, STATES, Pair, severity_word

__all__ = ["Cell", "Column", "ColumnKind", "Table", "kind_word", "report_tables"]

ColumnKind = Literal["text", "word", "quote", "number", "share", "change", "time", "link"]
Cell = str | int | float | datetime | Change | None
Names = Mapping[str, str]

_POSTS: dict[str, Pair] = {
    "post": ("原创", "post"),
    "repost": ("转发", "repost"),
    "comment": ("评论", "comment"),
    "reply": ("回复", "reply"),
    "article": ("文章", "article"),
    "message": ("私信", "message"),
    "review": ("评价", "review"),
}
_ROLES: dict[str, Pair] = {
    "own": ("本品牌", "own"),
    "competitor": ("竞品", "competitor"),
    "industry": ("行业", "industry"),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what stands in it."""

    title: str
    kind: ColumnKind = "text"
    on_page: bool = True
    """False: only in the file; paper is narrow."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a report."""

    name: str
    """Of its CSV file."""
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    on_page: bool = True
    """False: only as a file; the page has a picture of it."""


def report_tables(report: BrandReport, platforms: Names) -> list[Table]:
    """Every table, in the order of the page; ``platforms``: the user's own names for them."""
    return [
        _hours(report),
        _voice(report),
        _moods(report),
        _aspects(report),
        _labels("intents", say("意图", "Intents"), report.intents, _labelled("intents")),
        _labels(
            "complaint-reasons",
            say("投诉原因", "Reasons of complaints"),
            report.reasons,
            _labelled("reasons"),
        ),
        _labels("defects", say("故障", "Defects"), report.defects, str),
        _incidents("incidents", say("事件", "Incidents"), report.incidents, {}),
        _incidents(
            "competitor-incidents",
            say("竞品的事件", "Competitors' incidents"),
            report.competitor_incidents,
            {row.brand: row.name for row in report.voice},
        ),
        _posts(report, platforms),
        _comments(report, platforms),
        _authors(report, platforms),
        _said("campaigns", say("活动与话题", "Campaigns"), report.campaigns),
        _labels(
            "rules",
            say("命中的规则", "Rules that fired"),
            report.fired,
            lambda label: report.fired_names.get(label, label),
        ),
        _labels(
            "platforms",
            say("平台", "Platforms"),
            report.platforms,
            lambda label: platform_name(label, platforms),
        ),
        _labels("kinds", say("帖子类型", "Kinds of posts"), report.kinds, kind_word),
        _labels(
            "author-kinds",
            say("作者类型", "Kinds of authors"),
            report.author_kinds,
            _labelled("author_kind"),
        ),
        _labels("sources", say("信源", "Sources"), report.sources, str),
        _gaps(report),
    ]


def kind_word(kind: str) -> str:
    """A kind of post for a person."""
    return say(*_POSTS[kind]) if kind in _POSTS else kind


def _hours(report: BrandReport) -> Table:
    return Table(
        "hours",
        say("每小时声量", "Posts by hour"),
        (
            Column(say("小时", "Hour"), "time"),
            _number(say("帖子", "Posts")),
            _number(say("平时中位数", "Usual median")),
            _number(say("平时下限", "Usual from")),
            _number(say("平时上限", "Usual to")),
            _number(say("比较了几个小时", "Hours compared")),
            Column(say("数据不全", "Incomplete")),
        ),
        [
            (
                row.at,
                row.posts,
                *(
                    (row.usual.median, row.usual.low, row.usual.high, row.usual.compared)
                    if row.usual
                    else (None, None, None, 0)
                ),
                _yes(row.incomplete),
            )
            for row in report.hours
        ],
        on_page=False,
    )


def _voice(report: BrandReport) -> Table:
    return Table(
        "share-of-voice",
        say("声量占比", "Share of voice"),
        (
            Column(say("品牌", "Brand")),
            Column(say("角色", "Role"), "word"),
            _change(say("帖子", "Posts")),
            Column(say("占比", "Share"), "share"),
            Column(say("上期占比", "Share before"), "share"),
            _change(say("不同文字", "Distinct texts")),
            _change(say("负面", "Negative")),
            Column(say("负面占比", "Negative share"), "share"),
        ),
        [
            (
                row.name,
                say(*_ROLES[row.role]),
                row.posts,
                row.share,
                row.share_before if report.compared else None,
                row.texts,
                row.moods["negative"],
                _negative_share(row),
            )
            for row in report.voice
        ],
        say(
            "同时提到两个品牌的帖子，两边各算一次；情绪是对该品牌的情绪。",
            "A post on two brands counts for both; the mood is the one towards the brand.",
        )
        if len(report.voice) > 1
        else say(
            f"规则 {report.rules} 里没有可比的竞品（role = competitor）。",
            f"The rules {report.rules} have no competitors to compare with (role = competitor).",
        ),
    )


def _negative_share(row: VoiceRow) -> float | None:
    judged = sum(change.now for mood, change in row.moods.items() if mood != "none")
    return row.moods["negative"].now / judged if judged else None


def _moods(report: BrandReport) -> Table:
    total = sum(change.now for change in report.moods.values())
    rows = [
        (
            say("未判断", "not judged") if mood == "none" else mood_word(mood),
            change,
            change.now / total if total else None,
        )
        for mood, change in report.moods.items()
        if mood != "none" or change.now or change.before
    ]
    return Table(
        "moods",
        say("对本品牌的情绪", "Mood towards the brand"),
        (
            Column(say("情绪", "Mood"), "word"),
            _change(say("帖子", "Posts")),
            Column(say("占比", "Share"), "share"),
        ),
        rows if total else [],
    )


def _aspects(report: BrandReport) -> Table:
    note = ""
    if report.unclear_aspects:
        note = say(
            f"另有 {report.unclear_aspects} 处出现在同时谈几个品牌的帖子里，分不清说谁，未计入。",
            f"{report.unclear_aspects} more stand in posts on several brands and are not counted: "
            "nobody knows whose is meant.",
        )
    return Table(
        "aspects",
        say("各方面的口碑", "Mood by aspect"),
        (
            Column(say("方面", "Aspect")),
            _change(say("提及", "Mentions")),
            _change(say("负面", "Negative")),
            _number(say("中性", "Neutral")),
            _number(say("正面", "Positive")),
            Column(say("负面占比", "Negative share"), "share"),
        ),
        [
            (
                label_of("aspects", row.aspect),
                row.posts,
                row.negative,
                row.neutral,
                row.positive,
                row.negative.now / row.posts.now if row.posts.now else None,
            )
            for row in report.aspects
        ],
        note,
    )


def _incidents(name: str, title: str, rows: Sequence[IncidentRow], brands: Names) -> Table:
    return Table(
        name,
        title,
        (
            Column(say("类型", "Kind"), "word"),
            *([Column(say("品牌", "Brand"))] if brands else []),
            Column(say("级别", "Severity"), "word"),
            Column(say("现在的状态", "State now"), "word"),
            Column(say("开始", "Since"), "time"),
            Column(say("结束", "Closed"), "time"),
            _number(say("声音", "Voices")),
            _number(say("负面", "Negative")),
            _number(say("转抄", "Copies")),
            _number(say("几分钟后有人知悉", "Minutes to acknowledgement")),
            Column(say("负责人", "Owner")),
            Column(say("判定", "Verdict"), "word"),
            Column(say("首帖", "First post"), "quote"),
            Column(say("链接", "Link"), "link"),
            Column("id"),
        ),
        [
            (
                say(*KINDS.get(row.kind, (row.kind, row.kind))),
                *([brands.get(row.brand, row.brand)] if brands else []),
                severity_word(row.severity),
                say(*STATES.get(row.state, (row.state, row.state))),
                row.since,
                row.closed_at,
                row.voices,
                row.negative,
                row.copies,
                row.minutes_to_acknowledgement,
                row.owner,
                _verdict(row.verdict),
                row.first_post,
                row.first_url,
                row.id,
            )
            for row in rows
        ],
    )


def _verdict(verdict: bool | None) -> str | None:
    if verdict is None:
        return None
    return say("属实", "true alarm") if verdict else say("误报", "false alarm")


def _posts(report: BrandReport, platforms: Names) -> Table:
    return Table(
        "top-posts",
        say("热帖", "Top posts"),
        (
            *_about_post(),
            _number(say("转发", "Reposts")),
            _number(say("评论", "Comments")),
            _number(say("赞", "Likes")),
            *_end_of_post(),
        ),
        [
            (
                *_post(row, platforms),
                row.reposts,
                row.comments,
                row.likes,
                row.copies,
                row.url,
                row.id,
            )
            for row in report.posts
        ],
        say(
            "按转发、评论、赞之和排序，数字是采集时的；相同文字只列一条。",
            "By reposts, comments and likes together, as they were when collected; each text once.",
        ),
    )


def _comments(report: BrandReport, platforms: Names) -> Table:
    return Table(
        "hot-comments",
        say("热评", "Hot comments"),
        (
            *_about_post(),
            Column(say("在哪条帖下", "In answer to"), "quote"),
            _number(say("赞", "Likes")),
            *_end_of_post(),
        ),
        [
            (*_post(row, platforms), row.answers, row.likes, row.copies, row.url, row.id)
            for row in report.comments
        ],
    )


def _about_post() -> tuple[Column, ...]:
    return (
        Column(say("文字", "Text"), "quote"),
        Column(say("作者", "Author")),
        Column(say("作者类型", "Kind of author"), "word"),
        Column(say("平台", "Platform"), "word"),
        Column(say("时间", "At"), "time"),
        Column(say("情绪", "Mood"), "word"),
    )


def _end_of_post() -> tuple[Column, ...]:
    return (
        _number(say("相同文字", "Same text")),
        Column(say("链接", "Link"), "link"),
        Column("id", on_page=False),
    )


def _post(row: PostRow, platforms: Names) -> tuple[Cell, ...]:
    return (
        row.text,
        row.author,
        label_of("author_kind", row.author_kind) if row.author_kind else None,
        platform_name(row.platform, platforms),
        row.at,
        mood_word(row.mood) if row.mood else None,
    )


def _authors(report: BrandReport, platforms: Names) -> Table:
    return Table(
        "top-authors",
        say("最有影响力的作者", "Most influential authors"),
        (
            Column(say("作者", "Author")),
            Column(say("作者类型", "Kind of author"), "word"),
            Column(say("平台", "Platform"), "word"),
            _number(say("影响力（0–100）", "Influence (0–100)")),
            _number(say("粉丝", "Followers")),
            _number(say("帖子", "Posts")),
            _number(say("转发、评论、赞", "Reposts, comments, likes")),
        ),
        [
            (
                row.author,
                label_of("author_kind", row.author_kind) if row.author_kind else None,
                platform_name(row.platform, platforms),
                None if row.influence is None else round(row.influence, 1),
                row.followers,
                row.posts,
                row.engagement,
            )
            for row in report.authors
        ],
    )


def _labels(name: str, title: str, rows: Sequence[LabelRow], word: Callable[[str], str]) -> Table:
    columns = (Column(title), _change(say("帖子", "Posts")))
    return Table(name, title, columns, [(word(row.label), row.posts) for row in rows])


def _said(name: str, title: str, rows: Sequence[SaidRow]) -> Table:
    return Table(
        name,
        title,
        (
            Column(title),
            _change(say("帖子", "Posts")),
            _change(say("不同文字", "Distinct texts")),
            _change(say("作者", "Authors")),
        ),
        [(row.label, row.posts, row.texts, row.authors) for row in rows],
    )


def _gaps(report: BrandReport) -> Table:
    return Table(
        "source-gaps",
        say("信源中断", "Sources not heard"),
        (
            Column(say("信源", "Source")),
            Column(say("问题", "Trouble"), "word"),
            Column(say("自", "From"), "time"),
            Column(say("至", "To"), "time"),
            Column(say("说明", "Why"), "quote"),
        ),
        [
            (row.source, say(*TROUBLES[row.trouble]), row.since, row.until, row.message)
            for row in report.gaps
        ],
    )


def _labelled(field: str) -> Callable[[str], str]:
    return lambda label: label_of(field, label)


def _number(title: str) -> Column:
    return Column(title, "number")


def _change(title: str) -> Column:
    return Column(title, "change")


def _yes(holds: bool) -> str | None:
    return say("是", "yes") if holds else None
