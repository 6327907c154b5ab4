import gzip
import random
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.rows import KEPT_BYTES, MAX_ROW_BYTES, START, Format, Place, Row, RowReader
from schemas.errors import FatalError

Write = Callable[[str, str | bytes], Path]

CSV = Format("csv")
JSONL = Format("jsonl")


def read(path: Path, format: Format | None, start: Place = START) -> list[Row]:
    with closing(RowReader(path, format, start)) as reader:
        return list(reader)


def cells(rows: list[Row]) -> list[dict[str, object] | str]:
    """The rows' cells, or the kind of their fault."""
    return [row.fault.kind if row.fault else dict(row.cells or {}) for row in rows]


def test_csv_with_line_breaks_and_commas_in_quotes(write: Write) -> None:
    path = write("帖子.csv", '编号,内容\r\n1,"第一行\n第二行，""引号"""\r\n\r\n2,"a,b"\r\n')

    rows = read(path, CSV)

    assert cells(rows) == [
        {"编号": "1", "内容": '第一行\n第二行，"引号"'},
        {"编号": "2", "内容": "a,b"},
    ]
    assert [row.line for row in rows] == [2, 5]
    assert rows[0].raw == '1,"第一行\n第二行，""引号"""'.encode()
    assert rows[-1].behind == (5, path.stat().st_size)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "gb18030", "gbk", "gb2312"])
def test_the_encoding_is_found(write: Write, codec: str) -> None:
    path = write("a.csv", "编号,内容\n1,刹车失灵，厂家不管\n2,客服态度很好\n".encode(codec))

    assert cells(read(path, CSV)) == [
        {"编号": "1", "内容": "刹车失灵，厂家不管"},
        {"编号": "2", "内容": "客服态度很好"},
    ]


def test_four_byte_signs_of_gb18030(write: Write) -> None:
    path = write("a.jsonl", '{"内容": "𠮷野家 😀"}\n'.encode("gb18030"))

    assert cells(read(path, JSONL)) == [{"内容": "𠮷野家 😀"}]


@pytest.mark.parametrize(("codec", "other"), [("utf-8", "gb18030"), ("gb18030", "utf-8")])
def test_a_line_in_another_encoding_is_only_that_rows_fault(
    write: Write, codec: str, other: str
) -> None:
    # Given a file with one line that came from somewhere else
    good = ["编号,内容", "1,很好用", "2,不推荐购买", "3,还行吧"]
    lines = [line.encode(codec) for line in good]
    lines.insert(2, "9,质量".encode("gb18030") if other == "gb18030" else b"9,\xff\xff")
    path = write("a.csv", b"\n".join(lines))

    # When it is read
    rows = read(path, CSV)

    # Then its neighbours pass
    assert [row.get("编号") if isinstance(row, dict) else row for row in cells(rows)] == [
        "1",
        "encoding",
        "2",
        "3",
    ]
    assert rows[1].line == 3
    assert rows[1].raw == lines[2]


def test_a_named_encoding_is_not_guessed(write: Write) -> None:
    path = write("a.csv", "编号\n很好\n".encode("gb18030"))

    with pytest.raises(FatalError, match="表头"):
        read(path, Format("csv", encoding="utf-8"))
    assert cells(read(path, Format("csv", encoding="gb18030"))) == [{"编号": "很好"}]


def test_utf16_is_refused_with_a_sentence(write: Write) -> None:
    with pytest.raises(FatalError, match="UTF-16"):
        read(write("a.csv", "编号,内容\n".encode("utf-16")), CSV)


def test_a_quote_that_is_never_closed_costs_one_row(write: Write) -> None:
    path = write("a.csv", '编号,内容\n1,好\n2,"没有闭合\n3,好\n4,"也\n好"\n5,好\n')

    rows = read(path, CSV)

    assert [(row.line, row.fault.kind if row.fault else None) for row in rows] == [
        (2, None),
        (3, "schema"),
        (4, None),
        (5, None),
        (7, None),
    ]
    assert rows[3].cells == {"编号": "4", "内容": "也\n好"}


def test_a_quote_that_is_never_closed_at_the_end(write: Write) -> None:
    path = write("a.csv", '编号,内容\n1,"没有闭合\n2,好\n')

    assert cells(read(path, CSV)) == ["schema", {"编号": "2", "内容": "好"}]


@pytest.mark.parametrize("line", ["1", "1,好,多", '1,"好"多'])
def test_a_row_of_another_width_is_refused(write: Write, line: str) -> None:
    path = write("a.csv", f"编号,内容\n{line}\n2,好\n")

    assert cells(read(path, CSV)) == ["schema", {"编号": "2", "内容": "好"}]


def test_headerless_tsv_has_numbered_columns_and_no_quoting(write: Write) -> None:
    path = write("a.tsv", '1\t"引号\n2\t好\t\n')

    assert cells(read(path, Format("tsv", header=False))) == [
        {"1": "1", "2": '"引号'},
        {"1": "2", "2": "好", "3": ""},
    ]


def test_a_header_in_the_mapping_names_the_columns(write: Write) -> None:
    path = write("a.csv", "1;好\n2;坏;多\n")

    assert cells(read(path, Format("csv", ("编号", "内容"), delimiter=";"))) == [
        {"编号": "1", "内容": "好"},
        "schema",
    ]


def test_a_repeated_column_name_is_numbered(write: Write) -> None:
    path = write("a.csv", "时间, 时间 ,时间\n1,2,3\n")

    assert cells(read(path, CSV)) == [{"时间": "1", "时间#2": "2", "时间#3": "3"}]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"a": ', "json"),
        (b'{"a": NaN}', "json"),
        (b'{"a": "\\ud83d"}', "json"),
        (b"[" * 100_000, "json"),
        (b"null", "schema"),
        (b'["a"]', "schema"),
        (b'"a"', "schema"),
        (b'{"a": "\xff"}', "encoding"),
        (b'{"a": "\xed\xa0\xbd"}', "encoding"),
    ],
)
def test_a_broken_line_of_json_is_only_that_rows_fault(
    write: Write, line: bytes, kind: str
) -> None:
    path = write("a.jsonl", b'{"a": 1}\n\n' + line + b'\n{"a": 2}')

    rows = read(path, JSONL)

    assert cells(rows) == [{"a": 1}, kind, {"a": 2}]
    assert rows[1].line == 3
    assert rows[1].raw == line


@pytest.mark.parametrize("format", [JSONL, Format("csv", header=False), None])
@pytest.mark.parametrize("packed", [False, True])
def test_a_row_that_is_too_large_keeps_its_beginning(
    write: Write, format: Format | None, packed: bool
) -> None:
    # Given a line over the limit between two others
    content = b'{"a":1}\n' + b"x" * (MAX_ROW_BYTES + 1) + b'\n{"a":2}\n'
    path = write("a", gzip.compress(content) if packed else content)

    # When it is read
    rows = read(path, format)

    # Then its neighbours pass, and the cursor counts all of its bytes
    assert [row.fault.kind if row.fault else None for row in rows] == [None, "too_large", None]
    assert rows[1].raw == b"x" * KEPT_BYTES
    assert rows[-1].behind == (3, len(content))


def test_a_row_within_the_limit_passes(write: Write) -> None:
    text = "长" * 700_000
    path = write("a.csv", f'内容\n"{text}\n"\n')

    assert cells(read(path, CSV)) == [{"内容": f"{text}\n"}]


@pytest.mark.parametrize("lines", [2_000, 50_000])
def test_a_gzip_cut_short_gives_what_it_holds_and_says_so(write: Write, lines: int) -> None:
    # Given a gzip that lacks its second half
    digits = random.Random(7)
    content = b"".join(b'{"a": %d}\n' % digits.getrandbits(64) for _ in range(lines))
    packed = gzip.compress(content)
    path = write("a.jsonl.gz", packed[: len(packed) // 2])

    # When it is read
    rows = read(path, JSONL)

    # Then the rows before the cut are there, and the last one tells
    assert lines / 4 < len(rows) < lines
    assert rows[-1].fault is not None
    assert rows[-1].fault.kind == "truncated"
    assert str(rows[-1].line) in str(rows[-1].fault)
    assert not any(row.fault for row in rows[:-1])


def test_a_damaged_gzip_is_told(write: Write) -> None:
    rows = read(write("a.gz", b"\x1f\x8b" + b"no gzip at all"), JSONL)

    assert cells(rows) == ["truncated"]


@pytest.mark.parametrize("format", [CSV, JSONL, None])
def test_an_empty_file_has_no_rows(write: Write, format: Format | None) -> None:
    assert read(write("a", b""), format) == []
    assert read(write("b", b"\n\n  \n"), format) == []


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match="没有文件"):
        read(tmp_path / "没有.csv", CSV)
    with pytest.raises(FatalError, match="无法读取"):
        read(tmp_path, CSV)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("codec", ["utf-8-sig", "gb18030"])
def test_reading_goes_on_behind_any_row(write: Write, packed: bool, codec: str) -> None:
    # Given a file with line breaks in quotes, blank lines and a bad row
    content = '编号,内容\n1,"一\n二"\n\n2,好\n3\n4,"没有\n5,好\n'.encode(codec)
    path = write("a.csv", gzip.compress(content) if packed else content)
    rows = read(path, CSV)
    assert len(rows) == 5

    # When it is read again from behind each row
    # Then exactly the rows after it come
    for place, row in enumerate(rows):
        assert [(r.line, r.raw, r.cells) for r in read(path, CSV, row.behind)] == [
            (r.line, r.raw, r.cells) for r in rows[place + 1 :]
        ]


NASTY = st.sampled_from(
    [b"1,2", b'"', b'""', b",", b'1,"', b'",2', b"\xff", b"\r", b"\x00", "好".encode(), b"{}", b" "]
)


@settings(
    deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.lists(NASTY, max_size=3).map(b"".join), max_size=12))
@pytest.mark.parametrize(
    "format", [Format("csv", ("一", "二")), Format("tsv", header=False), JSONL, None]
)
def test_no_line_is_lost_or_read_twice(
    write: Write, format: Format | None, lines: list[bytes]
) -> None:
    rows = read(write("a", b"\n".join(lines)), format)

    read_lines = [number for row in rows for number in range(row.line, row.behind.line + 1)]
    assert read_lines == sorted(set(read_lines))
    for number, line in enumerate(lines, 1):
        assert number in read_lines or not line.strip()
