"""The words of a piece of HTML, as a reader sees them."""

import re
from collections.abc import Sequence
from html import unescape
from itertools import islice

from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["MAX_GAPS", "MAX_TAGS", "html_to_text"]

MAX_TAGS = 10_000
"""No honest post has more; a parser takes seconds for 50,000 elements one inside the other."""
MAX_GAPS = 10_000
"""Spaces, quotes and slashes, one of which stands before every attribute: the parser compares each
attribute of a tag with all others, which takes half a minute for 100,000."""

_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_BREAKS = re.compile(r" ?\n ?")
_GAP = re.compile(r"[\s\"'/]")
_TAG = re.compile(r"<[/!?]?([a-zA-Z-][a-zA-Z0-9]*)[^<>]*>?")
_HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|template|noscript|iframe|object)\b.*?(?:</\1\s*+>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
_HALF_SIGN = re.compile("[\ud800-\udfff]")
_EMPTY_LINES = re.compile(r"\n{3,}")
_UNSEEN = ("script", "style", "template", "noscript", "head", "iframe", "object")
_BLOCKS = frozenset(
    "address article aside blockquote dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tr ul".split()
)
_CELLS = ("td", "th")


def html_to_text(html: str, *, without: Sequence[str] = ()) -> str:
    """Text with line breaks where blocks end; a picture is its alternative text, as emoji are.

    ``without``: elements to leave out with all that is in them, such as ``blockquote``. Never
    fails: what is no HTML is text, and beyond ``MAX_TAGS`` or ``MAX_GAPS`` tags are cut out
    unparsed.
    """
    html = _HALF_SIGN.sub("\ufffd", html)
    if "<" not in html:
        return _tidy(_unescaped(html))
    if html.count("<") > MAX_TAGS or _more_gaps(html):
        return _tidy(_unescaped(_TAG.sub(_cut, _HIDDEN.sub("", html.replace("\n", " ")))))
    tree = LexborHTMLParser(html)
    tree.strip_tags([*_UNSEEN, *without])
    pieces: list[str] = []
    if tree.body is not None:
        _collect(tree.body, pieces)
    return _tidy("".join(pieces))


def _collect(top: LexborNode, pieces: list[str]) -> None:
    # A loop and not a recursion: strangers nest elements as deep as they like.
    node, depth = top.child, 0
    while node is not None:
        tag = node.tag
        if tag == "-text":
            pieces.append((node.text_content or "").replace("\n", " "))
        elif tag == "br" or tag in _BLOCKS:
            pieces.append("\n")
        elif tag in _CELLS:
            pieces.append(" ")
        elif tag == "img":
            pieces.append(node.attributes.get("alt") or "")
        if node.child is not None:
            node, depth = node.child, depth + 1
            continue
        while node.next is None and depth:
            parent = node.parent
            assert parent is not None  # depth says so
            node, depth = parent, depth - 1
            if node.tag in _BLOCKS:
                pieces.append("\n")
        node = node.next


def _more_gaps(html: str) -> bool:
    return next(islice(_GAP.finditer(html), MAX_GAPS, None), None) is not None


def _cut(tag: re.Match[str]) -> str:
    name = tag[1].lower()
    return "\n" if name == "br" or name in _BLOCKS else " " if name in _CELLS else ""


def _unescaped(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number of thousands of digits, which is no sign
        return text


def _tidy(text: str) -> str:
    text = _BREAKS.sub("\n", _SPACES.sub(" ", text.replace("\x00", "")))
    return _EMPTY_LINES.sub("\n\n", text).strip()
