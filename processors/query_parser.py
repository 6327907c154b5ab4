"""Reads a query: text in, tree out, or one sentence with the place and cure of what is wrong."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import re2
from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError
from lark.tree import Meta

from processors.fold import INVISIBLE, fold
from processors.query_fields import (
    COUNTERS,
    FIELDS,
    SCOPES,
    counter_of,
    field_of,
    plain_value,
)
from processors.query_tree import (
    MAX_STAR,
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
from schemas.language import say

__all__ = ["MAX_DEPTH", "MAX_DISTANCE", "MAX_TERMS", "QueryError", "parse_query", "regex_of"]

#: Characters of a query; longer ones are lists of words, which keyword rules are for.
MAX_LENGTH = 10_000
#: Words, phrases and regular expressions of a query.
MAX_TERMS = 1_000
#: Parentheses inside parentheses.
MAX_DEPTH = 50
#: Characters between two words that are near each other.
MAX_DISTANCE = 1_000
#: Wildcards in one word: each may multiply the ways to read a text.
MAX_GAPS = 3
#: Of memory for one compiled regular expression; RE2 refuses what needs more.
REGEX_BYTES = 1024 * 1024

# One sign for one, so that places stay: signs of the language as Chinese input methods write them.
_SIGNS = str.maketrans("（），：｜＆～＜＞＝－／＂　", '(),:|&~<>=-/" ')
_BLANK = r"[\p{Z}\t-\r\x{85}]"


class QueryError(ValueError):
    """A query that means nothing.

    ``position`` is the place of the first character that is wrong, counted from 1 as people do.
    """

    def __init__(self, place: int, zh: str, en: str) -> None:
        self.position = place + 1
        super().__init__(
            say(f"第 {self.position} 个字：{zh}", f"At character {self.position}: {en}")
        )


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
    _check_pairs(signs)
    try:
        tree = _Builder(query).transform(_grammar().parse(signs))
    except VisitError as error:
        raise error.orig_exc from None
    except (UnexpectedToken, UnexpectedCharacters) as error:
        _explain(query, error)
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


# --- what no grammar says well --------------------------------------------------------------------


def _check_pairs(signs: str) -> None:
    """Quotation marks, slashes and parentheses that miss their other half, and too many of them."""
    open_at: list[int] = []
    place = 0
    while place < len(signs):
        sign = signs[place]
        begins = place == 0 or signs[place - 1] in ' \t\n(,|&-:~"”」'
        if sign in '"“「':
            place = _closed(signs, place, {'"': '"', "“": "”", "「": "」"}[sign])
        elif sign == "/" and begins:
            place = _closed(signs, place, "/")
        elif sign in "”」":
            raise QueryError(
                place,
                f"这个 {sign} 前面没有左引号；请补上或删去。",
                f"this {sign} closes no quotation mark; add one before it or remove it.",
            )
        elif sign == "(":
            open_at.append(place)
            if len(open_at) > MAX_DEPTH:
                raise QueryError(
                    place,
                    f"括号套了 {MAX_DEPTH} 层以上；请拆成几条规则。",
                    f"more than {MAX_DEPTH} parentheses inside each other; split the rule.",
                )
        elif sign == ")":
            if not open_at:
                raise QueryError(
                    place,
                    "多了一个右括号；请删去，或在前面补左括号。",
                    "a closing parenthesis too many; remove it, or open one before it.",
                )
            open_at.pop()
        place += 1
    if open_at:
        raise QueryError(
            open_at[-1],
            "这个左括号缺右括号；请在组的末尾补“)”。",
            "this parenthesis is never closed; write ')' where the group ends.",
        )


def _closed(signs: str, begin: int, close: str) -> int:
    place = begin + 1
    while place < len(signs) and signs[place] != close:
        place += 2 if signs[place] == "\\" and close in '"/' else 1
    if place >= len(signs):
        if close == "/":
            raise QueryError(
                begin,
                "以 / 开头的是正则表达式，缺结尾的 /；要找斜杠请写进引号。",
                "a regular expression begins here and never ends: write / at its end; to look for "
                "a slash, put it in quotation marks.",
            )
        raise QueryError(
            begin,
            f"这个引号没有结束；请补 {close}。",
            f"this quotation mark is never closed; add {close}.",
        )
    return place


def _explain(query: str, error: Exception) -> NoReturn:
    """The sentence for what the grammar refused."""
    if isinstance(error, UnexpectedCharacters):
        place = int(error.pos_in_stream or 0)
        sign = query[place]
        raise QueryError(
            place,
            f"这里不能写 {sign}；要找这个符号，请连同词写进引号。",
            f"{sign} has no meaning here; to look for it, put it in quotation marks with its word.",
        ) from None
    assert isinstance(error, UnexpectedToken)
    token = error.token
    place = len(query.rstrip()) if token.type == "$END" else int(token.start_pos or 0)
    if token.type == "$END":
        if not query.strip():
            raise QueryError(0, "查询是空的；请写至少一个词。", "the query is empty; write a word.")
        raise QueryError(
            place,
            "查询到这里就断了，后面缺词；请补上，或删去最后的运算符。",
            "the query breaks off here; add a word, or remove the last operator.",
        ) from None
    if token.type == "COMMA":
        raise QueryError(
            place,
            "逗号只用在“至少/2(甲, 乙, 丙)”里；“或者”请写 OR 或 |。",
            "a comma belongs only in ATLEAST/2(a, b, c); for a choice write OR or |.",
        ) from None
    if token.type in {"NEAR", "ORDERED", "SENTENCE"}:
        raise QueryError(
            place,
            f"{token} 的两边都要有词，它前面缺一个；请补上。",
            f"{token} needs a word on either side; the one before it is missing.",
        ) from None
    raise QueryError(
        place,
        f"“{token}”前面缺词；请补上，或删去多余的运算符。要找这个符号本身请写进引号。",
        f"a word is missing before {str(token)!r}; add it, or remove the operator that is too "
        "many. To look for the sign itself, put it in quotation marks.",
    ) from None


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
                f"括号里有 {len(nodes)} 项，“至少”只能写 1 到 {len(nodes)}。",
                f"there are {len(nodes)} items, so ATLEAST takes 1 to {len(nodes)}.",
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
            return self._term(inner, _phrase(inner, exact), exact, place)
        if re.fullmatch(r"(?:O?NEAR|近|先后|ATLEAST|至少)/?\d*", written):
            raise QueryError(
                begin,
                f"“{written}”要写成 NEAR/5、ONEAR/5（近/5、先后/5）或 ATLEAST/2(…)（至少/2(…)）；"
                "要找这个词本身请写进引号。",
                f"write {written!r} as NEAR/5, ONEAR/5 or ATLEAST/2(...); to look for the word "
                "itself, put it in quotation marks.",
            )
        return self._term(written, _word(written, exact, begin), exact, place)

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
            raise _unknown_field(str(name), meta.start_pos)
        plain = {"≥": ">=", "≤": "<="}.get(str(sign), str(sign))
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


# --- words ----------------------------------------------------------------------------------------


def _plain(text: str, exact: bool) -> str:
    if exact:  # as written, but for what nobody sees
        return "".join(sign for sign in text if fold(sign) != INVISIBLE)
    return fold(text).replace(INVISIBLE, "")


def _phrase(inner: str, exact: bool) -> tuple[str | Gap, ...]:
    """The words of a phrase; a blank in it is any number of blanks in a text."""
    pieces: list[str | Gap] = []
    for word in re.split(r"\s+", _plain(inner, exact).strip()):
        if pieces:
            pieces.append(Gap(1, None, "blank"))
        if word:
            pieces.append(word)
    return tuple(pieces)


def _word(written: str, exact: bool, begin: int) -> tuple[str | Gap, ...]:
    """The pieces of a word with wildcards."""
    pieces: list[str | Gap] = []
    parts = [part for part in re.split(r"([*＊]|[?？]+)", written) if part]
    for number, part in enumerate(parts):
        if part[0] not in "*＊?？":
            if piece := _plain(part, exact):
                pieces.append(piece)
            continue
        if pieces and isinstance(pieces[-1], Gap):
            raise QueryError(
                begin,
                "通配符 * 和 ? 不能挨着写。",
                "the wildcards * and ? can't stand side by side.",
            )
        if part[0] in "?？":
            pieces.append(Gap(len(part), len(part), "any"))
        elif number in (0, len(parts) - 1):
            pieces.append(Gap(0, None, "letters"))
        else:
            pieces.append(Gap(0, MAX_STAR, "any"))
    if sum(isinstance(piece, Gap) for piece in pieces) > MAX_GAPS:
        raise QueryError(
            begin,
            f"一个词里最多 {MAX_GAPS} 处通配符；请改用 NEAR 或正则。",
            f"at most {MAX_GAPS} wildcards in a word; use NEAR or a regular expression.",
        )
    return tuple(pieces)


def regex_of(node: Regex) -> Any:
    """The compiled expression: linear time, whatever the pattern.

    Raises:
        re2.error: no regular expression of RE2, or one that needs too much memory.
    """
    options = re2.Options()
    options.max_mem = REGEX_BYTES
    options.log_errors = False
    options.case_sensitive = not node.ignore_case
    return re2.compile(node.pattern, options)
