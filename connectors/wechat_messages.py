"""What WeChat pushes: XML becomes a typed message, and a message becomes a draft.

The XML is from strangers until its signature was checked, and people's words afterwards: no
document types, no entities, nothing fetched.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring
from pydantic import SecretStr, ValidationError

from connectors.wechat_crypto import keyed_hash
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import Author, Medium, PostDraft
from schemas.record import explain

__all__ = [
    "HostileXml",
    "Pushed",
    "article_id",
    "read_pushed",
    "read_xml",
    "sent_at",
    "to_draft",
    "without_people",
]

_MOST_TITLE = 1_000
_WEB = re.compile(r"https?://[^\s\x00-\x1f]{1,2000}")
_NATIVE = re.compile(r"[0-9A-Za-z_-]{1,64}")
#: Elements whose content is the id of a person.
_PEOPLE = re.compile(
    rb"(<(FromUserName|OpenID|FriendUserName|StaffOpenId|UnionId|ExternalUserID|UserID|NewExternalU"
    rb"serID)\b[^<>]*>\s*(?:<!\[CDATA\[)?\s*)([^<>\[\]]+)",
    re.IGNORECASE,
)
#: Elements that say where a person is, or lead to a picture of theirs.
_PRIVATE = re.compile(
    rb"(<(Location_X|Location_Y|Label|Poiname|Latitude|Longitude|PicUrl)\b[^<>]*>)"
    rb".*?(?=</\2>|$)",
    re.IGNORECASE | re.DOTALL,
)
_PROVINCES = (
    "河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|"
    "陕西|甘肃|青海|台湾"
)
#: The province, and the city that follows at once and has districts or towns: 超市 has none.
_AREA = re.compile(
    r"(?:中国)?((?:北京|天津|上海|重庆)市|(?:香港|澳门)特别行政区|"
    rf"(?:(?:{_PROVINCES})省|(?:内蒙古|西藏|广西壮族|宁夏回族|新疆维吾尔)自治区)"
    r"(?:[\u4e00-\u9fff]{1,3}[^\W超菜]市"
    r"(?=$|\W|[\u4e00-\u9fff]{1,6}?(?:(?<![小社])区|县|市|旗|镇|街道)))?)"
)


class HostileXml(Exception):
    """XML with a document type or entities: no platform sends that."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """One message or event."""

    type: str
    """``MsgType`` in small letters; empty when there is none."""
    event: str
    """``Event`` as it stands; empty for a message."""
    sender: str
    """The raw id of who sent it; never to be handed on."""
    created: str
    message_id: str
    fields: Mapping[str, str] = field(repr=False)

    @property
    def identity(self) -> str:
        """What is the same for WeChat's repetitions and differs for anything else.

        Empty for what has neither a ``MsgId`` nor an event.
        """
        if self.message_id:
            return f"message {self.message_id}"
        if not self.event:
            return ""
        names = ("EventKey", "ChangeType", "UserID", "ExternalUserID", "ChatId")
        parts = (self.sender, self.created, self.event, *(self.fields.get(n, "") for n in names))
        return "event " + "\x1f".join(parts)


def read_xml(body: bytes) -> dict[str, str]:
    """The texts of the root's children, by their names; of several of a name the first.

    Raises:
        HostileXml: it declares a document type or entities.
        RejectedError: it is no XML.
    """
    try:
        root = fromstring(body, forbid_dtd=True)
    except DefusedXmlException as error:
        raise HostileXml(type(error).__name__) from error
    except (ParseError, ValueError, LookupError) as error:
        raise RejectedError("schema", say(f"不是 XML：{error}", f"no XML: {error}")) from error
    fields: dict[str, str] = {}
    for child in root:
        fields.setdefault(child.tag, (child.text or "").strip())
    return fields


def read_pushed(xml: bytes) -> Pushed:
    """A message or event of any type.

    Raises:
        HostileXml: as ``read_xml``.
        RejectedError: it is no XML.
    """
    fields = read_xml(xml)
    return Pushed(
        type=fields.get("MsgType", "").lower(),
        event=fields.get("Event", ""),
        sender=fields.get("FromUserName", ""),
        created=fields.get("CreateTime", ""),
        message_id=fields.get("MsgId", ""),
        fields=fields,
    )


def article_id(message_data_id: str | int, number: str | int) -> str:
    """The id of the post that is an account's article; the first of a message has number 1."""
    return f"wechat:article-{message_data_id}_{number}"


def to_draft(pushed: Pushed, source: str, id_secret: SecretStr, now: datetime) -> PostDraft:
    """What a follower wrote to the account.

    Raises:
        RejectedError: of an unknown type, or without a sender.
    """
    words = _WORDS.get(pushed.type)
    if words is None:
        kind = pushed.event or pushed.type
        raise RejectedError(
            "mapping",
            say(f"不认识的消息类型 {kind[:60]!r}", f"a message of unknown type {kind[:60]!r}"),
        )
    if not pushed.sender:
        raise RejectedError("schema", say("没有 FromUserName", "there is no FromUserName"))
    fields = pushed.fields
    native = pushed.message_id
    if not _NATIVE.fullmatch(native):
        said = "\x1f".join((pushed.sender, pushed.created, pushed.type, native, words(fields)))
        native = keyed_hash(id_secret, said)
    number, index = fields.get("MsgDataId", ""), fields.get("Idx", "")
    article = article_id(number, index) if _digits(number) and _digits(index) else None
    # A picture's address is for whoever has it: only what a link message itself leads to is kept.
    link = fields.get("Url", "") if pushed.type == "link" else ""
    try:
        return PostDraft(
            id=f"wechat:message-{native}",
            platform="wechat",
            kind="message",
            text=words(fields),
            title=fields.get("Title", "")[:_MOST_TITLE] or None,
            author=Author(id=keyed_hash(id_secret, pushed.sender)),
            published_at=sent_at(pushed.created, now),
            parent_id=article,
            root_id=article,
            url=link if _WEB.fullmatch(link) else None,
            media=_MEDIA.get(pushed.type),
            source=source,
        )
    except ValidationError as error:
        raise RejectedError(*explain(error)) from error


def without_people(raw: bytes, id_secret: SecretStr, *ids: str) -> bytes:
    """Raw XML with every person's id replaced by its hash; ``ids`` are replaced everywhere.

    Where a person is, and the addresses of pictures, are left out.
    """

    def hashed(match: re.Match[bytes]) -> bytes:
        native = match[3].strip().decode(errors="replace")
        return match[1] + keyed_hash(id_secret, native).encode()

    raw = _PRIVATE.sub(rb"\1", _PEOPLE.sub(hashed, raw))
    for native in ids:
        if len(native) >= 6:  # a shorter one is no openid, and may stand anywhere by chance
            raw = raw.replace(native.encode(), keyed_hash(id_secret, native).encode())
    return raw


def _link(fields: Mapping[str, str]) -> str:
    parts = [fields.get("Title", ""), fields.get("Description", "")]
    return "\n".join(part for part in parts if part) or "[链接]"


def _place(fields: Mapping[str, str]) -> str:
    # The label may be the address of a home, and coordinates always are.
    area = _AREA.match(fields.get("Label", "").strip())
    return f"[位置] {area[1]}" if area else "[位置]"


_WORDS: dict[str, Callable[[Mapping[str, str]], str]] = {
    "text": lambda fields: fields.get("Content", ""),
    "image": lambda fields: "[图片]",
    "voice": lambda fields: fields.get("Recognition") or "[语音]",
    "video": lambda fields: "[视频]",
    "shortvideo": lambda fields: "[视频]",
    "location": _place,
    "link": _link,
}

_MEDIA: dict[str, tuple[Medium]] = {
    "image": ("image",),
    "voice": ("audio",),
    "video": ("video",),
    "shortvideo": ("video",),
}


def _digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 24


def sent_at(created: str, now: datetime) -> datetime:
    """A ``CreateTime``; a broken one is now: it must not cost a customer's words."""
    try:
        return datetime.fromtimestamp(int(created), UTC)
    except (ValueError, OverflowError, OSError):
        return now
