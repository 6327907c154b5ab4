"""What differs between two versions of a rule set, in words."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from schemas.language import say
from schemas.record import Record
from schemas.rules import RuleSet

__all__ = ["Change", "changes_between", "counted"]

_SHOWN = 200
_OF_THE_SET = ("team", "hours", "channels")
_PARTS: dict[str, tuple[str, str]] = {
    "brands": ("品牌", "brand"),
    "keywords": ("关键词", "keywords"),
    "rules": ("规则", "rule"),
}


@dataclass(frozen=True)
class Change:
    """One entry of the set that is new, gone, or not what it was."""

    kind: Literal["added", "removed", "changed"]
    part: str
    """``brands``, ``keywords``, ``rules``, or ``set`` for what stands at the top of the file."""
    id: str
    name: str
    details: tuple[str, ...] = ()
    """One sentence for each field that changed, named as in the file."""

    @property
    def sentence(self) -> str:
        """The change in one line; its details are further lines."""
        zh, en = _PARTS.get(self.part, ("规则集", "set"))
        sign = {"added": "+", "removed": "-", "changed": "~"}[self.kind]
        return f"{sign} {say(zh, en)} {self.id}  {self.name}".rstrip()


def changes_between(old: RuleSet, new: RuleSet) -> list[Change]:
    """What was removed, changed and added, part by part in the order of the file.

    Version, author, reason and time differ always and are left out; so is a new order of entries,
    which changes no verdict.
    """
    details = tuple(_details(old, new, _OF_THE_SET))
    changes = [Change("changed", "set", new.id, "", details)] if details else []
    for part in _PARTS:
        before = {one.id: one for one in getattr(old, part)}
        after = {one.id: one for one in getattr(new, part)}
        for id, one in before.items():
            if id not in after:
                changes.append(Change("removed", part, id, one.name))
            elif details := tuple(_details(one, after[id], type(one).model_fields)):
                changes.append(Change("changed", part, id, after[id].name, details))
        changes += [
            Change("added", part, id, one.name) for id, one in after.items() if id not in before
        ]
    return changes


def counted(changes: Sequence[Change]) -> str:
    """How many entries came, went and changed: ``+2 -1 ~3``."""
    kinds = [change.kind for change in changes]
    numbers = (kinds.count("added"), kinds.count("removed"), kinds.count("changed"))
    return " ".join(
        f"{sign}{number}" for sign, number in zip("+-~", numbers, strict=True) if number
    )


def _details(old: Record, new: Record, fields: Any) -> Iterator[str]:
    for field in fields:
        before, after = getattr(old, field), getattr(new, field)
        if before == after:
            continue
        if isinstance(before, tuple) and isinstance(after, tuple):
            yield _list_detail(field, before, after)
        else:
            yield f"{field}: {_shown(before)} → {_shown(after)}"


def _list_detail(field: str, before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    came = [f"+{_shown(item)}" for item in after if item not in before]
    went = [f"-{_shown(item)}" for item in before if item not in after]
    if not came and not went:
        return say(f"{field}: 顺序或重复不同", f"{field}: another order, or repeats")
    text = "  ".join(went + came)
    return f"{field}: {text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}"


def _shown(value: Any) -> str:
    if value is None:
        return say("（空）", "(none)")
    text = value.to_line().decode() if isinstance(value, Record) else str(value)
    return text[:_SHOWN] + ("…" if len(text) > _SHOWN else "")
