"""A post's text cut into what the writer wrote and what is only quoted, addressed or decoration.

``prepare(text).own`` is as long as the text and folded (``fold.py``: 简繁, full width, case), with
a blank in place of every character that is not the writer's own: what is looked up in it stands
at the same place in the text as received.

Not the writer's own words:

* the tail of quoted reposts, from the first ``//@name:`` (also ``RT @name``) to the end;
* forum quotes: ``[quote]…[/quote]``, and lines that begin with ``>``;
* speech of others: 8 to 500 characters in quotation marks behind 说, 称, 表示, 回应 or a colon (a
  shorter one is emphasis or irony, and both are the writer's);
* links and @names.

Hashtags, ``[emoticon]`` codes and emoji are the writer's.
"""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from processors.fold import fold

__all__ = ["PREPARE_VERSION", "Piece", "Prepared", "pieces", "prepare"]

#: Raise when the same text may be cut otherwise.
PREPARE_VERSION = 1

PieceKind = Literal["tail", "quote", "link", "mention", "hashtag", "emoticon", "emoji"]


class Piece(NamedTuple):
    """A part of the text: [start, end) in code points as received."""

    kind: PieceKind
    start: int
    end: int


class Prepared(NamedTuple):
    """A text as processors read it; both are as long as the text."""

    folded: str
    own: str
    """Folded, with blanks where the words are not the writer's own."""


# On folded text: ：is : there. An address ends at the first character outside ASCII, because
# Weibo writes Chinese right behind it. Where each alternative of a pattern begins with a letter,
# the search jumps from one to the next: three times as fast.
_TAIL = re.compile(r"//\s?@[^:\s]{1,40}:|r(?<=\br)t\s?@[\w·-]{1,30}")
_QUOTES = (
    r"\[quote[^\]\n]{0,80}\].*?(?:\[/quote\]|\Z)",
    r"^[ \t]*>[^\n]*$",
    r"(?<=[说称道问示应复:])[ :,]{0,2}"
    # Bounded: quotes that are opened again and again and never closed would cost their square.
    r"(?:“[^“”\n]{8,500}”|\"[^\"\n]{8,500}\"|「[^「」\n]{8,500}」|『[^『』\n]{8,500}』)",
)
_LINKS = (r"https?://[!-~]+", r"www\.[!-~]+")
_MENTIONS = (r"@[\w·-]{1,30}:?", r"回复@[\w·-]{1,30}:?")
_UNQUOTED_AT = re.compile("|".join([*_LINKS, *_MENTIONS]))
_NOT_OWN_AT = re.compile("|".join([*_QUOTES, *_LINKS, *_MENTIONS]), re.DOTALL | re.M)
#: By the first character; whatever else begins a quote.
_KINDS: dict[str, PieceKind] = {
    **dict.fromkeys("hw", "link"),
    **dict.fromkeys("@回", "mention"),
    **dict.fromkeys("/r", "tail"),
}
_OWN: tuple[tuple[PieceKind, str], ...] = (
    ("hashtag", r"\#[^#\n]{1,60}\#|\#[\w·-]{1,60}"),
    ("emoticon", r"\[[^\[\]\s]{1,8}\]"),
    ("emoji", "[\u2600-\u27bf\U0001f300-\U0001faff][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*"),
)
_OWN_AT = re.compile("|".join(f"({pattern})" for _, pattern in _OWN))
#: Without one of these nothing is quoted.
_QUOTE_SIGNS = ("[quote", ">", "“", '"', "「", "『")
_REMEMBERED = 1024
_REMEMBERED_LENGTH = 2_000


def prepare(text: str) -> Prepared:
    """The text folded, as a whole and with the writer's own words alone."""
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _prepare(text)


def _prepare(text: str) -> Prepared:
    folded = fold(text)
    places = _not_own(folded)
    if not places:
        return Prepared(folded, folded)
    kept, place = [], 0
    for start, end in places:
        kept += [folded[place:start], " " * (end - start)]
        place = end
    return Prepared(folded, "".join([*kept, folded[place:]]))


_remembered = lru_cache(_REMEMBERED)(_prepare)


def pieces(text: str) -> list[Piece]:
    """Every part of the text that is more or less than plain words, by place; none overlap."""
    folded = fold(text)
    not_own = [
        Piece(_KINDS.get(folded[start], "quote"), start, end) for start, end in _not_own(folded)
    ]
    own = [
        Piece(_OWN[found.lastindex - 1][0], *found.span())
        for found in _OWN_AT.finditer(_prepare(text).own)
        if found.lastindex
    ]
    return sorted([*not_own, *own], key=lambda piece: piece.start)


def _not_own(folded: str) -> list[tuple[int, int]]:
    """Where words are not the writer's own."""
    named = "@" in folded
    tail = _TAIL.search(folded) if named and ("//" in folded or "rt" in folded) else None
    end = tail.start() if tail else len(folded)
    if any([sign in folded for sign in _QUOTE_SIGNS]):
        pattern = _NOT_OWN_AT
    elif named or "://" in folded or "www." in folded:
        pattern = _UNQUOTED_AT
    else:
        return []
    places = [found.span() for found in pattern.finditer(folded, 0, end)]
    if tail:
        places.append((end, len(folded)))
    return places
