import json
import random
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from connectors.base import Context
from connectors.file import File
from connectors.rows import MAX_COLUMNS, START, Format, Place, Row
from connectors.sheet import is_workbook, open_rows
from schemas.errors import FatalError

Write = Callable[[str, str | bytes], Path]
XLSX = Format("xlsx")
AUTO = Format("auto")


def book(path: Path, *sheets: list[list[Any]]) -> Path:
    made = openpyxl.Workbook(write_only=True)
    for number, rows in enumerate(sheets, 1):
        sheet = made.create_sheet(f"表{number}")
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def changed(path: Path, **parts: bytes | None) -> Path:
    """The workbook with some of its parts replaced (``sheet``: the first sheet) or left out."""
    names = {"sheet": "xl/worksheets/sheet1.xml", "texts": "xl/sharedStrings.xml"}
    replaced = {names.get(name, name): content for name, content in parts.items()}
    with zipfile.ZipFile(path) as old:
        kept = {one: old.read(one) for one in old.namelist()} | replaced
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for one, content in kept.items():
            if content is not None:
                new.writestr(one, content)
    return path


def sheet(rows: str) -> bytes:
    space = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    return f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'.encode()


def read(path: Path, format: Format = XLSX, start: Place = START) -> list[Row]:
    with closing(open_rows(path, format, start)) as reader:
        return list(reader)


def cells(rows: list[Row]) -> list[dict[str, object] | str]:
    return [row.fault.kind if row.fault else dict(row.cells or {}) for row in rows]


def test_cells_are_read_as_those_of_a_csv_file(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        [
            ["编号", "内容", "时间", "认证", "赞"],
            ["4711", "云帆\n刹车失灵", datetime.fromisoformat("2024-03-01T08:30:00"), True, 12],
            [],
            [4711000000000001, "=1+1", date(2024, 3, 1), False, 1.5],
            [None, "#N/A", "2024-03-01", None],
        ],
        [["别的"]],
    )

    rows = read(path)

    assert cells(rows) == [
        {
            "编号": "4711",
            "内容": "云帆\n刹车失灵",
            "时间": "2024-03-01 08:30:00",
            "认证": "TRUE",
            "赞": 12,
        },
        {
            "编号": 4711000000000001,
            "内容": None,  # a formula that was never calculated
            "时间": "2024-03-01 00:00:00",
            "认证": "FALSE",
            "赞": 1.5,
        },
        {"编号": None, "内容": None, "时间": "2024-03-01", "认证": None, "赞": None},
    ]
    assert [row.line for row in rows] == [2, 4, 5]
    assert json.loads(rows[0].raw) == rows[0].cells


def test_a_sheet_may_be_named_and_a_header_left_out(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [["x"]], [["编号"], ["1"]])

    assert cells(read(path, Format("xlsx", sheet="表2"))) == [{"编号": "1"}]
    assert cells(read(path, Format("xlsx", header=False))) == [{"1": "x"}]
    assert cells(read(path, Format("xlsx", header=("a", "b")))) == [{"a": "x", "b": None}]
    with pytest.raises(FatalError, match="表1、表2"):
        read(path, Format("xlsx", sheet="表3"))


def test_reading_goes_on_behind_a_row(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [["n"], *([n] for n in range(2, 9))])
    whole = read(path)

    for row in whole:
        rest = read(path, XLSX, row.behind)
        assert rest == whole[whole.index(row) + 1 :]


def test_a_row_of_too_many_columns_is_its_own_fault(tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", [["n"], [1], [2, 3], ["x"] * (MAX_COLUMNS + 1), [4]])

    assert cells(read(path)) == [{"n": 1}, "schema", "schema", {"n": 4}]


@pytest.mark.parametrize(
    ("name", "content", "type"),
    [
        ("a.jsonl", b'\xef\xbb\xbf\n {"n": "1"}\n', "jsonl"),
        ("a.csv", b"n\n1\n", "csv"),
        ("a.tsv", b"n\tm\n1\t2\n", "tsv"),
    ],
)
def test_auto_is_what_it_looks_like(write: Write, name: str, content: bytes, type: str) -> None:
    path = write(name, content)

    assert cells(read(path, AUTO)) == cells(read(path, Format(type)))  # type: ignore[arg-type]
    assert cells(read(path, AUTO))[0]["n"] == "1"  # type: ignore[index]


def test_auto_finds_a_workbook_of_any_name(tmp_path: Path) -> None:
    path = book(tmp_path / "a.csv", [["n"], ["1"]])

    assert is_workbook(path)
    assert cells(read(path, AUTO)) == [{"n": "1"}]


def test_a_workbook_where_none_is_expected_is_told(tmp_path: Path) -> None:
    path = book(tmp_path / "a.csv", [["n"], ["1"]])

    with pytest.raises(FatalError, match="xlsx"):
        read(path, Format("csv"))


# --- made to hurt -------------------------------------------------------------------------------


def refuses(path: Path, word: str = ".", most_mib: float = 20) -> None:
    """Refused with a sentence, cheaply."""
    begun = time.thread_time()
    tracemalloc.start()
    try:
        with pytest.raises(FatalError, match=word) as caught:
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 500
    assert peak < most_mib * 2**20
    assert time.thread_time() - begun < 5


@pytest.mark.parametrize("part", ["sheet", "texts", "xl/styles.xml", "xl/workbook.xml", "bomb.bin"])
def test_a_zip_bomb_is_refused_unopened(tmp_path: Path, part: str) -> None:
    # Given 100 MiB in 100 KiB
    path = changed(book(tmp_path / "a.xlsx", [["n"]]), **{part: bytes(100 * 2**20)})
    assert path.stat().st_size < 200_000

    refuses(path, "太大", most_mib=2)


def test_a_bomb_that_lies_about_its_size_is_not_unpacked(tmp_path: Path) -> None:
    # Given a sheet of 30 MiB that says it has 1,000 bytes
    path = changed(book(tmp_path / "a.xlsx", [["n"]]), sheet=sheet("") + b" " * 30 * 2**20)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as parts:
        size = parts.getinfo("xl/worksheets/sheet1.xml").file_size.to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (1_000).to_bytes(4, "little")))

    tracemalloc.start()
    try:
        with pytest.raises(FatalError):
            read(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10 * 2**20


@pytest.mark.parametrize("kind", ["one row", "no rows", "rows"])
def test_a_sheet_beyond_reason_is_refused_before_it_is_held(tmp_path: Path, kind: str) -> None:
    # Given 20 MiB of XML in one row or before the first, or two million rows, packed badly
    noise = random.Random(1).randbytes(400_000).hex()
    rows = {
        "one row": f'<row r="1">{"<c/>" * 5_000_000}</row>',
        "no rows": "<!-- -->" * 2_500_000,
        "rows": "<row/>" * 2_000_000,
    }
    path = changed(
        book(tmp_path / "a.xlsx", [["n"]]), sheet=sheet(rows[kind]), **{"noise.txt": noise.encode()}
    )

    refuses(path, "太大")


def test_too_many_parts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as parts:
        for number in range(3_000):
            parts.writestr(f"{number}", b"")

    refuses(path)


@pytest.mark.parametrize(
    "rows",
    [
        '<row r="2000000000"><c r="A2000000000"><v>1</v></c></row>',
        '<row r="2"><c r="ZZZZZZZ2"><v>1</v></c></row>',
        '<row r="x"><c r="A2"><v>1</v></c></row>',
        '<row r="2"><c r="A2" t="s"><v>99</v></c></row>',
        '<row r="2"><c r="A2" t="n"><v>x</v></c></row>',
        '<row r="2"><c r="A2"',
        '<row r="2"><c r="?"><v>1</v></c></row>',
    ],
)
def test_a_sheet_made_up_by_somebody_ends_with_a_fault(tmp_path: Path, rows: str) -> None:
    first = '<row r="1"><c r="A1" t="inlineStr"><is><t>n</t></is></c></row>'
    path = changed(book(tmp_path / "a.xlsx", [["n"]]), sheet=sheet(first + rows))

    begun = time.thread_time()
    try:
        found = cells(read(path))
    except FatalError as error:
        found = ["truncated"]
        assert str(path) in str(error)

    assert found == ["truncated"]
    assert time.thread_time() - begun < 5


def test_xml_with_entities_is_refused(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE a [<!ENTITY b "' + b"x" * 9_999 + b'"><!ENTITY c "&b;&b;&b;">]>'
    path = changed(
        book(tmp_path / "a.xlsx", [["n"]]),
        sheet=bomb + sheet('<row r="1"><c t="inlineStr"><is><t>&c;</t></is></c></row>'),
    )

    refuses(path)


@pytest.mark.parametrize("damage", ["cut", "text", "old", "empty", "no sheet", "pictures only"])
def test_what_is_no_workbook_is_told(tmp_path: Path, damage: str) -> None:
    path = book(tmp_path / "a.xlsx", [["n"], ["1"]])
    content = path.read_bytes()
    if damage == "no sheet":
        changed(path, sheet=None)
    elif damage == "pictures only":
        with zipfile.ZipFile(path, "w") as parts:
            parts.writestr("a.png", b"")
    else:
        made = {"cut": content[:-300], "text": b"n\n1\n", "old": b"\xd0\xcf\x11\xe0", "empty": b""}
        path.write_bytes(made[damage])

    refuses(path)


def test_no_such_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="没有文件"):
        read(tmp_path / "none.xlsx")


def test_a_large_sheet_is_read_row_by_row(tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx", [["n", "内容"], *([n, f"第{n}条 {n * 7919}"] for n in range(20_000))]
    )

    tracemalloc.start()
    try:
        with closing(open_rows(path, XLSX)) as reader:
            count = sum(1 for _ in reader)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 20_000
    assert peak < 12 * 2**20


# --- as a source --------------------------------------------------------------------------------

MAPPING = """
[format]
type = "xlsx"
[post]
platform = { value = "crm" }
id = "编号"
kind = { value = "message" }
text = "内容"
author.id = "作者"
published_at = "时间"
author.verified = "认证"
engagement.likes = "赞"
"""


async def test_a_workbook_becomes_posts_and_goes_on_where_it_stopped(
    context: Context, write: Write, tmp_path: Path
) -> None:
    # Given a workbook with one row that is no post
    header = ["编号", "内容", "作者", "时间", "认证", "赞"]
    rows = [
        [n, f"第{n}条", "u", datetime.fromisoformat(f"2024-03-01T08:0{n}:00"), True, n]
        for n in range(1, 6)
    ]
    rows[2][3] = "gestern"
    path = book(tmp_path / "a.xlsx", [header, *rows])
    config = File.Config(path=path, mapping=write("m.toml", MAPPING), batch_lines=2)

    # When it is read, stopped after the first batch, and read on
    begun = File("s", config, context).batches({})
    first = await anext(begun)
    await begun.aclose()  # type: ignore[attr-defined]
    rest = [batch async for batch in File("s", config, context).batches(first.cursor)]

    # Then each row came once
    batches = [first, *rest]
    seen = [one.draft for batch in batches for one in batch.seen]
    assert [draft.id for draft in seen] == ["crm:1", "crm:2", "crm:4", "crm:5"]
    assert seen[0].published_at.isoformat() == "2024-03-01T00:01:00+00:00"
    assert seen[0].author.verified
    [bad] = [one for batch in batches for one in batch.unreadable]
    assert (bad.line, bad.kind) == (4, "schema")
    assert json.loads(bad.raw)["时间"] == "gestern"

    # And a workbook that was saved anew is read anew, since nobody knows what moved
    book(path, [header, *rows, rows[0]])
    again = [batch async for batch in File("s", config, context).batches(batches[-1].cursor)]
    assert sum(len(batch.seen) for batch in again) == 5
