"""What is wrong with which part of a car: ``变速箱:异响``, ``故障码:P0171``.

A fault belongs to the nearest part before it in its sentence, at most ``_REACH`` characters away
(发动机有明显的异响), or right behind it (断裂的摆臂); one that speaks for itself (烧机油) to its
usual part. A fault behind 没有, 不 or the like is none. The lists are in ``defects.toml``.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from processors.word_batches import Batch, Numbers, Places, WordList

__all__ = ["LIST", "NO_DEFECTS", "Defects", "defects_of"]

LIST = WordList("defects")

#: A text that recites a list of faults must not make a record too long.
_MOST = 8
_REACH = 10
_REACH_BEHIND = 2
#: Single characters, too frequent for a word list: looked for only where a part was named.
_WEAK_SIGNS = frozenset("短慢断坏响抖漏卡烂掉脏软碎裂差无臭吵")
_CODE = re.compile(r"(?<![0-9a-z])[pubc][0-3][0-9a-f]{3}(?![0-9a-z])")


def _points(*texts: str) -> npt.NDArray[np.uint64]:
    """The code points of texts of one or two characters, each text as one number."""
    return np.array(
        [sum(ord(sign) << 32 * place for place, sign in enumerate(text[::-1])) for text in texts],
        np.uint64,
    )


_SENTENCE_ENDS = _points(*"。!?;\n")
_NEGATIONS = _points(*"不没无未")
_LONG_NEGATIONS = _points(
    *"没有 不会 从未 未见 毫无 并无 不再 没出 消除 解决 没什 排除 避免 防止".split()
)
_NAMES = [group.partition(":")[2] for group in LIST.groups]
_KINDS = np.array([group[0] for group in LIST.groups])
_GROUP = LIST.groups_of[:, 0]
_USUAL: Sequence[str | None] = [table.get("usual") for table in LIST.tables.values()]


class Defects(NamedTuple):
    """What a text says of parts and faults."""

    named: tuple[str, ...] = ()
    """``part:fault`` and fault codes, each once."""
    kinds: frozenset[str] = frozenset()
    """The faults' names, with or without a part."""
    weak: bool = False
    """It names a part, and beside it something that may be a fault (亮度不够)."""


NO_DEFECTS = Defects()


def defects_of(batch: Batch, places: Places) -> Mapping[int, Defects]:
    """Of each text that names a part or a fault, by its number."""
    # A word that is part and fault (漏气 of several things) has several groups; the first counts.
    group = _GROUP[places.word]
    kind = _KINDS[group]
    parts = np.flatnonzero(kind == "p")
    faults = np.flatnonzero(kind == "f")
    faults = faults[~negated(batch, places.start[faults])]
    found: dict[int, tuple[dict[str, None], set[str]]] = {}
    for place in np.flatnonzero(kind == "c").tolist():
        if code := _CODE.match(batch.joined, int(places.start[place])):
            named = found.setdefault(int(places.text[place]), ({}, set()))[0]
            named[f"故障码:{code[0].upper()}"] = None
    beside = _parts_beside(batch, places, faults, parts)
    part_group = np.where(beside >= 0, group[beside], -1) if len(faults) else beside
    columns = (places.text[faults], group[faults], part_group)
    for text, fault, part in zip(*(column.tolist() for column in columns), strict=True):
        names, kinds = found.setdefault(text, ({}, set()))
        kinds.add(_NAMES[fault])
        of = _NAMES[part] if part >= 0 else _USUAL[fault]
        if of and len(names) < _MOST:
            names[f"{of}:{_NAMES[fault]}"] = None
    defects = {
        text: Defects(tuple(names), frozenset(kinds)) for text, (names, kinds) in found.items()
    }
    hinted = set(places.text[kind == "w"].tolist())
    for text in dict.fromkeys(places.text[parts].tolist()):
        if text not in defects and (
            text in hinted or not _WEAK_SIGNS.isdisjoint(batch.texts[text])
        ):
            defects[text] = Defects(weak=True)
    return defects


def negated(batch: Batch, start: Numbers) -> npt.NDArray[np.bool_]:
    """Whether 不, 没有 or the like stands right before each place."""
    points = batch.points
    last = np.where(start > 0, points[start - 1], 0).astype(np.uint64)
    before = np.where(start > 1, points[start - 2], 0).astype(np.uint64)
    result: npt.NDArray[np.bool_] = np.isin(last, _NEGATIONS)
    result |= np.isin((before << np.uint64(32)) | last, _LONG_NEGATIONS)
    return result


def _parts_beside(batch: Batch, places: Places, faults: Numbers, parts: Numbers) -> Numbers:
    """For each fault the place of its part, or -1."""
    if not len(parts) or not len(faults):
        return np.full(len(faults), -1, np.int64)
    ends = np.zeros(len(batch.points) + 1, np.int64)
    np.cumsum(np.isin(batch.points, _SENTENCE_ENDS), out=ends[1:])
    start, end = places.start[faults], places.end[faults]
    part_start, part_end = places.start[parts], places.end[parts]
    next_one = np.searchsorted(part_start, start, side="left")
    before, behind = next_one - 1, np.minimum(next_one, len(parts) - 1)
    good = (before >= 0) & (start - part_end[before] <= _REACH)
    good &= ends[np.maximum(start, part_end[before])] == ends[part_end[before]]
    near = (part_start[behind] >= end) & (part_start[behind] - end <= _REACH_BEHIND)
    near &= ends[np.maximum(part_start[behind], end)] == ends[end]
    beside: Numbers = np.where(good, parts[before], np.where(near, parts[behind], -1))
    return beside
