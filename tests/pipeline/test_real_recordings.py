"""Real recordings through the real line. They are not part of the project: nothing of them may
stand here, so brands and phrases are taken from the files when the tests run.
"""

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pipeline.conftest import MakeLine
from tests.pipeline.line_rig import ROOT, Line

pytestmark = pytest.mark.services

MAPPINGS = ROOT / "deploy" / "mappings"
CASCADE_IDS = 38_563
HOT_ROWS = 20_000
WORDS = re.compile(r"[\u4e00-\u9fff]+")


def rows_of(cascade: Path) -> list[dict[str, Any]]:
    with gzip.open(cascade) as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def cascade(shared_data: Path) -> Path:
    return shared_data / "cascade" / "ced_brand_replay_dev.jsonl.gz"


@pytest.fixture(scope="module")
def rows(cascade: Path) -> list[dict[str, Any]]:
    return rows_of(cascade)


@pytest.fixture(scope="module")
def names(rows: list[dict[str, Any]]) -> list[str]:
    """The brands that the recording was made for, the most frequent first."""
    found = Counter(name for row in rows for name in row.get("brands", ()))
    return [name for name, _ in sorted(found.items(), key=lambda item: (-item[1], item[0]))]


@pytest.fixture(scope="module")
def line(make_module_line: MakeLine, cascade: Path, names: list[str]) -> Iterator[Line]:
    line = make_module_line()
    rules = line.folder / "rules.toml"
    brands = [
        f'[[brands]]\nid = "b{place}"\nname = "{name}"\nrole = "own"\naliases = ["{name}"]\n'
        for place, name in enumerate(names)
    ]
    head = (
        'id = "main"\nversion = 1\nauthor = "test"\nreason = "the recording\'s brands"\n'
        "changed_at = 2026-01-01T00:00:00Z\n"
    )
    rules.write_text(head + "".join(brands), encoding="utf-8")
    line.ok("topics", "create")
    line.ok("rules", "push", rules)
    line.start("enrich")
    line.start("index")
    line.ok("replay", cascade, "--mapping", MAPPINGS / "ced_cascade.toml")
    line.until_drained("enrich", "index")
    yield line
    line.close()


def search(line: Line, *arguments: str) -> list[dict[str, Any]]:
    found = line.ok("search", *arguments, "--every-copy", "--limit", "1000", "--json").data
    return [hit["post"] for hit in found["hits"]]


def test_every_post_of_the_cascades_is_indexed(line: Line, rows: list[dict[str, Any]]) -> None:
    ids = {f"weibo:{row['mid']}" for row in rows}
    assert len(ids) == CASCADE_IDS

    report = line.ok("audit", "--json").data

    assert report["holds"]
    assert report["total"]["produced"] == report["total"]["indexed"] == CASCADE_IDS
    assert line.indexed() == sorted(ids)


def test_the_cascades_are_found_by_brand(line: Line, names: list[str]) -> None:
    for place in (0, len(names) // 2, len(names) - 1):
        posts = search(line, "--brand", f"b{place}")

        assert posts
        for one in posts:
            said = one["text"] + one.get("title", "") + one.get("root_text", "")
            assert names[place].casefold() in said.casefold()


def test_any_post_is_found_by_a_phrase_inside_it(line: Line, rows: list[dict[str, Any]]) -> None:
    wordy = [row for row in rows if max(map(len, WORDS.findall(row["text"])), default=0) >= 8]
    choose = random.Random(3)
    for row in choose.sample(wordy, 5):
        words = max(WORDS.findall(row["text"]), key=len)
        start = choose.randrange(len(words) - 7)
        phrase = words[start : start + 8]

        posts = search(line, phrase)

        assert f"weibo:{row['mid']}" in {one["id"] for one in posts} or len(posts) == 1000
        for one in posts:
            assert phrase in one["text"] + one.get("root_text", "")


def test_a_stretch_of_the_hot_boards_is_indexed(
    line: Line, shared_data: Path, tmp_path: Path
) -> None:
    with gzip.open(shared_data / "hot" / "hot_stream_dev.tsv.gz") as whole:
        first = [next(whole) for _ in range(HOT_ROWS)]
    stretch = tmp_path / "stretch.tsv"
    stretch.write_bytes(b"".join(first))
    sightings = {tuple(row.decode().split("\t")[place] for place in (0, 2, 3)) for row in first}
    before = line.ok("audit", "--json").data["total"]["indexed"]

    done = line.ok("replay", stretch, "--mapping", MAPPINGS / "hot_search.toml", "--json").data
    line.until_drained("enrich", "index")

    assert (done["posts"], done["rejected"]) == (HOT_ROWS, 0)
    report = line.ok("audit", "--json").data
    assert report["holds"]
    assert report["total"]["indexed"] - before == len(sightings)
    posts = search(line, "--platform", "weibo-hot")
    assert {one["kind"] for one in posts} == {"hot"}
