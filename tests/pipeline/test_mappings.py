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
