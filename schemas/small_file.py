"""Files that people write by hand are small: settings, rules, mappings, secrets, a corrected line.

Nothing is read beyond the limit, so that a wrong path (a device, a log of gigabytes) ends with a
sentence and not with all memory gone.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

from schemas.language import say

__all__ = ["MAX_SMALL_BYTES", "read_small", "read_toml"]

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


def _too_deep() -> str:
    return say("嵌套太深", "it is nested too deeply")
