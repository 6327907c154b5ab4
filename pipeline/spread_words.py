"""Words and figures of a spread, for the terminal and the picture."""

from collections.abc import Iterable

from processors.spread_tree import Link, Node
from schemas.language import language, say
from sinks.wording import Pair, clean

__all__ = [
    "LINKS",
    "ROLES",
    "after",
    "author_of",
    "compact",
    "marks_of",
    "noun",
    "percent",
    "short_name",
]

ROLES: dict[str, Pair] = {
    "origin": ("楼主", "author"),
    "brand": ("品牌官号", "brand"),
    "staff": ("员工", "staff"),
    "official": ("官方机构", "authority"),
    "media": ("媒体", "media"),
    "industry": ("行业账号", "trade account"),
    "dealer": ("经销商", "dealer"),
    "person": ("个人", "person"),
    "bot": ("疑似机器人", "bot?"),
    "big": ("大号", "big account"),
    "outsider": ("路人", "outsider"),
}
LINKS: dict[Link, Pair] = {
    "given": ("平台给出", "named by the platform"),
    "inferred": ("据 //@ 推断", "inferred from //@"),
    "assumed": ("上级不详", "parent not known"),
    "cut": ("循环已断开", "circle cut"),
}
_REPOSTS: Pair = ("条转发", "reposts")
_COMMENTS: Pair = ("条评论", "comments")
_POSTS: Pair = ("条", "posts")
_LONGEST_NAME = 24


def author_of(node: Node) -> str:
    """Who wrote it, as ``short_name`` says."""
    return short_name(node.name)


def short_name(name: str) -> str:
    """A name as the platform gives it, on one line and not endless."""
    name = clean(name)
    if not name:
        return say("（未采到）", "(not seen)")
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


def marks_of(node: Node) -> list[str]:
    """What has to be known before this place in the tree is believed."""
    marks = []
    if node.post is None and node.name:
        marks.append(say("未采到", "not seen"))
    if node.link in ("inferred", "cut"):
        marks.append(say(*LINKS[node.link]))
    if node.link == "assumed" and (node.post is None or node.depth > 0):
        marks.append(say(*LINKS["assumed"]))
    if node.post is not None and node.post.deleted:
        marks.append(say("已删除", "deleted"))
    return marks


def noun(nodes: Iterable[Node]) -> str:
    """What to call these: reposts, comments, or posts where they are mixed."""
    kinds = {node.post.kind for node in nodes if node.post is not None}
    if kinds == {"repost"}:
        return say(*_REPOSTS)
    return say(*_COMMENTS) if kinds and kinds <= {"comment", "reply"} else say(*_POSTS)


def compact(count: int) -> str:
    """A large number in short: 4.9 万, 49k."""
    if language() == "zh":
        if count >= 100_000_000:
            return f"{count / 100_000_000:.1f} 亿"
        return f"{count / 10_000:.1f} 万" if count >= 10_000 else str(count)
    if count >= 1_000_000:
        return f"{count / 1_000_000:.1f}M"
    return f"{count / 1_000:.1f}k" if count >= 10_000 else str(count)


def after(length_seconds: float) -> str:
    """How much later, in one unit."""
    seconds = max(0, int(length_seconds))
    if seconds < 60:
        return say(f"+{seconds} 秒", f"+{seconds} s")
    if seconds < 7200:
        return say(f"+{seconds // 60} 分钟", f"+{seconds // 60} min")
    if seconds < 172_800:
        return say(f"+{seconds // 3600} 小时", f"+{seconds // 3600} h")
    return say(f"+{seconds // 86_400} 天", f"+{seconds // 86_400} d")


def percent(share: float) -> str:
    """A share, without decimals."""
    return f"{share * 100:.0f} %"
