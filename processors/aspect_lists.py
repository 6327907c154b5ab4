"""What the list of aspects says besides its words: names and trades."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from schemas.rules import Trade

__all__ = ["Listed", "id_of", "listed_aspects"]

_FILE = Path(__file__).with_name("cues_aspects.toml")


class Listed(NamedTuple):
    """An aspect of the list."""

    id: str
    name: str
    """In Chinese, as people read it."""
    trades: frozenset[Trade]
    """Where it is looked for; none: everywhere."""


@cache
def listed_aspects() -> Mapping[str, Listed]:
    """Every aspect by its id, in the file's order."""
    tree = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    return {
        id: Listed(id, table["name"], frozenset(table["trades"]))
        for id, table in tree.items()
        if "name" in table
    }


@cache
def id_of(name: str) -> str:
    """The id of an aspect by its Chinese name; of one that is not listed, the name."""
    return next((one.id for one in listed_aspects().values() if one.name == name), name)
