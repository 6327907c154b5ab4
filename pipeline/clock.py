"""The wall clock, in one place."""

from datetime import UTC, datetime

__all__ = ["now"]


def now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)
