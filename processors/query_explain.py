"""Why a post matches a query, or does not: each part of the query with its verdict."""

from collections.abc import Iterator, Sequence

from processors.query_facts import fact_of
from processors.query_reference import Found, Verdict
from processors.query_text import LETTERS, OWN_SCOPES, View, text_of
from processors.query_tree import (
    AllOf,
    AnyOf,
    AtLeast,
    Comparison,
    FieldIs,
    Gap,
    InScope,
    Near,
    Node,
    NotNode,
    Regex,
    Scope,
    Term,
)
from schemas.enriched import EnrichedPost
from schemas.language import say

__all__ = ["explained", "kind_of"]

_MOST_PLACES = 5
_AROUND = 6
"""Characters shown on either side of a place."""
_LONGEST = 40
"""Characters shown of a word."""


def explained(query: str, verdict: Verdict, post: EnrichedPost) -> list[str]:
    """Lines for a person: the tree, ✓ or ✗ before each part, and where its words stand."""
    return list(_lines(query, verdict, post, 0, OWN_SCOPES))


def _lines(
    query: str, verdict: Verdict, post: EnrichedPost, depth: int, scopes: Sequence[Scope]
) -> Iterator[str]:
    node = verdict.node
    sign = "✓" if verdict.holds else "✗"
    because = _because(query, verdict, post, scopes)
    arrow = say("  → ", "  -> ") if because else ""
    yield (
        f"{'  ' * depth}{sign} {kind_of(node)}{say('：', ': ')}{_part(query, node)}{arrow}{because}"
    )
    inside = (node.scope,) if isinstance(node, InScope) else scopes
    for below in verdict.below:
        yield from _lines(query, below, post, depth + 1, inside)


def _part(query: str, node: Node) -> str:
    return " ".join(query[node.place.start : node.place.end].split())


def kind_of(node: Node) -> str:
    """What kind of part it is, for a person."""
    match node:
        case Term(exact=True):
            return say("原样的词", "word as written")
        case Term(pieces=pieces) if len(pieces) > 1:
            if all(piece.kind == "blank" for piece in pieces if isinstance(piece, Gap)):
                return say("短语", "phrase")
            return say("带通配的词", "word with gaps")
        case Term():
            return say("词", "word")
        case Regex():
            return say("正则", "regular expression")
        case AllOf():
            return say("都要", "all of")
        case AnyOf():
            return say("任一", "any of")
        case NotNode():
            return say("不能有", "none of")
        case AtLeast(count):
            return say(f"至少 {count} 项", f"at least {count} of")
        case Near():
            return say("相近", "near")
        case InScope(scope):
            return say(f"只看{_SCOPES[scope][0]}", f"only in the {_SCOPES[scope][1]}")
        case FieldIs():
            return say("字段", "field")
        case Comparison():
            return say("数值", "number")


_SCOPES: dict[Scope, tuple[str, str]] = {
    "text": ("正文", "text"),
    "title": ("标题", "title"),
    "root_text": ("原文", "quoted root"),
    "author": ("作者名", "author's name"),
}


def _because(query: str, verdict: Verdict, post: EnrichedPost, scopes: Sequence[Scope]) -> str:
    """Where the words stand, or why the part fails; empty where the parts below say it."""
    match verdict.node:
        case FieldIs() | Comparison() if not verdict.holds:
            return fact_of(verdict.node, post)
        case NotNode() if not verdict.holds:
            there = list(dict.fromkeys(_there(query, verdict.below[0], post)))[:_MOST_PLACES]
            return say("因为出现了：", "since there is: ") + say("、", ", ").join(there)
        case Term() | Regex() | Near() if verdict.found:
            return _places(verdict, post)
        case Term():
            return _in_longer_words(verdict.node, post, scopes) or say("没有找到", "not found")
        case Regex():
            return say("没有找到", "not found")
        case Near():
            return _why_not_near(verdict.node, verdict)
    return ""


def _places(verdict: Verdict, post: EnrichedPost) -> str:
    shown = [_shown(place, post) for place in sorted(verdict.found)[:_MOST_PLACES]]
    more = len(verdict.found) - len(shown)
    rest = say(f"，另有 {more} 处", f", and {more} more") if more > 0 else ""
    return say("；", "; ").join(shown) + rest


def _why_not_near(node: Near, verdict: Verdict) -> str:
    if all(
        any(below.holds and below.node in operand for below in verdict.below)
        for operand in node.operands
    ):
        return say("词都有，但离得太远、顺序不对或不在同一处", "all there, but not so near")
    return say("没有找到", "not found")


def _there(query: str, verdict: Verdict, post: EnrichedPost) -> Iterator[str]:
    """What makes a part hold: the texts found; of conditions without words, the conditions."""
    if not verdict.holds:
        return
    match verdict.node:
        case Term() | Regex() | Near():
            for place in sorted(verdict.found):
                text = text_of(post, place.scope)
                start, end = View(text).span(place.start, place.end)
                yield " ".join(text[start:end].split())
        case FieldIs() | Comparison() | NotNode():
            yield _part(query, verdict.node)
        case _:
            for below in verdict.below:
                yield from _there(query, below, post)


def _in_longer_words(term: Term, post: EnrichedPost, scopes: Sequence[Scope]) -> str:
    """Said of a word that is not found, though its letters are there: ``BYD`` in ``BYD2``."""
    [piece, *others] = term.pieces
    if others or not isinstance(piece, str):
        return ""
    for scope in scopes:
        view = View(text_of(post, scope))
        start = (view.written if term.exact else view.folded).find(piece)
        if start >= 0:
            end = start + len(piece)
            while start > 0 and view.folded[start - 1] in LETTERS:
                start -= 1
            while end < len(view.folded) and view.folded[end] in LETTERS:
                end += 1
            if end - start == len(piece):
                continue  # beyond the places that are looked at
            longer = view.written[start:end][:_LONGEST]
            return say(f"只出现在更长的英文词里：{longer}", f"only in a longer word: {longer}")
    return ""


def _shown(place: Found, post: EnrichedPost) -> str:
    text = text_of(post, place.scope)
    start, end = View(text).span(place.start, place.end)
    before = text[max(0, start - _AROUND) : start]
    behind = text[end : end + _AROUND]
    around = f"{before}[{text[start:end]}]{behind}".replace("\n", " ")
    where = say(*_SCOPES[place.scope])
    return say(
        f"{where}第 {start + 1}–{end} 字 …{around}…", f"{where} {start + 1}–{end} …{around}…"
    )
