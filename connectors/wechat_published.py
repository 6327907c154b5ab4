"""Published articles and their comments, as WeChat's API answers them, become drafts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr, ValidationError

from connectors.cells import as_count, as_text, as_word
from connectors.wechat_crypto import keyed_hash
from connectors.wechat_messages import article_id
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import Author, Engagement, PostDraft
from schemas.record import explain

__all__ = ["Article", "article_draft", "comment_draft", "read_articles", "take_figures"]

_DATA_ID = re.compile(r"[?&]mid=(\d{1,18})(?:&|#|$)")
_INDEX = re.compile(r"[?&]idx=(\d{1,3})(?:&|#|$)")
_MESSAGE_ID = re.compile(r"(\d{1,18})_(\d{1,3})")
_NO_ID = re.compile(r"[^0-9A-Za-z_-]")
_WEB = re.compile(r"https?://[^\s\x00-\x1f]{1,2000}")


@dataclass(slots=True)
class Article:
    """What is known of one article, put together from several answers."""

    id: str
    """Of its post."""
    title: str
    published_at: datetime
    data_id: int | None = None
    """Of the message that it is part of; without it its comments can't be asked for."""
    number: int = 1
    """Its place in the message, from 1."""
    digest: str = ""
    author: str = ""
    url: str | None = None
    deleted: bool = False
    reads: int | None = None
    shares: int | None = None
    comments: int | None = None
    looked_at: datetime | None = None
    """When all of its comments were read last."""

    def keep_from(self, earlier: "Article") -> None:
        """Take over what the list of articles does not tell."""
        if self.data_id is None:
            self.data_id, self.number = earlier.data_id, earlier.number
        self.reads, self.shares = earlier.reads, earlier.shares
        self.comments, self.looked_at = earlier.comments, earlier.looked_at


def read_articles(item: Any, now: datetime) -> Iterator[Article]:
    """The articles of one published message.

    Raises:
        RejectedError: it is not what the API documents.
    """
    item = _mapping(item)
    content = _mapping(item.get("content"))
    published_at = _time(content.get("create_time") or item.get("update_time"), now)
    items = content.get("news_item")
    if not isinstance(items, list):
        raise RejectedError("schema", say("没有 news_item", "there is no news_item"))
    for number, given in enumerate(items, 1):
        news = _mapping(given)
        url = _text(news.get("url"))
        data_id, index = _DATA_ID.search(url), _INDEX.search(url)
        if data_id is not None and index is not None:
            native = article_id(data_id[1], index[1])
        else:
            message = _NO_ID.sub("-", _text(item.get("article_id")))[:64]
            if not message:
                raise RejectedError("schema", say("没有 article_id", "there is no article_id"))
            native = article_id(message, number)
        yield Article(
            id=native,
            title=_text(news.get("title"))[:1_000],
            published_at=published_at,
            data_id=int(data_id[1]) if data_id is not None and index is not None else None,
            number=int(index[1]) if data_id is not None and index is not None else number,
            digest=_text(news.get("digest")),
            author=_text(news.get("author"))[:200],
            url=url if _WEB.fullmatch(url) else None,
            deleted=news.get("is_deleted") in (True, 1, "1", "true"),
        )


def take_figures(item: Any, articles: Mapping[str, Article]) -> None:
    """Give the newest figures of ``getarticletotal`` to their article, if it is known.

    Raises:
        RejectedError: they are not what the API documents.
    """
    item = _mapping(item)
    found = _MESSAGE_ID.fullmatch(_text(item.get("msgid")))
    details = item.get("details")
    if found is None or not isinstance(details, list):
        raise RejectedError("schema", say("没有 msgid 或 details", "there is no msgid or details"))
    article = articles.get(article_id(found[1], found[2]))
    if article is None:
        title = _text(item.get("title"))
        same = [one for one in articles.values() if one.title == title and title]
        if len(same) != 1:
            return
        article = same[0]
    if article.data_id is None:
        article.data_id, article.number = int(found[1]), int(found[2])
    days = [_mapping(one) for one in details]
    if days:
        newest = max(days, key=lambda one: _text(one.get("stat_date")))
        article.reads = _count(newest.get("int_page_read_count"))
        article.shares = _count(newest.get("share_count"))


def article_draft(article: Article, source: str, account: str) -> PostDraft:
    """The article as a post with its figures.

    Raises:
        RejectedError: some value is out of bounds.
    """
    figures = (article.reads, article.shares, article.comments)
    try:
        return PostDraft(
            id=article.id,
            platform="wechat",
            kind="article",
            text=article.digest or article.title,
            title=article.title or None,
            author=Author(id=account, name=article.author or None),
            published_at=article.published_at,
            engagement=None
            if figures == (None, None, None)
            else Engagement(reads=article.reads, reposts=article.shares, comments=article.comments),
            url=article.url,
            source=source,
            deleted=article.deleted,
        )
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error


def comment_draft(item: Any, article: Article, source: str, id_secret: SecretStr) -> PostDraft:
    """One comment of an article.

    Raises:
        RejectedError: it has no id, time or content, or some value is out of bounds.
    """
    item = _mapping(item)
    try:
        native = as_word(item.get("user_comment_id"))
        created = datetime.fromtimestamp(as_count(item.get("create_time")), UTC)
        text = as_text(item.get("content")).replace("\x00", "")
    except (ValueError, OverflowError, OSError) as error:
        raise RejectedError(
            "schema",
            say(
                "评论的 user_comment_id、create_time 或 content 不对",
                "a comment's user_comment_id, create_time or content is wrong",
            ),
        ) from error
    post_id = f"wechat:comment-{article.id.removeprefix('wechat:article-')}-{native}"
    # Who comments under no WeChat identity has no openid: each counts as somebody else.
    person = _text(item.get("openid")) or post_id
    try:
        return PostDraft(
            id=post_id,
            platform="wechat",
            kind="comment",
            text=text,
            author=Author(id=keyed_hash(id_secret, person)),
            published_at=created,
            parent_id=article.id,
            root_id=article.id,
            root_text=article.title or None,
            source=source,
        )
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise RejectedError("schema", say("不是 JSON 对象", "no JSON object"))
    return value


def _text(value: Any) -> str:
    return value.replace("\x00", "").strip() if isinstance(value, str) else ""


def _count(value: Any) -> int | None:
    try:
        return max(0, as_count(value))
    except ValueError:
        return None


def _time(value: Any, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(as_count(value), UTC)
    except (ValueError, OverflowError, OSError):
        return now
