"""Plain JSON forms of what a detector remembers: equal states are equal bytes."""

import struct
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WrapSerializer

__all__ = ["Counts", "Ids", "by_key", "hash64"]


def hash64(*parts: str) -> int:
    """A 64-bit hash, the same in every process and for ever (Python's ``hash`` is not)."""
    return int.from_bytes(blake2b("\x1f".join(parts).encode(), digest_size=8).digest(), "little")


def _pack(ids: set[int]) -> str:
    return b64encode(struct.pack(f"<{len(ids)}Q", *sorted(ids))).decode()


def _unpack(packed: object) -> object:
    if not isinstance(packed, str):
        return packed
    raw = b64decode(packed, validate=True)
    if len(raw) % 8:
        raise ValueError("packed ids are cut off")
    return set(struct.unpack(f"<{len(raw) // 8}Q", raw))


Ids = Annotated[set[int], BeforeValidator(_unpack), PlainSerializer(_pack, return_type=str)]
"""A set of 64-bit hashes: one base64 text, 11 characters a hash instead of 20."""


def _sorted(mapping: dict[Any, Any], write: Callable[[Any], Any]) -> Any:
    return write(dict(sorted(mapping.items())))


by_key = WrapSerializer(_sorted)
"""Writes a dict sorted by key: the order of insertion is no part of a state."""

Counts = Annotated[dict[str, int], by_key]
"""Counts by name."""
