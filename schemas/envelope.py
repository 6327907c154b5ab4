"""NDJSON envelopes: one Kafka value, many lines.

Faust and Kafka cost time per record, so hot topics carry many posts in each; acknowledge, retry
and dead letter still act per line.
"""

from collections.abc import Iterable, Iterator

from schemas.topics import MAX_ENVELOPE_BYTES, MAX_ENVELOPE_LINES

__all__ = ["pack", "split"]


def split(value: bytes) -> list[bytes]:
    """The lines of a value, without line breaks; blank lines (a final break) are no lines."""
    return [line for line in value.split(b"\n") if line and not line.isspace()]


def pack(
    lines: Iterable[bytes],
    *,
    max_lines: int = MAX_ENVELOPE_LINES,
    max_bytes: int = MAX_ENVELOPE_BYTES,
) -> Iterator[bytes]:
    """Join lines, in order, into values within both limits; a longer line stands alone."""
    batch: list[bytes] = []
    size = 0
    for line in lines:
        if batch and (len(batch) >= max_lines or size + len(line) + 1 > max_bytes):
            yield b"\n".join(batch)
            batch, size = [], 0
        batch.append(line)
        size += len(line) + 1
    if batch:
        yield b"\n".join(batch)
