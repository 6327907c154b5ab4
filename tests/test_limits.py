"""Inputs that are too large, too deep or made to hurt: each has a limit, a sentence, and is cheap.

Time is processor time; memory is what Python holds at most while the parser works.
"""

import contextlib
import gzip
import json
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

import connectors.replay
import connectors.rows
import sinks.elastic_client
from connectors.cells import time_reader
from connectors.mapping_file import read_mapping
from connectors.rows import MAX_BLANK_LINES, MAX_COLUMNS, Format, Row, RowReader
from pipeline.backoff import MOST_ASKED_SECONDS, Backoff
from pipeline.crash_log import CrashLog
from pipeline.loop import MAX_RECORD_LINES, _lines, _why_whole
from pipeline.record import RECEIVED_HEADER, Record
from pipeline.rules import MAX_RULES_BYTES, no_rules, read_rule_file
from pipeline.settings import MAX_SECRET_BYTES, EnrichSettings, load_settings
from pipeline.status import live_workers
from processors.automaton import MAX_PLACES, PIECE
from processors.chain import build_chain
from processors.linear import LinearModel
from processors.scanner import Scanner
from schemas.dead_letter import parse_dead_letter_line
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError, RejectedError, RetryableError
from schemas.language import use_language
from schemas.post import MAX_TEXT, Author, Post
from schemas.rules import RuleSet
from schemas.signals import parse_signal
from schemas.small_file import MAX_SMALL_BYTES
from schemas.topics import TOPICS
from sinks.elasticsearch import Elasticsearch
from tests.bounds import MOST_SECONDS
from tests.test_fuzz import LETTER, MENTION, POST, RULES

MIB = 2**20


@pytest.fixture(autouse=True)
def in_english() -> Iterator[None]:
    use_language("en")
    yield
    use_language(None)


def cheap(work: Callable[[], Any], most_mib: float | None = None) -> Any:
    """The result, or our error; fails when it took more than a second, or that much memory."""

    def outcome() -> Any:
        try:
            return work()
        except (RejectedError, FatalError) as error:
            return error

    begun = time.thread_time()
    result = outcome()
    assert time.thread_time() - begun < MOST_SECONDS
    if most_mib is None:
        return result
    tracemalloc.start()  # a second time, since it makes everything slower
    try:
        result = outcome()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most_mib * MIB, f"{peak / MIB:.0f} MiB"
    return result


# --- lines and records ------------------------------------------------------------------------

MOST = TOPICS["posts.raw"].max_message_bytes
HUGE_LINES = {
    "nested lists": b"[" * MOST,
    "nested objects": b'{"a":' * (MOST // 5),
    "digits": b'{"id":' + b"1" * MOST + b"}",
    "digits of a count": b'{"author":{"id":"1","followers":' + b"1" * MOST + b"}}",
    "an exponent": b'{"engagement":{"heat":1e' + b"9" * MOST + b"}}",
    "unknown fields": b"{" + b",".join(b'"k%d":1' % n for n in range(300_000)) + b"}",
    "one field again and again": b"{" + b'"id":1,' * 500_000 + b'"id":2}',
    "a long name": b'{"' + b"a" * MOST + b'":1}',
    "a long text": orjson.dumps({**POST, "text": "字" * (MOST // 3)}),
    "escapes": b'{"text":"' + b"\\ud83d\\ude00" * (MOST // 12) + b'"}',
    "hashtags": orjson.dumps({**POST, "text": "#a " * 10_000}),
    "words of a mention": orjson.dumps({**MENTION, "matches": ["字"] * 500_000}),
    "a brand as long as a line": orjson.dumps({**MENTION, "brand": "b" * MOST}),
    "distinct words": b'{"a":[' + b",".join(b'"%x"' % n for n in range(500_000)) + b"]}",
    "empty lists": b'{"a":[' + b"[]," * (MOST // 4) + b"[]]}",
    "lanes": b'{"type":"tick","at":"2024-03-05T08:00:00Z","lane":0,"lanes":4000000000}',
}


@pytest.mark.parametrize("line", HUGE_LINES.values(), ids=list(HUGE_LINES))
@pytest.mark.parametrize("parse", [Post.from_line, parse_signal, parse_dead_letter_line])
def test_a_line_made_to_hurt_is_refused_at_once(
    parse: Callable[[bytes], object], line: bytes
) -> None:
    refused = cheap(lambda: parse(line), 200)

    assert isinstance(refused, RejectedError)
    assert len(str(refused)) < 1_000


def test_the_longest_honest_post_passes_at_once_through_all_enrichers() -> None:
    rules = RuleSet.from_line(orjson.dumps(RULES))
    chain = build_chain(("keywords", "brands", "tokens", "sentiment", "signature"), {}, rules)
    text = "".join(chr(0x4E00 + place % 20_000) for place in range(MAX_TEXT))
    line = orjson.dumps({**POST, "text": text, "root_text": text})

    (enriched,) = cheap(lambda: chain.run([Post.from_line(line)]))

    assert isinstance(enriched, EnrichedPost)


@pytest.mark.parametrize("sign", ["啊", "a", "\u200b啊", "[", "//@", "http://", "\n"])
def test_a_text_of_one_sign_against_words_made_of_it_is_cheap(sign: str) -> None:
    # Given every word that can be made of the sign, as keywords and as aliases
    words = [sign.strip() * count for count in range(1, 65)] if sign.strip() else ["x"]
    words = [word for word in words if len(word) <= 64]
    tree = {
        **RULES,
        "keywords": [{"id": "k", "name": "k", "words": words}],
        "brands": [{"id": "b", "name": "b", "role": "own", "aliases": words}],
    }
    rules = RuleSet.from_line(orjson.dumps(tree))
    text = (sign * MAX_TEXT)[:MAX_TEXT]
    post = Post.from_line(orjson.dumps({**POST, "text": text, "root_text": text}))
    chain = build_chain(("keywords", "brands", "tokens", "sentiment", "signature"), {}, rules)

    # When it is enriched, then that is done at once, and the line fits its topic
    (enriched,) = cheap(lambda: chain.run([post]))
    assert len(enriched.to_line()) < TOPICS["posts.enriched"].max_message_bytes


def test_a_long_text_is_searched_in_pieces_and_every_word_is_found_once() -> None:
    scanner = Scanner([["水壶"], ["BYD", "byd海豹"]])
    text = "".join(("水壶" if n % 3 else "我BYD海豹x")[: 2 + n % 5] for n in range(PIECE))
    whole = [
        (start, start + len(word))
        for word in ("水壶", "BYD", "BYD海豹")
        for start in range(len(text))
        if text.startswith(word, start)
    ]

    found = [(start, end) for start, end, _ in scanner.scan(text)]

    assert len(text) > 2 * PIECE
    assert sorted(found) == sorted(whole)


def test_behind_the_limit_of_places_nothing_more_is_found_or_held() -> None:
    scanner = Scanner([["啊" * count for count in range(1, 65)]])

    assert len(cheap(lambda: scanner.scan("啊" * MAX_TEXT), 64)) == MAX_PLACES


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, "empty"),
        (b" \n ", "empty"),
        (b"\n" * MOST, "too_many_lines"),
        (b"{}\n" * (MAX_RECORD_LINES + 1), "too_many_lines"),
    ],
)
def test_a_record_without_lines_to_read_is_one_dead_letter(value: bytes | None, kind: str) -> None:
    record = Record("posts.raw", 0, 0, 0, None, value)

    (item,) = cheap(lambda: _lines(record), 16)

    assert (item.line, item.raw) == (0, b"")
    assert _why_whole(record)[0] == kind


def test_a_record_with_as_many_lines_as_are_read_is_read() -> None:
    record = Record("posts.raw", 0, 0, 0, None, b"{}\n" * MAX_RECORD_LINES)

    assert len(_lines(record)) == MAX_RECORD_LINES


def test_a_header_of_five_thousand_digits_is_no_time() -> None:
    record = Record("x", 0, 0, 0, None, None, ((RECEIVED_HEADER, b"9" * 5_000),))

    assert record.received_ms() is None


@pytest.mark.parametrize("field", ["key", "value"])
def test_a_dead_letter_that_is_not_base64_is_none(field: str) -> None:
    with pytest.raises(RejectedError, match=field):
        parse_dead_letter_line(orjson.dumps({**LETTER, field: "no!"}))


# --- recordings -------------------------------------------------------------------------------


def rows(path: Path, format: Format | None) -> list[Row]:
    with contextlib.closing(RowReader(path, format)) as reader:
        return list(reader)


def bomb(path: Path, unpacked_mib: int, byte: bytes = b"a") -> Path:
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(unpacked_mib):
            file.write(byte * MIB)
    return path


@pytest.mark.parametrize("format", [None, Format("jsonl"), Format("csv", header=False)])
def test_a_line_that_never_ends_ends_the_file_with_a_sentence(
    tmp_path: Path, format: Format | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors.rows, "MAX_LINE_BYTES", 16 * MIB)
    path = bomb(tmp_path / "bomb.gz", 64)

    found = cheap(lambda: rows(path, format), 32)

    assert [row.fault.kind for row in found if row.fault] == ["too_large"]
    assert "what follows was not read: check the file" in str(found[-1].fault)


@pytest.mark.parametrize("format", [None, Format("jsonl"), Format("tsv", header=False)])
def test_blank_lines_without_end_end_the_file_with_a_sentence(
    tmp_path: Path, format: Format | None
) -> None:
    path = bomb(tmp_path / "blank.gz", 8, b"\n")

    found = cheap(lambda: rows(path, format))

    assert f"more than {MAX_BLANK_LINES} blank lines" in str(found[-1].fault)


def test_a_long_line_among_others_is_that_lines_fault_only(tmp_path: Path) -> None:
    path = tmp_path / "rows"
    path.write_bytes(b'{"a":1}\n' + b"x" * (9 * MIB) + b'\n{"a":2}\n')

    found = rows(path, Format("jsonl"))

    assert [row.fault and row.fault.kind for row in found] == [None, "too_large", None]


@pytest.mark.parametrize("header", [True, False])
def test_a_row_of_a_million_columns_is_refused(tmp_path: Path, header: bool) -> None:
    path = tmp_path / "wide.csv"
    path.write_bytes(b"," * 1_000_000 + b"\na,b\n")

    refused = cheap(lambda: rows(path, Format("csv", header=header)), 128)

    said = str(refused) if header else str(refused[0].fault)
    assert f"at most {MAX_COLUMNS} are read" in said


def test_a_header_of_ten_thousand_equal_names_is_read_at_once(tmp_path: Path) -> None:
    path = tmp_path / "same.csv"
    path.write_bytes(b"a," * (MAX_COLUMNS - 1) + b"a\n")

    assert cheap(lambda: rows(path, Format("csv"))) == []


def test_a_recording_that_memory_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connectors.replay, "MAX_RECORDING_BYTES", 4 * MIB)
    path = tmp_path / "recording.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(64):
            file.write(b"x" * MIB + b"\n")

    refused = cheap(lambda: connectors.replay._load(path, None, "s", 0), 32)

    assert "use `file` with original_times" in str(refused)


@pytest.mark.parametrize("format", ["auto", "iso", "%Y-%m-%d %H:%M"])
def test_a_time_made_of_spaces_is_no_time_at_once(format: str) -> None:
    read = time_reader(format, UTC)
    for text in ("2024-03-05" + " " * 100_000 + "x", "2024" + " " * 100_000 + "-", "9" * 100_000):

        def refused(text: str = text) -> str:
            with pytest.raises(ValueError) as caught:
                read(text)
            return str(caught.value)

        assert cheap(refused)


# --- files that people write ------------------------------------------------------------------

DEEP = {
    "nested lists": b"a = " + b"[" * 100_000,
    "nested tables": b"a = " + b"{b=" * 10_000,
    "a key of many parts": b".".join([b"a"] * 50_000) + b" = 1",
    "a header of many parts": b"[" + b".".join([b"a"] * 50_000) + b"]",
    "too large": b"#" * (MAX_RULES_BYTES + MAX_SMALL_BYTES),
    "no UTF-8": b"a = '\xff'",
}


@pytest.mark.parametrize("content", DEEP.values(), ids=list(DEEP))
@pytest.mark.parametrize("read", [load_settings, read_rule_file, read_mapping])
def test_a_file_made_to_hurt_is_one_sentence(
    tmp_path: Path, read: Callable[[Path], object], content: bytes
) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(content)

    refused = cheap(lambda: read(path))

    assert isinstance(refused, FatalError)
    assert str(path) in str(refused)
    assert len(str(refused).splitlines()) == 1


def test_a_device_that_never_ends_is_one_sentence() -> None:
    for read in (load_settings, read_rule_file, read_mapping):
        refused = cheap(lambda read=read: read(Path("/dev/zero")), 16)  # type: ignore[misc]

        assert "larger than" in str(refused)


def test_more_rules_than_one_record_can_hold_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    head = 'id="a"\nversion=1\nauthor="b"\nreason="c"\nchanged_at=2024-03-05T08:00:00Z\n'
    words = ",".join(f"'{chr(34) * 55}{number}'" for number in range(60_000))
    path.write_text(f'{head}[[keywords]]\nid="k"\nname="n"\nwords=[{words}]\n', encoding="utf-8")

    with pytest.raises(FatalError, match="more rules than one record can hold"):
        read_rule_file(path)


def test_a_secret_file_of_the_wrong_name_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    path = tmp_path / "t.toml"
    path.write_text('[elasticsearch]\nusername = "me"\npassword = { file = "large" }\n')

    with pytest.raises(FatalError, match=r"elasticsearch\.password .*large"):
        load_settings(path)


@pytest.mark.parametrize(
    "content", [b"[[1e400]]", b'[["a",Infinity,0,0,0,0]]', b"[" * 100_000, b"\xff", b"{}", b"1"]
)
def test_notes_that_mean_nothing_start_anew(tmp_path: Path, content: bytes) -> None:
    note = tmp_path / "run" / "enrich-1.json"
    note.parent.mkdir()
    note.write_bytes(content)
    crashes = tmp_path / "crashes.json"
    crashes.write_bytes(content)

    assert live_workers(tmp_path) == []
    assert not CrashLog(crashes).suspicious(("a", 0, 0, 0))


@pytest.mark.parametrize("pid", [0, -1, 10**30, "1", None, 1.5])
def test_a_note_of_no_process_is_no_worker(tmp_path: Path, pid: object) -> None:
    note = tmp_path / "run" / "enrich-1.json"
    note.parent.mkdir()
    note.write_text(json.dumps({"role": "enrich", "pid": pid, "metrics_port": 1}))

    assert live_workers(tmp_path) == []


def test_a_model_that_unpacks_to_more_than_a_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        with file.open("weights.npy", "w", force_zip64=True) as part:
            for _ in range(300):
                part.write(bytes(MIB))

    refused = cheap(lambda: LinearModel.load(path, "tingchao train sentiment"), 16)

    assert isinstance(refused, FatalError)


# --- other servers ----------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [float("inf"), 1e12, 86_400.0])
async def test_nobody_can_make_us_wait_for_ever(asked: float) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    await Backoff(sleep=sleep).wait(asked)

    assert slept == [MOST_ASKED_SECONDS]


async def test_an_answer_without_end_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks.elastic_client, "MAX_ANSWER_BYTES", 2 * MIB)

    async def endless(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"content-type": "application/json"})
        await answer.prepare(request)
        for _ in range(64):
            await answer.write(b" " * MIB)
        return answer

    application = web.Application()
    application.router.add_route("*", "/{any:.*}", endless)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    index = Elasticsearch(Elasticsearch.Config.model_validate({"url": f"http://{host}:{port}"}))
    try:
        with pytest.raises(RetryableError, match="larger than 2 MiB"):
            await index.ready()
    finally:
        await index.close()
        await runner.cleanup()


@pytest.mark.parametrize(
    "text",
    ["不喜欢", "不怕恐怕害怕愤怒", "不好", "说“", "星河不如海棠，海棠比星河好，换成星河"],
)
def test_a_text_that_recites_a_list_takes_no_more_than_any_other(text: str) -> None:
    # Given the longest post there may be, of nothing but listed words
    names = EnrichSettings().chain
    chain = build_chain(names, {}, no_rules("main"))
    at = datetime(2026, 1, 1, tzinfo=UTC)
    post = Post(
        id="weibo:1",
        platform="weibo",
        kind="post",
        text=(text * 100_000)[:MAX_TEXT],
        author=Author(id="1"),
        published_at=at,
        observed_at=at,
        source="test",
    )

    # When it is judged
    began = time.process_time()
    chain.run([post])

    # Then it takes no minutes, as comparing each word with each would
    assert time.process_time() - began < 20
