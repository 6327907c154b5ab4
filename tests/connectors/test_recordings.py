"""The real recordings beside the repository, row by row; skipped where they are absent."""

from collections import Counter
from pathlib import Path

import pytest

from connectors import CONNECTORS
from connectors.base import Batch, Context

REPOSITORY = Path(__file__).resolve().parents[2]
RECORDINGS = (REPOSITORY / "../shared/data").resolve()

pytestmark = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="the development data is not beside the repository"
)


async def read(context: Context, connector: str, file: str, mapping: str) -> list[Batch]:
    kind = CONNECTORS[connector]
    path = RECORDINGS / file
    mapping_path = REPOSITORY / f"deploy/mappings/{mapping}.toml"
    options = {"speed": 0, "shift_to_now": True} if connector == "replay" else {}
    config = kind.Config.model_validate({"path": path, "mapping": mapping_path, **options})
    return [batch async for batch in kind("演示", config, context).batches({})]


@pytest.mark.parametrize("connector", ["file", "replay"])
async def test_every_line_of_the_cascades_is_a_post(context: Context, connector: str) -> None:
    batches = await read(context, connector, "cascade/ced_brand_replay_dev.jsonl.gz", "ced_cascade")

    drafts = [seen.draft for batch in batches for seen in batch.seen]
    assert [item for batch in batches for item in batch.unreadable] == []
    assert Counter(draft.kind for draft in drafts) == {"post": 108, "repost": 38_467}
    assert len({draft.id for draft in drafts}) == 38_575 - 12
    roots = {draft.id: draft.text for draft in drafts if draft.kind == "post"}
    assert all(
        draft.root_id is not None and draft.root_text == roots[draft.root_id]
        for draft in drafts
        if draft.kind == "repost"
    )
    if connector == "replay":
        clocks = [batch.clock for batch in batches if batch.clock is not None]
        assert len(clocks) == len(batches)
        assert clocks == sorted(clocks)
        assert clocks[-1] <= context.now()


async def test_every_line_of_the_hot_search_stream_is_a_sighting(context: Context) -> None:
    batches = await read(context, "file", "hot/hot_stream_dev.tsv.gz", "hot_search")

    drafts = [seen.draft for batch in batches for seen in batch.seen]
    assert [item for batch in batches for item in batch.unreadable] == []
    assert len(drafts) == len({draft.id for draft in drafts}) == 250_071
    assert {draft.kind for draft in drafts} == {"hot"}
    assert all(draft.engagement is not None and draft.engagement.rank for draft in drafts)
    heats = [draft.engagement.heat for draft in drafts if draft.engagement is not None]
    assert heats.count(None) == 25
