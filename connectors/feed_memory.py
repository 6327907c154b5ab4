"""What one feed has told, so that a poll brings only what is new or has changed."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from connectors.base import Cursor, Unreadable
from connectors.feed_entry import FeedPage
from connectors.feed_posts import FirstTimes, PostMaker
from connectors.known import Known
from schemas.errors import RejectedError
from schemas.post import PostDraft

__all__ = ["FeedMemory"]


class FeedMemory:
    """The part of a cursor that remembers one feed's entries."""

    def __init__(self, cursor: Cursor, name: str, most: int) -> None:
        self._name = name
        self._started = f"{name}.known" in cursor
        self._known = Known(str(cursor.get(f"{name}.known", "")), most)
        self._first = FirstTimes(str(cursor.get(f"{name}.first", "")), most)

    def items(
        self, page: FeedPage, maker: PostMaker, now: datetime
    ) -> list[PostDraft | Unreadable]:
        """Every entry of a page as a post, or as what could not become one."""
        items: list[PostDraft | Unreadable] = list(page.unreadable)
        for place, entry in enumerate(page.entries, 1):
            try:
                items.append(maker.draft(entry, self._first, now))
            except RejectedError as error:
                items.append(Unreadable(place, entry.raw, error.kind, str(error)))
        return items

    def misses(self, items: Sequence[PostDraft | Unreadable]) -> bool:
        """Whether none of them was told before, so that older ones may have been missed.

        At the very first start the past is not asked for.
        """
        drafts = [item for item in items if isinstance(item, PostDraft)]
        return (
            self._started
            and bool(drafts)
            and not any(self._known.has(draft.id) for draft in drafts)
        )

    def news(
        self, items: Sequence[PostDraft | Unreadable], most: int
    ) -> Iterator[PostDraft | Unreadable]:
        """What was not told before, oldest first; each counts as told when it is taken."""
        # Feeds tell the newest first. Of two entries with one id the newer counts, at every poll.
        drafts = [item for item in reversed(items) if isinstance(item, PostDraft)]
        drafts.sort(key=lambda draft: draft.published_at)
        newest = list({draft.id: draft for draft in drafts}.values())[-most:]
        for draft in newest:
            if self._known.news(draft):
                yield draft
        for item in items:
            if isinstance(item, Unreadable):
                if self._known.unheard(item.raw):
                    yield item

    def kept(self) -> dict[str, str | int]:
        """For the cursor."""
        return {
            f"{self._name}.known": self._known.kept(),
            f"{self._name}.first": self._first.kept(),
        }
