"""Files that people write by hand are small: settings, rules, mappings, secrets, a corrected line.

Nothing is read beyond the limit, so that a wrong path (a device, a log of gigabytes) ends with a
sentence and not with all memory gone.
"""

import errno
import re
import tomllib
from pathlib import Path
from typing import Any

from schemas.language import say

__all__ = ["MAX_SMALL_BYTES", "read_small", "read_toml", "unread", "unwritten"]

MAX_SMALL_BYTES = 1024 * 1024
_PIECE_BYTES = 64 * 1024
_MAX_DOTS = 100
_BETWEEN_KEYS = re.compile(r"[=,{}\[\]\n]")


def read_small(path: Path, most_bytes: int = MAX_SMALL_BYTES) -> bytes:
    """The file's content.

    Raises:
        OSError: it can't be read.
        ValueError: it is larger; the message is half a sentence.
    """
    content = bytearray()
    with path.open("rb") as file:
        # Piece by piece: one read of the limit would reserve the limit.
        while len(content) <= most_bytes and (piece := file.read(_PIECE_BYTES)):
            content += piece
    if len(content) > most_bytes:
        shown = f"{most_bytes // 1024} KiB"
        raise ValueError(say(f"文件超过 {shown}", f"the file is larger than {shown}"))
    return bytes(content)


def read_toml(path: Path, most_bytes: int = MAX_SMALL_BYTES) -> tuple[dict[str, Any], bytes]:
    """The file's table, and its bytes.

    Raises:
        OSError: it can't be read.
        ValueError: too large, no UTF-8, no TOML, or nested too deeply; the message is half a
            sentence.
    """
    content = read_small(path, most_bytes)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = error.start + 1
        raise ValueError(
            say(
                f"第 {place} 个字节起不是 UTF-8，请用编辑器另存为 UTF-8",
                f"from byte {place} on it is no UTF-8; save it as UTF-8",
            )
        ) from None
    # tomllib walks the whole key again for each of its parts: 50,000 of them take half a minute.
    if text.count(".") > _MAX_DOTS:
        dots = max(piece.count(".") for piece in _BETWEEN_KEYS.split(text))
        if dots > _MAX_DOTS:
            raise ValueError(_too_deep())
    try:
        return tomllib.loads(text), content
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(_no_toml(str(error))) from None


def unread(error: OSError) -> str:
    """Half a sentence: why a file can't be read."""
    match error:
        case FileNotFoundError():
            return say("没有这个文件，请检查路径", "no such file; check the path")
        case IsADirectoryError():
            return say("这是目录，不是文件", "it is a directory, not a file")
        case PermissionError():
            return say("没有权限读取", "no permission to read it")
    return error.strerror or str(error)


def unwritten(error: OSError) -> str:
    """Half a sentence: why a file can't be written."""
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return say("没有这个文件夹，请先建立", "there is no such folder; make it first")
        case IsADirectoryError():
            return say("这是文件夹，不是文件", "it is a folder, not a file")
        case FileExistsError():
            return say("这是文件，不是文件夹", "it is a file, not a folder")
        case PermissionError():
            return say("没有权限写在那里", "no permission to write there")
        case OSError(errno=errno.ENOSPC):
            return say("磁盘满了", "the disk is full")
    return error.strerror or str(error)


_TOML_FAULTS = (
    ("Cannot overwrite a value", "这一项写了两次，请删掉一个"),
    ("Cannot declare", "这张表写了两次，请合并"),
    ("Duplicate inline table key", "这一项写了两次，请删掉一个"),
    ("Expected '='", "名字后面缺 ="),
    ("Expected ']", "表名后面缺 ]"),
    ("Expected newline", "一行里多了东西，每一项要单独一行"),
    ("Unclosed array", "方括号没有合上，或两项之间缺逗号"),
    ("Unclosed inline table", "花括号没有合上，或两项之间缺逗号"),
    ("Unterminated string", "引号没有合上"),
    ("Expected '\"'", "引号没有合上"),
    ('Expected "\'"', "引号没有合上"),
    ("Illegal character", "文字里有不能用的字符（比如没合上引号就换行）"),
    ("Found invalid character", "有不能用的字符"),
    ("Unescaped", "双引号里的反斜杠要写两个，或改用单引号"),
    ("Invalid date", "不是有效的日期"),
    ("Invalid value", "值写得不对，文字要用英文引号括起来"),
    ("Invalid initial character", "缺名字，或名字没有用引号括起来"),
    ("Invalid statement", "这一行不是“名字 = 值”；中文名字要用引号括起来"),
)


def _no_toml(message: str) -> str:
    """What ``tomllib`` says, in the language of the reader; its own words where none are known."""
    found = re.search(r" \(at line (\d+), column (\d+)\)$", message)
    place = f"第 {found[1]} 行第 {found[2]} 个字" if found else "文件结尾"
    own = re.sub(r" \(at .*\)$", "", message)
    why = next((zh for en, zh in _TOML_FAULTS if message.startswith(en)), own)
    return say(f"{place}不合 TOML 的写法：{why}", message)


def _too_deep() -> str:
    return say("嵌套太深", "it is nested too deeply")
