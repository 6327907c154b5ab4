"""Values that a query asks a field for and that no post will have."""

from collections.abc import Iterable, Iterator, Mapping

from processors.query_fields import PLATFORMS, field_of, plain_value
from processors.query_tree import FieldIs, Node, children_of
from schemas.language import say
from schemas.rules import Brand

__all__ = ["brand_ids", "value_advice"]


def brand_ids(brands: Iterable[Brand]) -> dict[str, str]:
    """The id that is meant by an id, a name or an alias, each as queries compare it."""
    ids: dict[str, str] = {}
    listed = list(brands)
    for brand in listed:
        for word in (brand.name, *brand.words):
            ids.setdefault(plain_value(word), brand.id)
    return ids | {brand.id: brand.id for brand in listed}


def value_advice(node: Node, ids: Mapping[str, str]) -> list[str]:
    """Warnings about values, each one sentence; ``ids`` are the ``brand_ids`` of the rule's set."""
    return [
        say(
            f"第 {part.place.start + 1} 个字：{told[0]}",
            f"At character {part.place.start + 1}: {told[1]}",
        )
        for part in _fields_of(node)
        if (told := _doubt(part, ids)) is not None
    ]


def _fields_of(node: Node) -> Iterator[FieldIs]:
    if isinstance(node, FieldIs):
        yield node
    for child in children_of(node):
        yield from _fields_of(child)


def _doubt(part: FieldIs, ids: Mapping[str, str]) -> tuple[str, str] | None:
    name, value = part.name, part.value
    field = field_of(name)
    if field is None or field.closed:
        return None
    # An address may well have a question mark.
    if "*" in value or ("?" in value and name != "url"):
        return (
            f"{name} 的值里没有通配，“{value}”里的 * 和 ? 按原样比较；请写完整的值，几个值用 OR。",
            f"values of {name} have no wildcards, {value!r} is compared as it is written; write "
            "the whole value, several with OR.",
        )
    if name == "brand":
        return _brand_doubt(value, ids)
    if name == "platform" and value not in PLATFORMS:
        return (
            f"没有叫“{value}”的已知平台；请写英文名，如 weibo（自己的来源起的名字可以照用）。",
            f"{value!r} is no known platform; write its id, such as weibo (one that a source of "
            "yours goes by is fine).",
        )
    return None


def _brand_doubt(value: str, ids: Mapping[str, str]) -> tuple[str, str] | None:
    meant = ids.get(value)
    if meant == value:
        return None
    if meant is not None:
        return (
            f"品牌要写 id，“{value}”的 id 是 {meant}；请写 brand:{meant}。",
            f"a brand is named by its id, that of {value!r} is {meant}; write brand:{meant}.",
        )
    return (
        f"这套规则里没有 id 为“{value}”的品牌，这个条件不会成立；请查 [[brands]] 里的 id。",
        f"this rule set has no brand with the id {value!r}, so this never holds; see the ids in "
        "[[brands]].",
    )
