"""Finds the mapping of a file that comes without one."""

from fnmatch import fnmatchcase
from pathlib import Path

from schemas.small_file import read_toml

__all__ = ["SHIPPED", "mapping_for"]

SHIPPED = Path(__file__).resolve().parents[1] / "deploy" / "mappings"


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
