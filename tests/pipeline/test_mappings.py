from pathlib import Path

import pytest

from pipeline.mappings import SHIPPED, mapping_for


@pytest.mark.parametrize(
    ("name", "mapping"),
    [
        ("ced_brand_replay_dev.jsonl.gz", "ced_cascade.toml"),
        ("hot_stream_dev.tsv.gz", "hot_search.toml"),
        ("posts.csv", None),
    ],
)
def test_a_shipped_mapping_is_found_by_the_file_name(name: str, mapping: str | None) -> None:
    assert mapping_for(Path("/nowhere") / name) == (SHIPPED / mapping if mapping else None)


def test_a_mapping_beside_the_file_comes_first(tmp_path: Path) -> None:
    beside = tmp_path / "hot_x.mapping.toml"
    beside.write_text("")

    assert mapping_for(tmp_path / "hot_x.tsv") == beside


@pytest.mark.parametrize(
    ("path", "mapping"),
    [
        ("data/xhs/jsonl/search_contents_2026-08-14.jsonl", "mediacrawler_xhs_contents.toml"),
        ("/x/weibo/csv/detail_comments_2026-08-14.csv", "mediacrawler_weibo_comments.toml"),
        ("tieba_search_contents_2026-08-14.xlsx", "mediacrawler_tieba_contents.toml"),
        ("data/xhs/jsonl/search_creators_2026-08-14.jsonl", None),
        ("data/other/jsonl/search_contents_2026-08-14.jsonl", None),
    ],
)
def test_a_shipped_mapping_is_found_by_the_end_of_the_path(path: str, mapping: str | None) -> None:
    assert mapping_for(Path(path)) == (SHIPPED / mapping if mapping else None)
