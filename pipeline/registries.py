"""Registries: files of brands that rule files include."""

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from schemas.language import say
from schemas.rule_faults import rule_faults
from schemas.rules import Brand
from schemas.small_file import read_toml, unread

__all__ = ["with_registries"]

_MOST_FILES = 32

Tree = dict[str, Any]


def with_registries(folder: Path, tree: Tree) -> Tree:
    """The table of a rule file, its ``include`` and ``own`` replaced by brands.

    ``include`` names files, from the rule file's ``folder``. ``own`` names included brands that are
    ours, with all below them; the others are competitors unless their file says otherwise. A brand
    that the rule file writes itself stands for the included one of the same id.

    Raises:
        ValueError: a file can't be used, or ``own`` names no included brand; half a sentence.
        OSError: a file can't be read.
    """
    files, own = _texts(tree, "include"), _texts(tree, "own")
    if not files and not own:
        return tree
    if len(files) > _MOST_FILES:
        raise ValueError(
            say(f"include 超过 {_MOST_FILES} 个文件", f"include has over {_MOST_FILES} files")
        )
    brands = [brand for file in files for brand in _brands(folder / file)]
    parents = {brand["id"]: brand.get("parent") for brand in brands}
    if unknown := [id for id in own if id not in parents]:
        raise ValueError(
            say(
                f"own 里的 {unknown[0]} 不是所含文件中的品牌；请写那里的 id",
                f"own names {unknown[0]!r}, which no included file has; write an id of theirs",
            )
        )
    for brand in brands:
        mine = _is_below(brand["id"], set(own), parents)
        brand.setdefault("role", "competitor")
        if mine:
            brand["role"] = "own"
        _check(brand)
    rest = {key: value for key, value in tree.items() if key not in ("include", "own")}
    written = rest.get("brands", [])
    if not isinstance(written, list):
        return rest  # no rule set, as its own check says
    ids = [brand.get("id") for brand in written if isinstance(brand, dict)]
    replaced = {id for id in ids if isinstance(id, str)}  # of any other kind: refused later
    return rest | {"brands": [*written, *(b for b in brands if b["id"] not in replaced)]}


def _texts(tree: Tree, key: str) -> list[str]:
    value = tree.get(key, [])
    if isinstance(value, list) and all(isinstance(text, str) for text in value):
        return value
    raise ValueError(say(f"{key} 要写成一列文字", f"{key} must be a list of texts"))


def _brands(path: Path) -> list[Tree]:
    """The brands of a registry, unchecked but for their ids."""
    try:
        tree, _ = read_toml(path)
    except (OSError, ValueError) as error:
        why = unread(error) if isinstance(error, OSError) else str(error)
        raise ValueError(
            say(f"include 的 {path} 读不了：{why}", f"included file {path}: {why}")
        ) from error
    brands = tree.get("brands")
    if tree.keys() == {"brands"} and isinstance(brands, list):
        if all(isinstance(brand, dict) and isinstance(brand.get("id"), str) for brand in brands):
            return brands
    raise ValueError(
        say(
            f"include 的 {path} 只能有 [[brands]]，每个都要有 id",
            f"included file {path} must hold [[brands]] only, each with an id",
        )
    )


def _check(brand: Tree) -> None:
    """Name the brand, not its number in a list that nobody wrote."""
    try:
        Brand.model_validate(brand, strict=False)
    except ValidationError as error:
        why = "; ".join(rule_faults(error, brand))
        raise ValueError(
            say(f"所含品牌 {brand['id']}：{why}", f"included brand {brand['id']}: {why}")
        ) from error


def _is_below(id: str, top: set[str], parents: dict[str, Any]) -> bool:
    """Whether a brand is one of ``top`` or stands below one."""
    seen: set[str] = set()
    above: Any = id
    while above is not None and above not in seen:
        if above in top:
            return True
        seen.add(above)
        above = parents.get(above) if isinstance(above, str) else None
    return False
