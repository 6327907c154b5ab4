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
    # A list whose only item is wrong is also told to be too short.
    parents = {fault["loc"][:depth] for fault in faults for depth in range(len(fault["loc"]))}
    faults = [one for one in faults if one["type"] != "too_short" or one["loc"] not in parents]
    told = [f"{_where(fault['loc'], tree)}{_what(fault)}" for fault in faults[:MOST_FAULTS]]
    if len(faults) > MOST_FAULTS:
        more = len(faults) - MOST_FAULTS
        told.append(say(f"另有 {more} 处", f"and {more} more"))
    return told


def _where(location: tuple[int | str, ...], tree: Any) -> str:
    """``rules[3] (brake) query: ``; ids where there are any, since nobody counts entries."""
    shown = ""
    for number, part in enumerate(location):
        if part in ("text", "table") and isinstance(location[number - 1], int):
            continue  # which kind of name it is: nothing that the file says
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
        case "too_many_examples":
            count, most = context["count"], context["most"]
            return say(
                f"这套规则一共有 {count} 个例子，最多 {most} 个；请删掉一些，或拆成几套规则",
                f"{fault['msg']}; take some away, or split the set",
            )
        case "timezone_aware":
            return say(
                "时间缺时区，请写成 2026-01-05T09:00:00+08:00",
                "the time lacks its zone (timezone), write 2026-01-05T09:00:00+08:00",
            )
    return _wrong_pattern(fault) or _wrong_size(fault, context) or _wrong_type(fault, context)


def _wrong_pattern(fault: Any) -> str | None:
    if fault["type"] != "string_pattern_mismatch":
        return None
    match fault["loc"][-1]:
        case "id" | "parent":
            return say(
                "id 只能用小写字母、数字、_ 和 -，并以字母或数字开头",
                "an id has lower-case letters, digits, _ and - only, a letter or digit first",
            )
        case "begin" | "end":
            return say(
                "时刻要写成 00:00 到 23:59，如 09:30",
                "write a time from 00:00 to 23:59, like 09:30",
            )
    return say("文字里有空字符（NUL），请删掉它", "the text has a NUL character, take it away")


def _wrong_size(fault: Any, context: Any) -> str | None:
    match fault["type"]:
        case "greater_than_equal":
            least = context["ge"]
            return say(f"不能小于 {least}", f"it must not be less than {least}")
        case "less_than_equal":
            most = context["le"]
            return say(f"不能大于 {most}", f"it must not be greater than {most}")
        case "too_short":
            least = context["min_length"]
            return say(f"至少要写 {least} 项", f"it needs at least {least} of them")
        case "too_long":
            most = context["max_length"]
            return say(f"最多 {most} 项，请删掉一些", f"at most {most} of them, take some away")
        case "string_too_short":
            return say("不能是空的，请填上文字", "it must not be empty, write a text")
    return None


def _wrong_type(fault: Any, context: Any) -> str:
    match fault["type"]:
        case "literal_error":
            known = context["expected"]
            listed = known.replace("'", "").replace(" or ", "、").replace(", ", "、")
            return say(f"只能是 {listed} 中的一个", f"it must be one of {known}")
        case "tuple_type":
            return say(
                '要写成一列，用方括号括起来，如 ["一", "二"]；表写成 [[名字]]',
                'it must be a list in brackets, like ["one", "two"]; tables as [[name]]',
            )
        case "model_type" | "model_attributes_type" | "dict_type":
            return say(
                '要写成一张表，如 { id = "一" }，不能是别的',
                'it must be a table, like { id = "one" }',
            )
        case "string_type":
            return say("要写成带引号的文字", "it must be a text in quotation marks")
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return say(
                "要写成整数，不带引号和小数点", "it must be a whole number without quotation marks"
            )
        case "bool_type" | "bool_parsing":
            return say("只能是 true 或 false", "it must be true or false")
        case kind if kind.startswith("datetime_") or fault["loc"][-1:] == ("changed_at",):
            return say(
                "不是有效的时间，请写成 2026-01-05T09:00:00+08:00",
                "it is no valid time, write 2026-01-05T09:00:00+08:00",
            )
    return str(fault["msg"])[:300]
