"""The published feed cases beside the repository; skipped where they are absent.

The bar is feedparser itself: every case that it passes must read the same through our reader,
wrong labels, repairs and all.
"""

import io
import json
import re
import tarfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import feedparser
import pytest

from connectors.feed_entry import Entry
from connectors.feed_reader import read_xml_feed

CASES = (Path(__file__).resolve().parents[2] / "../shared/data/feeds").resolve()
FIELDS = "title link id guid summary description author published updated content".split()
SERVER = "http://127.0.0.1:8097/"

pytestmark = [
    pytest.mark.skipif(not CASES.is_dir(), reason="the feed cases are not beside the repository"),
    # feedparser itself warns when ``updated`` is asked for and only ``published`` is there.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@dataclass(frozen=True)
class Case:
    file: str
    index: int
    field: str
    expected: str
    body: bytes


Headers = Callable[[Case], dict[str, str]]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    with tarfile.open(CASES / "files.tar.gz") as archive:
        bodies = {
            member.name: content.read()
            for member in archive
            if (content := archive.extractfile(member)) is not None
        }
    return [
        Case(one["file"], one["index"], one["field"], one["expected"], bodies[one["file"]])
        for one in json.loads((CASES / "feedparser_cases.json").read_bytes())
        if one["on"] == "entry" and one["field"] in FIELDS
    ]


def no_headers(case: Case) -> dict[str, str]:
    return {}


def as_served(case: Case) -> dict[str, str]:
    """The headers that the comment in the file asks its test server for."""
    headers = {"content-location": SERVER + case.file, "content-type": "application/xml"}
    for name, value in re.findall(rb"Header:\s+([^:\r\n]+):(.+)", case.body[:2_000]):
        headers[name.decode().strip().lower()] = value.decode().strip()
    return headers


def theirs(case: Case, headers: dict[str, str]) -> Any:
    found = feedparser.parse(io.BytesIO(case.body), response_headers=headers)
    try:
        return found.entries[case.index]
    except IndexError:
        return feedparser.FeedParserDict()


def ours(case: Case, headers: dict[str, str]) -> Entry:
    return read_xml_feed(case.body, headers, "h", UTC).entries[case.index]


def said(entry: Entry, field: str) -> str | None:
    name = {"guid": "id", "description": "summary"}.get(field, field)
    if name == "updated":
        return entry.updated or entry.published
    value = getattr(entry, name)
    return value if value is None or isinstance(value, str) else str(value.value)


@pytest.mark.parametrize(("headers", "passed"), [(no_headers, 661), (as_served, 677)])
def test_every_case_that_feedparser_passes_reads_the_same(
    cases: list[Case], headers: Headers, passed: int
) -> None:
    # Given the cases that feedparser itself passes
    assert len(cases) == 680
    bar = [case for case in cases if theirs(case, headers(case)).get(case.field) == case.expected]
    assert len(bar) >= passed

    # When our reader reads them
    read = {case: said(ours(case, headers(case)), case.field) for case in bar}

    # Then it finds the same
    assert {
        (case.file, case.field): found for case, found in read.items() if found != case.expected
    } == {}


def test_times_are_those_of_feedparser(cases: list[Case]) -> None:
    compared = 0
    for case in cases:
        for name in ("published", "updated"):
            their = theirs(case, {})
            if (parsed := dict.get(their, f"{name}_parsed")) is not None:
                compared += 1
                found = getattr(ours(case, {}), f"{name}_at")
                assert found == datetime(*parsed[:6], tzinfo=UTC), case.file
    assert compared > 5
