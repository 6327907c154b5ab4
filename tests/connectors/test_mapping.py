from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connectors.fields import FIELDS, REQUIRED
from connectors.mapping import RowMapping
from connectors.mapping_file import check_columns, read_mapping
from schemas.errors import FatalError, RejectedError
from schemas.post import Author, Engagement, PostDraft
from schemas.record import Record

Write = Callable[[str, str | bytes], Path]
Read = Callable[[str], RowMapping]

REPOSITORY = Path(__file__).resolve().parents[2]

FORMAT = '[format]\ntype = "jsonl"\n'
POST = """
[post]
platform = { value = "weibo" }
id = "mid"
kind = { value = "post" }
text = "text"
author.id = "uid"
published_at = "time"
"""
ROW = {"mid": 4711, "text": "很好用", "uid": "u1", "time": "2024-03-01 08:30:00"}


@pytest.fixture
def mapping(write: Write) -> Read:
    return lambda text: read_mapping(write("映射.toml", text))


def test_every_field_of_a_post_can_be_mapped() -> None:
    nested: dict[str, type[Record]] = {"author": Author, "engagement": Engagement}
    expected = {
        f"{name}.{inner}" if name in nested else name
        for name in PostDraft.model_fields
        if name != "source"
        for inner in (nested[name].model_fields if name in nested else ("",))
    }

    assert set(FIELDS) == expected


def test_a_row_becomes_a_draft(mapping: Read) -> None:
    draft = mapping(FORMAT + POST).draft(ROW, "导入")

    assert draft == PostDraft(
        id="weibo:4711",
        platform="weibo",
        kind="post",
        text="很好用",
        author=Author(id="u1"),
        published_at=datetime(2024, 3, 1, 0, 30, tzinfo=UTC),
        source="导入",
    )


def mapped(mapping: Read, line: str, row: dict[str, object]) -> PostDraft:
    """A draft by the usual mapping with one more line, which replaces its namesake."""
    name = line.split(" = ")[0]
    rest = [known for known in POST.splitlines() if not known.startswith(f"{name} =")]
    return mapping(FORMAT + "\n".join([*rest, line])).draft(ROW | row, "s")


@pytest.mark.parametrize(
    ("line", "row", "field", "value"),
    [
        ('id = { template = "{uid}-{mid}" }', {}, "id", "weibo:u1-4711"),
        ('id = { template = "{text|hash}" }', {}, "id", "weibo:37f3b818a3d0"),
        ('id = "mid"', {"mid": "weibo:1"}, "id", "weibo:1"),
        ('root_id = "root"', {"root": "12"}, "root_id", "weibo:12"),
        ('root_id = "root"', {"root": "None"}, "root_id", None),
        ('root_id = "root"', {"root": " "}, "root_id", None),
        ('root_id = "root"', {"root": None}, "root_id", None),
        ('root_id = "root"', {}, "root_id", None),
        ('parent_id = { template = "{root}-1" }', {"root": None}, "parent_id", None),
        ('title = { first = ["a", "b"] }', {"a": "", "b": "标题"}, "title", "标题"),
        ('title = { first = ["a", "b"] }', {}, "title", None),
        ('title = "a"', {"a": "None"}, "title", "None"),
        ('text = "a"', {"a": None}, "text", ""),
        ('text = "a"', {"a": " 空格 "}, "text", " 空格 "),
        ('text = { column = "a", otherwise = "" }', {}, "text", ""),
        ('text = "a.b"', {"a": {"b": "内层"}}, "text", "内层"),
        ('text = "a.b"', {"a.b": "外层"}, "text", "外层"),
        ('kind = { column = "k", map = { "转发" = "repost" } }', {"k": "转发"}, "kind", "repost"),
        (
            'kind = { column = "k", map = { "转发" = "repost" }, otherwise = "post" }',
            {"k": "新类型"},
            "kind",
            "post",
        ),
        (
            'kind = { column = "k", map = { "post" = "repost" }, otherwise = "post" }',
            {"k": ""},
            "kind",
            "post",
        ),
        ('kind = { column = "k", map = { "2" = "comment" } }', {"k": 2}, "kind", "comment"),
        ('deleted = "d"', {"d": "是"}, "deleted", True),
        ("deleted = { value = true }", {}, "deleted", True),
        ('url = { template = "https://weibo.com/{mid}" }', {}, "url", "https://weibo.com/4711"),
        (
            'published_at = { column = "t", time = "%d/%m/%Y", zone = "UTC" }',
            {"t": "01/03/2024"},
            "published_at",
            datetime(2024, 3, 1, tzinfo=UTC),
        ),
    ],
)
def test_where_a_value_comes_from(
    mapping: Read, line: str, row: dict[str, object], field: str, value: object
) -> None:
    assert getattr(mapped(mapping, line, row), field) == value


def test_nested_fields_of_a_post(mapping: Read) -> None:
    extra = 'author.followers = "f"\nengagement.likes = "l"\nengagement.heat = "h"\n'
    row = ROW | {"f": "1,200", "l": 3.0, "h": "15784854484.8"}

    draft = mapping(FORMAT + POST + extra).draft(row, "s")

    assert draft.author.followers == 1200
    assert draft.engagement == Engagement(likes=3, heat=15784854484.8)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"time": "昨天"}, ["'time'", "'昨天'", "published_at"]),
        ({"time": None}, ["'time'", "published_at"]),
        ({"mid": ""}, ["'mid'", "id"]),
        ({"mid": "a b"}, ["'mid'", "'a b'", "id"]),
        ({"mid": "4.98123E+15"}, ["'mid'", "科学计数法"]),
        ({"mid": "长" * 200}, ["'mid'", "128"]),
        ({"uid": None}, ["'uid'", "author.id"]),
        ({"uid": {"id": 1}}, ["'uid'", "author.id"]),
        ({"text": ["a"]}, ["'text'", "['a']"]),
        ({"text": "字" * 700_000}, ["'text'", "100000"]),
        ({"text": "前\x00后"}, ["'text'", r"\x00"]),
        ({"text": "半个\ud83d"}, ["'text'", r"\ud83d"]),
        ({"text": "#话题# " * 5_000}, ["1000"]),
        ({"time": "0001-01-01"}, ["'time'"]),
    ],
)
def test_a_row_that_does_not_fit_names_the_column_and_the_value(
    mapping: Read, row: dict[str, object], says: list[str]
) -> None:
    with pytest.raises(RejectedError) as caught:
        mapping(FORMAT + POST).draft(ROW | row, "s")

    assert caught.value.kind == "schema"
    message = str(caught.value)
    assert all(part in message for part in says), message
    assert len(message) < 300
    message.encode()  # it goes into a record


def test_a_missing_column_is_not_an_empty_text(mapping: Read) -> None:
    row = {name: value for name, value in ROW.items() if name != "text"}

    with pytest.raises(RejectedError, match="'text'"):
        mapping(FORMAT + POST).draft(row, "s")


@pytest.mark.parametrize("time", ["1970-01-01 08:00:00", "2099-12-31 08:00:00"])
def test_an_absurd_time_is_kept_as_the_source_claims_it(mapping: Read, time: str) -> None:
    draft = mapping(FORMAT + POST).draft(ROW | {"time": time}, "s")

    assert str(draft.published_at.year) == time[:4]


WHEN = """
[[when]]
column = "type"
is = ["转发", "2"]
[when.post]
kind = { value = "repost" }
root_id = "root"
[[when]]
column = "type"
is = ["评论"]
[when.post]
kind = { value = "comment" }
"""


@pytest.mark.parametrize(
    ("type", "kind", "root"),
    [("转发", "repost", "weibo:9"), (2, "repost", "weibo:9"), ("评论", "comment", None)],
)
def test_rows_of_a_type_have_their_own_fields(
    mapping: Read, type: object, kind: str, root: str | None
) -> None:
    draft = mapping(FORMAT + POST + WHEN).draft(ROW | {"type": type, "root": 9}, "s")

    assert (draft.kind, draft.root_id) == (kind, root)


def test_a_row_of_no_type_needs_a_complete_post(mapping: Read) -> None:
    # Given one mapping whose [post] is complete, and one whose kind depends on the type
    row = ROW | {"type": "赞"}
    common = POST.replace('kind = { value = "post" }', "")

    # Then only the first makes a post of any row
    assert mapping(FORMAT + POST + WHEN).draft(row, "s").kind == "post"
    with pytest.raises(RejectedError, match="'赞'"):
        mapping(FORMAT + common + WHEN).draft(row, "s")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("不是 TOML", ["TOML"]),
        ("[format]\n", ["format.type", "csv / tsv / jsonl"]),
        ('[format]\ntype = "json"', ["format.type", "'json'", "'jsonl'"]),
        ('[format]\ntype = "csv"\nheader = 1', ["format.header"]),
        ('[format]\ntype = "csv"\ndelimiter = ";;"', ["format.delimiter"]),
        ('[format]\ntype = "csv"\nencoding = "gbk"', ["format.encoding", "gb18030"]),
        ('[format]\ntype = "csv"\nheaders = true', ["'headers'", "'header'"]),
        (FORMAT, ["platform"]),
        (FORMAT + POST.replace("[post]", "[posts]"), ["'posts'", "'post'"]),
        (FORMAT + POST + 'tilte = "t"', ["post", "'tilte'", "'title'"]),
        (FORMAT + POST + 'author.follower = "f"', ["'author.follower'", "'author.followers'"]),
        (FORMAT + POST + 'source = "s"', ["'source'"]),
        (FORMAT + POST.replace("author.id", "author"), ["post.author"]),
        (FORMAT + POST.replace('id = "mid"', ""), ["id"]),
        (FORMAT + POST.replace('"post"', '"tweet"'), ["kind", "'tweet'", "repost"]),
        (FORMAT + POST.replace('"weibo"', '"微博"'), ["platform", "'微博'"]),
        (FORMAT + POST + "title = 5", ["post.title"]),
        (FORMAT + POST + "title = {}", ["post.title", "template"]),
        (FORMAT + POST + 'title = { column = "a", value = "b" }', ["post.title"]),
        (FORMAT + POST + 'title = { colum = "a" }', ["'colum'", "'column'"]),
        (FORMAT + POST + 'title = { column = "a", time = "iso" }', ["'time'"]),
        (FORMAT + POST + 'title = { first = "a" }', ["post.title.first"]),
        (FORMAT + POST + 'url = { template = "{a|sha}" }', ["'sha'", "'hash'"]),
        (FORMAT + POST + 'url = { template = "a}" }', ["post.url.template"]),
        (FORMAT + POST + 'deleted = { value = "也许" }', ["post.deleted"]),
        (FORMAT + POST + 'deleted = { column = "d", map = { a = "也许" } }', ["post.deleted.map"]),
        (FORMAT + POST.replace('"time"', '{ column = "t", time = "is" }'), ["published_at", "iso"]),
        (FORMAT + POST.replace('"time"', '{ column = "t", zone = "北京" }'), ["'北京'"]),
        (FORMAT + POST + '[when]\ncolumn = "a"', ["[[when]]"]),
        (FORMAT + POST + '[[when]]\nis = ["a"]', ["when.1.column"]),
        (FORMAT + POST + '[[when]]\ncolumn = "a"', ["when.1.is"]),
        (FORMAT + POST + '[join]\nroot = "a"', ["'root'", "'root_text'"]),
        (FORMAT + POST + '[join]\nroot_text = { from = "a", key = "b" }', ["by"]),
    ],
)
def test_a_mistake_names_the_file_the_key_and_what_is_near(
    mapping: Read, text: str, says: list[str]
) -> None:
    with pytest.raises(FatalError) as caught:
        mapping(text)

    message = str(caught.value)
    assert all(part in message for part in ["映射.toml", *says]), message


def test_a_mapping_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"没有\.toml"):
        read_mapping(tmp_path / "没有.toml")


def test_columns_are_compared_with_the_file(mapping: Read) -> None:
    read = mapping(FORMAT + POST + WHEN)
    columns = [*ROW, "type", "root"]

    check_columns(read, columns, Path("a.csv"))
    with pytest.raises(FatalError, match=r"'time'.*'times'"):
        check_columns(read, [*set(columns) - {"time"}, "times"], Path("a.csv"))


@pytest.mark.parametrize(
    "path", sorted(REPOSITORY.glob("deploy/mappings/*.toml")), ids=lambda p: p.stem
)
def test_the_mappings_that_come_along_are_valid(path: Path) -> None:
    mapping = read_mapping(path)

    for fields in (mapping.fields, *(when.fields for when in mapping.whens)):
        assert fields is None or {field.name for field in fields} >= set(REQUIRED)


def test_a_file_may_lack_optional_columns(write: Write) -> None:
    # Given a required field of two columns, one of which has to be there, and an optional one
    mapping = read_mapping(
        write(
            "m.toml",
            """
            [format]
            type = "csv"
            [post]
            platform = { value = "crm" }
            id = { first = ["id", "number"], optional = true }
            kind = { value = "post" }
            text = "text"
            author.id = { column = "who", optional = true, otherwise = "anonymous" }
            published_at = "at"
            region = { column = "ip", optional = true }
            """,
        )
    )

    # Then a file needs no more than that
    check_columns(mapping, ["number", "text", "at"], Path("a.csv"))
    row = {"number": "1", "text": "x", "at": "2024-03-01"}
    draft = mapping.draft(row, "s")
    assert (draft.id, draft.author.id, draft.region) == ("crm:1", "anonymous", None)
    with pytest.raises(FatalError, match="'id'"):
        check_columns(mapping, ["text", "at"], Path("a.csv"))
    with pytest.raises(FatalError, match="'text'"):
        check_columns(mapping, ["id", "at"], Path("a.csv"))
