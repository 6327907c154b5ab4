"""The base of every record: frozen, strict, one deterministic JSON line."""

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from schemas.errors import RejectedError

__all__ = ["SCHEMA_VERSION", "PlainText", "Record", "UtcTime", "check_parts", "explain"]

#: Raised when a record changes in a way that older readers can't read. New optional fields don't.
SCHEMA_VERSION = 1


_MOST_LISTED = 1_000
_LARGE_BYTES = 512 * 1024
#: Two texts of 100,000 characters that are all commas and quotes have fewer.
_MOST_PARTS = 300_000


def _to_utc(value: datetime) -> datetime:
    try:
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    except OverflowError as error:  # within hours of the years 1 and 9999
        raise ValueError("time is out of range") from error


UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, kept in UTC. A time without an offset is refused: it would be a guess."""

PlainText = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""Text without NUL characters (Elasticsearch and most databases cannot search behind one)."""


class Record(BaseModel):
    """A frozen record of one Kafka line.

    Strict: unknown fields, wrong types, NaN and infinities are refused. ``to_line`` gives the same
    bytes for the same values: fields in order of declaration, ``None`` left out, no spaces.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    bounded: ClassVar[bool] = False
    """Whether strangers write such lines, so that ``check_parts`` is asked first."""

    @classmethod
    def from_line(cls, line: bytes) -> Self:
        """Parse one JSON line.

        Raises:
            RejectedError: the line is no JSON, or no such record; the message names the field.
        """
        if cls.bounded:
            check_parts(line)
        try:
            return cls.model_validate_json(line)
        except ValidationError as error:
            raise RejectedError(*explain(error)) from error

    @classmethod
    def unchecked(cls, **values: Any) -> Self:
        """A record of values that our own code made; the others get their defaults.

        Some 7 us cheaper than the constructor, which matters where each post has many.
        """
        record = object.__new__(cls)
        _put_values(record, _defaults(cls) | values)
        _put_fields_set(record, _NOTHING_SET)
        _put_extra(record, None)
        _put_private(record, None)
        return record

    def replaced(self, **values: Any) -> Self:
        """A copy with some fields replaced, unchecked: for values that our own code made.

        ``model_copy`` also copies the set of fields that were set, once for every enricher and
        post; a frozen record can share it.
        """
        return self.holding(self.__dict__ | values)

    def holding(self, values: dict[str, Any]) -> Self:
        """A copy with all fields replaced, unchecked; it keeps ``values``, in this order."""
        copy = object.__new__(type(self))
        _put_values(copy, values)
        _put_fields_set(copy, self.__pydantic_fields_set__)
        _put_extra(copy, None)
        _put_private(copy, None)
        return copy

    def to_line(self) -> bytes:
        """One JSON line in UTF-8, without the line break."""
        return self.__pydantic_serializer__.to_json(self, exclude_none=True)


_NOTHING_SET: set[str] = set()  # shared: records are frozen

# What pydantic keeps of a record; asked directly, each costs half of ``object.__setattr__``.
_SLOTS = vars(BaseModel)
_put_values = _SLOTS["__dict__"].__set__
_put_fields_set = _SLOTS["__pydantic_fields_set__"].__set__
_put_extra = _SLOTS["__pydantic_extra__"].__set__
_put_private = _SLOTS["__pydantic_private__"].__set__


@cache
def _defaults(kind: type[Record]) -> dict[str, Any]:
    """In order of declaration, with a place for what must be given: lines keep that order."""
    shared = [name for name, field in kind.model_fields.items() if field.default_factory]
    if shared:  # all records would have the same list or mapping
        raise TypeError(f"{kind.__name__} makes {shared[0]} anew for each record: construct it")
    return {
        name: None if field.is_required() else field.default
        for name, field in kind.model_fields.items()
    }


def check_parts(line: bytes) -> None:
    """Refuse a line of more parts than any honest one, before each becomes an object.

    Raises:
        RejectedError: with such a line; of 4 MiB, it would take a second and hundreds of MiB.
    """
    if len(line) > _LARGE_BYTES and line.count(b",") + line.count(b'":') > _MOST_PARTS:
        raise RejectedError("schema", f"more than {_MOST_PARTS} parts: no such record")


def explain(error: ValidationError) -> tuple[str, str]:
    """Turn a pydantic error into (kind, one sentence): kind is ``json`` or ``schema``."""
    if error.error_count() > _MOST_LISTED:
        # Listing each of 300,000 unknown fields would take seconds, for one sentence.
        return "schema", f"{error.error_count()} things are wrong: no such record"
    first = error.errors(include_url=False, include_context=True, include_input=False)[0]
    if first["type"] == "json_invalid":
        return "json", f"not valid JSON: {first['ctx']['error']}"
    # Cut: a name may be as long as the line, and a dead letter holds both.
    field = ".".join(str(part) for part in first["loc"])[:200] or "record"
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    if first["type"] == "extra_forbidden":
        return "schema", f"unknown field {field!r}{more}"
    return "schema", f"field {field!r}: {first['msg'][:300]}{more}"
