"""Entries of a feed become posts: what identifies them, and when they were said."""

import hashlib
import re
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import ValidationError

from connectors.feed_entry import Entry
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import MAX_TEXT, Author, Engagement, PostDraft, PostKind
from schemas.record import explain

__all__ = ["FirstTimes", "PostMaker", "weibo_mid"]

_SAFE = re.compile(r"[!-~]+")
_GLOBAL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:.")
_WEB = re.compile(r"https?://[^\s\x00-\x1f]+")
_MOST_URL = 2_048
_MOST_NATIVE = 90
_MOST_SAID = 1_000  # who says more of the author makes the pattern work for seconds
_DISCUZ = re.compile(r"[?&]tid=(\d{1,15})\b|/thread-(\d{1,15})-")
_WEIBO = re.compile(r"https?://(?:www\.)?weibo\.com/(\d{5,12})/([0-9A-Za-z]{9})(?:[/?#]|$)")
_WEIBO_MOBILE = re.compile(r"https?://m\.weibo\.cn/(?:status|detail|\d{5,12})/(\d{16})(?:[/?#]|$)")
_BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_MAIL = re.compile(r"\s*[(<]?[^\s()<>@]{1,64}@[^\s()<>@]{1,200}[)>]?")
_KEY, _TIME = 12, 8


class FirstTimes:
    """When entries that don't say when they were published were seen first.

    Told again after an edit, such an entry keeps its time. A string of 20 characters each.
    """

    def __init__(self, kept: str, most: int) -> None:
        size = _KEY + _TIME
        pieces = (kept[at : at + size] for at in range(0, len(kept), size))
        self._times = OrderedDict((piece[:_KEY], int(piece[_KEY:], 16)) for piece in pieces)
        self._most = most

    def of(self, post_id: str, candidate: datetime) -> datetime:
        """The time kept for a post; the candidate when there is none yet."""
        key = _digest(post_id)[:_KEY]
        seconds = min(max(0, int(candidate.timestamp())), 16**_TIME - 1)
        seconds = self._times.setdefault(key, seconds)
        self._times.move_to_end(key)
        while len(self._times) > self._most:
            self._times.popitem(last=False)
        return datetime.fromtimestamp(seconds, UTC)

    def kept(self) -> str:
        """For the cursor."""
        return "".join(f"{key}{seconds:0{_TIME}x}" for key, seconds in self._times.items())


@dataclass(frozen=True, slots=True)
class PostMaker:
    """Makes the posts of one feed."""

    platform: str
    kind: PostKind
    source: str
    host: str
    """Of the feed's address: what its own ids are unique within."""

    def draft(self, entry: Entry, first: FirstTimes, now: datetime) -> PostDraft:
        """The post of an entry.

        Raises:
            RejectedError: it holds nothing, or what it holds can't be a post.
        """
        title = entry.title.plain() if entry.title is not None else ""
        text = _words(entry)
        if not (title or text):
            raise RejectedError(
                "schema", say("条目没有标题也没有正文", "an entry without title and text")
            )
        if len(text) > MAX_TEXT:
            raise RejectedError(
                "too_large",
                say(f"正文超过 {MAX_TEXT} 字", f"a text of more than {MAX_TEXT} characters"),
            )
        post_id = f"{self.platform}:{self._native(entry)}"
        published_at = entry.published_at or first.of(post_id, entry.updated_at or now)
        answers = self.kind == "comment" and bool(entry.parent)
        try:
            return PostDraft(
                id=post_id,
                platform=self.platform,
                kind="reply" if answers else self.kind,
                text=text or title,
                title=title[:1_000] if title and text else None,
                author=self._author(entry),
                published_at=published_at,
                parent_id=f"{self.platform}:{self._own(entry.parent)}" if entry.parent else None,
                engagement=(
                    Engagement(comments=entry.comments) if entry.comments is not None else None
                ),
                url=_web_address(entry.link),
                source=self.source,
            )
        except ValidationError as error:
            raise RejectedError(*explain(error)) from error

    def _native(self, entry: Entry) -> str:
        """The id, else the link, else what was said when: the same at every poll."""
        name = entry.id or entry.link
        if name:
            return self._own(name, guessed=not entry.id)
        title = entry.title.value if entry.title is not None else ""
        said = title or (entry.summary.value if entry.summary is not None else "")
        when = entry.published or entry.updated or ""
        return f"h-{_digest(f'{self.host} {said} {when}')}"

    def _own(self, name: str, *, guessed: bool = False) -> str:
        name = name.strip()
        if self.platform == "weibo" and (mid := weibo_mid(name)):
            return mid
        if guessed and (thread := _DISCUZ.search(name)):
            # Links of one thread differ by page and by rewriting.
            return f"{self.host}/tid-{thread.group(1) or thread.group(2)}"
        if not _GLOBAL.match(name):
            name = f"{self.host}/{name}"  # unique within its site at best
        if len(name) > _MOST_NATIVE or not _SAFE.fullmatch(name):
            return f"h-{_digest(name)}"
        return name

    def _author(self, entry: Entry) -> Author:
        # The mail address that RSS asks for is nobody's business.
        said = (entry.author or "")[:_MOST_SAID].replace("\x00", "")
        name = _MAIL.sub("", said).strip(" ()")
        mine = _WEIBO.match(entry.link or "") if self.platform == "weibo" else None
        known = mine.group(1) if mine else _web_address(entry.author_link) or name
        if len(known) > 128:
            known = f"h-{_digest(known)}"
        # Anonymous entries of a site share one author: nobody knows better.
        return Author(id=known or f"anonymous@{self.host}"[:128], name=name[:200] or None)


def weibo_mid(link: str) -> str | None:
    """The post's number in a link to it, which the other connectors of Weibo call it by.

    The nine letters at the end of a link are the number, in groups of four letters in base 62.
    """
    if plain := _WEIBO_MOBILE.match(link):
        return plain.group(1)
    found = _WEIBO.match(link)
    if found is None:
        return None
    letters = found.group(2)
    groups = (letters[:1], letters[1:5], letters[5:])
    numbers = [0, 0, 0]
    for place, group in enumerate(groups):
        for letter in group:
            numbers[place] = numbers[place] * 62 + _BASE62.index(letter)
    return f"{numbers[0]}{numbers[1]:07}{numbers[2]:07}"


def _words(entry: Entry) -> str:
    for text in (entry.content, entry.summary):
        if text is not None and (plain := text.plain()):
            return plain
    return ""


def _web_address(link: str | None) -> str | None:
    fits = link is not None and len(link) <= _MOST_URL and _WEB.fullmatch(link)
    return link if fits else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:24]
