"""``tingchao incidents``: looking, and commands that watch obeys and notify hears of."""

import base64
import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.clock import now
from pipeline.incidents import chosen, obstacle_to
from pipeline.loop import EXIT_FATAL
from schemas.errors import FatalError, RetryableError
from schemas.incidents import parse_incident
from schemas.signals import Mention, Tick
from sinks.elasticsearch import Elasticsearch
from sinks.journal import Journal, Waiting
from tests.pipeline.conftest import MakeLine
from tests.pipeline.incidents import AT, gap_of, incident
from tests.pipeline.line_rig import Line, Receiver, cli
from tests.pipeline.test_notify import source_incidents

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
START = datetime(2026, 3, 2, tzinfo=UTC)
NOON = START + timedelta(hours=12)


# --- which one is meant, and what can be said of it ---------------------------------------------


def test_an_incident_is_meant_by_its_id_or_by_its_beginning() -> None:
    known = [incident(id=name) for name in ("abcd1111", "abcd2222", "ef", "efgh")]

    assert chosen(known, "abcd1").id == "abcd1111"
    assert chosen(known, "ef").id == "ef"
    for written, words in (("abcd", "abcd1111, abcd2222"), ("e", "list --all"), ("abc9", "abc9")):
        with pytest.raises(FatalError, match=words):
            chosen(known, written)


@pytest.mark.parametrize(
    ("action", "state", "refused"),
    [
        ("acknowledge", "confirmed", False),
        ("acknowledge", "handled", True),
        ("acknowledge", "closed", True),
        ("silence", "closed", True),
        ("close", "handled", False),
        ("close", "closed", True),
        ("reopen", "closed", False),
        ("reopen", "handled", False),
        ("reopen", "suspected", True),
        ("verdict", "closed", False),
        ("statement", "closed", False),
        ("assign", "closed", False),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(
    action: str, state: Any, refused: bool
) -> None:
    why = obstacle_to(action, incident(state=state))

    assert (why is not None) == refused
    assert why is None or "i1" in why


def test_a_source_takes_no_commands() -> None:
    [source] = source_incidents(gap_of("own", AT))

    assert "own" in (obstacle_to("acknowledge", source) or "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["silence", "i1"], "--until"),
        (["silence", "i1", "--for", "2h", "--until", "2036-01-01"], "--until"),
        (["silence", "i1", "--for", "soon"], "30m"),
        (["silence", "i1", "--for", "0m"], "30m"),
        (["silence", "i1", "--until", "2020-01-01"], "2020-01-01"),
        (["silence", "i1", "--until", "tomorrow"], "2026-10-01"),
        (["statement", "i1", "正在核实", "--at", "2036-01-01"], "2036-01-01"),
        (["statement", "i1", " "], "10000"),
        (["verdict", "i1", "maybe"], "true"),
    ],
)
def test_a_wrong_word_is_one_sentence(tmp_path: Path, arguments: list[str], words: str) -> None:
    file = tmp_path / "tingchao.toml"
    file.write_text('folder = "work"\n', encoding="utf-8")

    answer = cli("--settings", file, "incidents", *arguments, TINGCHAO_LANGUAGE="en")

    assert answer.code == EXIT_FATAL
    assert answer.out == ""
    [sentence] = answer.err.splitlines()
    assert words in sentence


# --- with watch and notify -----------------------------------------------------------------------

RULES = """
id = "main"
version = 1
author = "测试"
reason = "一个牌子"
changed_at = 2026-03-01T00:00:00+08:00
{hours}
[[brands]]
id = "yunfan"
name = "云帆电器"
role = "own"
aliases = ["云帆"]
"""
NEVER_NOW = """
[[hours]]
days = ["{day}"]
begin = "00:00"
end = "00:01"
"""


def complaint(number: int, minute: int) -> Mention:
    return Mention(
        brand="yunfan",
        role="own",
        post_id=f"weibo:{number}",
        root_id=f"weibo:{number}",
        platform="weibo",
        kind="post",
        author_id=f"user{number}",
        author_name=f"网友{number}",
        event_at=NOON + timedelta(minutes=minute),
        mood="negative",
        signature=f"text{number}",
        matches=("漏电",),
        excerpt="电热水壶突然漏电",
    )


def wave(line: Line, begin: int, count: int, minute: int) -> None:
    values = [complaint(number, minute).to_line() for number in range(begin, begin + count)]
    line.produce("signals", b"\n".join(values))


def time_is(line: Line, at: datetime) -> None:
    line.produce("signals", Tick(at=at, lane=0, lanes=1).to_line())


def revisions(line: Line) -> list[Any]:
    return [parse_incident(record.value or b"") for record in line.records("incidents")]


@pytest.mark.services
def test_an_incident_from_its_notice_to_its_end(
    make_line: MakeLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUTY_SECRET", SECRET)
    with closing(Receiver()) as receiver, closing(Receiver()) as boss:
        hook = {"use": "webhook", "secrets": [{"env": "DUTY_SECRET"}], "timeout_seconds": 60}
        line = make_line(
            partitions=1,
            watch={"grace_hours": 1, "close_after_hours": 1},
            notify={"look_seconds": 0.2, "escalate_after_minutes": 0.02, "max_age_hours": 1e6},
            channels={
                "duty": {**hook, "url": receiver.url, "escalate_to": "boss"},
                "boss": {**hook, "url": boss.url, "only_fallback": True},
            },
        )
        tomorrow = f"{now() + timedelta(days=2):%a}".lower()
        rules = line.folder / "rules.toml"
        rules.write_text(RULES.format(hours=NEVER_NOW.format(day=tomorrow)), encoding="utf-8")
        line.ok("topics", "create")
        line.ok("rules", "push", rules)
        line.start("watch")
        worker = line.start("notify")

        # Given a crisis outside of the team's hours
        time_is(line, START)
        line.produce("signals", complaint(0, -300).to_line())
        time_is(line, NOON)
        wave(line, 1, 12, minute=1)
        line.until(lambda: revisions(line), "the crisis is opened")
        opened = revisions(line)[0]
        line.until(lambda: waiting(line), "its notice waits")
        assert receiver.keys() == []

        # When notify is killed, and the team is at work from now on
        worker.kill()
        rules.write_text(
            RULES.format(hours="").replace("version = 1", "version = 2"), encoding="utf-8"
        )
        line.ok("rules", "push", rules)
        line.start("notify", 2)

        # Then it is told once, of the newest revision, and to the boss when nobody takes it
        newest = revisions(line)[-1]
        line.until(lambda: boss.keys(), "nobody took it")
        assert receiver.keys() == [f"{opened.id}-{newest.revision}"]
        assert boss.keys() == [f"{opened.id}-{newest.revision}-unclaimed"]
        assert json.loads(boss.deliveries[0][1])["type"] == "incident.unclaimed"

        # And whatever a person decides is obeyed before the command returns
        def give(*words: str) -> Any:
            answer = line.ok("incidents", words[0], opened.id[:8], *words[1:], "--json")
            return json.loads(answer.out)

        assert opened.id in line.ok("incidents", "list").out
        taken = give("acknowledge", "--by", "王芳")
        assert (taken["state"], taken["owner"]) == ("handled", "王芳")
        assert give("assign", "售后部")["owner"] == "售后部"
        assert "silenced_until" in give("silence", "--for", "2h")
        stated = give("statement", "正在核实", "--at", "2026-03-02T20:10:00+08:00")
        [step] = [one for one in stated["timeline"] if one["event"] == "statement"]
        assert (step["at"], step["note"]) == ("2026-03-02T12:10:00Z", "正在核实")
        judged = give("verdict", "true", "--why", "三家门店确认")
        assert (judged["verdict"], judged["verdict_why"]) == (True, "三家门店确认")
        assert give("close")["state"] == "closed"
        refused = line.cli("incidents", "acknowledge", opened.id)
        assert refused.code == EXIT_FATAL and "reopen" in refused.err
        assert "closed" in line.ok("incidents", "list").out
        assert opened.id not in line.ok("incidents", "list").out
        assert opened.id in line.ok("incidents", "list", "--all").out
        assert give("reopen")["state"] == "confirmed"
        shown = line.ok("incidents", "show", opened.id).out
        for words in ("云帆电器", "电热水壶突然漏电", "网友1", "owner: 售后部", "正在核实"):
            assert words in shown

        # Without watch it says so, and the command is not lost
        for one in line.workers:
            one.kill()
        late = line.cli("incidents", "assign", opened.id, "法务部", "--wait", "1")
        assert late.code == 1 and "status" in late.err
        line.start("watch", 2)
        line.until(lambda: revisions(line)[-1].owner == "法务部", "it is obeyed later")


def waiting(line: Line) -> bool:
    async def look(index: Elasticsearch) -> bool:
        try:
            return bool(await Journal(index).all_waiting("duty"))
        except RetryableError:  # the index is being made
            return False

    return line.look(look)


@pytest.mark.services
def test_the_journal_remembers_what_waits(make_line: MakeLine) -> None:
    line = make_line(partitions=1)

    async def story(index: Elasticsearch) -> None:
        journal = Journal(index)
        assert await journal.waiting("hours", "duty", "i1") is None
        assert await journal.all_waiting("duty") == []
        first = Waiting("hours", "duty", "i1", 1, "opened", AT, "yunfan")
        second = Waiting("owner", "duty", "i2", 3, "worse", AT - timedelta(hours=1))
        other = Waiting("hours", "mail", "i1", 1, "opened", AT, "yunfan")
        done = Waiting("hours", "duty", "i3", 2, "closed", AT, over=True)
        for one in (first, second, other, done):
            await journal.put_waiting(one)
            assert await journal.waiting(one.waits_for, one.channel, one.incident_id) == one
        await index.refresh()
        assert await journal.all_waiting("duty") == [second, first]
        assert await journal.recent() == []

    line.look(story)
