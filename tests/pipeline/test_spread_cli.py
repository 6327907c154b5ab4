"""``tingchao spread``: out of a recording or the index, to the terminal, as JSON, as a picture."""

import gzip
import json
from collections.abc import AsyncGenerator, Collection
from pathlib import Path
from typing import Any

import pytest
from defusedxml import ElementTree

from pipeline import spread_posts
from pipeline.loop import EXIT_FATAL
from schemas.enriched import EnrichedPost
from schemas.errors import FatalError
from tests.pipeline.line_rig import ROOT, Answer, cli

HOSTILE = "<b>&\x1b[2J\u202e恶意\x07"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without settings."""
    monkeypatch.chdir(tmp_path)


def row(
    number: int, parent: int | None = None, text: str = "转发微博", **more: Any
) -> dict[str, Any]:
    """A post of the thread of post 1, a minute later for each number."""
    fields: dict[str, Any] = {
        "id": f"weibo:{number}",
        "platform": "weibo",
        "kind": "post" if parent is None else "repost",
        "text": text,
        "author": {"id": f"u{number}", "name": f"网友{number}", "followers": number},
        "published_at": f"2026-03-05T04:{number:02}:00Z",
        "source": "test",
    }
    if parent is not None:
        fields |= {"parent_id": f"weibo:{parent}", "root_id": "weibo:1"}
    return fields | more


# 1 ─┬ 2 ─ 4 … 9, 20 by name
#    ├ 3
#    └ 30 (never collected) ─ 31
THREAD = [
    row(1, text="刹车失灵，小心", author={"id": "u1", "name": "老周", "followers": 48_600}),
    row(2, 1),
    row(3, 1, kind="comment", text="真的吗"),
    *(row(number, 2) for number in range(4, 10)),
    row(20, 1, text="同意//@网友2:转发微博"),
    row(31, 30),
    row(40, deleted=True, text=""),
]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "thread.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8") as lines:
        lines.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in THREAD)
    return path


def spread(*arguments: str | Path, language: str = "zh") -> Answer:
    return cli("spread", *arguments, TINGCHAO_LANGUAGE=language)


# --- from a recording -------------------------------------------------------------------------


def test_the_whole_picture_in_the_terminal(recording: Path) -> None:
    answer = spread("weibo:1", "--file", recording, "--lines", "9")

    assert answer.code == 0, answer.err
    assert "其后 10 条，11 位作者，2 层（每层 1 · 2 · 8）" in answer.out
    assert "据 //@ 推断 1，未采到 1" in answer.out
    lines = answer.out.splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("老周"))
    tree = [line.rstrip() for line in lines[start : start + 9]]
    assert "粉丝 4.9 万" in tree[0] and "其后 10 条" in tree[0] and "刹车失灵" in tree[0]
    assert tree[1].startswith("├─ 网友2  粉丝 2  +1 分钟  其后 7 条")
    assert tree[2].startswith("│  ├─ 网友9")  # of the single posts those with most followers
    assert tree[3].startswith("│  ├─ 网友20") and "[据 //@ 推断]" in tree[3]
    assert tree[4] == "│  └─ … 另有 5 条转发"
    assert tree[5] == "├─ （未采到）  其后 1 条  [上级不详]"
    assert tree[6].startswith("│  └─ 网友31")
    assert tree[7:] == ["└─ … 另有 1 条评论", ""]
    assert "weibo:40" not in answer.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["weibo:2"], ["7 after it", "[inferred from //@]", "stands in the thread of weibo:1"]),
        (["weibo:2", "--whole"], ["10 after it", "◀ asked for"]),
        (["weibo:30"], ["1 after it", "网友31"]),  # known by its answer alone
        (["weibo:9"], ["0 after it", "--whole shows all of it (11 posts)"]),
    ],
)
def test_a_post_within_a_thread(recording: Path, arguments: list[str], expected: list[str]) -> None:
    answer = spread(*arguments, "--file", recording, language="en")

    assert answer.code == 0, answer.err
    for words in expected:
        assert words in answer.out


def test_programs_get_every_node(recording: Path) -> None:
    found = spread("weibo:1", "--file", recording, "--json").data

    assert found["root"] == "weibo:1"
    nodes = {node["id"]: node for node in found["nodes"]}
    assert len(nodes) == 12
    assert nodes["weibo:2"]["descendants"] == 7
    assert (nodes["weibo:20"]["parent"], nodes["weibo:20"]["link"]) == ("weibo:2", "inferred")
    assert nodes["weibo:30"] == {
        "id": "weibo:30",
        "parent": "weibo:1",
        "link": "assumed",
        "depth": 1,
        "seen": False,
        "author": None,
        "descendants": 1,
    }
    assert found["spread"]["shape"]["breadth"] == [1, 2, 8]
    assert found["spread"]["amplifiers"][0]["id"] == "weibo:2"
    assert found["spread"]["bridge"]["beyond"] == 8


def test_the_same_file_in_another_order_gives_the_same(recording: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    lines = [json.dumps(one, ensure_ascii=False) + "\n" for one in reversed(THREAD)]
    other.write_text("".join(lines), encoding="utf-8")

    first, second = (
        spread("weibo:1", "--file", path, "--svg", "a.svg").out + Path("a.svg").read_text()
        for path in (recording, other)
    )

    assert first == second


def test_a_mapped_file_and_bad_rows(tmp_path: Path) -> None:
    path = tmp_path / "ced_two.jsonl"
    root = {"type": "root", "mid": "1", "time": "2026-03-05T12:00:00+08:00", "text": "看"}
    root |= {"author": "u1", "followers": 5, "reposts": 1, "comments": 0, "likes": 0}
    repost = {"type": "repost", "root": "1", "mid": "2", "parent": "1", "text": ""}
    repost |= {"time": "2026-03-05T12:01:00+08:00", "author": "u2"}
    rows = [root, repost, {"type": "repost"}]
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))

    answer = spread("weibo:1", "--file", path, language="en")

    assert answer.code == 0, answer.err
    assert "1 after it" in answer.out
    assert "1 rows of the file are no posts" in answer.err


# --- from the index ---------------------------------------------------------------------------


class FakeSearch:
    """Posts as the index gives them; remembers what it was asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        seen = {"observed_at": "2026-03-05T05:00:00Z"}
        self.posts = [EnrichedPost.from_line(json.dumps(one | seen).encode()) for one in rows]
        self.asked: list[str] = []

    async def post(self, post_id: str) -> EnrichedPost | None:
        return next((one for one in self.posts if one.id == post_id), None)

    async def relatives(self, ids: Collection[str]) -> AsyncGenerator[list[EnrichedPost], None]:
        self.asked += ids
        for one in self.posts:
            if {one.id, one.root_id, one.parent_id} & set(ids):
                yield [one]


class FakeIndex:
    def __init__(self) -> None:
        self.closed = False

    async def close(self) -> None:
        self.closed = True


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> FakeIndex:
    index = FakeIndex()
    monkeypatch.setattr(spread_posts, "elasticsearch_client", lambda settings: index)
    return index


def stored(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> FakeSearch:
    search = FakeSearch(rows)
    monkeypatch.setattr("sinks.search.Search", lambda index: search)
    return search


@pytest.mark.parametrize("asked", ["weibo:1", "weibo:2", "weibo:20", "weibo:31"])
def test_the_index_gives_what_the_recording_gives(
    index: FakeIndex, monkeypatch: pytest.MonkeyPatch, recording: Path, asked: str
) -> None:
    search = stored(monkeypatch, THREAD)

    answer = spread(asked, "--whole", "--json")

    assert answer.code == 0, answer.err
    assert answer.data == spread(asked, "--whole", "--json", "--file", recording).data
    assert len(search.asked) == len(set(search.asked)), "asked twice for the same"
    assert index.closed


def test_comments_on_reposts_and_what_deletions_leave_are_found(
    index: FakeIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        *THREAD,
        row(41, 9, kind="comment", root_id="weibo:9"),
        row(42, 40),  # answers the post that tells its root no more
    ]
    stored(monkeypatch, rows)

    found = spread("weibo:41", "--whole", "--json").data

    depths = {node["id"]: node["depth"] for node in found["nodes"]}
    assert (found["root"], depths["weibo:41"]) == ("weibo:1", 3)
    assert (depths["weibo:40"], depths["weibo:42"]) == (1, 2)


# --- what can go wrong ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["weibo:404"], "no post weibo:404"),
        (["weibo:1", "--limit", "5"], "more than 5 posts"),
        (["weibo:1", "--svg", "no/such/folder.svg"], "can't be written"),
        (["weibo:1", "--file", "none.jsonl"], "none.jsonl"),
        (["weibo:1", "--mapping", "x.toml"], "goes with --file"),
    ],
)
@pytest.mark.parametrize("source", ["index", "recording"])
def test_one_sentence_for_what_goes_wrong(
    index: FakeIndex,
    monkeypatch: pytest.MonkeyPatch,
    recording: Path,
    source: str,
    arguments: list[str],
    words: str,
) -> None:
    stored(monkeypatch, THREAD)
    given = "--file" in arguments or "--mapping" in arguments
    file = ["--file", str(recording)] if source == "recording" and not given else []

    answer = spread(*arguments, *file, language="en")

    assert (answer.code, answer.out) == (EXIT_FATAL, "")
    assert words in answer.err and "Traceback" not in answer.err


def test_a_recording_that_is_too_long_is_refused(
    recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spread_posts, "MOST_RECORDED", 10)

    with pytest.raises(FatalError, match="10"):
        spread_posts.recorded_thread(recording, None, "weibo:1", 1_000)


# --- hostile texts ----------------------------------------------------------------------------


def test_foreign_texts_repaint_nothing_and_break_no_file(tmp_path: Path) -> None:
    author = {"id": "u2", "name": HOSTILE}
    rows = [row(1, author=author, text=HOSTILE), row(2, 1, author=author), row(3, 2)]
    path = tmp_path / "hostile.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))

    answer = spread("weibo:1", "--file", path, "--svg", "hostile.svg")

    assert answer.code == 0, answer.err
    for sign in "\x1b\u202e\x07":
        assert sign not in answer.out
    drawn = Path("hostile.svg").read_text(encoding="utf-8")
    texts = "".join(ElementTree.fromstring(drawn).itertext())
    assert "<b>& [2J 恶意" in texts


def test_the_demo_has_threads_to_look_at() -> None:
    demo = ROOT / "deploy" / "demo" / "recording.jsonl.gz"

    answer = spread("lunji:831899", "--file", demo, "--lines", "12")

    assert answer.code == 0, answer.err
    assert "江边修车记 的圈子：42 条（32 %）" in answer.out
