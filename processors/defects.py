"""What is wrong with which part of a car: ``变速箱:异响``, ``故障码:P0171``.

A fault belongs to the nearest part before it in its sentence, at most ``_REACH`` characters away
(发动机有明显的异响), or right behind it (断裂的摆臂); one that speaks for itself (烧机油) to its
usual part. A fault behind 没有, 不 or the like is none. The lists are in ``cues_defects.toml``.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

from processors.cues import Cue, find_cues, table_of

__all__ = ["DEFECTS", "Defects", "find_defects"]

#: The word list.
DEFECTS = "defects"

#: A text that recites a list of faults must not make a record too long.
_MOST = 8
_REACH = 10
_REACH_BEHIND = 2
_SENTENCE_ENDS = frozenset("。!?;\n")
_NEGATIONS = frozenset("不没无未")
_LONG_NEGATIONS = ("没有", "不会", "从未", "未见", "毫无", "并无", "不再", "没出", "消除", "解决")
#: Single characters, too frequent for a word list: looked for only where a part was named.
_WEAK_SIGNS = frozenset("短慢断坏响抖漏卡烂掉脏软碎裂差无臭吵")
_CODE = re.compile(r"[pubc][0-3][0-9a-f]{3}(?![0-9a-z])")
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


class Defects(NamedTuple):
    """What a text says of parts and faults."""

    named: tuple[str, ...]
    """``part:fault`` and fault codes, by place, each once."""
    faults: int
    """Different faults that it names, with or without a part."""
    weak: bool
    """It names a part, and beside it something that may be a fault (亮度不够)."""
    kinds: frozenset[str]
    """The faults' names."""


_NONE = Defects((), 0, False, frozenset())


def find_defects(own: str) -> Defects:
    """Defects in a folded text, as ``prepare`` leaves it."""
    cues = find_cues(DEFECTS, own)
    return _judged(own, cues) if cues else _NONE


def _judged(own: str, cues: Sequence[Cue]) -> Defects:
    usual, parts, named = _usual_parts(), [], {}
    faults: list[Cue] = []
    weak = False
    for cue in cues:
        kind = cue.group[0]
        if kind == "p":
            parts.append(cue)
        elif kind == "f":
            # 无法启动 holds no 启动: the longest word at a place counts.
            if faults and cue.end <= faults[-1].end and cue.start > faults[-1].start:
                continue
            if faults and cue.start == faults[-1].start:
                faults.pop()
            if not _negated(own, cue.start):
                faults.append(cue)
        elif kind == "w":
            weak = True
        elif code := _code(own, cue.start):
            named[code] = None
    kinds = frozenset(fault.group[6:] for fault in faults)
    for fault in faults:
        name = fault.group[6:]
        part = _part_of(own, fault, parts) if parts else None
        part = part or usual.get(name)
        if part and len(named) < _MOST:
            named[f"{part}:{name}"] = None
    weak = bool(parts) and (weak or not _WEAK_SIGNS.isdisjoint(own))
    return Defects(tuple(named), len(kinds), weak, kinds)


def _negated(own: str, start: int) -> bool:
    if not start:
        return False
    return own[start - 1] in _NEGATIONS or own[max(0, start - 2) : start] in _LONG_NEGATIONS


def _part_of(own: str, fault: Cue, parts: Sequence[Cue]) -> str | None:
    """Name of the part that the fault belongs to."""
    best = None
    for part in parts:
        if part.end <= fault.start:
            if fault.start - part.end <= _REACH:
                best = part  # the last one is the nearest
        elif part.start >= fault.end:
            if best is None and part.start - fault.end <= _REACH_BEHIND:
                return part.group[5:]
            break
        elif part.start <= fault.start:
            best = part  # 漆面开裂: the fault's word names it
    if best is None or not _SENTENCE_ENDS.isdisjoint(own[best.end : fault.start]):
        return None
    return best.group[5:]


def _code(own: str, start: int) -> str | None:
    if start and own[start - 1] in _LETTERS:
        return None
    found = _CODE.match(own, start)
    return f"故障码:{found[0].upper()}" if found else None


@cache
def _usual_parts() -> Mapping[str, str]:
    tables = table_of(DEFECTS).items()
    return {group[6:]: str(table["usual"]) for group, table in tables if "usual" in table}
