import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.dead_letter import (
    DeadLetter,
    Drop,
    Retry,
    dead_letter_id,
    parse_dead_letter_line,
)
from schemas.errors import RejectedError

AT = datetime(2026, 3, 5, 4, 0, tzinfo=UTC)


def letter(**changes: object) -> DeadLetter:
    fields = {
        "id": dead_letter_id("enrich", "posts.raw", 1, 7, 3),
        "stage": "enrich",
        "kind": "json",
        "message": "not valid JSON",
        "source": "posts.raw",
        "partition": 1,
        "offset": 7,
        "line": 3,
        "value": base64.b64encode(b"{").decode(),
        "size": 1,
        "schema_version": 1,
        "at": AT,
    }
    return DeadLetter.model_validate(fields | changes)


def test_the_same_place_has_the_same_id_for_ever() -> None:
    assert dead_letter_id("enrich", "posts.raw", 1, 7, 3) == "45ffc3705123075e"  # golden


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["index", "notify-duty", "notify-crm"]),
            st.sampled_from(["posts.raw", "posts.raw1", "signals"]),
            st.integers(-1, 20),
            st.integers(-1, 2**40),
            st.integers(0, 300),
        ),
        unique=True,
        max_size=30,
    )
)
def test_different_places_have_different_ids(places: list[tuple[str, str, int, int, int]]) -> None:
    assert len({dead_letter_id(*place) for place in places}) == len(places)


@given(st.binary())
def test_the_original_bytes_come_back_whatever_they_are(raw: bytes) -> None:
    written = letter(value=base64.b64encode(raw).decode(), size=len(raw)).to_line()
    read = parse_dead_letter_line(written)

    assert isinstance(read, DeadLetter)
    assert read.raw == raw
    assert read.to_line() == written


def test_a_null_record_is_told_from_an_empty_one() -> None:
    null, empty = letter(value=None, size=0), letter(value="", size=0)

    assert (null.raw, empty.raw) == (b"", b"")
    # value has no default, so that nobody forgets it; a null record must still be readable
    assert parse_dead_letter_line(null.to_line()) == null
    assert parse_dead_letter_line(empty.to_line()) == empty
    assert null != empty


def test_retries_share_the_topic() -> None:
    retry = Retry(dead_letter_id="x", at=AT, topic="posts.raw", partition=1, corrected=False)

    assert parse_dead_letter_line(retry.to_line()) == retry


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{}",
        b'{"type":"other"}',
        letter().to_line().replace(b'"kind":"json"', b'"kind":"Not One Word"'),
        letter().to_line().replace(b'"stage":"enrich"', b'"stage":"console"'),
        Drop(post_id="weibo:1", source="s", event_at=AT, enricher="noise", reason="广告").to_line(),
    ],
)
def test_other_lines_are_rejected(line: bytes) -> None:
    with pytest.raises(RejectedError):
        parse_dead_letter_line(line)
