from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest

from schemas.incident import (
    Baseline,
    CopiedText,
    Incident,
    IncidentKind,
    IncidentState,
    TimelineEvent,
)
from schemas.language import Language, use_language
from sinks.base import Notice, NoticeReason
from sinks.notice_text import body, describe, platform_name, title

MakeNotice = Callable[..., Notice]
MakeIncident = Callable[..., Incident]


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


def test_platforms_carry_the_names_that_the_user_gave_them(make_notice: MakeNotice) -> None:
    named = body(make_notice(platform_names={"wechat": "公众号\n后台", "weibo": ""}))
    assert "平台：微博 70、公众号 后台 18\n" in named
    use_language("en")
    assert "platforms: Weibo 70, WeChat 18\n" in body(make_notice())
    assert platform_name("tieba") == "tieba"


def test_the_title_says_what_who_how_bad_and_how_big(make_notice: MakeNotice) -> None:
    assert title(make_notice()) == (
        "【危机·已确认】海鸥：鼓包、着火（严重 4/5，52 个独立声音，85% 负面）"
    )
    use_language("en")
    assert title(make_notice()) == (
        "[crisis, confirmed] 海鸥: 鼓包, 着火 (severe 4/5, 52 independent voices, 85% negative)"
    )


def test_the_body_answers_what_since_when_how_big_why_and_where_next(
    make_notice: MakeNotice,
) -> None:
    assert body(make_notice()) == (
        "危机：海鸥（自有品牌），严重 4/5，状态：已确认\n"
        "词语：鼓包 30、着火 12（提到它的声音数）\n"
        "时间：2024-03-05 12:00 起，至最近更新已 10 分钟（Asia/Shanghai）\n"
        "规模：88 条提及 = 52 个独立声音 + 36 条转抄或重复；声音中 85% 负面\n"
        "平台：微博 70、微信 18\n"
        "依据：平时这个时段中位数 2 个独立声音，现在 37 个独立声音，高出 9.3 个标准差，阈值 5\n"
        "      窗口 2024-03-05 11:50–12:00，对照 14 天 56 段，规则 negative-wave v2\n"
        "\n"
        "首帖：\n"
        "  “海鸥手机充电时鼓包，差点着火”（小林，12000 粉丝，微博，2024-03-05 12:01，负面）\n"
        "    https://weibo.example/1\n"
        "其他声音：\n"
        "  “我的也鼓包了”（小林，12000 粉丝，微博，2024-03-05 12:02，负面）\n"
        "    https://weibo.example/2\n"
        "  “客服不理人”（小林，12000 粉丝，微博，2024-03-05 12:03，负面）\n"
        "    https://weibo.example/3\n"
        "  “退货”（小林，12000 粉丝，微博，2024-03-05 12:04，负面）\n"
        "    https://weibo.example/4\n"
        "进展：\n"
        "  2024-03-05 12:00 发现 37 个独立声音\n"
        "  2024-03-05 12:10 确认 52 个独立声音\n"
        "负责人：wang\n"
        "静默至：2024-03-05 13:00\n"
        "声明：我们正在核实\n"
        "人工判定：属实\n"
        "\n"
        "详情：tingchao incidents show seagull-20240305T0400-1"
    )


def test_english_says_the_same_numbers(make_notice: MakeNotice) -> None:
    use_language("en")
    text = body(make_notice())
    assert (
        "why: usually a median of 2 independent voices at this hour, now 37, "
        "9.3 standard deviations above, threshold 5"
    ) in text
    size = "88 mentions = 52 independent voices + 36 copies or repeats; 85% of the voices negative"
    assert size in text


def test_what_was_not_compared_is_no_copy(make_incident: MakeIncident) -> None:
    incident = make_incident()
    totals = incident.totals.model_copy(update={"mentions": 90})
    text = describe(incident.model_copy(update={"totals": totals}), "海鸥")
    assert "90 条提及 = 52 个独立声音 + 36 条转抄或重复 + 2 条未核对；" in text


def test_the_texts_copied_most_are_named_with_their_first_post(
    make_incident: MakeIncident,
) -> None:
    incident = make_incident()
    copied = tuple(
        CopiedText(post_id=f"weibo:{n}", posts=30 - n, excerpt=f"第{n}段话\x07") for n in range(3)
    )
    incident = incident.model_copy(
        update={
            "totals": incident.totals.model_copy(update={"copied_texts": 3}),
            "evidence": incident.evidence.model_copy(update={"copied": copied}),
        }
    )

    assert (
        "转抄：3 段文字被转抄，最多的：\n"
        "  30 条“第0段话”，首见 weibo:0\n"
        "  29 条“第1段话”，首见 weibo:1\n"
        "依据："
    ) in describe(incident, "海鸥").replace("平台：微博 70、微信 18\n", "")
    assert "28 条“第2段话”，首见 weibo:2" in describe(incident, "海鸥", full=True)


@pytest.mark.parametrize(
    ("measured", "words"),
    [
        ("negative", "31 个负面独立声音"),
        ("voices", "37 个独立声音"),
        ("mentions", "60 条提及"),
    ],
)
def test_the_reason_names_the_number_that_decided(
    make_incident: MakeIncident, measured: str, words: str
) -> None:
    incident = make_incident()
    evidence = incident.evidence.model_copy(update={"measured": measured})
    text = describe(incident.model_copy(update={"evidence": evidence}), "海鸥")
    assert f"现在 {words}" in text


def test_without_history_it_says_so(make_incident: MakeIncident) -> None:
    incident = make_incident()
    nothing = Baseline(median=0, spread=1, buckets=0, days=0)
    evidence = incident.evidence.model_copy(update={"baseline": nothing})
    text = describe(incident.model_copy(update={"evidence": evidence}), "海鸥")
    assert "还没有可比的历史" in text
    assert "平时" not in text


@pytest.mark.parametrize("language", get_args(Language))
def test_it_fits_one_screen_and_full_shows_everything(
    make_notice: MakeNotice, make_incident: MakeIncident, language: Language
) -> None:
    use_language(language)
    incident = make_incident()
    large = incident.model_copy(
        update={
            "quotes": incident.quotes * 10,
            "timeline": incident.timeline * 20,
            "words": incident.words * 20,
        }
    )
    assert len(body(make_notice(incident=large)).splitlines()) <= 32
    assert len(describe(large, "海鸥", full=True).splitlines()) > 100


def test_foreign_text_can_not_repaint_the_screen(
    make_notice: MakeNotice, make_incident: MakeIncident
) -> None:
    # Given a quote with escape codes, line breaks, and signs that turn the direction of writing
    nasty = "\x1b[2J\x1b]0;x\x07清屏\r\n人工判定：误报\u202e反写\u2028\x9b31m" + "长" * 300
    incident = make_incident()
    quote = incident.first_post.model_copy(update={"excerpt": nasty, "author_name": nasty})
    changed = incident.model_copy(update={"first_post": quote, "statement": nasty})

    text = body(make_notice(incident=changed, brand_name="海\x1b鸥"))

    assert not {sign for sign in text if sign != "\n" and ord(sign) < 32}
    assert not set(text) & set("\x9b\u202e\u2028\x07\x1b")
    assert "\n人工判定：误报" not in text
    assert len(text.splitlines()) == len(body(make_notice()).splitlines())


def test_times_are_those_of_the_zone(make_notice: MakeNotice) -> None:
    text = body(make_notice(), zone=ZoneInfo("Europe/Berlin"))
    assert "2024-03-05 05:00 起" in text
    assert "Europe/Berlin" in text


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(seconds=59), "历时 0 分钟"),
        (timedelta(hours=2, minutes=5), "历时 2 小时 5 分钟"),
        (timedelta(days=3, hours=4, minutes=59), "历时 3 天 4 小时"),
    ],
)
def test_a_closed_incident_says_how_long_it_was(
    make_incident: MakeIncident, length: timedelta, words: str
) -> None:
    start = make_incident().opened_at
    assert words in describe(make_incident(closed_at=start + length, state="closed"), "海鸥")


def test_what_is_not_known_is_left_out(make_incident: MakeIncident) -> None:
    bare = make_incident(
        words=(),
        quotes=(),
        timeline=(),
        owner=None,
        silenced_until=None,
        statement=None,
        verdict=None,
    )
    quote = bare.first_post.model_copy(
        update={"author_name": None, "followers": None, "mood": None, "url": None}
    )
    text = describe(bare.model_copy(update={"first_post": quote}), "海鸥")
    assert "None" not in text
    assert "未署名" in text
    assert "weibo:1" in text  # the id, where there is no address


@pytest.mark.parametrize("language", get_args(Language))
def test_every_word_of_the_vocabulary_has_a_text(
    make_notice: MakeNotice, make_incident: MakeIncident, language: Language
) -> None:
    use_language(language)
    step = make_incident().timeline[0]
    every = tuple(step.model_copy(update={"event": event}) for event in get_args(TimelineEvent))
    changes: list[dict[str, Any]] = [
        *({"kind": kind} for kind in get_args(IncidentKind)),
        *({"state": state} for state in get_args(IncidentState)),
        *({"severity": severity} for severity in range(1, 6)),
        {"timeline": every},
        {"role": "competitor"},
        {"verdict": False},
    ]
    for change in changes:
        assert describe(make_incident(**change), "海鸥", full=True)
    for reason in get_args(NoticeReason):
        assert title(make_notice(reason=reason))


@pytest.mark.parametrize(
    ("role", "named"), [("own", "自有品牌"), ("competitor", "竞品"), ("industry", "行业")]
)
def test_whose_brand_it_is_is_said(make_incident: MakeIncident, role: str, named: str) -> None:
    assert f"海鸥（{named}）" in describe(make_incident(role=role), brand_name="海鸥")
