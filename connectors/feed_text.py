"""The encoding that a feed, or any answer, is really in, whatever it or its server says.

Chinese sites label GBK as UTF-8 and UTF-8 as ISO-8859-1, and cut texts in the middle of a
character. A label is believed only as long as the bytes fit it.
"""

import codecs
import re

__all__ = ["as_utf8", "repaired"]

_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._:-]{1,40})[\"']")
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
#: How texts begin that are wider than a byte a sign, or EBCDIC: by a mark, or by their "<".
_WIDE = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
    b"<\x00\x00\x00": "utf-32-le",
    b"\x00\x00\x00<": "utf-32-be",
    b"<\x00": "utf-16-le",
    b"\x00<": "utf-16-be",
    b"\x4c\x6f\xa7\x94": "cp037",
}
#: What sites really use. Python knows more: one that decodes in quadratic time, and some in which
#: plain letters spell a document type that nobody sees before.
_USED = re.compile(r"(?:gb|big5|euc|johab|shift|cp125|cp932|cp949|iso8859|koi8|mac|tis).*")
_UTF8_MARK = b"\xef\xbb\xbf"
#: No XML may hold them, yet people paste them into posts.
_CONTROLS = bytes(byte for byte in range(32) if byte not in (9, 10, 13))
_MOST_DAMAGE = 0.01


def repaired(body: bytes, content_type: str) -> tuple[bytes, str]:
    """The body in UTF-8, and a content type that says so.

    Always in UTF-8: what a reader decodes by itself has not been looked through before.
    """
    for begin, encoding in _WIDE.items():
        if body.startswith(begin):
            body = body.decode(encoding, errors="replace").encode(errors="replace")
            break
    body = body.removeprefix(_UTF8_MARK).translate(None, _CONTROLS)
    # Nothing else looks like valid UTF-8 by chance, so no label can be right against it.
    if not _decodes(body, "utf-8"):
        fits = (label for label in _labels(body, content_type) if _decodes(body, label))
        label = next(fits, None)
        body = as_utf8(body) if label is None else body.decode(_wider(label)).encode()
    return body, "application/xml; charset=utf-8"


def _labels(body: bytes, content_type: str) -> list[str]:
    declared = _DECLARED.match(body)
    charset = _CHARSET.search(content_type)
    labels = [charset.group(1)] if charset else []
    return [*labels, *([declared.group(1).decode()] if declared else [])]


def _decodes(body: bytes, label: str) -> bool:
    try:
        if label != "utf-8" and not _USED.fullmatch(codecs.lookup(label).name):
            return False
        body.decode(_wider(label))
    except (UnicodeDecodeError, LookupError):
        return False
    return True


def _wider(label: str) -> str:
    """The encoding that holds all signs which are written under a label."""
    return "gb18030" if label.lower() in ("gb2312", "gbk") else label


def as_utf8(body: bytes) -> bytes:
    """What is UTF-8 with a few broken characters, else Chinese, else Western, as UTF-8."""
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
