"""Every connector at once, by the wall clock, in one real ingest: heard, killed, heard again."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors import CONNECTORS
from pipeline.source_progress import read_cursors
from schemas.customer_event import CustomerEvent
from schemas.envelope import split
from schemas.signals import SourceGap
from schemas.source_status import SourceStatus
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line
from tests.pipeline.stand_ins import StandIns, stand_ins
from tests.pipeline.told import told as told_by

EVENTS = "customer.events"
PARTITIONS = 2
PUSHED = {"webhook", "wechat", "wecom"}
RECORDED = {"file", "replay"}
HELD = {"discourse": 0, "feed": 1, "nodebb": 1, "weibo": 2}
"""Platforms that don't answer while ingest dies, after so many requests that they answered."""
RARELY_ASKED = {"discuz", "mailbox", "wechat-articles"}
"""At most twice a minute, so that what is new is heard by the next process only."""
DEAD_FOR = timedelta(minutes=5)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[StandIns]:
    with stand_ins(tmp_path) as there:
        assert there.all.keys() == CONNECTORS.keys()
        there.write()
        yield there
        assert there.errors() == []


def test_a_trial_shows_what_each_source_holds(there: StandIns, tmp_path: Path) -> None:
    nowhere = {"bootstrap": "127.0.0.1:1"}
    line = Line(tmp_path / "line", {"kafka": nowhere, "sources": there.settings})

    for name, source in there.all.items():
        said = line.ok("connect", name, "--check").out

        shown = [word for word in said.split() if word in source.ids()]
        assert len(shown) == (0 if name in PUSHED else min(5, len(source.ids()))), said
        assert ("will wait to be told at" in said) == (name in PUSHED)


@pytest.mark.services
def test_every_source_is_heard_and_a_killed_ingest_loses_nothing(
    make_line: MakeLine, there: StandIns
) -> None:
    line = make_line(partitions=PARTITIONS, sources=there.settings)
    line.ok("topics", "create")

    # Given an ingest that has told everything, each post once
    ingest = line.start("ingest")
    line.until(lambda: not missing(line, there), "the first posts arrived")
    assert heard(line) == told(there)
    line.until(lambda: posts_noted(line) == posts_there(there), "all of them are noted")
    for name, status in notes(line).items():
        assert status.state == ("done" if name in RECORDED else "running"), status
        assert (status.last_success_at is None, status.rejected) == (False, 0), status
    assert set(healths(line).values()) == {"ok", "done"}

    # When it is killed at work: with some news told, some platforms answering, some pushing
    for name, after in HELD.items():
        front(there, name).hold(after)
    there.write()
    may_wait = HELD.keys() | RARELY_ASKED | RECORDED
    line.until(lambda: missing(line, there) <= may_wait, "what can arrive has arrived")
    line.until(lambda: all(front(there, name).held for name in HELD), "ingest waits for answers")
    assert missing(line, there) >= HELD.keys()
    assert doubled(line) == set()
    ingest.freeze()
    there.write()
    there.deliver(seconds=0.3)
    assert all(outbox.waiting for outbox in there.outboxes)
    ingest.kill()

    # And started again some minutes later
    died_at = grow_older(line)
    for name in HELD:
        front(there, name).release()
    there.write()
    line.start("ingest")

    # Then all and nothing but the posts are there, and the time without it was told
    line.until(lambda: not missing(line, there), "all posts arrived")
    live = there.all.keys() - RECORDED
    line.until(lambda: {gap.source for gap in gaps(line)} == live, "the gaps are told")
    assert heard(line) == told(there)
    for gap in gaps(line):
        assert (gap.trouble, gap.started_at) == ("unheard", died_at[gap.source])
        assert gap.ended_at is not None
    assert len(gaps(line)) == len(live)
    assert set(healths(line).values()) == {"ok", "done"}
    acts = [CustomerEvent.from_line(record.value or b"") for record in line.records(EVENTS)]
    assert len({act.id for act in acts if act.act == "contact_added"}) == 4


def told(there: StandIns) -> dict[str, set[str]]:
    """Ids by source; one that has only events is not among them."""
    return {name: ids for name, ids in there.ids().items() if ids}


def front(there: StandIns, name: str) -> Any:
    return there.all[name].front


# --- what is in the log -----------------------------------------------------------------------


def lines(line: Line) -> list[bytes]:
    return [raw for record in line.records("posts.raw") for raw in split(record.value or b"")]


def heard(line: Line) -> dict[str, set[str]]:
    """Ids by source."""
    found: dict[str, set[str]] = defaultdict(set)
    for post in told_by(line).posts:
        found[post.source].add(post.id)
    return dict(found)


def doubled(line: Line) -> set[str]:
    counts = Counter(post.id for post in told_by(line).posts)
    return {post_id for post_id, count in counts.items() if count > 1}


def missing(line: Line, there: StandIns) -> set[str]:
    """Sources of which not all has arrived yet; who pushes tries again."""
    there.deliver()
    found = heard(line)
    return {
        name
        for name, one in there.all.items()
        if one.ids() - found.get(name, set()) or (one.outbox and one.outbox.waiting)
    }


def gaps(line: Line) -> list[SourceGap]:
    return [SourceGap.from_line(raw) for raw in lines(line) if raw.startswith(b'{"type":"gap"')]


def healths(line: Line) -> dict[str, str]:
    return {row["name"]: row["health"] for row in line.ok("sources", "--json").data}


def posts_there(there: StandIns) -> dict[str, int]:
    return {name: len(ids) for name, ids in there.ids().items()}


def posts_noted(line: Line) -> dict[str, int]:
    return {name: status.posts for name, status in notes(line).items()}


def notes(line: Line) -> dict[str, SourceStatus]:
    return asyncio.run(read_cursors(line.kafka))


def grow_older(line: Line) -> dict[str, datetime]:
    """Let the dead have died some minutes ago; returns when each source was noted last."""
    died_at: dict[str, datetime] = {}
    for record in {record.key: record for record in line.records("sources")}.values():
        assert record.value
        status = SourceStatus.from_line(record.value)
        status = status.replaced(at=status.at - DEAD_FOR)
        line.produce("sources", status.to_line(), partition=record.partition, key=record.key)
        died_at[status.name] = status.at
    return died_at
