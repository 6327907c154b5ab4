"""A table of corrections: every row is one, or is told with its line and what to do."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.correction_file import BadRow, Wanted, correction_of, read_correction_file, sort_out
from processors.corrections import withdrawn
from schemas.correction import Correction
from schemas.enriched import EnrichedPost, Sentiment
from schemas.errors import FatalError
from schemas.post import Author

AT = datetime(2026, 3, 5, 4, tzinfo=UTC)


def read(path: Path, content: str | bytes, **more: Any) -> list[Wanted | BadRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(read_correction_file(path, **more))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_table_in_english_or_chinese(tmp_path: Path, encoding: str) -> None:
    table = (
        "正文,项,标签,更正人,原因\n水壶漏电，还冒烟,情感,负面,王,明摆着\n"
        "客服一直不接,意图,投诉、流失,李,\n"
    )

    first, second = read(tmp_path / "a.csv", table.encode(encoding))

    assert first == Wanted(2, "sentiment", ("negative",), "王", "水壶漏电，还冒烟", reason="明摆着")
    assert isinstance(second, Wanted)
    assert (second.line, second.field, second.labels) == (3, "intents", ("churn", "complaint"))


def test_rows_of_json_lines_may_hold_lists_and_numbers(tmp_path: Path) -> None:
    rows = [
        {"text": "漏电", "label": -1},
        {"text": "想买", "field": "intents", "label": ["purchase", "enquiry"], "by": "李"},
    ]
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)

    first, second = read(tmp_path / "a.jsonl", content, field="sentiment", by="王")

    assert isinstance(first, Wanted) and isinstance(second, Wanted)
    assert (first.field, first.labels, first.by) == ("sentiment", ("negative",), "王")
    assert (second.field, second.labels, second.by) == ("intents", ("enquiry", "purchase"), "李")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (",,sentiment,负面,王", "post_id"),
        ("漏电,,mood,负面,王", "mood"),
        ("漏电,,,负面,王", "--field"),
        ("漏电,,sentiment,生气,王", "生气"),
        ("漏电,,sentiment,,王", "标签"),
        ("漏电,,sentiment,负面,", "by"),
        ("漏电,,sentiment,负面", "4"),
        ("好用,,sentiment,负面,王", "第 2 行矛盾"),
    ],
)
def test_a_bad_row_is_told_and_the_others_count(tmp_path: Path, row: str, told: str) -> None:
    table = (
        f"text,post_id,field,label,by\n好用,,sentiment,正面,王\n{row}\n,weibo:1,sentiment,0,王\n"
    )

    good, bad, last = read(tmp_path / "a.csv", table)

    assert isinstance(good, Wanted) and isinstance(last, Wanted)
    assert (good.line, last.line, last.post_id) == (2, 4, "weibo:1")
    assert isinstance(bad, BadRow)
    assert bad.line == 3 and told in bad.message


def test_the_same_row_again_is_one(tmp_path: Path) -> None:
    table = "text,label\n漏电,负面\n漏电！,negative\n"

    assert len(read(tmp_path / "a.csv", table, field="sentiment", by="王")) == 1


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("text,by", "label"),
        ("label,by", "text 或 post_id"),
        ("text,label", "field"),
        ("a,b", "text 或 post_id、label、field"),
    ],
)
def test_a_missing_column_is_told_once(tmp_path: Path, header: str, told: str) -> None:
    with pytest.raises(FatalError) as caught:
        read(tmp_path / "a.csv", f"{header}\n漏电,负面\n")

    assert told in str(caught.value) and header.split(",")[0] in str(caught.value)


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"absent\.csv"):
        list(read_correction_file(tmp_path / "absent.csv"))


def test_a_file_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.correction_file.MAX_ROWS", 2)
    table = "text,label\n" + "".join(f"第 {row} 条,负面\n" for row in range(3))

    with pytest.raises(FatalError, match="太大"):
        read(tmp_path / "a.csv", table, field="sentiment", by="王")


# --- records ----------------------------------------------------------------------------------


def post(**changes: Any) -> EnrichedPost:
    values = {
        "id": "weibo:1",
        "platform": "weibo",
        "kind": "post",
        "text": "开机三分钟，真行",
        "author": Author(id="1"),
        "published_at": AT,
        "observed_at": AT,
        "source": "test",
        "sentiment": Sentiment(label="positive", negative=0.1, neutral=0.2, positive=0.7),
        "models": {"sentiment": "m1"},
    }
    return EnrichedPost(**values | changes)


def test_a_post_gives_its_text_platform_and_what_was_said() -> None:
    wanted = Wanted(2, "sentiment", ("negative",), "王", post_id="weibo:1")

    found = correction_of(wanted, post(), AT)

    assert (found.text, found.platform) == ("开机三分钟，真行", "weibo")
    assert found.said is not None and found.said.labels == ("positive",)
    assert Correction.from_line(found.to_line()) == found


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ({"post_id": "weibo:1"}, post(deleted=True), "删除"),
        ({"post_id": "weibo:1"}, post(text=" "), "没有文字"),
        ({"text": "水" * 101_002}, None, "101002"),
        ({"text": "漏电", "by": "王" * 101}, None, "by 不能是"),
        ({"text": "漏电", "platform": "微博"}, None, "platform 不能是“微博”"),
        ({"text": "漏电", "post_id": "4711"}, None, "post_id 不能是“4711”"),
        ({"text": "漏\x00电"}, None, "text"),
        ({"text": "漏\udce5电"}, None, "text"),
    ],
)
def test_what_cannot_be_kept_is_told(
    wanted: dict[str, Any], found: EnrichedPost | None, told: str
) -> None:
    values: dict[str, Any] = {"line": 2, "field": "sentiment", "labels": ("negative",), "by": "王"}

    with pytest.raises(ValueError, match=told):
        correction_of(Wanted(**values | wanted), found, AT)


def test_what_stands_there_already_is_not_written_again() -> None:
    old = correction_of(Wanted(1, "sentiment", ("negative",), "王", "漏电"), None, AT)
    again = correction_of(Wanted(1, "sentiment", ("negative",), "王", "漏电"), None, AT)
    other = correction_of(Wanted(1, "sentiment", ("neutral",), "王", "漏电"), None, AT)
    gone = withdrawn(old, "李", AT)

    assert sort_out([old], {}).new == (old,)
    assert sort_out([again], {old.id: old}).same == (again,)
    assert sort_out([other], {old.id: old}).new == (other,)
    assert sort_out([again], {old.id: gone}).withdrawn == (again,)
    assert sort_out([again], {old.id: gone}, revive=True).new == (again,)
