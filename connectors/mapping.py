"""A mapping says, in a TOML file, how the rows of a recording become posts.

A complete one::

    [format]
    type = "csv"                # csv, tsv (no quoting), jsonl, xlsx; auto: whatever it looks like
    files = ["export_*.csv*"]   # names of files that this mapping is for (optional); with folders
                                # before them, as in "weibo/*/search_*", the last of a path
    sheet = "帖子"               # of xlsx; otherwise the first
    header = true               # false: columns are "1", "2", ...; or a list of names
    encoding = "auto"           # auto, utf-8, gb18030
    delimiter = ","             # of csv
    empty = ["", "None", "null", "NULL"]    # cells that hold no value, outside people's own words

    [post]                      # field of the post = where it comes from
    platform = { value = "weibo" }                      # the same for every row
    id = { template = "{uid}-{title|hash}" }            # |hash: 12 hex digits, stable for ever
    text = "content"                                    # short for { column = "content" }
    title = { first = ["title", "subject"] }            # the first that is not empty
    author.id = { column = "uid", otherwise = "anonymous" }
    region = { column = "ip", optional = true }         # some of the files lack this column
    kind = { column = "type", map = { "原创" = "post", "转发" = "repost" }, otherwise = "post" }
    published_at = { column = "time", time = "%Y/%m/%d %H:%M", zone = "Asia/Shanghai" }

    [[when]]                    # fields to add or replace in some rows; the first that fits counts
    column = "type"
    is = ["转发"]
    [when.post]
    root_id = "root"

    [join]                      # text of an earlier row (one without a root) for the reposts of it
    root_text = { from = "text", key = "mid", by = "root" }

Fields are those of a post, ``source`` excepted: it is the connector's name. ``id``, ``parent_id``
and ``root_id`` get the platform in front unless they have it. ``time`` is ``auto`` (see
``connectors/cells.py``), ``iso``, ``unix``, ``unix_ms`` or a strptime pattern; ``zone`` counts
where the time names none. In JSON, ``a.b`` is the value ``b`` within ``a``. A row that no
``[[when]]`` describes is made by ``[post]`` alone, and is unreadable when that is no complete post.

Limits: ``[join]`` keeps the texts of the last 50,000 roots, and only of rows before.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from connectors.fields import REQUIRED, Field, Take, show
from connectors.rows import Cells, Format
from schemas.errors import RejectedError
from schemas.language import say
from schemas.post import PostDraft
from schemas.record import explain

__all__ = ["Join", "RowMapping", "When"]

_IDS = frozenset(("id", "parent_id", "root_id"))


@dataclass(frozen=True, slots=True)
class When:
    """The fields of the rows whose ``column`` holds one of ``values``."""

    column: str
    take: Take
    values: frozenset[str]
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Columns by which a repost finds the text of its root."""

    text: str
    key: str
    by: str


@dataclass(frozen=True, slots=True)
class RowMapping:
    """A mapping, checked and ready to run; ``connectors.mapping_file`` reads one."""

    path: Path
    digest: bytes
    """Of the mapping file: another mapping reads a recording anew."""
    format: Format
    fields: tuple[Field, ...] | None
    """For rows that no ``when`` describes; ``None``: such a row is unreadable."""
    whens: tuple[When, ...]
    join: Join | None

    def columns(self, there: Collection[str] = ()) -> set[str]:
        """Every column that must be there; of an optional field that must have a value, one."""
        fields = [*(self.fields or ()), *(field for when in self.whens for field in when.fields)]
        named: set[str] = set()
        for field in fields:
            needed = field.name in REQUIRED and field.otherwise is None
            if not field.optional or (needed and not set(field.columns) & set(there)):
                named.update(field.columns)
        named.update(when.column for when in self.whens)
        if self.join is not None:
            named.update((self.join.text, self.join.key, self.join.by))
        return named

    def draft(self, cells: Cells, source: str, root_text: str | None = None) -> PostDraft:
        """The post of one row; ``root_text`` counts where the mapping fills none.

        Raises:
            RejectedError: the row does not fit; the message names the column and its value.
        """
        values: dict[str, Any] = {"source": source}
        fields = self._fields_of(cells)
        for field in fields:
            value = field.value(cells)
            if value is None:
                continue
            if field.group is not None:
                values.setdefault(field.group, {})[field.key] = value
            elif field.key in _IDS:
                prefix = f"{values['platform']}:"
                known = isinstance(value, str) and value.startswith(prefix)
                values[field.key] = value if known else f"{prefix}{value}"
            else:
                values[field.key] = value
        if root_text:
            values.setdefault("root_text", root_text)
        try:
            return PostDraft.model_validate(values)
        except ValidationError as error:
            raise _misfit(error, fields, cells) from error

    def _fields_of(self, cells: Cells) -> tuple[Field, ...]:
        for when in self.whens:
            if str(when.take(cells)) in when.values:
                return when.fields
        if self.fields is None:
            column = self.whens[0].column
            value = show(cells.get(column))
            raise RejectedError(
                "schema",
                say(
                    f"列 {column!r} 的值 {value} 没有对应的 [[when]]",
                    f"no [[when]] describes {value} in column {column!r}",
                ),
            )
        return self.fields


def _misfit(error: ValidationError, fields: tuple[Field, ...], cells: Cells) -> RejectedError:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    for field in fields:
        if field.name == name and field.columns:
            return field.misfit(cells, first["msg"])
    return RejectedError(*explain(error))
