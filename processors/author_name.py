"""The kind of an author, as the name and the account's standing tell it.

One name at a time. The head of a Chinese name stands last, so the end decides: 晚报读者 is a
reader. Rules, in order: a default name; words of staff beside a brand; words of people who speak of
an organisation (家属, 投诉, anything with 的); the longest known end; beginnings; words that tell
wherever they stand; what a trade is about. Names with none of these words, most of them, are left
by one pass of an automaton.
"""

import re
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation

from processors.author_words import (
    ANYWHERE,
    DECORATIONS,
    DEFAULT_NAMES,
    HEADS,
    NOT_AN_ACCOUNT,
    OPENINGS,
    SOLD,
    TOPICS,
    TRADE,
    WEAK_HEADS,
)
from processors.fold import INVISIBLE
from schemas.enriched import AuthorKind

__all__ = ["Named", "Standing", "kind_of_name", "plain_name", "standing_of"]

Standing = Literal["verified", "followed", "small", "unknown"]

#: From here on an account is not just somebody's; about what a local medium or a blog has.
FOLLOWED = 5_000
_LONGEST_HEAD = max(map(len, (*HEADS, *WEAK_HEADS)))
#: 12345 and the like are the numbers of lines, 用户774839 is no line.
_MOST_DIGITS_OF_A_LINE = 6
_DEFAULT_SIGNS = "".join(DEFAULT_NAMES)
#: 江城4S店销售小陈: what else may stand beside a word that tells wherever it stands.
_MOST_BESIDE = 10
#: 平安北川: police accounts are called after a place.
_PLACE = range(2, 6)

_SPOKEN = frozenset(NOT_AN_ACCOUNT) | {"的"}
_WORDS = tuple(
    sorted({*HEADS, *WEAK_HEADS, *ANYWHERE, *OPENINGS, *DECORATIONS, *_SPOKEN, *TOPICS, *TRADE})
)
_ANY_WORD = AhoCorasick(_WORDS, implementation=Implementation.DFA)

_SIGNS = re.compile(r"[\s_\-·.|丨,，。!！~()（）\[\]【】\"'“”]+")
_SELLER = re.compile(r"销售(?:小|老|阿)?[\u4e00-\u9fff]{1,3}$")
_PERSON = re.compile(
    r"(?:(?:小|老|阿)[\u4e00-\u9fff]|警官|局长|法官|老师|医生|律师|先生|女士|姐|哥)$"
)


class Named(NamedTuple):
    """What a name tells; ``None``: nothing against a person, nothing for another kind."""

    kind: AuthorKind | None
    reason: str = "usual"
    default: bool = False
    """The name is the platform's, or ends in many digits."""


_NOTHING = Named(None)


def standing_of(verified: bool | None, followers: int | None) -> Standing:
    """What the platform tells of the account, as far as a name's meaning depends on it."""
    if verified:
        return "verified"
    if followers is not None and followers >= FOLLOWED:
        return "followed"
    return "unknown" if verified is None and followers is None else "small"


def plain_name(folded: str) -> str:
    """The folded name without blanks and signs."""
    return folded if folded.isalnum() else _SIGNS.sub("", folded.replace(INVISIBLE, ""))


def kind_of_name(plain: str, standing: Standing, names_brand: Callable[[str], bool]) -> Named:
    """The kind; ``plain`` as ``plain_name`` makes it.

    ``names_brand``: whether a text holds the name of a brand that is listened for.
    """
    if _is_default(plain):
        return Named(None, default=True)
    places = _ANY_WORD.find_matches_as_indexes(plain, overlapping=True)
    if not places:
        return _NOTHING
    words = [_WORDS[number] for number, _, _ in places]
    if (told := _staff(plain, words, names_brand)) is not None:
        return told
    core, official = _without_decorations(plain)
    head = _head(core, HEADS)
    spoken = next((word for word in words if word in _SPOKEN), None)
    # An account that the platform checked and that is called like one: 消费维权中心, 车主指南.
    checked = standing == "verified" and spoken != "的" and not _is_person(core)
    if spoken is not None and not checked and (head is None or len(head) < len(spoken) + 2):
        return Named("person", f"name: {spoken}")
    if head is not None and (told := _of_head(head, standing)) is not None:
        return told
    if official == "客户端" and standing == "verified":
        return Named("media", f"name: {official}")
    if official and standing != "small":
        return Named("brand", f"name: {official}")
    told = (
        _beginning(core, standing)
        or _inside(core, words, standing)
        or _trade(core, words, standing)
    )
    return Named("person", f"name: {spoken}") if told is _NOTHING and spoken else told


def _is_default(plain: str) -> bool:
    if plain[-5:].isdigit() and len(plain) > _MOST_DIGITS_OF_A_LINE:
        return plain[-_MOST_DIGITS_OF_A_LINE:].isdigit() or plain[-5:] not in HEADS
    return plain.startswith(DEFAULT_NAMES) and plain.lstrip(_DEFAULT_SIGNS).isascii()


def _staff(plain: str, words: Sequence[str], names_brand: Callable[[str], bool]) -> Named | None:
    staff = [word for word in words if ANYWHERE.get(word) == "staff"]
    if staff and ("内部员工" in staff or names_brand(plain)):
        return Named("staff", f"name: {max(staff, key=len)}")
    return None


def _without_decorations(plain: str) -> tuple[str, str]:
    """The name without what is hung behind it, and the decoration that says 'official'."""
    official = ""
    while plain.endswith(DECORATIONS) and plain not in HEADS:
        word = next(one for one in DECORATIONS if plain.endswith(one))
        if plain == word or (word == "v" and plain[-2:-1].isascii()) or plain.endswith("tv"):
            break
        if word.startswith("官") or word == "客户端":
            official = word
        plain = plain[: -len(word)]
    return plain, official


def _head(core: str, heads: dict[str, AuthorKind]) -> str | None:
    """The longest of the heads that the name ends in."""
    for size in range(min(len(core), _LONGEST_HEAD), 0, -1):
        if core[-size:] in heads:
            return core[-size:]
    return None


def _of_head(head: str, standing: Standing) -> Named | None:
    kind = HEADS[head]
    if kind == "staff" or (head == "记者" and standing != "verified"):
        return None
    if kind in ("media", "official", "brand") and standing == "small":
        return Named("person", "usual")
    return Named(kind, f"name: {head}")


def _is_person(core: str) -> bool:
    """Whether it ends as people are called: 消防小王, 李警官."""
    return _PERSON.search(core) is not None


def _beginning(core: str, standing: Standing) -> Named | None:
    for word, kind in OPENINGS.items():
        if core.startswith(word) and standing in ("verified", "unknown"):
            rest = core[len(word) :]
            if word != "平安" or (len(rest) in _PLACE and not any(one in rest for one in SOLD)):
                return Named(kind, f"name: {word}")
    return None


def _inside(core: str, words: Sequence[str], standing: Standing) -> Named | None:
    if len(core) > _LONGEST_HEAD + _MOST_BESIDE:
        return None
    if seller := _SELLER.search(core):
        return Named("dealer", f"name: {seller[0][:2]}")
    found = [
        (core.rfind(word) + len(word), len(word), word)
        for word in words
        if word in core
        and (kind := ANYWHERE.get(word, "staff")) != "staff"
        and (kind in ("dealer", "bot") or (standing == "verified" and not _is_person(core)))
    ]
    if not found:
        return None
    *_, word = max(found)
    return Named(ANYWHERE[word], f"name: {word}")


def _trade(core: str, words: Sequence[str], standing: Standing) -> Named:
    """An account of a trade, or a medium with a vague name: only one of standing."""
    if standing == "small":
        return _NOTHING
    topic = next((word for word in words if word in TOPICS), None)
    trade = next((word for word in words if word in TRADE), None)
    head = _head(core, WEAK_HEADS)
    if trade is not None or (topic is not None and head is not None):
        return Named("industry", f"name: {trade or topic}")
    if standing == "unknown":
        return _NOTHING
    if head is not None and not _is_person(core):
        return Named(WEAK_HEADS[head], f"{standing}+name: {head}")
    if topic is not None:
        return Named("industry", f"{standing}+name: {topic}")
    return _NOTHING
