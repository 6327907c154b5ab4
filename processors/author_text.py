"""What a writer's own words tell of the writer: a dealer, an employee, a paid poster.

The words before ``//@`` only, and none in quotation marks: “欢迎到店” quotes the shop. One
automaton finds the phrases; most texts have none, and the rest is not asked then.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from ahocorasick_rs import AhoCorasick, Implementation

from schemas.enriched import AuthorKind

__all__ = ["LOOKED_AT", "Places", "kind_of_text", "phrases_in"]

#: An article is its author's by name; what somebody says of oneself stands at the beginning.
LOOKED_AT = 2_000
#: Points of phrases that make somebody a dealer or a bot: one sure phrase, or vague ones together.
_DEALER, _BOT, _BOT_OF_DEFAULT_NAME = 3, 3, 2
#: Pairs of # of a wall, and letters that may stand between them.
_WALL, _BETWEEN = 6, 12

_DEALER_3 = (
    "欢迎到店 到店咨询 欢迎进店 欢迎来店 进店有礼 到店有礼 到店即送 订车热线 购车热线 看车热线 "
    "销售热线 试驾热线 咨询热线 店内现车 本店新到 本店主营 本店专营 本店承接 本店推出 现车充足 "
    "欢迎选购 欢迎来电 详询本店 加盟热线 恭候光临 欢迎光临本店 一手货源 厂家直销 支持置换 "
    "小店主营 私信报价 报价私信 报价的私信 价格私信 欢迎订购 欢迎下单"
).split()
_DEALER_1 = (
    "本店 我店 到店 进店 现车 私信我 全款分期 分期付款 置换补贴 置换最高 地址 热线 电话 送全车膜 "
    "送保养 欢迎试驾 优惠力度 限时优惠 预约试驾 包邮 现货 门店地址 营业时间"
).split()
_BOT_2 = (
    "日赚 日结 刷单 免费领 免费领取 扫码领 领取红包 点击链接领 互粉 互关 有粉必回 秒回关 涨粉 "
    "代开 先办事后付款 开户送 送彩金 点击下方网址 网赚 躺赚 一单一结 加v了解 加微信领 加vx 加薇 "
    "+v信 内部价 返利群 低价代 看我主页 代刷 包过 日入过千 在家赚钱 彩金"
).split()
_BOT_1 = (
    "加微信 加v 兼职 点击链接 戳链接 名额有限 数量有限 限时免费 免费试用 私信领取 联系qq 扫码 "
    "红包 优惠券 闭眼入 谁用谁知道 强烈推荐 入手不亏 性价比超高 必买 值得拥有 赶紧入手 "
    "推荐大家购买 好物推荐 不踩雷 冲就完了 真的太好用了 太棒了 良心推荐"
).split()
_STAFF = (
    "员工 职工 工人 工程师 内部人 上班 工作 打工 任职 离职 辞职 我们厂 我们车间 我们产线 我厂 "
    "我司 裁员 干了 待了 呆了 做了 上了"
).split()

_TOLD_BY_OTHERS = re.compile(r"(?:(?:让|叫|要|喊|求|逼)(?:我|他|她|你|人|客户|顾客)?|[说称讲写])$")
_QUOTES = frozenset("“\"'「『《‘")
_PLACE = r"[^,，。!！?？;；\s]{0,14}?"
_WORKS = re.compile(
    rf"(?:^|[,，。!！;；\s]|我|本人|俺)(?:就|也|现在|目前|之前|以前|曾经?|一直)?在({_PLACE})"
    r"(?:上班|工作|打工|任职|(?:干|待|呆|做|上)了.{1,3}年)"
)
_IS = re.compile(
    rf"(?:我(?:就|也)?是|本人(?:就?是)?|作为|身为)({_PLACE}"
    r"(?:员工|职工|工人|工程师|内部人[员士]?|打工人))"
)
_LEFT = re.compile(rf"(?:^|我|刚|本人|已经|去年|今年|上个?月|[,，。])刚?从({_PLACE})(?:离职|辞职)")
_OURS = re.compile(r"我们厂|我们车间|我们产线|我厂|我司")
_INSIDE = re.compile(r"内部|在职|离职|前员工|老员工")
_TAG = re.compile(r"#[^#\n]{1,40}#")
_PHONE = re.compile(r"(?<!\d)(?:1[3-9]\d{9}|[48]00-?\d{3,4}-?\d{3,4}|0\d{2,3}-\d{7,8})(?!\d)")


class _Phrase(NamedTuple):
    kind: AuthorKind
    points: int


_LISTS: Final[tuple[tuple[list[str], _Phrase], ...]] = (
    (_STAFF, _Phrase("staff", 0)),
    (_BOT_1, _Phrase("bot", 1)),
    (_BOT_2, _Phrase("bot", 2)),
    (_DEALER_1, _Phrase("dealer", 1)),
    (_DEALER_3, _Phrase("dealer", 3)),
)
_PHRASES: Final = {word: phrase for words, phrase in _LISTS for word in words}
_WORDS = tuple(_PHRASES)
_AUTOMATON = AhoCorasick(_WORDS, implementation=Implementation.DFA)

Places = list[tuple[str, int]]
"""Phrases and where they begin."""


def phrases_in(texts: Sequence[str]) -> dict[int, Places]:
    """By number, the texts that may tell something; texts as ``fold`` makes them.

    One pass over all texts together: a call for each would cost as much again.
    """
    found: dict[int, Places] = {
        number: [] for number, text in enumerate(texts) if text.count("#") >= 2 * _WALL
    }
    hits = _AUTOMATON.find_matches_as_indexes("\n".join(texts), overlapping=True)
    if not hits:
        return found
    begins = list(accumulate((len(text) + 1 for text in texts), initial=0))
    for phrase, start, _ in hits:
        number = bisect_right(begins, start) - 1
        found.setdefault(number, []).append((_WORDS[phrase], start - begins[number]))
    return found


def kind_of_text(
    text: str, places: Places, names_brand: Callable[[str], bool], *, default_name: bool
) -> tuple[AuthorKind, str] | None:
    """The kind and the words that tell it, or ``None``, which is usual.

    ``text`` and ``places`` as ``phrases_in`` takes and gives them.
    ``names_brand``: whether a text holds the name of a brand that is listened for.
    ``default_name``: the writer chose no name, and needs less to be suspected.
    """
    own = text.partition("//@")[0]
    if own.count("#") >= 2 * _WALL and _is_wall(own):
        return "bot", "##"
    words: dict[AuthorKind, list[str]] = {"staff": [], "dealer": [], "bot": []}
    for word, start in places:
        listed = words[_PHRASES[word].kind]
        if start < len(own) and word not in listed and not _is_told(own, start):
            listed.append(word)
    if words["staff"] and (said := _staff(own, names_brand)):
        return "staff", said
    dealer = _points(words["dealer"])
    if dealer and dealer + bool(_PHONE.search(own)) >= _DEALER:
        return "dealer", _named(words["dealer"])
    if _points(words["bot"]) >= (_BOT_OF_DEFAULT_NAME if default_name else _BOT):
        return "bot", _named(words["bot"])
    return None


def _is_wall(own: str) -> bool:
    tags = _TAG.findall(own)
    rest = _TAG.sub("", own)
    return len(tags) >= _WALL and sum(map(str.isalnum, rest)) <= _BETWEEN


def _is_told(own: str, start: int) -> bool:
    """Whether it is somebody else's word: in quotation marks, or 'she told me to'."""
    before = own[max(0, start - 4) : start]
    return any(sign in before for sign in _QUOTES) or bool(_TOLD_BY_OTHERS.search(before))


def _points(words: list[str]) -> int:
    return sum(_PHRASES[word].points for word in _longest(words))


def _longest(words: list[str]) -> list[str]:
    """A phrase that lies inside another one found does not count twice."""
    return [word for word in words if not any(word != other and word in other for other in words)]


def _staff(own: str, names_brand: Callable[[str], bool]) -> str | None:
    for pattern in (_WORKS, _IS, _LEFT):
        if (said := pattern.search(own)) is not None:
            if names_brand(said[1]) or (_INSIDE.search(said[1]) and names_brand(own)):
                return said[0][:30]
    ours = _OURS.search(own)
    return ours[0] if ours is not None and names_brand(own) else None


def _named(words: list[str]) -> str:
    return "、".join(_longest(words)[:3])
