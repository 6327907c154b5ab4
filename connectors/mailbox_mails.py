"""A mail's bytes become a draft: the words of its writer, without the mails that it answers.

Written by strangers, in many dialects: charsets that are wrong or missing, broken headers, dates of
no calendar. What a mail reader would show is what is told.
"""

import codecs
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import Compat32
from email.utils import parsedate_to_datetime
from typing import Any

from pydantic import SecretStr, ValidationError

from connectors.html_text import html_to_text
from connectors.wechat_crypto import keyed_hash
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import MAX_TEXT, Author, PostDraft
from schemas.record import explain

__all__ = ["MailReader"]

_MOST_HEADER = 8 * 1024
_MOST_NESTED = 100
_MOST_STEPS = 1_000_000
_MOST_TITLE = 1_000
_MOST_FILES = 20
_NESTED = re.compile(rb"boundary|message/", re.IGNORECASE)
_ID = re.compile(r"<\s*([^<>\s]{1,998})\s*>")
_ADDRESS = re.compile(r"[^\s<>()\[\],;:\"@]{1,64}@[^\s<>()\[\],;:\"@]{1,255}")
_TEXT_CODEC = re.compile(r"ascii|big5.*|cp\d+|euc.*|gb.*|hz|iso.*|koi8.*|shift.*|utf-.*")
_SUPERSETS = {"gb2312": "gb18030", "gbk": "gb18030", "big5": "big5hkscs"}
_EMPTY_LINES = re.compile(r"\n{3,}")

_FORWARDED = re.compile(r"\s*(?:fwd?|转发|轉寄|轉發)\s*[:：]", re.IGNORECASE)
_DIVIDER = re.compile(
    r"-{2,}\s*(?:回复的)?(?:原始?\s?邮件(?:信息)?|原始郵件|original\s(?:message|mail))\s*-{2,}",
    re.IGNORECASE,
)
_WROTE = re.compile(r".{1,300}(?:wrote|写道|寫道)\s*[:：]", re.IGNORECASE)
_BEGUN = re.compile(r"(?:on\b|at\b|在|于).{0,200}\d{4}", re.IGNORECASE)
_DATED = re.compile(r"@|\d{4}")
_SENDER = re.compile(r"\*?(?:发件人|寄件者|寄件人|from)\s*\*?\s*[:：]", re.IGNORECASE)
_HEADING = re.compile(
    r"\*?(?:发送时间|发送日期|日期|时间|收件人|抄送|主题|收件者|主旨|寄件日期|sent|to|cc|date|subject)"
    r"\s*\*?\s*[:：]",
    re.IGNORECASE,
)
_NAMED = re.compile(
    r"[>＞*\s]*(?:发件人|寄件者|寄件人|收件人|收件者|抄送|回复|from|to|cc|reply-to)\s*\*?\s*[:：]"
    r"(?:[^@，。！？]{0,80}@[^\s@;,；，。！？]{1,255}+[;,；，]?)++\s*",
    re.IGNORECASE,
)
"""A line that is people's addresses and nothing else, in a mail that is kept whole."""
_RULE = re.compile(r"[-_=]{5,}")


class _BoundedHeaders(Compat32):
    """The older policy, since the newer one's grammar of headers recurses as deep as it is told.

    Headers are cut: the parsers of their parameters take a time that grows with the square.
    """

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        return name, value[:_MOST_HEADER]


_POLICY: Any = _BoundedHeaders()


@dataclass(frozen=True, slots=True)
class MailReader:
    """Makes the posts of one mailbox."""

    source: str
    id_secret: SecretStr
    automatic: bool
    """Whether mails that no person wrote are told too."""

    def read(self, raw: bytes, arrived: datetime, *, whole: bool) -> PostDraft | str:
        """The draft; or the name under which a mail that no person wrote is counted.

        ``whole``: nothing was cut off ``raw``.

        Raises:
            RejectedError: it says nothing, or can't be a post.
        """
        nested = len(_NESTED.findall(raw))
        # The parser compares each line with every boundary that is open.
        if nested > _MOST_NESTED or (nested + 1) * raw.count(b"\n") > _MOST_STEPS:
            raise RejectedError(
                "too_large",
                say("邮件的部分或行数过多", "a mail of too many parts or lines"),
            )
        try:
            mail: Message = message_from_bytes(raw, policy=_POLICY)
            kind = None if self.automatic else _automatic(mail)
            return kind or self._draft(mail, arrived, whole)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # Of many kinds for hostile headers. Its message may quote them: only its name is told.
            why = type(error).__name__
            raise RejectedError(
                "schema", say(f"邮件无法解析（{why}）", f"a mail that can't be parsed ({why})")
            ) from error

    def _draft(self, mail: Message, arrived: datetime, whole: bool) -> PostDraft:
        title = _header(mail, "subject")
        text = _text(mail, whole, forwarded=bool(_FORWARDED.match(title)))
        if not (title or text):
            raise RejectedError(
                "schema", say("邮件没有主题也没有正文", "a mail without subject and text")
            )
        if len(text) > MAX_TEXT:
            raise _too_long()
        sender = next(iter(_ADDRESS.findall(_header(mail, "from"))[-1:]), "").lower()
        own, parent, root = self._thread(mail)
        date = _header(mail, "date")
        if not own:
            body = hashlib.sha256(text.encode()).hexdigest()
            own = self._id("\x1f".join((sender, date or arrived.isoformat(), title, body)))
        try:
            return PostDraft(
                id=own,
                platform="mail",
                kind="message",
                text=text or title,
                title=title[:_MOST_TITLE] if title and text else None,
                author=Author(id=keyed_hash(self.id_secret, sender) if sender else "unknown"),
                published_at=_time(date) or arrived,
                parent_id=parent if parent != own else None,
                root_id=root if root != own else None,
                source=self.source,
            )
        except ValidationError as error:
            raise RejectedError(*explain(error)) from error

    def _thread(self, mail: Message) -> tuple[str, str | None, str | None]:
        """The ids of the mail itself, of what it answers, and of the thread's first."""
        own = _ID.findall(_header(mail, "message-id"))[:1]
        answered = _ID.findall(_header(mail, "in-reply-to"))[:1]
        before = _ID.findall(_header(mail, "references"))
        parent = answered or before[-1:]
        first, above, root = (
            self._id(one[0]) if one else None for one in (own, parent, before[:1] or parent)
        )
        return first or "", above, root

    def _id(self, unique: str) -> str:
        """A hash: a Message-ID may name its writer, and the other parts do."""
        return f"mail:{keyed_hash(self.id_secret, unique)}"


def _automatic(mail: Message) -> str | None:
    """What kind of machine wrote it, if one says so.

    Not ``Precedence: list`` or ``List-Id``: a shared address is often a mailing list.
    """
    sender = _header(mail, "from").lower()
    empty_path = _header(mail, "return-path").replace(" ", "") == "<>"
    if mail.get_content_type() == "multipart/report" or empty_path or "mailer-daemon@" in sender:
        return "bounce"
    submitted = _header(mail, "auto-submitted").lower()
    if (submitted and not submitted.startswith("no")) or _header(mail, "x-autoreply"):
        return "auto-reply"
    return "bulk" if _header(mail, "precedence").lower() in ("bulk", "junk") else None


def _text(mail: Message, whole: bool, *, forwarded: bool) -> str:
    """What the writer says; where that is nothing, what is attached."""
    texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
    files: list[str] = []
    last = ""
    for part in _leaves(mail):
        last = part.get_content_type()
        if last in texts and part.get_content_disposition() != "attachment":
            payload = part.get_payload(decode=True)
            raw = payload if isinstance(payload, bytes) else b""
            texts[last].append(_decoded(raw, _charset(part)))
        else:
            files.append(_file(last, part.get_filename()))
            last = ""
    plain, html = (_tidy("\n".join(one)) for one in texts.values())
    # Of a mail whose end was not fetched, the last part may be incomplete.
    if not whole and (last == "text/plain" if plain else last or not html):
        raise _too_long()
    if plain:
        said = plain if forwarded else _own_words(plain)
    else:
        said = "" if forwarded else _own_words(html_to_text(html, without=("blockquote",)))
        said = said or html_to_text(html)
    lines = (line for line in said.split("\n") if "@" not in line or not _NAMED.fullmatch(line))
    return "\n".join(lines) or "\n".join(files[:_MOST_FILES])


def _leaves(mail: Message) -> Iterator[Message]:
    """The parts that have none themselves, in order; a mail within the mail is one of them."""
    waiting: list[Any] = [mail]
    while waiting:
        part = waiting.pop()
        if part.get_content_maintype() == "multipart" and part.is_multipart():
            waiting += reversed(part.get_payload())
        else:
            yield part


def _file(kind: str, name: str | None) -> str:
    label = "[图片]" if kind.startswith("image/") else "[附件]"
    return f"{label} {_tidy(_words(name))[:200]}".strip() if name else label


def _own_words(text: str) -> str:
    """Without quoted mails, unless nothing would be left."""
    own: list[str] = []
    lines = text.split("\n")
    for place, line in enumerate(lines):
        bare = line.strip()
        following = [one.strip() for one in lines[place + 1 : place + 6]]
        if bare.startswith((">", "＞")):
            continue
        if _WROTE.fullmatch(bare) and _DATED.search(bare):
            _drop_end(own, broken=not _BEGUN.match(bare))
            if next((one for one in following if one), "").startswith(">"):
                continue  # answers between the quotes: what follows them is the writer's
            break
        heading = _SENDER.match(bare) and any(_HEADING.match(one) for one in following)
        if heading or _DIVIDER.fullmatch(bare):
            _drop_end(own)
            break
        own.append(line)
    return _tidy("\n".join(own)) or text


def _drop_end(own: list[str], *, broken: bool = False) -> None:
    """Take away the rule above a quote, and the first line of a ``broken`` ``On …, X wrote:``."""
    while own and (not own[-1].strip() or _RULE.fullmatch(own[-1].strip())):
        own.pop()
    if broken and own and _BEGUN.match(own[-1].strip()):
        own.pop()


def _header(mail: Message, name: str) -> str:
    value = mail.get(name)
    return "" if value is None else _tidy(_words(value)).replace("\n", " ")


def _words(value: Any) -> str:
    """A header with its encoded words (RFC 2047) decoded; one that is broken as it stands."""
    try:
        pieces = decode_header(value)
    except (HeaderParseError, ValueError):
        return str(value)
    return "".join(
        piece if isinstance(piece, str) else _decoded(piece, label) for piece, label in pieces
    )


def _charset(part: Message) -> str | None:
    label = part.get_content_charset()
    return str(label) if label is not None else None


def _decoded(raw: bytes, label: str | None) -> str:
    """Text in the charset of the label, else in UTF-8, else in GB18030: the first that fits."""
    declared = _codec(label)
    for codec in filter(None, (declared, "utf-8")):
        try:
            return raw.decode(codec)
        except (UnicodeError, LookupError):
            continue
    damaged = raw.decode(declared or "utf-8", errors="replace")
    few = damaged.count("\ufffd") * 50 <= len(damaged)  # a text with a broken character
    return damaged if few else raw.decode("gb18030", errors="replace")


def _codec(label: str | None) -> str | None:
    """A codec of texts; Python also knows codecs that unpack or take minutes."""
    try:
        name = codecs.lookup((label or "")[:40]).name
    except (LookupError, ValueError):
        return None
    return _SUPERSETS.get(name, name) if _TEXT_CODEC.fullmatch(name) else None


def _time(written: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(written[:100])
        return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _tidy(text: str) -> str:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "").replace("\xa0", " ")
    text = text.encode("utf-8", errors="replace").decode()  # no halves of a sign
    lines = "\n".join(line.rstrip() for line in text.split("\n"))
    return _EMPTY_LINES.sub("\n\n", lines).strip()


def _too_long() -> RejectedError:
    return RejectedError(
        "too_large",
        say(
            f"邮件正文超过 {MAX_TEXT} 字，或不在开头 1 MiB 之内",
            f"a text of more than {MAX_TEXT} characters, or not within the first MiB",
        ),
    )
