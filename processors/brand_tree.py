"""How brands stand to each other: what is above each, and who writes for it."""

from collections.abc import Sequence

from processors.fold import fold
from schemas.rules import Brand, Trade

__all__ = ["accounts", "families", "parents", "trades"]


def parents(brands: Sequence[Brand]) -> list[int | None]:
    """The position of the brand that a brand's tag is passed on to."""
    positions = {brand.id: position for position, brand in enumerate(brands)}
    above: list[int | None] = []
    for brand in brands:
        parent = positions.get(brand.parent) if brand.parent else None
        if (
            parent is not None
            and brand.kind in ("brand", "company")
            and brands[parent].kind == "company"
        ):
            parent = None
        above.append(parent)
    return above


def families(brands: Sequence[Brand]) -> list[str]:
    """The topmost id above each brand: names of one family speak for each other."""
    above = {brand.id: brand.parent for brand in brands}
    families = []
    for brand in brands:
        top = brand.id
        while parent := above[top]:
            top = parent
        families.append(top)
    return families


def trades(brands: Sequence[Brand]) -> dict[str, Trade]:
    """What each brand sells, by id: its own trade, or that of the nearest entry above."""
    by_id = {brand.id: brand for brand in brands}
    found: dict[str, Trade] = {}
    for brand in brands:
        above: Brand | None = brand
        while above is not None and above.trade is None:
            above = by_id.get(above.parent) if above.parent else None
        if above is not None and above.trade is not None:
            found[brand.id] = above.trade
    return found


def accounts(brands: Sequence[Brand]) -> dict[str, list[int]]:
    """Positions of the accounts, by folded name."""
    named: dict[str, list[int]] = {}
    for position, brand in enumerate(brands):
        if brand.kind == "account":
            for word in brand.words:
                named.setdefault(fold(word).strip(), []).append(position)
    return named
