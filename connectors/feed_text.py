"""The encoding that a feed is really in, whatever it or its server says.

Chinese sites label GBK as UTF-8 and UTF-8 as ISO-8859-1, and cut texts in the middle of a
character. A label is believed only as long as the bytes fit it.
"""

import re

__all__ = ["repaired"]

_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"\x4c\x6f\xa7\x94")
_UTF8_MARK = b"\xef\xbb\xbf"
#: No XML may hold them, yet people paste them into posts.
_CONTROLS = bytes(byte for byte in range(32) if byte not in (9, 10, 13))
_MOST_DAMAGE = 0.01


def repaired(body: bytes, content_type: str) -> tuple[bytes, str]:
    """The body and a content type under which a reader decodes it rightly.

    Both come back as they are when their own labels fit.
    """
    if body.startswith(_MARKS) or b"\x00" in body[:4]:
        return body, content_type  # UTF-16 and the like announce themselves
    body = body.removeprefix(_UTF8_MARK).translate(None, _CONTROLS)
    if body.isascii():
        return body, content_type
    if _decodes(body, "utf-8"):
        # Nothing else looks like valid UTF-8 by chance, so no label can be right against it.
        return body, _as_utf8()
    labels = _labels(body, content_type)
    if any(_decodes(body, label) for label in labels if not _is_utf8(label)):
        return body, content_type
    return _guess(body), _as_utf8()


def _labels(body: bytes, content_type: str) -> list[str]:
    declared = _DECLARED.match(body)
    charset = _CHARSET.search(content_type)
    labels = [charset.group(1)] if charset else []
    return [*labels, *([declared.group(1).decode()] if declared else [])]


def _is_utf8(label: str) -> bool:
    return label.lower().replace("_", "-") in ("utf-8", "utf8")


def _decodes(body: bytes, encoding: str) -> bool:
    try:
        body.decode("gb18030" if encoding.lower() in ("gb2312", "gbk") else encoding)
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _guess(body: bytes) -> bytes:
    """UTF-8 with a few broken characters, else Chinese, else Western, as UTF-8."""
    damaged = body.decode(errors="replace")
    letters = sum(not letter.isascii() for letter in damaged)
    if damaged.count("\ufffd") <= max(2, letters * _MOST_DAMAGE):
        return damaged.encode()
    chinese = body.decode("gb18030", errors="replace")
    if _looks_chinese(chinese):
        return chinese.encode()
    return body.decode("windows-1252", errors="replace").encode()


def _looks_chinese(text: str) -> bool:
    foreign = [letter for letter in text if not letter.isascii()]
    common = len("".join(foreign).encode("gb2312", errors="ignore")) // 2
    return common > len(foreign) * 0.8


def _as_utf8() -> str:
    return "application/xml; charset=utf-8"
