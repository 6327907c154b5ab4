"""Chinese first, English available: the language of everything that a person reads.

Texts stand in pairs where they are used, so that whoever changes one sees the other::

    say("没有找到帖子。", "No posts found.")
"""

import os
from typing import Literal

__all__ = ["Language", "language", "say", "use_language"]

Language = Literal["zh", "en"]

_chosen: Language | None = None


def use_language(choice: Language | None) -> None:
    """Fix the language for this process; ``None`` returns to the locale."""
    global _chosen
    _chosen = choice


def language() -> Language:
    """The language in force: chosen, else ``TINGCHAO_LANGUAGE``, else the locale, else Chinese.

    Only a locale that names English gives English: the bare ``C`` of servers and containers says
    nothing about who reads.
    """
    if _chosen is not None:
        return _chosen
    for variable in ("TINGCHAO_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(variable, "").lower()
        if value.startswith("en"):
            return "en"
        if value.startswith("zh"):
            return "zh"
    return "zh"


def say(zh: str, en: str) -> str:
    """The text in the language in force."""
    return zh if language() == "zh" else en
