"""What the connectors of forums share: options, ids, and drafts of the posts.

Ids are ``platform:site/native``: two forums of one kind number their posts alike. Quoted text is
not the writer's own words and left out (``<blockquote>``; ``<aside>``, which also holds link
previews); a reply carries its topic's title as ``root_text``.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator

from connectors.base import Context
from connectors.html_text import html_to_text
from connectors.polling import PollConfig
from connectors.quota import Limit, Quota
from connectors.web import Web
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import MAX_TEXT, Author, Engagement, PostDraft
from schemas.record import explain

__all__ = ["MOST_AUTHOR", "ForumConfig", "ForumPost", "Site"]

_QUOTES = ("blockquote", "aside")
_MOST_SITE = 80
_MOST_NAME = 200
MOST_AUTHOR = 128
"""Letters of an author's id that count."""
_MOST_TITLE = 1_000


class ForumConfig(PollConfig):
    """Options of every forum."""

    url: str = Field(
        pattern=r"^https?://[^\s/?#@]+[^\s?#@]*$",
        max_length=200,
        description="Address of the forum's front page, such as https://forum.example.com.",
    )
    terms: tuple[str, ...] = Field(
        (),
        max_length=1_000,
        description="Take only posts that hold one of these words, in their text or their "
        "topic's title; none: take all.",
    )
    history_days: float = Field(
        1, ge=0, le=10_000, description="At the very first start: how many days to look back."
    )
    watch_posts: int = Field(
        300,
        ge=50,
        le=1_000,
        description="How many of the newest posts are looked at again for edits and deletions.",
    )
    requests_per_minute: int = Field(
        20, ge=1, le=600, description="Requests to the forum in any minute, at most."
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str) -> str:
        if len(url) - len("https://") > _MOST_SITE:
            raise ValueError(
                say(
                    f"地址超过 {_MOST_SITE} 个字符", f"the address has over {_MOST_SITE} characters"
                )
            )
        return url.rstrip("/")

    @field_validator("terms")
    @classmethod
    def _check_terms(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        if any(not term.strip() for term in terms):
            raise ValueError(say("词不能为空", "a term must not be empty"))
        return terms

    def web(self, context: Context) -> Web:
        """A fetcher that keeps to these options."""
        limits = [Limit(self.requests_per_minute, 60.0)]
        return Web(
            context,
            contact=self.contact,
            quota=Quota(limits, context.now, context.sleep),
            allow_private=self.allow_private,
        )


@dataclass(frozen=True, slots=True)
class ForumPost:
    """A post as a forum tells it."""

    number: int
    """The forum's number of the post; newer posts have higher ones."""
    key: str
    """Names the post within the forum."""
    at: datetime
    author_id: str = ""
    author_name: str = ""
    topic: str = ""
    """Names the topic within the forum."""
    root: str | None = None
    """Key of the topic's first post; ``None``: this is it, or nobody knows."""
    parent: str | None = None
    html: str = ""
    title: str = ""
    """The topic's title, as HTML."""
    is_reply: bool = False
    url: str = ""
    likes: int | None = None
    comments: int | None = None
    reads: int | None = None
    deleted: bool = False


class Site:
    """Makes drafts of the posts of one forum."""

    def __init__(self, platform: str, config: ForumConfig, source: str) -> None:
        parts = urlsplit(config.url)
        self.address = config.url
        self.name = f"{parts.netloc.lower()}{parts.path}"
        self._platform = platform
        self._source = source
        self._terms = tuple(term.casefold() for term in config.terms)

    def key_of(self, draft: PostDraft) -> str:
        """What names a draft's post within the forum."""
        return draft.id.removeprefix(f"{self._platform}:{self.name}/")

    def draft(self, post: ForumPost) -> PostDraft:
        """A post's draft; one of a deleted post says nothing any more.

        Raises:
            RejectedError: no valid draft comes of it.
        """
        text = "" if post.deleted else html_to_text(post.html, without=_QUOTES)
        if len(text) > MAX_TEXT:
            raise RejectedError(
                "too_large",
                say(f"帖子超过 {MAX_TEXT} 个字符", f"a post of more than {MAX_TEXT} characters"),
            )
        title = "" if post.deleted else html_to_text(post.title)[:_MOST_TITLE].strip()
        counts = (post.likes, post.comments, post.reads)
        engaged = not post.deleted and any(count is not None for count in counts)
        try:
            return PostDraft(
                id=self._id(post.key),
                platform=self._platform,
                kind="reply" if post.is_reply else "post",
                text=text,
                title=title if title and not post.is_reply else None,
                author=Author(
                    id=f"{self.name}/{post.author_id or '?'}"[:MOST_AUTHOR].replace("\x00", ""),
                    name=post.author_name.replace("\x00", "").strip()[:_MOST_NAME] or None,
                ),
                published_at=post.at,
                parent_id=self._id(post.parent) if post.parent is not None else None,
                root_id=self._id(post.root) if post.root is not None else None,
                root_text=title if title and post.is_reply else None,
                engagement=Engagement(likes=post.likes, comments=post.comments, reads=post.reads)
                if engaged
                else None,
                url=post.url if _is_address(post.url) else None,
                source=self._source,
                deleted=post.deleted,
            )
        except ValidationError as error:
            raise RejectedError(*explain(error)) from error

    def wanted(self, draft: PostDraft) -> bool:
        """Whether a post holds one of the terms, where there are any."""
        if not self._terms:
            return True
        said = f"{draft.title or ''}\n{draft.root_text or ''}\n{draft.text}".casefold()
        return any(term in said for term in self._terms)

    def _id(self, key: str) -> str:
        return f"{self._platform}:{self.name}/{key}"


def _is_address(url: str) -> bool:
    return (
        url.startswith(("http://", "https://"))
        and len(url) <= 2_048
        and url.isprintable()
        and (" " not in url)
    )
