"""A post's text cut into what the writer wrote and what is only quoted, addressed or decoration.

``prepare(text).own`` is as long as the text and folded (``fold.py``: 简繁, full width, case), with
a blank in place of every character that is not the writer's own: what is looked up in it stands
at the same place in the text as received.

Not the writer's own words:

* the tail of quoted reposts, from the first ``//@name:`` (also ``RT @name``) to the end;
* forum quotes: ``[quote]…[/quote]``, and lines that begin with ``>``;
* speech of others: at least eight characters in quotation marks behind 说, 称, 表示, 回应 or a
  colon (a shorter one is emphasis or irony, and both are the writer's);
* links and @names.

Hashtags, ``[emoticon]`` codes and emoji are the writer's.
"""

import re
from collections.abc import Iterator
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
# Weibo writes Chinese right behind it.
_TAIL = re.compile(r"//\s?@[^:\s]{1,40}:|\brt\s?@[\w·-]{1,30}")
_NOT_OWN: tuple[tuple[PieceKind, str], ...] = (
    ("quote", r"\[quote[^\]\n]{0,80}\].*?(?:\[/quote\]|\Z)"),
    ("quote", r"^[ \t]*>[^\n]*$"),
    (
        "quote",
        r"(?<=[说称道问示应复:])[ :,]{0,2}"
        r"(?:“[^”\n]{8,}”|\"[^\"\n]{8,}\"|「[^」\n]{8,}」|『[^』\n]{8,}』)",
    ),
    ("link", r"(?:https?://|www\.)[!-~]+"),
    ("mention", r"(?:回复)?@[\w·-]{1,30}:?"),
)
_NOT_OWN_AT = re.compile("|".join(f"({pattern})" for _, pattern in _NOT_OWN), re.DOTALL | re.M)
_OWN: tuple[tuple[PieceKind, str], ...] = (
    ("hashtag", r"\#[^#\n]{1,60}\#|\#[\w·-]{1,60}"),
    ("emoticon", r"\[[^\[\]\s]{1,8}\]"),
    ("emoji", "[\u2600-\u27bf\U0001f300-\U0001faff][\ufe0f\u200d\U0001f3fb-\U0001f3ff]*"),
)
_OWN_AT = re.compile("|".join(f"({pattern})" for _, pattern in _OWN))
#: Without one of these a text is the writer's from end to end.
_SIGNS = frozenset('@>[“"「『')
#: Without one of these nothing is quoted, and the short pattern finds all that is not own:
#: it has no groups, so the search skips to the four characters that it can begin with.
_QUOTES = ("[quote", ">", "“", '"', "「", "『")
_SHORT = re.compile(r"回复@[\w·-]{1,30}:?|@[\w·-]{1,30}:?|https?://[!-~]+|www\.[!-~]+")
_REMEMBERED = 1024
_REMEMBERED_LENGTH = 2_000


def prepare(text: str) -> Prepared:
    """The text folded, as a whole and with the writer's own words alone."""
    return _remembered(text) if len(text) <= _REMEMBERED_LENGTH else _prepare(text)


def _prepare(text: str) -> Prepared:
    folded = fold(text)
    if _SIGNS.isdisjoint(folded) and "://" not in folded and "www." not in folded:
        return Prepared(folded, folded)
    kept, place = [], 0
    for _, start, end in _not_own(folded):
        kept += [folded[place:start], " " * (end - start)]
        place = end
    return Prepared(folded, "".join([*kept, folded[place:]]))


_remembered = lru_cache(_REMEMBERED)(_prepare)


def pieces(text: str) -> list[Piece]:
    """Every part of the text that is more or less than plain words, by place; none overlap."""
    folded = fold(text)
    not_own = list(_not_own(folded))
    own = [
        Piece(_OWN[found.lastindex - 1][0], *found.span())
        for found in _OWN_AT.finditer(_prepare(text).own)
        if found.lastindex
    ]
    return sorted([*not_own, *own], key=lambda piece: piece.start)


def _not_own(folded: str) -> Iterator[Piece]:
    may_end = "rt" in folded or "//" in folded.replace("://", "")
    tail = _TAIL.search(folded) if may_end else None
    end = tail.start() if tail else len(folded)
    if any(sign in folded for sign in _QUOTES):
        for found in _NOT_OWN_AT.finditer(folded, 0, end):
            if found.lastindex:
                yield Piece(_NOT_OWN[found.lastindex - 1][0], *found.span())
    else:
        for found in _SHORT.finditer(folded, 0, end):
            kind: PieceKind = "link" if found[0][0] in "hw" else "mention"
            yield Piece(kind, *found.span())
    if tail:
        yield Piece("tail", end, len(folded))
