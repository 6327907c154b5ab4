"""What forums answer in JSON, read leniently: other versions add, drop and retype fields."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from connectors.cells import as_count, as_flag, as_text, time_reader
from schemas.errors import RejectedError
from schemas.language import say

__all__ = ["Fields"]

_MOST_COUNT = 2**53
_read_time = time_reader("auto", UTC)


class Fields:
    """A JSON object of a stranger: each value by its name, as what it should be.

    A missing, null or senseless optional value is ``None`` or empty; a number may be a string.

    Raises:
        RejectedError: what is given is no object.
    """

    def __init__(self, given: Any) -> None:
        if not isinstance(given, dict):
            raise RejectedError(
                "schema",
                say("这里应是 JSON 对象", "expected a JSON object here"),
            )
        self._given: dict[str, Any] = given

    def text(self, *names: str) -> str:
        """The first of these that is a text or a number and not empty; else empty."""
        for name in names:
            value = self._given.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
                return as_text(value)
        return ""

    def count(self, name: str) -> int | None:
        """A whole number from 0 on."""
        try:
            number = as_count(self._given.get(name))
        except (ValueError, OverflowError):
            return None
        return number if 0 <= number <= _MOST_COUNT else None

    def number(self, name: str) -> int:
        """A whole number from 0 on that must be there.

        Raises:
            RejectedError: it is not.
        """
        found = self.count(name)
        if found is None:
            raise RejectedError(
                "schema", say(f"字段 {name} 不是编号", f"field {name!r} is no number")
            )
        return found

    def flag(self, name: str) -> bool:
        """Whether it says yes; a missing one says no."""
        try:
            return as_flag(self._given.get(name))
        except ValueError:
            return False

    def time(self, *names: str) -> datetime:
        """The first of these that is a time.

        Raises:
            RejectedError: none is.
        """
        for name in names:
            try:
                return _read_time(self._given.get(name))
            except ValueError:
                continue
        raise RejectedError(
            "schema", say(f"字段 {names[0]} 不是时间", f"field {names[0]!r} is no time")
        )

    def part(self, name: str) -> "Fields":
        """An object inside; empty when there is none."""
        value = self._given.get(name)
        return Fields(value if isinstance(value, dict) else {})

    def items(self, name: str) -> Iterator[Any]:
        """The values of a list; none when there is no list."""
        value = self._given.get(name)
        return iter(value if isinstance(value, list) else ())

    def has(self, name: str) -> bool:
        """Whether there is anything but null."""
        return self._given.get(name) is not None
