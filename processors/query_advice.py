"""What the grammar accepts and is wrong all the same: never fires, always does, costs much."""

from collections.abc import Iterator
from datetime import UTC, datetime

from processors.query_reference import judge
from processors.query_set import needed_words
from processors.query_slips import slips
from processors.query_tree import (
    AllOf,
    AnyOf,
    Comparison,
    FieldIs,
    Node,
    NotNode,
    Regex,
    children_of,
    terms_of,
)
from schemas.enriched import EnrichedPost
from schemas.language import say
from schemas.post import Author

__all__ = ["advice"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = EnrichedPost(
    id="nothing:0",
    platform="nothing",
    kind="post",
    text="",
    author=Author(id="0"),
    published_at=_EPOCH,
    observed_at=_EPOCH,
    source="nothing",
)
#: A platform has one of each.
_SINGLE = {"platform", "kind", "source", "author.id", "verified", "author.kind", "sentiment"}


def advice(query: str, node: Node) -> list[str]:
    """Warnings about a query, each one sentence that names what to do; none for a good one."""
    return [*_never(node), *_always(node), *_costly(node), *slips(query, node)]


# --- never ----------------------------------------------------------------------------------------


def _never(node: Node) -> Iterator[str]:
    for part in _parts(node):
        if isinstance(part, AllOf) and (why := _contradiction(part)):
            yield say(
                f"第 {part.place.start + 1} 个字：这一组永远不会命中，因为{why[0]}。",
                f"At character {part.place.start + 1}: this group never matches, since {why[1]}.",
            )


def _contradiction(group: AllOf) -> tuple[str, str] | None:
    wanted = {part for part in group.children if not isinstance(part, NotNode)}
    for part in group.children:
        if isinstance(part, NotNode) and part.child in wanted:
            return "同一个条件既要有又不能有", "the same is asked for and excluded"
        if isinstance(part, NotNode) and isinstance(part.child, AnyOf):
            if wanted & set(part.child.children):
                return "同一个条件既要有又不能有", "the same is asked for and excluded"
    values: dict[str, str] = {}
    for part in wanted:
        if isinstance(part, FieldIs) and part.name in _SINGLE:
            if values.setdefault(part.name, part.value) != part.value:
                return (
                    f"{part.name} 不能同时是两个值，想写“或者”请用 OR",
                    f"{part.name} can't have two values at once; write OR for a choice",
                )
    compared = [part for part in wanted if isinstance(part, Comparison)]
    for one in compared:
        for other in compared:
            if one.name == other.name and _least(one) > _most(other):
                return f"{one.name} 的条件互相矛盾", f"the bounds of {one.name} exclude each other"
    return None


def _least(part: Comparison) -> float:
    if part.sign in {">=", "="}:
        return part.number
    return part.number + 1e-9 if part.sign == ">" else float("-inf")


def _most(part: Comparison) -> float:
    if part.sign in {"<=", "="}:
        return part.number
    return part.number - 1e-9 if part.sign == "<" else float("inf")


# --- always ---------------------------------------------------------------------------------------


def _always(node: Node) -> Iterator[str]:
    if judge(node, _NOTHING).holds:
        yield say(
            "几乎每条帖子都会命中（空帖子也会），因为没有一个必须出现的条件；请加上要找的词。",
            "Nearly every post matches, even an empty one: nothing has to be there. Add the words "
            "to look for.",
        )
        return
    for part in _parts(node):
        if isinstance(part, AnyOf):
            for child in part.children:
                if judge(child, _NOTHING).holds:
                    yield say(
                        f"第 {child.place.start + 1} 个字：OR 的这一支几乎总成立，"
                        "整组等于没有限制；想排除请写 AND NOT。",
                        f"At character {child.place.start + 1}: this branch of OR nearly always "
                        "holds, so the group limits nothing; to exclude, write AND NOT.",
                    )


# --- costs ----------------------------------------------------------------------------------------


def _costly(node: Node) -> Iterator[str]:
    needed = needed_words(node)
    regexes = [part for part in terms_of(node) if isinstance(part, Regex)]
    if needed is None and regexes and not judge(node, _NOTHING).holds:
        yield say(
            f"正则 {regexes[0].written} 要在每条帖子上跑；请用 AND 加一个必须出现的词。",
            f"The regular expression {regexes[0].written} runs on every post; add a word that has "
            "to be there, with AND.",
        )
    for term in needed or ():
        if len(term.pieces) == 1 and len(str(term.pieces[0])) == 1:
            yield say(
                f"只靠单个字“{term.written}”触发，很多帖子都有它；请换成更长的词或加别的词。",
                f"It is triggered by the single character {term.written!r}, which many posts "
                "have; use a longer word, or add another.",
            )


def _parts(node: Node) -> Iterator[Node]:
    yield node
    for child in children_of(node):
        yield from _parts(child)
