"""The chain of names that Weibo leaves in the text of a repost: ``嗯嗯//@小林:转给大家//@老周:看``.

Each ``//@name:`` is whom the repost before it took the post from, the nearest first; the thread's
author is not in it. A reply under a post begins with ``回复@name:`` instead. People can type both
themselves, and a long chain is cut off by the platform, so what follows from it is a guess.
"""

import re
from itertools import islice

__all__ = ["MAX_NAMES", "chain_of_names"]

MAX_NAMES = 20
"""More names than fit into the 140 signs that Weibo keeps of a chain."""

_NAME = r"@([^\s@:：/]{1,40})[ \t]?[:：]"
_CHAIN = re.compile(r"//\s?" + _NAME)
_REPLY = re.compile(r"\s*回[复覆]\s?" + _NAME)


def chain_of_names(platform: str, kind: str, text: str) -> tuple[str, ...]:
    """Through whom a post came, the nearest first; other platforms have no such chain.

    >>> chain_of_names("weibo", "repost", "同意//@小林:转给大家//@老周:看")
    ('小林', '老周')
    >>> chain_of_names("weibo", "reply", "回复@小林:同意")
    ('小林',)
    """
    if platform != "weibo":
        return ()
    if kind == "repost":
        return tuple(found[1] for found in islice(_CHAIN.finditer(text), MAX_NAMES))
    if kind in ("comment", "reply") and (reply := _REPLY.match(text)):
        return (reply[1],)
    return ()
