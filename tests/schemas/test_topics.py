import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.topics import MAX_ENVELOPE_BYTES, TOPICS, partition_of


@pytest.mark.parametrize(
    ("key", "partitions", "expected"),
    [
        # Golden: another value would send a brand to a partition that does not hold its state.
        ("", 4, 0),
        ("123456789", 2**31, 0xCBF43926 % 2**31),  # the check value of every CRC-32 table
        ("lantu", 4, 0),
        ("岚图", 4, 3),
        ("weibo:4711", 4, 3),
        ("weibo:4711", 7, 0),
        (b"\xff\x00", 4, 1),
        ("a", 1, 0),
    ],
)
def test_a_key_has_its_partition_for_ever(key: str | bytes, partitions: int, expected: int) -> None:
    assert partition_of(key, partitions) == expected


@given(st.binary(), st.integers(1, 200))
def test_it_is_crc32_as_librdkafka_computes_it(key: bytes, partitions: int) -> None:
    assert partition_of(key, partitions) == zlib.crc32(key) % partitions


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 200))
def test_text_and_its_bytes_lie_together(key: str, partitions: int) -> None:
    assert partition_of(key, partitions) == partition_of(key.encode(), partitions)
    assert 0 <= partition_of(key, partitions) < partitions


def test_checkpoints_have_the_partitions_of_what_they_stand_in() -> None:
    assert TOPICS["watch.checkpoints"].aligned_with == "signals"
    assert TOPICS["watch.checkpoints"].cleanup == "compact"


def test_a_dead_letter_holds_the_largest_line_of_any_topic() -> None:
    largest = max(
        topic.max_message_bytes for topic in TOPICS.values() if topic.name != "dead-letters"
    )

    assert TOPICS["dead-letters"].max_message_bytes > largest * 4 / 3
    assert largest > MAX_ENVELOPE_BYTES


def test_names_are_keys_and_every_record_has_a_home() -> None:
    assert all(name == topic.name for name, topic in TOPICS.items())
    assert {"Post", "EnrichedPost", "Drop", "Mention", "Command", "Tick", "SourceGap"} <= {
        record for topic in TOPICS.values() for record in topic.records
    }
