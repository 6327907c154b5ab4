import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.envelope import pack, split
from schemas.topics import MAX_ENVELOPE_BYTES, MAX_ENVELOPE_LINES

lines = st.lists(
    st.binary(min_size=1, max_size=60).filter(lambda raw: b"\n" not in raw and not raw.isspace())
)


@given(lines, st.integers(1, 10), st.integers(1, 120))
def test_packed_and_split_again_are_the_same_lines_within_both_limits(
    given_lines: list[bytes], most: int, size: int
) -> None:
    values = list(pack(given_lines, max_lines=most, max_bytes=size))

    assert [line for value in values for line in split(value)] == given_lines
    for value in values:
        assert 1 <= len(split(value)) <= most
        assert len(value) <= size or len(split(value)) == 1


@given(lines, st.integers(1, 10))
def test_values_are_as_few_as_the_line_limit_allows(given_lines: list[bytes], most: int) -> None:
    values = list(pack(given_lines, max_lines=most, max_bytes=10_000_000))

    assert len(values) == -(-len(given_lines) // most)


def test_nothing_packs_to_nothing() -> None:
    assert list(pack([])) == []


def test_the_limits_of_the_line_hold_by_default() -> None:
    assert [len(split(value)) for value in pack([b"x"] * 450)] == [MAX_ENVELOPE_LINES] * 2 + [50]
    assert all(len(value) <= MAX_ENVELOPE_BYTES for value in pack([b"x" * 100_000] * 20))


def test_a_line_over_the_limit_stands_alone_and_its_neighbours_together() -> None:
    values = list(pack([b"a", b"b", b"x" * 50, b"c", b"d"], max_bytes=20))

    assert values == [b"a\nb", b"x" * 50, b"c\nd"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", []),
        (b"\n", []),
        (b" \t\r\n\n", []),
        (b"a\n", [b"a"]),
        (b"a\n\nb", [b"a", b"b"]),
        (b"\x00", [b"\x00"]),
        (b"\xff\n\xe5\x88\x98", [b"\xff", b"\xe5\x88\x98"]),
        # U+2028 and U+0085 are line breaks to Python's str, but not in NDJSON
        ("一\u2028二\u0085三".encode(), ["一\u2028二\u0085三".encode()]),
    ],
)
def test_only_a_line_feed_ends_a_line_and_blank_lines_are_none(
    value: bytes, expected: list[bytes]
) -> None:
    assert split(value) == expected
