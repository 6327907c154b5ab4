"""What is wrong with a query, in one sentence with its place and cure."""

from typing import NoReturn

from lark.exceptions import UnexpectedCharacters, UnexpectedToken

from schemas.language import say

__all__ = ["MAX_DEPTH", "QueryError", "check_pairs", "explain_refusal"]

#: Parentheses inside parentheses.
MAX_DEPTH = 50

_COUNTED = ("NEAR", "近", "先后", "ATLEAST", "至少")


class QueryError(ValueError):
    """A query that means nothing.

    ``position`` is the place of the first character that is wrong, counted from 1 as people do.
    """

    def __init__(self, place: int, zh: str, en: str) -> None:
        self.position = place + 1
        super().__init__(
            say(f"第 {self.position} 个字：{zh}", f"At character {self.position}: {en}")
        )


def check_pairs(signs: str) -> None:
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
        if close == "/" and signs[:begin].rstrip().endswith(_COUNTED):
            raise QueryError(
                begin,
                "/ 和前面的词之间不能有空格，请写成 NEAR/5 这样。",
                "no blank may stand before this /; write it as in NEAR/5.",
            )
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


def explain_refusal(query: str, error: Exception) -> NoReturn:
    """The sentence for what the grammar refused."""
    if isinstance(error, UnexpectedCharacters):
        place = int(error.pos_in_stream or 0)
        sign = query[place]
        if sign in ":：" and query[:place].lower().endswith(("http", "https")):
            raise QueryError(
                place,
                "网址里有运算符号；请把整个网址写进引号。",
                "an address has signs of the language; put the whole in quotation marks.",
            ) from None
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
    if token.type == "COMMA" and query[:place][-1:].isdigit() and query[place + 1 :][:1].isdigit():
        raise QueryError(
            place,
            "数里不要写逗号，请写 1000 或 1千。",
            "write numbers without commas, as in 1000.",
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
    if token.type == "COMPARISON":
        raise QueryError(
            place,
            "比较号要写在数值字段和一个数之间，如 粉丝>=1万；不等于请写 NOT 粉丝=1000，"
            "两头都有界请写两个条件。",
            "a comparison stands between a number's name and a number, as in followers>=10000; "
            "for 'not equal' write NOT followers=1000, for two bounds two conditions.",
        ) from None
    if token.type not in {"_OR", "_AND", "RPAR"}:
        raise QueryError(
            place,
            f"“{token}”不能写在这里；字段和 NEAR 后面只能跟词、短语、正则或括号里的一组"
            "（排除请写在最外面，如 NOT 标题:召回）。",
            f"{str(token)!r} may not stand here; behind a field or NEAR come words, phrases, "
            "regular expressions or a group of them (to exclude, write NOT before the whole, as in "
            "NOT title:recall).",
        ) from None
    raise QueryError(
        place,
        f"“{token}”前面缺词；请补上，或删去多余的运算符。要找这个符号本身请写进引号。",
        f"a word is missing before {str(token)!r}; add it, or remove the operator that is too "
        "many. To look for the sign itself, put it in quotation marks.",
    ) from None
