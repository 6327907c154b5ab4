"""What the grammar accepts and is wrong all the same: never fires, always does, costs much."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from processors.query_reference import judge
from processors.query_set import needed_words
from processors.query_tree import (
    AllOf,
    AnyOf,
    Comparison,
    FieldIs,
    Gap,
    Node,
    NotNode,
    Regex,
    Term,
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
_SINGLE = {"platform", "kind", "source", "author.id", "verified", "sentiment"}


def advice(query: str, node: Node) -> list[str]:
    """Warnings about a query, each one sentence that names what to do; none for a good one."""
    return [*_never(node), *_always(node), *_costly(node), *_slips(query, node)]


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


# --- slips ----------------------------------------------------------------------------------------

_LOWER = {"and": "AND", "or": "OR", "not": "NOT", "near": "NEAR/5", "与": "AND", "和": "AND"}


def _slips(query: str, node: Node) -> Iterator[str]:
    for term in terms_of(node):
        if not isinstance(term, Term) or query[term.place.start : term.place.start + 1] in '"“「＂':
            continue
        place = term.place.start + 1
        if (meant := _LOWER.get(term.written)) is not None:
            yield say(
                f"第 {place} 个字：“{term.written}”会当作要找的词；想写运算符请写 {meant}，"
                "想找这个词请写进引号。",
                f"At character {place}: {term.written!r} is taken as a word to look for; for the "
                f"operator write {meant}, for the word use quotation marks.",
            )
        if re.search(r"[\u4e00-\u9fff][-+][\u4e00-\u9fff]", term.written):
            yield say(
                f"第 {place} 个字：“{term.written}”整个当作一个词；想排除请在 - 前空一格，"
                "想都要请写 AND。",
                f"At character {place}: {term.written!r} is one word; to exclude, leave a blank "
                "before '-', for both write AND.",
            )
        if sign := re.search("[、；;。！!…]", term.written):
            yield say(
                f"第 {place} 个字：“{term.written}”连同标点“{sign[0]}”当作一个词；"
                "想写“或者”请写 OR，想连标点一起找请写进引号。",
                f"At character {place}: {term.written!r} is one word with its punctuation; for a "
                "choice write OR, to look for the punctuation too use quotation marks.",
            )
        if term.written[-1] in "?？" and "\u4e00" <= term.written[-2:-1] <= "\u9fff":
            yield say(
                f"第 {place} 个字：“{term.written}”末尾的问号代表任意一个字；要找问号请写进引号。",
                f"At character {place}: the question mark of {term.written!r} stands for any "
                "character; to look for a question mark use quotation marks.",
            )
        if re.search(r"[A-Za-z0-9]&[A-Za-z0-9]", term.written):
            yield say(
                f"第 {place} 个字：“{term.written}”当作一个词（如 H&M）；想都要请写 AND。",
                f"At character {place}: {term.written!r} is one word (as in H&M); for both write "
                "AND.",
            )
        yield from _idle_star(term, place)


def _idle_star(term: Term, place: int) -> Iterator[str]:
    """``*`` at the edge of a word stands for Latin letters and digits only."""
    first, last = term.pieces[0], term.pieces[-1]
    beside = [
        *([term.pieces[1]] if isinstance(first, Gap) and first.kind == "letters" else []),
        *([term.pieces[-2]] if isinstance(last, Gap) and last.kind == "letters" else []),
    ]
    if any(isinstance(piece, str) and "\u4e00" <= piece[0] <= "\u9fff" for piece in beside):
        yield say(
            f"第 {place} 个字：“{term.written}”首尾的 * 只代表英文字母和数字，对汉字不起作用；"
            "请去掉，汉字词本来就按出现即命中。",
            f"At character {place}: * at the edge of {term.written!r} stands for Latin letters "
            "and digits only; remove it, Chinese words are found inside longer ones anyway.",
        )


def _parts(node: Node) -> Iterator[Node]:
    yield node
    for child in children_of(node):
        yield from _parts(child)
