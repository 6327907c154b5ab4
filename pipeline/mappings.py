"""Finds the mapping of a file that comes without one."""

from collections.abc import Sequence
from contextlib import closing
from fnmatch import fnmatchcase
from pathlib import Path

import orjson

from connectors.mapping_file import check_columns, read_mapping
from connectors.sheet import open_rows
from schemas.errors import FatalError
from schemas.language import say
from schemas.small_file import read_toml

__all__ = ["SHIPPED", "mapping_for", "needed_mapping"]

SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "mappings"
_TABLES = {".csv", ".tsv", ".xlsx"}
#: A line with none of them is no post in our own form.
_OURS = {"platform", "kind", "published_at"}


def mapping_for(file: Path) -> Path | None:
    """``posts.mapping.toml`` beside ``posts.csv``, else a shipped mapping whose ``format.files``
    fits the file's name (or, with folders, the end of its path), else None: the file holds posts
    in our own form.
    """
    beside = file.with_name(file.name.split(".")[0] + ".mapping.toml")
    if beside.is_file():
        return beside
    for mapping in sorted(SHIPPED.glob("*.toml")):
        table = read_toml(mapping)[0]
        if any(_fits(file, name) for name in table.get("format", {}).get("files", [])):
            return mapping
    return None


def _fits(file: Path, pattern: str) -> bool:
    parts = pattern.split("/")
    ends = file.absolute().parts[-len(parts) :]
    return len(ends) == len(parts) and all(map(fnmatchcase, ends, parts))


def needed_mapping(file: Path) -> Path | None:
    """``mapping_for`` a file that is about to be read.

    Raises:
        FatalError: there is none, and the file does not hold posts in our own form.
    """
    mapping = mapping_for(file)
    if mapping is not None:
        return mapping
    if _TABLES & set(file.suffixes):
        raise FatalError(
            say(
                f"{file} 是表格，需要列映射：请用 --mapping 给出（例子：deploy/mappings/"
                "example_csv.toml）。",
                f"{file} is a table and needs a column mapping: give one with --mapping (an "
                "example is deploy/mappings/example_csv.toml).",
            )
        )
    columns = _first_keys(file)
    if columns and not _OURS & set(columns):
        shown, names = ", ".join(columns[:5]), _fitting(columns, file)
        raise FatalError(
            say(
                f"{file} 不是听潮自己的格式（字段：{shown}……），需要列映射：请用 --mapping 给出；"
                f"deploy/mappings/ 里有 {names}。",
                f"{file} is not in our own form (its fields: {shown}, ...) and needs a mapping: "
                f"give one with --mapping; deploy/mappings/ has {names}.",
            )
        )
    return None


def _first_keys(file: Path) -> list[str]:
    """The fields of the first line, when that is a JSON object."""
    with closing(open_rows(file, None)) as rows:
        first = next(iter(rows), None)
    try:
        found = orjson.loads(first.raw) if first is not None else None
    except orjson.JSONDecodeError:
        return []  # a broken line among good ones becomes a dead letter
    return list(found) if isinstance(found, dict) else []


def _fitting(columns: Sequence[str], file: Path) -> str:
    """The names of the shipped mappings that can read such a line, else of all."""
    shipped = sorted(SHIPPED.glob("*.toml"))
    fitting = [mapping for mapping in shipped if _has_columns(mapping, columns, file)]
    return say("、", ", ").join(mapping.name for mapping in fitting or shipped)


def _has_columns(mapping: Path, columns: Sequence[str], file: Path) -> bool:
    try:
        check_columns(read_mapping(mapping), columns, file)
    except FatalError:
        return False
    return True
