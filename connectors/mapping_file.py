"""Reads a mapping file; ``connectors/mapping.py`` documents the language.

Every mistake is a ``FatalError`` that names the file, the key and the nearest valid name: a person
corrects it before the first row is read.
"""

import hashlib
import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn, get_args

from connectors.cells import as_word, time_reader, time_zone
from connectors.fields import (
    FIELDS,
    REQUIRED,
    WORDS_OF_PEOPLE,
    Convert,
    Field,
    Take,
    column,
    first,
    template,
)
from connectors.mapping import Join, RowMapping, When
from connectors.rows import Format
from schemas.errors import FatalError
from schemas.language import say
from schemas.post import PostKind
from schemas.small_file import read_toml, unread

__all__ = ["check_columns", "read_mapping"]

_SOURCES = ("column", "template", "value", "first")
_TYPES = ("csv", "tsv", "jsonl", "xlsx", "auto")
_FORMAT = ("type", "files", "header", "encoding", "delimiter", "empty", "sheet")
_EMPTY = ["", "None", "null", "NULL"]
_SLOT = re.compile(r"\{([^{}|]+)(\|[^{}]*)?\}")
_PLATFORM = re.compile(r"[a-z][a-z0-9-]{0,31}")


def read_mapping(path: Path) -> RowMapping:
    """Read and check a mapping file.

    Raises:
        FatalError: not readable, no TOML, an unknown name, a missing field or a wrong value.
    """
    try:
        table, content = read_toml(path)
    except OSError as error:
        why = unread(error)
        raise FatalError(
            say(
                f"读不到映射文件 {path}：{why}。",
                f"the mapping {path} can't be read: {why}",
            )
        ) from error
    except ValueError as error:
        raise FatalError(
            say(
                f"映射文件 {path} 不是有效的 TOML：{error}。",
                f"the mapping {path} is no valid TOML: {error}",
            )
        ) from error
    return _Reader(path).mapping(table, hashlib.sha256(content).digest())


def check_columns(mapping: RowMapping, columns: Sequence[str], file: Path) -> None:
    """Compare a mapping with the columns that a file really has.

    Raises:
        FatalError: the mapping names a column that the file lacks.
    """
    for name in sorted(mapping.columns(columns) - set(columns)):
        _refuse(
            mapping.path,
            say(f"{file} 里没有列 {name!r}", f"{file} has no column {name!r}")
            + _nearest(name, columns),
        )


class _Reader:
    """Checks the tables of one mapping file, key by key."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def mapping(self, table: dict[str, Any], digest: bytes) -> RowMapping:
        self._names("", table, ("format", "post", "when", "join"))
        self._format, self._empty = self._read_format(table.get("format"))
        common = self._read_fields("post", table.get("post", {}))
        whens = self._read_whens(table.get("when", []), common)
        if not whens:
            self._require("post", common)
        complete = all(name in common for name in REQUIRED)
        join = self._read_join(table["join"]) if "join" in table else None
        fields = _in_order(common) if complete else None
        return RowMapping(self._path, digest, self._format, fields, whens, join)

    def _read_format(self, tree: object) -> tuple[Format, frozenset[str]]:
        table = self._table("format", tree)
        self._names("format", table, _FORMAT)
        if "files" in table:  # read by whoever looks for a mapping
            self._texts("format.files", table["files"])
        kind = self._one_of("format.type", table.get("type"), _TYPES)
        header = table.get("header", True)
        if isinstance(header, list):
            header = self._texts("format.header", header)
        elif not isinstance(header, bool):
            self._refuse_value("format.header", header, 'true, false, ["..."]')
        encodings = ("auto", "utf-8", "gb18030")
        encoding = self._one_of("format.encoding", table.get("encoding", "auto"), encodings)
        delimiter = self._text("format.delimiter", table.get("delimiter", ","))
        if len(delimiter) != 1 or delimiter in '\r\n"':
            self._refuse_value("format.delimiter", delimiter, r'",", ";", "\t", "|"')
        empty = frozenset(self._texts("format.empty", table.get("empty", _EMPTY)))
        sheet = self._text("format.sheet", table["sheet"]) if "sheet" in table else None
        form = Format(kind, header, encoding, delimiter, sheet)  # type: ignore[arg-type]
        return form, empty | {""}

    def _read_fields(self, where: str, tree: object) -> dict[str, Field]:
        fields: dict[str, Field] = {}
        groups = {name.split(".")[0] for name in FIELDS if "." in name}
        for name, spec in self._table(where, tree).items():
            if name in groups:
                for key, inner in self._table(f"{where}.{name}", spec).items():
                    fields[f"{name}.{key}"] = self._read_field(where, f"{name}.{key}", inner)
            else:
                fields[name] = self._read_field(where, name, spec)
        return fields

    def _read_field(self, where: str, name: str, spec: object) -> Field:
        if name not in FIELDS:
            self._unknown(where, name, tuple(FIELDS))
        key = f"{where}.{name}"
        table = {"column": spec} if isinstance(spec, str) else self._table(key, spec)
        timed = name == "published_at"
        also = ("map", "otherwise", "optional", *(("time", "zone") * timed))
        self._names(key, table, (*_SOURCES, *also))
        optional = table.get("optional", False)
        if not isinstance(optional, bool):
            self._refuse_value(f"{key}.optional", optional, "true, false")
        sources = [source for source in _SOURCES if source in table]
        if len(sources) != 1:
            self._refuse(
                say(
                    f"{key} 要有且只有一个来源：column、template、value 或 first",
                    f"{key} needs exactly one of column, template, value, first",
                )
            )
        convert = self._read_time(key, table) if timed else FIELDS[name]
        otherwise = None
        if "otherwise" in table:
            otherwise = self._constant(f"{key}.otherwise", name, table["otherwise"], convert)
        empty = frozenset(("",)) if name in WORDS_OF_PEOPLE else self._empty
        columns, take = self._read_source(key, sources[0], table[sources[0]], empty)
        if "map" in table:
            convert = self._read_map(f"{key}.map", name, table["map"], otherwise, convert)
        elif sources[0] == "value":
            self._constant(f"{key}.value", name, table["value"], convert)
        group, _, last = name.rpartition(".")
        return Field(name, group or None, last, columns, take, convert, otherwise, empty, optional)

    def _read_source(
        self, key: str, source: str, value: object, empty: frozenset[str]
    ) -> tuple[tuple[str, ...], Take]:
        if source == "value":
            return (), lambda cells: value
        if source == "first":
            names = self._texts(f"{key}.first", value)
            return names, first([self._column(name) for name in names], empty)
        text = self._text(f"{key}.{source}", value)
        if source == "column":
            return (text,), self._column(text)
        return self._read_template(f"{key}.template", text)

    def _read_template(self, key: str, text: str) -> tuple[tuple[str, ...], Take]:
        literals: list[str] = []
        slots: list[tuple[Take, bool]] = []
        names: list[str] = []
        end = 0
        for slot in _SLOT.finditer(text):
            name, function = slot.groups()
            if function not in (None, "|hash"):
                self._unknown(key, function[1:], ("hash",))
            literals.append(text[end : slot.start()])
            slots.append((self._column(name), function is not None))
            names.append(name)
            end = slot.end()
        literals.append(text[end:])
        if not names or any("{" in literal or "}" in literal for literal in literals):
            self._refuse_value(key, text, '"{mid}", "{time}-{title|hash}"')
        return tuple(names), template(literals, slots, self._empty)

    def _column(self, name: str) -> Take:
        return column(name, nested=self._format.type in ("jsonl", "auto"))

    def _read_time(self, key: str, table: dict[str, Any]) -> Convert:
        format = self._text(f"{key}.time", table.get("time", "auto"))
        zone = self._text(f"{key}.zone", table.get("zone", "Asia/Shanghai"))
        try:
            return time_reader(format, time_zone(zone))
        except ValueError as error:
            self._refuse(say(f"{key}：{error}", f"{key}: {error}"))

    def _read_map(
        self, key: str, name: str, tree: object, otherwise: object, convert: Convert
    ) -> Convert:
        table = self._table(key, tree)
        words = {word: self._constant(key, name, value, convert) for word, value in table.items()}

        def translate(cell: object) -> object:
            found = words.get(as_word(cell), otherwise)
            if found is None:
                raise ValueError(say(f"{key} 里没有", f"not in {key}"))
            return found

        return translate

    def _constant(self, key: str, name: str, value: object, convert: Convert) -> object:
        if name == "kind":
            self._one_of(key, value, get_args(PostKind))
        if name == "platform" and not _PLATFORM.fullmatch(str(value)):
            self._refuse_value(key, value, '"weibo", "my-forum"')
        try:
            return convert(value)
        except ValueError as error:
            self._refuse(say(f"{key} = {value!r}：{error}", f"{key} = {value!r}: {error}"))

    def _read_whens(self, tree: object, common: dict[str, Field]) -> tuple[When, ...]:
        if not isinstance(tree, list):
            self._refuse(say("when 要写成 [[when]]", "when must be written as [[when]]"))
        whens: list[When] = []
        for number, entry in enumerate(tree, 1):
            where = f"when.{number}"
            table = self._table(where, entry)
            self._names(where, table, ("column", "is", "post"))
            name = self._text(f"{where}.column", table.get("column"))
            values = frozenset(self._texts(f"{where}.is", table.get("is")))
            fields = common | self._read_fields(f"{where}.post", table.get("post", {}))
            self._require(f"{where}.post", fields)
            whens.append(When(name, self._column(name), values, _in_order(fields)))
        return tuple(whens)

    def _read_join(self, tree: object) -> Join:
        table = self._table("join", tree)
        self._names("join", table, ("root_text",))
        names = ("from", "key", "by")
        spec = self._table("join.root_text", table.get("root_text"))
        self._names("join.root_text", spec, names)
        return Join(*(self._text(f"join.root_text.{name}", spec.get(name)) for name in names))

    def _require(self, where: str, fields: dict[str, Field]) -> None:
        for name in REQUIRED:
            if name not in fields:
                self._refuse(say(f"[{where}] 缺少字段 {name}", f"[{where}] lacks the field {name}"))

    def _names(self, where: str, table: dict[str, Any], valid: tuple[str, ...]) -> None:
        for name in table:
            if name not in valid:
                self._unknown(where, name, valid)

    def _unknown(self, where: str, name: str, valid: tuple[str, ...]) -> NoReturn:
        place = f"[{where}] " if where else ""
        self._refuse(
            say(f"{place}不认识 {name!r}", f"{place}knows no {name!r}") + _nearest(name, valid)
        )

    def _table(self, key: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._refuse_value(key, value, say("一个表", "a table"))
        return value

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str) or not value:
            self._refuse_value(key, value, say("一段文字", "a text"))
        return value

    def _texts(self, key: str, value: object) -> tuple[str, ...]:
        listed = value if isinstance(value, list) else None
        if not listed or not all(isinstance(item, str) for item in listed):
            self._refuse_value(key, value, '["...", "..."]')
        return tuple(listed)

    def _one_of(self, key: str, value: object, valid: tuple[str, ...]) -> str:
        if value not in valid:
            self._refuse_value(key, value, " / ".join(valid), _near(str(value), valid))
        return str(value)

    def _refuse_value(self, key: str, value: object, wanted: str, near: str = "") -> NoReturn:
        if value is None:
            self._refuse(say(f"没有写 {key}，应为 {wanted}", f"{key} is missing: {wanted}"))
        self._refuse(
            say(f"{key} = {value!r}，应为 {wanted}", f"{key} = {value!r}: {wanted}") + near
        )

    def _refuse(self, what: str) -> NoReturn:
        _refuse(self._path, what)


def _in_order(fields: dict[str, Field]) -> tuple[Field, ...]:
    return tuple(fields[name] for name in FIELDS if name in fields)


def _near(name: str, valid: Sequence[str]) -> str:
    near = get_close_matches(name, valid, 1, 0.5)
    return say(f"，是不是 {near[0]!r}？", f"; did you mean {near[0]!r}?") if near else ""


def _nearest(name: str, valid: Sequence[str]) -> str:
    return _near(name, valid) or say(
        f"，有的是：{'、'.join(valid)}", f"; there are: {', '.join(valid)}"
    )


def _refuse(path: Path, what: str) -> NoReturn:
    raise FatalError(say(f"映射文件 {path}：{what}", f"mapping {path}: {what}"))
