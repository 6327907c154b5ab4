"""A source that is not heard, as a PR manager reads it."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest

from schemas.incidents import parse_incident
from schemas.language import use_language
from schemas.source_incident import SourceIncident
from schemas.source_status import Backfill, SourceTrouble
from sinks.base import Notice
from sinks.notice_text import body, title
from sinks.source_text import TROUBLES
from sinks.webhook import payload

AT = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)


def notice(reason: Any = "opened", **more: Any) -> Notice:
    values: dict[str, Any] = {
        "id": "source-own-20260305T040000",
        "revision": 1,
        "source": "own",
        "connector": "weibo",
        "trouble": "login",
        "severity": 3,
        "state": "confirmed",
        "opened_at": AT + timedelta(minutes=5),
        "updated_at": AT + timedelta(minutes=5),
        "gap_started_at": AT,
        "message": "令牌过期；请重新授权。",
        "backfill": "listed",
    }
    incident = SourceIncident(**(values | more))
    return Notice(f"{incident.id}-{incident.revision}", reason, incident, incident.source)


def closed() -> Notice:
    end = AT + timedelta(minutes=95)
    return notice(
        "closed", revision=2, state="closed", updated_at=end, closed_at=end, gap_ended_at=end
    )


@pytest.fixture(autouse=True)
def chinese() -> Iterator[None]:
    use_language("zh")
    yield
    use_language(None)


def test_a_source_that_is_not_heard_is_told_with_what_to_do() -> None:
    assert title(notice()) == "【信源中断】own：登录失效（较重 3/5）"
    assert body(notice()) == (
        "信源：own（weibo），较重 3/5，状态：已确认\n"
        "问题：登录失效。令牌过期；请重新授权。\n"
        "该做什么：到平台重新授权或登录，把新令牌写到设置所指的地方，再重启 ingest。\n"
        "时间：2026-03-05 12:00 起听不到，2026-03-05 12:05 发现（Asia/Shanghai）\n"
        "影响：这段时间帖子少不等于平静；它不计入平时的基线，期间的危机可能没有报警。\n"
        "补抓：恢复后会补抓平台那时仍列出的帖子；更早的补不回来。\n"
        "\n"
        "详情：tingchao incidents show source-own-20260305T040000"
    )


def test_a_source_that_is_heard_again_is_told_with_what_is_missing() -> None:
    assert title(closed()) == "【信源恢复】own：又能听到了（登录失效，中断 1 小时 35 分钟）"
    assert "2026-03-05 12:00 至 2026-03-05 13:35 听不到，历时 1 小时 35 分钟" in body(closed())
    assert "更早的补不回来" in body(closed())


def test_english_is_there() -> None:
    use_language("en")
    assert title(notice()) == "[source not heard] own: login expired (serious 3/5)"
    assert title(closed()).startswith("[source heard again] own")


@pytest.mark.parametrize("trouble", get_args(SourceTrouble))
@pytest.mark.parametrize("backfill", get_args(Backfill))
def test_every_trouble_has_its_words(trouble: Any, backfill: Any) -> None:
    told = notice(trouble=trouble, backfill=backfill)
    assert TROUBLES[trouble][0] in title(told)
    assert "补" in body(told)


@pytest.mark.parametrize("trouble", get_args(SourceTrouble))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_trouble_says_what_to_do(trouble: Any, language: Any) -> None:
    use_language(language)
    head = "该做什么：" if language == "zh" else "what to do: "

    [line] = [one for one in body(notice(trouble=trouble)).splitlines() if one.startswith(head)]

    assert line.endswith("。" if language == "zh" else ".")
    assert len(line) > len(head) + 10
    assert (re.search("[\u4e00-\u9fff]", line) is not None) == (language == "zh")
    assert head not in body(closed())


def test_the_runbook_knows_every_trouble() -> None:
    runbook = Path(__file__).parents[2].joinpath("deploy/runbook.md").read_text("utf-8")
    assert [one for one in get_args(SourceTrouble) if f"| {one} |" not in runbook] == []


def test_signs_of_strangers_are_taken_out() -> None:
    assert "\x1b" not in body(notice(message="\x1b[2J\x1b[31m登录"))


def test_a_webhook_gets_it_as_it_stands() -> None:
    assert b'"kind":"source"' in payload(notice())


def test_it_is_read_back_as_what_it_is() -> None:
    incident = closed().incident
    assert parse_incident(incident.to_line()) == incident
