"""What ``weibo`` has told so far: all of its memory, read from a cursor and written into one."""

from collections import OrderedDict
from collections.abc import Iterable
from datetime import UTC, datetime

from connectors.base import Cursor
from connectors.known import Known
from connectors.weibo_lists import ALL_NEW, Mark
from connectors.weibo_posts import Remembered
from schemas.post import PostDraft

__all__ = ["MAX_KNOWN_POSTS", "Told"]

MAX_KNOWN_POSTS = 2_000
_COMMENTS_KEY = "comments:"


class Told:
    """Digests, marks of the lists, latest posts; everything in it is bounded."""

    def __init__(self, cursor: Cursor, *, most_recent: int) -> None:
        self.known = Known(str(cursor.get("known", "")), MAX_KNOWN_POSTS)
        self.recheck_at = int(cursor.get("recheck_at", 0))
        self.began_at = int(cursor.get("began_at", 0))
        self._most_recent = most_recent
        self._marks = {
            key.removeprefix("mark "): Mark.of(value)
            for key, value in cursor.items()
            if key.startswith("mark ")
        }
        self._posts = {
            key.removeprefix("posts "): str(value).split()
            for key, value in cursor.items()
            if key.startswith("posts ")
        }
        self.recent = OrderedDict(_recent(str(cursor.get("recent", ""))))

    def cursor(self) -> Cursor:
        """All of it, as it is now."""
        return {
            "known": self.known.kept(),
            "recheck_at": self.recheck_at,
            "began_at": self.began_at,
            "recent": ";".join(
                f"{native} {one.author_id} {int(one.published_at.timestamp())} {one.root_id or '-'}"
                for native, one in self.recent.items()
            ),
            **{f"mark {key}": mark.kept() for key, mark in self._marks.items()},
            **{f"posts {key}": " ".join(ids) for key, ids in self._posts.items()},
        }

    def mark(self, key: str) -> Mark:
        """How far a list was read."""
        return self._marks.get(key, Mark())

    def put(self, key: str, mark: Mark) -> None:
        """A list was read so far."""
        self._marks[key] = mark

    def posts(self, key: str) -> list[str]:
        """Latest posts of an account, whose comments are read."""
        return list(self._posts.get(key, ()))

    def add_post(self, key: str, draft: PostDraft, most: int) -> None:
        """One more post of an account, in order; the oldest is forgotten."""
        native = draft.id.partition(":")[2]
        ids = [one for one in self._posts.get(key, []) if one != native]
        self._posts[key] = [*ids, native][-most:]
        if draft.published_at.timestamp() >= self.began_at:
            # Nobody has heard a word of what was said about it before this look.
            self._marks.setdefault(_COMMENTS_KEY + native, ALL_NEW)

    def remember(self, draft: PostDraft) -> None:
        """A post or repost that was told; a deleted one is not asked for again."""
        native = draft.id.partition(":")[2]
        if draft.deleted or not self._most_recent:
            self.recent.pop(native, None)
            return
        root = draft.root_id.partition(":")[2] if draft.root_id else None
        self.recent[native] = Remembered(draft.author.id, draft.published_at, root)
        while len(self.recent) > self._most_recent:
            self.recent.popitem(last=False)

    def forget_but(self, keys: Iterable[str]) -> None:
        """Forget lists that are not read any more."""
        kept = set(keys)
        self._posts = {key: ids for key, ids in self._posts.items() if key in kept}
        kept |= {_COMMENTS_KEY + native for ids in self._posts.values() for native in ids}
        self._marks = {key: mark for key, mark in self._marks.items() if key in kept}


def _recent(kept: str) -> Iterable[tuple[str, Remembered]]:
    for one in kept.split(";"):
        parts = one.split(" ")
        if len(parts) == 4 and parts[2].lstrip("-").isdigit():
            published_at = datetime.fromtimestamp(int(parts[2]), UTC)
            yield (
                parts[0],
                Remembered(parts[1], published_at, None if parts[3] == "-" else parts[3]),
            )
