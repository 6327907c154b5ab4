"""How close those who read a post are to its writer: the strength of a tie.

After Granovetter 1973 (*The Strength of Weak Ties*): time spent, emotional intensity, intimacy and
favours returned make a tie strong. Strong ties persuade (a friend's word decides what is bought);
weak ones carry news to where nobody has it yet, which is how a crisis spreads. A platform fixes
most of that: a message goes to somebody whom the writer chose; a forum's members meet again and
answer each other; on an open square strangers read.
"""

from schemas.enriched import Tie
from schemas.post import PostKind

__all__ = ["tie_of"]

#: Whoever writes there, writes to people who know the writer.
_CLOSE: dict[str, Tie] = {"wechat": "strong", "wecom": "strong", "mail": "strong"}
#: Circles of people who meet again.
_CIRCLES = frozenset(
    "bbs discourse discuz douban forum misago nodebb phpbb tieba xiaohongshu xhs zhihu".split()
)


def tie_of(platform: str, kind: PostKind) -> Tie | None:
    """The tie; ``None`` for a sighting of a topic, which nobody wrote.

    | kind | WeChat, WeCom, mail | forums, communities | open squares, news |
    |---|---|---|---|
    | message | strong | strong | strong |
    | comment, reply | strong | medium | weak |
    | post, repost, review | strong | medium | weak |
    | article | weak | weak | weak |
    """
    if kind == "hot":
        return None
    if kind == "message":
        return "strong"
    if kind == "article":
        return "weak"
    return _CLOSE.get(platform, "medium" if platform in _CIRCLES else "weak")
