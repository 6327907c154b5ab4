"""Every parser of bytes from outside takes any bytes: a value, or an error of ours, at once.

Examples begin with valid lines, changed byte by byte and value by value, since pure noise never
gets past the first brace. ``make fuzz`` runs far more of them.
"""

import contextlib
import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.cells import as_count, as_flag, as_number, as_text, as_word, time_reader
from connectors.drafts import DraftReader
from connectors.mapping_file import read_mapping
from connectors.rows import Format, RowReader
from pipeline.crash_log import CrashLog
from pipeline.dead_letter_writer import post_id_of
from pipeline.record import RECEIVED_HEADER, Record
from pipeline.rules import read_rule_file
from pipeline.services.state import load
from pipeline.settings import load_settings
from pipeline.status import live_workers
from processors.brand_state import BrandState
from processors.chain import build_chain
from processors.mentions import mentions
from schemas.checkpoint import WatchPosition
from schemas.correction import Correction
from schemas.dead_letter import parse_dead_letter_line
from schemas.enriched import EnrichedPost
from schemas.envelope import pack, split
from schemas.errors import FatalError, RejectedError
from schemas.incident import Incident
from schemas.outcome import Done, Rejected, Retry
from schemas.post import Post, PostDraft
from schemas.rules import RuleSet
from schemas.signals import parse_signal
from schemas.source_status import SourceStatus
from sinks.bulk import is_missing_index, outcome_of, reason_of, whole_failure
from sinks.documents import Names
from sinks.elastic_client import retry_after
from sinks.posting import asked_wait
from tests.bounds import examples, refused_or

AT = "2024-03-05T08:00:00Z"
POST: dict[str, Any] = {
    "id": "weibo:1",
    "platform": "weibo",
    "kind": "repost",
    "text": "云帆水壶漏电 #售后# http://t.cn/x //@甲: 我的也是",
    "title": "标题",
    "author": {"id": "u1", "name": "甲", "followers": 3, "verified": False},
    "published_at": AT,
    "observed_at": AT,
    "root_id": "weibo:0",
    "root_text": "云帆水壶",
    "engagement": {"reposts": 1, "heat": 0.5},
    "url": "https://weibo.example/1",
    "source": "demo",
}
MENTION = {
    "type": "mention",
    "brand": "yunfan",
    "role": "own",
    "post_id": "weibo:1",
    "root_id": "weibo:0",
    "platform": "weibo",
    "kind": "post",
    "author_id": "u1",
    "event_at": AT,
    "mood": "negative",
    "negative": 0.9,
    "matches": ["漏电"],
}
COMMAND = {
    "type": "command",
    "id": "c1",
    "brand": "yunfan",
    "action": "acknowledge",
    "at": AT,
    "by": "me",
}
RULES: dict[str, Any] = {
    "id": "main",
    "version": 1,
    "author": "甲",
    "reason": "试",
    "changed_at": AT,
    "brands": [{"id": "yunfan", "name": "云帆", "role": "own", "aliases": ["云帆", "YF", "a b"]}],
    "keywords": [{"id": "safety", "name": "安全", "words": ["漏电", "电", "😀", "\u200b"]}],
}
LETTER = {
    "type": "dead_letter",
    "id": "x",
    "stage": "index",
    "kind": "json",
    "message": "m",
    "source": "posts.raw",
    "line": 1,
    "key": "YQ==",
    "value": "e30=",
    "size": 2,
    "schema_version": 1,
    "at": AT,
}
CORRECTION = {
    "id": "0" * 24,
    "field": "sentiment",
    "text": "水壶",
    "labels": ["negative"],
    "by": "a",
    "at": AT,
}
STATUS = {"name": "a", "connector": "file", "state": "running", "at": AT, "cursor": {"line": 1}}
POSITION = {"topic": "signals", "partitions": 2, "lanes": {"0": AT}, "lane_count": 2}

LINES: dict[str, tuple[Callable[[bytes], Any], list[dict[str, Any]]]] = {
    "Post": (Post.from_line, [POST]),
    "PostDraft": (PostDraft.from_line, [POST]),
    "EnrichedPost": (EnrichedPost.from_line, [POST]),
    "signals": (
        parse_signal,
        [MENTION, COMMAND, {"type": "tick", "at": AT, "lane": 0, "lanes": 1}],
    ),
    "RuleSet": (RuleSet.from_line, [RULES]),
    "dead letters": (
        lambda line: getattr(parse_dead_letter_line(line), "raw", b""),
        [LETTER],
    ),
    "Correction": (Correction.from_line, [CORRECTION]),
    "SourceStatus": (SourceStatus.from_line, [STATUS]),
    "WatchPosition": (WatchPosition.from_line, [POSITION]),
    "BrandState": (BrandState.from_line, [{"brand": "a", "role": "own"}]),
    "Incident": (Incident.from_line, [{"id": "x", "revision": 1, "brand": "a"}]),
    "document": (Names("t-").document_of, [{**POST, "revision": 1}]),
    "incident document": (Names("t-").incident_document, [{"id": "x", "revision": 1}]),
    "post id": (post_id_of, [POST]),
}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**18, max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(["", "\x00", "\ud83d", "9" * 50, "0001-01-01T00:00:00+14:00", "https://x"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)


def changed(draw: st.DrawFn, tree: Any) -> Any:
    """The tree with one place replaced, removed, or with something added."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(tree)))
        what = draw(st.integers(0, 3))
        if what == 0:
            return {name: value for name, value in tree.items() if name != key}
        if what == 1:
            return {**tree, draw(st.text(max_size=10)): draw(values)}
        return {**tree, key: changed(draw, tree[key])}
    if isinstance(tree, list) and tree and draw(st.booleans()):
        return [changed(draw, tree[0]), *tree[1:]]
    return draw(values)


def broken(draw: st.DrawFn, content: bytes) -> bytes:
    """The bytes with a few of them changed, cut out or repeated."""
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        end = min(len(content), at + draw(st.integers(0, 12)))
        middle = draw(
            st.binary(max_size=4)
            | st.sampled_from(
                [b"\xff\xfe", b'"', b"\n", b"\r", b"{", b"[" * 300, b"\\ud800", b"\x00", b"1e999"]
            )
            | st.just(content[at:end] * 3)
        )
        content = content[:at] + middle + content[end:]
    return content


@st.composite
def like(draw: st.DrawFn, *trees: dict[str, Any]) -> bytes:
    """A line that resembles one of these."""
    tree = changed(draw, draw(st.sampled_from(trees)))
    content = json.dumps(tree, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    return broken(draw, content) if draw(st.booleans()) else content


def anything(*contents: bytes) -> st.SearchStrategy[bytes]:
    """Noise, or one of these contents with some damage."""

    @st.composite
    def damaged(draw: st.DrawFn) -> bytes:
        return broken(draw, draw(st.sampled_from(contents)))

    return st.binary(max_size=200) | damaged()


# --- lines of topics --------------------------------------------------------------------------


@pytest.mark.parametrize("name", LINES)
def test_a_line_is_a_record_or_is_refused(name: str) -> None:
    parse, trees = LINES[name]

    @examples(120)
    @given(like(*trees) | st.binary(max_size=60))
    def every_line(line: bytes) -> None:
        refused_or(lambda: parse(line))

    every_line()


@examples(100)
@given(anything(b"{}\n{}\n\n", orjson.dumps(POST)))
def test_an_envelope_holds_what_was_packed(value: bytes) -> None:
    lines = split(value)

    assert all(line.strip() and b"\n" not in line for line in lines)
    assert [line for packed in pack(lines) for line in split(packed)] == lines


@examples(60)
@given(st.binary(max_size=30) | st.sampled_from([b"9" * 5_000, b"1" * 16, b"-1", b"\xb2"]))
def test_a_header_is_a_time_or_nothing(value: bytes) -> None:
    headers = ((RECEIVED_HEADER, value),)
    record = Record("posts.raw", 0, 0, 0, None, None, headers)

    assert refused_or(record.received_ms) is None or value.isdigit()


rules = RuleSet.from_line(orjson.dumps(RULES))
chain = build_chain(("keywords", "brands", "tokens", "sentiment", "signature"), {}, rules)
texts = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["云帆", "YF", "漏电", "\u200b", "//@", "[", "@", "http://", "😀", "ＹＦ", "\n"]
    ),
    max_size=20,
).map("".join)


@examples(150)
@given(texts, st.none() | texts, st.none() | texts)
def test_what_is_a_post_can_be_enriched(
    text: str, title: str | None, root_text: str | None
) -> None:
    post = {**POST, "text": text, "title": title, "root_text": root_text}
    found = refused_or(lambda: Post.from_line(json.dumps(post).encode()))
    if found is None:
        return

    (enriched,) = refused_or(lambda: chain.run([found])) or [None]

    assert isinstance(enriched, EnrichedPost)
    assert EnrichedPost.from_line(enriched.to_line()) == enriched
    for mention in mentions(enriched):
        assert parse_signal(mention.to_line()) == mention


# --- files ------------------------------------------------------------------------------------

CSV = 'id,text,时间\n1,"云帆,\n水壶",2024-03-05\n2,b,c\n'.encode()
FORMATS = {
    "csv": Format("csv"),
    "csv without header": Format("csv", header=False),
    "csv in GB18030": Format("csv", encoding="gb18030", delimiter=";"),
    "tsv": Format("tsv"),
    "jsonl": Format("jsonl"),
    "our own": None,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_file_is_rows_each_good_or_bad(tmp_path: Path, name: str, packed: bool) -> None:
    path = tmp_path / "rows"
    whole = (
        CSV,
        CSV.decode().encode("gb18030"),
        orjson.dumps(POST) + b"\n{}\n",
        b"\xef\xbb\xbfa\n",
    )
    contents = anything(*map(gzip.compress, whole)) if packed else anything(*whole)

    @examples(40)
    @given(contents)
    def every_file(content: bytes) -> None:
        path.write_bytes(content)
        rows = refused_or(lambda: list(_read(path, FORMATS[name]))) or []
        for row in rows:
            assert (row.cells is None) or row.fault is None
            assert row.behind.byte >= 0

    every_file()


def _read(path: Path, format: Format | None) -> Any:
    reader = RowReader(path, format)
    with contextlib.closing(reader):
        yield from reader


MAPPING = """
[format]
type = "jsonl"
[post]
platform = { value = "weibo" }
id = { template = "{uid}-{text|hash}" }
text = "text"
kind = { column = "type", map = { "原创" = "post" }, otherwise = "post" }
author.id = { first = ["uid", "a.b"], otherwise = "x" }
author.followers = "n"
published_at = { column = "time", zone = "Asia/Shanghai" }
url = "url"
engagement.heat = "n"
deleted = "gone"
[[when]]
column = "type"
is = ["转发"]
[when.post]
root_id = "root"
[join]
root_text = { from = "text", key = "uid", by = "root" }
"""
ROW = {
    "uid": "1",
    "text": "云帆",
    "type": "转发",
    "n": "1,234",
    "time": "2024-3-5 08:00",
    "url": "https://x",
    "gone": "否",
    "root": "0",
    "a": {"b": 1},
}


def test_a_mapped_row_is_a_draft_or_is_refused(tmp_path: Path) -> None:
    mapping_file, path = tmp_path / "m.toml", tmp_path / "rows"
    mapping_file.write_text(MAPPING, encoding="utf-8")
    mapping = read_mapping(mapping_file)

    @examples(150)
    @given(st.lists(like(ROW), max_size=3))
    def every_row(rows: list[bytes]) -> None:
        path.write_bytes(b"\n".join(rows))
        found = refused_or(lambda: list(_drafts(path, mapping))) or []
        for _, draft in found:
            if isinstance(draft, PostDraft):
                assert PostDraft.from_line(draft.to_line()) == draft

    every_row()


def _drafts(path: Path, mapping: Any) -> Any:
    with contextlib.closing(DraftReader(path, mapping, "s")) as reader:
        yield from reader


cells = scalars | st.sampled_from(
    ["2024-03-05", "2024年3月5日 8时0分", "1709625600", "1e999", "-0", "１２", "12:61", "%Y", "inf"]
)


@examples(150)
@given(cells, st.sampled_from(["auto", "iso", "unix", "unix_ms", "%Y-%m-%d %H:%M", "%s", "%y%"]))
def test_a_cell_is_a_value_or_half_a_sentence(cell: object, format: str) -> None:
    for convert in (as_count, as_number, as_word, as_text, as_flag, time_reader(format, UTC)):
        with contextlib.suppress(ValueError):
            refused_or(lambda convert=convert: convert(cell))  # type: ignore[misc]


FILES: dict[str, tuple[Callable[[Path], Any], tuple[bytes, ...]]] = {
    "mapping": (read_mapping, (MAPPING.encode(),)),
    "rules": (
        read_rule_file,
        (b'id="a"\nversion=1\nauthor="b"\nreason="c"\nchanged_at=2024-03-05T08:00:00Z\n'
         b'[[brands]]\nid="b"\nname="n"\nrole="own"\naliases=["x"]\n',),
    ),
    "settings": (
        load_settings,
        (b'language="en"\n[kafka]\npartitions=2\nsasl_password={env="HOME"}\n[up]\nenrich=2\n',
         b'[sources.a]\nuse="file"\npath="x"\n[channels.b]\nuse="webhook"\nsecrets=[{file="x"}]\n'),
    ),
    "crash notes": (CrashLog, (b'[["posts.raw",0,1,0,2,1]]', b"[[1,1e400,Infinity,NaN,0,0]]")),
    "services": (lambda path: load(path.parent), (b'{"ports":{"kafka":1},"services":{}}',)),
    "run notes": (
        lambda path: live_workers(path.parent.parent),
        (b'{"role":"enrich","pid":4194304,"metrics_port":1}', b'{"pid":1e400}', b"[" * 99_999),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_ours_is_read_or_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, contents = FILES[name]
    place = {"services": "services.json", "run notes": "run/enrich-1.json"}.get(name, "file.toml")
    path = tmp_path / place
    path.parent.mkdir(exist_ok=True)

    @examples(100)
    @given(anything(*contents))
    def every_file(content: bytes) -> None:
        path.write_bytes(content)
        refused_or(lambda: read(path))

    every_file()
    for content in contents:
        path.write_bytes(content)
        refused_or(lambda: read(path))


# --- answers of servers -----------------------------------------------------------------------

ITEM: dict[str, Any] = {
    "index": {
        "status": 400,
        "error": {"type": "mapper_exception", "reason": "r", "caused_by": {"reason": "c"}},
    }
}


@st.composite
def answers(draw: st.DrawFn) -> Any:
    return changed(draw, ITEM)


@examples(200)
@given(answers())
@example({"index": {"status": 400, "error": {"type": [], "reason": "r"}}})  # found by make fuzz
@example([1])
@example(None)
def test_an_item_of_an_answer_has_one_outcome(item: Any) -> None:
    assert isinstance(refused_or(lambda: outcome_of(item)), Done | Retry | Rejected)
    assert refused_or(lambda: is_missing_index(item)) in (True, False)
    assert isinstance(refused_or(lambda: reason_of(item)), str)
    assert isinstance(refused_or(lambda: whole_failure(503, item, None, "there")), Retry)


@examples(150)
@given(
    st.text(max_size=40)
    | st.sampled_from(
        [
            "9" * 5_000,
            "²",
            "٣",
            "Fri, 31 Dec 9999 23:59:59 -2359",
            "Thu, 01 Jan 0001 00:00:00 +2359",
        ]
    )
)
def test_a_wait_is_a_number_or_nothing(value: str) -> None:
    at = datetime(2024, 3, 5, tzinfo=UTC)
    for wait in (
        refused_or(lambda: retry_after({"retry-after": value})),
        refused_or(lambda: asked_wait(value, at)),
    ):
        assert wait is None or wait >= 0


def test_the_bounds_themselves_let_our_errors_through_only() -> None:
    def wrong() -> None:
        raise KeyError("x")

    def refused() -> None:
        raise RejectedError("json", "no")

    def fatal() -> None:
        raise FatalError("no")

    assert refused_or(refused) is refused_or(fatal) is None
    with pytest.raises(KeyError):
        refused_or(wrong)
