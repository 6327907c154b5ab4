import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.enriched import BrandTag, EnrichedPost, Match, Span
from schemas.errors import RejectedError
from schemas.record import PlainText, Record, UtcTime
from schemas.thread import Thread

CHINA = timezone(timedelta(hours=8))


class Note(Record):
    text: PlainText
    at: UtcTime = datetime(2026, 1, 1, tzinfo=UTC)
    score: float = 0.0
    count: int | None = None


def line(**fields: object) -> bytes:
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("raw", "kind", "named"),
    [
        (b"", "json", "JSON"),
        (b"null", "schema", "record"),
        (b"[]", "schema", "record"),
        (b"{", "json", "JSON"),
        (b'{"text":"a"} {"text":"b"}', "json", "JSON"),
        (b'\xff{"text":"a"}', "json", "JSON"),
        (b'{"text":"\xe5\x88"}', "json", "JSON"),
        (b'{"text":"\xed\xa0\x80"}', "json", "JSON"),
        (b'{"text":"\\ud83d"}', "json", "JSON"),
        (b'{"text":"a\x00b"}', "json", "JSON"),
        (b'{"text":"a\\u0000b"}', "schema", "text"),
        (b"\x00", "json", "JSON"),
        (b'\xef\xbb\xbf{"text":"a"}', "json", "JSON"),
        (b"[" * 5_000, "json", "JSON"),
        (line(text="a", colour="red"), "schema", "colour"),
        (line(), "schema", "text"),
        (line(text=1), "schema", "text"),
        (line(text=None), "schema", "text"),
        (line(text="a", count="1"), "schema", "count"),
        (line(text="a", count=True), "schema", "count"),
        (line(text="a", count=1.5), "schema", "count"),
        (b'{"text":"a","score":NaN}', "schema", "score"),
        (b'{"text":"a","score":Infinity}', "schema", "score"),
        (b'{"text":"a","score":1e999}', "schema", "score"),
        (line(text="a", at="2026-01-01T08:00:00"), "schema", "at"),
        (line(text="a", at="2026-01-01"), "schema", "at"),
        (line(text="a", at="0001-01-01T00:00:00+08:00"), "schema", "at"),
        (line(text="a", at="9999-12-31T23:59:59-08:00"), "schema", "at"),
    ],
)
def test_what_is_no_such_record_is_rejected_and_the_place_is_named(
    raw: bytes, kind: str, named: str
) -> None:
    with pytest.raises(RejectedError) as caught:
        Note.from_line(raw)

    assert caught.value.kind == kind
    assert named in str(caught.value)


def test_several_mistakes_are_counted() -> None:
    with pytest.raises(RejectedError, match=r"and 1 more"):
        Note.from_line(line(text=1, count="x"))


@pytest.mark.parametrize("length", [100, 3_000_000])
def test_the_message_stays_short_whatever_the_line_holds(length: int) -> None:
    # A dead letter carries the message beside the line itself, and both must fit the topic.
    with pytest.raises(RejectedError) as caught:
        Note.from_line(line(text="a", **{"键" * length: 1}))

    assert len(str(caught.value).encode()) < 2_000


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-01T08:00:00+08:00",
        "2026-01-01T00:00:00Z",
        "2025-12-31T16:00:00-08:00",
        "2026-01-01T00:00:00.000000+00:00",
    ],
)
def test_one_moment_has_one_form(written: str) -> None:
    note = Note.from_line(line(text="早", at=written))

    assert note.at == datetime(2026, 1, 1, tzinfo=UTC)
    assert note.at.utcoffset() == timedelta(0)
    assert note.to_line() == '{"text":"早","at":"2026-01-01T00:00:00Z","score":0.0}'.encode()


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"])
def test_the_first_and_the_last_moment_pass(written: str) -> None:
    note = Note.from_line(line(text="", at=written))

    assert Note.from_line(note.to_line()) == note


def test_records_do_not_change() -> None:
    note = Note(text="a")

    with pytest.raises(ValidationError):
        note.text = "b"  # type: ignore[misc]


# surrogates can't be written as UTF-8, so no line holds one
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
moments = st.datetimes(timezones=st.just(UTC)) | st.integers(0, 4 * 10**9).map(
    lambda seconds: datetime.fromtimestamp(seconds, CHINA)
)


@given(texts, moments, st.floats(allow_nan=False, allow_infinity=False), st.integers())
def test_a_line_read_and_written_again_is_the_same_bytes(
    text: str, at: datetime, score: float, count: int
) -> None:
    written = Note(text=text, at=at, score=score, count=count).to_line()

    assert b"\n" not in written
    assert Note.from_line(written).to_line() == written


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Span, {"start": 1, "end": 3}),
        (Span, {"field": "title", "start": 1, "end": 3}),
        (Match, {"rule": "r", "version": 2, "words": ("刹车",), "spans": (Span(start=0, end=2),)}),
        (BrandTag, {"brand": "lantu", "role": "own", "aliases": ("岚图",)}),
        (Thread, {"revision": 7, "replies": ((1, 1),)}),
    ],
)
def test_a_record_that_is_not_checked_is_the_same_record(
    kind: type[Record], values: dict[str, Any]
) -> None:
    unchecked, checked = kind.unchecked(**values), kind(**values)

    assert unchecked == checked
    assert unchecked.to_line() == checked.to_line()
    assert kind.from_line(unchecked.to_line()) == checked


def test_records_that_would_share_a_mapping_must_be_constructed() -> None:
    with pytest.raises(TypeError, match="models"):
        EnrichedPost.unchecked(id="weibo:1")
