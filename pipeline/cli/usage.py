"""What is wrong with a command line, in the language of the reader.

Typer words its messages in English only. In English they stay as they are; where a message is not
known here, its own words stand.
"""

import re
from typing import Any

import typer

from schemas.language import language

__all__ = ["UsageError", "told"]

#: Of Typer's own exceptions only this one is public, and what all wrong usage has in common is its
#: base.
UsageError: type[Exception] = typer.BadParameter.__mro__[1]

_MESSAGES = (
    (r"Missing argument '(.+?)'\.?.*", r"少了参数 {0}"),
    (r"Missing option '(.+?)'\.?.*", r"少了选项 {0}"),
    (r"Missing command\.", r"少了命令"),
    (r"No such command '(.*?)'\. Did you mean (.+)\?", r"没有命令 {0}；是不是 {1}？"),
    (r"No such command '(.*)'\.", r"没有命令 {0}"),
    (r"No such option: (\S+) \(Possible options: (.+)\)", r"没有选项 {0}；是不是 {1}？"),
    (r"No such option: (\S+) Did you mean (.+)\?", r"没有选项 {0}；是不是 {1}？"),
    (r"No such option: (\S+)", r"没有选项 {0}"),
    (r"Got unexpected extra arguments?(?:\(s\))? \((.+)\)", r"多了参数 {0}"),
    (r"Option '(.+)' does not take a value\.", r"选项 {0} 后面不能有值"),
    (r"Option '(.+)' requires .+", r"选项 {0} 后面要有值"),
    (r"Invalid value for '(.+?)': .*greater than or equal to (\S+)", r"{0} 不能小于 {1}"),
    (r"Invalid value for '(.+?)': .*less than or equal to (\S+)", r"{0} 不能大于 {1}"),
    (r"Invalid value for '(.+?)': .*valid (?:integer|int)\b.*", r"{0} 要写成整数"),
    (r"Invalid value for '(.+?)': .*valid (?:number|float)\b.*", r"{0} 要写成数字"),
    (r"Invalid value for '(.+?)': (.*)", r"{0} 的值不对：{1}"),
)


def told(error: Any) -> str | None:
    """The sentence in Chinese; None where Typer's own message is to be shown."""
    if language() != "zh" or not hasattr(error, "format_message") or not _has_own_words(error):
        return None
    message = error.format_message().strip()
    for pattern, chinese in _MESSAGES:
        if found := re.fullmatch(pattern, message, re.DOTALL):
            message = chinese.format(*(part.replace("'", "") for part in found.groups()))
            break
    command = getattr(error.ctx, "command_path", "tingchao")
    end = "" if message.endswith("？") else "。"
    return f"{message}{end}用法见 {command} --help。"


def _has_own_words(error: Any) -> bool:
    """Without any argument the message is the whole help, which is Chinese already."""
    return type(error).__name__ != "NoArgsIsHelpError"
