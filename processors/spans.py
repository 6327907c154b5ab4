"""Spans that many records share."""

from functools import lru_cache

from schemas.enriched import Span, TextField

__all__ = ["span_at"]


@lru_cache(8192)
def span_at(field: TextField, start: int, end: int) -> Span:
    """A span, made once: records are frozen, and words of short texts stand at few places."""
    return Span.unchecked(field=field, start=start, end=end)
