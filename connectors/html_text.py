"""The words of a piece of HTML, as a reader sees them."""

import re
from html import unescape

from selectolax.lexbor import LexborHTMLParser, LexborNode

__all__ = ["MAX_TAGS", "html_to_text"]

MAX_TAGS = 10_000
"""No honest post has more; a parser takes seconds for 50,000 elements one inside the other."""

_SPACES = re.compile(r"[ \t\r\f\v\xa0]+")
_BREAKS = re.compile(r" ?\n ?")
_TAG = re.compile(r"<[^<>]*>?")
_EMPTY_LINES = re.compile(r"\n{3,}")
_UNSEEN = ("script", "style", "template", "noscript", "head", "iframe", "object")
_BLOCKS = frozenset(
    "address article aside blockquote dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 "
    "header hr li main nav ol p pre section table tr ul".split()
)


def html_to_text(html: str) -> str:
    """Text with line breaks where blocks end; a picture is its alternative text, as emoji are.

    Never fails: what is no HTML is text, and beyond ``MAX_TAGS`` tags are cut out unread.
    """
    if "<" not in html and "&" not in html:
        return _tidy(html)
    if html.count("<") > MAX_TAGS:
        return _tidy(unescape(_TAG.sub(" ", html)))
    tree = LexborHTMLParser(html)
    tree.strip_tags(list(_UNSEEN))
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


def _tidy(text: str) -> str:
    text = _BREAKS.sub("\n", _SPACES.sub(" ", text.replace("\x00", "")))
    return _EMPTY_LINES.sub("\n\n", text).strip()
