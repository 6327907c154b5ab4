"""The bars on real headlines and complaints, where the development data lies beside the project."""

import pytest

from benchmarks.brands import SHARED, measure

TOOL = SHARED / "tools" / "score_tags.py"


@pytest.mark.skipif(not TOOL.exists(), reason=f"no development data in {SHARED}")
def test_brands_are_told_from_their_namesakes() -> None:
    scores = measure(SHARED)

    assert scores["sense"]["precision"] >= 0.95
    assert scores["sense"]["recall"] >= 0.95
    assert scores["sense"]["macro_precision"] >= 0.90
    assert scores["complaints"]["lenient"]["recall"] >= 0.97
