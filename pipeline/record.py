"""A Kafka record as it was read, and one decoded line of it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["RECEIVED_HEADER", "RETRY_HEADER", "Item", "Record"]

#: Wall-clock time in ms of the record in posts.raw.
RECEIVED_HEADER = "received-ms"
#: Id of the dead letter that a person put back with this record.
RETRY_HEADER = "retry-of"

#: Of a time in milliseconds, with room to spare: Python refuses to read 5,000 digits.
MAX_DIGITS = 16

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One Kafka record as it was read."""

    topic: str
    """Name as in ``schemas.topics``, without the deployment's prefix."""
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    def received_ms(self) -> int | None:
        """When the post behind this record was written to ``posts.raw``; the start of latencies."""
        value = self.header(RECEIVED_HEADER)
        # Anybody may write to a topic: a header that is no number must not end a process.
        if value is None or len(value) > MAX_DIGITS or not value.isdigit():
            return None
        return int(value)

    def header(self, name: str) -> bytes | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One decoded line and where it stood."""

    record: Record
    line: int
    """From 1; 0 stands for a record without any line."""
    raw: bytes
    value: T
    last: bool = True
    """Whether it is the last line of its record."""
