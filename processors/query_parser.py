"""Reads a query: text in, tree out, or one sentence with the place and cure of what is wrong."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import re2
from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError
from lark.tree import Meta

from processors.query_error import QueryError, check_pairs, explain_refusal
from processors.query_fields import (
    COUNTERS,
    FIELDS,
    SCOPES,
    counter_of,
    field_of,
    plain_value,
)
from processors.query_tree import (
    AllOf,
    AnyOf,
    AtLeast,
    Comparison,
    FieldIs,
    Gap,
    InScope,
    Link,
    Near,
    Node,
    NotNode,
    Place,
    Regex,
    Term,
    terms_of,
)
from processors.query_words import phrase_pieces, regex_of, word_pieces

__all__ = ["MAX_DISTANCE", "MAX_TERMS", "parse_query"]

#: Characters of a query; longer ones are lists of words, which keyword rules are for.
MAX_LENGTH = 10_000
#: Words, phrases and regular expressions of a query.
MAX_TERMS = 1_000
#: Characters between two words that are near each other.
MAX_DISTANCE = 1_000
#: Links of a near chain.
MAX_LINKS = 8

# One sign for one, so that places stay: signs of the language as Chinese input methods write them.
_SIGNS = str.maketrans("（），：｜＆～＜＞＝－／＂　", '(),:|&~<>=-/" ') | {
    ord("Ａ") + n: ord("A") + n for n in range(26)
}


def parse_query(query: str) -> Node:
    """The tree of a query.

    Raises:
        QueryError: no query of the language, or one beyond its limits.
    """
    if len(query) > MAX_LENGTH:
        raise QueryError(
            MAX_LENGTH,
            f"查询超过 {MAX_LENGTH} 个字；请拆成几条规则，或改用关键词表。",
            f"the query has more than {MAX_LENGTH} characters; split it into several rules, or use "
            "a keyword list.",
        )
    signs = query.translate(_SIGNS)
    check_pairs(signs)
    try:
        tree = _Builder(query).transform(_grammar().parse(signs))
    except VisitError as error:
        raise error.orig_exc from None
    except (UnexpectedToken, UnexpectedCharacters) as error:
        explain_refusal(query, error)
    assert isinstance(tree, Node)
    if (count := sum(1 for _ in terms_of(tree))) > MAX_TERMS:
        raise QueryError(
            0,
            f"有 {count} 个词，最多 {MAX_TERMS} 个；长词表请写成关键词表（keywords）。",
            f"{count} words, where at most {MAX_TERMS} are allowed; write long lists as a keyword "
            "list (keywords).",
        )
    return tree


@cache
def _grammar() -> Lark:
    grammar = Path(__file__).with_name("query_grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer="basic", propagate_positions=True, regex=False)


# --- the tree -------------------------------------------------------------------------------------


def _at(meta: Meta) -> Place:
    return Place(meta.start_pos, meta.end_pos)


@v_args(meta=True)
class _Builder(Transformer[Token, Node]):
    """Makes nodes of what the grammar found; the query as written has the words' real signs."""

    def __init__(self, query: str) -> None:
        super().__init__()
        self._query = query

    def any_of(self, meta: Meta, nodes: list[Node]) -> Node:
        return AnyOf(tuple(nodes), _at(meta))

    def all_of(self, meta: Meta, nodes: list[Node]) -> Node:
        return AllOf(tuple(nodes), _at(meta))

    def none_of(self, meta: Meta, parts: list[Any]) -> Node:
        *nots, node = parts
        return NotNode(node, _at(meta)) if len(nots) % 2 else node

    def at_least(self, meta: Meta, parts: list[Any]) -> Node:
        token, *nodes = parts
        count = int(str(token).split("/")[1])
        if not 1 <= count <= len(nodes):
            raise QueryError(
                meta.start_pos,
                f"括号里用逗号隔开的有 {len(nodes)} 项，“至少”只能写 1 到 {len(nodes)}。",
                f"there are {len(nodes)} items, with commas between, so ATLEAST takes 1 to "
                f"{len(nodes)}.",
            )
        return AtLeast(count, tuple(nodes), _at(meta))

    def link(self, meta: Meta, parts: list[Token]) -> Link:
        kind, _, number = str(parts[0]).partition("/")
        if not number:
            return Link(None)
        most = int(number)
        if most > MAX_DISTANCE:
            raise QueryError(
                meta.start_pos,
                f"距离最多 {MAX_DISTANCE} 个字；整篇都算请写 AND，一句之内请写 SENTENCE。",
                f"the distance is at most {MAX_DISTANCE} characters; for anywhere write AND, for "
                "one sentence SENTENCE.",
            )
        return Link(most, ordered=kind in {"ONEAR", "先后"})

    def near(self, meta: Meta, parts: list[Any]) -> Node:
        if len(parts) > 2 * MAX_LINKS + 1:
            raise QueryError(
                meta.start_pos,
                f"一串 NEAR 最多连 {MAX_LINKS} 次；请拆成几条规则。",
                f"at most {MAX_LINKS} links in a chain of NEAR; split the rule.",
            )
        operands = tuple(self._choice(part) for part in parts[::2])
        return Near(operands, tuple(parts[1::2]), _at(meta))

    def _choice(self, node: Node) -> tuple[Term | Regex, ...]:
        match node:
            case Term() | Regex():
                return (node,)
            case AnyOf(children):
                return tuple(one for child in children for one in self._choice(child))
        raise QueryError(
            node.place.start,
            "NEAR、ONEAR、SENTENCE 的两边只能是词、短语、正则，或它们的 OR 组；"
            "请把其余条件用 AND 写在外面。",
            "NEAR, ONEAR and SENTENCE stand between words, phrases, regular expressions or "
            "OR groups of them; write other conditions outside, with AND.",
        )

    def regex(self, meta: Meta, parts: list[Token]) -> Node:
        written = self._query[meta.start_pos : meta.end_pos]
        ignore_case = written.endswith("i")
        pattern = written[1 : -2 if ignore_case else -1].replace("\\/", "/")
        node = Regex(pattern, ignore_case, _at(meta))
        if re.search(r"(?<!\\)(?:\\\\)*\\C", pattern):
            raise QueryError(
                meta.start_pos,
                r"正则里不能用 \C（它会切开一个字）；任意一个字请写“.”。",
                r"\C is not allowed, it would cut a character in two; any character is '.'.",
            )
        try:
            empty = regex_of(node).search("") is not None
        except re2.error as error:
            reason = error.args[0]
            reason = reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)
            raise QueryError(
                meta.start_pos,
                f"正则表达式用不了：{reason}；语法见 RE2（没有反向引用和环视）。",
                f"this regular expression can't be used: {reason}; RE2's syntax holds (no "
                "backreferences, no look-around).",
            ) from error
        if empty:
            raise QueryError(
                meta.start_pos,
                "这个正则表达式连空文本也匹配；请让它至少匹配一个字。",
                "this regular expression matches an empty text; let it match one character at "
                "least.",
            )
        return node

    def word(self, meta: Meta, parts: list[Token]) -> Node:
        return self._word_of(parts, _at(meta))

    def _word_of(self, parts: list[Token], place: Place) -> Node:
        token = parts[-1]
        begin, end = int(token.start_pos or 0), int(token.end_pos or 0)
        written = self._query[begin:end]
        exact = len(parts) > 1
        if token.type == "PHRASE":
            inner = re.sub(r"\\(.)", r"\1", written[1:-1]) if written[0] in '"＂' else written[1:-1]
            return self._term(inner, phrase_pieces(inner, exact), exact, place)
        if re.fullmatch(r"(?:O?NEAR|近|先后|ATLEAST|至少)/?\d*", written):
            shown = written[:40]
            raise QueryError(
                begin,
                f"“{shown}”要写成 NEAR/5、ONEAR/5（近/5、先后/5）或 ATLEAST/2(…)（至少/2(…)）；"
                "要找这个词本身请写进引号。",
                f"write {shown!r} as NEAR/5, ONEAR/5 or ATLEAST/2(...); to look for the word "
                "itself, put it in quotation marks.",
            )
        if exact and re.search("[*＊?？]", written):
            raise QueryError(
                begin,
                "~ 后面的词按原样找，不能带通配符；要找这些符号本身请写进引号。",
                "a word behind ~ is compared as it is written and takes no wildcards; to look for "
                "the signs themselves use quotation marks.",
            )
        return self._term(written, word_pieces(written, exact, begin), exact, place)

    def _term(self, written: str, pieces: tuple[str | Gap, ...], exact: bool, place: Place) -> Term:
        if not any(isinstance(piece, str) for piece in pieces):
            raise QueryError(
                place.start,
                "这个词里没有一个看得见的字；请至少写一个。",
                "there is no visible character in this word; write one at least.",
            )
        return Term(written.strip(), pieces, exact, place)

    def field_word(self, meta: Meta, parts: list[Token]) -> Node:
        name, *rest = parts
        word = self._word_of(rest, Place(int(rest[0].start_pos or 0), meta.end_pos))
        return self._in_field(name, word, _at(meta))

    def field_group(self, meta: Meta, parts: list[Any]) -> Node:
        name, node = parts
        return self._in_field(name, node, _at(meta))

    def _in_field(self, token: Token, node: Node, place: Place) -> Node:
        name = str(token)[:-1]
        scope = SCOPES.get(plain_value(name))
        if scope is not None:
            return InScope(scope, node, place)
        field = field_of(name)
        if field is None and counter_of(name) is not None:
            raise QueryError(
                place.start,
                f"{name} 是数值，请用比较号，如 {name}>=1万。",
                f"{name} is a number; compare it, as in {name}>=10000.",
            )
        if field is None:
            raise _unknown_field(name, place.start)
        return self._values(field.names[0], node, place)

    def _values(self, name: str, node: Node, place: Place) -> Node:
        """A field before a group stands before each of its values."""
        match node:
            case AnyOf(children):
                return AnyOf(tuple(self._values(name, one, one.place) for one in children), place)
            case NotNode(child):
                return NotNode(self._values(name, child, child.place), place)
            case Term(written):
                return FieldIs(name, self._value(name, written, node.place.start), place)
        raise QueryError(
            node.place.start,
            f"{name}: 后面只能写值，或用 OR、NOT 组合的值。",
            f"behind {name}: stand values only, or values with OR and NOT.",
        )

    def _value(self, name: str, written: str, place: int) -> str:
        field = field_of(name)
        assert field is not None
        value = plain_value(written)
        if value in field.values:
            return field.values[value]
        if field.closed:
            known = "、".join(dict.fromkeys(field.values))
            near = _nearest(value, field.values)
            raise QueryError(
                place,
                f"{name} 没有“{written}”这个值{f'，是不是 {near}' if near else ''}；"
                f"可用：{known}。",
                f"{name} has no value {written!r}{f'; did you mean {near!r}' if near else ''}? "
                f"Available: {known}.",
            )
        return value

    def comparison(self, meta: Meta, parts: list[Token]) -> Node:
        name, sign, written = parts
        counter = counter_of(str(name))
        if counter is None:
            names = [one for counter in COUNTERS for one in counter.names]
            near = _nearest(plain_value(str(name)), names)
            raise QueryError(
                meta.start_pos,
                f"“{name}”不是数值字段{f'，是不是 {near}' if near else ''}；"
                f"要找带比较号的文字请写进引号。数值字段：{'、'.join(names)}。",
                f"{str(name)!r} is no number{f'; did you mean {near!r}' if near else ''}? To look "
                "for text with such a sign, put it in quotation marks. Numbers: "
                f"{', '.join(names)}.",
            )
        plain = {"≥": ">=", "≤": "<=", "==": "="}.get(str(sign), str(sign))
        number = _number(str(written).strip('"'))
        if number is None:
            raise QueryError(
                int(written.start_pos or 0),
                f"“{written}”不是数；请写 10000 或 1万 这样的数。",
                f"{str(written)!r} is no number; write one such as 10000 or 1万.",
            )
        return Comparison(counter.names[0], plain, number, _at(meta))  # type: ignore[arg-type]


def _unknown_field(name: str, place: int) -> QueryError:
    names = [
        *SCOPES,
        *(one for field in FIELDS for one in field.names),
        *(one for counter in COUNTERS for one in counter.names),
    ]
    near = _nearest(plain_value(name), names)
    return QueryError(
        place,
        f"没有“{name}”这个字段{f'，是不是 {near}' if near else ''}；"
        f"要找带冒号或比较号的文字请写进引号。可用：{'、'.join(names)}。",
        f"there is no field {name!r}{f'; did you mean {near!r}' if near else ''}? To look for "
        f"text with a colon or such a sign, put it in quotation marks. Fields: {', '.join(names)}.",
    )


def _nearest(name: str, names: Iterable[str]) -> str:
    return next(iter(get_close_matches(name, names, n=1, cutoff=0.5)), "")


_UNITS = {"": 1, "k": 1_000, "w": 10_000, "万": 10_000, "千": 1_000, "亿": 100_000_000}


def _number(written: str) -> float | None:
    found = re.fullmatch(r"(\d{1,12}(?:\.\d{1,6})?)([kw万千亿]?)", plain_value(written))
    return float(found[1]) * _UNITS[found[2]] if found else None
