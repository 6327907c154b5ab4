"""Words of a query that were probably meant as something else."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from processors.query_tree import Gap, Node, Term, terms_of
from schemas.language import say

__all__ = ["slips"]

_HAN = "[\u4e00-\u9fff]"


class _Slip(NamedTuple):
    pattern: re.Pattern[str]
    zh: str
    en: str


def _slip(pattern: str, zh: str, en: str) -> _Slip:
    return _Slip(re.compile(pattern.replace("@", _HAN)), zh, en)


# Looked for in unquoted words, in this order; the first that fits is told.
_SLIPS = (
    _slip(
        r"^(?i:and|or|not)$|^[与和]$",
        "会当作要找的词；运算符请用大写 AND、OR、NOT 或 且、或、非，想找这个词请写进引号",
        "is taken as a word to look for; write operators as AND, OR, NOT, and put the word in "
        "quotation marks if it is one",
    ),
    _slip(
        r"^(?i:o?near/?\d*)$",
        "会当作要找的词；运算符请用大写 NEAR/5",
        "is taken as a word to look for; the operator is written NEAR/5",
    ),
    _slip(
        r"^[!！+＋]",
        "开头的符号不是运算符；想排除请写 -，都要只写空格，想找这个符号请写进引号",
        "begins with a sign that is no operator; write '-' to exclude and a blank for both, or put "
        "the sign in quotation marks",
    ),
    _slip(
        r"@(?:AND|OR|NOT|NEAR)|(?:AND|OR|NOT)@",
        "整个当作一个词；运算符两边要有空格",
        "is one word; operators need a blank on either side",
    ),
    _slip(
        r"@{2}或(?![许然多])@{2}|@{2}(?<![而并况尚暂姑])且(?!慢)@{2}",
        "整个当作一个词；“或”“且”两边要有空格才是运算符",
        "is one word; 或 and 且 are operators only with a blank on either side",
    ),
    _slip(
        r"@[-+]@",
        "整个当作一个词；想排除请在 - 前空一格，想都要请写 AND",
        "is one word; to exclude, leave a blank before '-', for both write AND",
    ),
    _slip(
        r"@/@",
        "整个当作一个词；想写“或者”请写 OR 或 |",
        "is one word; for a choice write OR or |",
    ),
    _slip(
        r"^[‘’']",
        "单引号不是短语的引号；短语请写进“ ”",
        "begins with a single quotation mark; phrases stand in double ones",
    ),
    _slip(
        "[、；;。！!…]",
        "连同标点当作一个词；想写“或者”请写 OR，想连标点一起找请写进引号",
        "is one word with its punctuation; for a choice write OR, to look for the punctuation too "
        "use quotation marks",
    ),
    _slip(
        "@[?？]$",
        "末尾的问号代表任意一个字；要找问号请写进引号",
        "ends with a question mark, which stands for any character; to look for a question mark "
        "use quotation marks",
    ),
    _slip(
        "[A-Za-z0-9]&[A-Za-z0-9]",
        "当作一个词（如 H&M）；想都要请写 AND",
        "is one word (as in H&M); for both write AND",
    ),
    _slip(
        "^[A-Za-z]$",
        "是单个字母，到处都会命中；若是名字的一部分请整个写进引号，如 “Model Y”",
        "is a single letter, found everywhere; if it is part of a name, put the whole in quotation "
        'marks, as in "Model Y"',
    ),
)


def slips(query: str, node: Node) -> Iterator[str]:
    """A sentence for each word that looks like a slip, with its place and the cure."""
    for term in terms_of(node):
        if not isinstance(term, Term) or query[term.place.start : term.place.start + 1] in '"“「＂':
            continue
        place, word = term.place.start + 1, term.written
        for slip in _SLIPS:
            if slip.pattern.search(word):
                yield say(
                    f"第 {place} 个字：“{word}”{slip.zh}。",
                    f"At character {place}: {word!r} {slip.en}.",
                )
                break
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
