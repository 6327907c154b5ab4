import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from connectors.base import Batch, Context, Cursor
from connectors.drafts import EARLIEST
from connectors.file import File
from connectors.rows import MAX_ROW_BYTES
from schemas.errors import FatalError

Write = Callable[[str, str | bytes], Path]

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "deploy/mappings/example_csv.toml"
HEADER = (
    "平台,编号,类型,标题,内容,作者编号,作者,粉丝数,认证,发布时间,转发,评论,赞,原帖编号,地区,链接\n"
)

THREADS = """
[format]
type = "jsonl"
[post]
platform = { value = "weibo" }
id = "mid"
kind = { column = "type", map = { root = "post", repost = "repost" } }
text = "text"
author.id = "uid"
published_at = "time"
root_id = "root"
[join]
root_text = { from = "text", key = "mid", by = "root" }
"""


def draft_line(number: int, **changes: object) -> str:
    """One line of our own recordings."""
    draft: dict[str, object] = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post",
        "text": f"第{number}条：空调不制冷",
        "author": {"id": f"u{number}"},
        "published_at": f"2024-03-01T08:{number % 60:02}:00+08:00",
        "source": "录制",
    }
    return json.dumps(draft | changes, ensure_ascii=False)


async def collect(context: Context, cursor: Cursor | None = None, **options: Any) -> list[Batch]:
    connector = File("导入", File.Config(**options), context)
    return [batch async for batch in connector.batches(cursor or {})]


def ids(batches: list[Batch]) -> list[str]:
    return [seen.draft.id for batch in batches for seen in batch.seen]


def faults(batches: list[Batch]) -> list[tuple[int, str]]:
    return [(item.line, item.kind) for batch in batches for item in batch.unreadable]


async def test_our_own_recording_needs_no_mapping(context: Context, write: Write) -> None:
    path = write("a.jsonl", "\n".join(draft_line(number) for number in range(7)))

    batches = await collect(context, path=path, batch_lines=3)

    assert [len(batch.seen) for batch in batches] == [3, 3, 1]
    assert ids(batches) == [f"weibo:{number}" for number in range(7)]
    assert {seen.at for batch in batches for seen in batch.seen} == {context.now()}
    assert all(batch.clock is None for batch in batches)


async def test_the_example_mapping_reads_a_spreadsheet_export(
    context: Context, write: Write
) -> None:
    # Given an export as a Chinese spreadsheet program writes it
    rows = [
        '微博,5012,原创,,提车三天就趴窝,1001,小王,"1,024",是,2024/3/1 8:30,3,5,8,,上海,https://weibo.com/1/2',
        '微信,a-7,文章,保养指南,"第一段\r\n第二段，""引号""",gh_1,某公众号,,否,2024年3月1日,-,-,-,,,',
        "论坛,88,评论,,None,,路人甲,,,2024-03-01 09:00:00,,,,77,,",
        "微博,4.98E+15,原创,,编号坏了,1002,小李,,,2024/3/1 8:31,,,,,,",
        "博客,1,原创,,没有这个平台,1003,小赵,,,2024/3/1 8:32,,,,,,",
    ]
    path = write("导出.csv", (HEADER + "\r\n".join(rows)).encode("gb18030"))

    # When it is imported
    batches = await collect(context, path=path, mapping=EXAMPLE)

    # Then every row is a post or names what is wrong with it
    first, second, third = [seen.draft for batch in batches for seen in batch.seen]
    assert (first.id, first.kind, first.text) == ("weibo:5012", "post", "提车三天就趴窝")
    assert (first.author.id, first.author.followers, first.author.verified) == ("1001", 1024, True)
    assert first.engagement is not None
    assert (first.engagement.reposts, first.engagement.likes) == (3, 8)
    assert (first.region, first.url) == ("上海", "https://weibo.com/1/2")
    assert first.published_at == datetime(2024, 3, 1, 0, 30, tzinfo=UTC)
    assert first.source == "导入"
    assert (second.id, second.kind) == ("wechat:a-7", "article")
    assert (second.title, second.text) == ("保养指南", '第一段\r\n第二段，"引号"')
    assert second.engagement is None
    assert (third.id, third.kind, third.text) == ("forum:88", "comment", "None")
    assert (third.author.id, third.root_id) == ("路人甲", "forum:77")
    assert faults(batches) == [(6, "schema"), (7, "schema")]
    assert "编号" in batches[0].unreadable[0].message
    assert "博客" in batches[0].unreadable[1].message


BAD_LINES = [
    (b'{"id": "weibo:1", ', "json"),
    (b"null", "schema"),
    (b"{}", "schema"),
    (b"\xff\xfe\x00", "encoding"),
    (draft_line(1, text="x").replace("x", "\xff").encode("latin-1", "replace"), "encoding"),
    (draft_line(1, unknown=1).encode(), "schema"),
    (draft_line(1, text="长" * 700_000).encode(), "schema"),
    (draft_line(1, text="半个\ud83d").encode("utf-8", "surrogatepass"), "encoding"),
    (draft_line(1).replace("空调", r"\ud83d").encode(), "json"),
    (draft_line(1, text="前\x00后").encode(), "schema"),
    (draft_line(1, text="#话题#" * 10_000).encode(), "schema"),
    (draft_line(1, published_at="0001-01-01T00:00:00+08:00").encode(), "schema"),
    (draft_line(1, published_at="2024-03-01T08:00:00").encode(), "schema"),
    (b"[" * 100_000, "json"),
    (b" " * MAX_ROW_BYTES + b"{}", "too_large"),
]


@pytest.mark.parametrize(("line", "kind"), BAD_LINES)
async def test_a_bad_line_is_a_dead_letter_and_its_neighbours_pass(
    context: Context, write: Write, line: bytes, kind: str
) -> None:
    path = write("a.jsonl", b"\n".join([draft_line(1).encode(), line, draft_line(2).encode()]))

    batches = await collect(context, path=path)

    assert ids(batches) == ["weibo:1", "weibo:2"]
    assert faults(batches) == [(2, kind)]
    assert batches[0].unreadable[0].raw == line[: len(batches[0].unreadable[0].raw)]
    batches[0].unreadable[0].message.encode()


@pytest.mark.parametrize("year", ["1970", "2099"])
async def test_a_post_of_an_absurd_time_passes(context: Context, write: Write, year: str) -> None:
    path = write("a.jsonl", draft_line(1, published_at=f"{year}-01-02T00:00:00Z"))

    [batch] = await collect(context, path=path)

    assert str(batch.seen[0].draft.published_at.year) == year
    assert batch.seen[0].at == context.now()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("batch_lines", [1, 2, 3, 500])
async def test_a_restart_after_any_batch_loses_and_repeats_nothing(
    context: Context, write: Write, packed: bool, batch_lines: int
) -> None:
    # Given a threaded recording with bad rows, whose reposts get their root's text
    lines = [
        '{"type":"root","mid":1,"text":"原帖","uid":"a","time":"2024-03-01 08:00"}',
        '{"type":"repost","mid":2,"root":1,"text":"转","uid":"b","time":"2024-03-01 08:01"}',
        '{"type":"repost"',
        "",
        '{"type":"repost","mid":3,"root":1,"text":"","uid":"c","time":"2024-03-01 08:02"}',
        '{"type":"like","mid":4,"root":1,"text":"","uid":"c","time":"2024-03-01 08:02"}',
        '{"type":"repost","mid":5,"root":1,"text":"转","uid":"d","time":"2024-03-01 08:03"}',
    ]
    content = "\n".join(lines).encode()
    path = write("a.jsonl", gzip.compress(content) if packed else content)
    options: dict[str, Any] = {
        "path": path,
        "mapping": write("映射.toml", THREADS),
        "batch_lines": batch_lines,
        "original_times": True,
    }
    whole = await collect(context, **options)
    assert ids(whole) == ["weibo:1", "weibo:2", "weibo:3", "weibo:5"]
    assert faults(whole) == [(3, "json"), (6, "schema")]
    assert [s.draft.root_text for b in whole for s in b.seen] == [None, "原帖", "原帖", "原帖"]

    # When it is restarted behind each batch, then exactly the rest comes
    for place, batch in enumerate(whole):
        assert await collect(context, batch.cursor, **options) == whole[place + 1 :]


async def test_a_file_that_grew_is_read_on(context: Context, write: Write) -> None:
    path = write("a.jsonl", draft_line(1) + "\n")
    [first] = await collect(context, path=path)
    write("a.jsonl", draft_line(1) + "\n" + draft_line(2) + "\n")

    assert ids(await collect(context, first.cursor, path=path)) == ["weibo:2"]


@pytest.mark.parametrize("change", ["content", "shorter", "mapping", "path", "connector"])
async def test_a_file_that_changed_is_read_anew(
    context: Context, write: Write, change: str
) -> None:
    # Given a cursor at the end of a file
    row = '{"type":"root","mid":%d,"text":"好","uid":"a","time":"2024-03-01 08:00"}\n'
    path, mapping = write("a.jsonl", row % 1 + row % 2), write("映射.toml", THREADS)
    cursor = dict((await collect(context, path=path, mapping=mapping))[-1].cursor)

    # When the recording becomes another one
    if change == "content":
        write("a.jsonl", row % 3 + row % 2)
    elif change == "shorter":
        write("a.jsonl", row % 1)
    elif change == "mapping":
        write("映射.toml", THREADS + "# 改过\n")
    elif change == "path":
        path = write("b.jsonl", path.read_bytes())
    else:
        cursor = {"path": str(path), "index": 2}

    # Then it is read from its beginning
    batches = await collect(context, cursor, path=path, mapping=mapping)
    assert ids(batches)[0] == ("weibo:3" if change == "content" else "weibo:1")


async def test_original_times_bring_the_recordings_own_clock(
    context: Context, write: Write
) -> None:
    # Given posts out of order, two of them of absurd times
    times = ["1970-01-01", "2024-03-02", "2099-01-01", "2024-03-01", "2024-03-03"]
    lines = [
        draft_line(number, published_at=f"{day}T00:00:00Z") for number, day in enumerate(times)
    ]
    path = write("a.jsonl", "\n".join(lines))

    # When they are imported as history
    batches = await collect(context, path=path, original_times=True, batch_lines=1)

    # Then each is seen when it was published, and only plausible times move the clock
    def day(number: int) -> datetime:
        return datetime(2024, 3, number, tzinfo=UTC)

    assert [batch.seen[0].at for batch in batches] == [EARLIEST, day(2), day(2), day(1), day(3)]
    assert [batch.clock for batch in batches] == [EARLIEST, day(2), day(2), day(2), day(3)]


async def test_a_batch_of_large_rows_is_cut_by_its_size(context: Context, write: Write) -> None:
    path = write("a.jsonl", (b"x" * (MAX_ROW_BYTES - 1) + b"\n") * 5)

    batches = await collect(context, path=path)

    assert [len(batch.unreadable) for batch in batches] == [3, 2]


async def test_what_a_person_must_correct_stops_with_a_sentence(
    context: Context, write: Write, tmp_path: Path
) -> None:
    with pytest.raises(FatalError, match="没有文件"):
        await collect(context, path=tmp_path / "没有.csv")
    with pytest.raises(FatalError, match=r"没有列 '链接'.*'连接'"):
        path = write("a.csv", HEADER.replace("链接", "连接") + "\n")
        await collect(context, path=path, mapping=EXAMPLE)
