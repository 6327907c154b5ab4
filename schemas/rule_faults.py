"""What is wrong with a rule file, entry by entry and all at once."""

from typing import Any

from pydantic import ValidationError

from schemas.language import say

__all__ = ["rule_faults"]

#: Of a file that is something else altogether.
MOST_FAULTS = 50


def rule_faults(error: ValidationError, tree: Any) -> list[str]:
    """One sentence for each fault, without its full stop; entries are named by their ids.

    ``tree`` is what was validated.
    """
    faults = error.errors(include_url=False, include_input=False)
    told = [f"{_where(fault['loc'], tree)}{_what(fault)}" for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        more = len(faults) - MOST_FAULTS
        told.append(say(f"另有 {more} 处", f"and {more} more"))
    return told


def _where(location: tuple[int | str, ...], tree: Any) -> str:
    """``rules[3] (brake) query: ``; ids where there are any, since nobody counts entries."""
    shown = ""
    for part in location:
        tree = _inside(tree, part)
        if isinstance(part, int):
            shown += f"[{part + 1}]"
            if isinstance(tree, dict) and isinstance(tree.get("id"), str):
                shown += f" ({tree['id'][:64]})"
        else:
            shown += f" {part[:64]}" if shown else part[:64]
    return f"{shown}: " if shown else ""


def _inside(tree: Any, part: int | str) -> Any:
    try:
        return tree[part]
    except (KeyError, IndexError, TypeError):
        return None


def _what(fault: Any) -> str:
    context = fault.get("ctx", {})
    match fault["type"]:
        case "missing":
            return say("缺这一项，请补上", "it is missing, add it")
        case "extra_forbidden":
            return say(
                "没有这一项，请查拼写", "there is no such entry (unknown field), see its name"
            )
        case "string_too_long":
            most = context["max_length"]
            return say(
                f"超过 {most} 个字，请缩短或拆成几条",
                f"longer than {most} characters, shorten or split it",
            )
        case "duplicate_id":
            kinds = {"brand": "品牌", "rule": "规则（含关键词）"}
            what, id = context["what"], context["id"]
            return say(
                f"有两条{kinds.get(what, what)}的 id 都是 {id}，请改掉一个",
                f"two entries of kind {what} have the id '{id}', change one",
            )
        case "unknown_parent":
            return say(
                f"品牌 {context['id']} 的 parent 是 {context['parent']}，而没有这个 id 的品牌；"
                "请补上，或去掉 parent",
                str(fault["msg"]),
            )
        case "parent_cycle":
            return say(
                f"品牌 {context['id']} 的上级绕回了 {context['parent']}；请去掉其中一个 parent",
                str(fault["msg"]),
            )
        case "string_pattern_mismatch" if fault["loc"][-1:] == ("id",):
            return say(
                "id 只能用小写字母、数字、_ 和 -，并以字母或数字开头",
                "an id has lower-case letters, digits, _ and - only, a letter or digit first",
            )
        case "timezone_aware":
            return say(
                "时间缺时区，请写成 2026-01-05T09:00:00+08:00",
                "the time lacks its zone (timezone), write 2026-01-05T09:00:00+08:00",
            )
    return str(fault["msg"])[:300]
