"""What the items of a list are: drafts or dead letters, each with its place in the list."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from connectors.answer import raw_bytes
from connectors.base import Context, Unreadable
from connectors.weibo_lists import ENDPOINTS, Watch, place_of
from connectors.weibo_posts import (
    is_deleted,
    is_public,
    native_id,
    needs_long_text,
    read_comment,
    read_status,
)
from connectors.weibo_told import Told
from schemas.errors import RejectedError
from schemas.post import PostDraft

__all__ = ["Finder", "Found"]


class Found(NamedTuple):
    """One item of a list, and where it stands in it."""

    place: int
    what: PostDraft | Unreadable

    @property
    def published_at(self) -> datetime:
        """Of a draft; nobody asks a dead letter."""
        assert isinstance(self.what, PostDraft)
        return self.what.published_at


class Finder:
    """Reads items, leaving out what is not for us or was told better."""

    def __init__(self, source: str, context: Context, *, limited_posts: bool) -> None:
        self._source = source
        self._context = context
        self._limited_posts = limited_posts

    def read(self, watch: Watch, told: Told, items: Sequence[Any]) -> Iterator[Found]:
        """The items of a list, and the roots of reposts that were deleted since they were told."""
        endpoint = ENDPOINTS[watch.what]
        for number, item in enumerate(items, 1):
            place = place_of(item, endpoint)
            if isinstance(item, dict):
                if not self._limited_posts and not is_public(item):
                    continue
                if needs_long_text(item) and told.known.has(f"weibo:{native_id(item)}"):
                    continue  # its whole text was told; the cut one would pass for an edit
                root = item.get("retweeted_status")
                if isinstance(root, dict) and is_deleted(root) and native_id(root) in told.recent:
                    yield Found(place, self._draft(watch, told, root, number))
            yield Found(place, self._draft(watch, told, item, number))

    def _draft(self, watch: Watch, told: Told, item: Any, number: int) -> PostDraft | Unreadable:
        at = self._context.now()
        try:
            if ENDPOINTS[watch.what].key == "comments":
                status_id = watch.of if watch.what == "comments" else ""
                return read_comment(item, self._source, at, status_id=status_id)
            known = told.recent.get(native_id(item)) if isinstance(item, dict) else None
            return read_status(item, self._source, at, known=known)
        except RejectedError as error:
            return Unreadable(number, _raw(item), error.kind, str(error))


def _raw(item: Any) -> bytes:
    try:
        # Half characters can't be written as UTF-8, but as the escapes that they came in.
        return json.dumps(item).encode()
    except (ValueError, RecursionError):
        return raw_bytes(item)
