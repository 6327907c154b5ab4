"""Corrections on the command line and in their topic: add, import, list, remove, export, train."""

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.common import EXIT_NO
from pipeline.corrections import indexed_posts, read_corrections
from pipeline.kafka import Entry
from pipeline.loop import EXIT_FATAL
from pipeline.record import Record
from pipeline.settings import Settings
from processors.corrections import correction_id
from schemas.correction import Correction
from schemas.enriched import EnrichedPost, Sentiment
from schemas.post import Author
from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import Answer, cli

AT = datetime(2026, 3, 5, 4, tzinfo=UTC)


class Topic:
    """The topic and its writer, in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def put(self, key: bytes | None, value: bytes | None, partition: int = 0) -> None:
        offset = len(self.records)
        self.records.append(Record("corrections", partition, offset, 0, key, value))

    async def read_all(self, name: str) -> AsyncIterator[Record]:
        assert name == "corrections"
        for record in self.records:
            yield record

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def partitions(self, _topic: str) -> int:
        return 4

    async def write(self, writes: Mapping[str, Sequence[Entry]]) -> None:
        for entry in writes["corrections"]:
            self.put(entry.key, entry.value, entry.partition)


POST = EnrichedPost(
    id="weibo:1",
    platform="weibo",
    kind="post",
    text="云帆水壶真行，烧一次跳一次闸",
    author=Author(id="1"),
    published_at=AT,
    observed_at=AT,
    source="test",
    sentiment=Sentiment(label="positive", negative=0.1, neutral=0.2, positive=0.7),
    models={"sentiment": "linear/1"},
)


@pytest.fixture
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Topic:
    """A folder without settings, Kafka in memory, an index of one post."""
    monkeypatch.chdir(tmp_path)
    topic = Topic()

    async def indexed(_settings: object, ids: Collection[str]) -> dict[str, EnrichedPost]:
        return {POST.id: POST} if POST.id in ids else {}

    monkeypatch.setattr("pipeline.corrections.kafka_of", lambda _settings: topic)
    monkeypatch.setattr("pipeline.cli.corrections.kafka_of", lambda _settings: topic)
    monkeypatch.setattr("pipeline.corrections.LineWriter", lambda _kafka: topic)
    monkeypatch.setattr("pipeline.corrections.indexed_posts", indexed)
    return topic


def run(*arguments: str | Path, language: str = "en") -> Answer:
    answer = cli("corrections", *arguments, TINGCHAO_LANGUAGE=language)
    assert "Traceback" not in answer.err
    return answer


def ok(*arguments: str | Path, language: str = "en") -> Answer:
    answer = run(*arguments, language=language)
    assert answer.code == 0, answer.out + answer.err
    return answer


def mood(text: str, label: str, *more: str) -> Answer:
    return ok("add", text, "--field", "sentiment", "--label", label, *more)


# --- add --------------------------------------------------------------------------------------


def test_a_post_is_corrected_with_what_was_said(topic: Topic) -> None:
    said = ok(
        "add", "weibo:1", "--field", "情感", "--label", "负面", "--by", "王", "--reason", "反话",
        language="zh",
    )  # fmt: skip

    assert "应为" not in said.out and "负面（原判：正面）" in said.out
    [record] = topic.records
    found = Correction.from_line(record.value or b"")
    assert record.key == found.id.encode() and found.id in said.out
    assert (found.text, found.platform, found.labels) == (POST.text, "weibo", ("negative",))
    assert found.said is not None and found.said.model == "linear/1"
    assert (found.by, found.reason) == ("王", "反话")


def test_the_same_again_is_not_written_and_another_label_replaces_it(topic: Topic) -> None:
    mood("水壶跳闸", "negative", "--by", "王")
    again = mood("水壶跳闸", "negative", "--by", "王")
    mood("水壶跳闸", "neutral", "--by", "王")

    assert "already" in again.out
    assert len(topic.records) == 2
    assert len({record.key for record in topic.records}) == 1
    assert len({record.partition for record in topic.records}) == 1
    [listed] = ok("list", "--json").data
    assert listed["labels"] == ["neutral"]


def test_a_text_that_looks_like_an_id_can_be_meant_as_a_text(topic: Topic) -> None:
    absent = run("add", "ok:水壶", "--field", "sentiment", "--label", "negative")

    assert absent.code == EXIT_FATAL
    assert "ok:水壶" in absent.err and "--as-text" in absent.err
    assert topic.records == []
    mood("ok:水壶", "negative", "--as-text")
    assert len(topic.records) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("水壶", "--field", "mood", "--label", "negative"), ["--field", "departments"]),
        (("水壶", "--field", "sentiment", "--label", "angry"), ["--label", "angry", "neutral"]),
        (("水壶", "--field", "aspects", "--label", "price"), ["--label", "price:negative"]),
        (("weibo:2", "--field", "sentiment", "--label", "neutral"), ["weibo:2", "search"]),
        ((" ", "--field", "sentiment", "--label", "neutral"), ["no text"]),
        (("水壶", "--field", "sentiment", "--label", "0", "--by", "王" * 101), ["by"]),
    ],
)
def test_what_cannot_be_noted_is_one_sentence(
    topic: Topic, arguments: tuple[str, ...], told: list[str]
) -> None:
    answer = run("add", *arguments)

    assert answer.code == EXIT_FATAL and answer.out == ""
    [sentence] = answer.err.splitlines()
    assert all(word in sentence for word in told)
    assert topic.records == []


# --- import -----------------------------------------------------------------------------------

TABLE = """text,post_id,field,label,by
水壶跳闸,,sentiment,负面,王
,weibo:1,sentiment,-1,王
,weibo:2,sentiment,-1,王
客服不接,,mood,负面,王
客服不接,,intents,complaint,李
"""


def test_good_rows_are_written_bad_ones_named_and_again_nothing_changes(
    topic: Topic, tmp_path: Path
) -> None:
    path = tmp_path / "更正.csv"
    path.write_bytes(TABLE.encode("gb18030"))

    answer = run("import", path)
    again = run("import", path, "--json")

    assert answer.code == again.code == EXIT_NO
    bad = [line for line in answer.out.splitlines() if line.startswith("✗")]
    assert bad[0].startswith("✗ line 4: the index has no post weibo:2")
    assert bad[1].startswith("✗ line 5: ") and "mood" in bad[1] and len(bad) == 2
    assert "3 corrections written, 0 there already, 2 bad rows." in answer.out
    assert again.data["added"] == 0 and again.data["same"] == 3
    assert [row["line"] for row in again.data["bad"]] == [4, 5]
    assert len(topic.records) == 3


def test_of_one_file_the_later_row_is_newer(topic: Topic, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,by\n水壶跳闸,负面,王\n水壶跳闸,中性,李\n", encoding="utf-8")

    ok("import", path, "--field", "sentiment")
    ok("export", "--field", "sentiment", "--out", tmp_path / "out.jsonl")

    rows = (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(row) for row in rows] == [{"text": "水壶跳闸", "label": 0, "weight": 5.0}]


def test_a_file_does_not_bring_back_what_was_withdrawn(topic: Topic, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,label,by\n水壶跳闸,负面,王\n", encoding="utf-8")
    ok("import", path, "--field", "sentiment")
    ok("remove", correction_id("sentiment", "王", "水壶跳闸"))

    again = ok("import", path, "--field", "sentiment")

    assert "1 were withdrawn before" in again.out
    assert ok("list", "--json").data == []
    mood("水壶跳闸", "negative", "--by", "王")
    assert len(ok("list", "--json").data) == 1


# --- list, remove, export ---------------------------------------------------------------------


def test_a_listing_shows_who_said_what(topic: Topic) -> None:
    assert "No corrections yet" in ok("list").out
    ok("add", "weibo:1", "--field", "sentiment", "--label", "-1", "--by", "王")
    ok("add", "weibo:1", "--field", "intents", "--label", "none", "--by", "李")

    shown = ok("list").out
    chinese = ok("list", "--field", "情感", language="zh").out

    assert all(word in shown for word in ("positive", "negative", "none", "王", "李", "跳一次闸"))
    assert "共 1 条" in chinese and "正面" in chinese and "负面" in chinese
    assert [one["by"] for one in ok("list", "--by", "李", "--json").data] == ["李"]
    assert [one["by"] for one in ok("list", "--limit", "1", "--json").data] == ["李"]


def test_all_of_a_post_is_withdrawn_and_no_text_is_left(topic: Topic) -> None:
    for person in ("王", "李"):
        ok("add", "weibo:1", "--field", "sentiment", "--label", "-1", "--by", person)
    mood("别的水壶", "neutral", "--by", "王")

    gone = ok("remove", "weibo:1", "--by", "赵")
    again = ok("remove", "weibo:1", "--by", "赵")
    unknown = run("remove", "weibo:9")

    assert "2 corrections withdrawn" in gone.out and "before" in again.out
    assert unknown.code == EXIT_FATAL and "corrections list" in unknown.err
    newest = {record.key: record.value or b"" for record in topic.records}
    assert sum(POST.text.encode() in value for value in newest.values()) == 0
    assert len(ok("list", "--json").data) == 1
    assert [one.get("deleted", False) for one in ok("list", "--all", "--json").data].count(
        True
    ) == 2
    assert "(withdrawn)" in ok("list", "--all").out


def test_a_folder_that_is_not_there_is_one_sentence(topic: Topic, tmp_path: Path) -> None:
    answer = run("export", "--field", "sentiment", "--out", tmp_path / "absent" / "out.jsonl")

    assert answer.code == EXIT_FATAL and "absent" in answer.err


# --- the index --------------------------------------------------------------------------------


async def test_posts_are_looked_up_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given an index of every second post
    asked: list[str] = []
    closed: list[bool] = []

    class Index:
        async def close(self) -> None:
            closed.append(True)

    class Search:
        def __init__(self, index: Index) -> None: ...

        async def post(self, post_id: str) -> EnrichedPost | None:
            asked.append(post_id)
            return POST.replaced(id=post_id) if int(post_id[6:]) % 2 else None

    monkeypatch.setattr("pipeline.corrections.elasticsearch_client", lambda _settings: Index())
    monkeypatch.setattr("sinks.search.Search", Search)
    ids = {f"weibo:{number}" for number in range(50)}

    # When they are looked up
    found = await indexed_posts(Settings(), ids)

    # Then each was asked for once
    assert sorted(asked) == sorted(ids)
    assert set(found) == {f"weibo:{number}" for number in range(1, 50, 2)}
    assert closed == [True]


def test_a_post_whose_text_is_given_needs_no_index(
    topic: Topic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr("pipeline.corrections.indexed_posts")
    path = tmp_path / "a.csv"
    path.write_text("text,post_id,label\n水壶跳闸,weibo:7,负面\n", encoding="utf-8")

    ok("import", path, "--field", "sentiment", "--by", "王")

    [one] = ok("list", "--json").data
    assert (one["post_id"], one["platform"], one["by"]) == ("weibo:7", "weibo", "王")


# --- the topic --------------------------------------------------------------------------------


async def test_lines_of_others_and_tombstones_are_no_corrections(topic: Topic) -> None:
    mine = Correction(
        id=correction_id("sentiment", "王", "水壶"),
        field="sentiment",
        text="水壶",
        labels=("neutral",),
        by="王",
        at=AT,
    )
    other = mine.replaced(id=correction_id("sentiment", "李", "水壶"), by="李")
    for one in (mine, other):
        topic.put(one.id.encode(), one.to_line())
    topic.put(b"someone", mine.to_line())
    topic.put(None, b"no json")
    topic.put(other.id.encode(), None)

    assert await read_corrections(topic) == {mine.id: mine}  # type: ignore[arg-type]


# --- train ------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["topic", "file"])
def test_training_takes_corrections_as_a_set_that_wins(
    topic: Topic, tmp_path: Path, source: str
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")
    things = ("水壶", "电饭煲", "风扇", "台灯", "烤箱", "音箱")
    rows = [
        {"text": f"{thing}{words}{number}", "label": label}
        for number in range(3)
        for thing in things
        for words, label in (("太差了", -1), ("周三发货", 0), ("很好用", 1))
    ]
    train = tmp_path / "train.jsonl"
    train.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    mood("水壶很好用0", "negative")
    mood("烤箱呵呵", "negative")
    out = tmp_path / "out.jsonl"
    ok("export", "--field", "sentiment", "--out", out)
    option: tuple[str | Path, ...] = (
        ("--corrections",) if source == "topic" else ("--corrections-file", out)
    )

    plain = cli("train", "sentiment", train, "--out", tmp_path / "plain.npz", "--json")
    taught = cli("train", "sentiment", train, "--out", tmp_path / "own.npz", "--json", *option)

    assert {one["name"]: one["rows"] for one in plain.data} == {"train": 54}
    assert {one["name"]: one["rows"] for one in taught.data} == {"corrections": 2, "train": 53}
    assert (tmp_path / "plain.npz").read_bytes() != (tmp_path / "own.npz").read_bytes()


@pytest.mark.parametrize(
    ("field", "labels", "answers"),
    [("intents", "complaint", ({"label": -1}, {"label": 1})), ("aspects", "动力:负面", ())],
)
def test_intents_and_aspects_learn_from_corrections_too(
    topic: Topic,
    tmp_path: Path,
    field: str,
    labels: str,
    answers: tuple[dict[str, int], ...],
) -> None:
    pytest.importorskip("sklearn", reason="scikit-learn (the extra 'train') is not installed")
    # Given a file that says nothing of clogging
    of_aspects = (*({"aspects": {"动力": mood}} for mood in (-1, 0, 1)), {"aspects": {}})
    rows = [
        {"text": f"{thing}{words}{number}", **answer}
        for number in range(6)
        for thing in ("水壶", "电饭煲", "风扇", "台灯", "烤箱", "音箱")
        for words, answer in zip(
            ("太差", "一般", "很好", "周三"), answers or of_aspects, strict=False
        )
    ]
    train = tmp_path / "reviews.jsonl"
    train.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    ok("add", "--field", field, "--label", labels, "--by", "王", "音箱堵了")
    ok("export", "--field", field, "--out", tmp_path / "out.jsonl")
    domain = ("--domain", "reviews=reviews") if field == "intents" else ()

    # When trained without, with the topic's, with the exported corrections
    def trained(name: str, *options: str | Path) -> bytes:
        out = tmp_path / name
        answer = cli("train", field, train, "--out", out, *domain, *options)
        assert answer.code == 0, answer.err
        return out.read_bytes()

    plain = trained("plain.npz")
    by_topic = trained("topic.npz", "--corrections")

    # Then they count, wherever they come from
    assert by_topic != plain
    assert trained("file.npz", "--corrections-file", tmp_path / "out.jsonl") == by_topic


# --- with servers -----------------------------------------------------------------------------


@pytest.mark.services
def test_corrections_survive_in_kafka(make_line: MakeLine, tmp_path: Path) -> None:
    line = make_line(partitions=3)
    line.ok("topics", "create")
    table = tmp_path / "a.csv"
    table.write_text(
        "text,label,by\n水壶跳闸,负面,王\n风扇不错,正面,王\n坏行,好,王\n", encoding="utf-8"
    )

    imported = line.cli("corrections", "import", table, "--field", "sentiment")
    again = line.cli("corrections", "import", table, "--field", "sentiment", "--json")
    add = ("corrections", "add", "水壶跳闸", "--field", "sentiment", "--label", "neutral")
    added: dict[str, Any] = line.ok(*add, "--by", "李", "--json").data
    absent = line.cli("corrections", "add", "weibo:1", "--field", "sentiment", "--label", "0")

    assert imported.code == again.code == EXIT_NO
    assert "line 4" in imported.out and "2 corrections written" in imported.out
    assert (again.data["added"], again.data["same"]) == (0, 2)
    assert absent.code == EXIT_FATAL and "weibo:1" in absent.err
    assert len(line.ok("corrections", "list", "--json").data) == 3

    def exported() -> list[tuple[str, int]]:
        line.ok("corrections", "export", "--field", "sentiment", "--out", line.folder / "c.jsonl")
        lines = (line.folder / "c.jsonl").read_text(encoding="utf-8").splitlines()
        return [(row["text"], row["label"]) for row in map(json.loads, lines)]

    assert exported() == [("风扇不错", 1), ("水壶跳闸", 0)]
    line.ok("corrections", "remove", added["id"])
    assert exported() == [("水壶跳闸", -1), ("风扇不错", 1)]
    assert line.count("corrections") == 4
    keys = [record.key for record in line.records("corrections")]
    assert keys.count(added["id"].encode()) == 2
