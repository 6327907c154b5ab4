"""Folds that keep texts which quote each other together.

Half of a chain of reposts in training would teach a model the other half, and its figures would
flatter. ``linear_training.deal`` parts equal texts only.
"""

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from processors.linear_training import FOLDS, Places

__all__ = ["chains", "deal_chains"]

_QUOTED = re.compile(r"//\s*@[^:：]{0,40}[:：]")
_LEAST_LETTERS = 8
"""Shorter parts, as 转发微博 or 哈哈哈, are said by strangers too."""


def chains(texts: Sequence[str]) -> list[int]:
    """The place of the first text of each text's chain.

    Two texts are of one chain where they are equal but for signs, where one quotes the other, or
    where both quote a third of some length.
    """
    parents = list(range(len(texts)))

    def first_of(place: int) -> int:
        while parents[place] != place:
            parents[place] = parents[parents[place]]
            place = parents[place]
        return place

    seen: dict[str, int] = {}
    for place, text in enumerate(texts):
        for part in _parts(text):
            one, other = first_of(place), first_of(seen.setdefault(part, place))
            parents[max(one, other)] = min(one, other)
    return [first_of(place) for place in range(len(texts))]


def deal_chains(texts: Sequence[str], classes: Places) -> Places:
    """The fold of each text: chains are dealt out in the order of their hash, those that begin
    with each class by themselves, so every fold has some of it."""
    firsts = np.array(chains(texts), dtype=np.intp)
    heads = [int(place) for place in np.unique(firsts)]
    heads.sort(key=lambda place: hashlib.sha256(_plain(texts[place]).encode()).digest())
    order = np.array(heads, dtype=np.intp)
    folds = np.zeros(len(texts), np.intp)
    for one in np.unique(classes[order]):
        mine = order[classes[order] == one]
        folds[mine] = np.arange(len(mine)) % FOLDS
    dealt: Places = folds[firsts]
    return dealt


def _parts(text: str) -> list[str]:
    whole = _plain(text)
    parts = [_plain(part) for part in _QUOTED.split(text)]
    return [whole, *(part for part in parts if len(part) >= _LEAST_LETTERS and part != whole)]


def _plain(text: str) -> str:
    plain = re.sub(r"\W+", "", text.lower()) or text.strip()
    return plain.encode("utf-8", "replace").decode()
