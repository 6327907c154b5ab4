"""What the sources of a line told: every revision of every post in its log."""

from dataclasses import dataclass

from schemas.envelope import split
from schemas.post import Post
from tests.connectors.forum_listener import said
from tests.pipeline.line_rig import Line

__all__ = ["Told", "told"]


@dataclass(frozen=True)
class Told:
    """Posts by revision, lower ones first."""

    posts: list[Post]

    def ids(self) -> set[str]:
        return {post.id for post in self.posts}

    def index(self) -> dict[str, str]:
        """What a reader has in the end: of each id the highest revision, deleted ones left out."""
        last = {post.id: post for post in self.posts}
        return {post.id: said(post) for post in last.values() if not post.deleted}

    def doubled(self) -> list[str]:
        """What was told twice in a row of one post, unchanged."""
        last: dict[str, tuple[str, bool]] = {}
        doubled = []
        for post in self.posts:
            now = (said(post), post.deleted)
            if last.get(post.id) == now:
                doubled.append(post.id)
            last[post.id] = now
        return doubled


def told(line: Line) -> Told:
    lines = [raw for record in line.records("posts.raw") for raw in split(record.value or b"")]
    posts = [Post.from_line(raw) for raw in lines if not raw.startswith(b'{"type":')]
    return Told(sorted(posts, key=lambda post: post.revision))
