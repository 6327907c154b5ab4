"""What a source has told lately, so that an overlapping second look brings only what is new.

Pages shift while they are read, clocks differ, and posts are edited: a poll looks further back than
it has to. What it finds again is told again only when it has changed.
"""

import hashlib
from collections import OrderedDict

from schemas.post import Engagement, PostDraft

__all__ = ["MAX_KNOWN", "Known", "content_digest"]

MAX_KNOWN = 1_000
_ID = 12
_CONTENT = 8


class Known:
    """Digests of the posts told last, oldest first; a string of at most 20 KB in a cursor.

    Counters (likes, comments, reposts, reads) count as a change when they pass a power of two:
    every single like would be a new revision of the post, each of them processed and indexed.
    """

    def __init__(self, kept: str = "", most: int = MAX_KNOWN) -> None:
        self._most = most
        size = _ID + _CONTENT
        whole = len(kept) - len(kept) % size  # a piece cut short would displace all that follow
        pieces = (kept[at : at + size] for at in range(0, whole, size))
        self._told = OrderedDict((piece[:_ID], piece[_ID:]) for piece in pieces)
        self._forget()

    def news(self, draft: PostDraft) -> bool:
        """Whether a post is new or has changed; it counts as told from now on."""
        return self._tell(_hex(draft.id.encode(), _ID), content_digest(draft))

    def has(self, post_id: str) -> bool:
        """Whether a post was told lately, whatever it said."""
        return _hex(post_id.encode(), _ID) in self._told

    def unheard(self, raw: bytes) -> bool:
        """Whether an unreadable item is new; it counts as told from now on."""
        return self._tell(_hex(raw, _ID), "0" * _CONTENT)

    def kept(self) -> str:
        """For the cursor."""
        return "".join(key + content for key, content in self._told.items())

    def _tell(self, key: str, content: str) -> bool:
        changed = self._told.get(key) != content
        self._told[key] = content
        self._told.move_to_end(key)
        self._forget()
        return changed

    def _forget(self) -> None:
        while len(self._told) > self._most:
            self._told.popitem(last=False)


def content_digest(draft: PostDraft) -> str:
    """Eight hex digits that change when a post does."""
    said = draft.model_dump_json(include={"text", "title", "deleted", "root_text", "published_at"})
    return _hex(f"{said}{_size(draft.engagement)}".encode(), _CONTENT)


def _size(engagement: Engagement | None) -> tuple[int | None, ...]:
    """The powers of two of the counters; ranks change all the time and are told each time."""
    if engagement is None:
        return ()
    counts = (engagement.reposts, engagement.comments, engagement.likes, engagement.reads)
    return (*(None if one is None else one.bit_length() for one in counts), engagement.rank)


def _hex(said: bytes, digits: int) -> str:
    return hashlib.blake2b(said, digest_size=digits // 2).hexdigest()
