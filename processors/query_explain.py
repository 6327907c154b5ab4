"""Why a post matches a query, or does not: each part of the query with its verdict."""

from collections.abc import Iterator

from processors.query_reference import Found, Verdict
from processors.query_text import View, text_of
from processors.query_tree import (
    AllOf,
    AnyOf,
    AtLeast,
    Comparison,
    FieldIs,
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


def explained(query: str, verdict: Verdict, post: EnrichedPost) -> list[str]:
    """Lines for a person: the tree, ✓ or ✗ before each part, and where its words stand."""
    return list(_lines(query, verdict, post, 0))


def _lines(query: str, verdict: Verdict, post: EnrichedPost, depth: int) -> Iterator[str]:
    node = verdict.node
    part = " ".join(query[node.place.start : node.place.end].split())
    sign = "✓" if verdict.holds else "✗"
    yield f"{'  ' * depth}{sign} {kind_of(node)}{say('：', ': ')}{part}{_because(verdict, post)}"
    for below in verdict.below:
        yield from _lines(query, below, post, depth + 1)


def kind_of(node: Node) -> str:
    """What kind of part it is, for a person."""
    match node:
        case Term(exact=True):
            return say("原样的词", "word as written")
        case Term(pieces=pieces) if len(pieces) > 1:
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


def _because(verdict: Verdict, post: EnrichedPost) -> str:
    match verdict.node:
        case Term() | Regex() | Near():
            pass
        case _:
            return ""
    if verdict.found:
        shown = [_shown(place, post) for place in sorted(verdict.found)[:_MOST_PLACES]]
        more = len(verdict.found) - len(shown)
        rest = say(f"，另有 {more} 处", f", and {more} more") if more > 0 else ""
        return say("  → ", "  -> ") + say("；", "; ").join(shown) + rest
    if isinstance(verdict.node, Near) and all(
        any(below.holds and below.node in operand for below in verdict.below)
        for operand in verdict.node.operands
    ):
        return say(
            "  → 词都有，但离得太远、顺序不对或不在同一处", "  -> all there, but not so near"
        )
    return say("  → 没有找到", "  -> not found")


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
