"""A website that is polled by the wall clock, through every role: heard, away, heard again."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import orjson
import pytest

from pipeline.worker import ROLES
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Line, Receiver
from tests.website import Page, Website

pytestmark = pytest.mark.services

RULES = """
id = "main"
version = 1
author = "测试"
reason = "水壶"
changed_at = 2024-03-01T00:00:00+08:00

[[brands]]
id = "yunfan"
name = "云帆电器"
role = "own"
aliases = ["云帆"]
"""


def feed(count: int) -> Page:
    """A feed that still lists its first ``count`` entries."""
    at = format_datetime(datetime.now(UTC))
    items = "".join(
        f"<item><title>云帆水壶 {n}</title><guid>g{n}</guid><pubDate>{at}</pubDate></item>"
        for n in range(count)
    )
    return 200, f'<rss version="2.0"><channel><title>x</title>{items}</channel></rss>'.encode()


@pytest.fixture
def website() -> Iterator[Website]:
    with Website() as website:
        website.pages["/feed"] = feed(3)
        yield website


def indexed(line: Line) -> set[str]:
    answer = line.cli("search", "云帆水壶", "--json")
    if answer.code:
        return set()  # the month's index is just being made
    return {hit["post"]["id"] for hit in answer.data["hits"]}


def newest(line: Line) -> dict[str, Any]:
    """The only incident."""
    [incident] = line.ok("incidents", "list", "--all", "--json").data
    return dict(incident)


def told(receiver: Receiver) -> list[tuple[str, str]]:
    """Type and source of each notice about a source."""
    bodies: list[dict[str, Any]] = [orjson.loads(body) for _, body in receiver.deliveries]
    return [(one["type"], one["data"]["incident"]["source"]) for one in bodies]


def test_a_website_that_goes_away_is_told_and_what_it_lists_is_fetched_later(
    make_line: MakeLine, website: Website, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLUB_SECRET", "whsec_" + "QUJDREVGR0hJSktMTU5PUFFSU1RVVldY")
    (tmp_path / "rules.toml").write_text(RULES, encoding="utf-8")
    with closing(Receiver()) as receiver:
        duty = {"use": "webhook", "url": receiver.url, "secrets": [{"env": "CLUB_SECRET"}]}
        club = {"use": "feed", "urls": [f"{website.url}/feed"], "every_seconds": 5}
        line = make_line(partitions=2, sources={"club": club}, channels={"duty": duty})
        line.ok("topics", "create")
        line.ok("rules", "push", tmp_path / "rules.toml")
        workers = {role: line.start(role) for role in ROLES}
        line.until(lambda: len(indexed(line)) == 3, "the first posts are indexed")

        # When the website goes away, and ingest is killed meanwhile
        website.down = True
        line.until(lambda: told(receiver) == [("incident.opened", "club")], "the failure is told")
        [row] = line.ok("sources", "--json").data
        assert (row["health"], row["status"]["trouble"]) == ("failing", "server")
        workers["ingest"].kill()
        line.start("ingest")
        website.pages["/feed"] = feed(5)
        website.down = False

        # Then its return closes the same incident, and brings what was written meanwhile
        line.until(lambda: len(told(receiver)) == 2, "the return is told")
        assert told(receiver)[1] == ("incident.closed", "club")
        line.until(lambda: len(indexed(line)) == 5, "the posts of that time are indexed")
        line.until(lambda: newest(line)["state"] == "closed", "the index knows of it")
        incident = newest(line)
        assert (incident["kind"], incident["revision"]) == ("source", 2)
        assert incident["gap_started_at"] < incident["gap_ended_at"]
        shown = line.ok("incidents", "show", incident["id"]).out
        assert "club" in shown
        # Between two ticks, which are on their way as posts are.
        line.until(lambda: line.cli("audit", "--json").data["holds"], "the audit adds up")
